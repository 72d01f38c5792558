"""The journal of a run: each finished site is in it at once, and found again by the next run.

A results folder has a journal for each table, ``journal/<label>.jsonl``. Its first line says what
is searched; every other line is the outcome of one site. Lines begin with the CRC-32 of what
follows, so that a line that was being written when the process died is known as such.
"""

from __future__ import annotations

import errno
import json
import os
import time
import zlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from wscale._util.files import make_folder
from wscale.errors import ConfigError, option
from wscale.results.identity import refuse_other
from wscale.results.run_lock import run_lock

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ["Journal", "Journals"]

Part = TypeVar("Part")

_FORMAT = 1
# What was written is on the disk itself after this time at most, s, with the half second in which
# the search looks after its journals
_SYNC_s = 0.5
# What fsync says of files that cannot be synced at all
_NO_FSYNC = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)


class Journals:
    """The journals of a results folder; a context manager, which one run has at a time.

    Parameters
    ----------
    folder : path
        The results folder; made where it is not there.
    fresh : bool
        Begin anew; an earlier journal is kept as ``<label>.jsonl.previous``.
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
    ...         [result] = solve(model, n_jobs=2, journals=journals)
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
        self._begun: set[Path] = set()
        self._stack = ExitStack()

    def __enter__(self) -> Journals:
        make_folder(self._root)
        with ExitStack() as stack:
            stack.enter_context(run_lock(self._root))
            make_folder(self.folder)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def folder(self) -> Path:
        """Where the journals are."""
        return self._root / "journal"

    @property
    def finished(self) -> int:
        """How many outcomes the journals of this run hold now."""
        paths = [self.folder / f"{label}.jsonl" for label in self._commands]
        return sum(max(path.read_bytes().count(b"\n") - 1, 0) for path in paths if path.is_file())

    def command(self, label: str) -> tuple[str, ...]:
        """Return the command that began a table's run, which may be an earlier one."""
        return self._commands.get(label, self._command)

    def check(self, label: str, identity: Mapping[str, Any]) -> None:
        """Raise ConfigError if the folder holds another run of the cell with this label."""
        path = self._path(label)
        if path.exists() and not (self._fresh and path not in self._begun):
            header, _ = _read(path)
            if header is not None:
                refuse_other(header, identity, path)

    def open(self, label: str, identity: Mapping[str, Any], part: type[Part]) -> Journal[Part]:
        """Return the journal of a cell, to be used as a context manager.

        Parameters
        ----------
        label : str
            Label of the cell, which names the file.
        identity : mapping
            All that decides the outcomes, plain data.
        part : type
            The dataclass of an outcome, with ``index`` and ``solution``.

        Raises
        ------
        ConfigError
            It is the journal of another run, or cannot be written.
        """
        path = self._path(label)
        if self._fresh and path not in self._begun and path.exists():
            try:
                path.replace(path.with_name(f"{path.name}.previous"))
            except OSError as error:
                raise _cannot_write(path, error) from error
        self._begun.add(path)
        journal = Journal(path, part, identity, self._command)
        if self._retry_failed:
            for index, kept in list(journal.parts.items()):
                if kept.solution.status == "failed":  # type: ignore[attr-defined]
                    del journal.parts[index]
        self._commands[label] = tuple(journal.command)
        return journal

    def _path(self, label: str) -> Path:
        return self.folder / f"{label}.jsonl"


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
                refuse_other(header, identity, path)
                self.command = header.get("command", command)
                self._load(lines)
        self._file = _opened(path)
        self._unsynced = False
        self._synced_at = time.monotonic()
        if self._size == 0:
            try:
                first = {"wscale_journal": _FORMAT, "command": list(command), **identity}
                self._append(json.dumps(first).encode())
                self.sync(now=True)
                _sync_folder(path.parent)
            except BaseException:
                os.close(self._file)
                raise

    def __enter__(self) -> Journal[Part]:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            self.sync(now=True)
        except ConfigError:
            if kind is None:  # else it would hide what went wrong before
                raise
        finally:
            os.close(self._file)

    def add(self, part: Part) -> None:
        """Append an outcome: safe now if this process dies, and within a second if the host does.

        Raises
        ------
        ConfigError
            The disk is full, or the file cannot be written any more; what it held is whole.
        """
        self._append(json.dumps(self._adapter.dump_python(part)).encode())
        self.sync()

    def sync(self, now: bool = False) -> None:
        """Let the disk have what was written, where that is half a second ago."""
        if self._unsynced and (now or time.monotonic() - self._synced_at >= _SYNC_s):
            try:
                os.fsync(self._file)
            except OSError as error:
                if error.errno not in _NO_FSYNC:
                    raise _cannot_write(self._path, error) from error
            self._unsynced, self._synced_at = False, time.monotonic()

    def _load(self, lines: Sequence[tuple[int, bytes | None]]) -> None:
        from pydantic import ValidationError

        for _, content in lines[1:]:
            if content is None:  # damaged: its site is searched again
                continue
            with suppress(ValidationError):
                part = self._adapter.validate_python(json.loads(content))
                self.parts[part.index] = part  # type: ignore[attr-defined]
        self._size = lines[-1][0]

    def _append(self, content: bytes) -> None:
        line = b"%08x %s\n" % (zlib.crc32(content), content)
        written = 0
        try:
            found = os.fstat(self._file)
            if found.st_nlink == 0:
                raise FileNotFoundError(errno.ENOENT, "it was removed during the run")
            if self._size < found.st_size:
                os.ftruncate(self._file, self._size)  # a line that was never finished
            while written < len(line):
                written += os.write(self._file, line[written:])
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file, self._size)
            raise _cannot_write(self._path, error) from error
        self._size += len(line)
        self._unsynced = True


@cache
def _adapter(part: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(part)


def _cannot_write(path: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"{path} cannot be written: {error.strerror}; the sites that are in it are safe: make room "
        "for more, and the same command continues"
    )


def _sync_folder(folder: Path) -> None:
    """Let the disk have a file's name, too; not every file system has that."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}; choose another folder with "
            f"{option('out')}"
        ) from error


def _read(path: Path) -> tuple[dict[str, Any] | None, list[tuple[int, bytes | None]]]:
    """Return the first line (None: no outcome follows it), and each line's end and content.

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
    header = None if first is None else json.loads(first)
    if not isinstance(header, dict) or header.get("wscale_journal") != _FORMAT:
        raise ConfigError(
            f"{path} is not a journal that this version of wscale can continue, or its first line "
            f"is damaged; begin anew with {option('fresh', True)}, or choose another folder with "
            f"{option('out')}"
        )
    if len(lines) == 1:  # no site was finished, so that there is nothing to keep to
        return None, []
    return header, lines
