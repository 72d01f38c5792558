"""Cells in NEURON's own formats (hoc, Python, SWC), through NetPyNE's importer.

The file's code runs in a process of its own, so that the caller's process keeps its modules and
its NEURON clean; what comes back is plain.
"""

from __future__ import annotations

import math
import re
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wscale._util.plain import some, to_plain
from wscale._util.text import kinds
from wscale.cells.function_tables import tables_of
from wscale.cells.hoc_program import HocCell, run_hoc, unmarked
from wscale.cells.hoc_scan import HOC, scan_hoc
from wscale.cells.ion_style import lost_ion_styles
from wscale.cells.source_scan import check_swc, python_name
from wscale.cells.swc import swc_notices
from wscale.cells.uncarried import left_out
from wscale.cells.user_code import announced, run_user_code
from wscale.errors import CompileError, ModelError, WscaleError, option
from wscale.mechanisms.declarations import mentioned_names, needed_files
from wscale.mechanisms.folders import choose_folders
from wscale.mechanisms.library import failures_of, library_of, sources_of
from wscale.mechanisms.nmodl import mechanism_names

__all__ = ["Imported", "import_cell"]

Arguments = Mapping[str, Any] | list[Any] | tuple[Any, ...] | None

_MOD_COMMENT = re.compile(r"\bCOMMENT\b.*?\bENDCOMMENT\b|[:?][^\n]*", re.DOTALL)
_NO_MECHANISM = re.compile(r"is not a MECHANISM|argument not a density mechanism name")
_WORD = re.compile(r"\w+")
_MADE = "wscale_made"  # the name of a hoc program's cell for NetPyNE
_CURRENT = re.compile(r"\b(NONSPECIFIC_CURRENT|ELECTRODE_CURRENT|WRITE)\b")


@dataclass(frozen=True)
class Imported:
    """A cell that NetPyNE has imported.

    Parameters
    ----------
    rule : dict
        Its rule, plain.
    mod : str or None
        The folder ``mod`` beside the file, where its mechanisms were taken from there.
    notices : list of str
        What was decided on the way, for the user to see.
    procedures : list of str
        Procedures of a hoc program that have not been called, and may add the mechanisms.
    """

    rule: dict[str, Any]
    mod: str | None
    notices: list[str]
    procedures: list[str]


def import_cell(
    file: Path, name: str | None, arguments: Arguments, mod: str | Path | None
) -> Imported:
    """Run a .hoc, .tem, .oc, .py or .swc file in a process of its own and return its cell rule.

    Parameters
    ----------
    file : path
        The file.
    name : str or None
        Template or procedure (hoc), class or function (Python); None where there is only one.
    arguments : mapping, sequence or None
        What it is called with.
    mod : path or None
        Folder of NMODL mechanisms; by default ``mod`` beside the file, where it exists.

    Raises
    ------
    ModelError, MechanismError
        What is wrong in the file or the request.
    """
    given = _with_files(to_plain(arguments or [], "cell_args"), file.parent)
    program: dict[str, Any] = {}
    if file.suffix == ".swc":
        if given:
            raise ModelError(
                f"{file} is a morphology and takes no arguments: leave {option('cell_args')} out"
            )
        check_swc(file)
        name = "swc_cell"
    elif file.suffix == ".py":
        name = python_name(file, name)
    else:
        found = scan_hoc(file, name, given)
        program, name = asdict(found), found.name
    beside = file.parent / "mod"
    own_mod = str(beside) if mod is None and beside.is_dir() else None
    folder = own_mod if mod is None else mod
    chosen = None if folder is None else choose_folders([folder]).folder
    request = {"file": str(file.resolve()), "name": name, "arguments": given, "mod": chosen}
    request["program"] = {**program, "templates": None}  # whose code is not needed
    sources = {} if chosen is None else sources_of(chosen)
    needs = sorted(mentioned_names(file, sources, str(given))) if sources else None
    try:
        try:
            answer = _ask(request, needs, file)
        except (ModelError, CompileError) as error:
            if needs is None or not _lacks_mechanism(error, sources, needs):
                raise
            answer = _ask(request, None, file)
    except ModelError as error:
        raise ModelError(f"{error}{_remedy(str(error), folder)}") from error
    if name != "init" and "init" in program.get("procedures", ()):
        answer["notices"].append(
            "its procedure init, which NEURON calls before a run, has not been called; if it sets "
            f"parameters of the cell (such as e_pas), give {option('cell_class', 'init')}"
        )
    procedures = [] if name else program.get("buttons") or list(program.get("procedures", ()))
    return Imported(answer["rule"], own_mod, answer["notices"], procedures)


def _with_files(arguments: Any, folder: Path) -> Any:
    """Name files in full that arguments name from where wscale runs, not from the cell's folder."""

    def full(value: Any) -> Any:
        if not isinstance(value, str) or (folder / value).exists() or not Path(value).is_file():
            return value
        return str(Path(value).absolute())

    if isinstance(arguments, dict):
        return {name: full(value) for name, value in arguments.items()}
    return [full(value) for value in arguments]


def _ask(request: dict[str, Any], needs: list[str] | None, file: Path) -> dict[str, Any]:
    """Import the cell in a process of its own, with the mechanisms needed (None: all)."""
    if request["mod"] is not None:  # compiled here, where the user sees it
        library_of(request["mod"], needs, leave_out=needs is None)
    with tempfile.TemporaryDirectory(prefix="wscale-") as scratch, announced(file):
        return run_user_code(
            _answer, {**request, "needs": needs, "scratch": scratch}, file.parent, file, "the cell"
        )


def _lacks_mechanism(error: WscaleError, sources: Mapping[str, bytes], needs: list[str]) -> bool:
    """Whether an import failed for want of a mechanism that the code does not mention."""
    if isinstance(error, CompileError):  # what is mentioned is perhaps not used
        return True
    left = sources.keys() - needed_files(sources, needs).keys()
    names = {name for file in left for name in mechanism_names(sources[file])}
    words = [f"_{word}" for word in _WORD.findall(str(error))]
    named = any(word.endswith(f"_{name}") for word in words for name in names)
    return bool(left) and (named or _NO_MECHANISM.search(str(error)) is not None)


def _remedy(message: str, folder: str | Path | None) -> str:
    """Say what to do where a mechanism was not there; else nothing."""
    if not _NO_MECHANISM.search(message):
        return ""
    searched = "there is no mod/ beside the file" if folder is None else f"{folder} has none"
    failed = {} if folder is None else failures_of(folder)
    left_out = "".join(
        f"\n  {name}: left out, since it does not compile: {why}" for name, why in failed.items()
    )
    return (
        f"\nNEURON has no such mechanism, and {searched}; give the folder of its .mod file with "
        f"{option('mod')}{left_out}"
    )


# ---------------------------------------------------------------------- in the child


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    """Child side: load mechanisms, let NetPyNE import the cell, make it plain."""
    from wscale.mechanisms.loading import import_neuron, load_needed

    if request["mod"] is not None:
        load_needed(request["mod"], request["needs"])
    if Path(request["file"]).suffix != ".swc":  # which is data: nothing beside it is imported
        sys.path.insert(0, str(Path(request["file"]).parent))
    h = import_neuron()
    from netpyne import specs
    from netpyne.conversion import neuronPyHoc

    h.load_file("stdrun.hoc")  # has v_init, which no file is to find new
    read, look, counted = neuronPyHoc.getCellParams, neuronPyHoc.getGlobals, []
    soma_um2: list[float] = []
    notices: list[str] = []
    usual = {name: getattr(h, name) for name in ("celsius", "v_init")}
    marks = {name: math.nextafter(value, math.inf) for name, value in usual.items()}
    chosen: dict[str, float] = {}
    file, name, arguments = request["file"], request["name"], request["arguments"]
    is_hoc, scratch = file.endswith(HOC), Path(request["scratch"])
    made: list[HocCell] = []
    known: set[str] = set()
    lost: list[str] = []

    def count(cell: Any, *more: Any, **named: Any) -> Any:
        found = getattr(cell, "all_sec", None) or ([0] if hasattr(cell, "sec") else h.allsec())
        counted.append(len(list(found)))
        notices.extend(left_out(h, h.allsec()))
        if file.endswith(".swc"):
            soma_um2.extend(sum(seg.area() for seg in sec) for sec in cell.soma)
        for key, mark in marks.items():
            if getattr(h, key) != mark:  # the file has set it, be it to what is NEURON's default
                chosen[key] = float(getattr(h, key))
            setattr(h, key, usual[key])
        lost.extend(lost_ion_styles(h))
        return read(cell, *more, **named)

    def begin(*more: Any, **named: Any) -> Any:  # NetPyNE has just reset NEURON
        for key, mark in marks.items():
            setattr(h, key, mark)
        neuronPyHoc.getGlobals = look
        values = look(*more, **named)
        known.update(dir(h))
        if is_hoc:
            h(f"objref {_MADE}")
            made.append(run_hoc(h, Path(file), request["program"], arguments, scratch))
            setattr(h, _MADE, made[0].cell)
        return values

    neuronPyHoc.getGlobals = begin

    neuronPyHoc.getCellParams = count
    if file.endswith(".py") and Path(file).stem in sys.modules:
        raise ModelError(f"{file} has the name of a Python module; rename the file")
    if file.endswith(".py") and b"Import3d_" in Path(file).read_bytes():
        h.load_file("import3d.hoc")
    params = specs.NetParams()
    text = unmarked(file, scratch) if file.endswith(".swc") else file
    from_file = text, name
    if is_hoc:  # NEURON has loaded stdrun.hoc: of the cell that was made, NetPyNE only reads it
        from_file = "stdrun.hoc", _MADE
    try:
        params.importCellParams("cell", *from_file, cellArgs=arguments, cellInstance=is_hoc)
    except ModelError as error:
        raise ModelError(f"{file}: {error}") from error
    except WscaleError:
        raise
    except BaseException as error:
        called = "" if name is None else f"{name} of "
        given = "" if is_hoc and not arguments else f" with cell_args = {arguments}"
        why = f"{type(error).__name__}: {error}"
        return {"error": f"{called}{file} failed{given}: {why}"}
    if made and made[0].problem:
        return {"error": made[0].problem}
    rule: dict[str, Any] = to_plain(params.cellParams["cell"], "cell")
    if counted and counted[-1] != len(rule["secs"]):
        several = request["program"].get("with_sections")
        one = f"; name a template with {option('cell_class')}: {some(several)}" if several else ""
        raise ModelError(
            f"{file} makes {counted[-1]} sections with {len(rule['secs'])} different names "
            f"({kinds(rule['secs'])}); a file must make one cell, its sections with their own names"
            f"{one}"
        )
    _refuse_own_voltage(h, file, rule["secs"])
    if is_hoc:  # whose own variables look like a mechanism's, such as gmax_pas
        rule["globals"] = {key: v for key, v in rule["globals"].items() if key in known}
    _keep_globals(rule, chosen)
    notices += [*(made[0].notices if made else ()), *lost]
    if made and not made[0].is_instance:
        notices += _without_experiment(rule["secs"])
    if file.endswith(".swc"):
        notices += swc_notices(h, text, rule, soma_um2)
    elif is_hoc and (tables := tables_of(h, Path(file))):
        rule["tables"] = tables
        notices.append(
            f"wscale sets the tables {some(tables)} as the file does; a network that does not run "
            "the file must set them too"
        )
    return {"rule": rule, "notices": notices}


def _keep_globals(rule: dict[str, Any], chosen: dict[str, float]) -> None:
    """Put temperature and initial potential that a file sets where NetPyNE's import puts them."""
    own = rule.setdefault("globals", {})
    for name in ("celsius", "v_init"):
        own.pop(name, None)
    own.update(chosen)
    if "v_init" in chosen:
        for sec in rule["secs"].values():
            sec["vinit"] = chosen["v_init"]


def _refuse_own_voltage(h: Any, file: str, secs: dict[str, Any]) -> None:
    """Refuse a cell that is nothing but point processes which leave the section's voltage alone."""
    mods = {point["mod"] for sec in secs.values() for point in sec.get("pointps", {}).values()}
    if not mods or any(sec.get("mechs") for sec in secs.values()):
        return
    types, name = h.MechanismType(1), h.ref("")
    for index in range(int(types.count())):
        types.select(index)
        types.selected(name)
        code = _MOD_COMMENT.sub("", types.code())
        if name[0] not in mods:
            continue
        own = types.is_artificial(index) or (code and not _CURRENT.search(code))
        if not own:
            return
    raise ModelError(
        f"the cell of {file} is artificial: its voltage is that of {some(mods)}, not of a section, "
        "so a synapse on a section has no EPSP there; take a version that uses the section's "
        "voltage"
    )


def _without_experiment(secs: dict[str, Any]) -> list[str]:
    """Take out the point processes that a program puts on a cell; say which."""
    if not any(sec.get("mechs") for sec in secs.values()):
        return []  # they may be the cell
    points = {name: sec.pop("pointps") for name, sec in secs.items() if "pointps" in sec}
    left_out = [f"{p['mod']} on {name}" for name, own in points.items() for p in own.values()]
    if not left_out:
        return []
    return [
        f"its point processes are left out, as parts of an experiment: "
        f"{some(dict.fromkeys(left_out))}"
    ]
