"""What a search costs apart from trials: the pieces, and sites that do nothing.

    python -m benchmarks.dispatch [--workers 1 2] [--sites 5000] [--cell PT5B_pyramid]
                                  [--json FILE] [--page docs/scaling.md]

The pieces are measured in one process, on a cell. Then sites of a small cell, in each of which
nothing is searched, are handed out to workers of this machine, to joblib's loky and to Dask: what
is left is the way of a site, with the journal. "main" is the main process's own CPU time per site.
A call is a task of its own, see ``Backend.map``. Last, a calculation for many cells, by these
figures.
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

import joblib
from rich.console import Console

from benchmarks import searches
from benchmarks.page import Columns, Rows, about, check_page, machine, print_tables, write_page
from benchmarks.processes import REPO
from benchmarks.startup import forked_sandboxes
from wscale import Journals, LocalBackend, Model, list_sites
from wscale.measurement.epsp import Protocol
from wscale.measurement.solution import Solution
from wscale.parallel.chains import Backend
from wscale.parallel.sandbox import Sandbox
from wscale.search.cell import SearchCell
from wscale.search.search import Search, one_by_one, run
from wscale.search.targeted import SolvedSite, plan_solve
from wscale.simulation.rig import preflight, release_rig, rig_for

__all__ = ["calculated", "empty_search", "measured", "pieces"]


# ---------------------------------------------------------------------- the pieces


def _ready_s(model: Model) -> float:
    """Return the time until the cell is built and settled, s (in a sandbox)."""
    problem = preflight(model)
    assert problem is None, problem
    release_rig()
    start = time.perf_counter()
    rig_for(model, list_sites(model), Protocol())
    return time.perf_counter() - start


def _journal_line_s(cell: str, count: int) -> float:
    """Return the time of one line of a journal, s."""
    search = empty_search(Model.from_folder(REPO, cell), count)
    [found] = search.cells
    parts = [_outcome(found, index, Setting(), "not searched") for index in range(count)]
    with (
        tempfile.TemporaryDirectory() as folder,
        Journals(folder) as journals,
        journals.open(cell, search.identity(found), SolvedSite) as journal,
    ):
        start = time.perf_counter()
        for part in parts:
            journal.add(part)
        return (time.perf_counter() - start) / count


def pieces(cell: str, every: int = 8) -> dict[str, float]:
    """Measure the parts of a targeted search of a cell, s, and its trials per site.

    Called first of all in a process, since its first sandbox starts the server.

    Parameters
    ----------
    cell : str
        Its label; the model folder is this repository.
    every : int
        Search every so many sections only.
    """
    start = time.perf_counter()
    with Sandbox() as sandbox:
        sandbox.call(abs, -1)
        server_s = time.perf_counter() - start
    model = Model.from_folder(REPO, cell)
    with searches.nothing_settled():
        with Sandbox() as sandbox:
            settled_s = sandbox.call(_ready_s, model)
            built_s = sandbox.call(_ready_s, model)
        found = searches.run(cell, "norm", 1, every)
    return {
        "server_s": server_s,
        "fork_s": forked_sandboxes(20)["wall_s"],
        "build_s": built_s,
        "settle_s": settled_s - built_s,
        "site_s": found["worker_s"] / found["sites"],
        "line_s": _journal_line_s("PV_simple", 5000),
        "segments": len(list_sites(model)),
        "trials_per_site": found["trials"] / found["sites"],
    }


# ---------------------------------------------------------------------- sites that do nothing


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a search that does nothing needs to know; the journal keeps it."""

    reason: str = "not searched"


def nothing(
    cell: SearchCell, index: int, _before: Sequence[SolvedSite], setting: Setting
) -> SolvedSite:
    """Search a site in no time (in a worker)."""
    return _outcome(cell, index, setting, setting.reason)


def _outcome(cell: SearchCell, index: int, _: Setting, reason: str) -> SolvedSite:
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
    """Return sites and calls per second, with workers that have the cell, and CPU time of main."""
    search = empty_search(model, sites)
    run(search, backend)
    with tempfile.TemporaryDirectory() as folder, Journals(folder) as journals:
        start, before_s = time.perf_counter(), time.process_time()
        [found] = run(search, backend, journals=journals)
        sites_s, main_s = time.perf_counter() - start, time.process_time() - before_s
    assert found == sites
    calls = min(sites, 1000)
    start = time.perf_counter()
    assert backend.map(abs, range(calls)) == list(range(calls))
    calls_s = time.perf_counter() - start
    return {
        "sites_per_s": sites / sites_s,
        "main_s": main_s / sites,
        "calls_per_s": calls / calls_s,
    }


@contextmanager
def dask_workers(number: int) -> Iterator[Backend]:
    """Yield the workers of a Dask cluster on the loopback interface."""
    from distributed import Client, LocalCluster

    from wscale.parallel.dask_backend import DaskBackend

    with (
        LocalCluster(
            n_workers=number,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
        ) as cluster,
        Client(cluster) as client,
        DaskBackend(client) as backend,
    ):
        yield backend


def by_backend(model: Model, workers: int, sites: int, say: Console) -> Rows:
    """Measure sites that do nothing on each kind of worker."""
    rows: Rows = []
    for name in ("sandboxes", "loky", "dask"):
        say.print(f"{workers} workers: {name}")
        if name == "sandboxes":
            found = measured(LocalBackend(workers), model, sites)
        elif name == "loky":
            with joblib.parallel_config(backend="loky", n_jobs=workers):
                found = measured(LocalBackend(), model, sites)
        else:
            with dask_workers(workers) as backend:
                found = measured(backend, model, sites)
        rows.append({"backend": name, "workers": workers, **found})
    return rows


# ---------------------------------------------------------------------- many cells


def calculated(
    of: dict[str, float], main_s: float, tables: int, segments: int, workers: int
) -> Rows:
    """Calculate the wall time of many tables from measured pieces; nothing is simulated.

    Build, settling and sites are taken to grow with the segments. All workers are busy to the end,
    every worker builds every cell, and a cell is settled once, while the workers wait that have
    come for it.

    Parameters
    ----------
    of : dict
        What :func:`pieces` returns.
    main_s : float
        The main process's time per site, s.
    tables, segments, workers : int
        How many cells, of how many segments each, on how many workers.

    Returns
    -------
    list of dict
        One per part: what, and wall time in minutes.
    """
    scale, sites = segments / of["segments"], tables * segments
    parts = {
        "start: the server and a fork per worker": of["server_s"] + workers * of["fork_s"],
        "sites, divided by the workers": sites * of["site_s"] * scale / workers,
        "building every cell in every worker": tables * of["build_s"] * scale,
        "settling, one cell after another": tables * of["settle_s"] * scale,
        "settling, were it divided by the workers": tables * of["settle_s"] * scale / workers,
        "the main process, at the same time": sites * main_s,
    }
    return [{"part": part, "wall_min": seconds / 60} for part, seconds in parts.items()]


PIECES = {
    "server_s": "start of the server that imports NEURON and NetPyNE, with its first fork",
    "fork_s": "a worker process forked from it, until it answers, and its end",
    "build_s": "the cell in NetPyNE, with its settled state read",
    "settle_s": "the settled state, computed",
    "site_s": "a site by the targeted search",
    "line_s": "a line of the journal",
}
OF_PIECES: Columns = (("piece", "piece", ""), ("time, ms", "time_ms", "3"))
BACKENDS: Columns = (
    ("back end", "backend", ""),
    ("workers", "workers", "d"),
    ("sites/s", "sites_per_s", "3"),
    ("main, ms per site", "main_ms", "3"),
    ("calls/s", "calls_per_s", "3"),
)
CALCULATED: Columns = (("part", "part", ""), ("wall, min", "wall_min", "3"))


def main() -> None:
    """Measure, and print and write the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.dispatch",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--sites", type=int, default=5000)
    parser.add_argument("--cell", default="PT5B_pyramid", help="of the pieces")
    parser.add_argument("--every", type=int, default=8, help="search every so many sections of it")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    parser.add_argument("--page", type=Path, help="replace the tables of this Markdown page")
    args = parser.parse_args()
    check_page(args.page, "scaling")

    say = Console()
    say.print(f"pieces of {args.cell}")
    of = pieces(args.cell, args.every)
    small = Model.from_folder(REPO, "PV_simple", {"dt": 0.05})
    rows = [row for number in args.workers for row in by_backend(small, number, args.sites, say)]
    local = [row for row in rows if row["backend"] == "sandboxes"][-1]
    large = calculated(of, local["main_s"], 300, 958, 64)
    tables: list[tuple[str, Rows, Columns]] = [
        (
            f"Pieces: {args.cell}, {of['segments']:.0f} segments, "
            f"{of['trials_per_site']:.2f} trials per site",
            [{"piece": text, "time_s": of[key]} for key, text in PIECES.items()],
            OF_PIECES,
        ),
        ("Sites in which nothing is searched", rows, BACKENDS),
        ("Calculated: 300 tables of 958 segments on 64 workers", large, CALCULATED),
    ]
    print_tables(tables, say)
    say.print(about(), highlight=False, soft_wrap=True)
    if args.json is not None:
        content = {"machine": machine(), "pieces": of, "backends": rows, "calculated": large}
        args.json.write_text(json.dumps(content, indent=1))
    if args.page is not None:
        write_page(args.page, "scaling", about(), tables)


if __name__ == "__main__":
    from benchmarks import dispatch  # by its name, under which workers find what they call

    dispatch.main()
