"""What a worker may use: time for a trial, and memory."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ctypes import c_double
from dataclasses import dataclass

from wscale.errors import ConfigError

__all__ = ["Limits", "impose", "timed", "watched"]

# What a worker's data take before there is a cell, generously
_LEAST_GiB = 0.5
# Building and settling a cell may take so many times as long as a trial
_PREPARATION = 10.0


@dataclass(frozen=True)
class Limits:
    """What a worker may use before it is ended, and its site is marked as failed.

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
        A limit that is not positive and finite, or too little memory to begin with.

    Examples
    --------
    >>> Limits(trial_timeout_s=60).memory_GiB is None
    True
    """

    trial_timeout_s: float | None = 600.0
    memory_GiB: float | None = None

    def __post_init__(self) -> None:
        for name, value in (
            ("trial_timeout_s", self.trial_timeout_s),
            ("memory_GiB", self.memory_GiB),
        ):
            if value is not None and not 0 < value < math.inf:
                raise ConfigError(f"{name} = {value!r} must be positive and finite; None: no limit")
        if self.memory_GiB is not None and self.memory_GiB < _LEAST_GiB:
            raise ConfigError(
                f"memory_GiB = {self.memory_GiB:g} is too little for a worker, which needs "
                f"{_LEAST_GiB:g} GiB for NEURON and NetPyNE before there is a cell"
            )


_limits: Limits | None = None  # those of this process, where it is a worker
# Until when the present trial may last (time.monotonic), 0: there is none. Who started this process
# looks at it, and ends it: NEURON's code does not return to Python before it is done
_deadline = c_double()


def watched(deadline: c_double) -> None:
    """Let whoever started this process see until when a trial may last (in a worker)."""
    global _deadline
    _deadline = deadline


def impose(limits: Limits) -> None:
    """Let limits hold for this process from now on (in a worker)."""
    global _limits
    _limits = limits
    if limits.memory_GiB is not None:
        import resource

        with suppress(ValueError, OSError):  # where the system knows no such limit
            most = resource.getrlimit(resource.RLIMIT_DATA)[1]
            resource.setrlimit(resource.RLIMIT_DATA, (int(limits.memory_GiB * 2**30), most))


@contextmanager
def timed(preparation: bool = False) -> Iterator[None]:
    """Let this process be ended where a trial takes longer than it may (in a worker)."""
    seconds = None if _limits is None else _limits.trial_timeout_s
    if seconds is None:
        yield
        return
    outer = _deadline.value
    _deadline.value = time.monotonic() + seconds * (_PREPARATION if preparation else 1.0)
    try:
        yield
    finally:
        _deadline.value = outer
