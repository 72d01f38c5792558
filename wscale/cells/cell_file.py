"""Cells from files: NetPyNE's cellParams, hoc, Python, SWC and NeuroML2, as plain rules."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wscale._util.formulas import check_formulas_of_rule
from wscale._util.json_files import read_bytes, user_path
from wscale._util.plain import some, to_plain
from wscale._util.text import kinds
from wscale.cells.biophysics import add_biophysics
from wscale.cells.cell_rule_checks import check_rule, check_sections, parent_of
from wscale.cells.hoc_scan import HOC, scan_hoc
from wscale.cells.importer import Arguments, import_cell
from wscale.cells.json_pickle import choose_stored
from wscale.cells.neuroml import import_neuroml
from wscale.cells.source_scan import python_name
from wscale.errors import ModelError, closest, option

__all__ = ["CellFile", "CellRule", "read_cell"]

_STORED = (".json", ".pkl", ".pickle", ".p")
_IMPORTED = (*HOC, ".py", ".swc")
_NEUROML = (".nml", ".xml")


@dataclass(frozen=True)
class CellRule:
    """A cell rule of NetPyNE, plain.

    Parameters
    ----------
    rule : dict
        ``secs`` and, where the file has them, ``secLists``, ``globals``, ``conds`` and others.
    notices : tuple of str
        What was changed or is unusual, for the user to see.
    source : str
        The file, and the template, class, function or label in it.
    mod : str or None
        Folder of NMODL that the cell brings: ``mod`` beside a file of code, or what became of a
        NeuroML2 file's channels.
    syn_mechs : dict
        The ``synMechParams`` of a saved network that the cell is from.
    """

    rule: dict[str, Any]
    notices: tuple[str, ...]
    source: str
    mod: str | None = None
    syn_mechs: dict[str, Any] = field(default_factory=dict)
    _read: bytes = field(default=b"", init=False, repr=False, compare=False)

    @property
    def is_as_read(self) -> bool:
        """Whether the rule is still what :func:`read_cell` has read and checked."""
        return self._read == pickle.dumps(self.rule)


@dataclass(frozen=True)
class CellFile:
    """A cell's file, and how to read it: the arguments of :func:`read_cell`.

    Examples
    --------
    >>> CellFile("cells/PV_simple.json").label
    'PV_simple'
    """

    path: str
    cell_class: str | None = None
    cell_args: Arguments = None
    biophysics: str | Mapping[str, Any] | None = None
    soma: str | None = None

    @property
    def label(self) -> str:
        """What the cell is called where nothing else is said: its class, or the file's name."""
        name = Path(self.path)
        stem = Path(name.stem).stem if name.name.endswith(".cell.nml") else name.stem
        return stem if self.cell_class in (None, "", "init") else str(self.cell_class)

    def read(self, mod: str | None) -> CellRule:
        """Read the cell, its mechanisms from a folder (None: ``mod`` beside the file)."""
        return read_cell(
            self.path,
            cell_class=self.cell_class,
            cell_args=self.cell_args,
            biophysics=self.biophysics,
            mod=mod,
            soma=self.soma,
        )


def read_cell(
    path: str | Path,
    *,
    cell_class: str | None = None,
    cell_args: Arguments = None,
    biophysics: str | Path | Mapping[str, Any] | None = None,
    mod: str | Path | None = None,
    soma: str | None = None,
) -> CellRule:
    """Read a cell from a file.

    JSON and pickle files are read without running anything; a pickle that would run code is
    refused. The code of .hoc and .py files runs in a process of its own.

    Parameters
    ----------
    path : path
        ``.json`` or ``.pkl``: a cellParams rule, several by label, or a saved network.
        ``.hoc``, ``.tem``, ``.oc``, ``.py``, ``.swc``: what NetPyNE's importer reads; of
        hoc also programs that make their cell at the top level or in a procedure.
        ``.nml``, ``.xml``: a detailed cell in NeuroML2, which needs the extra ``wscale[neuroml]``
        and, for channels, Java.
    cell_class : str, optional
        Template or procedure (hoc), class or function (Python), label (JSON, pickle) or id
        (NeuroML2), where there are several.
    cell_args : mapping or sequence, optional
        Arguments of the template or procedure (in order), class or function. Names of files are
        looked for in the folder of the cell's file, then in the present one.
    biophysics : path or mapping, optional
        ``{pattern: {"mechs": {...}, "geom": {...}, "ions": {...}}}``, or a JSON file of it: what
        is added to the sections whose names fit the shell-style pattern, in order. ``geom`` takes
        ``cm`` (uF/cm2), ``Ra`` (ohm cm) and ``nseg``.
    mod : path, optional
        Folder of NMODL mechanisms that the code needs; by default ``mod`` beside the file. For
        NeuroML2: the folder whose names the cell's own channels must not take.
    soma : str, optional
        The section that is the soma, where no name starts so: it is renamed ``soma``.

    Returns
    -------
    CellRule
        The rule, and what the user should know.

    Raises
    ------
    ModelError, MechanismError
        With the file, what is wrong and the remedy.

    Examples
    --------
    >>> cell = read_cell("cells/PV_simple.json")
    >>> list(cell.rule["secs"]), cell.notices
    (['soma', 'axon', 'dend'], ())
    """
    file, content = _content(path)
    suffix = file.suffix.lower()
    notices: list[str] = []
    own_mod: str | None = None
    syn_mechs: dict[str, Any] = {}
    procedures: list[str] = []
    if cell_args and suffix in _STORED + _NEUROML:
        raise ModelError(
            f"{file} holds data and takes no arguments: leave {option('cell_args')} out"
        )
    if suffix in _STORED:
        rule, label, syn_mechs = choose_stored(file, content, cell_class)
    elif suffix in _NEUROML:
        found = import_neuroml(file, cell_class, mod)
        rule, label, own_mod = found.rule, found.name, found.mod
        notices += found.notices
    else:
        imported = import_cell(file.absolute(), cell_class, cell_args, mod)
        rule, own_mod = imported.rule, imported.mod
        notices += [f"{file}: {notice}" for notice in imported.notices]
        procedures = imported.procedures
        label = "" if suffix == ".swc" else cell_class or ""
        rule = {key: part for key, part in rule.items() if part}
        lists = rule.pop("secLists", {})
        if named := {name: secs for name, secs in lists.items() if secs}:
            rule["secLists"] = named
    source = f"{file}:{label}" if label else str(file)
    secs = _sections(source, rule)
    scaled = [sec for sec in secs.values() if sec.pop("weightNorm", None) is not None]
    if scaled:
        notices.append(f"{source}: stored weightNorm removed from {len(scaled)} sections")
    if soma is not None:
        notices.append(_rename_soma(source, rule, soma))
    if biophysics is not None:
        notices += add_biophysics(source, rule["secs"], biophysics)
    check_rule(source, rule["secs"])
    check_formulas_of_rule(source, rule)
    _refuse_bare(source, rule["secs"], procedures)
    notices += _unusual(source, rule["secs"])
    cell = CellRule(rule, tuple(notices), source, own_mod, syn_mechs)
    object.__setattr__(cell, "_read", pickle.dumps(rule))
    return cell


# ---------------------------------------------------------------------- the rule


def _sections(source: str, rule: dict[str, Any]) -> dict[str, Any]:
    """Return a rule's sections; refuse a rule that has none, or in another shape."""
    if "secs" not in rule and "cellModel" in rule:
        raise ModelError(
            f"{source} is an artificial cell ({rule['cellModel']}): it has no section, so a "
            "synapse on it has no EPSP; give a cell with sections"
        )
    secs = rule.get("secs")
    if not isinstance(secs, dict) or not secs:
        raise ModelError(f"{source} has no sections; a cell needs at least its soma")
    for key in ("secLists", "globals", "conds"):
        if not isinstance(rule.get(key, {}), dict):
            raise ModelError(f"{source}: {key} must be a dictionary, but is {rule[key]!r}")
    check_sections(source, secs)
    return secs


def _rename_soma(source: str, rule: dict[str, Any], soma: str) -> str:
    """Rename a section ``soma`` everywhere in the rule; return the notice."""
    secs = rule["secs"]
    if soma not in secs or (soma != "soma" and "soma" in secs):
        why = "has a section 'soma' already" if soma in secs else f"has no section {soma!r}"
        raise ModelError(f"{source} {why} (it has {kinds(secs)}).{closest(soma, secs)}")
    rule["secs"] = {("soma" if name == soma else name): sec for name, sec in secs.items()}
    for sec in secs.values():
        if sec.get("topol", {}).get("parentSec") == soma:
            sec["topol"]["parentSec"] = "soma"
    for name, listed in rule.get("secLists", {}).items():
        rule["secLists"][name] = ["soma" if sec == soma else sec for sec in listed]
    return f"{source}: section {soma!r} is named 'soma'; name it so in the network too"


def _content(path: str | Path) -> tuple[Path, bytes]:
    file = user_path(path)
    if file.suffix.lower() not in _STORED + _NEUROML and file.suffix not in _IMPORTED:
        raise ModelError(
            f"{file}: cells are read from {', '.join(_STORED + _IMPORTED + _NEUROML)}, not from "
            f"{file.suffix or 'a file without suffix'!r}"
        )
    return file, read_bytes(file, "file", ModelError)


def check_cell_file(cell: CellFile) -> None:
    """Refuse what a cell's file shows to be wrong without running it, such as a label.

    Raises
    ------
    ModelError
        As :func:`read_cell` does.
    """
    file, content = _content(cell.path)
    if file.suffix.lower() in _STORED:
        choose_stored(file, content, cell.cell_class)
    elif file.suffix == ".py":
        python_name(file, cell.cell_class)
    elif file.suffix in HOC:
        scan_hoc(file.absolute(), cell.cell_class, to_plain(cell.cell_args or [], "cell_args"))


def _refuse_bare(source: str, secs: dict[str, Any], procedures: list[str]) -> None:
    if not any(sec.get("mechs") or sec.get("pointps") for sec in secs.values()):
        other = (
            f"; or, if a procedure of the file inserts them, name it with {option('cell_class')}: "
            f"{some(procedures)}"
        )
        raise ModelError(
            f"{source} is only a morphology: no section has a mechanism; give "
            f"{option('biophysics')}, such as "
            '{"*": {"mechs": {"pas": {"g": 3e-5, "e": -70}}, "geom": {"cm": 1, "Ra": 150}}}'
            f"{other if procedures else ''}"
        )


def _unusual(source: str, secs: dict[str, Any]) -> list[str]:
    notices = []
    if not any(name.startswith("soma") for name in secs):
        notices.append(
            f"{source}: no section's name starts with 'soma', which NetPyNE's weightNorm needs; "
            f"say with {option('soma')} which is the soma (it has {kinds(secs)})"
        )
    roots = [name for name in secs if parent_of(secs, name) is None]
    if len(roots) > 1:
        notices.append(f"{source}: {len(roots)} sections have no parent: {kinds(roots)}")
    if source.endswith(".swc"):
        notices.append(
            f"{source}: an SWC file says nothing of nseg; sections have 1 segment unless the "
            "biophysics give more"
        )
    return notices
