"""Chains of sites that build on each other, searched site by site in a sandbox.

A site whose process ends is tried once more in a fresh one, and is then ``failed`` with the reason.
Nothing is raised for it, since an exception would cost what other workers have found.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from wscale.errors import SimulationError
from wscale.parallel.sandbox import Limits, Sandbox, SandboxDied, impose

__all__ = ["Backend", "Chain", "HandOver", "Sandboxes", "Work", "call_safely", "run_chain"]

_logger = logging.getLogger(__name__)

HandOver = Callable[[tuple[int, Any]], None]


class Work(Protocol):
    """What is done at the sites of one cell; can be pickled."""

    def prepare(self) -> str | None:
        """Make the process ready for the cell; return why it cannot be (in a sandbox)."""

    def search(self, index: int, before: Sequence[Any]) -> Any:
        """Search a site, given the outcomes before it in its chain (in a sandbox)."""

    def failed(self, index: int, reason: str) -> Any:
        """Return the outcome of a site that could not be searched."""


@dataclass(frozen=True)
class Chain:
    """Sites of a cell that are searched in order, each with the outcomes of those before it.

    Parameters
    ----------
    number : int
        The cell's number, for the caller.
    key : str
        Identifies the cell: a sandbox that holds it need not be made ready again.
    packed : bytes
        The :class:`Work`, pickled.
    indices : tuple of int
        The sites.
    before : tuple
        Outcomes of the chain's earlier sites.
    """

    number: int
    key: str
    packed: bytes = field(repr=False)
    indices: tuple[int, ...]
    before: tuple[Any, ...] = ()


class Backend(Protocol):
    """Where chains are searched; the numbers are the same everywhere.

    Attributes
    ----------
    limits : Limits
        What a worker may use.
    n_workers : int
        Number of workers now.
    """

    limits: Limits

    @property
    def n_workers(self) -> int: ...  # noqa: D102

    def search(
        self, batches: Sequence[Sequence[Chain]], idle: Callable[[], None] = ...
    ) -> Generator[tuple[int, Any], None, None]:
        """Search chains, and yield the cell's number and the outcome of each site as it arrives.

        A batch is searched by one worker. ``idle`` is called about every half second.
        """

    def map(self, function: Callable[[Any], Any], tasks: Sequence[Any]) -> list[Any]:
        """Call a function on each task in a sandbox, and return the results in order.

        Raises
        ------
        SimulationError
            A task ended two processes.
        """


class Sandboxes:
    """Sandboxes of a run; an idle one is lent to the next task, preferably of the same cell.

    Parameters
    ----------
    limits : Limits
        What each may use.
    idle : list of Sandbox, optional
        Those to lend; by default those of this process, which all runs share.
    """

    def __init__(self, limits: Limits, idle: list[Sandbox] | None = None) -> None:
        self.limits = limits
        self._idle = _idle if idle is None else idle
        self.unready: dict[str, str] = {}  # cells that cannot be made ready, by key: why
        self._lent: set[Sandbox] = set()
        self.stopped = False

    @contextlib.contextmanager
    def lend(self, key: str | None = None, *, fresh: bool = False) -> Iterator[Sandbox]:
        """Lend a sandbox; one that holds the cell, else any, if it need not be fresh."""
        with _lock:
            if self.stopped:
                raise SandboxDied("stopped")
            self._idle[:] = [sandbox for sandbox in self._idle if not sandbox.closed]
            same = [sandbox for sandbox in self._idle if sandbox.holds == key]
            sandbox = (same or self._idle or [Sandbox()])[-1]
            if sandbox in self._idle:
                self._idle.remove(sandbox)
            self._lent.add(sandbox)
        try:
            if fresh:
                sandbox.end()
            yield sandbox
        finally:
            with _lock:
                self._lent.discard(sandbox)
                if not self.stopped:
                    self._idle.append(sandbox)

    def stop(self) -> None:
        """End all calls at once, and all idle processes."""
        with _lock:
            self.stopped = True
            sandboxes = [*self._lent, *self._idle]
            self._idle.clear()
        for sandbox in sandboxes:
            sandbox.close()


# The idle sandboxes of this process: kept, since each has a cell ready
_idle: list[Sandbox] = []
_lock = threading.Lock()
os.register_at_fork(after_in_child=_idle.clear)


def run_chain(chain: Chain, sandboxes: Sandboxes, hand_over: HandOver) -> None:
    """Search the sites of a chain, and hand over each outcome with the cell's number at once."""
    done = list(chain.before)
    for index in chain.indices:
        answer = _searched(chain, index, done, sandboxes)
        if isinstance(answer, _Failed):
            work: Work = pickle.loads(chain.packed)
            answer = work.failed(index, answer.reason)
        done.append(answer)
        hand_over((chain.number, answer))


@dataclass(frozen=True)
class _Failed:
    reason: str


def _searched(chain: Chain, index: int, before: list[Any], sandboxes: Sandboxes) -> Any:
    """Return the outcome of a site, or why there is none."""
    reason, limits = "", sandboxes.limits
    ready = f"{chain.key} {limits}"  # an idle one may hold the cell with other limits
    for fresh in (False, True):
        if chain.key in sandboxes.unready:
            return _Failed(sandboxes.unready[chain.key])
        with sandboxes.lend(ready, fresh=fresh) as sandbox:
            preparing = True
            try:
                while True:
                    if sandbox.holds != ready:
                        preparing, sandbox.holds = True, None
                        if why := sandbox.call(_prepare, ready, chain.packed, limits):
                            sandboxes.unready[chain.key] = why
                            return _Failed(why)
                        sandbox.holds = ready
                    preparing = False
                    found, part = sandbox.call(_search, ready, index, before)
                    if found:
                        return part
                    sandbox.holds = None  # another process than the one that was made ready
            except Exception as error:
                if sandboxes.stopped:
                    raise
                died = isinstance(error, SandboxDied)
                reason = str(error) if died else f"{type(error).__name__}: {error}"
                _logger.info("cell %d, site %d: %s", chain.number, index, reason)
                if fresh and preparing:
                    sandboxes.unready[chain.key] = f"while the cell was made ready: {reason}, twice"
    return _Failed(sandboxes.unready.get(chain.key) or f"{reason}, twice")


def call_safely(function: Callable[..., Any], task: Any, sandboxes: Sandboxes) -> Any:
    """Call a function in a sandbox; a task whose process ends is tried once more in a fresh one.

    Raises
    ------
    SimulationError
        The second process ended, too.
    """
    for fresh in (False, True):
        try:
            with sandboxes.lend(fresh=fresh) as sandbox:
                sandbox.holds = None
                return sandbox.call(_limited, function, task, sandboxes.limits)
        except SandboxDied as death:
            if sandboxes.stopped:
                raise
            if fresh:
                raise SimulationError(f"a worker could not do its work: {death}") from death
            _logger.info("%s", death)
    raise AssertionError


# ---------------------------------------------------------------------- in a sandbox

_held: tuple[str, Work] | None = None


def _prepare(key: str, packed: bytes, limits: Limits) -> str | None:
    """Make this process ready for a cell; return why that is not possible."""
    global _held
    _held = None
    impose(limits)
    work: Work = pickle.loads(packed)
    why = work.prepare()
    if why is None:
        _held = (key, work)
    return why


def _search(key: str, index: int, before: Sequence[Any]) -> tuple[bool, Any]:
    """Return whether this process holds the cell, and the outcome of a site."""
    if _held is None or _held[0] != key:
        return False, None
    return True, _held[1].search(index, before)


def _limited(function: Callable[..., Any], task: Any, limits: Limits) -> Any:
    global _held
    _held = None  # the function may take NetPyNE for itself
    impose(limits)
    return function(task)
