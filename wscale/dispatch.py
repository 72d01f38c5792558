"""Which worker searches which sites, and what happens when one does not come back.

All of it is decided here, in the main process: workers only hold a cell and answer. The numbers do
not depend on the decisions, since a site's outcome depends on the cell and on the sites before it
in its chain alone.
"""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Protocol, TypeVar

from wscale.execute import LOSSES, Backend, TICK_s, WorkerLost
from wscale.parcel import pack
from wscale.sites import number_of_segments
from wscale.slots import WorkerDied
from wscale.worker import Cell, prepare, prepare_and_search, search

__all__ = ["Dispatcher", "Job", "dispatch"]

Part = TypeVar("Part")
Groups = Sequence[tuple[int, ...]]

# What is sent at a time takes a worker about so long, s, and is not more than so many sites
_BATCH_s, _LARGEST_BATCH = 0.1, 64
# With many workers it takes longer, so that calls take this share of the main process's time
_CALLS = 0.25
# A further worker joins a cell where so many trials times segments are left for it
_WORTH = 2000
# A cell is given up after so many preparations that ended their process, with none that did not
_PREPARATIONS = 3


@dataclass
class _Chain:
    """Sites to search in order, each with the outcomes of those before it."""

    indices: deque[int]
    done: list[Any]
    alone: bool = False  # its next site goes to a process of its own

    def before(self, index: int) -> list[Any]:
        """Return the outcomes of the sites before one, in order; those after may be there too."""
        parts = (part for part in self.done if part.index < index)
        return sorted(parts, key=lambda part: int(part.index))


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
    was_ready: bool = False  # some worker could make it ready
    not_ready: int = 0  # how often in a row none could
    refused: Counter[str] = field(default_factory=Counter)  # by worker
    preparations_lost: int = 0
    most: int = _LARGEST_BATCH
    deaths: Counter[int] = field(default_factory=Counter)
    losses: Counter[int] = field(default_factory=Counter)
    waiting: deque[_Chain] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.packed = pack(self.cell)
        self.key = hashlib.sha256(self.packed).hexdigest()
        secs = self.cell.model.rule["secs"]
        segments = sum(number_of_segments(self.cell.model, sec) for sec in secs)
        self._cost_of_site = segments * self.trials_per_site
        self._left = 0
        for chain in sorted(self.chains, key=len, reverse=True):  # the longest is not left for last
            done = [self.done[index] for index in chain if index in self.done]
            if len(done) < len(chain):
                rest = deque(index for index in chain if index not in self.done)
                self.waiting.append(_Chain(rest, done))
                self._left += len(rest)

    @property
    def cost(self) -> int:
        """Trials times segments that wait for a worker."""
        return self._cost_of_site * self._left

    def take(self, batch_s: float = _BATCH_s) -> list[tuple[_Chain, list[int]]]:
        """Take as many sites as a worker needs some time for; a chain is with one at a time."""
        size = self.most
        if size > 1:
            mean_s = self.seconds / self.finished if self.finished else batch_s
            size = int(min(max(batch_s / max(mean_s, 1e-6), 1), size))
        if self.waiting[0].alone:
            size = 1
        batch: list[tuple[_Chain, list[int]]] = []
        while size > 0 and self.waiting and (not batch or not self.waiting[0].alone):
            chain = self.waiting.popleft()
            self._left -= len(chain.indices)
            taken = [chain.indices.popleft() for _ in range(min(size, len(chain.indices)))]
            batch.append((chain, taken))
            size -= len(taken)
        return batch

    def put_back(self, batch: Sequence[tuple[_Chain, list[int]]]) -> None:
        """Let sites that were taken wait again, before all others."""
        for chain, taken in reversed(batch):
            chain.indices.extendleft(reversed(taken))
            self._left += len(chain.indices)
            if chain.indices:
                self.waiting.appendleft(chain)

    def give_up(self) -> list[int]:
        """Take all that wait, for good."""
        indices = [index for chain in self.waiting for index in chain.indices]
        self.waiting.clear()
        self._left = 0
        return indices


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
) -> Generator[tuple[int, Part], None, None]:
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
    return Dispatcher(jobs, backend, function, setting, failed).parts(idle)


class Answers(Protocol):
    """A queue of workers and the futures of what they were asked."""

    def put(self, answer: tuple[str, Future[Any]], /) -> None:
        """Add an answer."""

    def get(self, *, timeout: float) -> tuple[str, Future[Any]]:
        """Return the next; raise Empty where there is none in time."""


class Dispatcher:
    """What :func:`dispatch` runs; ``answers`` is the queue in which calls come back."""

    def __init__(
        self,
        jobs: Sequence[Job],
        backend: Backend,
        function: Callable[..., list[Any]],
        setting: Any,
        failed: Callable[[Cell, int, str], Any],
        answers: Answers | None = None,
    ) -> None:
        self._jobs = sorted(jobs, key=lambda job: -job.cost)
        self._backend, self._function, self._setting = backend, function, setting
        self._failed = failed
        self._workers: list[str] = []
        self._calls: dict[str, _Call] = {}  # by worker
        self._holds: dict[str, Job] = {}  # by worker
        self._lost: set[str] = set()  # workers that did not hold what they should
        self._answers: Answers = SimpleQueue() if answers is None else answers

    def parts(
        self, idle: Callable[[], None] = lambda: None
    ) -> Generator[tuple[int, Any], None, None]:
        """Yield cell number and outcome of each site; ``idle`` is called every half second."""
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
        if workers != self._workers:
            self._workers = list(workers)
            for gone in self._holds.keys() - set(workers):
                del self._holds[gone]
        waiting = [job for job in self._jobs if job.waiting]
        on: Counter[int] | None = None  # how many workers are on each cell
        if not waiting:
            return
        for worker in workers:
            if worker in self._calls:
                continue
            held = self._holds.get(worker)
            if held is not None and held.waiting:
                self._send(worker, held)
                continue
            if on is None:
                on = Counter(job.number for job in self._holds.values())
            job = _choose(waiting, on) if waiting else None
            if job is None:
                waiting = []  # no cell is worth joining
                continue
            if on[job.number] and job.refused[worker] > 1:
                continue  # this worker cannot make it ready, others can
            on[job.number] += 1
            self._send(worker, job)

    def _batch_s(self) -> float:
        return max(_BATCH_s, len(self._workers) * self._backend.call_s / _CALLS)

    def _send(self, worker: str, job: Job) -> None:
        limits = self._backend.limits
        alone = job.waiting[0].alone
        if not alone and self._holds.get(worker) is not job and worker not in self._lost:
            self._holds[worker] = job
            call = _Call(job, [])
            future = self._backend.submit(worker, prepare, job.key, job.packed, limits)
        else:
            call = _Call(job, job.take(self._batch_s()), fresh=alone)
            batch = [(taken, chain.before(taken[0])) for chain, taken in call.batch]
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
        except WorkerLost as loss:
            self._backend.workers()  # raises where it is not one worker but the cluster
            self._holds.pop(worker, None)
            yield from self._went(call, str(loss))
        except Exception as error:
            died = isinstance(error, WorkerDied)
            reason = str(error) if died else f"{type(error).__name__}: {error}"
            if died or not call.batch:
                self._holds.pop(worker, None)
            if call.batch:
                yield from self._died(call, reason)
            else:
                reason = f"while the cell was made ready: {reason}"
                yield from self._not_ready(worker, call, reason, _PREPARATIONS)
        else:
            if isinstance(answer, str):
                self._holds.pop(worker, None)
                tries = _PREPARATIONS if call.job.was_ready else 1
                yield from self._not_ready(worker, call, answer, tries)
                return
            if answer is not None or not call.batch:
                call.job.was_ready, call.job.not_ready = True, 0
            if call.batch and answer is None:  # the process is another one
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
        yield self._without(job, chain, index, f"{reason}, twice")

    def _not_ready(
        self, worker: str, call: _Call, reason: str, tries: int
    ) -> Iterator[tuple[int, Any]]:
        """Leave a cell to the workers that could make it ready; give it up where none can."""
        job = call.job
        job.put_back(call.batch)
        job.refused[worker] += 1
        if not any(held is job for held in self._holds.values()):
            job.not_ready += 1
            if job.not_ready >= tries:
                yield from self._give_up(job, reason)

    def _went(self, call: _Call, reason: str) -> Iterator[tuple[int, Any]]:
        """Let what a lost worker was on wait again; give it up where it happens time after time."""
        job = call.job
        if not call.batch:
            others = any(c.job is job and not c.batch for c in self._calls.values())
            job.preparations_lost += not others  # those lost together, with a host, count once
            if job.preparations_lost > LOSSES:
                yield from self._give_up(job, f"while the cell was made ready: {reason}")
            return
        indices = [index for _, taken in call.batch for index in taken]
        job.losses.update(indices)
        if len(indices) > 1 or job.losses[indices[0]] <= LOSSES:
            if any(job.losses[index] > 1 for index in indices):
                job.most = 1
            job.put_back(call.batch)
            return
        [(chain, [index])] = call.batch
        reason = f"{reason}; so it was with {job.losses[index]} workers"
        yield self._without(job, chain, index, reason)

    def _without(self, job: Job, chain: _Chain, index: int, reason: str) -> tuple[int, Any]:
        """Mark a site as failed, and go on with its chain."""
        part = self._failed(job.cell, index, reason)
        chain.done.append(part)
        job.put_back([(chain, [])])
        return job.number, part

    def _give_up(self, job: Job, reason: str) -> Iterator[tuple[int, Any]]:
        """Mark as failed all sites of a cell that cannot be made ready."""
        for index in job.give_up():
            yield job.number, self._failed(job.cell, index, reason)


def _choose(waiting: Sequence[Job], on: Counter[int]) -> Job | None:
    """Choose a cell for a worker that has none: one that nobody is on, or one with much left."""
    for job in waiting:
        if job.waiting and not on[job.number]:
            return job
    # One at a time where the first could not make it ready
    waiting = [job for job in waiting if not job.not_ready]
    best = max(waiting, key=lambda job: job.cost / (on[job.number] + 1), default=None)
    return best if best is not None and best.cost >= _WORTH * (on[best.number] + 1) else None
