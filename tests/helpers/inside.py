"""Run the ``wscale`` command in the process of the tests, for tests that are not about processes.

This saves Python's start and imports per command, and searches reuse idle sandboxes of earlier
tests.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from helpers import REPO
from wscale.cli.app import main

__all__ = ["Done", "wscale"]

_PROGRAM = str(Path(sys.executable).with_name("wscale"))


@dataclass
class Done:
    """Exit code and output of a command, named as in :class:`subprocess.CompletedProcess`."""

    returncode: int
    stdout: str = ""
    stderr: str = ""


def wscale(*words: object, cwd: Path = REPO) -> Done:
    """Run ``wscale WORDS`` through its entry point, in a folder."""
    done = Done(0)
    kept = sys.argv, {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)}
    sys.argv = [_PROGRAM, *map(str, words)]
    try:
        with contextlib.chdir(cwd), _caught("stdout", 1, done), _caught("stderr", 2, done):
            try:
                main()
            except SystemExit as end:  # anything else would be a traceback
                done.returncode = int(end.code or 0)
    finally:
        sys.argv = kept[0]
        for name, handler in kept[1].items():
            signal.signal(name, handler)
    return done


@contextlib.contextmanager
def _caught(name: str, descriptor: int, done: Done) -> Iterator[None]:
    """Capture what Python and C code write to a stream."""
    before, copy = getattr(sys, name), os.dup(descriptor)
    before.flush()
    with tempfile.TemporaryFile("w+", encoding="utf-8") as file:
        os.dup2(file.fileno(), descriptor)
        setattr(sys, name, open(descriptor, "w", encoding="utf-8", closefd=False))  # noqa: SIM115
        try:
            yield
        finally:
            getattr(sys, name).flush()
            setattr(sys, name, before)
            os.dup2(copy, descriptor)
            os.close(copy)
            file.seek(0)
            setattr(done, name, file.read())
