"""Which worker searches which sites, and what happens when one does not come back.

All of it is decided here, in the main process: workers only hold a cell and answer. The numbers do
not depend on the decisions, since a site's outcome depends on the cell and on the sites before it
in its chain alone.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Protocol, TypeVar

from wscale.parallel.pool import LOSSES, Backend, TICK_s, WorkerLost
from wscale.parallel.sandbox import WorkerDied
from wscale.parallel.waiting import BATCH_s, Chain, Job
from wscale.search.worker import Cell, prepare, prepare_and_search, search

__all__ = ["Dispatcher", "dispatch"]

Part = TypeVar("Part")
_logger = logging.getLogger(__name__)

# What is sent takes longer with many workers: calls take this share of the main process's time
_CALLS = 0.25
# A further worker joins a cell where so many trials times segments are left for it
_WORTH = 2000
# A cell is given up after so many preparations that ended their process, with none that did not
_PREPARATIONS = 3


@dataclass
class _Call:
    """What a worker is on."""

    job: Job
    batch: list[tuple[Chain, list[int]]]
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
        return max(BATCH_s, len(self._workers) * self._backend.call_s / _CALLS)

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
        places = ", ".join(str(job.cell.sites[i]) for _, taken in call.batch for i in taken)
        _logger.info("%s %s: %s", job.cell.model.label, places, reason)
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

    def _without(self, job: Job, chain: Chain, index: int, reason: str) -> tuple[int, Any]:
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
