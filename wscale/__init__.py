"""wscale: verified synaptic weight tables (weightNorm) for NetPyNE cells.

The way of the data: :class:`Model` -> :func:`list_sites` -> :func:`grid` or :func:`solve` (which
run a :class:`Rig` in each worker and call :func:`measure`) -> :class:`WeightNormTable` ->
:func:`verify`.
"""

from wscale._version import __version__
from wscale.cells.cell_file import CellRule, read_cell
from wscale.errors import WscaleError
from wscale.inspection.inspect import Inspection, inspect_cell
from wscale.measurement.epsp import Protocol, Response, measure
from wscale.measurement.loss import loss_mV2
from wscale.measurement.solution import Solution
from wscale.model.model import Model
from wscale.model.sites import Site, list_sites
from wscale.model.synapses import SynapseGroup, with_synapses
from wscale.model.targets import Targets
from wscale.parallel.pool import LocalBackend
from wscale.parallel.sandbox import Limits
from wscale.results.journal import Journals
from wscale.search.grid import GridResult, grid
from wscale.search.targeted import SolveResult, solve
from wscale.simulation.rig import Rig
from wscale.tables.compare import Comparison, compare
from wscale.tables.weightnorm import WeightNormTable
from wscale.verification.audit import Audit, audit
from wscale.verification.verify import Verification, verify

__all__ = [
    "Audit",
    "CellRule",
    "Comparison",
    "GridResult",
    "Inspection",
    "Journals",
    "Limits",
    "LocalBackend",
    "Model",
    "Protocol",
    "Response",
    "Rig",
    "Site",
    "Solution",
    "SolveResult",
    "SynapseGroup",
    "Targets",
    "Verification",
    "WeightNormTable",
    "WscaleError",
    "__version__",
    "audit",
    "compare",
    "grid",
    "inspect_cell",
    "list_sites",
    "loss_mV2",
    "measure",
    "read_cell",
    "solve",
    "verify",
    "with_synapses",
]
