"""Hoc programs that are run, in a process of their own, until their cell is there."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from wscale._util.plain import some
from wscale._util.text import kinds, many
from wscale.errors import ModelError, option

__all__ = ["HocCell", "run_hoc", "unmarked"]


@dataclass(frozen=True)
class HocCell:
    """The cell that a program has made, whose sections are the only ones then.

    Parameters
    ----------
    cell : object
        The template's object, or what has the program's section lists by their names.
    notices : list of str
        What was decided, for the user to see.
    is_instance : bool
        Whether wscale has called a template, so that all that is there belongs to the cell.
    problem : str
        Why there is no cell; empty if there is one. What the code has printed may say more.
    """

    cell: Any
    notices: list[str]
    is_instance: bool
    problem: str = ""


def run_hoc(
    h: Any, file: Path, program: Mapping[str, Any], arguments: list[Any], scratch: Path
) -> HocCell:
    """Run a hoc file, and call the template or procedure that makes the cell.

    Parameters
    ----------
    h : hoc.HocObject
        NEURON.
    file : path
        The file.
    program : mapping
        A :class:`wscale.cells.hoc_scan.HocProgram`, as plain data.
    arguments : list
        What the template or procedure is called with.
    scratch : path
        A folder for copies of files.

    Raises
    ------
    ModelError
        A template that is needed is in several files, is not there, or takes arguments.
    """
    if program["imports"]:
        h.load_file("import3d.hoc")
    notices = _load_first(h, file, program)
    known = set(dir(h))
    _load(h, file, scratch)
    name: str | None = program["name"]
    if name is not None and not hasattr(h, name):
        raise ModelError(f"{file} has no template or procedure {name!r}, nor have those it loads")
    makers = [maker for maker in program["makers"] if hasattr(h, maker)]
    there = list(h.allsec())
    if name is None and len(makers) == 1 and not any(_mechanisms(sec) for sec in there):
        [name] = makers
        if wrong := program["makers"][name]:
            raise ModelError(wrong)
    given = [unmarked(value, scratch) if isinstance(value, str) else value for value in arguments]
    made = None if name is None else getattr(h, name)(*given)
    is_instance = isinstance(made, type(h))
    if is_instance and there:
        _delete(h, there)
        notices.append(
            f"the cell is that of {name}; {many(len(there), 'section')} that the file "
            "makes by itself left out"
        )
    if not any(True for _ in h.allsec()):
        remedy = _remedy(program) if name is None else ""
        problem = f"{name or 'the code'} of {file} has made no section{remedy}"
        return HocCell(None, notices, is_instance, problem)
    if not is_instance:
        notices += _without_lone(h)
        made = _only_cell(h) or _section_lists(h, known)
        unused = [
            maker
            for maker in makers
            if maker in program["with_sections"]
            and not any(str(sec.name()).startswith(f"{maker}[") for sec in h.allsec())
        ]
        if unused:
            cell = f"{made}, which" if isinstance(made, type(h)) else "what"
            notices.append(
                f"the cell is {cell} the file makes when it is run; for another template, "
                f"name it with {option('cell_class')}: {some(unused)}"
            )
    return HocCell(made, notices, is_instance)


def _load_first(h: Any, file: Path, program: Mapping[str, Any]) -> list[str]:
    """Load the files beside the file that have templates it needs; say which."""
    for template, files in program["elsewhere"].items():
        if not hasattr(h, template):
            lines = "\n".join(f'  load_file("{name}")' for name in (files[0], file.name))
            raise ModelError(
                f"{file} needs a template {template}, which several files beside it have: "
                f"{some(files)}; write a hoc file there that loads the right one first, and give "
                f"that file:\n{lines}"
            )
    first = []
    for name, templates in program["first"].items():
        if not any(hasattr(h, template) for template in templates):
            h.load_file(str(file.parent / name))
            first.append(name)
    return [f"{some(first)} loaded first, for the templates there"] if first else []


def _load(h: Any, file: Path, scratch: Path) -> None:
    copy = unmarked(str(file), scratch)
    if copy != str(file):
        h.xopen(copy)  # which stays in the file's folder
    elif not h.load_file(str(file)):
        raise ModelError(f"{file} cannot be loaded by NEURON")


def unmarked(file: str, scratch: Path) -> str:
    """Return the name of a file, or of a copy without its byte-order mark, which NEURON misreads.

    Parameters
    ----------
    file : str
        The file; may be something else.
    scratch : path
        The folder for the copy.
    """
    if not Path(file).is_file():
        return file
    with Path(file).open("rb") as opened:
        if opened.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
            return file
        copy = scratch / Path(file).name
        copy.write_bytes(opened.read())
    return str(copy)


def _delete(h: Any, secs: list[Any]) -> None:
    for sec in secs:
        h.delete_section(sec=sec)


def _mechanisms(sec: Any) -> list[str]:
    """Return the density mechanisms of a section, those of its ions and geometry apart."""
    names = [mechanism.name() for mechanism in sec(0.5)]
    return [name for name in names if name not in ("capacitance", "morphology")]


def _without_lone(h: Any) -> list[str]:
    """Delete sections without mechanisms that are connected to nothing, if there are others."""
    lone = []
    for sec in h.allsec():
        reference = h.SectionRef(sec=sec)
        if not (_mechanisms(sec) or reference.has_parent() or reference.nchild()):
            lone.append(sec)
    if not lone or len(lone) == len(list(h.allsec())):
        return []
    names = kinds(sec.name() for sec in lone)
    _delete(h, lone)
    return [f"left out, without mechanisms and connected to nothing: {names}"]


def _only_cell(h: Any) -> Any:
    """Return the object of a template that all sections belong to; None: there is none."""
    cells = [sec.cell() for sec in h.allsec()]
    return cells[0] if all(cell == cells[0] for cell in cells) else None


def _section_lists(h: Any, known: set[str]) -> SimpleNamespace:
    """Return the section lists that have names at the top level."""
    lists = {}
    for name in set(dir(h)) - known:
        value = getattr(h, name, None)
        if isinstance(value, type(h)) and str(value).startswith("SectionList["):
            lists[name] = value
    return SimpleNamespace(**lists)


def _remedy(program: Mapping[str, Any]) -> str:
    names = list(program["makers"]) or program["buttons"] or program["procedures"]
    if not names:
        return "; give a file that does"
    what = "template" if program["makers"] else "procedure"
    return (
        f"; name the {what} that makes the cell with {option('cell_class')}, and its arguments "
        f"with {option('cell_args')} (it has {some(names)})"
    )
