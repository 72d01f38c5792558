"""NetPyNE structures as plain data: dictionaries, lists, numbers and text."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

import numpy as np

from wscale.errors import ModelError, closest, option

__all__ = ["choose_cell", "finite", "is_number", "short", "some", "to_plain"]

_MOST = sys.float_info.max


def choose_cell(cell: str | None, cell_params: Mapping[str, Any]) -> str:
    """Return the label of the cell rule meant: the one named, or the only one there is."""
    if cell is None:
        if len(cell_params) == 1:
            return str(next(iter(cell_params)))
        raise ModelError(
            f"the model has {len(cell_params)} cell rules ({some(cell_params)}); say which with "
            f"{option('cell', 'LABEL')}"
        )
    if cell not in cell_params:
        raise ModelError(
            f"netParams.cellParams has no cell rule {cell!r} (it has {some(cell_params)})."
            f"{closest(cell, cell_params)}"
        )
    return cell


def to_plain(value: Any, path: str) -> Any:
    """Copy a NetPyNE structure as dictionaries, lists, numbers and text.

    Parameters
    ----------
    value : object
        Dictionaries of any kind, sequences, NumPy arrays and numbers, text, None.
    path : str
        Where the value stands, for messages.

    Raises
    ------
    ModelError
        Something else is in there, such as an object of NEURON.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, np.generic | np.ndarray):
        return to_plain(value.tolist(), path)
    if isinstance(value, int | float):
        return value
    if isinstance(value, Mapping):
        return {
            str(key): to_plain(entry, f"{path}.{key}")
            for key, entry in value.items()
            if not str(key).startswith("_")
        }
    if isinstance(value, list | tuple | set | frozenset | range):
        return [to_plain(entry, f"{path}[{i}]") for i, entry in enumerate(value)]
    raise ModelError(
        f"{path} is a {type(value).__name__}; a model may hold only dictionaries, lists, numbers "
        "and text"
    )


def some(names: Iterable[str], most: int = 8) -> str:
    """Name the first few of many, for a message."""
    listed = list(names)
    more = f", ... ({len(listed)} in all)" if len(listed) > most else ""
    return ", ".join(repr(name) for name in listed[:most]) + more


def short(value: Any, most: int = 80) -> str:
    """Return a value as Python writes it, cut where it is long, for a message."""
    text = repr(value)
    return text if len(text) <= most else f"{text[:most]} ..."


def is_number(value: Any) -> TypeGuard[int | float]:
    """Whether a value is a number that a simulation can take: finite, and not true or false.

    Examples
    --------
    >>> is_number(1), is_number(float("nan")), is_number(True), is_number(10**400)
    (True, False, False, False)
    """
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _MOST


def finite(value: float | None) -> float | None:
    """Return a finite number, or None.

    Examples
    --------
    >>> finite(float("inf")), finite(1)
    (None, 1.0)
    """
    return float(value) if value is not None and math.isfinite(value) else None
