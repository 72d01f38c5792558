"""The user's cache: what is costly to make and may be deleted at any time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["cache_folder", "locked"]


def cache_folder(kind: str) -> Path:
    """Return the folder of one kind of cached things: ``mechanisms`` or ``settled``.

    Parameters
    ----------
    kind : str
        Name of the folder in ``$WSCALE_CACHE``, by default ``~/.cache/wscale``.

    Raises
    ------
    OSError
        There is no home directory.
    """
    own = os.environ.get("WSCALE_CACHE")
    root = own or os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        return Path(root).expanduser().absolute() / ("" if own else "wscale") / kind
    except RuntimeError as error:
        raise OSError(str(error)) from error


@contextmanager
def locked(file: Path) -> Iterator[bool]:
    """Hold a lock among this machine's processes; other hosts may not see it.

    Parameters
    ----------
    file : Path
        The lock's file; made where it is not there.

    Yields
    ------
    bool
        False on a file system without locks: nothing is held, and each process works for itself.
    """
    with file.open("a") as stream:
        try:
            import fcntl

            fcntl.flock(stream, fcntl.LOCK_EX)
        except (ImportError, OSError):
            yield False
        else:
            yield True
