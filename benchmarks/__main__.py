"""How long an EPSP, a trial and a table take, side by side in one run.

    python -m benchmarks [--cells PT5B_reduced,PT5B_pyramid] [--workers 4] [--json FILE]
                         [--page docs/performance.md]

For each cell: (a) NetPyNE's createSimulate, one after another in one process; (b) NetPyNE's own
grid search, netpyne.batchtools.search (extra "bench"); (c) wscale grid; (d) wscale norm; (e) the
floor: bare integration of the settled cell from onset to peak. Then, for the largest cell, how the
cost grows with segments and with workers. The ratio of two rows is more trustworthy than either:
machines differ, and drift.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import searches
from benchmarks.batchtools import batchtools_grid
from benchmarks.trials import cvode_trials, finer, netpyne_trial, rig_trials
from wscale import Model, list_sites
from wscale.cli.app import fail_in_words
from wscale.errors import ConfigError, WscaleError
from wscale.parallel.pool import number_of_jobs

FULL_GRID = len(searches.WEIGHTS_uS)  # trials a site, in the practice that wscale replaces
_BEGIN, _END = "<!-- benchmarks begin -->", "<!-- benchmarks end -->"
Rows = list[dict[str, Any]]


def side_by_side(cell: str, workers: int, repeats: int, say: Console) -> tuple[Rows, Rows]:
    """Measure the ways to a table of one cell, and the parts of a trial."""
    model = Model.from_folder(searches.REPO, cell)
    sites = list_sites(model)
    sections = list(dict.fromkeys(site.sec for site in sites))
    rows: Rows = []

    def add(
        way: str, cores: int, trials: int, wall_s: float, core_s: float, per_site: float
    ) -> None:
        rows.append(
            {
                "cell": cell,
                "way": way,
                "cores": cores,
                "trials": trials,
                "trials_per_s": trials / wall_s,
                "core_s_per_trial": core_s / trials,
                "core_s_per_table": core_s / trials * per_site * len(sites),
            }
        )

    say.print(f"{cell}: (a) createSimulate")
    full_s = netpyne_trial(model, repeats)
    add("(a) createSimulate", 1, repeats, full_s * repeats, full_s * repeats, FULL_GRID)
    say.print(f"{cell}: (b) batchtools")
    try:
        some = sections[:: max(1, len(sections) - 1)]  # the first and the last
        weights = list(searches.WEIGHTS_uS[::3])
        wall_s, points, _ = batchtools_grid(cell, some, weights, cfg={}, workers=workers)
        add("(b) batchtools", workers, len(points), wall_s, wall_s * workers, FULL_GRID)
    except WscaleError as error:
        say.print(f"left out: {error}", soft_wrap=True, markup=False)
    say.print(f"{cell}: (c) wscale grid")
    with searches.nothing_settled():
        found = searches.run(cell, "grid", workers, max(1, len(sections) // 10))
    cost = (found["trials"], found["wall_s"], found["core_s"], found["trials"] / found["sites"])
    add("(c) wscale grid", workers, *cost)
    say.print(f"{cell}: (d) wscale norm")
    with searches.nothing_settled():
        found = searches.run(cell, "norm", workers)
    per_site = found["trials"] / found["sites"]
    add("(d) wscale norm", workers, found["trials"], found["wall_s"], found["core_s"], per_site)
    rows[-1] |= {key: found[key] for key in ("sites", "ok", "wall_s", "worker_MiB")}
    say.print(f"{cell}: (e) the floor")
    rig = rig_trials(model)
    add("(e) floor", 1, 1, rig["floor_s"], rig["floor_s"], per_site)
    for row in rows:
        row["times_a_per_trial"] = full_s / row["core_s_per_trial"]
        row["times_a_per_table"] = full_s * FULL_GRID * len(sites) / row["core_s_per_table"]
    rig |= {"netpyne_s": full_s, "times_a": full_s / rig["trial_s"]}
    return rows, [{"cell": cell, **rig, **cvode_trials(model)}]


def by_segments(cell: str, say: Console) -> Rows:
    """Measure how a trial's cost grows with the number of segments."""
    model = Model.from_folder(searches.REPO, cell)
    rows = []
    for factor in (1, 2, 4):
        say.print(f"{cell}: nseg x {factor}")
        with searches.nothing_settled():
            figures = rig_trials(finer(model, factor), 1, 8)
        rows.append({"cell": cell, "nseg": f"x {factor}", **figures})
    return rows


def by_workers(cell: str, workers: int, say: Console) -> Rows:
    """Measure how a targeted search's time falls with the number of workers."""
    rows: Rows = []
    with searches.nothing_settled():
        searches.run(cell, "norm", 1, every=1000)  # settles the cell
        for count in [1, 2, *range(4, workers + 1, 4)]:
            if count > workers:
                break
            say.print(f"{cell}: {count} workers")
            found = searches.run(cell, "norm", count)
            rows.append({"cell": cell, "workers": count, **found})
    for row in rows:
        row["efficiency"] = rows[0]["wall_s"] / (row["workers"] * row["wall_s"])
    return rows


# ---------------------------------------------------------------------- tables

Columns = Sequence[tuple[str, str, str]]  # heading, key, format
WAYS: Columns = (
    ("way", "way", ""),
    ("cores", "cores", "d"),
    ("trials/s", "trials_per_s", "3"),
    ("core-s/trial", "core_s_per_trial", "3"),
    ("(a)/it", "times_a_per_trial", "3"),
    ("core-s/table", "core_s_per_table", "3"),
    ("(a)/it ", "times_a_per_table", "3"),
)
TRIALS: Columns = (
    ("cell", "cell", ""),
    ("segments", "segments", "d"),
    ("(a)", "netpyne_ms", "3"),
    ("trial", "trial_ms", "3"),
    ("(a)/it", "times_a", "3"),
    ("floor", "floor_ms", "3"),
    ("x floor", "multiple_of_floor", ".2f"),
    ("CVODE", "cvode_ms", "3"),
    ("its error", "largest_error", ".1e"),
)
SEGMENTS: Columns = (
    ("cell", "cell", ""),
    ("nseg", "nseg", ""),
    ("segments", "segments", "d"),
    ("ready, s", "ready_s", "3"),
    ("trial, ms", "trial_ms", "3"),
    ("floor, ms", "floor_ms", "3"),
    ("x floor", "multiple_of_floor", ".2f"),
)
WORKERS: Columns = (
    ("cell", "cell", ""),
    ("workers", "workers", "d"),
    ("wall, s", "wall_s", ".1f"),
    ("efficiency", "efficiency", ".2f"),
    ("core-s", "core_s", ".1f"),
    ("MiB a worker", "worker_MiB", ".0f"),
)


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


def write_page(page: Path, about: str, tables: Sequence[tuple[str, Rows, Columns]]) -> None:
    """Put the tables in place of those that a Markdown page has."""
    lines = [_BEGIN, "", about, ""]
    for title, rows, columns in tables:
        lines += [f"**{title}**", ""]
        lines += [f"| {' | '.join(heading for heading, _, _ in columns)} |"]
        lines += ["|" + "---|" * len(columns)]
        lines += [f"| {' | '.join(cells_of(row, columns))} |" for row in rows] + [""]
    before, rest = page.read_text().split(_BEGIN)
    page.write_text(before + "\n".join(lines) + _END + rest.split(_END)[1])


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


def main() -> None:
    """Run the benchmarks, and print and write their tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cells", default="PT5B_reduced,PT5B_pyramid")
    parser.add_argument("--workers", type=int, default=-1, help="default: all cores")
    parser.add_argument("--repeats", type=int, default=3, help="timed createSimulates a cell")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    parser.add_argument("--page", type=Path, help="replace the tables of this Markdown page")
    args = parser.parse_args()
    if args.page is not None and (
        not args.page.is_file() or not {_BEGIN, _END} <= set(args.page.read_text().splitlines())
    ):
        raise ConfigError(f"--page {args.page} must be a file with the lines {_BEGIN} and {_END}")
    workers, cells = number_of_jobs(args.workers), args.cells.split(",")

    say = Console()
    ways: Rows = []
    trials: Rows = []
    for cell in cells:
        more_ways, more_trials = side_by_side(cell, workers, args.repeats, say)
        ways, trials = ways + more_ways, trials + more_trials
    largest = max(trials, key=lambda row: row["segments"])["cell"]
    segments, scaling = by_segments(largest, say), by_workers(largest, workers, say)

    described = machine()
    about = ", ".join(f"{name} {value}" for name, value in described.items())
    tables = (
        *(
            (
                f"{cell}, side by side; a table by (a) and (b) is sites x {FULL_GRID} weights",
                [row for row in ways if row["cell"] == cell],
                WAYS,
            )
            for cell in cells
        ),
        (
            "One trial in one process, ms: (a), the Rig, its floor; CVODE to 1.2 peaks",
            trials,
            TRIALS,
        ),
        ("A trial as segments grow; ready: built and settled", segments, SEGMENTS),
        ("(d) as workers grow, the cell settled before", scaling, WORKERS),
    )
    print_tables(tables, say)
    say.print(about, highlight=False, soft_wrap=True)
    if args.json is not None:
        content = {"machine": described, "ways": ways, "trials": trials}
        content |= {"segments": segments, "workers": scaling}
        args.json.write_text(json.dumps(content, indent=1))
        say.print(f"figures in {args.json}", highlight=False)
    if args.page is not None:
        write_page(args.page, about, tables)


if __name__ == "__main__":
    sys.exit(fail_in_words(main))
