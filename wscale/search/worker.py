"""What a worker process does: it holds one cell, ready for trials, and searches its sites."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from wscale.errors import OtherMechanismsError
from wscale.measurement.epsp import Protocol
from wscale.mechanisms.loading import import_neuron
from wscale.model.model import Model
from wscale.model.sites import Site
from wscale.parallel.limits import Limits, impose, timed
from wscale.parallel.parcel import unpack
from wscale.simulation.rig import preflight, rig_for

__all__ = ["Batch", "Cell", "prepare", "prepare_and_search", "search"]


@dataclass(frozen=True)
class Cell:
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


# Sites of one chain, and the outcomes of those before them in it
Batch = Sequence[tuple[Sequence[int], Sequence[Any]]]

_held: tuple[str, Cell] | None = None


def prepare(key: str, packed: bytes, limits: Limits) -> str | None:
    """Make a cell ready for trials.

    Parameters
    ----------
    key : str
        Stands for the cell in later calls.
    packed : bytes
        The :class:`Cell`, see :func:`wscale.parallel.parcel.pack`.
    limits : Limits
        Hold from now on.

    Returns
    -------
    str or None
        Why the cell cannot be simulated.
    """
    global _held
    _held = None
    impose(limits)
    try:
        cell: Cell = unpack(packed)
        problem = preflight(cell.model)  # imports and compiles, which takes no trial's time
        if problem is not None:
            raise problem
        with timed(preparation=True):
            rig_for(cell.model, cell.sites, cell.protocol)
    except (MemoryError, OSError, OtherMechanismsError):  # of this process; another does better
        raise
    except Exception as error:  # belongs to the outcome of the cell's sites
        return f"{type(error).__name__}: {error}"
    _without_neurons_timer()
    _held = (key, cell)
    return None


def _without_neurons_timer() -> None:
    """Let NEURON not abort where time does not advance for 20 s: trials have a limit of their own.

    A process that was stopped, or that waits for memory, would be aborted too.
    """
    import_neuron().ParallelContext().timeout(0)


def search(
    key: str, function: Callable[..., list[Any]], batch: Batch, setting: Any
) -> tuple[list[list[Any]], float] | None:
    """Search some sites of the cell that is held.

    Returns
    -------
    parts : list of list
        Of each chain in the batch.
    seconds : float
        How long it took.

    None where this process does not hold the cell.
    """
    if _held is None or _held[0] != key:
        return None
    start = time.perf_counter()
    cell = _held[1]
    parts = [function(cell, indices, before, setting) for indices, before in batch]
    return parts, time.perf_counter() - start


def prepare_and_search(
    key: str,
    packed: bytes,
    limits: Limits,
    function: Callable[..., list[Any]],
    batch: Batch,
    setting: Any,
) -> tuple[list[list[Any]], float] | str | None:
    """Do both, one after the other; returns what the one or the other returns."""
    return prepare(key, packed, limits) or search(key, function, batch, setting)
