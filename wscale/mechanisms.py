"""Compiling a folder of NMODL once per content, and loading it into NEURON.

A folder of ``.mod`` files is compiled on first use into a cache (``$WSCALE_CACHE/mechanisms``, by
default ``~/.cache/wscale/mechanisms``); nothing is written into the folder. A process holds one
set of mechanisms, since NEURON cannot unload them. The cache may be deleted at any time.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import logging
import os
import platform
import re
import shlex
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path

from wscale.errors import MechanismError

__all__ = ["available_mechanisms", "compile_mechanisms", "load_mechanisms", "mechanisms_hash"]

_LIBRARIES = ("libnrnmech.so", "libnrnmech.dylib", "nrnmech.dll")
_SOURCES = (".mod", ".inc", ".h", ".hpp")
_EXPECTED = "expected a folder of .mod files, or one that nrnivmodl has compiled"
# NMODL, as found in .mod files and in compiled libraries, which hold the text of theirs
_COMMENT = re.compile(rb"\bCOMMENT\b.*?\bENDCOMMENT\b|[:?][^\n]*", re.DOTALL)
_NAME = re.compile(rb"\bNEURON\s*\{[^}]*?\b(?:SUFFIX|POINT_PROCESS|ARTIFICIAL_CELL)\s+(\w+)")
_INCLUDE_PATH = re.compile(rb":::realpath [^\n]*")
# The folder of the pip NEURON that a library was linked with, in its run path
_LINKED_WITH = re.compile(rb"([^\0:]+)/neuron/\.data/lib[\0:]")
# What nocmodl, the C++ compiler and make say about a file
_NMODL_ERROR = re.compile(r"(.*)\bat line (\d+) in file (\S+)")
_CXX_ERROR = re.compile(r"(.+?):(\d+):(?:\d+:)? (?:fatal )?error: (.*)$")
_MAKE_ERROR = re.compile(r"^make.*\*\*\* \[(?:.*: )?(?:\./)?(.+)\.(?:cpp|o)\] Error", re.MULTILINE)
_DAY_s = 86400

_loaded: dict[Path, str] = {}  # the library that this process has loaded, if any: its folder
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
    site = _site_packages()
    key = _digest(sources, _version(site), str(site), sys.platform, platform.machine(), *flags)
    try:
        kept = Path(cache).expanduser().absolute() if cache is not None else _default_cache()
        final = kept / key[:32]
        library = _library_in(final)
        if library is None:
            kept.mkdir(parents=True, exist_ok=True)
            with _locked(kept):
                library = _library_in(final) or _build(path, sources, final, site, flags)
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
    from neuron import h

    data = _INCLUDE_PATH.sub(b"", library.read_bytes())
    names = set(_names(data))
    present = _registered()
    others = {name: file for name, (file, _) in present.items() if not _is_built_in(file)}
    texts = {name: _INCLUDE_PATH.sub(b"", present[name][1].encode()) for name in others}
    if names and all(texts.get(name) and texts[name] in data for name in names):
        return library
    if others or _loaded:
        raise MechanismError(_refusal(folder, others))
    if clash := names & present.keys():
        raise MechanismError(
            f"{folder}: NEURON has a mechanism of its own named {_listed(clash)}. "
            f"Give the one in the .mod file another name (SUFFIX or POINT_PROCESS)."
        )
    try:
        ctypes.CDLL(str(library))  # resolves every symbol; NEURON would only print what is missing
        loaded = h.nrn_load_dll(str(library))
    except (OSError, RuntimeError) as error:
        raise MechanismError(
            f"NEURON {_version(_site_packages())} cannot load {library}: {error}. Either it was "
            f"compiled for another version of NEURON or another machine (then remove it, and give "
            f"wscale the .mod files), or a VERBATIM block calls a function that does not exist."
        ) from error
    if not loaded:
        raise MechanismError(f"NEURON cannot load {library}: not a library of mechanisms.")
    _loaded[library] = str(folder)
    return library


def available_mechanisms() -> frozenset[str]:
    """Return the names of all mechanisms and point processes that NEURON has in this process.

    Returns
    -------
    frozenset of str
        Suffixes, and names of point processes and artificial cells, NEURON's own included.

    Examples
    --------
    >>> {"hh", "pas", "IClamp", "NetStim"} <= available_mechanisms()
    True
    """
    return frozenset(_registered())


# ---- A folder ------------------------------------------------------------------------------------


def _inspect(folder: str | Path) -> tuple[Path, dict[str, bytes], Path | None]:
    """Return the absolute path, the sources by name, and the library that the user compiled."""
    path = Path(folder).expanduser().absolute()
    if path.name in _LIBRARIES and path.is_file():
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
    library = _library_in(path)
    if not any(name.endswith(".mod") for name in sources):
        sources = {}
        if library is None:
            inside = {file.parent.name for file in path.glob("*/*.mod")}
            raise MechanismError(
                f"{path} has no .mod files and no library for {platform.machine()}; {_EXPECTED}."
                + (f" Did you mean its folder {_listed(inside)}?" if inside else "")
            )
    return path, sources, library


def _library_in(folder: Path) -> Path | None:
    """Return the library in a folder where nrnivmodl was run, or in the one that it made."""
    for place in ("", ".libs", platform.machine(), f"{platform.machine()}/.libs"):
        for name in _LIBRARIES:
            if (folder / place / name).is_file():
                return folder / place / name
    return None


def _problem_of(library: Path, folder: Path, sources: Mapping[str, bytes]) -> str | None:
    """Say why a library that the user compiled cannot serve, or None if it can."""
    compiled = library.stat().st_mtime_ns
    newer = [name for name in sources if (folder / name).stat().st_mtime_ns > compiled]
    if newer:
        return f"is older than {_listed(newer)}"
    data = library.read_bytes()
    holds = set(_names(data))  # empty where NEURON was built to leave the texts out
    lacking = {name for text in sources.values() for name in _names(text)} - holds
    if holds and lacking:
        return f"lacks {_listed(lacking)}"
    for match in _LINKED_WITH.finditer(data):
        built_for, this = _metadata(Path(os.fsdecode(match[1]))), _version(_site_packages())
        if built_for is not None and built_for.version != this:
            return f"was compiled for NEURON {built_for.version}, and this is NEURON {this}"
    return None


def _refuse_duplicates(folder: Path, sources: Mapping[str, bytes]) -> None:
    """Refuse one mechanism name in two files: nrnivmodl accepts it, loading the library fails."""
    first: dict[str, str] = {}
    for file, data in sources.items():
        for name in _names(data):
            if name in first:
                raise MechanismError(
                    f"{folder}: {first[name]} and {file} both define the mechanism {name}; "
                    f"remove or rename one of them."
                )
            first[name] = file


def _names(data: bytes) -> list[str]:
    """Return the names of the mechanisms in a .mod file or in a compiled library."""
    texts = (_COMMENT.sub(b"", text) for text in data.split(b"\0") if b"NEURON" in text)
    names = [match[1].decode() for text in texts if (match := _NAME.search(text))]
    return [name for name in names if name != "nothing"]  # SUFFIX nothing: functions only


def _digest(files: Mapping[str, bytes], *more: str) -> str:
    digest = hashlib.sha256()
    parts = [part for name, data in files.items() for part in (name.encode(), data)]
    for part in [*parts, *(text.encode() for text in more)]:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _listed(names: Iterable[str]) -> str:
    ordered = sorted(names)
    more = f" and {len(ordered) - 8} more" if len(ordered) > 8 else ""
    return ", ".join(ordered[:8]) + more


# ---- The NEURON of this process ------------------------------------------------------------------


def _registered() -> dict[str, tuple[str, str]]:
    """Return the .mod file and its text, by name, of all mechanisms that NEURON has."""
    from neuron import h

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
            f"{_listed(_loaded.values())}, and NEURON cannot unload them. A process holds one set; "
            f"use a fresh process for another, or for files that were edited since."
        )
    places = _listed({str(Path(file).parent) for file in others.values()})
    return (
        f"Cannot load the mechanisms of {folder}: NEURON holds others, or other versions of them, "
        f"already: {_listed(others)} (compiled from {places}). NEURON loads the compiled folder "
        f"{platform.machine()} of the directory where Python starts (now in {Path.cwd()}), and of "
        f"NRN_NMODL_PATH, by itself: remove that folder, or run elsewhere."
    )


def _site_packages() -> Path:
    """Return the folder that holds the neuron package, without importing it."""
    spec = importlib.util.find_spec("neuron")
    if spec is None or spec.origin is None:
        raise MechanismError(f"NEURON is not installed for {sys.executable}: pip install neuron")
    return Path(spec.origin).parent.parent


def _metadata(site: Path) -> metadata.Distribution | None:
    for name in ("neuron", "neuron-nightly"):
        for found in metadata.distributions(name=name, path=[str(site)]):
            return found
    return None


def _version(site: Path) -> str:
    found = _metadata(site)
    if found is not None:
        return found.version
    import neuron  # one that was not installed by pip

    return str(neuron.__version__)


# ---- Compiling -----------------------------------------------------------------------------------


def _default_cache() -> Path:
    own = os.environ.get("WSCALE_CACHE")
    root = own or os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        return Path(root).expanduser().absolute() / ("" if own else "wscale") / "mechanisms"
    except RuntimeError as error:
        raise OSError(str(error)) from error  # no home directory


@contextmanager
def _locked(cache: Path) -> Iterator[None]:
    """Hold the cache's lock, and clear what interrupted compiles have left.

    On a file system without locks each process compiles for itself, and the first one wins.
    """
    with (cache / "lock").open("a") as stream:
        mine: str | None = f"build-{socket.gethostname()}-"  # a lock may not reach other hosts
        try:
            import fcntl

            fcntl.flock(stream, fcntl.LOCK_EX)
        except (ImportError, OSError):
            mine = None
        for left in cache.glob("build-*"):
            with suppress(OSError):
                old = time.time() - left.stat().st_mtime > _DAY_s
                if old or (mine is not None and left.name.startswith(mine)):
                    shutil.rmtree(left)
        yield


def _nrnivmodl(site: Path) -> list[str]:
    """Return the command for the nrnivmodl of this NEURON; PATH may have another's, or none."""
    found = _metadata(site)
    scripts = [
        Path(str(file.locate()))
        for file in (found.files if found is not None else None) or []
        if file.name == "nrnivmodl" and ".data" not in file.parts
    ]
    scripts += [Path(sys.executable).parent / "nrnivmodl", Path(shutil.which("nrnivmodl") or "")]
    for script in scripts:
        if script.is_file():
            with script.open("rb") as stream:
                python = b"python" in stream.readline()
            return [sys.executable, str(script)] if python else [str(script)]
    raise MechanismError(f"The nrnivmodl of the NEURON in {site} is missing: reinstall NEURON.")


def _run_nrnivmodl(site: Path, build: Path, arguments: Sequence[str]) -> tuple[bool, str]:
    """Run nrnivmodl in a folder; return whether it succeeded and what it said."""
    done = subprocess.run(
        [*_nrnivmodl(site), *arguments],
        cwd=build,
        env={**os.environ, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    return done.returncode == 0, done.stdout


def _build(
    folder: Path, sources: Mapping[str, bytes], final: Path, site: Path, flags: Sequence[str]
) -> Path:
    """Compile a copy of the sources in a private folder, and move it to its place when complete."""
    build = final.parent / f"build-{socket.gethostname()}-{uuid.uuid4().hex}"
    try:
        (build / "mod").mkdir(parents=True)
        for name, data in sources.items():
            (build / "mod" / name).write_bytes(data)
        ok, output = _run_nrnivmodl(site, build, [*flags, "mod"])
        compiled = _library_in(build)
        if not ok or compiled is None:
            plain = [flag for flag in flags if flag != "-coreneuron"]  # it takes folders only
            again = []
            for name in dict.fromkeys(_MAKE_ERROR.findall(output)):
                if f"{name}.mod" in sources:  # alone: parallel jobs mix up what they say
                    (build / f"alone-{name}").mkdir()
                    arguments = [*plain, f"../mod/{name}.mod"]
                    again.append(_run_nrnivmodl(site, build / f"alone-{name}", arguments))
            if again and not any(ok for ok, _ in again):
                output = "\n".join(said for _, said in again)
            raise MechanismError(_failure(folder, sources, output))
        for rest in [*compiled.parent.glob("*.o"), *compiled.parent.glob("*.cpp")]:
            rest.unlink()
        with compiled.open("rb") as stream:
            os.fsync(stream.fileno())
        if _library_in(final) is None:
            shutil.rmtree(final, ignore_errors=True)  # an entry that has lost its library
        try:
            build.rename(final)
        except OSError:
            if _library_in(final) is None:  # else another host was faster
                raise
        return final / compiled.relative_to(build)
    finally:
        shutil.rmtree(build, ignore_errors=True)


def _failure(folder: Path, sources: Mapping[str, bytes], output: str) -> str:
    """Say what nrnivmodl failed on: files and lines, or the tools that are missing."""
    head = f"Cannot compile the mechanisms in {folder}"
    texts = {name: data.decode("latin-1").splitlines() for name, data in sources.items()}
    problems = []
    for name, line, reason in _problems(texts, output.splitlines()):
        code = texts[name][line - 1].strip() if 0 < line <= len(texts[name]) else ""
        problems.append(name + (f", line {line}" if line else "") + f": {reason}")
        problems[-1] += f"\n      {code}" if code else ""
    if problems:
        guide = re.search(r"error: .*(https://\S+porting_mechanisms\S+)", output, re.DOTALL)
        note = [f"If these files work with NEURON 8, see {guide[1]}"] if guide else []
        return "\n  ".join([f"{head}:", *dict.fromkeys(problems), *note])
    cxx = shlex.split(os.environ.get("CXX") or sysconfig.get_config_var("CXX") or "c++")[0]
    missing = [tool for tool in (cxx, "make", "bash", "perl") if shutil.which(tool) is None]
    remedy = (
        "Needed are a C++ compiler, make, bash and perl (Debian/Ubuntu: apt install g++ make; "
        "macOS: xcode-select --install; conda: conda install cxx-compiler make)."
    )
    if missing:
        return f"{head}: {_listed(missing)} not found. {remedy}"
    return f"{head}. {remedy} nrnivmodl said:\n{output[-3000:]}"


def _problems(
    texts: Mapping[str, Sequence[str]], said: Sequence[str]
) -> Iterator[tuple[str, int, str]]:
    """Yield file, line (0: not known) and reason of what nocmodl and the C++ compiler said."""
    files = set()
    for index, message in enumerate(said):
        if (match := _NMODL_ERROR.match(message)) and match[3] in texts:
            name, line, reason = match[3], int(match[2]), match[1].strip()
            for before in reversed(said[:index]):  # "syntax error:", "Illegal expression:", ...
                if reason and not before.endswith(":"):
                    break
                reason = f"{before.strip()} {reason}".strip()
            if "Non-Ascii" in reason:  # nocmodl gives a line before it
                rest = enumerate(texts[name][line:], line + 1)
                line = next((number for number, code in rest if not code.isascii()), line)
        elif (match := _CXX_ERROR.match(message)) and Path(match[1]).name in texts:  # a header
            name, line, reason = Path(match[1]).name, int(match[2]), match[3]
        elif match and f"{Path(match[1]).stem}.mod" in texts:
            name, reason = f"{Path(match[1]).stem}.mod", match[3]
            line = _origin(texts[name], said[index + 1 : index + 2], reason)
        else:
            continue
        files.add(name)
        yield name, line, reason
    for stem in _MAKE_ERROR.findall("\n".join(said)) if not files else []:
        name = f"{stem}.mod"
        reason = next((text for text in said if re.search(r"\berror:", text, re.IGNORECASE)), "")
        if name in texts and reason:
            yield name, _origin(texts[name], [], f"'{reason.split()[-1]}'"), reason


def _origin(lines: Sequence[str], generated: Sequence[str], reason: str) -> int:
    """Return the line of a .mod file that a line of C++, or a quoted name, comes from (else 0)."""
    for echo in generated:
        code = re.sub(r"^\s*\d+ \||[\s;]", "", echo)
        for number, line in enumerate(lines, 1):
            if code and re.sub(r"[\s;]", "", line) == code:
                return number
    for name in re.findall(r"'([\w.]+)'", reason):
        for number, line in enumerate(lines, 1):
            if re.search(rf"\b{re.escape(name)}\b", re.split(r"[:?]", line)[0]):
                return number
    return 0
