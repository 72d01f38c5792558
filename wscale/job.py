"""A search from settings to files: what M1_grid_search.py and ``wscale grid`` run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from wscale.child import stop_children
from wscale.errors import TableError
from wscale.execute import Backend, backend_for, number_of_jobs
from wscale.grid import GridResult, SiteResult, plan_grid
from wscale.journal import Journals
from wscale.model import Model
from wscale.plan import Search, run
from wscale.plots import plot_search
from wscale.settings import SearchSettings
from wscale.solve import SolvedSite, SolveResult, plan_solve
from wscale.store import make_folder, provenance, write_atomically
from wscale.synapses import with_synapses
from wscale.verify import Verification, verify

__all__ = ["Method", "load_models", "run_search"]

Method = Literal["grid", "norm"]


def load_models(settings: SearchSettings) -> list[Model]:
    """Read the settings' cells from the model folder, several at a time."""
    cells: Sequence[str | None] = settings.cells or [None]
    own_cell = settings.own_cell

    def load(cell: str | None) -> Model:
        return Model.from_folder(
            settings.folder, cell, settings.cfg, settings.mod, settings.mod_exclude, own_cell
        )

    with ThreadPoolExecutor(max_workers=number_of_jobs(-1)) as pool:
        try:
            return list(pool.map(load, cells))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            stop_children()
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
    fresh, retry_failed : bool
        Begin anew, or search failed sites again; see :class:`wscale.Journals`.
    console : rich.console.Console, optional
        Where progress and summary go.

    Returns
    -------
    bool
        True where no site failed and every verified entry met its target.

    Raises
    ------
    WscaleError
        Unusable input, before any simulation; a disk that is full.
    """
    console = console or Console()
    start = time.perf_counter()
    workers = backend_for(jobs, backend)
    folder = Path(out)
    with Journals(folder, fresh=fresh, retry_failed=retry_failed, command=command) as journals:
        for part in ("weightNorm", "figures", *(("grid_batch",) if method == "grid" else ())):
            make_folder(folder / part)
        with console.status("reading cells, compiling mechanisms where they are new"):
            models = load_models(settings)
            runs = _by_group(settings, models)
        for notice in dict.fromkeys(n for _, cells in runs for c in cells for n in c.notices):
            console.print(f"[yellow]notice[/]: {escape(notice)}", highlight=False, soft_wrap=True)
        searches = [(own, _planned(own, cells, method)) for own, cells in runs]
        journals.check([search for _, search in searches])

        entries: dict[str, dict[str, Any]] = {}
        results: list[GridResult | SolveResult] = []
        tally = _Tally()
        for own, search in searches:

            def keep(result: GridResult | SolveResult, own: SearchSettings = own) -> None:
                """Write a cell as soon as it is finished."""
                origin = journals.command(result.model.label)
                entries[result.model.label] = _write_cell(result, own, folder, origin)
                _write_summary(folder, entries, time.perf_counter() - start, workers)

            results += _run(search, workers, journals, console, keep, tally)
        verifications = {}
        if verified:
            verifications = _verified(results, settings, workers, entries, folder, console)
        wall = time.perf_counter() - start
        _write_summary(folder, entries, wall, workers)
        plot_search(results, folder / "figures" / "search.png")
    _print_summary(results, verifications, console)
    again = f", {tally.found} sites were there already" if tally.found else ""
    console.print(
        f"{tally.trials} trials in {wall:.1f} s ({tally.trials / wall:.0f} a second){again}; "
        f"tables in {folder / 'weightNorm'}, figure {folder / 'figures' / 'search.png'}",
        highlight=False,
        soft_wrap=True,
    )
    failed = any(s.status == "failed" for result in results for _, s in result.solutions)
    return not failed and all(check.passed for check in verifications.values())


def _verified(
    results: Sequence[GridResult | SolveResult],
    settings: SearchSettings,
    workers: Backend,
    entries: dict[str, dict[str, Any]],
    folder: Path,
    console: Console,
) -> dict[str, Verification]:
    """Load the tables that were written into networks, and keep what they give there."""
    loadable = [
        (result.model, result.table())
        for result in results
        if entries[result.model.label]["files"]["weightNorm_pkl"] is not None
    ]
    with console.status("verifying the tables in NetPyNE networks"):
        checks = verify(
            loadable, protocol=settings.protocol, tolerance=settings.tolerance, backend=workers
        )
    verifications = {}
    for (model, _), check in zip(loadable, checks, strict=True):
        verifications[model.label] = check
        _write_verification(model.label, check, entries[model.label], folder)
    return verifications


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
    """Sites from journals, sites searched now, and the latter's trials."""

    found: int = 0
    searched: int = 0
    trials: int = 0


def _run(
    search: Search[Any, Any],
    workers: Backend,
    journals: Journals,
    console: Console,
    keep: Callable[[GridResult | SolveResult], None],
    tally: _Tally,
) -> Sequence[GridResult | SolveResult]:
    total = sum(len(cell.sites) for cell in search.cells)
    group = search.cells[0].model.group
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("sites, {task.fields[trials]} trials"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
    ) as progress:
        bar = progress.add_task(f"{search.method} search {group}".strip(), total=total, trials=0)

        def found(_: SiteResult | SolvedSite) -> None:
            tally.found += 1
            progress.update(bar, advance=1)

        def advance(result: SiteResult | SolvedSite) -> None:
            tally.searched += 1
            tally.trials += result.trials
            progress.update(bar, advance=1, trials=tally.trials)

        try:
            return run(
                search,
                workers,
                journals=journals,
                on_found=found,
                on_result=advance,
                on_cell=keep,
            )
        except (KeyboardInterrupt, SystemExit):  # the latter on SIGTERM
            console.print(
                f"{tally.found + tally.searched} finished sites are in {journals.folder}; the same "
                "command continues from there",
                highlight=False,
                soft_wrap=True,
            )
            raise


def _write_cell(
    result: GridResult | SolveResult, settings: SearchSettings, folder: Path, command: Sequence[str]
) -> dict[str, Any]:
    cell = result.model.label
    origin = provenance(result.model, command)
    table = result.table(origin)
    json_file = folder / "weightNorm" / f"{cell}_weightNorm.json"
    table.write_json(json_file)
    pkl_file = json_file.with_suffix(".pkl")
    why_not = None
    try:
        table.write_pickle(pkl_file)
    except TableError as error:
        pkl_file.unlink(missing_ok=True)  # one of an earlier run
        why_not = str(error)
    files = {
        "weightNorm_json": str(json_file.relative_to(folder)),
        "weightNorm_pkl": None if why_not else str(pkl_file.relative_to(folder)),
    }
    losses: dict[str, Any] = {}
    if isinstance(result, GridResult):
        csv = folder / "grid_batch" / f"{cell}.csv"
        write_atomically(csv, result.frame.to_csv(index=False).encode())
        files["grid"] = str(csv.relative_to(folder))
        best, loss = result.best.drop(columns="cell"), result.loss_mV2
        losses = {
            "loss_mV2": None if np.isnan(loss) else loss,
            "best": best.to_dict(orient="records"),
        }
    return {
        "counts": table.counts,
        **losses,
        "trials": result.trials,
        "worker_seconds": round(result.seconds, 3),
        "files": files,
        "no_pkl_because": why_not,
        "notices": list(result.model.notices),
        "settings": settings.model_dump(mode="json"),
        "provenance": origin,
    }


def _write_verification(
    label: str, check: Verification, entry: dict[str, Any], folder: Path
) -> None:
    path = make_folder(folder / "verification") / f"{label}.csv"
    write_atomically(path, check.frame.to_csv(index=False).encode())
    entry["files"]["verification"] = str(path.relative_to(folder))
    entry["verified"] = {
        "passed": check.passed,
        "largest_error": None if np.isnan(check.largest_error) else check.largest_error,
        "misread_centres": len(check.misread),
    }


def _write_summary(
    folder: Path, entries: dict[str, dict[str, Any]], wall: float, workers: Backend
) -> None:
    path = folder / "results.json"
    earlier: dict[str, Any] = {}
    if path.is_file():
        try:
            earlier = json.loads(path.read_text())["cells"]
        except (ValueError, KeyError, TypeError):
            earlier = {}
    content = {
        "cells": {**earlier, **entries},
        "last_run": {
            "cells": list(entries),
            "wall_seconds": round(wall, 3),
            "jobs": len(workers.workers()),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    }
    write_atomically(path, json.dumps(content, indent=1, allow_nan=False).encode())


def _print_summary(
    results: Sequence[GridResult | SolveResult],
    verifications: dict[str, Verification],
    console: Console,
) -> None:
    columns = ("cell", "trials", "outcome", "nS/mV", "residual")
    summary = Table(*columns, box=None, padding=(0, 2, 0, 0))
    if verifications:
        summary.add_column("network")
    for result in results:
        table = result.table()
        values = [value for _, _, value, _ in table.entries() if value is not None]
        residuals = [abs(r) for row in table.residual.values() for r in row if r is not None]
        row = [
            result.model.label,
            str(result.trials),
            ", ".join(f"{count} {status}" for status, count in table.counts.items()),
            f"{1e3 * min(values):.4g}-{1e3 * max(values):.4g}" if values else "none",
            f"{max(residuals):.1e}" if residuals else "",
        ]
        if verifications:
            check = verifications.get(result.model.label)
            row.append("" if check is None else f"{check.largest_error:.1e}")
        summary.add_row(*row)
    for column in summary.columns:
        column.no_wrap = True
    console.print(summary)
    for result in results:
        for site, solution in result.solutions:
            if solution.status != "ok":
                console.print(
                    f"{result.model.label} {site}: [yellow]{solution.status}[/], "
                    f"{escape(solution.reason)}",
                    highlight=False,
                    soft_wrap=True,
                )
