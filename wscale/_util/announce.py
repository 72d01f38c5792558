"""Waiting for what takes long: lines that say so, and an end to it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from itertools import chain, repeat

__all__ = ["announce", "cancel_waits", "waits"]

_logger = logging.getLogger("wscale.progress")
_STEP_s = 0.1
_cancelled = 0  # how often


def announce(text: str) -> None:
    """Say what the user waits for: a warning of the logger ``wscale.progress``.

    Without a handler, Python writes it to stderr; ``logging.getLogger("wscale.progress")`` takes
    handlers, levels and ``disabled``.
    """
    _logger.warning(text)


def waits(say: Callable[[float], None]) -> Iterator[float]:
    """Yield times to wait, each a fraction of a second, for as long as it takes.

    Parameters
    ----------
    say : callable
        Called after some seconds, and then more and more rarely, with the time since the start, s.

    Raises
    ------
    KeyboardInterrupt
        :func:`cancel_waits` was called.
    """
    began, start, next_s = _cancelled, time.monotonic(), 0.0
    for interval_s in chain((3.0, 7.0, 20.0), repeat(30.0)):
        next_s += interval_s
        while (since_s := time.monotonic() - start) < next_s:
            yield _STEP_s
            if _cancelled != began:
                raise KeyboardInterrupt
        say(since_s)


def cancel_waits() -> None:
    """End what threads of this process wait for: locks and compilers."""
    global _cancelled
    _cancelled += 1
