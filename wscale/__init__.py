"""wscale: verified synaptic weight tables (weightNorm) for NetPyNE cells.

The way of the data: :class:`Model` -> :func:`list_sites` -> :func:`grid` or :func:`solve` (which
run a :class:`Rig` in each worker and call :func:`measure`) -> :class:`WeightNormTable` ->
:func:`verify`.
"""

from wscale._version import __version__
from wscale.audit import Audit, audit
from wscale.cells import CellRule, read_cell
from wscale.compare import Comparison, compare
from wscale.epsp import Protocol, Response, measure
from wscale.errors import WscaleError
from wscale.execute import LocalBackend
from wscale.grid import GridResult, grid
from wscale.inspection import Inspection, inspect_cell
from wscale.journal import Journals
from wscale.limits import Limits
from wscale.loss import Targets, loss_mV2
from wscale.model import Model
from wscale.rig import Rig
from wscale.sites import Site, list_sites
from wscale.solution import Solution
from wscale.solve import SolveResult, solve
from wscale.synapses import SynapseGroup, with_synapses
from wscale.verify import Verification, verify
from wscale.weightnorm import WeightNormTable

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
