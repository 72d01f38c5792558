"""Hoc programs, read without running them: what makes the cell, and which files are loaded."""

from __future__ import annotations

import codecs
import os
import re
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from wscale._util.plain import some
from wscale._util.text import many
from wscale.errors import ModelError, closest, option

__all__ = ["HOC", "HocProgram", "code_of", "scan_hoc"]

HOC = (".hoc", ".tem", ".oc")

_MOST_BYTES = 2**22
_STRING_OR_COMMENT = re.compile(r'"(?:\\.|[^"\\\n])*"|/\*.*?\*/|//[^\n]*', re.DOTALL)
_TEMPLATE = re.compile(r"\bbegintemplate\s+(\w+)(.*?)\bendtemplate\b", re.DOTALL)
_PROCEDURE = re.compile(r"\b(?:proc|func|obfunc|iterator)\s+(\w+)\s*\(\s*\)\s*\{")
_BRACE = re.compile(r'"(?:\\.|[^"\\\n])*"|[{}]')
_LOAD = re.compile(r"\b(?:load_file|xopen)\s*\(\s*(?:\d+\s*,\s*)?(?:\"([^\"]*)\"\s*\)|[^\")])")
_HOME = re.compile(r"^\$\(?NEURONHOME\)?/(?:lib/hoc/)?")
_NEW = re.compile(r"\bnew\s+(\w+)")
_CREATE = re.compile(r"\bcreate\s+\w")
_BUTTON = re.compile(r'\bxbutton\s*\(\s*"[^"\n]*"\s*,\s*"\s*(\w+)\s*\(')


@dataclass(frozen=True)
class HocProgram:
    """What a hoc file and those that it loads define, and how the cell is made.

    Parameters
    ----------
    name : str or None
        Template or procedure to call once the file is loaded; None: what the file itself makes,
        or else the only template of ``makers``.
    makers : dict
        The templates that may make a cell, and why they cannot be called without arguments (empty:
        they can).
    with_sections : list of str
        Those of them that create sections.
    templates, procedures : dict
        All templates and top-level procedures, and their code.
    buttons : list of str
        The procedures that the program's buttons call.
    imports : bool
        Whether morphologies are read, with NEURON's import3d.
    complete : bool
        Whether all files that are loaded were found.
    makes : bool
        Whether sections are created, or templates called, at the top level.
    first : dict
        Files beside it to be loaded first, and the templates that only these have.
    elsewhere : dict
        Templates that are needed, and the files beside it that have them, where there are several.
    """

    name: str | None = None
    makers: dict[str, str] = field(default_factory=dict)
    with_sections: list[str] = field(default_factory=list)
    templates: dict[str, str] = field(default_factory=dict)
    procedures: dict[str, str] = field(default_factory=dict)
    buttons: list[str] = field(default_factory=list)
    imports: bool = False
    complete: bool = True
    makes: bool = False
    first: dict[str, list[str]] = field(default_factory=dict)
    elsewhere: dict[str, list[str]] = field(default_factory=dict)


def scan_hoc(file: Path, name: str | None, arguments: Any) -> HocProgram:
    """Read a hoc file and those that it loads, and say what makes the cell.

    Parameters
    ----------
    file : path
        The file.
    name : str or None
        Template or procedure that the user has asked for.
    arguments : list
        Its arguments.

    Raises
    ------
    ModelError
        There is no such template or procedure, it takes other arguments, or there are several.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "cell.hoc"
    >>> _ = file.write_text("begintemplate Ball create soma endtemplate Ball")
    >>> scan_hoc(file, "Ball", []).with_sections
    ['Ball']
    """
    if isinstance(arguments, dict):
        raise ModelError(
            f"{option('cell_args')} = {arguments} for {file}: a hoc template takes its "
            "arguments in order; give a list"
        )
    program = _read(file)
    if name is None and arguments:
        if len(program.makers) != 1 or program.makes:
            raise ModelError(
                f"{option('cell_args')} = {arguments} for {file}: name the template or procedure "
                f"that takes them with {option('cell_class')}{_choice(program)}"
            )
        [name] = program.makers
    if name is None:
        return program
    callables = {**program.procedures, **program.templates}
    if name in callables:
        if wrong := _wrong_arguments(file, name, program, len(arguments)):
            raise ModelError(wrong)
    elif program.complete:
        beside = [path for path, has in _templates_beside(file).items() if name in has]
        where = f" {beside[0]} has it: give that file" if beside else ""
        raise ModelError(
            f"{file} has no template or procedure {name!r} (it has {some(callables) or 'none'})."
            f"{where or closest(name, callables)}"
        )
    return replace(program, name=name)


def _choice(program: HocProgram) -> str:
    """Return the names that could be asked for, in brackets, those of buttons before others."""
    names = list(program.makers) or program.buttons or list(program.procedures)
    return f" ({some(names)})" if names else ""


def _wrong_arguments(file: Path, name: str, program: HocProgram, given: int) -> str:
    """Say how many arguments a template or procedure takes, if it is not so many; else nothing."""
    called, code = f"procedure {name}", program.procedures.get(name, "")
    if name in program.templates:
        called = f"template {name}"
        code = _procedures(program.templates[name])[0].get("init", "")
    wanted = max((int(number) for number in re.findall(r"\$[so&]?(\d+)", code)), default=0)
    optional = re.search(r"\bnumarg\b|\$[so&]?i\b", code) is not None
    if (given == wanted or optional) and (given <= wanted or "$i" in code):
        return ""
    return (
        f"{called} in {file} takes {many(wanted, 'argument')}, but cell_args has {given}; "
        f"give them in order, as a list: {option('cell_args', _example(code, wanted))}"
    )


def _example(code: str, wanted: int) -> list[Any]:
    texts = {int(number) for number in re.findall(r"\$s(\d+)", code)}
    return ["text" if index in texts else 20 * index for index in range(1, wanted + 1)]


# ---------------------------------------------------------------------- the files


def _read(file: Path) -> HocProgram:
    program, loaded, wanted = _read_loaded(file)
    first: dict[str, list[str]] = {}
    elsewhere: dict[str, list[str]] = {}
    beside = _templates_beside(file) if program.complete else {}
    templates, looked_for = dict(program.templates), set(program.templates)
    while program.complete and (missing := wanted - looked_for):
        name = min(missing)
        looked_for.add(name)
        found = [path for path, has in beside.items() if name in has and path not in loaded]
        if len(found) == 1:
            other, more, also = _read_loaded(found[0])
            first = {found[0].name: list(other.templates), **first}  # before what needs it
            templates |= other.templates
            looked_for |= other.templates.keys()
            loaded, wanted = loaded | more, wanted | also
        elif found:
            elsewhere[name] = [path.name for path in found]
    return replace(
        program,
        makers={name: _wrong_arguments(file, name, program, 0) for name in program.makers},
        templates=templates,
        imports=any(name.startswith("Import3d_") for name in wanted),
        first=first,
        elsewhere=elsewhere,
    )


def _read_loaded(file: Path) -> tuple[HocProgram, set[Path], set[str]]:
    """Read a file and those that it loads; return them, and the names of what is made by new."""
    templates: dict[str, str] = {}
    procedures: dict[str, str] = {}
    buttons: list[str] = []
    tops: list[str] = []
    complete, waiting, loaded = True, [file], {file}
    wanted: set[str] = set()
    while waiting:
        here = waiting.pop(0)
        text = code_of(here, may_have_mark=here == file)
        templates |= {str(found[1]): str(found[2]) for found in _TEMPLATE.finditer(text)}
        own, top = _procedures(_TEMPLATE.sub("", text))
        procedures |= own
        tops.append(top)
        buttons += _BUTTON.findall(text)
        wanted |= set(_NEW.findall(text))
        for load in _LOAD.finditer(text):
            found = None if load[1] is None else _place(load[1], (here.parent, file.parent))
            if found is None:
                complete = complete and load[1] is not None and _is_of_neuron(load[1])
            elif found not in loaded:
                loaded.add(found)
                waiting.append(found)
    made = {name for top in tops for name in _NEW.findall(top)}
    makes = any(_CREATE.search(top) for top in tops) or not made.isdisjoint(templates)
    program = HocProgram(
        makers=dict.fromkeys(_makers(templates), ""),
        with_sections=[name for name, code in templates.items() if _CREATE.search(code)],
        templates=templates,
        procedures=procedures,
        buttons=[name for name in dict.fromkeys(buttons) if name in procedures],
        complete=complete,
        makes=makes,
    )
    return program, loaded, wanted


def _makers(templates: dict[str, str]) -> list[str]:
    """Return the templates that make a cell: with sections, and not a part of another's."""
    with_sections = [name for name, code in templates.items() if _CREATE.search(code)]
    parts = {part for code in templates.values() for part in _NEW.findall(code)}
    return [name for name in with_sections if name not in parts] or with_sections or [*templates]


def _place(name: str, folders: tuple[Path, ...]) -> Path | None:
    places = (Path(os.path.normpath(folder / name)) for folder in folders)
    return next((place for place in places if place.is_file()), None)


def _is_of_neuron(name: str) -> bool:
    """Whether a file is one of NEURON's own hoc library, such as stdrun.hoc."""
    package = find_spec("neuron")
    if package is None or package.origin is None:
        return False
    library = Path(package.origin).parent / ".data" / "share" / "nrn" / "lib" / "hoc"
    return (library / _HOME.sub("", name)).is_file()


def _templates_beside(file: Path) -> dict[Path, list[str]]:
    """Return the hoc files in the folder of a file, and the templates of each."""
    return {
        path: [match[1] for match in _TEMPLATE.finditer(code_of(path, may_have_mark=True))]
        for path in sorted(file.parent.iterdir())
        if path.suffix in HOC and path.is_file()
    }


def code_of(file: Path, *, may_have_mark: bool) -> str:
    """Return the code of a file without comments; nothing if it is too large or unreadable."""
    try:
        content = file.read_bytes() if file.stat().st_size <= _MOST_BYTES else b""
    except OSError:
        content = b""
    if content.startswith(codecs.BOM_UTF8) and not may_have_mark:
        raise ModelError(
            f"{file} begins with a byte-order mark, with which NEURON ignores a part of the file; "
            "save it as UTF-8 without"
        )
    text = content.removeprefix(codecs.BOM_UTF8).decode("latin-1")
    return _STRING_OR_COMMENT.sub(lambda found: found[0] if found[0][0] == '"' else " ", text)


def _procedures(text: str) -> tuple[dict[str, str], str]:
    """Return the procedures of a text by name, and the text without them."""
    found: dict[str, str] = {}
    rest, at = [], 0
    while (head := _PROCEDURE.search(text, at)) is not None:
        depth, end = 1, len(text)
        for brace in _BRACE.finditer(text, head.end()):
            depth += {"{": 1, "}": -1}.get(brace[0], 0)
            if depth == 0:
                end = brace.end()
                break
        rest.append(text[at : head.start()])
        found[head[1]] = text[head.end() : end]
        at = end
    return found, "".join([*rest, text[at:]])
