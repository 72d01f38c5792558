"""What all searches share: checked before any simulation, and cells put together from parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from wscale.checks import check_tolerance, check_window
from wscale.epsp import Protocol
from wscale.errors import SelectionError
from wscale.execute import run_tasks
from wscale.loss import Targets
from wscale.model import Model
from wscale.rig import preflight
from wscale.sites import Locations, Site, list_sites

__all__ = ["Plan", "plan_search", "run_plan"]

Task = TypeVar("Task")
Part = TypeVar("Part")
Result = TypeVar("Result")


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
    function: Callable[[Task], tuple[str, Part]],
    tasks: Iterable[Task],
    jobs: int,
    *,
    size: Callable[[Part], int],
    join: Callable[[Model, list[Part]], Result],
    on_result: Callable[[Part], None] | None,
    on_cell: Callable[[Result], None] | None,
) -> list[Result]:
    """Run the tasks of all cells in one pool, and put each cell together when it is complete.

    Parameters
    ----------
    plan : Plan
        The cells and their sites.
    function : callable
        Takes a task; returns the cell's content hash and a part of its result (in a worker).
    tasks : iterable
        What to do.
    jobs : int
        Number of worker processes.
    size : callable
        Number of sites in a part.
    join : callable
        Makes a cell's result of its parts, whose order depends on the workers.
    on_result, on_cell : callable or None
        Called with each part as it arrives, and with each cell's result.

    Returns
    -------
    list
        One result a cell, in the order of the plan.
    """
    by_hash = {model.content_hash: (model, len(sites)) for model, sites in plan.cells()}
    parts: dict[str, list[Part]] = {content_hash: [] for content_hash in by_hash}
    finished: dict[str, Result] = {}
    for content_hash, part in run_tasks(function, tasks, jobs):
        parts[content_hash].append(part)
        if on_result is not None:
            on_result(part)
        model, total = by_hash[content_hash]
        if sum(size(part) for part in parts[content_hash]) == total:
            finished[content_hash] = join(model, parts[content_hash])
            if on_cell is not None:
                on_cell(finished[content_hash])
    return [finished[content_hash] for content_hash in by_hash]
