"""The NMODL of a model: of one folder or several, without what is excluded or does not compile."""

from __future__ import annotations

import hashlib
import shutil
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from wscale._util.cache import cache_folder
from wscale.errors import CompileError, MechanismError
from wscale.mechanisms.library import compile_mechanisms, sources_of
from wscale.mechanisms.nmodl import listed

__all__ = ["ModFolders", "gather", "prepare_folders"]


@dataclass(frozen=True)
class ModFolders:
    """Mechanisms that are ready to load.

    Parameters
    ----------
    folder : str
        Where they are: the one folder that was given, or one that has files of several.
    searched : tuple of str
        The folders that were given.
    notices : tuple of str
        Which files were left out, and why.
    """

    folder: str
    searched: tuple[str, ...]
    notices: tuple[str, ...] = ()


_prepared: dict[tuple[str, ...], ModFolders] = {}
_one_at_a_time = threading.Lock()


def prepare_folders(folders: Sequence[str | Path], exclude: Sequence[str] = ()) -> ModFolders:
    """Compile the mechanisms of folders; leave out what is excluded and what does not compile.

    Parameters
    ----------
    folders : sequence of path
        Folders of ``.mod`` files.
    exclude : sequence of str
        File names or shell-style patterns of files to leave out, with or without ``.mod``.

    Returns
    -------
    ModFolders
        A file that does not compile is left out with a notice that has the compiler's reason:
        where the cell or a synapse needs it, the check of the model says so.

    Raises
    ------
    MechanismError
        No such folder, two files of one name that differ, a pattern that no file has, nothing
        that compiles, or no compiler.
    """
    paths = [Path(folder).expanduser().absolute() for folder in folders]
    sources = _sources(paths)
    key = (*map(str, paths), *exclude, _digest(sources))
    with _one_at_a_time:  # what does not compile is tried once, whatever the number of cells
        if key not in _prepared:
            _prepared[key] = _prepare(paths, sources, exclude)
        return _prepared[key]


def _prepare(
    paths: Sequence[Path], sources: dict[str, bytes], exclude: Sequence[str]
) -> ModFolders:
    notices = []
    excluded = _excluded(sources, exclude)
    for name in excluded:
        del sources[name]
    if excluded:
        notices.append(f"{listed(excluded)}: left out as asked")
    folder = paths[0] if len(paths) == 1 and not excluded else gather(sources)
    while True:
        try:
            compile_mechanisms(folder)
        except CompileError as error:
            if len(error.files) >= sum(name.endswith(".mod") for name in sources):
                raise
            for name, reason in error.files.items():
                notices.append(f"{name}: left out, since it does not compile: {reason}")
                del sources[name]
            folder = gather(sources)
        else:
            searched = tuple(str(path) for path in paths)
            return ModFolders(str(folder), searched, tuple(notices))


def _sources(paths: Sequence[Path]) -> dict[str, bytes]:
    sources: dict[str, bytes] = {}
    origin: dict[str, Path] = {}
    for path in paths:
        for name, data in sources_of(path).items():
            if sources.setdefault(name, data) != data:
                raise MechanismError(
                    f"{path / name} differs from {origin[name] / name}; give one of the two "
                    "folders, rename one of the files, or leave both out with --mod-exclude"
                )
            origin.setdefault(name, path)
    return sources


def _excluded(sources: dict[str, bytes], patterns: Sequence[str]) -> list[str]:
    excluded = []
    for pattern in patterns:
        names = [
            name
            for name in sources
            if fnmatchcase(name, pattern) or fnmatchcase(name.removesuffix(".mod"), pattern)
        ]
        if not names:
            raise MechanismError(
                f"--mod-exclude {pattern!r}: there is no such file among {listed(sources)}"
            )
        excluded += names
    return list(dict.fromkeys(excluded))


def gather(sources: dict[str, bytes]) -> Path:
    """Write sources, by name, into a folder of the cache whose name comes from their content."""
    try:
        final = cache_folder("gathered") / _digest(sources)[:32]
        if not final.is_dir():
            new = final.with_name(f".{uuid.uuid4().hex}")
            new.mkdir(parents=True)
            for name, data in sources.items():
                (new / name).write_bytes(data)
            try:
                new.rename(final)
            except OSError:  # another process was faster
                shutil.rmtree(new)
    except OSError as error:
        raise MechanismError(
            f"Cannot gather mechanisms: {error}. Set WSCALE_CACHE to a folder that can be written."
        ) from error
    return final


def _digest(sources: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, data in sorted(sources.items()):
        digest.update(f"{name}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()
