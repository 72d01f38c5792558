"""The library of a folder of NMODL: the user's own, or one that is compiled once per content.

A folder of ``.mod`` files is compiled on first use into a cache (``$WSCALE_CACHE/mechanisms``, by
default ``~/.cache/wscale/mechanisms``); nothing is written into the folder. The cache may be
deleted at any time.
"""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from wscale._util.cache import cache_folder
from wscale.errors import MechanismError
from wscale.mechanisms.compiler import (
    LIBRARIES,
    build_library,
    build_lock,
    installed_neuron,
    library_in,
    neuron_version,
    site_packages,
)
from wscale.mechanisms.nmodl import listed, mechanism_names

__all__ = ["compile_mechanisms", "mechanisms_hash", "sources_of"]

_SOURCES = (".mod", ".inc", ".h", ".hpp")
_EXPECTED = "expected a folder of .mod files, or one that nrnivmodl has compiled"
# In a library: the folder of the pip NEURON that it was linked with
_LINKED_WITH = re.compile(rb"([^\0:]+)/neuron/\.data/lib[\0:]")

_logger = logging.getLogger(__name__)


def mechanisms_hash(folder: str | Path) -> str:
    """Return the SHA-256 of a mechanism folder, for provenance.

    Parameters
    ----------
    folder : str or Path
        Folder of ``.mod`` files, or anything else that :func:`compile_mechanisms` takes.

    Returns
    -------
    str
        Hexadecimal digest of the names and contents of the ``.mod``, ``.inc`` and header files;
        of the library where there is only a compiled one.

    Raises
    ------
    MechanismError
        There is no such folder, or no mechanism in it.
    """
    _, sources, library = _inspect(folder)
    if not sources and library is not None:
        sources = {library.name: library.read_bytes()}
    return _digest(sources)


def sources_of(folder: str | Path) -> dict[str, bytes]:
    """Return the .mod, .inc and header files of a mechanism folder, by name.

    Raises
    ------
    MechanismError
        There is no such folder, or no mechanism in it.
    """
    return dict(_inspect(folder)[1])


def compile_mechanisms(
    folder: str | Path, *, cache: str | Path | None = None, flags: Sequence[str] = ()
) -> Path:
    """Return the compiled library of a mechanism folder; compile it if that was not done yet.

    Parameters
    ----------
    folder : str or Path
        Folder of ``.mod`` files. A library that the user compiled in it is taken as it is, unless a
        source is newer, a mechanism is missing or it belongs to another NEURON version. The
        compiled folder itself (``x86_64``) and its library are accepted too.
    cache : str or Path, optional
        Where compiled libraries are kept. Default: the user's cache (see the module's text).
    flags : sequence of str
        Options for ``nrnivmodl``, such as ``["-incflags", "-O3 -march=native"]``, used where this
        function compiles. ``$CXX`` chooses the compiler.

    Returns
    -------
    Path
        The library. In the cache its path depends on the contents of the sources, on NEURON
        (version and place), on the kind of machine and on the flags.

    Raises
    ------
    MechanismError
        Nothing to compile, a ``.mod`` file is wrong, there is no compiler, the cache cannot be
        written, or a library without sources belongs to another NEURON version.

    Notes
    -----
    Any number of processes may call this at once: one compiles, the others wait for it.
    """
    if isinstance(flags, str):
        raise MechanismError(f"flags must be a list of options, such as {shlex.split(flags)}")
    path, sources, library = _inspect(folder)
    if library is not None:
        problem = _problem_of(library, path, sources)
        if problem is None:
            return library
        if not sources:
            raise MechanismError(
                f"{library} {problem}. Compile its .mod files with this environment's nrnivmodl, "
                f"or give the folder of the .mod files: wscale compiles them."
            )
        _logger.info("%s %s; compiling the .mod files instead", library, problem)
    _refuse_duplicates(path, sources)
    site = site_packages()
    machine = (sys.platform, platform.machine())
    key = _digest(sources, neuron_version(site), str(site), *machine, *flags)
    try:
        kept = cache_folder("mechanisms") if cache is None else Path(cache).expanduser().absolute()
        final = kept / key[:32]
        library = library_in(final)
        if library is None:
            kept.mkdir(parents=True, exist_ok=True)
            with build_lock(kept):
                library = library_in(final) or build_library(path, sources, final, site, flags)
            _logger.info("%s: %d files are compiled, into %s", path, len(sources), library)
        else:
            _logger.info("%s: compiled before, in %s", path, library)
    except OSError as error:
        raise MechanismError(
            f"Cannot keep compiled mechanisms: {error}. Set WSCALE_CACHE to a folder that can be "
            f"written (now {os.environ.get('WSCALE_CACHE', 'not set')})."
        ) from error
    return library


def _inspect(folder: str | Path) -> tuple[Path, dict[str, bytes], Path | None]:
    """Return the absolute path, the sources by name, and the library that the user compiled."""
    path = Path(folder).expanduser().absolute()
    if path.name in LIBRARIES and path.is_file():
        return path, {}, path
    if not path.is_dir():
        what = "is a file" if path.exists() else "does not exist"
        raise MechanismError(f"Mechanism folder {path} {what}; {_EXPECTED}.")
    try:
        sources = {
            file.name: file.read_bytes()
            for file in sorted(path.iterdir())
            if file.suffix in _SOURCES and not file.name.startswith(".") and not file.is_dir()
        }
    except OSError as error:
        raise MechanismError(f"Cannot read the mechanism folder {path}: {error}") from error
    library = library_in(path)
    if not any(name.endswith(".mod") for name in sources):
        sources = {}
        if library is None:
            inside = {file.parent.name for file in path.glob("*/*.mod")}
            raise MechanismError(
                f"{path} has no .mod files and no library for {platform.machine()}; {_EXPECTED}."
                + (f" Did you mean its folder {listed(inside)}?" if inside else "")
            )
    return path, sources, library


def _problem_of(library: Path, folder: Path, sources: Mapping[str, bytes]) -> str | None:
    """Say why a library that the user compiled cannot serve, or None if it can."""
    compiled = library.stat().st_mtime_ns
    newer = [name for name in sources if (folder / name).stat().st_mtime_ns > compiled]
    if newer:
        return f"is older than {listed(newer)}"
    data = library.read_bytes()
    holds = set(mechanism_names(data))  # empty where NEURON was built to leave the texts out
    lacking = {name for text in sources.values() for name in mechanism_names(text)} - holds
    if holds and lacking:
        return f"lacks {listed(lacking)}"
    for match in _LINKED_WITH.finditer(data):
        built_for = installed_neuron(Path(os.fsdecode(match[1])))
        this = neuron_version(site_packages())
        if built_for is not None and built_for.version != this:
            return f"was compiled for NEURON {built_for.version}, and this is NEURON {this}"
    return None


def _refuse_duplicates(folder: Path, sources: Mapping[str, bytes]) -> None:
    """Refuse one mechanism name in two files: nrnivmodl accepts it, loading the library fails."""
    first: dict[str, str] = {}
    for file, data in sources.items():
        for name in mechanism_names(data):
            if name in first:
                raise MechanismError(
                    f"{folder}: {first[name]} and {file} both define the mechanism {name}; "
                    f"remove or rename one of them."
                )
            first[name] = file


def _digest(files: Mapping[str, bytes], *more: str) -> str:
    digest = hashlib.sha256()
    parts = [part for name, data in files.items() for part in (name.encode(), data)]
    for part in [*parts, *(text.encode() for text in more)]:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()
