"""Lines that say what the user waits for; the command line shows them also without ``-v``."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import chain, repeat

__all__ = ["announce", "intervals_s"]

_logger = logging.getLogger("wscale.progress")


def announce(text: str) -> None:
    """Say what the user waits for: a warning of the logger ``wscale.progress``.

    Without a handler, Python writes it to stderr; ``logging.getLogger("wscale.progress")`` takes
    handlers, levels and ``disabled``.
    """
    _logger.warning(text)


def intervals_s() -> Iterator[float]:
    """Return how long to wait before each further line about the same thing, s."""
    return chain((2.0, 5.0, 10.0, 20.0), repeat(30.0))
