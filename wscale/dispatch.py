"""Which worker searches which sites, and what happens when one does not come back.

All of it is decided here, in the main process: workers only hold a cell and answer. The numbers do
not depend on the decisions, since a site's outcome depends on the cell and on the sites before it
in its chain alone.
"""

from __future__ import annotations

import hashlib
import pickle
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from wscale.execute import Backend, TICK_s
from wscale.sites import number_of_segments
from wscale.slots import WorkerDied
from wscale.worker import Cell, prepare, prepare_and_search, search

__all__ = ["Job", "dispatch"]

Part = TypeVar("Part")
Groups = Sequence[tuple[int, ...]]

# What is sent at a time takes a worker about so long, s, and is not more than so many sites
_BATCH_s, _LARGEST_BATCH = 0.1, 64
# A further worker joins a cell where so many trials times segments are left for it
_WORTH = 2000


@dataclass
class _Chain:
    """Sites to search in order, each with the outcomes of those before it."""

    indices: deque[int]
    done: list[Any]
    alone: bool = False  # its next site goes to a process of its own


@dataclass
class Job:
    """The sites of one cell that are still to be searched.

    Parameters
    ----------
    number : int
        Of the cell in the search.
    cell : Cell
        The cell.
    chains : sequence of tuple of int
        Its sites by index, in the order in which they are searched one after another.
    done : dict
        Outcomes that there are already, by index.
    trials_per_site : int
        About how many.
    """

    number: int
    cell: Cell
    chains: Groups
    done: dict[int, Any]
    trials_per_site: int
    seconds: float = 0.0
    finished: int = 0
    preparations_that_died: int = 0
    most: int = _LARGEST_BATCH
    deaths: Counter[int] = field(default_factory=Counter)
    waiting: deque[_Chain] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.packed = pickle.dumps(self.cell)
        self.key = hashlib.sha256(self.packed).hexdigest()
        secs = self.cell.model.rule["secs"]
        segments = sum(number_of_segments(self.cell.model, sec) for sec in secs)
        self._cost_of_site = segments * self.trials_per_site
        for chain in sorted(self.chains, key=len, reverse=True):  # the longest is not left for last
            done = [self.done[index] for index in chain if index in self.done]
            if len(done) < len(chain):
                rest = deque(index for index in chain if index not in self.done)
                self.waiting.append(_Chain(rest, done))

    @property
    def cost(self) -> int:
        """Trials times segments that wait for a worker."""
        return self._cost_of_site * sum(len(chain.indices) for chain in self.waiting)

    def take(self) -> list[tuple[_Chain, list[int]]]:
        """Take as many sites as make a batch; a chain is with one worker at a time."""
        size = self.most
        if size > 1:
            mean_s = self.seconds / self.finished if self.finished else _BATCH_s
            size = int(min(max(_BATCH_s / max(mean_s, 1e-6), 1), size))
        if self.waiting[0].alone:
            size = 1
        batch: list[tuple[_Chain, list[int]]] = []
        while size > 0 and self.waiting and (not batch or not self.waiting[0].alone):
            chain = self.waiting.popleft()
            taken = [chain.indices.popleft() for _ in range(min(size, len(chain.indices)))]
            batch.append((chain, taken))
            size -= len(taken)
        return batch

    def put_back(self, batch: Sequence[tuple[_Chain, list[int]]]) -> None:
        """Let sites that were taken wait again, before all others."""
        for chain, taken in reversed(batch):
            chain.indices.extendleft(reversed(taken))
            if chain.indices:
                self.waiting.appendleft(chain)


@dataclass
class _Call:
    """What a worker is on."""

    job: Job
    batch: list[tuple[_Chain, list[int]]]
    fresh: bool = False


def dispatch(
    jobs: Sequence[Job],
    backend: Backend,
    function: Callable[..., list[Part]],
    setting: Any,
    failed: Callable[[Cell, int, str], Part],
    idle: Callable[[], None] = lambda: None,
) -> Iterator[tuple[int, Part]]:
    """Search the sites of cells with the workers of a back end.

    A worker that dies costs the site it was on: it is tried again in a process of its own, and its
    outcome is ``failed`` where that dies too. All other sites are searched.

    Parameters
    ----------
    jobs : sequence of Job
        The cells.
    backend : Backend
        The workers.
    function : callable
        Searches sites of a chain: takes cell, indices, the parts before them and ``setting``.
    setting : object
        What it needs beside these.
    failed : callable
        Makes the part of a site that could not be searched, from cell, index and reason.
    idle : callable
        Called at least every half second.

    Yields
    ------
    number : int
        Of the cell.
    part : object
        The outcome of one of its sites.
    """
    return _Dispatch(jobs, backend, function, setting, failed).parts(idle)


class _Dispatch:
    def __init__(
        self,
        jobs: Sequence[Job],
        backend: Backend,
        function: Callable[..., list[Any]],
        setting: Any,
        failed: Callable[[Cell, int, str], Any],
    ) -> None:
        self._jobs = sorted(jobs, key=lambda job: -job.cost)
        self._backend, self._function, self._setting = backend, function, setting
        self._failed = failed
        self._calls: dict[str, _Call] = {}  # by worker
        self._holds: dict[str, Job] = {}  # by worker
        self._lost: set[str] = set()  # workers that did not hold what they should
        self._answers: SimpleQueue[tuple[str, Future[Any]]] = SimpleQueue()

    def parts(self, idle: Callable[[], None]) -> Iterator[tuple[int, Any]]:
        try:
            while self._calls or any(job.waiting for job in self._jobs):
                self._hand_out()
                try:
                    worker, future = self._answers.get(timeout=TICK_s)
                except Empty:
                    idle()
                    continue
                yield from self._take(worker, future)
                idle()
        except BaseException:
            self._backend.stop()
            raise

    # ------------------------------------------------------------------ out

    def _hand_out(self) -> None:
        workers = self._backend.workers()
        for gone in self._holds.keys() - set(workers):
            del self._holds[gone]
        for worker in workers:
            if worker not in self._calls:
                job = self._choose(worker)
                if job is not None:
                    self._send(worker, job)

    def _choose(self, worker: str) -> Job | None:
        """Take the cell that it holds, else one that no worker is on, else one with much left."""
        waiting = [job for job in self._jobs if job.waiting]
        held = self._holds.get(worker)
        if held is not None and held.waiting:
            return held
        on = Counter(job.number for job in self._holds.values())
        for job in waiting:
            if not on[job.number]:
                return job
        best = max(waiting, key=lambda job: job.cost / (on[job.number] + 1), default=None)
        if best is not None and best.cost >= _WORTH * (on[best.number] + 1):
            return best
        return None

    def _send(self, worker: str, job: Job) -> None:
        limits = self._backend.limits
        alone = job.waiting[0].alone
        if not alone and self._holds.get(worker) is not job and worker not in self._lost:
            self._holds[worker] = job
            call = _Call(job, [])
            future = self._backend.submit(worker, prepare, job.key, job.packed, limits)
        else:
            call = _Call(job, job.take(), fresh=alone)
            batch = [
                (taken, [part for part in chain.done if part.index < taken[0]])
                for chain, taken in call.batch
            ]
            what = (self._function, batch, self._setting)
            if alone or worker in self._lost:
                self._lost.discard(worker)
                self._holds[worker] = job
                future = self._backend.submit(
                    worker, prepare_and_search, job.key, job.packed, limits, *what, fresh=alone
                )
            else:
                future = self._backend.submit(worker, search, job.key, *what)
        self._calls[worker] = call
        future.add_done_callback(lambda done: self._answers.put((worker, done)))

    # ------------------------------------------------------------------ in

    def _take(self, worker: str, future: Future[Any]) -> Iterator[tuple[int, Any]]:
        call = self._calls.pop(worker)
        if call.fresh:
            self._holds.pop(worker, None)
        try:
            answer = future.result()
        except WorkerDied as death:
            self._holds.pop(worker, None)
            yield from self._died(call, str(death))
        except Exception as error:  # what a worker could not catch, such as MemoryError
            yield from self._died(call, f"{type(error).__name__}: {error}")
        else:
            if isinstance(answer, str):
                call.job.put_back(call.batch)
                yield from self._give_up(call.job, answer)
            elif call.batch and answer is None:  # the process is another one
                call.job.put_back(call.batch)
                self._holds.pop(worker, None)
                self._lost.add(worker)
            elif call.batch:
                yield from self._arrived(call, answer)

    def _arrived(
        self, call: _Call, answer: tuple[list[list[Any]], float]
    ) -> Iterator[tuple[int, Any]]:
        job = call.job
        job.seconds += answer[1]
        for (chain, _), parts in zip(call.batch, answer[0], strict=True):
            chain.done += parts
            chain.alone = False
            job.finished += len(parts)
            yield from ((job.number, part) for part in parts)
        job.put_back([(chain, []) for chain, _ in call.batch])

    def _died(self, call: _Call, reason: str) -> Iterator[tuple[int, Any]]:
        """Try again one by one what did not come back, at last in a process of its own."""
        job = call.job
        if not call.batch:
            job.preparations_that_died += 1
            if job.preparations_that_died > 1:
                yield from self._give_up(job, f"while the cell was made ready: {reason}")
            return
        if sum(len(taken) for _, taken in call.batch) > 1:
            job.most = 1
            job.put_back(call.batch)
            return
        [(chain, [index])] = call.batch
        job.deaths[index] += 1
        chain.alone = job.deaths[index] == 1
        if chain.alone:
            job.put_back(call.batch)
            return
        part = self._failed(job.cell, index, f"{reason}, twice")
        chain.done.append(part)
        job.put_back([(chain, [])])
        yield job.number, part

    def _give_up(self, job: Job, reason: str) -> Iterator[tuple[int, Any]]:
        """Mark as failed all sites of a cell that cannot be made ready."""
        while job.waiting:
            chain = job.waiting.popleft()
            for index in chain.indices:
                yield job.number, self._failed(job.cell, index, reason)
