"""NMODL that does not compile, and why: kept in the cache, so that it is not tried again.

A failure belongs to the content of the files, to NEURON (both are in its key) and to the compiler.
If it is not the files' fault (no memory, a full disk, a broken compiler), it is not kept.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from wscale._util.files import write_atomically
from wscale.errors import ConfigError
from wscale.mechanisms.nmodl import compiler_command

__all__ = ["Failure", "failures_among", "forget_failures", "keep_failure", "known_failure"]

_NOT_THEIR_FAULT = re.compile(
    r"No space left|Disk quota|Input/output error|Read-only file|Permission denied|Killed"
    r"|Terminated|Interrupt|out of memory|memory exhausted|Cannot allocate|Too many open files"
    r"|Resource temporarily|internal compiler error|[Ss]egmentation fault|licen[cs]e",
)


@dataclass(frozen=True)
class Failure:
    """What does not compile: a text without the folder, and the reason by file."""

    text: str
    files: dict[str, str]


def known_failure(folder: Path, key: str) -> Failure | None:
    """Return what is known not to compile with the present compiler, under a key."""
    try:
        found = json.loads(_file(folder, key).read_text())
        failure = Failure(found["text"], {name: why for name, (why, _) in found["files"].items()})
        compiler = found["compiler"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return failure if compiler == _compiler(tuple(compiler_command())) else None


def keep_failure(folder: Path, key: str, failure: Failure, sources: Mapping[str, bytes]) -> None:
    """Keep a failure, if it is the files' own."""
    command = compiler_command()
    if _NOT_THEIR_FAULT.search(failure.text) or not _works(command):
        return
    files = {name: (why, _digest(sources[name])) for name, why in failure.files.items()}
    content = {"compiler": _compiler(tuple(command)), "text": failure.text, "files": files}
    with suppress(OSError, ConfigError):  # then it is tried again
        (folder / "failed").mkdir(exist_ok=True)
        write_atomically(_file(folder, key), json.dumps(content).encode())


def failures_among(folder: Path, sources: Mapping[str, bytes]) -> dict[str, str]:
    """Return the files that did not compile with the present compiler, alone or with others."""
    digests = {_digest(data): name for name, data in sources.items()}
    failed: dict[str, str] = {}
    for kept in sorted((folder / "failed").glob("*.json")):
        if known_failure(folder, kept.stem) is not None:
            found = json.loads(kept.read_text())["files"].values()
            failed |= {digests[digest]: why for why, digest in found if digest in digests}
    return failed


def forget_failures(folder: Path, sources: Iterable[bytes]) -> None:
    """Let files be tried again, whatever they were compiled with."""
    digests = {_digest(data) for data in sources}
    for kept in (folder / "failed").glob("*.json"):
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            found = json.loads(kept.read_text())["files"].values()
            if digests & {digest for _, digest in found}:
                kept.unlink()


def _file(folder: Path, key: str) -> Path:
    return folder / "failed" / f"{key}.json"


def _digest(data: bytes) -> str:
    return sha256(data).hexdigest()


@lru_cache
def _compiler(command: tuple[str, ...]) -> str:
    """Return the compiler, and what it says of its version."""
    try:
        said = subprocess.run(
            [*command, "--version"], stdin=subprocess.DEVNULL, capture_output=True, check=False
        ).stdout
    except OSError:
        said = b""
    return f"{' '.join(command)}: {said.decode(errors='replace').strip()}"


def _works(command: list[str]) -> bool:
    """Whether the compiler compiles anything."""
    try:
        done = subprocess.run(
            [*command, "-x", "c++", "-fsyntax-only", "-"],
            input=b"int x;\n",
            capture_output=True,
            check=False,
        )
    except OSError:
        return False
    return done.returncode == 0
