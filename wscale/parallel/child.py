"""Code of other people, run in a process of its own: a request goes in, plain data comes out."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from wscale import errors
from wscale.errors import ModelError, WscaleError
from wscale.parallel.orphans import end_with_parent

__all__ = ["answer_parent", "ask_child", "stop_children"]

# Not with -m, since the package imports these modules itself: runpy would warn of a second copy
_RUN = """import importlib, sys
module = importlib.import_module(sys.argv[3])
importlib.import_module("wscale.parallel.child").answer_parent(module._answer)"""

_children: set[subprocess.Popen[str]] = set()


def ask_child(
    module: str,
    request: Mapping[str, Any],
    cwd: Path,
    code: Path,
    missing: str,
    environment: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Run a module in a child process and return its answer.

    Parameters
    ----------
    module : str
        Has a function ``_answer``, which takes a request and returns the answer.
    request : mapping
        What JSON can hold.
    cwd : Path
        The child's working directory.
    code : Path
        What messages say was run.
    missing : str
        What messages say was not there when the process ended.
    environment : mapping, optional
        Variables that the child gets where they are not set.

    Returns
    -------
    dict
        The answer.

    Raises
    ------
    WscaleError
        Of the child's own kind; ModelError where its process ended without an answer.
    """
    with tempfile.TemporaryDirectory(prefix="wscale-") as scratch:
        answer_file = Path(scratch) / "answer.json"
        run = subprocess.Popen(
            [sys.executable, "-P", "-c", _RUN, str(answer_file), str(os.getpid()), module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env={
                **(environment or {}),
                **os.environ,
                "PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path),  # noqa: PTH109
            },
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C is for who asked
        )
        _children.add(run)
        try:
            said = run.communicate(json.dumps(request))[0].strip()[-2000:]
        except BaseException:
            _kill(run)
            raise
        finally:
            _children.discard(run)
            run.wait()
        if not answer_file.is_file():
            raise ModelError(
                f"the code in {code} ended its process (exit status {run.returncode}) before "
                f"{missing} was there:\n{said}"
            )
        answer: dict[str, Any] = json.loads(answer_file.read_text())
    if "error" in answer:
        kind = getattr(errors, answer["error"], ModelError)
        raise kind(
            answer["message"] + (f"\nIt printed:\n{said}" if answer.get("said") and said else "")
        )
    return answer


def stop_children() -> None:
    """End all children at once; who waits for an answer gets an error."""
    for child in list(_children):
        _kill(child)


def _kill(child: subprocess.Popen[str]) -> None:
    """End a child and what it has started."""
    with contextlib.suppress(ProcessLookupError):
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)


def answer_parent(answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Answer the request on standard input; what the code prints goes to standard error."""
    end_with_parent(int(sys.argv[2]))
    answer_file = Path(sys.argv[1])
    try:
        with contextlib.redirect_stdout(sys.stderr):
            content = answer(json.load(sys.stdin))
    except WscaleError as error:
        content = {"error": type(error).__name__, "message": str(error)}
    answer_file.write_text(json.dumps(content))
