"""Back ends: where calls are run. The same function and the same numbers for any of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Any, Protocol, TypeVar

import loky

from wscale.errors import ConfigError, SimulationError
from wscale.parallel.limits import Limits
from wscale.parallel.sandbox import Slot, WorkerDied

__all__ = ["Backend", "LocalBackend", "WorkerLost", "backend_for", "number_of_jobs", "run_tasks"]

Task = TypeVar("Task")
Result = TypeVar("Result")

# How often a wait for workers is looked after, s
TICK_s = 0.5
# More processes than so many a core are a slip, and would exhaust the machine's memory
_MOST_A_CORE = 8
# A task that so many workers were on when they were lost is tried once more
LOSSES = 3


class WorkerLost(WorkerDied):
    """A worker went away with its host or cluster; what it was on is for another one."""


class Backend(Protocol):
    """Workers, each of which runs one call at a time in a process of its own.

    Attributes
    ----------
    limits : Limits
        What a worker may use.
    call_s : float
        About what a call takes of the main process's time, s.
    """

    limits: Limits
    call_s: float

    def workers(self) -> list[str]:
        """Return the names of the workers that there are now; they may come and go."""

    def submit(
        self, worker: str, function: Callable[..., Any], /, *args: Any, fresh: bool = False
    ) -> Future[Any]:
        """Call a function in a worker.

        The future's exception is :class:`WorkerDied` where the worker's process ended,
        and :class:`WorkerLost` where there is no such worker any more.

        Parameters
        ----------
        worker : str
            Where to; another one may do it where this one is gone.
        function : callable
            A module's function, which can be pickled as its arguments and what it returns.
        fresh : bool
            In a new process, which ends with the call.
        """

    def stop(self) -> None:
        """End all calls at once."""


def number_of_jobs(jobs: int = -1) -> int:
    """Return the number of processes that a ``jobs`` setting stands for on this machine.

    Parameters
    ----------
    jobs : int
        A positive number; -1: all cores this process may use, -2: all but one, and so on.

    Raises
    ------
    ConfigError
        ``jobs`` is 0, not a whole number, or more than eight a core.

    Examples
    --------
    >>> number_of_jobs(3)
    3
    """
    if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs == 0:
        raise ConfigError(
            f"jobs = {jobs!r}; allowed are 1, 2, ... or -1 for all cores, -2 for all but one"
        )
    cores = int(loky.cpu_count())
    if jobs > _MOST_A_CORE * cores:
        raise ConfigError(
            f"jobs = {jobs} would exhaust this machine, which has {cores} cores for this process; "
            f"at most {_MOST_A_CORE * cores} are allowed, and -1 is one a core"
        )
    return jobs if jobs > 0 else max(cores + 1 + jobs, 1)


# The worker processes of this process: kept, since each has NEURON and NetPyNE loaded
_slots: list[Slot] = []
_slots_lock = Lock()
if hasattr(os, "register_at_fork"):  # a fork starts its own
    os.register_at_fork(after_in_child=_slots.clear)


class LocalBackend:
    """Worker processes on this machine.

    Parameters
    ----------
    jobs : int
        How many, see :func:`number_of_jobs`.
    limits : Limits, optional
        What each may use.

    Examples
    --------
    >>> backend = LocalBackend(jobs=2)
    >>> backend.workers()
    ['0', '1']
    >>> backend.submit("0", abs, -3).result()
    3
    """

    def __init__(self, jobs: int = -1, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.call_s = 5e-5
        self._names = [str(number) for number in range(number_of_jobs(jobs))]

    def workers(self) -> list[str]:
        """Return the names of the workers."""
        return self._names

    def submit(
        self, worker: str, function: Callable[..., Any], /, *args: Any, fresh: bool = False
    ) -> Future[Any]:
        """Call a function in a worker, see :class:`Backend`."""
        with _slots_lock:
            _slots.extend(Slot() for _ in range(len(_slots), int(worker) + 1))
            return _slots[int(worker)].submit(function, *args, fresh=fresh)

    def stop(self) -> None:
        """End the processes at once; the next call starts new ones."""
        with _slots_lock:
            slots, _slots[:] = _slots[:], []
        for slot in slots:
            slot.close()


def backend_for(jobs: int, backend: Backend | None = None) -> Backend:
    """Return the back end that is given, or this machine's with so many jobs."""
    if backend is None:
        return LocalBackend(jobs)
    number_of_jobs(jobs)
    return backend


def run_tasks(
    function: Callable[[Task], Result], tasks: Iterable[Task], backend: Backend
) -> Iterator[Result]:
    """Run a function on every task and yield the results as they finish, in any order.

    Parameters
    ----------
    function : callable
        Takes a task; both can be pickled.
    tasks : iterable
        What to do.
    backend : Backend
        Where.

    Yields
    ------
    Result
        What the function returned.

    Raises
    ------
    SimulationError
        Several workers' processes ended, or were lost, on one task.

    Examples
    --------
    >>> sorted(run_tasks(abs, [-2, 1, -3], LocalBackend(jobs=2)))
    [1, 2, 3]
    """
    waiting = [(task, 0) for task in reversed(list(tasks))]
    busy: dict[str, tuple[Task, int]] = {}
    done: SimpleQueue[tuple[str, Future[Result]]] = SimpleQueue()
    try:
        while waiting or busy:
            for worker in backend.workers():
                if waiting and worker not in busy:
                    busy[worker] = waiting.pop()
                    future = backend.submit(worker, function, busy[worker][0])
                    future.add_done_callback(lambda f, worker=worker: done.put((worker, f)))  # type: ignore[misc]
            try:
                worker, future = done.get(timeout=TICK_s)
            except Empty:
                continue
            task, losses = busy.pop(worker)
            if isinstance(future.exception(), WorkerDied) and losses < LOSSES:
                waiting.append((task, losses + 1))
                continue
            yield future.result()
    except WorkerDied as death:
        backend.stop()
        raise SimulationError(f"a worker could not do its work: {death}") from death
    except BaseException:
        backend.stop()
        raise
