"""One run at a time on a results folder."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from wscale.errors import ConfigError

__all__ = ["run_lock"]


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
        stream = path.open("a+")
    except OSError as error:
        raise ConfigError(
            f"results folder {folder} cannot be written: {error.strerror}; choose another with "
            "--out"
        ) from error
    with stream:
        holder = _read(stream)
        if not _take(stream, holder):
            raise ConfigError(
                f"results folder {folder} is in use by another run (process {holder.get('pid')} on "
                f"{holder.get('host')}, since {holder.get('since')}); wait for it, end it, or "
                "choose another folder with --out"
            )
        who = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        _write(stream, json.dumps(who))
        try:
            yield
        finally:
            _write(stream, "")


def _take(stream: IO[str], holder: dict[str, Any]) -> bool:
    """Take the lock; False where another run has it."""
    try:
        import fcntl

        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        return not _lives(holder)
    return True


def _lives(holder: dict[str, Any]) -> bool:
    """Whether the process of a lock's file is there; on another host it may be."""
    if not holder or holder.get("pid") == os.getpid():
        return False
    if holder.get("host") != socket.gethostname():
        return True
    try:
        os.kill(int(holder["pid"]), 0)
    except (ProcessLookupError, KeyError, TypeError, ValueError):
        return False
    except PermissionError:
        return True
    return True


def _read(stream: IO[str]) -> dict[str, Any]:
    stream.seek(0)
    try:
        holder = json.loads(stream.read() or "{}")
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) else {}


def _write(stream: IO[str], text: str) -> None:
    with suppress(OSError):  # on a full disk the lock holds all the same
        stream.truncate(0)
        stream.write(text)
        stream.flush()
