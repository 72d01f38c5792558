"""Python and SWC files, looked at before NetPyNE imports them: which cell is meant, what is wrong.

Nothing is run here; the texts of the files are read.
"""

from __future__ import annotations

import ast
from pathlib import Path

from wscale._util.plain import some
from wscale.cells.swc import swc_text
from wscale.errors import ModelError, closest, option

__all__ = ["check_swc", "python_name"]


def python_name(file: Path, name: str | None) -> str:
    """Return the class or function to call, found without running the file."""
    try:
        body = ast.parse(file.read_bytes(), file.name).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ModelError(f"{file} is not Python that can be read: {error}") from error
    if "." in file.stem:
        raise ModelError(f"{file} cannot be imported: rename it, without a dot before .py")
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
