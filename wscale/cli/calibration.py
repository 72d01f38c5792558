"""A job that prints how it goes, and what it has found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from wscale.calibrate.job import Calibration, Listener, calibrate
from wscale.calibrate.settings import SearchSettings
from wscale.cli.output import with_options
from wscale.cli.progress import SearchProgress
from wscale.cli.summary import print_summary
from wscale.search.grid import GridResult, SiteResult
from wscale.search.search import Search
from wscale.search.targeted import SolvedSite, SolveResult

__all__ = ["calibrate_and_print"]


def calibrate_and_print(
    settings: SearchSettings, out: str | Path, console: Console | None = None, **options: Any
) -> bool:
    """Run :func:`wscale.calibrate.job.calibrate` and print its progress and its summary.

    Parameters
    ----------
    settings, out, **options
        As there.
    console : rich.console.Console, optional
        Where to; by default stdout.

    Returns
    -------
    bool
        Whether all is well.
    """
    console = console or Console()
    listener = _Printed(console, fresh=options.get("fresh", False))
    try:
        done = calibrate(settings, out, listener=listener, **options)
    finally:
        listener.end()
    print_summary(done.results, done.verifications, console)
    _print(_last_line(done), console)
    return done.passed


def _last_line(done: Calibration) -> str:
    traced = f" and {done.traced} for traces" if done.traced else ""
    again = f", {done.found} sites were there already" if done.found else ""
    tables = f"tables in {done.folder / 'weightNorm'}"
    if not any(done.calibrated):
        tables = "no segment is calibrated"
    trials = f"{done.trials} trials{traced} in {done.wall_s:.1f} s{again}"
    return f"{trials}; {tables}, figure {done.figure}"


def _print(text: str, console: Console) -> None:
    console.print(text, highlight=False, soft_wrap=True)


class _Printed(Listener):
    """Prints what a job says; one phase at a time is live on a terminal."""

    def __init__(self, console: Console, fresh: bool) -> None:
        self._console, self._fresh = console, fresh
        self._status: Status | None = None
        self._progress: SearchProgress | None = None

    def end(self) -> None:
        """End the phase that is shown."""
        if self._status is not None:
            self._status.stop()
        self._status = None

    def _begin(self, text: str) -> None:
        self.end()
        self._status = self._console.status(text)
        self._status.start()

    def reading(self) -> None:
        self._begin("reading cells, compiling mechanisms where they are new")

    def notice(self, text: str) -> None:
        self.end()
        _print(f"[yellow]notice[/]: {escape(with_options(text))}", self._console)

    def search_started(self, search: Search[Any, Any]) -> None:
        self.end()
        title = f"{search.method} search {search.cells[0].model.group}".strip()
        sites = sum(len(cell.sites) for cell in search.cells)
        self._progress = SearchProgress(self._console, title, len(search.cells), sites)
        self._progress.start()

    def found(self, result: SiteResult | SolvedSite) -> None:
        if self._progress is not None:
            self._progress.found()

    def searched(self, result: SiteResult | SolvedSite) -> None:
        if self._progress is not None:
            self._progress.searched(result.trials, result.solution.status == "failed")

    def cell_done(self, result: GridResult | SolveResult) -> None:
        if self._progress is not None:
            self._progress.cell_done()

    def search_done(self) -> None:
        if self._progress is not None:
            self._progress.stop()

    def tracing(self) -> None:
        self._begin("traces at the solved weights")

    def verifying(self) -> None:
        self._begin("verifying the tables in NetPyNE networks")

    def interrupted(self, folder: Path, finished: int) -> None:
        self.end()
        _print(
            f"{finished} finished sites of this run are in {folder}; the same "
            f"command{' without --fresh' if self._fresh else ''} continues from there",
            self._console,
        )
