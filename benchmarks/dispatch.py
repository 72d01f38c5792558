"""What it costs to hand out sites: searches that do nothing, on this machine and through Dask.

    python -m benchmarks.dispatch [--workers N ...] [--sites N] [--json FILE]

Each worker holds a real cell; what is searched of it takes no time. What is left is the way of a
site: the decision who searches it, Dask's scheduler and worker, the process that has NEURON, the
way back, and the journal. "calls" are calls of one site each, the slowest way there is.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wscale.search.worker import Cell

from wscale import Journals, LocalBackend, Model
from wscale.measurement.solution import Solution
from wscale.parallel.chains import Backend
from wscale.parallel.pool import run_tasks
from wscale.search.search import Search, one_by_one, run
from wscale.search.targeted import SolvedSite, plan_solve

REPO = Path(__file__).resolve().parents[1]


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a search that does nothing needs to know; the journal keeps it."""

    reason: str = "not searched"


def nothing(
    cell: Cell, indices: Sequence[int], _before: Sequence[SolvedSite], setting: Setting
) -> list[SolvedSite]:
    """Search sites in no time (in a worker)."""
    return [_outcome(cell, index, setting, setting.reason) for index in indices]


def _outcome(cell: Cell, index: int, _: Setting, reason: str) -> SolvedSite:
    solution = Solution("failed", cell.targets_mV[index], reason=reason)
    return SolvedSite(cell.model.cell, index, cell.sites[index], solution, 0.0)


def empty_search(model: Model, sites: int) -> Search[SolvedSite, int]:
    """Return a search of a cell whose sites are repeated, each in no time."""
    [cell] = plan_solve(model).cells
    times = -(-sites // len(cell.sites))
    repeated = dataclasses.replace(
        cell,
        sites=(cell.sites * times)[:sites],
        targets_mV=(cell.targets_mV * times)[:sites],
    )
    return Search(
        method="nothing",
        cells=(repeated,),
        setting=Setting(),
        function=nothing,
        failed=_outcome,
        chains=one_by_one,
        trials_per_site=2,
        join=lambda _, parts: len(parts),
        part=SolvedSite,
    )


def measured(backend: Backend, model: Model, sites: int) -> dict[str, float]:
    """Return sites and calls a second, with workers that are warm."""
    search = empty_search(model, sites)
    run(search, backend)
    with tempfile.TemporaryDirectory(dir=".") as folder, Journals(folder) as journals:
        start = time.perf_counter()
        [found] = run(search, backend, journals=journals)
        sites_s = time.perf_counter() - start
    assert found == sites
    calls = min(sites, 2000)
    start = time.perf_counter()
    assert sum(1 for _ in run_tasks(abs, range(calls), backend)) == calls
    calls_s = time.perf_counter() - start
    return {"sites_per_s": round(sites / sites_s), "calls_per_s": round(calls / calls_s)}


@contextmanager
def dask_workers(number: int) -> Iterator[Backend]:
    """Yield the workers of a Dask cluster on the loopback interface."""
    from distributed import LocalCluster

    from wscale.parallel.cluster import DaskBackend

    with (
        LocalCluster(
            n_workers=number,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
        ) as cluster,
        DaskBackend(cluster) as backend,
    ):
        yield backend


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--workers", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--sites", type=int, default=20_000)
    parser.add_argument("--cell", default="PV_simple")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    model = Model.from_folder(REPO, arguments.cell, {"dt": 0.05})
    rows: list[dict[str, Any]] = []
    for number in arguments.workers:
        local = LocalBackend(number)
        rows.append({"backend": "local", "workers": number})
        rows[-1].update(measured(local, model, arguments.sites))
        local.stop()
        rows.append({"backend": "dask", "workers": number})
        with dask_workers(number) as backend:
            rows[-1].update(measured(backend, model, arguments.sites))
        for row in rows[-2:]:
            print(
                f"{row['backend']:6} {row['workers']:3} workers: {row['sites_per_s']:6} sites, "
                f"{row['calls_per_s']:5} calls a second"
            )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    from benchmarks import dispatch  # by its name, under which workers find what they call

    dispatch.main()
