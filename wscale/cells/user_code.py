"""Code of the user's, run in a sandbox of its own: a request goes in, plain data comes out."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from wscale._util.announce import announce, waits
from wscale.errors import ModelError
from wscale.parallel.sandbox import Sandbox, SandboxDied

__all__ = ["announced", "run_user_code"]

# How much is shown of what the code printed
_MAX_CHARACTERS = 2000
# After this time, s, the user is told that code runs
_QUIET_s = 20.0


def run_user_code(
    function: Callable[[dict[str, Any]], dict[str, Any]],
    request: Mapping[str, Any],
    folder: Path,
    code: Path,
    missing: str,
) -> dict[str, Any]:
    """Run a function that runs the user's code in a process of its own, and return its answer.

    Parameters
    ----------
    function : callable
        A module's function, which takes the request. What JSON can hold comes back. For a
        ModelError that should show what was printed, it returns ``{"error": message}``.
    request : mapping
        Plain data.
    folder : Path
        The working directory of the code.
    code : Path
        The file or folder that messages name.
    missing : str
        What messages say was not there when the process ended.

    Raises
    ------
    WscaleError
        What the function raised; ModelError if its process ended without an answer.
    """
    with tempfile.TemporaryDirectory(prefix="wscale-") as scratch, Sandbox() as sandbox:
        printed = Path(scratch) / "printed"
        try:
            answer: dict[str, Any] = json.loads(
                sandbox.call(_run, function, dict(request), folder, printed)
            )
        except SandboxDied as death:
            status = f" (exit status {death.code})" if death.code is not None else ""
            raise ModelError(
                f"the code in {code} ended its process{status} before {missing} was there:\n"
                f"{_end_of(printed)}"
            ) from death
        if "error" in answer:
            shown = _end_of(printed)
            raise ModelError(answer["error"] + (f"\nIt printed:\n{shown}" if shown else ""))
    return answer


@contextlib.contextmanager
def announced(code: Path) -> Iterator[None]:
    """Say now and then that code still runs, such as a program with a simulation.

    Parameters
    ----------
    code : Path
        The file that is named.
    """
    over = threading.Event()

    def say(since_s: float) -> None:
        if since_s > _QUIET_s:
            announce(f"the code in {code} runs, since {since_s:.0f} s")

    def watch() -> None:
        with contextlib.suppress(KeyboardInterrupt):
            for step_s in waits(say):
                if over.wait(step_s):
                    return

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _end_of(printed: Path) -> str:
    with contextlib.suppress(OSError):
        return printed.read_text(errors="replace").strip()[-_MAX_CHARACTERS:]
    return ""


def _run(
    function: Callable[[dict[str, Any]], dict[str, Any]],
    request: dict[str, Any],
    folder: Path,
    printed: Path,
) -> str:
    """Call the function in a folder; what it prints goes to a file (in the sandbox)."""
    os.chdir(folder)
    descriptor = os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    with contextlib.redirect_stdout(sys.stderr):
        return json.dumps(function(request))
