"""Processes that end with the one that started them, however that ends.

Run as a script, this file runs a command with all that it starts: ``guarded`` says how.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

__all__ = ["end_with_parent", "guarded"]

_PR_SET_PDEATHSIG = 1
_WATCH_s = 0.5


def end_with_parent(parent: int) -> None:
    """Let this process end when its parent has ended, killed or not.

    On Linux the kernel does it, in the midst of NEURON's code too. Elsewhere a thread looks.

    Parameters
    ----------
    parent : int
        Its process id, as it knows itself: when this is called it may have ended.
    """
    held = False
    if sys.platform == "linux":
        held = ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) == 0
    if os.getppid() != parent:  # it ended before this
        os._exit(1)
    if not held:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_WATCH_s)
    os._exit(1)


def guarded(command: Sequence[str]) -> list[str]:
    """Return a command that does the same, and ends with this process; so do its descendants.

    For commands such as ``make``, whose own children would go on otherwise.

    Examples
    --------
    >>> subprocess.run(guarded(["true"])).returncode
    0
    """
    return [sys.executable, "-I", __file__, str(os.getpid()), *command]


def _guard(parent: int, command: Sequence[str]) -> int:
    os.setsid()  # a group that has nobody else
    run = subprocess.Popen(command)
    while True:
        try:
            return run.wait(_WATCH_s)
        except subprocess.TimeoutExpired:
            if os.getppid() != parent:
                os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(_guard(int(sys.argv[1]), sys.argv[2:]))
