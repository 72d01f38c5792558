"""A process for code that may crash, hang or take all memory: its death is an exception.

On Linux a sandbox is forked from a server process that has imported NEURON and NetPyNE once for all
(multiprocessing's forkserver); elsewhere, where forking is unsafe, it is a new Python.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import fcntl
import importlib
import logging
import math
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import traceback
import types
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from wscale.errors import ConfigError, OtherMechanismsError, option

__all__ = ["Limits", "Sandbox", "SandboxDied", "close_all", "impose", "timed"]

# Imported by the server before it forks: NEURON and NetPyNE, and nothing that starts a thread
_PRELOAD = "wscale.simulation.preload"
_FORKS = sys.platform == "linux"
# An idle sandbox ends after this time, s, so that an open notebook does not hold its memory
_IDLE_s = 300.0
# After this time, s, a process that could not be started is tried again
_AGAIN_s = 0.5
# How long a killed process may take to be gone, s (on a network file system)
_GONE_s = 5.0
# Exit codes: "request not served; retry in a new process", and out of memory
_NOT_SERVED, _NO_MEMORY = 70, 71
_CAUSES = {
    _NO_MEMORY: f"out of memory (that of the machine, or {option('memory_GiB')})",
    -signal.SIGKILL: "killed (SIGKILL), perhaps by the system for want of memory",
    -signal.SIGSEGV: "segmentation fault (SIGSEGV) in NEURON or a mechanism",
    -signal.SIGABRT: "aborted (SIGABRT) by NEURON, a mechanism or for want of memory",
    -signal.SIGFPE: "arithmetic fault (SIGFPE) in NEURON or a mechanism",
    -signal.SIGTERM: "terminated (SIGTERM)",
    -signal.SIGBUS: "bus error (SIGBUS) in NEURON or a mechanism",
}
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

# A process, the connection to it, and the pipe that closes with this process
_Process = tuple[BaseProcess, "Connection[Any, Any]", "Connection[Any, Any]"]

_alive: weakref.WeakSet[Sandbox] = weakref.WeakSet()
_starting = threading.Lock()


class SandboxDied(Exception):  # noqa: N818 - an outcome, not a mistake
    """The process of a call ended before the call did; the text says how.

    Attributes
    ----------
    code : int or None
        Its exit code, negative for a signal; None if there is none.
    """

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class Sandbox:
    """A process for calls that may end it, started when needed and again after its death.

    Parameters
    ----------
    preloaded : bool
        Fork it from the process that has imported NetPyNE, where that is possible. False: start a
        new Python; what that starts (compilers) ends with this process, too.

    Attributes
    ----------
    holds : str or None
        For the user of the sandbox: what its process holds ready. None after its death.
    closed : bool
        Whether it takes no calls any more.

    Examples
    --------
    >>> with Sandbox() as sandbox:
    ...     sandbox.call(abs, -3)
    3
    """

    def __init__(self, *, preloaded: bool = True) -> None:
        self.holds: str | None = None
        self._preloaded = preloaded
        self._process: _Process | None = None
        self.closed = False
        self._lock = threading.Lock()
        _alive.add(self)

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(self, function: Callable[..., Any], /, *args: Any) -> Any:
        """Call a function in the process; it and its arguments can be pickled.

        Raises
        ------
        SandboxDied
            The process ended, or the sandbox was closed.
        Exception
            What the function raised, with its traceback as a note; RuntimeError for what cannot
            be pickled.
        """
        message = pickle.dumps((function, args), pickle.HIGHEST_PROTOCOL)
        answer = None
        try:
            while answer is None:  # again if the process had ended
                answer = self._ask(message)
        except SandboxDied:
            self.end()
            raise
        succeeded, value = pickle.loads(answer)
        if not succeeded:
            raise value
        return value

    def end(self) -> None:
        """End the process at once, whatever it is doing; the next call starts another."""
        with self._lock:
            process, self._process, self.holds = self._process, None, None
        if process is not None:
            _kill(process[0])

    def close(self) -> None:
        """End the process at once; later calls raise SandboxDied."""
        self.closed = True
        self.end()

    def _ask(self, message: bytes) -> bytes | None:
        """Return the answer; None if the process ended without having begun with the request."""
        process, connection, watch = self._running()
        try:
            connection.send_bytes(message)
            return connection.recv_bytes()
        except (EOFError, OSError):
            process.join(_GONE_s)
            if process.exitcode is None:  # it has let go of the connection, but lives
                _kill(process)
        code = process.exitcode
        if code == _NOT_SERVED:
            return None
        with contextlib.suppress(EOFError, OSError):
            if os.read(watch.fileno(), 1):  # nothing, where its end was only closed
                limit = option("trial_timeout_s")
                raise SandboxDied(f"its process ended: a trial took longer than {limit} allows")
        cause = _CAUSES.get(code or 0)
        if cause is None:
            cause = "it was killed" if code is None else f"exit code {code}"
        raise SandboxDied(f"its process ended: {cause}", code)

    def _running(self) -> _Process:
        """Return the process; start it if there is none, while others may close this sandbox."""
        process = self._process
        if not self.closed and (process is None or not process[0].is_alive()):
            process, self.holds = self._start(), None
        with self._lock:
            if not self.closed and process is not None:
                self._process = process
                return process
        if process is not None:
            _kill(process[0])
        raise SandboxDied("stopped")

    def _start(self, *, again: bool = False) -> _Process:
        forks = self._preloaded and _FORKS
        context: Any = multiprocessing.get_context("forkserver" if forks else "spawn")
        try:
            (ours, theirs), (watch, watched) = context.Pipe(), context.Pipe()
            environment = {**os.environ, **_ONE_THREAD}
            arguments = (theirs, watched, environment, os.getcwd(), self._preloaded)  # noqa: PTH109
            process = context.Process(target=_serve, args=arguments)
            with theirs, watched, _starting, _without_main():
                if forks:
                    context.set_forkserver_preload([_PRELOAD])
                process.start()
        except (OSError, EOFError) as error:  # EOFError: the server was killed; another starts
            if again:
                raise SandboxDied(f"its process could not be started: {error!r}") from error
            time.sleep(_AGAIN_s)  # until it can be known that the server has ended
            return self._start(again=True)
        return process, ours, watch


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Keep multiprocessing from running the user's script again in the process that starts."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _kill(process: BaseProcess) -> None:
    """End a process and all that it has started."""
    assert process.pid is not None
    for kill in (os.killpg, os.kill):  # it may not lead its group yet
        with contextlib.suppress(OSError):
            kill(process.pid, signal.SIGKILL)
    process.join(_GONE_s)


@atexit.register
def close_all() -> None:
    """End all processes of this process's sandboxes at once, whatever they are doing."""
    for sandbox in list(_alive):
        sandbox.close()


def _after_fork() -> None:
    """Give a fork of this process its own sandboxes, which do not come from this one's server."""
    global _FORKS, _starting
    _FORKS, _starting = False, threading.Lock()
    _alive.clear()


os.register_at_fork(after_in_child=_after_fork)


# ---------------------------------------------------------------------- in the process


def _serve(
    connection: Connection[Any, Any],
    watched: Connection[Any, Any],
    environment: Mapping[str, str],
    folder: str,
    preloaded: bool,
) -> None:
    """Answer calls until the main process is gone, or has made none for a long time."""
    global _watched
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.setsid()  # Ctrl-C is for the main process; and a group to be killed as a whole
    os.environ.clear()
    os.environ.update(environment)
    with contextlib.suppress(OSError):
        os.chdir(folder)
    _watched = watched
    _end_with_parent(preloaded)
    sys.argv[1:] = []
    if preloaded:
        importlib.import_module(_PRELOAD)  # is there in a fork
    logging.getLogger("wscale").setLevel(logging.WARNING)
    code, used = _NOT_SERVED, False
    try:
        while connection.poll(_IDLE_s):
            connection.send_bytes(_answer(connection.recv_bytes(), used))
            used = True
    except (EOFError, OSError):  # the main process is gone
        code = 0
    with contextlib.suppress(OSError, ValueError):
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
            os._exit(_NOT_SERVED)  # a new process holds none
        plain: Exception = RuntimeError(f"{type(error).__name__}: {error}")
        if isinstance(error, Exception):
            with contextlib.suppress(Exception):
                plain = pickle.loads(pickle.dumps(error))
        plain.add_note(f"In a worker process:\n{traceback.format_exc()}")
        return pickle.dumps((False, plain), pickle.HIGHEST_PROTOCOL)


def _end_with_parent(preloaded: bool) -> None:
    """End this process with the main one, which holds the other end of the pipe.

    The kernel sends SIGIO, which ends the process even inside NEURON. A process that starts others
    has a thread that ends them all.
    """
    assert _watched is not None
    if not preloaded:
        threading.Thread(target=_end_all, daemon=True).start()
        return
    flags = fcntl.fcntl(_watched, fcntl.F_GETFL)
    fcntl.fcntl(_watched, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(_watched, fcntl.F_SETFL, flags | os.O_ASYNC)
    if _watched.poll():  # it ended before this
        os._exit(1)


def _end_all() -> None:
    assert _watched is not None
    _watched.poll(None)
    os.killpg(0, signal.SIGKILL)


# ---------------------------------------------------------------------- limits

# What a worker's data take before there is a cell, generously
_LEAST_GiB = 0.5
# Building and settling a cell may take this many times as long as a trial
_PREPARATION = 10.0


@dataclass(frozen=True)
class Limits:
    """What a worker may use; beyond that, it is ended and its site is marked as failed.

    Parameters
    ----------
    trial_timeout_s : float or None
        Longest time of one trial, s; building and settling a cell get ten times as long. None:
        no limit.
    memory_GiB : float or None
        Largest memory of a worker's data, GiB (Linux). None: no limit.

    Raises
    ------
    ConfigError
        A limit that is not positive and finite, or less memory than a worker needs at least.

    Examples
    --------
    >>> Limits(trial_timeout_s=60).memory_GiB is None
    True
    """

    trial_timeout_s: float | None = 600.0
    memory_GiB: float | None = None

    def __post_init__(self) -> None:
        for name in ("trial_timeout_s", "memory_GiB"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ConfigError(f"{name} = {value!r} must be positive and finite; None: no limit")
        if self.memory_GiB is not None and self.memory_GiB < _LEAST_GiB:
            raise ConfigError(
                f"memory_GiB = {self.memory_GiB:g} is too little for a worker, which needs "
                f"{_LEAST_GiB:g} GiB for NEURON and NetPyNE before there is a cell"
            )


_limits: Limits | None = None  # those of this process, if it is a sandbox
# To the main process: closes with it, and takes what faulthandler says when a time limit is over
_watched: Connection[Any, Any] | None = None
_ends_at: float | None = None  # when the present time limit does, by time.monotonic
_data_bytes: int | None = None  # the limit of this process's data before any limit of a run


def impose(limits: Limits | None) -> None:
    """Let limits hold for this process from now on (in a sandbox)."""
    global _limits, _data_bytes
    _limits = limits
    if limits is not None:
        import resource

        with contextlib.suppress(ValueError, OSError):  # where the system knows no such limit
            soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
            _data_bytes = soft if _data_bytes is None else _data_bytes
            own = limits.memory_GiB
            most = _data_bytes if own is None else int(own * 2**30)
            resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


@contextlib.contextmanager
def timed(preparation: bool = False) -> Iterator[None]:
    """End this process if a trial takes longer than it may (in a sandbox).

    By a thread of C, which needs neither the interpreter nor a signal: NEURON does not return to
    Python to be asked, and its ``psolve`` resets the system's timer.
    """
    global _ends_at
    seconds = None if _limits is None else _limits.trial_timeout_s
    if seconds is None or _watched is None:
        yield
        return
    outer = _ends_at
    _end_at(time.monotonic() + seconds * (_PREPARATION if preparation else 1.0))
    try:
        yield
    finally:
        _end_at(outer)


def _end_at(moment: float | None) -> None:
    global _ends_at
    _ends_at = moment
    if moment is None or _watched is None:
        faulthandler.cancel_dump_traceback_later()
    else:
        left_s = max(moment - time.monotonic(), 1e-3)
        faulthandler.dump_traceback_later(left_s, exit=True, file=_watched)
