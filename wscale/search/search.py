"""What all searches share: cells checked before any simulation, their sites spread over workers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle, islice
from typing import Any, Generic, TypeVar

from wscale.errors import SelectionError
from wscale.measurement.epsp import Protocol
from wscale.model.checks import check_tolerance, check_window
from wscale.model.model import Model
from wscale.model.sites import Locations, list_sites
from wscale.model.targets import Targets
from wscale.parallel.chains import dispatch
from wscale.parallel.pool import Backend, run_tasks
from wscale.parallel.waiting import Groups, Job
from wscale.results.journal import Journal, Journals
from wscale.search.identity import run_identity
from wscale.search.worker import Cell
from wscale.simulation.rig import preflight

__all__ = ["Cell", "Groups", "Search", "check_in_workers", "one_by_one", "plan_cells", "run"]

Part = TypeVar("Part")
Result = TypeVar("Result")

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Search(Generic[Part, Result]):
    """A search that was checked, before it is run.

    Parameters
    ----------
    method : str
        Its name.
    cells : tuple of Cell
        The cells and their sites.
    setting : object
        What a worker needs to search a site beside the cell; plain data.
    function : callable
        Searches sites of a chain (in a worker): takes cell, indices, the parts before them in the
        chain and ``setting``; returns a part for each.
    failed : callable
        Makes the part of a site that could not be searched, of cell, index, setting and reason.
    chains : callable
        Divides a cell's sites, by index, into those that are searched one after another.
    trials_per_site : int
        About how many.
    join : callable
        Makes a cell's result of its parts, in the order of the sites.
    part : type
        A dataclass with ``index`` and, where it is kept in a journal, ``solution``.
    """

    method: str
    cells: tuple[Cell, ...]
    setting: Any
    function: Callable[[Cell, Sequence[int], Sequence[Part], Any], list[Part]]
    failed: Callable[[Cell, int, Any, str], Part]
    chains: Callable[[Cell], Groups]
    trials_per_site: int
    join: Callable[[Cell, list[Part]], Result]
    part: type[Part]

    def identity(self, cell: Cell) -> dict[str, Any]:
        """Return all that decides the outcomes of a cell, as JSON holds it."""
        return run_identity(self.method, self.setting, cell)


def plan_cells(
    models: Model | Sequence[Model],
    *,
    sections: str | Sequence[str] | None,
    locations: Locations,
    exclude: Sequence[str],
    targets: Targets | float,
    tolerance: float,
    protocol: Protocol | None,
) -> tuple[Cell, ...]:
    """Return the cells of a search; raise what is wrong with it.

    The parameters are those of :func:`wscale.grid`.
    """
    chosen = (models,) if isinstance(models, Model) else tuple(models)
    targets = targets if isinstance(targets, Targets) else Targets(targets)
    protocol = replace(protocol or Protocol(), polarity=targets.polarity)
    check_tolerance(tolerance)
    sites = [list_sites(model, sections, locations, exclude) for model in chosen]
    hashes = [model.content_hash for model in chosen]
    for model in chosen:
        if hashes.count(model.content_hash) > 1:
            raise SelectionError(f"cell {model.cell!r} is given twice; name each cell once")
    targets.check(zip(chosen, sites, strict=True))
    for model in chosen:
        check_window(model, protocol)
    return tuple(
        Cell(model, here, tuple(targets.at(model.cell, site) for site in here), protocol)
        for model, here in zip(chosen, sites, strict=True)
    )


def check_in_workers(models: Sequence[Model], backend: Backend, most: int) -> None:
    """Raise what workers, who load the mechanisms, find wrong with models.

    Every worker that will have work, ``most`` at most, imports NEURON and NetPyNE meanwhile.
    """
    count = max(len(models), min(len(backend.workers()), most))
    for problem in list(run_tasks(preflight, islice(cycle(models), count), backend)):
        if problem is not None:
            raise problem


def one_by_one(cell: Cell) -> list[tuple[int, ...]]:
    """Return chains of one site each: none needs another's outcome."""
    return [(index,) for index in range(len(cell.sites))]


def run(
    search: Search[Part, Result],
    backend: Backend,
    *,
    journals: Journals | None = None,
    on_found: Callable[[Part], None] | None = None,
    on_result: Callable[[Part], None] | None = None,
    on_cell: Callable[[Result], None] | None = None,
) -> list[Result]:
    """Search all sites, and put each cell together when it is complete.

    Parameters
    ----------
    search : Search
        What to do.
    backend : Backend
        Where.
    journals : Journals, optional
        Where outcomes are kept as they come, and found again.
    on_found, on_result, on_cell : callable, optional
        Called with each part from a journal, each part that is new, and each cell's result.

    Returns
    -------
    list
        One result a cell, in their order.
    """
    with ExitStack() as stack:
        kept: list[Journal[Part]] = []
        if journals is not None:
            kept = [
                stack.enter_context(
                    journals.open(cell.model.label, search.identity(cell), search.part)
                )
                for cell in search.cells
            ]
        parts = [dict(journal.parts) for journal in kept] or [{} for _ in search.cells]
        jobs = [
            Job(number, cell, search.chains(cell), parts[number], search.trials_per_site)
            for number, cell in enumerate(search.cells)
        ]
        finished: dict[int, Result] = {}

        def complete(number: int) -> None:
            cell = search.cells[number]
            if len(parts[number]) == len(cell.sites):
                if kept:
                    kept[number].sync(now=True)  # before tables are written, which takes its time
                ordered = [part for _, part in sorted(parts[number].items())]
                finished[number] = search.join(cell, ordered)
                if on_cell is not None:
                    on_cell(finished[number])

        for number, found in enumerate(parts):
            for part in found.values():
                if on_found is not None:
                    on_found(part)
            complete(number)
        unfinished = [job for job in jobs if job.waiting]
        _logger.info(
            "%s: %d sites are there, others wait in %d cells",
            search.method,
            sum(map(len, parts)),
            len(unfinished),
        )
        if unfinished:
            sites = sum(len(job.cell.sites) for job in unfinished)
            check_in_workers([job.cell.model for job in unfinished], backend, sites)

        def sync() -> None:
            for journal in kept:
                journal.sync()

        failed = partial(_failed, search)
        found_now = dispatch(unfinished, backend, search.function, search.setting, failed, sync)
        with closing(found_now):  # also where keeping or showing a part fails: workers end
            for number, part in found_now:
                if kept:
                    kept[number].add(part)
                parts[number][part.index] = part  # type: ignore[attr-defined]
                if on_result is not None:
                    on_result(part)
                complete(number)
        return [finished[number] for number in range(len(jobs))]


def _failed(search: Search[Part, Any], cell: Cell, index: int, reason: str) -> Part:
    return search.failed(cell, index, search.setting, reason)
