"""wscale: verified synaptic weight tables (weightNorm) for NetPyNE cells.

The way of the data: :class:`Model` -> :func:`list_sites` -> :func:`grid` or :func:`solve` (which
run a :class:`Rig` in each worker and call :func:`measure`) -> :class:`WeightNormTable` ->
:func:`verify`. Each name is imported when it is first used (PEP 562).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from wscale._version import __version__ as __version__

if TYPE_CHECKING:
    from wscale.cells.cell_file import CellRule as CellRule
    from wscale.cells.cell_file import read_cell as read_cell
    from wscale.errors import WscaleError as WscaleError
    from wscale.inspection.inspect import Inspection as Inspection
    from wscale.inspection.inspect import inspect_cell as inspect_cell
    from wscale.measurement.epsp import Protocol as Protocol
    from wscale.measurement.epsp import Response as Response
    from wscale.measurement.epsp import measure as measure
    from wscale.measurement.loss import loss_mV2 as loss_mV2
    from wscale.measurement.solution import Solution as Solution
    from wscale.model.model import Model as Model
    from wscale.model.sites import Site as Site
    from wscale.model.sites import list_sites as list_sites
    from wscale.model.synapses import SynapseGroup as SynapseGroup
    from wscale.model.synapses import with_synapses as with_synapses
    from wscale.model.targets import Targets as Targets
    from wscale.parallel.pool import LocalBackend as LocalBackend
    from wscale.parallel.sandbox import Limits as Limits
    from wscale.results.journal import Journals as Journals
    from wscale.search.grid import GridResult as GridResult
    from wscale.search.grid import grid as grid
    from wscale.search.targeted import SolveResult as SolveResult
    from wscale.search.targeted import solve as solve
    from wscale.simulation.rig import Rig as Rig
    from wscale.tables.compare import Comparison as Comparison
    from wscale.tables.compare import compare as compare
    from wscale.tables.weightnorm import WeightNormTable as WeightNormTable
    from wscale.verification.audit import Audit as Audit
    from wscale.verification.audit import audit as audit
    from wscale.verification.verify import Verification as Verification
    from wscale.verification.verify import verify as verify

_MODULES = {
    "cells.cell_file": ("CellRule", "read_cell"),
    "errors": ("WscaleError",),
    "inspection.inspect": ("Inspection", "inspect_cell"),
    "measurement.epsp": ("Protocol", "Response", "measure"),
    "measurement.loss": ("loss_mV2",),
    "measurement.solution": ("Solution",),
    "model.model": ("Model",),
    "model.sites": ("Site", "list_sites"),
    "model.synapses": ("SynapseGroup", "with_synapses"),
    "model.targets": ("Targets",),
    "parallel.pool": ("LocalBackend",),
    "parallel.sandbox": ("Limits",),
    "results.journal": ("Journals",),
    "search.grid": ("GridResult", "grid"),
    "search.targeted": ("SolveResult", "solve"),
    "simulation.rig": ("Rig",),
    "tables.compare": ("Comparison", "compare"),
    "tables.weightnorm": ("WeightNormTable",),
    "verification.audit": ("Audit", "audit"),
    "verification.verify": ("Verification", "verify"),
}
_HOME = {name: f"wscale.{module}" for module, names in _MODULES.items() for name in names}

if not TYPE_CHECKING:  # a checker takes the imports above
    __all__ = sorted([*_HOME, "__version__"])


def __getattr__(name: str) -> Any:
    """Import what is asked for, and keep it."""
    if name not in _HOME:
        raise AttributeError(f"module 'wscale' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
