"""Tables of figures, on the terminal and in a Markdown page."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from wscale.errors import ConfigError

__all__ = [
    "Columns",
    "Rows",
    "about",
    "cells_of",
    "check_page",
    "figure",
    "machine",
    "print_tables",
    "write_page",
]

Rows = list[dict[str, Any]]
Columns = Sequence[tuple[str, str, str]]  # heading, key, format


def figure(value: Any, form: str) -> str:
    """Format a value; form "3" is three significant digits, and none beyond the point needed."""
    if form != "3":
        return format(value, form)
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def cells_of(row: dict[str, Any], columns: Columns) -> list[str]:
    """Format a row; seconds whose key ends in ``_ms`` are shown in milliseconds."""
    shown = {key.removesuffix("_s") + "_ms": 1e3 * row[key] for key in row if key.endswith("_s")}
    return [figure({**shown, **row}[key], form) for _, key, form in columns]


def print_tables(tables: Sequence[tuple[str, Rows, Columns]], say: Console) -> None:
    """Print the tables on the terminal."""
    for title, rows, columns in tables:
        table = Table(
            *(heading for heading, _, _ in columns),
            title=title,
            box=None,
            title_justify="left",
            padding=(0, 1, 0, 0),
        )
        for row in rows:
            table.add_row(*cells_of(row, columns))
        for column in table.columns:
            column.no_wrap = True
        say.print()
        say.print(table)


def marks(name: str) -> tuple[str, str]:
    """Return the lines between which a page has the tables of a benchmark."""
    return f"<!-- {name} begin -->", f"<!-- {name} end -->"


def check_page(page: Path | None, name: str) -> None:
    """Raise ConfigError if a page has no place for the tables of a benchmark."""
    if page is not None and (
        not page.is_file() or not set(marks(name)) <= set(page.read_text().splitlines())
    ):
        raise ConfigError(
            f"--page {page} must be a file with the lines {' and '.join(marks(name))}"
        )


def write_page(
    page: Path, name: str, said: str, tables: Sequence[tuple[str, Rows, Columns]]
) -> None:
    """Replace the tables of a benchmark in a Markdown page."""
    begin, end = marks(name)
    lines = [begin, "", said, ""]
    for title, rows, columns in tables:
        lines += [f"**{title}**", ""]
        lines += [f"| {' | '.join(heading for heading, _, _ in columns)} |"]
        lines += ["|" + "---|" * len(columns)]
        lines += [f"| {' | '.join(cells_of(row, columns))} |" for row in rows] + [""]
    before, rest = page.read_text().split(begin)
    page.write_text(before + "\n".join(lines) + end + rest.split(end)[1])


def machine() -> dict[str, Any]:
    """Describe the machine and the software."""
    try:
        names = Path("/proc/cpuinfo").read_text().split("model name\t: ")[1:]
        processor = names[0].split("\n")[0].strip()
    except (OSError, IndexError):
        processor = platform.processor() or platform.machine()
    packages = {name: version(name) for name in ("wscale", "neuron", "netpyne", "numpy")}
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": processor,
        "cores": cores,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **packages,
    }


def about() -> str:
    """Describe the machine and the software in one line."""
    return ", ".join(f"{name} {value}" for name, value in machine().items())
