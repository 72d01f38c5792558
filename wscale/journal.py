"""The journal of a run: each finished site is in it at once, and found again by the next run.

A results folder has a journal for each table, ``journal/<label>.jsonl``. Its first line says what
is searched; every other line is the outcome of one site. Lines begin with the CRC-32 of what
follows, so that a line that was being written when the process died is known as such.
"""

from __future__ import annotations

import json
import os
import platform
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from wscale._version import __version__
from wscale.errors import ConfigError
from wscale.runlock import run_lock
from wscale.store import content_hashes, make_folder
from wscale.worker import Cell

if TYPE_CHECKING:
    from wscale.plan import Search

__all__ = ["Journal", "Journals"]

Part = TypeVar("Part")

_FORMAT = 1
# What was written is on the disk itself after this time at most, s, with the half second in which
# the search looks after its journals
_SYNC_s = 0.5
# At most so many differences of two runs are told
_TOLD = 5


class Journals:
    """The journals of a results folder; a context manager, which one run has at a time.

    Parameters
    ----------
    folder : path
        The results folder; made where it is not there.
    fresh : bool
        Begin anew; an earlier journal is kept as ``<label>.previous.jsonl``.
    retry_failed : bool
        Search sites again whose outcome is ``failed``.
    command : sequence of str
        What the user called, for the provenance.

    Raises
    ------
    ConfigError
        The folder cannot be written, or another run is at work there.

    Examples
    --------
    >>> import tempfile
    >>> from wscale import Journals, Model, solve
    >>> model = Model.from_folder(".", "PV_simple", {"dt": 0.05})
    >>> folder = tempfile.mkdtemp()
    >>> for _ in range(2):  # the second time, nothing is simulated
    ...     with Journals(folder) as journals:
    ...         [result] = solve(model, jobs=2, journals=journals)
    >>> result.trials
    4
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        fresh: bool = False,
        retry_failed: bool = False,
        command: Sequence[str] = (),
    ) -> None:
        self._root = Path(folder)
        self._fresh, self._retry_failed = fresh, retry_failed
        self._command = tuple(command)
        self._commands: dict[str, tuple[str, ...]] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Journals:
        make_folder(self._root)
        self._stack.enter_context(run_lock(self._root))
        make_folder(self.folder)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def folder(self) -> Path:
        """Where the journals are."""
        return self._root / "journal"

    def command(self, label: str) -> tuple[str, ...]:
        """Return the command that began a table's run, which may be an earlier one."""
        return self._commands.get(label, self._command)

    def check(self, searches: Sequence[Search[Any, Any]]) -> None:
        """Raise ConfigError where the folder holds another run of a cell."""
        for search in searches:
            for cell in search.cells:
                path = self._path(cell)
                if not self._fresh and path.exists():
                    header, _ = _read(path)
                    if header is not None:
                        _compare(header, _identity(search, cell), path)

    def open(self, search: Search[Part, Any], cell: Cell) -> Journal[Part]:
        """Return the journal of a cell, to be used as a context manager.

        Raises
        ------
        ConfigError
            It is the journal of another run, or cannot be written.
        """
        path = self._path(cell)
        if self._fresh and path.exists():
            path.replace(path.with_suffix(".previous.jsonl"))
        journal = Journal(path, search.part, _identity(search, cell), self._command)
        if self._retry_failed:
            for index, part in list(journal.parts.items()):
                if part.solution.status == "failed":  # type: ignore[attr-defined]
                    del journal.parts[index]
        self._commands[cell.model.label] = tuple(journal.command)
        return journal

    def _path(self, cell: Cell) -> Path:
        return self.folder / f"{cell.model.label}.jsonl"


class Journal(Generic[Part]):
    """The outcomes of one cell's sites, in a file that only grows.

    Attributes
    ----------
    parts : dict
        Outcomes that the file had, by the site's index.
    command : sequence of str
        What began it.
    """

    def __init__(
        self, path: Path, part: type[Part], identity: Mapping[str, Any], command: Sequence[str]
    ) -> None:
        self._path = path
        self._adapter: TypeAdapter[Part] = _adapter(cast(Any, part))
        self.command: Sequence[str] = command
        self.parts: dict[int, Part] = {}
        self._size = 0
        if path.exists():
            header, lines = _read(path)
            if header is not None:
                _compare(header, identity, path)
                self.command = header["command"]
                self._load(lines)
        self._file = _opened(path)
        self._unsynced = False
        self._synced_at = time.monotonic()
        if self._size == 0:
            first = {"wscale_journal": _FORMAT, "command": list(command), **identity}
            self._append(json.dumps(first).encode())
            self.sync(now=True)

    def __enter__(self) -> Journal[Part]:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self.sync(now=True)
        os.close(self._file)

    def add(self, part: Part) -> None:
        """Append an outcome: safe now if this process dies, and within a second if the host does.

        Raises
        ------
        ConfigError
            The disk is full, or the file cannot be written any more; what it held is whole.
        """
        self._append(self._adapter.dump_json(part))
        self.sync()

    def sync(self, now: bool = False) -> None:
        """Let the disk have what was written, where that is half a second ago."""
        if self._unsynced and (now or time.monotonic() - self._synced_at >= _SYNC_s):
            try:
                os.fsync(self._file)
            except OSError as error:
                raise self._cannot_write(error) from error
            self._unsynced, self._synced_at = False, time.monotonic()

    def _load(self, lines: Sequence[tuple[int, bytes | None]]) -> None:
        for _, content in lines[1:]:
            with suppress(ValidationError):  # a damaged line: its site is searched again
                part = self._adapter.validate_json(content or b"")
                self.parts[part.index] = part  # type: ignore[attr-defined]
        self._size = lines[-1][0]

    def _append(self, content: bytes) -> None:
        line = b"%08x %s\n" % (zlib.crc32(content), content)
        written = 0
        try:
            if self._size < os.fstat(self._file).st_size:
                os.ftruncate(self._file, self._size)  # a line that was never finished
            while written < len(line):
                written += os.write(self._file, line[written:])
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file, self._size)
            raise self._cannot_write(error) from error
        self._size += len(line)
        self._unsynced = True

    def _cannot_write(self, error: OSError) -> ConfigError:
        return ConfigError(
            f"{self._path} cannot be written: {error.strerror}; the sites that are in it are safe: "
            "make room, and the same command continues"
        )


@cache
def _adapter(part: Any) -> TypeAdapter[Any]:
    return TypeAdapter(part)


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}; choose another folder with --out"
        ) from error


def _read(path: Path) -> tuple[dict[str, Any] | None, list[tuple[int, bytes | None]]]:
    """Return the first line (None: there is no whole one), and each line's end and content.

    The content of a line that is damaged is None.
    """
    try:
        whole, newline, _ = path.read_bytes().rpartition(b"\n")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    lines, end = [], 0
    for line in whole.split(b"\n") if newline else ():
        end += len(line) + 1
        crc, _, content = line.partition(b" ")
        lines.append((end, content if crc == b"%08x" % zlib.crc32(content) else None))
    if not lines:
        return None, []
    first = lines[0][1]
    header: dict[str, Any] = {} if first is None else json.loads(first)
    if header.get("wscale_journal") != _FORMAT:
        raise ConfigError(
            f"{path} is not a journal that this version of wscale can continue, or its first line "
            "is damaged; begin anew with --fresh, or choose another folder with --out"
        )
    return header, lines


# ---------------------------------------------------------------------- what a run is


def _identity(search: Search[Any, Any], cell: Cell) -> dict[str, Any]:
    """Return all that decides the outcomes of a cell, as JSON holds it."""
    setting = search.setting
    identity = {
        "method": search.method,
        "cell": cell.model.cell,
        "sha256": content_hashes(cell.model),
        "cfg": cell.model.cfg,
        "sites": [f"{site.sec}({site.loc!r})" for site in cell.sites],
        "targets_mV": list(cell.targets_mV),
        "protocol": asdict(cell.protocol),
        **asdict(setting),
        "versions": {
            "wscale": __version__,
            **{package: version(package) for package in ("netpyne", "neuron", "numpy", "scipy")},
            "machine": platform.machine(),
        },
    }
    plain: dict[str, Any] = json.loads(json.dumps(identity))
    return plain


def _compare(header: Mapping[str, Any], identity: Mapping[str, Any], path: Path) -> None:
    """Raise ConfigError with the differences where a journal is that of another run."""
    there = {key: header.get(key) for key in identity}
    here = dict(identity)
    if there["sha256"] == here["sha256"]:
        del there["cfg"], here["cfg"]  # they differ in nothing that is simulated
    differences = list(_differences(there, here))
    if differences:
        told = "; ".join(differences[:_TOLD])
        more = f"; and {len(differences) - _TOLD} more" if len(differences) > _TOLD else ""
        raise ConfigError(
            f"{path} is of another run: {told}{more}. Choose another folder with --out, or begin "
            "anew with --fresh"
        )


def _differences(there: Any, here: Any, name: str = "") -> Iterator[str]:
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        for key in dict.fromkeys([*there, *here]):
            yield from _differences(
                there.get(key), here.get(key), f"{name}.{key}".removeprefix(".")
            )
    elif there != here:
        if name.startswith("sha256."):
            yield f"another {name.removeprefix('sha256.')} (its content has changed)"
        elif isinstance(there, list) and isinstance(here, list) and len(there) + len(here) > 8:
            yield f"{name} is another list (of {len(there)} there, of {len(here)} here)"
        else:
            yield f"{name} is {_short(there)} there, {_short(here)} here"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
