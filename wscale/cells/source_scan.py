"""Files that NetPyNE's importer runs, looked at beforehand: which cell is meant, what is wrong.

Nothing is run here; the texts of .hoc, .py and .swc files are read.
"""

from __future__ import annotations

import ast
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from wscale._util.plain import some
from wscale.cells.swc import swc_text
from wscale.errors import ModelError, closest, option

__all__ = ["check_swc", "hoc_name", "python_name"]

_HOC_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_HOC_TEMPLATE = re.compile(r"\bbegintemplate\s+(\w+)(.*?)\bendtemplate\b", re.DOTALL)
_HOC_LOAD = re.compile(
    r"\b(?:load_file|xopen)\s*\(\s*(?:\d+\s*,\s*)?(?:\"(?P<name>[^\"]*)\"\s*\)|[^\")])"
)
_HOC_INIT = re.compile(r"\bproc\s+init\s*\(\s*\)(.*?)(?=\b(?:proc|func|obfunc)\b|$)", re.DOTALL)


def python_name(file: Path, name: str | None) -> str:
    """Return the class or function to call, found without running the file."""
    try:
        body = ast.parse(file.read_bytes(), file.name).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ModelError(f"{file} is not Python that can be read: {error}") from error
    if not file.stem.isidentifier():
        raise ModelError(f"{file} cannot be imported: rename it to letters, digits and _")
    own = [
        node.name
        for node in body
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_")
    ]
    if name is None:
        return _only(file, own, "class or function")
    bound = {n.id for node in body for n in ast.walk(node) if isinstance(n, ast.Name)} | {
        (alias.asname or alias.name).split(".")[0]
        for node in ast.walk(ast.Module(body, []))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    if name not in own and name not in bound and "*" not in bound:
        raise ModelError(
            f"{file} has no class or function {name!r} (it has {some(own) or 'none'})."
            f"{closest(name, own)}"
        )
    return name


def hoc_name(file: Path, name: str | None, arguments: Any) -> str | None:
    """Return the template to make, found without running the file; None: there is none."""
    if isinstance(arguments, dict):
        raise ModelError(
            f"{option('cell_args')} = {arguments} for {file}: a hoc template takes its "
            "arguments in order; give a list"
        )
    templates, elsewhere = _hoc_templates(file)
    if name is None and not templates and not elsewhere:
        return None  # sections at the top level
    if name is None:
        name = _only(file, list(templates), "template")
    if name in templates:
        _count_hoc_arguments(file, name, templates[name], len(arguments))
    elif not elsewhere:
        raise ModelError(
            f"{file} has no template {name!r} (it has {some(templates) or 'none'})."
            f"{closest(name, templates)}"
        )
    return name


def _hoc_templates(file: Path) -> tuple[dict[str, str], bool]:
    """Return the templates of a file and of those that it loads; whether one was not found."""
    templates: dict[str, str] = {}
    missing, waiting, seen = False, [file], {file.resolve()}
    while waiting:
        here = waiting.pop()
        text = _HOC_COMMENT.sub("", here.read_text(encoding="latin1"))
        templates |= {str(found[1]): str(found[2]) for found in _HOC_TEMPLATE.finditer(text)}
        for load in _HOC_LOAD.finditer(text):
            name = load["name"]
            if name is None:  # computed as it runs
                missing = True
                continue
            places = [folder / name for folder in (here.parent, file.parent)]
            found = next((place for place in places if place.is_file()), None)
            if found is None:
                missing = missing or not _is_of_neuron(name)
            elif found.resolve() not in seen:
                seen.add(found.resolve())
                waiting.append(found)
    return templates, missing


def _is_of_neuron(name: str) -> bool:
    """Whether a file is one of NEURON's own hoc library, such as stdrun.hoc."""
    package = find_spec("neuron")
    if package is None or package.origin is None:
        return False
    library = Path(package.origin).parent / ".data" / "share" / "nrn" / "lib" / "hoc"
    return (library / name).is_file()


def _count_hoc_arguments(file: Path, name: str, body: str, given: int) -> None:
    init = _HOC_INIT.search(body)
    text = "" if init is None else init[1]
    wanted = max((int(number) for number in re.findall(r"\$[so&]?(\d+)", text)), default=0)
    optional = re.search(r"\bnumarg\b|\$[so&]?i\b", text) is not None
    if (given != wanted and not optional) or (given > wanted and "$i" not in text):
        raise ModelError(
            f"template {name} in {file} takes {wanted} arguments, but cell_args has {given}; give "
            f"them in order, as a list: {option('cell_args', [20, 300])}"
        )


def _only(file: Path, names: list[str], what: str) -> str:
    if len(names) == 1:
        return names[0]
    raise ModelError(
        f"{file} has {len(names) or 'no'} {what}{': ' + some(names) if names else ''}; say which "
        f"makes the cell with {option('cell_class')}"
    )


def check_swc(file: Path) -> None:
    """Refuse an SWC file that NEURON would misread, with its line."""
    seen: set[int] = set()
    for number, line in enumerate(swc_text(file).splitlines(), 1):
        fields = line.split("#")[0].split()
        if not fields:
            continue
        where = f"{file}, line {number}: {line.strip()!r}"
        try:
            index, kind, parent = int(fields[0]), int(fields[1]), int(fields[6])
            *_, radius = (float(entry) for entry in fields[2:6])
        except (ValueError, IndexError):
            raise ModelError(
                f"{where} is not a point of SWC: index, type, x, y, z, radius, parent"
            ) from None
        if kind not in (1, 2, 3, 4):
            raise ModelError(
                f"{where}: type {kind} is none of 1 (soma), 2 (axon), 3 (dendrite), 4 (apical), "
                "which NetPyNE reads; give the point the type of its neurite, or leave it out"
            )
        if index in seen or (parent != -1 and parent not in seen) or not 0 < radius < 1e6:
            raise ModelError(
                f"{where}: the index must be new, the parent a point before it (or -1), and the "
                "radius positive"
            )
        seen.add(index)
    if not seen:
        raise ModelError(f"{file} has no points")
