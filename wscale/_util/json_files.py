"""Files that users give, read whole, and JSON, with the place of what is wrong in it."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from wscale.errors import ConfigError, WscaleError

__all__ = ["parse_json", "read_bytes", "read_json", "user_path"]

_MOST_BYTES = 2**30
_MOST_LEVELS = 100  # a saved network has some ten


def read_bytes(path: str | Path, what: str, error: type[WscaleError] = ConfigError) -> bytes:
    """Read a regular file; pipes and devices, which may never end, are refused.

    Parameters
    ----------
    path : path
        The file; ``~`` is the home folder.
    what : str
        What messages call it, such as ``"settings file"``.
    error : type
        What is raised.

    Raises
    ------
    WscaleError
        Of the kind asked for: there is no such file, or it cannot be read.
    """
    file = user_path(path)
    try:
        with open(file, "rb", opener=_open_without_waiting) as opened:
            status = os.fstat(opened.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise error(f"{what} {file} cannot be read: it is a pipe or device, not a file")
            if status.st_size > _MOST_BYTES:
                raise error(
                    f"{what} {file} cannot be read: it has {status.st_size:,} bytes, and at most "
                    f"{_MOST_BYTES:,} are read"
                )
            return opened.read()
    except FileNotFoundError:
        raise error(f"there is no {what} {file}") from None
    except (OSError, ValueError) as problem:
        why = getattr(problem, "strerror", None) or problem
        raise error(f"{what} {file} cannot be read: {why}") from problem


def read_json(path: str | Path, what: str, error: type[WscaleError] = ConfigError) -> Any:
    """Read a JSON file in UTF-8, UTF-16 or UTF-32.

    Parameters
    ----------
    path, what, error
        As in :func:`read_bytes`.

    Raises
    ------
    WscaleError
        Of the kind asked for: it cannot be read, or is not JSON (with line and column).
    """
    content = read_bytes(path, what, error)
    try:
        return parse_json(content)
    except ValueError as problem:
        raise error(f"{what} {path} cannot be read as JSON: {problem}") from problem


def parse_json(text: str | bytes) -> Any:
    """Return what JSON says; nothing is nested without end or named twice.

    Raises
    ------
    ValueError
        Not JSON (``json.JSONDecodeError``, with line and column), or not to be used.

    Examples
    --------
    >>> parse_json('{"dt": 0.05}')
    {'dt': 0.05}
    >>> parse_json('{"dt": 0.05, "dt": 0.1}')
    Traceback (most recent call last):
        ...
    ValueError: 'dt' is given twice
    """
    try:
        value = json.loads(text, object_pairs_hook=_object)
    except RecursionError:
        value = None
        levels = _MOST_LEVELS + 1
    else:
        levels = _levels(value)
    if levels > _MOST_LEVELS:
        raise ValueError(f"it is nested more than {_MOST_LEVELS} levels deep")
    json.dumps(value, ensure_ascii=False).encode()  # halves of characters could not be printed
    return value


def user_path(path: str | Path) -> Path:
    """Return a path with ``~`` as the home folder, and as it is where there is no such user."""
    return Path(os.path.expanduser(path))  # noqa: PTH111  # Path's own would raise


def _open_without_waiting(file: str, flags: int) -> int:
    return os.open(file, flags | getattr(os, "O_NONBLOCK", 0))  # a pipe may have no writer yet


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} is given twice")
    return found


def _levels(value: Any) -> int:
    """Return how deep lists and objects are nested, without recursion."""
    levels, here = 0, [value]
    while here:
        inside = [part for part in here if isinstance(part, dict | list)]
        levels += bool(inside)
        here = [e for part in inside for e in (part.values() if isinstance(part, dict) else part)]
    return levels
