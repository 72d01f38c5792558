"""How long an EPSP, a trial and a table take, side by side in one run.

    python -m benchmarks [--cells PT5B_reduced,PT5B_pyramid] [--workers 4] [--json FILE]
                         [--page docs/performance.md]
    python -m benchmarks startup ...    what it costs to start (benchmarks/startup.py)

For each cell: (a) NetPyNE's createSimulate, one after another in one process; (b) NetPyNE's own
grid search, netpyne.batchtools.search (extra "bench"); (c) wscale grid; (d) wscale norm; (e) the
floor: bare integration of the settled cell from onset to peak. Then, for the smallest cell, whole
commands against loops over createSimulate; and for the largest, how the cost grows with segments
and with workers. The ratio of two rows is more trustworthy than either: machines differ, and drift.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import searches, startup
from benchmarks.batchtools import batchtools_grid
from benchmarks.page import Columns, Rows, about, check_page, machine, print_tables, write_page
from benchmarks.processes import REPO, run_counted
from benchmarks.trials import cvode_trials, finer, netpyne_trial, rig_trials
from wscale import Model, list_sites
from wscale.cli.app import fail_in_words
from wscale.errors import WscaleError
from wscale.mechanisms.library import compile_mechanisms
from wscale.parallel.pool import number_of_jobs

FULL_GRID = len(searches.WEIGHTS_uS)  # trials a site, in the practice that wscale replaces


def side_by_side(cell: str, workers: int, repeats: int, say: Console) -> tuple[Rows, Rows]:
    """Measure the ways to a table of one cell, and the parts of a trial."""
    model = Model.from_folder(REPO, cell)
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
    rows[-1] |= {key: found[key] for key in ("sites", "ok", "wall_s", "largest_MiB")}
    say.print(f"{cell}: (e) the floor")
    rig = rig_trials(model)
    add("(e) floor", 1, 1, rig["floor_s"], rig["floor_s"], per_site)
    for row in rows:
        row["times_a_per_trial"] = full_s / row["core_s_per_trial"]
        row["times_a_per_table"] = full_s * FULL_GRID * len(sites) / row["core_s_per_table"]
    rig |= {"netpyne_s": full_s, "times_a": full_s / rig["trial_s"]}
    return rows, [{"cell": cell, **rig, **cvode_trials(model)}]


def small_cell(cell: str, repeats: int, say: Console) -> Rows:
    """Measure whole commands that make a small cell's table; medians.

    Loops over createSimulate in one process (benchmarks/loops.py) and ``wscale norm``, which
    settles the cell and verifies nothing, as the loops. Mechanisms are compiled before.
    """
    library = str(compile_mechanisms(REPO / "mod"))
    loop = ("-m", "benchmarks.loops")
    ways = {
        "(a) createSimulate, 19 weights": (*loop, "grid", cell, library),
        "(a) createSimulate, secant by hand": (*loop, "secant", cell, library),
        "(d) wscale norm": ("-m", "wscale", "norm", ".", "--cell", cell, "--out", "OUT"),
    }
    runs: dict[str, list[dict[str, Any]]] = {way: [] for way in ways}
    trials: dict[str, int] = {}
    for _ in range(repeats):
        for way, words in ways.items():
            say.print(f"{cell}: {way}")
            with searches.nothing_settled(), tempfile.TemporaryDirectory() as out:
                given = [out if word == "OUT" else word for word in words]
                runs[way].append(run_counted([sys.executable, *given]))
                results = Path(out, "results.json")
                if results.exists():
                    trials[way] = json.loads(results.read_text())["cells"][cell]["trials"]
                else:
                    trials[way] = json.loads(runs[way][-1]["stdout"].splitlines()[-1])["trials"]
    rows: Rows = []
    for way, here in runs.items():
        median = {key: statistics.median(run[key] for run in here) for key in ("cpu_s", "wall_s")}
        rows.append({"cell": cell, "way": way, "trials": trials[way], **median})
    for row in rows:
        row["times_d"] = row["cpu_s"] / rows[-1]["cpu_s"]
    return rows


def by_segments(cell: str, say: Console) -> Rows:
    """Measure how a trial's cost grows with the number of segments."""
    model = Model.from_folder(REPO, cell)
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

WAYS: Columns = (
    ("way", "way", ""),
    ("cores", "cores", "d"),
    ("trials/s", "trials_per_s", "3"),
    ("core-s/trial", "core_s_per_trial", "3"),
    ("(a)/it", "times_a_per_trial", "3"),
    ("core-s/table", "core_s_per_table", "3"),
    ("(a)/it ", "times_a_per_table", "3"),
)
SMALL: Columns = (
    ("whole command", "way", ""),
    ("trials", "trials", "d"),
    ("CPU-s", "cpu_s", "3"),
    ("wall, s", "wall_s", "3"),
    ("it/(d), CPU", "times_d", "3"),
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
    ("MiB, largest process", "largest_MiB", ".0f"),
)


def main() -> None:
    """Run the benchmarks, and print and write their tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cells", default="PT5B_reduced,PT5B_pyramid")
    parser.add_argument("--workers", type=int, default=-1, help="default: all cores")
    parser.add_argument("--repeats", type=int, default=3, help="timings of which the median counts")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    parser.add_argument("--page", type=Path, help="replace the tables of this Markdown page")
    args = parser.parse_args()
    check_page(args.page, "benchmarks")
    workers, cells = number_of_jobs(args.workers), args.cells.split(",")

    say = Console()
    ways: Rows = []
    trials: Rows = []
    for cell in cells:
        more_ways, more_trials = side_by_side(cell, workers, args.repeats, say)
        ways, trials = ways + more_ways, trials + more_trials
    by_size = [row["cell"] for row in sorted(trials, key=lambda row: row["segments"])]
    smallest, largest = by_size[0], by_size[-1]
    small = small_cell(smallest, args.repeats, say)
    segments, scaling = by_segments(largest, say), by_workers(largest, workers, say)

    tables = (
        *(
            (
                f"{cell}, side by side; a table by (a) and (b) is sites x {FULL_GRID} weights",
                [row for row in ways if row["cell"] == cell],
                WAYS,
            )
            for cell in cells
        ),
        (f"A small cell, {smallest}: whole commands, from Python's start to its end", small, SMALL),
        (
            "One trial in one process, ms: (a), the Rig, its floor; CVODE to 1.2 peaks",
            trials,
            TRIALS,
        ),
        ("A trial as segments grow; ready: built and settled", segments, SEGMENTS),
        ("(d) as workers grow, the cell settled before", scaling, WORKERS),
    )
    print_tables(tables, say)
    say.print(about(), highlight=False, soft_wrap=True)
    if args.json is not None:
        content = {"machine": machine(), "ways": ways, "small": small, "trials": trials}
        content |= {"segments": segments, "workers": scaling}
        args.json.write_text(json.dumps(content, indent=1))
        say.print(f"figures in {args.json}", highlight=False)
    if args.page is not None:
        write_page(args.page, "benchmarks", about(), tables)


if __name__ == "__main__":
    if sys.argv[1:2] == ["startup"]:
        sys.exit(fail_in_words(lambda: startup.main(sys.argv[2:])))
    sys.exit(fail_in_words(main))
