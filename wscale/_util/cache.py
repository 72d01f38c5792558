"""The cache: its folders, and locks among processes."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from wscale._util.announce import waits

__all__ = ["cache_folder", "has_locks", "locked"]

_POLL_s = 0.05


def cache_folder(kind: str) -> Path:
    """Return the folder of one kind of cached things: ``mechanisms`` or ``settled``.

    Parameters
    ----------
    kind : str
        Name of the folder in ``$WSCALE_CACHE``; by default in the user's cache folder,
        ``~/.cache/wscale`` on Linux.

    Raises
    ------
    OSError
        There is no home directory.
    """
    root = os.environ.get("WSCALE_CACHE")
    if not root:
        from platformdirs import user_cache_path

        root = str(user_cache_path("wscale", appauthor=False))
    try:
        return Path(root).expanduser().absolute() / kind
    except RuntimeError as error:
        raise OSError(str(error)) from error


@contextmanager
def locked(file: Path, waiting: Callable[[float], None] | None = None) -> Iterator[bool]:
    """Hold a lock among this machine's processes; other hosts may not see it.

    Parameters
    ----------
    file : Path
        The lock's file; made if it does not exist.
    waiting : callable, optional
        Called every few seconds while another process holds the lock, with the time since when, s.

    Yields
    ------
    bool
        False on a file system without locks: nothing is held, and each process works for itself.

    Notes
    -----
    Signals are handled while this waits, and :func:`wscale._util.announce.cancel_waits` ends it in
    other threads.
    """
    if not has_locks(file):
        yield False
        return
    from filelock import FileLock, Timeout

    lock = FileLock(file)
    for step_s in waits(waiting or (lambda since_s: None)):
        with suppress(Timeout):
            lock.acquire(timeout=step_s, poll_interval=_POLL_s)
            break
    try:
        yield True
    finally:
        lock.release()


def has_locks(file: Path) -> bool:
    """Whether a file can be locked; filelock may wait for ever where it cannot."""
    with file.open("a") as stream:
        try:
            import fcntl

            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:
            return os.name == "nt"
        except OSError as error:
            return error.errno in (errno.EAGAIN, errno.EACCES)
    return True
