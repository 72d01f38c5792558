"""A search from settings to files: what M1_grid_search.py and ``wscale grid`` run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.markup import escape

from wscale._util.announce import cancel_waits
from wscale._util.files import make_folder
from wscale.calibrate.settings import SearchSettings
from wscale.calibrate.writer import ResultsFolder
from wscale.cli.progress import SearchProgress
from wscale.cli.summary import print_summary
from wscale.model.model import Model
from wscale.model.synapses import with_synapses
from wscale.parallel.child import stop_children
from wscale.parallel.pool import Backend, backend_for, number_of_jobs
from wscale.plots.search_figure import plot_search
from wscale.results.journal import Journals
from wscale.search.grid import GridResult, SiteResult, plan_grid
from wscale.search.search import Search, run
from wscale.search.targeted import SolvedSite, SolveResult, plan_solve
from wscale.search.traced import Profile, identity, plan_profile
from wscale.verification.verify import Verification, verify

__all__ = ["Method", "load_models", "run_search"]

Method = Literal["grid", "norm"]

# How often processes that read cells are looked for while they are ended, s
_AGAIN_s = 0.05


def load_models(settings: SearchSettings) -> list[Model]:
    """Read the settings' cells from the model folder, several at a time."""
    cells: Sequence[str | None] = settings.cells or [None]
    own_cell = settings.own_cell

    def load(cell: str | None) -> Model:
        return Model.from_folder(
            settings.folder, cell, settings.cfg, settings.mod, settings.mod_exclude, own_cell
        )

    with ThreadPoolExecutor(max_workers=number_of_jobs(-1)) as pool:
        loading = [pool.submit(load, cell) for cell in cells]
        try:
            return [model.result() for model in loading]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            while not all(model.done() for model in loading):  # one may have been about to start
                stop_children()
                cancel_waits()
                time.sleep(_AGAIN_s)
            raise


def run_search(
    settings: SearchSettings,
    out: str | Path,
    *,
    method: Method = "grid",
    jobs: int = -1,
    backend: Backend | None = None,
    command: Sequence[str] = (),
    verified: bool = False,
    traces: bool = False,
    fresh: bool = False,
    retry_failed: bool = False,
    console: Console | None = None,
) -> bool:
    """Search all cells, write tables, figures and results.json, and print a summary.

    Each finished site is in the folder's journal at once; the same call continues from there.

    Parameters
    ----------
    settings : SearchSettings
        What to search.
    out : path
        Results folder; cells of earlier runs that are not searched now keep their files.
    method : {"grid", "norm"}
        The exhaustive search over weights, or the targeted one (:func:`wscale.solve`).
    jobs : int
        Number of worker processes.
    backend : Backend, optional
        Other workers than ``jobs`` of this machine.
    command : sequence of str
        What the user called, for the provenance.
    verified : bool
        Load each table into a NetPyNE network afterwards and measure it (:func:`wscale.verify`).
    traces : bool
        Run the trials whose traces ``wscale plot`` draws, see :mod:`wscale.search.traced`.
    fresh, retry_failed : bool
        Begin anew, or search failed sites again; see :class:`wscale.Journals`.
    console : rich.console.Console, optional
        Where progress and summary go.

    Returns
    -------
    bool
        True where no site failed, every cell has a calibrated segment, and every verified entry
        met its target.

    Raises
    ------
    WscaleError
        Unusable input, before any simulation; a disk that is full.
    """
    console = console or Console()
    start = time.perf_counter()
    workers = backend_for(jobs, backend)
    folder = Path(out)
    tally = _Tally()
    with (
        Journals(folder, fresh=fresh, retry_failed=retry_failed, command=command) as journals,
        _told_how_to_continue(journals, fresh, console),
    ):
        for part in ("weightNorm", "figures", *(("grid_batch",) if method == "grid" else ())):
            make_folder(folder / part)
        with console.status("reading cells, compiling mechanisms where they are new"):
            models = load_models(settings)
            runs = _by_group(settings, models)
        for notice in dict.fromkeys(n for _, cells in runs for c in cells for n in c.notices):
            console.print(f"[yellow]notice[/]: {escape(notice)}", highlight=False, soft_wrap=True)
        searches = [(own, _planned(own, cells, method)) for own, cells in runs]
        for _, search in searches:
            for cell in search.cells:
                journals.check(cell.model.label, search.identity(cell))

        results: list[GridResult | SolveResult] = []
        labels = [cell.model.label for _, search in searches for cell in search.cells]
        with ResultsFolder(folder, workers, labels, start) as kept:
            for own, search in searches:

                def keep(result: GridResult | SolveResult, own: SearchSettings = own) -> None:
                    """Write a cell as soon as it is finished."""
                    kept.write(result, own, journals.command(result.model.label))

                found = _run(search, workers, journals, console, keep, tally)
                if traces:
                    tally.traced += _traced(search, found, workers, kept, console)
                results += found
            verifications = {}
            if verified:
                verifications = _verified(results, settings, workers, kept, console)
        plot_search(results, folder / "figures" / "search.png")
    wall = time.perf_counter() - start
    print_summary(results, verifications, console)
    again = f", {tally.found} sites were there already" if tally.found else ""
    traced = f" and {tally.traced} for traces" if tally.traced else ""
    calibrated = [result.table().counts.get("ok", 0) > 0 for result in results]
    tables = f"tables in {folder / 'weightNorm'}" if any(calibrated) else "no segment is calibrated"
    console.print(
        f"{tally.trials} trials{traced} in {wall:.1f} s{again}; "
        f"{tables}, figure {folder / 'figures' / 'search.png'}",
        highlight=False,
        soft_wrap=True,
    )
    failed = any(s.status == "failed" for result in results for _, s in result.solutions)
    verified_well = all(check.passed for check in verifications.values())
    return not failed and all(calibrated) and verified_well


def _verified(
    results: Sequence[GridResult | SolveResult],
    settings: SearchSettings,
    workers: Backend,
    kept: ResultsFolder,
    console: Console,
) -> dict[str, Verification]:
    """Load the tables that were written into networks, and keep what they give there."""
    loadable = [
        (result.model, result.table()) for result in results if kept.has_pickle(result.model.label)
    ]
    with console.status("verifying the tables in NetPyNE networks"):
        checks = verify(
            loadable, protocol=settings.protocol, tolerance=settings.tolerance, backend=workers
        )
    verifications = {}
    for (model, _), check in zip(loadable, checks, strict=True):
        verifications[model.label] = check
        kept.write_verification(model.label, check)
    return verifications


def _traced(
    search: Search[Any, Any],
    results: Sequence[GridResult | SolveResult],
    workers: Backend,
    kept: ResultsFolder,
    console: Console,
) -> int:
    """Run the trials of which traces are kept, where they are not there; return how many."""
    pairs, made_of = [], {}
    for cell, result in zip(search.cells, results, strict=True):
        label = cell.model.label
        made_of[label] = identity(cell, result)
        if not kept.has_traces(label, made_of[label]):
            pairs.append((cell, result))
    if not pairs:
        return 0

    def keep(profile: Profile) -> None:
        kept.write_traces(profile, made_of[profile.model.label])

    with console.status("traces at the solved weights"):
        profiles = run(plan_profile(pairs), workers, on_cell=keep)
    return sum(profile.trials for profile in profiles)


def _by_group(
    settings: SearchSettings, models: list[Model]
) -> list[tuple[SearchSettings, list[Model]]]:
    """Return settings and cells of each synapse group; the model's own synapses are one."""
    if not settings.groups:
        return [(settings, models)]
    return [
        (settings.of_group(group), [with_synapses(model, group) for model in models])
        for group in settings.groups
    ]


def _planned(settings: SearchSettings, models: list[Model], method: Method) -> Search[Any, Any]:
    common: dict[str, Any] = {
        "sections": settings.sections,
        "locations": settings.locations,
        "exclude": settings.exclude,
        "targets": settings.targets,
        "tolerance": settings.tolerance,
        "protocol": settings.protocol,
    }
    if method == "norm":
        return plan_solve(models, **common)
    weights, interpolation = settings.weights_uS, settings.interpolation
    return plan_grid(models, weights, interpolation=interpolation, **common)


@dataclass
class _Tally:
    """Sites from journals, and trials run now: of the search, and for traces."""

    found: int = 0
    trials: int = 0
    traced: int = 0


@contextmanager
def _told_how_to_continue(journals: Journals, fresh: bool, console: Console) -> Iterator[None]:
    """Say what there is, and how to go on, where a run is interrupted or terminated."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):  # the latter on SIGTERM
        console.print(
            f"{journals.finished} finished sites of this run are in {journals.folder}; the same "
            f"command{' without --fresh' if fresh else ''} continues from there",
            highlight=False,
            soft_wrap=True,
        )
        raise


def _run(
    search: Search[Any, Any],
    workers: Backend,
    journals: Journals,
    console: Console,
    keep: Callable[[GridResult | SolveResult], None],
    tally: _Tally,
) -> Sequence[GridResult | SolveResult]:
    sites = sum(len(cell.sites) for cell in search.cells)
    title = f"{search.method} search {search.cells[0].model.group}".strip()
    with SearchProgress(console, title, len(search.cells), sites) as progress:

        def found(_: SiteResult | SolvedSite) -> None:
            tally.found += 1
            progress.found()

        def searched(result: SiteResult | SolvedSite) -> None:
            tally.trials += result.trials
            progress.searched(result.trials, result.solution.status == "failed")

        def complete(result: GridResult | SolveResult) -> None:
            keep(result)
            progress.cell_done()

        return run(
            search,
            workers,
            journals=journals,
            on_found=found,
            on_result=searched,
            on_cell=complete,
        )
