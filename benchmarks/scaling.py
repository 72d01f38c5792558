"""What many cells cost on many cores: measured costs, and a simulation that is held against runs.

    python -m benchmarks.scaling [--cell PT5B_pyramid] [--workers 64,256,1024] [--runs 1,2,3,4]

The simulation runs wscale's own dispatcher, in virtual time, with workers that only take time. What
the main process spends on decisions is real time, measured while it makes them.
"""

from __future__ import annotations

import argparse
import dataclasses
import heapq
import pickle
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from typing import Any

import wscale.parallel.chains
from wscale import Journals, LocalBackend, Model
from wscale._util.cache import cache_folder
from wscale.model.sites import Site
from wscale.parallel.chains import Dispatcher
from wscale.parallel.limits import Limits
from wscale.parallel.waiting import Job
from wscale.search.search import Search, run
from wscale.search.targeted import SolvedSite, plan_solve
from wscale.search.worker import Cell, prepare, search
from wscale.simulation.rig import preflight, release_rig

REPO = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Costs:
    """What a cell's search takes, s; of the main process: a call, and a line of the journal."""

    cell: str
    sites: int
    start_s: float  # a worker process, with NEURON and NetPyNE
    build_s: float  # the cell, its settled state read from the cache
    settle_s: float  # computing that state, once
    site_s: tuple[float, ...]  # each site's search
    chains: tuple[int, ...]  # how many sites each section has
    call_s: float
    line_s: float


def measured(cell: str, dt_ms: float) -> Costs:
    """Measure a cell's costs in this machine's workers, one at a time."""
    model = Model.from_folder(REPO, cell, {"dt": dt_ms})
    planned = plan_solve(model)
    packed = pickle.dumps(planned.cells[0])
    backend = LocalBackend(1)
    backend.stop()
    start_s = _timed(lambda: backend.submit("0", preflight, model).result())

    def prepared() -> float:
        backend.submit("0", release_rig).result()
        return _timed(lambda: backend.submit("0", prepare, "k", packed, Limits()).result())

    with _emptied(cache_folder("settled")):
        cold_s = prepared()
        build_s = statistics.median(prepared() for _ in range(3))
    parts: list[SolvedSite] = []
    run(planned, backend, on_result=parts.append)
    ordered = sorted(parts, key=lambda part: part.index)
    return Costs(
        cell=cell,
        sites=len(parts),
        start_s=start_s,
        build_s=build_s,
        settle_s=cold_s - build_s,
        site_s=tuple(part.seconds for part in ordered),
        chains=tuple(len(chain) for chain in planned.chains(planned.cells[0])),
        call_s=call_s(backend),
        line_s=line_s(planned, ordered),
    )


def _timed(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


@contextmanager
def _emptied(folder: Path) -> Iterator[None]:
    """Put a folder aside for a while."""
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder.with_name(f".{folder.name}.aside")
    folder.rename(aside)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        aside.rename(folder)


def call_s(backend: LocalBackend, calls: int = 2000) -> float:
    """Return the processor time that the main process spends on a call of a worker, s."""
    worker = backend.workers()[0]
    backend.submit(worker, abs, 1).result()
    start = time.process_time()
    for _ in range(calls):
        backend.submit(worker, abs, 1).result()
    return (time.process_time() - start) / calls


def line_s(planned: Search[Any, Any], parts: Sequence[SolvedSite], lines: int = 5000) -> float:
    """Return the time that a line of the journal takes, with its share of the syncing, s."""
    with (
        tempfile.TemporaryDirectory(dir=".") as folder,
        Journals(folder) as journals,
        journals.open(planned, planned.cells[0]) as journal,
    ):
        start = time.perf_counter()
        for number in range(lines):
            journal.add(parts[number % len(parts)])
        journal.sync(now=True)
        return (time.perf_counter() - start) / lines


# ---------------------------------------------------------------------- the simulation


@dataclass
class Outcome:
    """What the simulation says."""

    workers: int
    sites: int
    calls: int
    wall_s: float
    busy: float  # share of the workers' time that goes into sites
    main_busy: float  # share of the time in which the main process is busy
    decision_s: float  # of the dispatcher for a call, real time


class Simulated:
    """A back end whose workers take virtual time and do nothing, and the queue of their answers."""

    def __init__(self, costs: Costs, workers: int, settled: bool, started: bool) -> None:
        self.limits, self.call_s = Limits(), costs.call_s
        self.costs, self.settled = costs, settled
        self._names = [str(number) for number in range(workers)]
        self._starting = set() if started else set(self._names)
        self._states: dict[str, float] = {}  # when each cell's settled state is there
        self._events: list[tuple[float, int, Future[Any], Any]] = []
        self.now = self.main_free = self.main_busy = self.site_s = 0.0
        self.calls = 0
        self.own_s = 0.0  # processor time that the simulation itself takes

    def workers(self) -> list[str]:
        """Return their names."""
        return self._names

    def put(self, answer: tuple[str, Future[Any]]) -> None:
        """Take the answer of the call that comes to its end."""
        self._answer = answer

    def get(self, timeout: float) -> tuple[str, Future[Any]]:
        """Go on to the end of the next call, and return it."""
        if not self._events:
            raise Empty
        end, _, future, answer = heapq.heappop(self._events)
        lines = sum(map(len, answer[0])) if answer else 0
        self._main(end, self.costs.call_s / 2 + lines * self.costs.line_s)
        future.set_result(answer)
        return self._answer

    def submit(
        self, worker: str, function: Callable[..., Any], /, *args: Any, fresh: bool = False
    ) -> Future[Any]:
        """Take note of when the call comes to its end."""
        begin = time.process_time()
        self._main(self.now, self.costs.call_s / 2)
        self.calls += 1
        future: Future[Any] = Future()
        if function is prepare:
            seconds, answer = self._prepared(worker, args[0])
        else:
            seconds, answer = self._searched(args[2])
        heapq.heappush(self._events, (self.now + seconds, self.calls, future, answer))
        self.own_s += time.process_time() - begin
        return future

    def stop(self) -> None:
        """There is nothing to end."""

    def _main(self, earliest: float, seconds: float) -> None:
        self.now = max(self.now, earliest) + seconds
        self.main_busy += seconds

    def _prepared(self, worker: str, key: str) -> tuple[float, Any]:
        costs = self.costs
        start_s = costs.start_s if worker in self._starting else 0.0
        self._starting.discard(worker)
        built = self.now + start_s + costs.build_s
        if key not in self._states:
            self._states[key] = built + (0.0 if self.settled else costs.settle_s)
        return max(built, self._states[key]) - self.now, None

    def _searched(self, batch: Sequence[tuple[Sequence[int], Any]]) -> tuple[float, Any]:
        times = self.costs.site_s
        seconds = sum(times[index % len(times)] for indices, _ in batch for index in indices)
        self.site_s += seconds
        return seconds, ([[Simply(index) for index in indices] for indices, _ in batch], seconds)


@dataclass(frozen=True)
class Simply:
    """A part with nothing but its index."""

    index: int


def simulate(
    costs: Costs, tables: int, workers: int, *, settled: bool = False, started: bool = False
) -> Outcome:
    """Search so many cells like the measured one, with so many workers, in virtual time."""
    jobs = [_job(costs, number) for number in range(tables)]
    backend = Simulated(costs, workers, settled, started)
    dispatcher = Dispatcher(jobs, backend, search, None, Simply, answers=backend)  # type: ignore[arg-type]
    start = time.process_time()
    done = sum(1 for _ in dispatcher.parts())
    return Outcome(
        workers=workers,
        sites=done,
        calls=backend.calls,
        wall_s=backend.now,
        busy=backend.site_s / backend.now / workers,
        main_busy=backend.main_busy / backend.now,
        decision_s=(time.process_time() - start - backend.own_s) / backend.calls,
    )


def _job(costs: Costs, number: int) -> Job:
    """A cell with as many sections and segments as the measured one."""
    sections = {f"s{i}": {"geom": {"nseg": n}} for i, n in enumerate(costs.chains)}
    model = Model(str(number), {"cellParams": {str(number): {"secs": sections}}}, {})
    chains, first = [], 0
    for length in costs.chains:
        chains.append(tuple(range(first, first + length)))
        first += length
    sites = tuple(Site("s", 0.5, 0, 0.0) for _ in range(first))
    return Job(number, Cell(model, sites, (), None), chains, {}, 2)  # type: ignore[arg-type]


def compared(costs: Costs, dt_ms: float, workers: Sequence[int]) -> list[tuple[int, float, float]]:
    """Search the measured cell, settled before, with workers that run; return wall times, s.

    Returns
    -------
    list of (workers, wall_s, simulated_s)
    """
    planned = plan_solve(Model.from_folder(REPO, costs.cell, {"dt": dt_ms}))
    rows = []
    for number in workers:
        backend = LocalBackend(number)
        for future in [backend.submit(name, release_rig) for name in backend.workers()]:
            future.result()
        real_s = _timed(lambda backend=backend: run(planned, backend))  # type: ignore[misc]
        rows.append((number, real_s, simulate(costs, 1, number, settled=True, started=True).wall_s))
    return rows


def enlarged(costs: Costs, segments: int) -> Costs:
    """Return the costs of a cell with more segments, with whose number the integration grows."""
    factor = segments / costs.sites
    chains = (costs.chains * (int(factor) + 1))[: round(len(costs.chains) * factor)]
    return dataclasses.replace(
        costs,
        sites=sum(chains),
        build_s=costs.build_s * factor,
        settle_s=costs.settle_s * factor,
        site_s=tuple(seconds * factor for seconds in costs.site_s),
        chains=chains,
    )


def main() -> int:
    """Measure, compare with runs of 1 to 4 workers, and print what many cores would take."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cell", default="PT5B_pyramid", help="the cell that is measured")
    parser.add_argument("--dt", type=float, default=0.025, help="time step, ms")
    parser.add_argument("--segments", type=int, default=1000, help="of a cell to be simulated")
    parser.add_argument("--tables", type=int, default=300, help="cells x synapse groups")
    parser.add_argument("--workers", default="64,256,1024", help="to be simulated")
    parser.add_argument("--runs", default="1,2,3,4", help="workers of the runs to compare with")
    parser.add_argument("--dask-call-ms", type=float, default=2.0, help="of the main process")
    args = parser.parse_args()
    costs = measured(args.cell, args.dt)
    mean = dataclasses.asdict(costs) | {"site_s": statistics.mean(costs.site_s)}
    for name, value in mean.items():
        if name != "chains":
            print(f"{name:10} {value if isinstance(value, str | int) else f'{value:.3g}'}")
    print("\nworkers  run_s  simulated_s")
    for number, real_s, simulated_s in compared(costs, args.dt, _numbers(args.runs)):
        print(f"{number:7} {real_s:6.2f} {simulated_s:12.2f}")
    large = enlarged(costs, args.segments)
    over_dask = dataclasses.replace(large, call_s=args.dask_call_ms / 1000)
    print(f"\n{args.tables} tables of {large.sites} segments")
    workers = _numbers(args.workers)
    print_table("workers of this machine's kind", large, args.tables, workers)
    print_table("Dask", over_dask, args.tables, workers)
    with _calls_of_a_tenth_of_a_second():
        print_table("Dask, were each call 0.1 s long", over_dask, args.tables, workers)
    return 0


def print_table(title: str, costs: Costs, tables: int, workers: Sequence[int]) -> None:
    """Print what so many tables take, with the time that the dispatcher needs for itself."""
    print(f"\n{title}\nworkers  wall_min  in_sites  main_busy   calls  decision_us")
    for number in workers:
        first = simulate(costs, tables, number)
        real = dataclasses.replace(costs, call_s=costs.call_s + first.decision_s)
        found = simulate(real, tables, number)
        print(
            f"{number:7} {found.wall_s / 60:9.1f} {found.busy:9.0%} {found.main_busy:10.0%} "
            f"{found.calls:7} {1e6 * found.decision_s:12.0f}"
        )


@contextmanager
def _calls_of_a_tenth_of_a_second() -> Iterator[None]:
    """Let calls not grow with the number of workers, as before they did."""
    share, wscale.parallel.chains._CALLS = wscale.parallel.chains._CALLS, float("inf")
    try:
        yield
    finally:
        wscale.parallel.chains._CALLS = share


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",") if number]


if __name__ == "__main__":
    sys.exit(main())
