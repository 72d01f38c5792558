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

from filelock import FileLock, Timeout

from wscale._util.cache import has_locks
from wscale.errors import ConfigError, option

__all__ = ["run_lock"]

# A run that has just taken the lock writes who it is within this time, s
_TO_WRITE_s = 0.5


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Hold a results folder; refuse if another run holds it.

    The lock is the system's, on the file ``.lock``: it ends with the process, however that ends.
    ``.run.json`` says who holds it; on a file system without locks, that decides: a run lives if
    its process does.

    Parameters
    ----------
    folder : Path
        The results folder; it exists.

    Raises
    ------
    ConfigError
        Another run is at work there, or the folder cannot be written.
    """
    who, lock = folder / ".run.json", FileLock(folder / ".lock")
    try:
        if has_locks(folder / ".lock"):
            lock.acquire(timeout=0.2, poll_interval=0.02)  # another may be trying whether it can
        elif _lives(_read(who)):
            raise Timeout(str(who))
    except Timeout:
        raise ConfigError(
            f"results folder {folder} is in use by another run{_described(who)}; wait for it, "
            f"end it, or choose another folder with {option('out')}"
        ) from None
    except OSError as error:
        raise ConfigError(
            f"results folder {folder} cannot be written: {error.strerror}; choose another with "
            f"{option('out')}"
        ) from error
    own = os.getpid()
    holder = {
        "pid": own,
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "started": _start_of(own),
    }
    with suppress(OSError):  # on a full disk the lock holds all the same
        who.write_text(json.dumps(holder))
    try:
        yield
    finally:
        with suppress(OSError):
            who.unlink()
        lock.release()


def _lives(holder: dict[str, Any]) -> bool:
    """Whether the process that holds a folder is there; on another host it may be."""
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


def _described(who: Path) -> str:
    """Return in words who holds the lock."""
    until = time.monotonic() + _TO_WRITE_s
    while not (holder := _read(who)) and time.monotonic() < until:
        time.sleep(0.02)
    if not holder:
        return ""
    return (
        f" (process {holder.get('pid')} on {holder.get('host')}, since {holder.get('since')}, UTC)"
    )


def _read(who: Path) -> dict[str, Any]:
    try:
        holder = json.loads(who.read_bytes())
    except (OSError, ValueError):
        return {}
    return holder if isinstance(holder, dict) else {}
