"""What is shown while a search runs: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Column

__all__ = ["SearchProgress"]

# Where nobody looks at a terminal, a line is written after this time, s
_LINE_s = 30.0


class SearchProgress:
    """Cells, sites, trials a second, time left and failures of a search.

    Parameters
    ----------
    console : rich.console.Console
        Where it is shown.
    title : str
        What is done.
    cells, sites : int
        How many there are.

    Examples
    --------
    >>> progress = SearchProgress(Console(quiet=True), "norm search", 1, 2)
    >>> progress.start()
    >>> progress.found()
    >>> progress.searched(trials=2, failed=False)
    >>> progress.cell_done()
    >>> progress.stop()
    >>> progress.trials, progress.finished_sites
    (2, 2)
    """

    def __init__(self, console: Console, title: str, cells: int, sites: int) -> None:
        self._console, self._title = console, title
        self._cells, self._sites = cells, sites
        self._cells_done = self._found = self._searched = self._failed = 0
        self.trials = 0
        self._start = self._said = time.perf_counter()
        self._live = Progress(
            TextColumn("{task.description}", table_column=Column(no_wrap=True)),
            BarColumn(table_column=Column(min_width=6, max_width=40, ratio=1)),
            MofNCompleteColumn(table_column=Column(no_wrap=True)),
            TextColumn("sites, {task.fields[more]}", table_column=Column(no_wrap=True)),
            expand=True,
            console=console,
            disable=not console.is_terminal,
        )
        self._bar = self._live.add_task(title, total=sites, more=self._more())

    @property
    def finished_sites(self) -> int:
        """Sites whose outcome is there, from the journal or from now."""
        return self._found + self._searched

    def found(self) -> None:
        """Count a site from the journal."""
        self._found += 1
        self._show()

    def searched(self, trials: int, failed: bool) -> None:
        """Count a site that was searched now."""
        self._searched += 1
        self.trials += trials
        self._failed += failed
        self._show()

    def cell_done(self) -> None:
        """Count a cell whose last site is there."""
        self._cells_done += 1
        self._show()

    def start(self) -> None:
        """Show it."""
        self._live.start()

    def stop(self) -> None:
        """Stop showing it; where there is no terminal, write a last line."""
        self._live.stop()
        if not self._console.is_terminal:
            self._say()

    def _show(self) -> None:
        self._live.update(self._bar, completed=self.finished_sites, more=self._more())
        if not self._console.is_terminal and time.perf_counter() - self._said >= _LINE_s:
            self._say()

    def _say(self) -> None:
        self._said = time.perf_counter()
        self._console.print(
            f"{self._title}: {self.finished_sites} of {self._sites} sites, {self._more()}",
            highlight=False,
            soft_wrap=True,
        )

    def _more(self) -> str:
        """Return the rest in words: cells, trials and their rate, failures, time left."""
        elapsed_s = time.perf_counter() - self._start
        parts = [f"{self._cells_done}/{self._cells} cells"] if self._cells > 1 else []
        parts.append(f"{self.trials} trials")
        if self.trials:
            parts[-1] += f" ({self.trials / elapsed_s:.3g}/s)"
        if self._failed:
            parts.append(f"{self._failed} failed")
        left = self._sites - self.finished_sites
        if self._searched and left:
            parts.append(f"{_minutes(left * elapsed_s / self._searched)} left")
        return ", ".join(parts)


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
