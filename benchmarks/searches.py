"""Whole searches, each in a process of its own, so that all its time is counted.

    python -m benchmarks.searches CELL grid|norm WORKERS [--every N]

prints the figures of one search as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.processes import REPO, run_counted
from wscale import GridResult, Model, SolveResult, grid, list_sites, solve
from wscale._util.cache import cache_folder
from wscale.calibrate.settings import parse_weights

WEIGHTS_uS = parse_weights("1e-4:1.9e-3:19")


def run(cell: str, method: str, workers: int, every: int = 1) -> dict[str, Any]:
    """Run a search in a fresh process.

    Parameters
    ----------
    cell : str
        Its label; the model folder is this repository.
    method : {"grid", "norm"}
        With the 19 reference weights, or without a grid.
    workers : int
        Number of worker processes.
    every : int
        Search every so many sections only.

    Returns
    -------
    dict
        sites, trials, ok, wall_s (the search, with its workers' start), worker_s (what workers
        spent on sites), core_s (CPU time of all processes, from their start), largest_MiB (peak
        of the largest process).
    """
    command = [sys.executable, "-m", "benchmarks.searches", cell, method, str(workers)]
    done = run_counted([*command, "--every", str(every)])
    figures: dict[str, Any] = json.loads(done["stdout"].splitlines()[-1])  # after what NEURON says
    return {**figures, "core_s": done["cpu_s"], "largest_MiB": done["largest_MiB"]}


@contextmanager
def nothing_settled() -> Iterator[None]:
    """Use a cache that has the compiled mechanisms and no settled states."""
    before = os.environ.get("WSCALE_CACHE")
    compiled = cache_folder("mechanisms")
    compiled.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="wscale-") as folder:
        (Path(folder) / "mechanisms").symlink_to(compiled)
        os.environ["WSCALE_CACHE"] = folder
        try:
            yield
        finally:
            del os.environ["WSCALE_CACHE"]
            if before is not None:
                os.environ["WSCALE_CACHE"] = before


def main() -> None:
    """Run one search and print its figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.searches", description=__doc__)
    parser.add_argument("cell")
    parser.add_argument("method", choices=["grid", "norm"])
    parser.add_argument("workers", type=int)
    parser.add_argument("--every", type=int, default=1)
    args = parser.parse_args()

    model = Model.from_folder(REPO, args.cell)
    sections = list(dict.fromkeys(site.sec for site in list_sites(model)))[:: args.every]
    start = time.perf_counter()
    result: GridResult | SolveResult
    if args.method == "grid":
        [result] = grid(model, WEIGHTS_uS, sections=sections, n_jobs=args.workers)
    else:
        [result] = solve(model, sections=sections, n_jobs=args.workers)
    wall_s = time.perf_counter() - start
    figures = {
        "sites": len(result.solutions),
        "trials": result.trials,
        "ok": result.table().counts.get("ok", 0),
        "wall_s": wall_s,
        "worker_s": result.seconds,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
