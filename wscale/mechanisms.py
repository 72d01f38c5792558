"""Compiling a folder of NMODL once per content, and loading it into NEURON.

A folder of ``.mod`` files is compiled on first use into a cache (``$WSCALE_CACHE/mechanisms``, by
default ``~/.cache/wscale/mechanisms``); nothing is written into the folder. A process holds one
set of mechanisms, since NEURON cannot unload them. The cache may be deleted at any time.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import platform
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wscale.cache import cache_folder
from wscale.compiler import (
    LIBRARIES,
    build_library,
    build_lock,
    installed_neuron,
    library_in,
    neuron_version,
    site_packages,
)
from wscale.errors import MechanismError
from wscale.nmodl import listed, mechanism_names

__all__ = [
    "available_mechanisms",
    "compile_mechanisms",
    "import_neuron",
    "kind_of",
    "load_mechanisms",
    "mechanisms_hash",
    "parameters_of",
    "sources_of",
]

_SOURCES = (".mod", ".inc", ".h", ".hpp")
_EXPECTED = "expected a folder of .mod files, or one that nrnivmodl has compiled"
# In a library: the folder of the pip NEURON that it was linked with, and the paths of its sources
_LINKED_WITH = re.compile(rb"([^\0:]+)/neuron/\.data/lib[\0:]")
_INCLUDE_PATH = re.compile(rb":::realpath [^\n]*")

_loaded: dict[Path, str] = {}  # the library that this process has loaded, if any: its folder
_logger = logging.getLogger(__name__)


def import_neuron() -> Any:
    """Import NEURON and return its ``h``; without a display, it does not say so in each process."""
    if sys.platform == "linux" and not os.environ.get("DISPLAY"):
        os.environ.setdefault("NEURON_MODULE_OPTIONS", "-nogui")
    from neuron import h

    return h


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


def load_mechanisms(
    folder: str | Path, *, cache: str | Path | None = None, flags: Sequence[str] = ()
) -> Path:
    """Load a mechanism folder into NEURON in this process, compiling it if needed.

    Loading the same mechanisms again does nothing. Mechanisms that NEURON loaded by itself, from
    the directory where Python was started, are accepted if they are the folder's, word for word.

    Parameters
    ----------
    folder, cache, flags
        As for :func:`compile_mechanisms`.

    Returns
    -------
    Path
        A library that holds the mechanisms.

    Raises
    ------
    MechanismError
        As for :func:`compile_mechanisms`; or this process holds other mechanisms already, one has
        the name of a mechanism of NEURON itself, or NEURON cannot load the library.
    """
    library = compile_mechanisms(folder, cache=cache, flags=flags).resolve()
    if library in _loaded:
        return library
    h = import_neuron()

    data = _INCLUDE_PATH.sub(b"", library.read_bytes())
    names = set(mechanism_names(data))
    present = _registered()
    others = {name: file for name, (file, _) in present.items() if not _is_built_in(file)}
    texts = {name: _INCLUDE_PATH.sub(b"", present[name][1].encode()) for name in others}
    if names and all(texts.get(name) and texts[name] in data for name in names):
        return library
    if others or _loaded:
        raise MechanismError(_refusal(folder, others))
    if clash := names & present.keys():
        raise MechanismError(
            f"{folder}: NEURON has a mechanism of its own named {listed(clash)}. "
            f"Give the one in the .mod file another name (SUFFIX or POINT_PROCESS)."
        )
    try:
        ctypes.CDLL(str(library))  # resolves every symbol; NEURON would only print what is missing
        loaded = h.nrn_load_dll(str(library))
    except (OSError, RuntimeError) as error:
        version = neuron_version(site_packages())
        raise MechanismError(
            f"NEURON {version} cannot load {library}: {error}. Either it was "
            f"compiled for another version of NEURON or another machine (then remove it, and give "
            f"wscale the .mod files), or a VERBATIM block calls a function that does not exist."
        ) from error
    if not loaded:
        raise MechanismError(f"NEURON cannot load {library}: not a library of mechanisms.")
    _loaded[library] = str(folder)
    return library


def available_mechanisms() -> tuple[str, ...]:
    """Return the names of all mechanisms and point processes that NEURON has in this process.

    Returns
    -------
    tuple of str
        Suffixes, then names of point processes and artificial cells, in NEURON's own order.

    Examples
    --------
    >>> {"hh", "pas", "IClamp", "NetStim"} <= set(available_mechanisms())
    True
    """
    return tuple(_registered())


def parameters_of(mechanism: str) -> frozenset[str]:
    """Return the names that can be set of a mechanism or point process, without its suffix.

    Parameters
    ----------
    mechanism : str
        One of :func:`available_mechanisms`.

    Examples
    --------
    >>> sorted(parameters_of("pas") - {"i"})
    ['e', 'g']
    """
    h = import_neuron()
    standard, name, found = h.MechanismStandard(mechanism, 0), h.ref(""), set()
    for index in range(int(standard.count())):
        standard.name(name, index)
        found.add(name[0].removesuffix(f"_{mechanism}"))
    return frozenset(found)


def kind_of(mechanism: str) -> str:
    """Return what a mechanism is.

    Parameters
    ----------
    mechanism : str
        One of :func:`available_mechanisms`.

    Returns
    -------
    str
        ``density mechanism``; ``synapse``, a point process that receives events;
        ``point process``, one that does not; or ``artificial cell``.

    Examples
    --------
    >>> kind_of("pas"), kind_of("ExpSyn"), kind_of("IClamp"), kind_of("NetStim")
    ('density mechanism', 'synapse', 'point process', 'artificial cell')
    """
    h = import_neuron()
    points, name = h.MechanismType(1), h.ref("")
    for index in range(int(points.count())):
        points.select(index)
        points.selected(name)
        if name[0] == mechanism:
            if points.is_artificial(index):
                return "artificial cell"
            return "synapse" if points.is_netcon_target(index) else "point process"
    return "density mechanism"


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


def _registered() -> dict[str, tuple[str, str]]:
    """Return the .mod file and its text, by name, of all mechanisms that NEURON has."""
    h = import_neuron()

    found: dict[str, tuple[str, str]] = {}
    name = h.ref("")
    for kind in (0, 1):  # density mechanisms, point processes
        types = h.MechanismType(kind)
        for index in range(int(types.count())):
            types.select(index)
            types.selected(name)
            found[name[0]] = (types.file(), types.code())
    return found


def _is_built_in(file: str) -> bool:
    """Tell NEURON's own mechanisms: not from a file, or from the nrnoc folder of its sources."""
    return not file or Path(file).parent.name == "nrnoc"


def _refusal(folder: str | Path, others: Mapping[str, str]) -> str:
    """Say why a second set of mechanisms cannot be loaded."""
    if _loaded:
        return (
            f"Cannot load the mechanisms of {folder}: this process has loaded those of "
            f"{listed(_loaded.values())}, and NEURON cannot unload them. A process holds one set; "
            f"use a fresh process for another, or for files that were edited since."
        )
    places = listed({str(Path(file).parent) for file in others.values()})
    return (
        f"Cannot load the mechanisms of {folder}: NEURON holds others, or other versions of them, "
        f"already: {listed(others)} (compiled from {places}). NEURON loads the compiled folder "
        f"{platform.machine()} of the directory where Python starts (now in {Path.cwd()}), and of "
        f"NRN_NMODL_PATH, by itself: remove that folder, or run elsewhere."
    )
