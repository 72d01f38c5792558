"""Cells in NEURON's own formats (hoc, Python, SWC), through NetPyNE's importer.

The file's code runs in a process of its own, so that the caller's process keeps its modules and
its NEURON clean; what comes back is plain.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wscale.child import answer_parent, ask_child
from wscale.errors import ModelError, WscaleError, closest
from wscale.plain import some, to_plain

__all__ = ["import_cell"]

Arguments = Mapping[str, Any] | list[Any] | tuple[Any, ...] | None

_HOC_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_HOC_TEMPLATE = re.compile(r"\bbegintemplate\s+(\w+)(.*?)\bendtemplate\b", re.DOTALL)
_HOC_INIT = re.compile(r"\bproc\s+init\s*\(\s*\)(.*?)(?=\b(?:proc|func|obfunc)\b|$)", re.DOTALL)
_MOD_COMMENT = re.compile(r"\bCOMMENT\b.*?\bENDCOMMENT\b|[:?][^\n]*", re.DOTALL)
_CURRENT = re.compile(r"\b(NONSPECIFIC_CURRENT|ELECTRODE_CURRENT|WRITE)\b")


def import_cell(
    file: Path, name: str | None, arguments: Arguments, mod: str | Path | None
) -> dict[str, Any]:
    """Run a .hoc, .tem, .py or .swc file in a process of its own and return its cell rule.

    Parameters
    ----------
    file : path
        The file.
    name : str or None
        Template (hoc), class or function (Python); None where there is only one.
    arguments : mapping, sequence or None
        What the template, class or function is called with.
    mod : path or None
        Folder of NMODL mechanisms; by default ``mod`` beside the file, where it exists.

    Raises
    ------
    ModelError, MechanismError
        What is wrong in the file or the request.
    """
    given = to_plain(arguments or [], "cell_args")
    if file.suffix == ".swc":
        if given:
            raise ModelError(f"{file} is a morphology and takes no arguments: leave cell_args out")
        _check_swc(file)
        name = "swc_cell"
    elif file.suffix == ".py":
        name = _python_name(file, name)
    else:
        name = _hoc_name(file, name, given)
    if mod is None and (file.parent / "mod").is_dir():
        mod = file.parent / "mod"
    request = {
        "file": str(file.resolve()),
        "name": name,
        "arguments": given,
        "mod": None if mod is None else str(Path(mod).resolve()),
    }
    answer = ask_child(
        "wscale.importer", request, file.parent, file, "the cell", {"MPLBACKEND": "Agg"}
    )
    rule: dict[str, Any] = answer["rule"]
    return rule


# ---------------------------------------------------------------------- before anything runs


def _python_name(file: Path, name: str | None) -> str:
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


def _hoc_name(file: Path, name: str | None, arguments: Any) -> str | None:
    """Return the template to make, found without running the file; None: there is none."""
    if isinstance(arguments, dict):
        raise ModelError(
            f"cell_args = {arguments} for {file}: a hoc template takes its arguments in order; "
            "give a list"
        )
    text = _HOC_COMMENT.sub("", file.read_text(encoding="latin1"))
    templates = {str(found[1]): str(found[2]) for found in _HOC_TEMPLATE.finditer(text)}
    elsewhere = re.search(r"\b(load_file|xopen)\b", text) is not None
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


def _count_hoc_arguments(file: Path, name: str, body: str, given: int) -> None:
    init = _HOC_INIT.search(body)
    text = "" if init is None else init[1]
    wanted = max((int(number) for number in re.findall(r"\$[so&]?(\d+)", text)), default=0)
    optional = re.search(r"\bnumarg\b|\$[so&]?i\b", text) is not None
    if (given != wanted and not optional) or (given > wanted and "$i" not in text):
        raise ModelError(
            f"template {name} in {file} takes {wanted} arguments, but cell_args has {given}"
        )


def _only(file: Path, names: list[str], what: str) -> str:
    if len(names) == 1:
        return names[0]
    raise ModelError(
        f"{file} has {len(names) or 'no'} {what}{': ' + some(names) if names else ''}; say which "
        "makes the cell with cell_class"
    )


def _check_swc(file: Path) -> None:
    """Refuse an SWC file that NEURON would misread, with its line."""
    seen: set[int] = set()
    for number, line in enumerate(file.read_text(encoding="latin1").splitlines(), 1):
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
                f"{where}: type {kind} is none of 1 (soma), 2 (axon), 3 (dendrite), 4 (apical)"
            )
        if index in seen or (parent != -1 and parent not in seen) or not 0 < radius < 1e6:
            raise ModelError(
                f"{where}: the index must be new, the parent a point before it (or -1), and the "
                "radius positive"
            )
        seen.add(index)
    if not seen:
        raise ModelError(f"{file} has no points")


# ---------------------------------------------------------------------- in the child


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    """Child side: load mechanisms, let NetPyNE import the cell, make it plain."""
    from wscale.mechanisms import import_neuron, load_mechanisms

    if request["mod"] is not None:
        load_mechanisms(request["mod"])
    if Path(request["file"]).suffix != ".swc":  # which is data: nothing beside it is imported
        sys.path.insert(0, str(Path(request["file"]).parent))
    h = import_neuron()
    from netpyne import specs
    from netpyne.conversion import neuronPyHoc

    read, counted = neuronPyHoc.getCellParams, []

    def count(cell: Any, *more: Any, **named: Any) -> Any:
        found = getattr(cell, "all_sec", None) or ([0] if hasattr(cell, "sec") else h.allsec())
        counted.append(len(list(found)))
        return read(cell, *more, **named)

    neuronPyHoc.getCellParams = count
    file, name, arguments = request["file"], request["name"], request["arguments"]
    if file.endswith(".py") and Path(file).stem in sys.modules:
        raise ModelError(f"{file} has the name of a Python module; rename the file")
    params = specs.NetParams()
    try:
        params.importCellParams(
            "cell", file, name or "", cellArgs=arguments, cellInstance=name is None
        )
    except WscaleError:
        raise
    except BaseException as error:
        called = "" if name is None else f"{name} of "
        message = (
            f"{called}{file} failed with cell_args = {arguments}: {type(error).__name__}: {error}"
        )
        return {"error": "ModelError", "message": message, "said": True}
    rule: dict[str, Any] = to_plain(params.cellParams["cell"], "cell")
    if counted and counted[-1] != len(rule["secs"]):
        raise ModelError(
            f"{file} makes {counted[-1]} sections with {len(rule['secs'])} different names "
            f"({some(rule['secs'])}); a file must make one cell, its sections with their own names"
        )
    _refuse_own_voltage(h, file, rule["secs"])
    return {"rule": rule}


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


if __name__ == "__main__":
    answer_parent(_answer)
