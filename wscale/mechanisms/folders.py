"""The NMODL of a model: of one folder or several, without what is excluded or does not compile."""

from __future__ import annotations

import hashlib
import shutil
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from wscale._util.cache import cache_folder
from wscale.errors import MechanismError, option
from wscale.mechanisms.library import library_of, sources_of, try_again, without
from wscale.mechanisms.nmodl import listed

__all__ = ["ModFolders", "choose_folders", "gather", "prepare_folders"]


@dataclass(frozen=True)
class ModFolders:
    """Mechanisms of one folder or several.

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


def choose_folders(
    folders: Sequence[str | Path], exclude: Sequence[str] = (), *, recompile: bool = False
) -> ModFolders:
    """Gather the mechanisms of folders without what is excluded; nothing is compiled.

    Parameters
    ----------
    folders, exclude, recompile
        As for :func:`prepare_folders`.

    Raises
    ------
    MechanismError
        No such folder, two files of one name that differ, or a pattern that no file has.
    """
    paths = [Path(folder).expanduser().absolute() for folder in folders]
    sources = _sources(paths)
    if recompile:
        try_again(sources)
    excluded = _excluded(sources, exclude)
    folder = paths[0] if len(paths) == 1 and not excluded else gather(without(sources, excluded))
    notices = [f"{listed(excluded)}: left out as asked"] if excluded else []
    return ModFolders(str(folder), tuple(map(str, paths)), tuple(notices))


def prepare_folders(
    folders: Sequence[str | Path], exclude: Sequence[str] = (), *, recompile: bool = False
) -> ModFolders:
    """Compile all mechanisms of folders; leave out what is excluded and what does not compile.

    Parameters
    ----------
    folders : sequence of path
        Folders of ``.mod`` files.
    exclude : sequence of str
        File names or shell-style patterns of files to leave out, with or without ``.mod``.
    recompile : bool
        Try again what did not compile in an earlier run.

    Returns
    -------
    ModFolders
        A file that does not compile is left out with a notice that has the compiler's reason; if
        the cell or a synapse needs it, the check of the model says so.

    Raises
    ------
    MechanismError
        No such folder, two files of one name that differ, a pattern that no file has, nothing
        that compiles, or no compiler.
    """
    chosen = choose_folders(folders, exclude, recompile=recompile)
    key = (*chosen.searched, *exclude, _digest(sources_of(chosen.folder)))
    with _one_at_a_time:  # what does not compile is tried once, whatever the number of cells
        if key not in _prepared or recompile:
            _prepared[key] = _prepare(chosen)
        return _prepared[key]


def _prepare(chosen: ModFolders) -> ModFolders:
    library = library_of(chosen.folder, leave_out=True)
    if not library.failed:
        return chosen
    left_out = [
        f"{name}: left out, since it does not compile: {why}"
        for name, why in library.failed.items()
    ]
    folder = gather(dict(library.sources))
    return replace(chosen, folder=str(folder), notices=(*chosen.notices, *left_out))


def _sources(paths: Sequence[Path]) -> dict[str, bytes]:
    sources: dict[str, bytes] = {}
    origin: dict[str, Path] = {}
    for path in paths:
        for name, data in sources_of(path).items():
            if sources.setdefault(name, data) != data:
                raise MechanismError(
                    f"{path / name} differs from {origin[name] / name}; give one of the two "
                    "folders, rename one of the files, or leave both out with "
                    f"{option('mod_exclude')}"
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
                f"{option('mod_exclude', pattern)}: there is no such file among {listed(sources)}"
            )
        excluded += names
    return list(dict.fromkeys(excluded))


def gather(sources: dict[str, bytes], kind: str = "gathered") -> Path:
    """Write sources, by name, into a folder of the cache whose name comes from their content."""
    try:
        final = cache_folder(kind) / _digest(sources)[:32]
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
            f"Cannot keep NMODL files: {error}. Set WSCALE_CACHE to a folder that can be written."
        ) from error
    return final


def _digest(sources: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, data in sorted(sources.items()):
        digest.update(f"{name}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()
