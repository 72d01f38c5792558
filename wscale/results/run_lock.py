"""One run at a time on a results folder."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wscale.errors import ConfigError, option

__all__ = ["run_lock"]

_LONGEST = 1000  # of the file, bytes
# A run that has just taken the lock writes who it is within this time, s
_TO_WRITE_s = 0.5


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Hold a results folder; refuse where another run holds it.

    The lock is the system's, on the file ``.lock``: it ends with the process, however that ends.
    On a file system without locks, what the file says decides: a run lives if its process does.

    Parameters
    ----------
    folder : Path
        The results folder; it exists.

    Raises
    ------
    ConfigError
        Another run is at work there, or the folder cannot be written.
    """
    path = folder / ".lock"
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise ConfigError(
            f"results folder {folder} cannot be written: {error.strerror}; choose another with "
            f"{option('out')}"
        ) from error
    try:
        if not _take(file):
            raise ConfigError(
                f"results folder {folder} is in use by another run{_described(file)}; wait for it, "
                f"end it, or choose another folder with {option('out')}"
            )
        own = os.getpid()
        who = {
            "pid": own,
            "host": socket.gethostname(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
            "started": _start_of(own),
        }
        _write(file, json.dumps(who).encode())
        try:
            yield
        finally:
            _write(file, b"")
    finally:
        os.close(file)


def _take(file: int) -> bool:
    """Take the lock; False where another run has it."""
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        return not _lives(_read(file))
    return True


def _lives(holder: dict[str, Any]) -> bool:
    """Whether the process of a lock's file is there; on another host it may be."""
    if not holder:
        return False
    if holder.get("host") != socket.gethostname():
        return True
    try:
        pid = int(holder["pid"])
        os.kill(pid, 0)
    except PermissionError:
        pass
    except (OSError, KeyError, TypeError, ValueError, OverflowError):
        return False
    return _start_of(pid) == holder.get("started")  # else another process has got its number


def _start_of(pid: int) -> str | None:
    """Return when a process started, in the system's ticks; None where the system does not say."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


def _described(file: int) -> str:
    """Return in words who holds the lock."""
    until = time.monotonic() + _TO_WRITE_s
    while not (holder := _read(file)) and time.monotonic() < until:
        time.sleep(0.02)
    if not holder:
        return ""
    return (
        f" (process {holder.get('pid')} on {holder.get('host')}, since {holder.get('since')}, UTC)"
    )


def _read(file: int) -> dict[str, Any]:
    try:
        holder = json.loads(os.pread(file, _LONGEST, 0))
    except (OSError, ValueError):
        return {}
    return holder if isinstance(holder, dict) else {}


def _write(file: int, content: bytes) -> None:
    with suppress(OSError):  # on a full disk the lock holds all the same
        os.ftruncate(file, 0)
        os.pwrite(file, content, 0)
