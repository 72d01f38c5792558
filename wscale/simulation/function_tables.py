"""The tables of FUNCTION_TABLEs, which NEURON holds one of per mechanism and process."""

from __future__ import annotations

from typing import Any

from wscale.mechanisms.loading import import_neuron
from wscale.model.model import Model

__all__ = ["set_tables"]

_vectors: dict[str, list[Any]] = {}  # NEURON keeps no copy of what it is given


def set_tables(model: Model) -> None:
    """Set the tables that a cell rule holds, see :mod:`wscale.cells.function_tables`."""
    h = import_neuron()
    for name, arguments in model.rule.get("tables", {}).items():
        if hasattr(h, f"table_{name}"):
            given = [h.Vector(a) if isinstance(a, list) else a for a in arguments]
            getattr(h, f"table_{name}")(*given)
            _vectors[name] = given
