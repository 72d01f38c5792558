"""The time that a command takes, with that of all the processes it starts, however they end.

    python -m benchmarks.processes COMMAND ...

runs the command and prints its figures as JSON in the last line. ``RUSAGE_CHILDREN`` of a process
holds its children's time only if it waits for them; a process whose parent ended first, or was
killed, is missing. So the command's orphans become children of this process (Linux's subreaper),
which waits for all of them.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["run_counted"]

REPO = Path(__file__).resolve().parents[1]
_PR_SET_CHILD_SUBREAPER = 36


def run_counted(
    command: Sequence[str], *, cwd: Path | str = REPO, env: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Run a command, and count the time of all its processes.

    Parameters
    ----------
    command : sequence of str
        Its exit code must be 0. What it prints on stderr is shown if it is not.
    cwd : path
        Where it runs.
    env : mapping, optional
        Its environment.

    Returns
    -------
    dict
        cpu_s (user and system time of all processes), wall_s (until the command ended),
        largest_MiB (peak of the largest process), and stdout.
    """
    done = subprocess.run(
        [sys.executable, str(Path(__file__).resolve()), *command],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = f"{done.stdout}\n{done.stderr}"[-2000:]
        raise RuntimeError(f"exit code {done.returncode} of {' '.join(command)}:\n{said}")
    stdout, _, figures = done.stdout.rstrip("\n").rpartition("\n")
    return {**json.loads(figures), "stdout": stdout}


def main(command: Sequence[str]) -> int:
    """Run a command, print the figures and return its exit code."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "this system has no subreapers")
    start = time.perf_counter()
    process = subprocess.Popen(command)
    code, wall_s = process.wait(), time.perf_counter() - start
    while True:  # for those that are left
        try:
            os.wait()
        except ChildProcessError:
            break
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = used.ru_utime + used.ru_stime
    figures = {"cpu_s": cpu_s, "wall_s": wall_s, "largest_MiB": used.ru_maxrss / 1024}
    print(f"\n{json.dumps(figures)}", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
