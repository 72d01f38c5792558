"""The tables that a hoc file gives to FUNCTION_TABLEs, as plain data of the cell rule.

A file calls ``table_<function>_<suffix>(y, x)`` with two Vectors, or with one number; the rule
holds the arguments: ``{"tables": {"<function>_<suffix>": [[20.0, 5.0], [-80.0, 20.0]]}}``. NEURON
cannot be asked for its tables, so the arguments are read from the file's text, and taken only if a
table made of them gives what NEURON's own gave.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

from wscale.cells.hoc_scan import code_of

__all__ = ["tables_of"]

_CALL = re.compile(r"\btable_(\w+)\s*\(([^()]*)\)")
# Where tables are compared: parts of the way between two points, and beyond the ends
_PARTS, _BEYOND = (0.25, 0.5, 0.8), 10.0


def tables_of(h: Any, file: Path) -> dict[str, list[Any]]:
    """Return the tables that a hoc file has set, by function and suffix (after it has run)."""
    calls = dict(_CALL.findall(code_of(file, may_have_mark=True)))  # the last
    tables = {}
    for name, text in calls.items():
        arguments = [_value(h, argument.strip()) for argument in text.split(",")]
        if None not in arguments and [] not in arguments and _is_set(h, name, arguments):
            tables[name] = arguments
    return tables


def _value(h: Any, argument: str) -> float | list[float] | None:
    """Return the number or the Vector at the top level that an argument stands for."""
    try:
        return float(argument)
    except ValueError:
        value: Any = getattr(h, argument, None) if argument.isidentifier() else None
    if isinstance(value, float | int):
        return float(value)
    return list(value) if hasattr(value, "to_python") else None


def _is_set(h: Any, name: str, arguments: list[Any]) -> bool:
    """Whether the table that NEURON has is the one that these arguments make."""
    points = arguments[-1] if isinstance(arguments[-1], list) else [0.0]
    places = [a + part * (b - a) for a, b in pairwise(points) for part in _PARTS]
    places += [*points, min(points) - _BEYOND, max(points) + _BEYOND]
    try:
        function = getattr(h, name)
        before = [function(place) for place in places]
        given = [h.Vector(a) if isinstance(a, list) else a for a in arguments]
        getattr(h, f"table_{name}")(*given)
        return before == [function(place) for place in places]
    except (AttributeError, RuntimeError):  # no such mechanism; never set; of other arguments
        return False
