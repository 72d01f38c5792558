"""A cell to search, and what a worker does at its sites."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from wscale.errors import OtherMechanismsError
from wscale.measurement.epsp import Protocol
from wscale.mechanisms.loading import import_neuron
from wscale.model.model import Model
from wscale.model.sites import Site
from wscale.parallel.sandbox import timed
from wscale.simulation.rig import load, rig_for
from wscale.simulation.synapse_check import what_is_wrong

__all__ = ["SearchCell", "SiteWork"]


@dataclass(frozen=True)
class SearchCell:
    """A cell to search, and what a worker needs to know of it; all plain data.

    Parameters
    ----------
    model : Model
        The cell.
    sites : tuple of Site
        Its sites.
    targets_mV : tuple of float
        The target of each site, mV.
    protocol : Protocol
        How responses are measured.
    """

    model: Model
    sites: tuple[Site, ...]
    targets_mV: tuple[float, ...]
    protocol: Protocol


@dataclass(frozen=True)
class SiteWork:
    """What is done at the sites of one cell, see :class:`wscale.parallel.chains.Work`.

    Parameters
    ----------
    cell : SearchCell
        The cell.
    function : callable
        Searches a site: takes cell, index, the outcomes before it in its chain, and ``setting``.
    without : callable
        Makes the outcome of a site that could not be searched, of cell, index, setting and reason.
    setting : object
        What both need besides the cell; plain data.
    checks_synapse : bool
        Whether to see first that the synapse can be calibrated at all.
    """

    cell: SearchCell
    function: Callable[[SearchCell, int, Sequence[Any], Any], Any]
    without: Callable[[SearchCell, int, Any, str], Any]
    setting: Any
    checks_synapse: bool = True

    def prepare(self) -> str | None:
        """Build the cell and settle it; return why that is not possible (in a worker)."""
        cell, why = self.cell, None
        try:
            load(cell.model)
            with timed(preparation=True):
                rig = rig_for(cell.model, cell.sites, cell.protocol)
                if self.checks_synapse:
                    why = what_is_wrong(rig)
        except (MemoryError, OSError, OtherMechanismsError):  # of this process; another does better
            raise
        except Exception as error:  # belongs to the outcome of the cell's sites
            return f"{type(error).__name__}: {error}"
        # NEURON would abort if time did not advance for 20 s: a process that was stopped, or waits
        # for memory. Trials have a limit of their own
        import_neuron().ParallelContext().timeout(0)
        return why

    def search(self, index: int, before: Sequence[Any]) -> Any:
        """Search a site (in a worker)."""
        return self.function(self.cell, index, before, self.setting)

    def failed(self, index: int, reason: str) -> Any:
        """Return the outcome of a site that could not be searched."""
        return self.without(self.cell, index, self.setting, reason)
