"""A process of its own for work that may end it, and one thread of this process that waits for it.

A slot and its process talk through a socket that no one else holds, so that the death of a process
is known at once, in whatever it was, and costs the one call that it was on. A page of memory that
both share holds the time until which the present trial may last; the slot looks at it, since
neither Python's threads nor signals get through to NEURON's code in every case (its ``psolve`` sets
the system's timer itself).
"""

from __future__ import annotations

import atexit
import logging
import mmap
import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from ctypes import c_double
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any

from wscale.errors import OtherMechanismsError
from wscale.parallel.limits import watched
from wscale.parallel.orphans import end_with_parent

__all__ = ["Slot", "WorkerDied", "serve"]

# Idle workers end after this time, s: a notebook that is left open does not hold their memory
_IDLE_s = 300.0
# How often a slot looks whether the trial of its process has lasted too long, s
_LOOK_s = 0.25
# How long a process may take to be gone once it is killed, s (on a network file system)
_GONE_s = 5.0
# Exit codes of ours; the first says that the process has not done what it was asked last, and that
# another will
_HAS_ENDED, _NO_MEMORY = 70, 71
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_START = (
    "import sys; sys.path[:] = sys.argv[4:]; from wscale.parallel.sandbox import serve; serve()"
)
_CAUSES = {
    _NO_MEMORY: "out of memory (that of the machine, or --memory-limit)",
    -signal.SIGKILL: "killed (SIGKILL), perhaps by the system for want of memory",
    -signal.SIGSEGV: "segmentation fault (SIGSEGV) in NEURON or a mechanism",
    -signal.SIGABRT: "aborted (SIGABRT) by NEURON, a mechanism or for want of memory",
    -signal.SIGFPE: "arithmetic fault (SIGFPE) in NEURON or a mechanism",
    -signal.SIGTERM: "terminated (SIGTERM)",
    -signal.SIGBUS: "bus error (SIGBUS) in NEURON or a mechanism",
}
_TOO_LONG = "a trial took longer than --trial-timeout (trial_timeout_s) allows"

_alive: weakref.WeakSet[Slot] = weakref.WeakSet()


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
        self._calls: SimpleQueue[tuple[Future[Any], bytes, bool] | None] = SimpleQueue()
        self._process: _Process | None = None
        self._closed = False
        self._lock = Lock()
        # A daemon: at the end of this process nothing waits for a call. On Linux its end, too, is
        # the end of the processes that it has started
        Thread(target=self._run, daemon=True, name="wscale-slot").start()
        _alive.add(self)

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
        future: Future[Any] = Future()
        message = pickle.dumps((function, args), pickle.HIGHEST_PROTOCOL)
        with self._lock:
            if not self._closed:
                self._calls.put((future, message, fresh))
                return future
        future.set_exception(WorkerDied("stopped"))
        return future

    def close(self) -> None:
        """End the process at once, whatever it does; the slot cannot be used afterwards."""
        with self._lock:
            self._closed = True
            self._calls.put(None)
        self._end()

    def _run(self) -> None:
        if hasattr(signal, "pthread_sigmask"):  # the processes inherit it: the main one says when
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        while (call := self._calls.get()) is not None:
            future, message, fresh = call
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = self._call(message, fresh)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)
            del call, future

    def _call(self, message: bytes, fresh: bool) -> Any:
        if fresh:
            self._end()
        try:
            answer = None
            while answer is None:  # once more where the process had ended
                answer = self._running().ask(message)
            succeeded, value = pickle.loads(answer)
        except WorkerDied:
            self._end()
            raise
        finally:
            if fresh:
                self._end()
        if not succeeded:
            raise value
        return value

    def _running(self) -> _Process:
        with self._lock:
            if self._closed:
                raise WorkerDied("stopped")
            if self._process is None or self._process.has_ended:
                try:
                    self._process = _Process()
                except OSError as error:
                    raise WorkerDied(f"its process could not be started: {error}") from error
            return self._process

    def _end(self) -> None:
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.kill()


class _Process:
    """The main process's side of a worker."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs, _shared() as page:
            self._connection = Connection(ours.detach())
            self._deadline = c_double.from_buffer(mmap.mmap(page.fileno(), mmap.PAGESIZE))
            descriptors = (theirs.fileno(), page.fileno())
            own = (*map(str, descriptors), str(os.getpid()))
            self._process = subprocess.Popen(
                [sys.executable, "-c", _START, *own, *sys.path],
                stdin=subprocess.DEVNULL,
                pass_fds=descriptors,
                env={**os.environ, **_ONE_THREAD},
            )

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def ask(self, message: bytes) -> bytes | None:
        """Return the answer; None where the process ended, for idleness or to be started anew."""
        try:
            self._connection.send_bytes(message)
            while not self._connection.poll(_LOOK_s):
                if 0 < self._deadline.value < time.monotonic():
                    self.kill()
                    raise WorkerDied(f"its process ended: {_TOO_LONG}")
            return self._connection.recv_bytes()
        except (EOFError, OSError):
            code = self._exit_code()
        if code == _HAS_ENDED:
            return None
        cause = _CAUSES.get(code) or (f"exit code {code}" if code >= 0 else f"signal {-code}")
        raise WorkerDied(f"its process ended: {cause}")

    def kill(self) -> None:
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_GONE_s)

    def _exit_code(self) -> int:
        try:
            return self._process.wait(_GONE_s)
        except subprocess.TimeoutExpired:  # it has let go of the socket, but lives
            self.kill()
            return -signal.SIGKILL


def _shared() -> Any:
    """Return a file of one page that is never on a disk, where the system has such."""
    if hasattr(os, "memfd_create"):
        page = os.fdopen(os.memfd_create("wscale"), "w+b")
    else:
        page = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    page.write(bytes(mmap.PAGESIZE))
    page.flush()
    return page


# ---------------------------------------------------------------------- the worker's side


def serve() -> None:
    """Answer calls until the main process is gone or has none for long (in the worker)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.getLogger("wscale").setLevel(logging.WARNING)  # whatever is imported sets for all
    end_with_parent(int(sys.argv[3]))
    descriptor, page = int(sys.argv[1]), int(sys.argv[2])
    sys.argv[1:] = []
    os.set_inheritable(descriptor, False)
    watched(c_double.from_buffer(mmap.mmap(page, mmap.PAGESIZE)))
    os.close(page)
    connection = Connection(descriptor)
    code, used = _HAS_ENDED, False
    try:
        while connection.poll(_IDLE_s):
            connection.send_bytes(_answer(connection.recv_bytes(), used))
            used = True
    except (EOFError, OSError):  # the main process is gone
        code = 0
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    os._exit(code)  # NEURON need not tidy up


def _answer(message: bytes, used: bool) -> bytes:
    """Return what a call returned or raised; ``used``: there were calls before."""
    try:
        function, args = pickle.loads(message)  # from the process that started this one
        return pickle.dumps((True, function(*args)), pickle.HIGHEST_PROTOCOL)
    except MemoryError:
        os._exit(_NO_MEMORY)  # nothing in this process can be relied on any more
    except BaseException as error:
        if isinstance(error, OtherMechanismsError) and used:
            os._exit(_HAS_ENDED)  # a new process holds none
        where = f"In a worker process:\n{traceback.format_exc()}"
        plain: Exception = RuntimeError(f"{type(error).__name__}: {error}")
        if isinstance(error, Exception):
            with suppress(Exception):
                plain = pickle.loads(pickle.dumps(error))
        plain.add_note(where)
        return pickle.dumps((False, plain), pickle.HIGHEST_PROTOCOL)


@atexit.register
def _close_all() -> None:
    for slot in list(_alive):
        slot.close()


if hasattr(os, "register_at_fork"):  # a fork has neither the threads nor a right to the processes
    os.register_at_fork(after_in_child=_alive.clear)
