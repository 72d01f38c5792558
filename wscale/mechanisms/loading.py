"""Loading a folder of NMODL into NEURON, and which mechanisms NEURON has in this process.

A process holds one set of mechanisms, since NEURON cannot unload them.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from wscale.errors import MechanismError, OtherMechanismsError
from wscale.mechanisms.compiler import neuron_version, site_packages
from wscale.mechanisms.library import Library, library_of
from wscale.mechanisms.nmodl import listed, mechanism_names

__all__ = [
    "available_mechanisms",
    "import_neuron",
    "kind_of",
    "load_mechanisms",
    "load_needed",
    "parameters_of",
    "texts_of_mechanisms",
]

# In a library: the paths of the sources that it was compiled from
_INCLUDE_PATH = re.compile(rb":::realpath [^\n]*")

# The libraries that this process has loaded, with their folders: none or one
_loaded: dict[Path, tuple[str, Library]] = {}


def import_neuron() -> Any:
    """Import NEURON and return its ``h``; without a display, it does not say so in each process."""
    if sys.platform == "linux" and not os.environ.get("DISPLAY"):
        os.environ.setdefault("NEURON_MODULE_OPTIONS", "-nogui")
    from neuron import h

    return h


def load_mechanisms(
    folder: str | Path, *, cache: str | Path | None = None, flags: Sequence[str] = ()
) -> Path:
    """Load a mechanism folder into NEURON in this process, compiling it if needed.

    Loading the same mechanisms again does nothing. Mechanisms that NEURON loaded by itself, from
    the directory where Python was started, are accepted if they are the folder's, word for word.

    Parameters
    ----------
    folder, cache, flags
        As for :func:`wscale.mechanisms.library.compile_mechanisms`.

    Returns
    -------
    Path
        A library that holds the mechanisms.

    Raises
    ------
    MechanismError
        As for :func:`wscale.mechanisms.library.compile_mechanisms`; or this process holds other
        mechanisms already, one has the name of a mechanism of NEURON itself, or NEURON cannot load
        the library.
    """
    compiled = library_of(folder, cache=cache, flags=flags)
    library = _load(folder, compiled)
    assert library is not None  # a folder without .mod files and library is refused
    return library


def load_needed(folder: str | Path, needs: Collection[str] | None = None) -> None:
    """Load what is needed of a mechanism folder into NEURON in this process.

    Parameters
    ----------
    folder : str or Path
        As for :func:`wscale.mechanisms.library.compile_mechanisms`.
    needs : collection of str, optional
        Names of mechanisms; only these are compiled, with the files that theirs need. By default
        all that compile.

    Raises
    ------
    CompileError
        A file that is needed does not compile.
    MechanismError
        As for :func:`load_mechanisms`.
    """
    held = [library for _, library in _loaded.values()]
    compiled = library_of(folder, needs, leave_out=needs is None, held=held)
    if needs is not None and compiled.path is not None and not _resolves(compiled.path):
        # C code that refers to another file in a way that was not seen: take all files
        compiled = library_of(folder, leave_out=True)
    _load(folder, compiled)


def _resolves(library: Path) -> bool:
    """Whether all symbols of a library are there."""
    import_neuron()
    try:
        ctypes.CDLL(str(library))
    except OSError:
        return False
    return True


def _load(folder: str | Path, compiled: Library) -> Path | None:
    if compiled.path is None:
        return None
    library = compiled.path.resolve()
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
    if _loaded:
        raise OtherMechanismsError(
            f"Cannot load the mechanisms of {folder}: this process has loaded those of "
            f"{listed(folder for folder, _ in _loaded.values())}, and NEURON cannot unload them. "
            f"A process holds one set; use a fresh process for another, or for files that were "
            f"edited since."
        )
    if others:
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
    _loaded[library] = (str(folder), replace(compiled, path=library))
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


def texts_of_mechanisms() -> dict[str, bytes]:
    """Return the text of the .mod file of each mechanism that NEURON has, by name.

    Examples
    --------
    >>> b"NONSPECIFIC_CURRENT i" in texts_of_mechanisms()["pas"]
    True
    """
    return {name: text.encode() for name, (_, text) in _registered().items()}


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
    """Say why mechanisms cannot be loaded in addition to those that NEURON loaded by itself."""
    places = listed({str(Path(file).parent) for file in others.values()})
    return (
        f"Cannot load the mechanisms of {folder}: NEURON holds others, or other versions of them, "
        f"already: {listed(others)} (compiled from {places}). NEURON loads the compiled folder "
        f"{platform.machine()} of the directory where Python starts (now in {Path.cwd()}), and of "
        f"NRN_NMODL_PATH, by itself: remove that folder, or run elsewhere."
    )
