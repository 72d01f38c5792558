"""Time one trial by NetPyNE's own run and by the Rig, on the same cell in the same run.

    python -m benchmarks [--cells PV_simple,PT5B_reduced,PT5B_pyramid] [--trials 5] [--json FILE]

All timings are of one core. The ratio of two columns is more trustworthy than either: machines
differ, and drift.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from wscale import Model, Rig, list_sites
from wscale.cli import fail_in_words
from wscale.verify import netpyne_trace

REPO = Path(__file__).resolve().parents[1]
WEIGHT_uS = 5e-4


def median_seconds(function: Callable[[], object], repeats: int) -> float:
    """Median time of a call, s."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def measure_cell(cell: str, trials: int) -> dict[str, object]:
    """Time the ways to get one EPSP of a cell."""
    model = Model.from_folder(REPO, cell)
    sites = list_sites(model)
    site = sites[len(sites) // 2]
    full_s = median_seconds(lambda: netpyne_trace(model, site, WEIGHT_uS), trials)
    start = time.perf_counter()
    with Rig(model, sites) as rig:
        settle_s = time.perf_counter() - start
        rig.respond([(site, WEIGHT_uS)])
        trial_s = median_seconds(lambda: rig.respond([(site, WEIGHT_uS)]), trials)
    return {
        "cell": cell,
        "segments": len(sites),
        "dt_ms": model.dt_ms,
        "netpyne_trial_s": full_s,
        "rig_build_and_settle_s": settle_s,
        "rig_trial_s": trial_s,
        "ratio_per_trial": full_s / trial_s,
    }


def main() -> None:
    """Run the comparison and print it as a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--cells", default="PV_simple,PT5B_reduced,PT5B_pyramid")
    parser.add_argument("--trials", type=int, default=5, help="timed trials of each kind")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    args = parser.parse_args()

    rows = [measure_cell(cell, args.trials) for cell in args.cells.split(",")]
    columns = ("cell", "segments", "createSimulate", "build and settle", "Rig trial", "ratio")
    table = Table(*columns, title="ms, one core", box=None, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(
            str(row["cell"]),
            str(row["segments"]),
            *(
                f"{1e3 * float(str(row[key])):.1f}"
                for key in ("netpyne_trial_s", "rig_build_and_settle_s", "rig_trial_s")
            ),
            f"{float(str(row['ratio_per_trial'])):.1f}",
        )
    console = Console()
    console.print(table)
    if args.json is not None:
        machine = {"machine": platform.machine(), "python": platform.python_version()}
        args.json.write_text(json.dumps({**machine, "cells": rows}, indent=1))
        console.print(f"figures in {args.json}", highlight=False)


if __name__ == "__main__":
    sys.exit(fail_in_words(main))
