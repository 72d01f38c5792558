"""The workers of this machine: joblib schedules, and each of its threads has a sandbox."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial
from operator import itemgetter
from queue import Empty, SimpleQueue
from typing import Any

import joblib
from joblib.parallel import get_active_backend

from wscale.errors import ConfigError
from wscale.parallel.chains import Backend, Chain, HandOver, Sandboxes, call_safely, run_chain
from wscale.parallel.sandbox import Limits

__all__ = ["LocalBackend", "backend_for", "number_of_jobs"]

_TICK_s = 0.5  # how often journals are synced while nothing arrives
_MAX_PER_CORE = 8  # more processes are a typo, and would exhaust the machine's memory


def number_of_jobs(n_jobs: int | None = None) -> int:
    """Return the number of worker processes that ``n_jobs`` stands for on this machine.

    Parameters
    ----------
    n_jobs : int or None
        A positive number; -1: all cores that this process may use, -2: all but one, and so on.
        None: that of the user's :class:`joblib.parallel_config`, else all cores.

    Raises
    ------
    ConfigError
        ``n_jobs`` is 0, not a whole number, or more than eight per core.

    Examples
    --------
    >>> with joblib.parallel_config(n_jobs=2):
    ...     number_of_jobs(3), number_of_jobs()
    (3, 2)
    """
    if n_jobs is None:
        n_jobs = get_active_backend()[1] or -1
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, int) or n_jobs == 0:
        raise ConfigError(
            f"n_jobs = {n_jobs!r}; allowed are 1, 2, ... or -1 for all cores, -2 for all but one"
        )
    cores = int(joblib.cpu_count())
    if n_jobs > _MAX_PER_CORE * cores:
        raise ConfigError(
            f"n_jobs = {n_jobs} would exhaust this machine, which has {cores} cores for this "
            f"process; at most {_MAX_PER_CORE * cores} are allowed, and -1 is one per core"
        )
    return n_jobs if n_jobs > 0 else max(cores + 1 + n_jobs, 1)


class LocalBackend:
    """Worker processes on this machine, through the user's :class:`joblib.parallel_config`.

    Parameters
    ----------
    n_jobs : int or None
        How many, see :func:`number_of_jobs`.
    limits : Limits, optional
        What each may use.

    Examples
    --------
    >>> LocalBackend(n_jobs=2).map(abs, [-3, 2])
    [3, 2]
    """

    def __init__(self, n_jobs: int | None = None, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.n_workers = number_of_jobs(n_jobs)

    def search(
        self, batches: Sequence[Sequence[Chain]], idle: Callable[[], None] = lambda: None
    ) -> Generator[tuple[int, Any], None, None]:
        """Search chains, see :meth:`Backend.search`."""
        return self._run(_search_batch, batches, idle)

    def map(self, function: Callable[[Any], Any], tasks: Sequence[Any]) -> list[Any]:
        """Call a function on each task, see :meth:`Backend.map`."""
        found = self._run(partial(_call_task, function), list(enumerate(tasks)), lambda: None)
        return [result for _, result in sorted(found, key=itemgetter(0))]

    def _run(
        self,
        do: Callable[..., None],
        tasks: Sequence[Any],
        idle: Callable[[], None],
    ) -> Generator[tuple[int, Any], None, None]:
        """Do tasks in joblib's workers, and yield what they hand over as it arrives."""
        n_jobs = max(min(self.n_workers, len(tasks)), 1)
        how: dict[str, Any] = {"prefer": "threads", "return_as": "generator_unordered"}
        parallel = joblib.Parallel(n_jobs, batch_size=1, **how)  # reads the user's parallel_config
        if not getattr(get_active_backend(prefer="threads")[0], "supports_sharedmem", False):
            calls = (joblib.delayed(_collected)(do, task, self.limits) for task in tasks)
            for items in parallel(calls):  # processes hand over when a task is done
                yield from items
                idle()
            return
        sandboxes, arrived = Sandboxes(self.limits), SimpleQueue[Any]()

        def feed() -> None:
            try:
                for _ in parallel(
                    joblib.delayed(do)(task, sandboxes, arrived.put) for task in tasks
                ):
                    pass
            except BaseException as error:
                arrived.put(error)
            arrived.put(None)

        # In a thread, so that this one can take outcomes and signals and sync journals at any time
        threading.Thread(target=feed, daemon=True, name="wscale-joblib").start()
        try:
            while True:
                with contextlib.suppress(Empty):
                    item = arrived.get(timeout=_TICK_s)
                    if item is None:
                        return
                    if isinstance(item, BaseException):
                        raise item
                    yield item
                idle()
        except BaseException:
            sandboxes.stop()
            raise


def _search_batch(batch: Sequence[Chain], sandboxes: Sandboxes, hand_over: HandOver) -> None:
    for chain in batch:
        run_chain(chain, sandboxes, hand_over)


def _call_task(
    function: Callable[[Any], Any], task: tuple[int, Any], sandboxes: Sandboxes, hand_over: HandOver
) -> None:
    hand_over((task[0], call_safely(function, task[1], sandboxes)))


def _collected(do: Callable[..., None], task: Any, limits: Limits) -> list[tuple[int, Any]]:
    """Do a task in a process of joblib's; return what it hands over."""
    items: list[tuple[int, Any]] = []
    do(task, Sandboxes(limits), items.append)
    return items


@contextlib.contextmanager
def backend_for(n_jobs: int | None, backend: Backend | None = None) -> Iterator[Backend]:
    """Yield the back end that is given, or else that of the user's joblib configuration.

    joblib's own Dask back end never reports that a worker was lost; its client is used directly.
    """
    client = getattr(get_active_backend()[0], "client", None)
    if backend is not None:
        number_of_jobs(n_jobs)
        yield backend
    elif client is not None:
        from wscale.parallel.dask_backend import DaskBackend

        with DaskBackend(client) as dask:
            yield dask
    else:
        yield LocalBackend(n_jobs)
