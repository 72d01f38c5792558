"""What all searches share: cells checked before any simulation, their sites spread over workers."""

from __future__ import annotations

import hashlib
import logging
import pickle
import typing
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import Any, Generic, TypedDict, TypeVar

from wscale.errors import SelectionError
from wscale.measurement.epsp import Protocol
from wscale.model.checks import check_tolerance, check_window
from wscale.model.model import Model
from wscale.model.needs import share_mechanisms
from wscale.model.sites import Locations, list_sites, number_of_segments
from wscale.model.targets import Targets
from wscale.model.weight_unit import WeightUnit
from wscale.parallel.chains import Backend, Chain
from wscale.parallel.pool import LocalBackend, backend_for
from wscale.results.journal import Journal, Journals
from wscale.search.cell import SearchCell, SiteWork
from wscale.search.identity import run_identity
from wscale.simulation.rig import preflight
from wscale.simulation.weight_scale import measure_unit

__all__ = [
    "Groups",
    "Search",
    "SearchCell",
    "check_in_workers",
    "in_units",
    "one_by_one",
    "plan_cells",
    "run",
    "with_units",
]

# A further worker joins a cell if this many trials times segments are left for it
_WORTH = 2000

Groups = Sequence[tuple[int, ...]]


class SiteOutcome(typing.Protocol):
    """What a worker found at one site."""

    @property
    def index(self) -> int:
        """The site, by its place in the cell's sites."""


Part = TypeVar("Part", bound=SiteOutcome)
Result = TypeVar("Result")

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Search(Generic[Part, Result]):
    """A search that was checked, before it is run.

    Parameters
    ----------
    method : str
        Its name.
    cells : tuple of SearchCell
        The cells and their sites.
    setting : object
        What a worker needs to search a site, besides the cell; plain data.
    function : callable
        Searches a site (in a worker): takes cell, index, the parts before it in its chain and
        ``setting``; returns its part.
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
    checks_synapse : bool
        Whether workers see first that the synapse can be calibrated at all; not needed for cells
        that were searched just before.
    """

    method: str
    cells: tuple[SearchCell, ...]
    setting: Any
    function: Callable[[SearchCell, int, Sequence[Part], Any], Part]
    failed: Callable[[SearchCell, int, Any, str], Part]
    chains: Callable[[SearchCell], Groups]
    trials_per_site: int
    join: Callable[[SearchCell, list[Part]], Result]
    part: type[Part]
    checks_synapse: bool = True

    def identity(self, cell: SearchCell) -> dict[str, Any]:
        """Return all that decides the outcomes of a cell, as JSON holds it."""
        return run_identity(self.method, self.setting, cell)


class RunOptions(TypedDict, total=False):
    """How a search is run; see :func:`wscale.grid` for what each is."""

    n_jobs: int | None
    backend: Backend | None
    journals: Journals | None
    on_result: Callable[[Any], None] | None
    on_cell: Callable[[Any], None] | None


def plan_cells(
    models: Model | Sequence[Model],
    *,
    sections: str | Sequence[str] | None,
    locations: Locations,
    exclude: Sequence[str],
    targets: Targets | float,
    tolerance: float,
    protocol: Protocol | None,
) -> tuple[SearchCell, ...]:
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
        SearchCell(model, here, tuple(targets.at(model.cell, site) for site in here), protocol)
        for model, here in zip(chosen, sites, strict=True)
    )


def check_in_workers(models: Sequence[Model], backend: Backend) -> None:
    """Raise what workers, who load the mechanisms, find wrong with models."""
    for problem in backend.map(preflight, models):
        if problem is not None:
            raise problem


def with_units(models: Sequence[Model], backend: Backend) -> list[Model]:
    """Return models that know the unit of their weight, measured where nothing states it."""
    unknown = [m for m in models if m.stated_unit is None and m.measured_unit is None]
    if not unknown:
        return list(models)
    shared = share_mechanisms(unknown, compile_now=isinstance(backend, LocalBackend))
    found = dict(zip(map(id, unknown), backend.map(measure_unit, shared), strict=True))
    return [
        replace(model, measured_unit=found[id(model)] or WeightUnit(source="not measured"))
        if id(model) in found
        else model
        for model in models
    ]


def in_units(search: Search[Part, Result], backend: Backend) -> Search[Part, Result]:
    """Return a search whose models know the unit of their weight."""
    models = with_units([cell.model for cell in search.cells], backend)
    cells = (replace(cell, model=model) for cell, model in zip(search.cells, models, strict=True))
    return replace(search, cells=tuple(cells))


def one_by_one(cell: SearchCell) -> list[tuple[int, ...]]:
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
        Keeps outcomes as they arrive, and has those of earlier runs.
    on_found, on_result, on_cell : callable, optional
        Called with each part from a journal, each part that is new, and each cell's result.

    Returns
    -------
    list
        One result per cell, in their order.
    """
    search = in_units(search, backend)
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
        unfinished = [
            cell
            for cell, found in zip(search.cells, parts, strict=True)
            if len(found) < len(cell.sites)
        ]
        _logger.info(
            "%s: %d sites are there, others wait in %d cells",
            search.method,
            sum(map(len, parts)),
            len(unfinished),
        )
        if unfinished:
            models = share_mechanisms(
                [cell.model for cell in unfinished], compile_now=isinstance(backend, LocalBackend)
            )
            check_in_workers(models, backend)
            ready = {model.content_hash: model for model in models}
            cells = [
                replace(cell, model=ready.get(cell.model.content_hash, cell.model))
                for cell in search.cells
            ]

            def sync() -> None:
                for journal in kept:
                    journal.sync()

            found_now = backend.search(_batches(search, cells, parts), sync)
            with closing(found_now):  # also if keeping or showing a part fails: workers end
                for number, part in found_now:
                    if kept:
                        kept[number].add(part)
                    parts[number][part.index] = part
                    if on_result is not None:
                        on_result(part)
                    complete(number)
        return [finished[number] for number in range(len(search.cells))]


def run_search(
    search: Search[Part, Result],
    *,
    n_jobs: int | None = None,
    backend: Backend | None = None,
    **how: Any,
) -> list[Result]:
    """Run a search with the workers that are asked for; see :func:`run`."""
    with backend_for(n_jobs, backend) as workers:
        return run(search, workers, **how)


def _batches(
    search: Search[Part, Any], cells: Sequence[SearchCell], parts: Sequence[Mapping[int, Part]]
) -> list[tuple[Chain, ...]]:
    """Return the chains that are left, the cells with most work first.

    Chains of a cell are batched so that a further worker, which has to build the cell, joins only
    where enough is left for it.
    """
    batches = []
    for number, (cell, found) in enumerate(zip(cells, parts, strict=True)):
        left = [
            (
                tuple(found[i] for i in chain if i in found),
                tuple(i for i in chain if i not in found),
            )
            for chain in sorted(search.chains(cell), key=len, reverse=True)
        ]
        left = [(before, indices) for before, indices in left if indices]
        if not left:
            continue
        work = SiteWork(cell, search.function, search.failed, search.setting, search.checks_synapse)
        packed = pickle.dumps(work)
        key = hashlib.sha256(packed).hexdigest()
        chains = [Chain(number, key, packed, indices, before) for before, indices in left]
        secs = cell.model.rule["secs"]
        segments = sum(number_of_segments(cell.model, sec) for sec in secs)
        sites = sum(len(indices) for _, indices in left)
        cost = segments * search.trials_per_site * sites
        count = min(max(cost // _WORTH, 1), len(chains))
        batches.append((cost, [tuple(chains[k::count]) for k in range(count)]))
    batches.sort(key=lambda batch: -batch[0])
    # One batch of each cell first, so that all cells are settled soon, by different workers
    firsts = [batch for _, of_cell in batches for batch in of_cell[:1]]
    return firsts + [batch for _, of_cell in batches for batch in of_cell[1:]]
