"""A process of its own for work that may end it, and one thread of this process that waits for it.

Each slot is a loky executor with one worker, so that the death of a process is the outcome of the
one call that it was on, and no other process has anything to do with it. (A pool of several workers
is given up as a whole when one of them dies, and does not say on what it was.)
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from threading import Lock
from typing import Any

from loky.process_executor import ProcessPoolExecutor, ShutdownExecutorError

from wscale.orphans import end_with_parent

__all__ = ["Slot", "WorkerDied"]

# Idle workers end after this time, s: a notebook that is left open does not hold their memory
_IDLE_s = 300
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_CAUSES = {
    "SIGALRM": "a trial took longer than trial_timeout_s allows",
    "SIGKILL": "killed (SIGKILL), perhaps by the system for want of memory",
    "SIGSEGV": "segmentation fault (SIGSEGV) in NEURON or a mechanism",
    "SIGABRT": "aborted (SIGABRT) by NEURON, a mechanism or for want of memory",
    "SIGFPE": "arithmetic fault (SIGFPE) in NEURON or a mechanism",
    "SIGTERM": "terminated (SIGTERM)",
    "SIGBUS": "bus error (SIGBUS) in NEURON or a mechanism",
}


class WorkerDied(Exception):  # noqa: N818 - an outcome, not a mistake
    """The process of a call ended before the call did; the text says how."""


class Slot:
    """A worker process, started when it is needed and again after its death.

    Examples
    --------
    >>> slot = Slot()
    >>> slot.submit(abs, -3).result()
    3
    >>> slot.close()
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="wscale-slot")
        self._pool: ProcessPoolExecutor | None = None
        self._lock = Lock()
        self._closed = False

    def submit(
        self, function: Callable[..., Any], /, *args: Any, fresh: bool = False
    ) -> Future[Any]:
        """Call a function in the process.

        Parameters
        ----------
        function : callable
            Can be pickled, as its arguments and what it returns.
        fresh : bool
            In a new process, which ends with the call.

        Returns
        -------
        concurrent.futures.Future
            Its exception is :class:`WorkerDied` where the process ended.
        """
        return self._thread.submit(self._call, function, args, fresh)

    def close(self) -> None:
        """End the process at once, whatever it does; the slot cannot be used afterwards."""
        with self._lock:
            self._closed = True
        self._end()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _call(self, function: Callable[..., Any], args: tuple[Any, ...], fresh: bool) -> Any:
        if fresh:
            self._end()
        try:
            return self._running().submit(function, *args).result()
        except (BrokenProcessPool, ShutdownExecutorError) as error:
            self._end()
            raise WorkerDied(_reason(str(error))) from None
        finally:
            if fresh:
                self._end()

    def _running(self) -> ProcessPoolExecutor:
        with self._lock:
            if self._closed:
                raise WorkerDied("stopped")
            if self._pool is None:
                self._pool = ProcessPoolExecutor(
                    max_workers=1, timeout=_IDLE_s, initializer=_become_worker, env=_ONE_THREAD
                )
            return self._pool

    def _end(self) -> None:
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            with suppress(OSError):
                pool.shutdown(wait=False, kill_workers=True)


def _become_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process says when to end
    end_with_parent()


def _reason(said: str) -> str:
    """Say in words how a process ended, from what loky says."""
    found = re.search(r"exit codes of the workers are \{([^}]*)\}", said)
    if found is None:
        return "its process ended"
    code = found[1]
    cause = _CAUSES.get(code.partition("(")[0])
    return f"its process ended: {cause or f'exit code {code}'}"
