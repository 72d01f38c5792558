"""The library of a folder of NMODL: the user's own, or one that is compiled once per content.

A folder of ``.mod`` files is compiled on first use into a cache (``$WSCALE_CACHE/mechanisms``, by
default ``~/.cache/wscale/mechanisms``); nothing is written into the folder. The cache may be
deleted at any time. It holds the libraries of folders and of those parts of them that cells needed,
each under a key that comes from the sources' content; what does not compile (``failed``); and a
lock for each key (``locks``).
"""

from __future__ import annotations

import codecs
import hashlib
import logging
import os
import platform
import re
import shlex
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from wscale._util.cache import cache_folder
from wscale.errors import CompileError, MechanismError
from wscale.mechanisms.compiler import (
    LIBRARIES,
    build_library,
    build_lock,
    installed_neuron,
    library_in,
    neuron_version,
    site_packages,
)
from wscale.mechanisms.declarations import needed_files
from wscale.mechanisms.failures import (
    Failure,
    failures_among,
    forget_failures,
    keep_failure,
    known_failure,
)
from wscale.mechanisms.nmodl import failure_head, listed, mechanism_names

__all__ = [
    "Library",
    "compile_mechanisms",
    "failures_of",
    "has_nmodl",
    "is_compiled",
    "library_of",
    "mechanisms_hash",
    "sources_of",
    "try_again",
    "without",
]

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
        of the library if there is no source.

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
    library = library_of(folder, cache=cache, flags=flags).path
    assert library is not None  # a folder without .mod files and library is refused
    return library


@dataclass(frozen=True)
class Library:
    """A compiled library.

    Parameters
    ----------
    path : Path or None
        None: no file is needed, NEURON's own mechanisms suffice.
    sources : mapping
        All sources that are in it, by name; empty for a library without sources.
    failed : mapping
        The ``.mod`` files that were left out since they do not compile, and why.
    """

    path: Path | None
    sources: Mapping[str, bytes]
    failed: Mapping[str, str] = field(default_factory=dict)


def library_of(
    folder: str | Path,
    needs: Collection[str] | None = None,
    *,
    leave_out: bool = False,
    held: Iterable[Library] = (),
    cache: str | Path | None = None,
    flags: Sequence[str] = (),
) -> Library:
    """Return a library that has what is needed of a folder; compile no more than that.

    A library that is there already is taken, though it has more.

    Parameters
    ----------
    folder, cache, flags
        As for :func:`compile_mechanisms`.
    needs : collection of str, optional
        Names of mechanisms, see :func:`wscale.mechanisms.declarations.needed_files`. By default
        all files are compiled.
    leave_out : bool
        Leave out what does not compile. By default that is an error.
    held : iterable of Library
        What the process has loaded: one of these is returned if it has what is needed.

    Raises
    ------
    CompileError
        A file that is needed does not compile. This is known from the cache where it was tried
        before, with the same compiler and NEURON.
    MechanismError
        As for :func:`compile_mechanisms`.
    """
    if isinstance(flags, str):
        raise MechanismError(f"flags must be a list of options, such as {shlex.split(flags)}")
    path, sources, own = _inspect(folder)
    wanted = sources if needs is None else needed_files(sources, needs)
    if own is not None:
        problem = _problem_of(own, path, sources)
        if problem is None:
            return Library(own, sources)
        if not sources:
            raise MechanismError(
                f"{own} {problem}. Compile its .mod files with this environment's nrnivmodl, "
                f"or give the folder of the .mod files: wscale compiles them."
            )
        _logger.info("%s %s; compiling the .mod files instead", own, problem)
    _refuse_duplicates(path, wanted)
    for library in held:
        if wanted.items() <= library.sources.items():
            return library
    if not has_nmodl(wanted):
        return Library(None, {})
    try:
        store = _Store.of(path, cache, flags)
        sound, failed = store.without_known_failures(sources)
        whole = store.library(sound)
        if whole is not None and (leave_out or wanted.items() <= sound.items()):
            _logger.info("%s: compiled before, in %s", path, whole)
            return Library(whole, sound, failed)
        if needs is not None and (known := {k: failed[k] for k in failed if k in wanted}):
            said = "".join(f"\n  {name}, {why}" for name, why in known.items())
            raise CompileError(f"{failure_head(path)}:{said}", known)
        if not leave_out:
            return Library(store.compiled(wanted), wanted)
        while True:
            try:
                return Library(store.compiled(sound), sound, failed)
            except CompileError as error:
                less = without(sound, error.files)
                if not has_nmodl(less):
                    raise
                sound, failed = less, {**failed, **error.files}
    except OSError as error:
        raise MechanismError(
            f"Cannot keep compiled mechanisms: {error}. Set WSCALE_CACHE to a folder that can be "
            f"written (now {os.environ.get('WSCALE_CACHE', 'not set')})."
        ) from error


def is_compiled(folder: str | Path) -> bool:
    """Whether all files of a folder that can be compiled are compiled already."""
    path, sources, own = _inspect(folder)
    if own is not None and _problem_of(own, path, sources) is None:
        return True
    try:
        store = _Store.of(path, None, ())
        return store.library(store.without_known_failures(sources)[0]) is not None
    except OSError:
        return False


def failures_of(folder: str | Path) -> dict[str, str]:
    """Return the files of a folder that are known not to compile, and why; nothing is compiled."""
    try:
        return failures_among(cache_folder("mechanisms"), sources_of(folder))
    except OSError:
        return {}


def try_again(sources: Mapping[str, bytes]) -> None:
    """Forget that files did not compile, so that they are tried again."""
    with suppress(OSError):
        forget_failures(cache_folder("mechanisms"), sources.values())


def has_nmodl(sources: Iterable[str]) -> bool:
    """Whether there is a .mod file among names of files."""
    return any(name.endswith(".mod") for name in sources)


def without(sources: Mapping[str, bytes], names: Collection[str]) -> dict[str, bytes]:
    """Return sources without some of them."""
    return {name: data for name, data in sources.items() if name not in names}


@dataclass(frozen=True)
class _Store:
    """The cache, for what comes from one folder.

    It holds libraries, and what is known not to compile.
    """

    folder: Path
    cache: Path
    site: Path
    flags: tuple[str, ...]

    @classmethod
    def of(cls, folder: Path, cache: str | Path | None, flags: Sequence[str]) -> _Store:
        kept = cache_folder("mechanisms") if cache is None else Path(cache).expanduser().absolute()
        return cls(folder, kept, site_packages(), tuple(flags))

    def _place(self, sources: Mapping[str, bytes]) -> Path:
        machine = (sys.platform, platform.machine())
        version = neuron_version(self.site)
        key = _digest(sources, version, str(self.site), *machine, *self.flags)
        return self.cache / key[:32]

    def library(self, sources: Mapping[str, bytes]) -> Path | None:
        return library_in(self._place(sources))

    def without_known_failures(
        self, sources: Mapping[str, bytes]
    ) -> tuple[dict[str, bytes], dict[str, str]]:
        """Return sources without those that are known not to compile, and these with reasons."""
        sound, failed = dict(sources), dict[str, str]()
        while failure := known_failure(self.cache, self._place(sound).name):
            less = without(sound, failure.files)
            if not has_nmodl(less):
                break
            sound, failed = less, {**failed, **failure.files}
        return sound, failed

    def compiled(self, sources: Mapping[str, bytes]) -> Path:
        """Return the library of sources; compile it if there is none."""
        final, head = self._place(sources), failure_head(self.folder)

        def found() -> Path | None:
            failure = known_failure(self.cache, final.name)
            if failure is not None:
                raise CompileError(head + failure.text, failure.files)
            return library_in(final)

        library = found()
        if library is not None:
            _logger.info("%s: compiled before, in %s", self.folder, library)
            return library
        with build_lock(final):
            library = found()
            if library is None:
                try:
                    library = build_library(self.folder, sources, final, self.site, self.flags)
                except CompileError as error:
                    failure = Failure(str(error).removeprefix(head), error.files)
                    keep_failure(self.cache, final.name, failure, sources)
                    raise
        count = sum(name.endswith(".mod") for name in sources)
        _logger.info("%s: %d files are compiled, into %s", self.folder, count, library)
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
            file.name: file.read_bytes().removeprefix(codecs.BOM_UTF8)  # which NMODL does not take
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
