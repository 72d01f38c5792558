"""What all searches share: cells checked before any simulation, their sites spread over workers."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeVar

from wscale.checks import check_tolerance, check_window
from wscale.epsp import Protocol
from wscale.errors import SelectionError
from wscale.execute import number_of_jobs, run_tasks
from wscale.loss import Targets
from wscale.model import Model
from wscale.rig import preflight, settle
from wscale.sites import Locations, Site, list_sites, number_of_segments

__all__ = ["Cell", "Groups", "check_in_workers", "one_by_one", "plan_search", "run_cells"]

Setting = TypeVar("Setting")
Part = TypeVar("Part")
Result = TypeVar("Result")
Groups = Sequence[tuple[int, ...]]


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


def plan_search(
    models: Model | Sequence[Model],
    *,
    sections: str | Sequence[str] | None,
    locations: Locations,
    exclude: Sequence[str],
    targets: Targets | float,
    tolerance: float,
    protocol: Protocol | None,
    jobs: int,
) -> tuple[Cell, ...]:
    """Return the cells of a search; raise what is wrong with it before any simulation.

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
    check_in_workers(chosen, jobs)
    return tuple(
        Cell(model, here, tuple(targets.at(model.cell, site) for site in here), protocol)
        for model, here in zip(chosen, sites, strict=True)
    )


def check_in_workers(models: Sequence[Model], jobs: int) -> None:
    """Raise what workers, who load the mechanisms, find wrong with models."""
    # Every worker is to have at least one, and so import NEURON and NetPyNE now, all at once
    rounds = -(-number_of_jobs(jobs) // len(models)) if models else 0
    for problem in list(run_tasks(preflight, [*models] * rounds, jobs)):
        if problem is not None:
            raise problem


def one_by_one(cell: Cell) -> list[tuple[int, ...]]:
    """Return groups of one site each: none needs another's outcome."""
    return [(index,) for index in range(len(cell.sites))]


def run_cells(
    cells: Sequence[Cell],
    function: Callable[[Cell, Groups, Setting], list[Part]],
    setting: Setting,
    jobs: int,
    *,
    groups: Callable[[Cell], Groups],
    trials_per_site: int,
    join: Callable[[Cell, list[Part]], Result],
    on_result: Callable[[Part], None] | None = None,
    on_cell: Callable[[Result], None] | None = None,
) -> list[Result]:
    """Spread the sites of all cells over one pool, and put each cell together when it is complete.

    Parameters
    ----------
    cells : sequence of Cell
        The cells and their sites.
    function : callable
        Searches groups of a cell's sites; returns one part a site (in a worker).
    setting : object
        What ``function`` needs beside these; can be pickled.
    jobs : int
        Number of worker processes.
    groups : callable
        Divides a cell's sites, by index, into what must be searched in one go.
    trials_per_site : int
        About how many, so that tasks are neither tiny nor huge.
    join : callable
        Makes a cell's result of its parts, whose order depends on the workers.
    on_result, on_cell : callable or None
        Called with each part as it arrives, and with each cell's result.

    Returns
    -------
    list
        One result a cell, in their order.
    """
    tasks, needed_by_several = [], []
    for number, cell in enumerate(cells):
        packed = pickle.dumps(cell)  # once, and taken out once by a worker: models are large
        shares = _share(groups(cell), _cost_of_trial(cell.model) * trials_per_site)
        tasks += [_Task(number, packed, function, share, setting) for share in shares]
        if len(shares) > 1:
            needed_by_several.append(_Task(number, packed, _settle, (), None))
    if number_of_jobs(jobs) > 1 and len(cells) > 1:
        tasks = needed_by_several + tasks  # each is settled first, by one worker

    parts: dict[int, list[Part]] = {number: [] for number in range(len(cells))}
    finished: dict[int, Result] = {}
    for number, new in run_tasks(_do, tasks, jobs):
        for part in new:
            parts[number].append(part)
            if on_result is not None:
                on_result(part)
        if new and len(parts[number]) == len(cells[number].sites):
            finished[number] = join(cells[number], parts[number])
            if on_cell is not None:
                on_cell(finished[number])
    return [finished[number] for number in parts]


@dataclass(frozen=True)
class _Task:
    number: int
    packed: bytes
    function: Callable[[Cell, Groups, Any], list[Any]]
    groups: Groups
    setting: Any


def _do(task: _Task) -> tuple[int, list[Any]]:
    return task.number, task.function(_unpacked(task.packed), task.groups, task.setting)


@lru_cache(maxsize=2)
def _unpacked(packed: bytes) -> Cell:
    cell: Cell = pickle.loads(packed)  # by a process of this search
    return cell


def _settle(cell: Cell, _groups: Groups, _setting: None) -> list[Any]:
    with suppress(Exception):  # what is wrong is told by the cell's sites
        settle(cell.model, cell.sites, cell.protocol)
    return []


# A task of less than this many trials times segments costs more to send than it is worth
_WORTH = 2000


def _cost_of_trial(model: Model) -> int:
    return sum(number_of_segments(model, sec) for sec in model.rule["secs"])


def _share(groups: Groups, cost_per_site: int) -> list[Groups]:
    """Put small groups together; the largest tasks come first, so that none is left for last."""
    tasks: list[list[tuple[int, ...]]] = []
    size = _WORTH
    for group in groups:
        if size >= _WORTH:
            tasks.append([])
            size = 0
        tasks[-1].append(group)
        size += len(group) * cost_per_site
    tasks.sort(key=lambda task: -sum(len(group) for group in task))
    return [tuple(task) for task in tasks]
