"""The settled state of a cell: computed once per content, and read by every worker and later run.

A state is a file that NEURON's SaveState wrote, with notes beside it: what was measured while the
cell settled, and the file's SHA-256. It is kept in ``$WSCALE_CACHE/settled``.
"""

from __future__ import annotations

import hashlib
import json
import logging
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from wscale._util.cache import cache_folder, locked

__all__ = ["Notes", "is_settled", "settled_state"]

_logger = logging.getLogger(__name__)

Notes = dict[str, Any]


def settled_state(
    key: str, settle: Callable[[], Notes], save: Callable[[Path], None]
) -> tuple[Notes, Path | None]:
    """Return the notes on a settled state and its file; settle and save where there is none.

    Parameters
    ----------
    key : str
        Digest of all that decides the state.
    settle : callable
        Settles the cell in this process and returns the notes: what JSON can hold.
    save : callable
        Writes the state of this process to a file.

    Returns
    -------
    notes : dict
        What ``settle`` returned, here or in the process that settled first.
    file : Path or None
        The state; None where ``settle`` was called now, so that this process is in that state.

    Notes
    -----
    Any number of processes may call this at once: one settles, the others wait for it. A state that
    cannot be kept, on a full disk for example, is computed by each process, with a warning.
    """
    try:
        folder = cache_folder("settled")
        folder.mkdir(parents=True, exist_ok=True)
        state, notes_file = folder / f"{key}.state", folder / f"{key}.json"
        found = _read(state, notes_file)
        if found is not None:
            return found, state
        with locked(folder / f"{key}.lock"):
            found = _read(state, notes_file)
            if found is not None:
                return found, state
            notes = settle()
            _keep(notes, save, state, notes_file)
            return notes, None
    except OSError as error:
        _logger.warning("the settled state cannot be cached: %s", error)
    return settle(), None


def is_settled(key: str) -> bool:
    """Whether there is a settled state, whole, for a key."""
    try:
        folder = cache_folder("settled")
    except OSError:
        return False
    return _read(folder / f"{key}.state", folder / f"{key}.json") is not None


def _read(state: Path, notes_file: Path) -> Notes | None:
    """Return the notes where notes and state are whole, and belong together."""
    try:
        notes: Notes = json.loads(notes_file.read_text())
        whole = notes.pop("sha256") == hashlib.sha256(state.read_bytes()).hexdigest()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return notes if whole else None


def _keep(notes: Notes, save: Callable[[Path], None], state: Path, notes_file: Path) -> None:
    mark = uuid.uuid4().hex
    new_state = state.with_name(f".{mark}.state")
    new_notes = state.with_name(f".{mark}.json")
    try:
        save(new_state)
        digest = hashlib.sha256(new_state.read_bytes()).hexdigest()
        new_notes.write_text(json.dumps({**notes, "sha256": digest}))
        new_state.replace(state)
        new_notes.replace(notes_file)
    except (OSError, RuntimeError) as error:  # hoc's files raise RuntimeError
        _logger.warning("the settled state cannot be cached: %s", error)
    finally:
        for rest in (new_state, new_notes):
            with suppress(OSError):
                rest.unlink()
