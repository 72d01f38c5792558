"""Building a library from NMODL: NEURON's own nrnivmodl, in a private folder, under a lock."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path

from wscale._util.announce import announce, waits
from wscale._util.cache import locked
from wscale.errors import CompileError, MechanismError
from wscale.mechanisms.nmodl import MAKE_ERROR, explain_failure, failed_files
from wscale.parallel.sandbox import Sandbox, SandboxDied

__all__ = [
    "build_library",
    "build_lock",
    "installed_neuron",
    "library_in",
    "neuron_version",
    "site_packages",
]

LIBRARIES = ("libnrnmech.so", "libnrnmech.dylib", "nrnmech.dll")
_DAY_s = 86400


def library_in(folder: Path) -> Path | None:
    """Return the library in a folder where nrnivmodl was run, or in the one that it made."""
    for place in ("", ".libs", platform.machine(), f"{platform.machine()}/.libs"):
        for name in LIBRARIES:
            if (folder / place / name).is_file():
                return folder / place / name
    return None


def site_packages() -> Path:
    """Return the folder that holds the neuron package, without importing it."""
    spec = importlib.util.find_spec("neuron")
    if spec is None or spec.origin is None:
        raise MechanismError(f"NEURON is not installed for {sys.executable}: pip install neuron")
    return Path(spec.origin).parent.parent


def installed_neuron(site: Path) -> metadata.Distribution | None:
    """Return what pip knows of the NEURON in a folder; None if pip did not install it."""
    for name in ("neuron", "neuron-nightly"):
        for found in metadata.distributions(name=name, path=[str(site)]):
            return found
    return None


def neuron_version(site: Path) -> str:
    """Return the version of the NEURON in a folder."""
    found = installed_neuron(site)
    if found is not None:
        return found.version
    import neuron  # one that was not installed by pip

    return str(neuron.__version__)


_in_process = threading.Lock()  # threads of one run wait without saying so


@contextmanager
def build_lock(final: Path) -> Iterator[None]:
    """Hold the lock of one library, and clear what interrupted compiles have left.

    While another run holds it, lines on stderr say so.
    """
    for step_s in waits(lambda since_s: None):
        if _in_process.acquire(timeout=step_s):
            break
    try:
        with _library_lock(final):
            yield
    finally:
        _in_process.release()


@contextmanager
def _library_lock(final: Path) -> Iterator[None]:
    cache = final.parent
    (cache / "locks").mkdir(parents=True, exist_ok=True)
    with locked(cache / "locks" / f"{final.name}.lock", _say_waiting) as held:
        mine = _build_prefix(final)
        for left in cache.glob("build-*"):
            with suppress(OSError):
                old = time.time() - left.stat().st_mtime > _DAY_s
                if old or (held and left.name.startswith(mine)):
                    shutil.rmtree(left)
        yield


def _build_prefix(final: Path) -> str:
    return f"build-{socket.gethostname()}-{final.name}-"  # a lock may not reach other hosts


def _say_waiting(since_s: float) -> None:
    announce(f"waiting for another run that compiles the same NMODL files, since {since_s:.0f} s")


def _nrnivmodl(site: Path) -> list[str]:
    """Return the command for the nrnivmodl of this NEURON; PATH may have another's, or none."""
    found = installed_neuron(site)
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
    with Sandbox(preloaded=False) as sandbox, ThreadPoolExecutor(1) as thread:
        call = thread.submit(sandbox.call, _run, [*_nrnivmodl(site), *arguments], build)
        try:
            for step_s in waits(lambda since_s: announce(f"compiling, since {since_s:.0f} s")):
                with suppress(TimeoutError):
                    ran: tuple[bool, str] = call.result(timeout=step_s)
                    return ran
        except SandboxDied as death:
            raise MechanismError(f"nrnivmodl was ended: {death}") from death
        except BaseException:
            sandbox.close()  # and with it make and the compilers
            raise
    raise AssertionError


def _run(command: Sequence[str], folder: Path) -> tuple[bool, str]:
    """Run a command in a folder (in a sandbox, so that compilers end with the main process)."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    return done.returncode == 0, done.stdout


def build_library(
    folder: Path, sources: Mapping[str, bytes], final: Path, site: Path, flags: Sequence[str]
) -> Path:
    """Compile a copy of the sources in a private folder, and move it to its place when complete."""
    count = sum(name.endswith(".mod") for name in sources)
    shown = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    announce(f"compiling {count} NMODL file{'s' if count > 1 else ''} of {shown} ...")
    build = final.parent / f"{_build_prefix(final)}{uuid.uuid4().hex}"
    try:
        (build / "mod").mkdir(parents=True)
        for name, data in sources.items():
            (build / "mod" / name).write_bytes(data)
        ok, output = _run_nrnivmodl(site, build, [*flags, "mod"])
        compiled = library_in(build)
        if not ok or compiled is None:
            plain = [flag for flag in flags if flag != "-coreneuron"]  # it takes folders only
            again = []
            for name in dict.fromkeys(MAKE_ERROR.findall(output)):
                if f"{name}.mod" in sources:  # alone: parallel jobs mix up what they say
                    (build / f"alone-{name}").mkdir()
                    arguments = [*plain, f"../mod/{name}.mod"]
                    again.append(_run_nrnivmodl(site, build / f"alone-{name}", arguments))
            if again and not any(ok for ok, _ in again):
                output = "\n".join(said for _, said in again)
            why, files = explain_failure(folder, sources, output), failed_files(sources, output)
            raise CompileError(why, files) if files else MechanismError(why)
        for rest in [*compiled.parent.glob("*.o"), *compiled.parent.glob("*.cpp")]:
            rest.unlink()
        with compiled.open("rb") as stream:
            os.fsync(stream.fileno())
        if library_in(final) is None:
            shutil.rmtree(final, ignore_errors=True)  # an entry that has lost its library
        try:
            build.rename(final)
        except OSError:
            if library_in(final) is None:  # else another host was faster
                raise
        return final / compiled.relative_to(build)
    finally:
        shutil.rmtree(build, ignore_errors=True)
