"""What all searches share: checked before any simulation, and cells put together from parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from wscale.checks import check_tolerance, check_window
from wscale.epsp import Protocol
from wscale.errors import SelectionError
from wscale.execute import number_of_jobs, run_tasks
from wscale.loss import Targets
from wscale.model import Model
from wscale.rig import preflight, settle
from wscale.sites import Locations, Site, list_sites, number_of_segments

__all__ = ["Groups", "Plan", "Task", "plan_search", "run_plan"]

Setting = TypeVar("Setting")
Part = TypeVar("Part")
Result = TypeVar("Result")
Groups = Sequence[tuple[int, ...]]


@dataclass(frozen=True)
class Plan:
    """Cells, the sites of each, and what is wanted there; all of it checked."""

    models: tuple[Model, ...]
    sites: tuple[tuple[Site, ...], ...]
    targets: Targets
    protocol: Protocol

    def cells(self) -> Iterator[tuple[Model, tuple[Site, ...]]]:
        """Yield each model with its sites."""
        return zip(self.models, self.sites, strict=True)


@dataclass(frozen=True)
class Task(Generic[Setting]):
    """What a worker needs to search some sites of a cell; all plain data.

    Parameters
    ----------
    number : int
        Of the cell in the plan.
    model : Model
        The cell.
    sites : tuple of Site
        All sites of the cell.
    groups : sequence of tuple of int
        Indices of the sites to search, those of a group in this order.
    targets_mV : tuple of float
        The targets of all sites, mV.
    protocol : Protocol
        How responses are measured.
    setting : object
        What the search needs beside these.
    """

    number: int
    model: Model
    sites: tuple[Site, ...]
    groups: Groups
    targets_mV: tuple[float, ...]
    protocol: Protocol
    setting: Setting


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
) -> Plan:
    """Raise what is wrong with a search before any simulation; mechanisms are asked of workers.

    The parameters are those of :func:`wscale.grid`.
    """
    chosen = (models,) if isinstance(models, Model) else tuple(models)
    targets = targets if isinstance(targets, Targets) else Targets(targets)
    protocol = replace(protocol or Protocol(), polarity=targets.polarity)
    check_tolerance(tolerance)
    sites = tuple(list_sites(model, sections, locations, exclude) for model in chosen)
    plan = Plan(chosen, sites, targets, protocol)
    hashes = [model.content_hash for model in chosen]
    for model in chosen:
        if hashes.count(model.content_hash) > 1:
            raise SelectionError(f"cell {model.cell!r} is given twice; name each cell once")
    targets.check(plan.cells())
    for model in chosen:
        check_window(model, protocol)
    for problem in list(run_tasks(preflight, chosen, jobs)):
        if problem is not None:
            raise problem
    return plan


def run_plan(
    plan: Plan,
    groups: Callable[[Model, tuple[Site, ...]], Groups],
    function: Callable[[Task[Setting]], list[Part]],
    setting: Setting,
    jobs: int,
    *,
    trials_per_site: int,
    join: Callable[[Model, list[Part]], Result],
    on_result: Callable[[Part], None] | None,
    on_cell: Callable[[Result], None] | None,
) -> list[Result]:
    """Run the tasks of all cells in one pool, and put each cell together when it is complete.

    Parameters
    ----------
    plan : Plan
        The cells and their sites.
    groups : callable
        Divides a cell's sites, by index, into what must be searched in one go.
    function : callable
        Searches the sites of a task; returns one part a site (in a worker).
    setting : object
        What ``function`` needs beside the cell and its sites.
    jobs : int
        Number of worker processes.
    trials_per_site : int
        About how many, so that tasks are neither tiny nor huge.
    join : callable
        Makes a cell's result of its parts, whose order depends on the workers.
    on_result, on_cell : callable or None
        Called with each part as it arrives, and with each cell's result.

    Returns
    -------
    list
        One result a cell, in the order of the plan.
    """
    tasks: dict[int, list[Task[Setting]]] = {}
    for number, (model, sites) in enumerate(plan.cells()):
        targets = tuple(plan.targets.at(model.cell, site) for site in sites)
        tasks[number] = [
            Task(number, model, sites, chosen, targets, plan.protocol, setting)
            for chosen in _share(groups(model, sites), _cost_of_trial(model) * trials_per_site)
        ]
    steps: list[tuple[Callable[[Any], Any], Any]] = []
    if number_of_jobs(jobs) > 1 and len(tasks) > 1:
        # Cells that several workers need are settled first, each by one of them
        several = [of_cell[0] for of_cell in tasks.values() if len(of_cell) > 1]
        steps += [(settle, (task.model, task.sites, task.protocol)) for task in several]
    steps += [(function, task) for of_cell in tasks.values() for task in of_cell]

    parts: dict[int, list[Part]] = {number: [] for number in tasks}
    finished: dict[int, Result] = {}
    for number, new in run_tasks(_do, steps, jobs):
        for part in new:
            parts[number].append(part)
            if on_result is not None:
                on_result(part)
        if new and len(parts[number]) == len(plan.sites[number]):
            finished[number] = join(plan.models[number], parts[number])
            if on_cell is not None:
                on_cell(finished[number])
    return [finished[number] for number in tasks]


def _do(step: tuple[Callable[[Any], Any], Any]) -> tuple[int, list[Any]]:
    function, task = step
    outcome = function(task)
    return (task.number, outcome) if isinstance(task, Task) else (0, [])


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
