"""Run the command line on a small cell whose synapse can crash, hang or take all memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

from benchmarks.soak import MARK, living

__all__ = [
    "MARK",
    "Run",
    "change_results",
    "killed_after_the_first_cell",
    "living",
    "make_faulty_model",
    "wait_for",
]


# With kind 1 and a weight above `limit`, what happens depends on the potential of the segment: a
# segmentation fault, an endless loop, or memory without end. With kind 2 a trial takes 40 ms
FAULTY_MOD = """
NEURON {
    POINT_PROCESS Faulty
    RANGE tau, e, i, kind, limit
    NONSPECIFIC_CURRENT i
}
UNITS { (nA) = (nanoamp) (mV) = (millivolt) (uS) = (microsiemens) }
PARAMETER { tau = 2 (ms) e = 0 (mV) kind = 0 limit = 0.0005 (uS) }
ASSIGNED { v (mV) i (nA) }
STATE { g (uS) }
VERBATIM
#include <string.h>
#include <time.h>
ENDVERBATIM
INITIAL { g = 0 }
BREAKPOINT {
    SOLVE decay METHOD cnexp
    i = g * (v - e)
}
DERIVATIVE decay { g' = -g / tau }
NET_RECEIVE (w (uS)) {
    g = g + w
    if (kind == 2) { slow() }
    if (kind == 1 && w > limit) {
        if (v < -87) { devour() }
        if (v < -80) { loop() }
        if (v < -75) { crash() }
    }
}
PROCEDURE crash() {
VERBATIM
    volatile int* volatile nowhere = 0; *nowhere = 1;
ENDVERBATIM
}
PROCEDURE loop() {
VERBATIM
    volatile int again = 1; while (again) {}
ENDVERBATIM
}
PROCEDURE devour() {
VERBATIM
    for (;;) { memset(new char[1 << 22], 1, 1 << 22); }
ENDVERBATIM
}
PROCEDURE slow() {
VERBATIM
    struct timespec a_while = {0, 40000000}; nanosleep(&a_while, 0);
ENDVERBATIM
}
"""

# Without NetPyNE, which takes most of the time of reading it; what comes back is plain anyway
CFG = """
from types import SimpleNamespace

cfg = SimpleNamespace(cvode_active=False)
cfg.duration, cfg.dt, cfg.recordStep = 130.0, 0.05, 0.1
cfg.hParams = {"celsius": 34.0, "v_init": -65.0}
cfg.kind, cfg.limit = 0, 5e-4
"""

# Six good segments, and three whose potential tells them apart
NET_PARAMS = """
from types import SimpleNamespace

from __main__ import cfg

netParams = SimpleNamespace(cellParams={}, popParams={}, synMechParams={}, defaultDelay=1)
netParams.stimSourceParams, netParams.stimTargetParams = {}, {}


def sec(L, diam, nseg, e, parent=None):
    made = {
        "geom": {"L": L, "diam": diam, "nseg": nseg, "cm": 1.0, "Ra": 150.0},
        "mechs": {"pas": {"g": 1e-3, "e": e}},
    }
    if parent:
        made["topol"] = {"parentSec": parent, "parentX": 1.0, "childX": 0.0}
    return made


secs = {"soma": sec(12.0, 12.0, 1, -65.0), "good": sec(100.0, 2.0, 5, -65.0, "soma")}
secs["crash"] = sec(300.0, 0.6, 1, -80.0, "good")
secs["loop"] = sec(300.0, 0.6, 1, -88.0, "good")
secs["devour"] = sec(300.0, 0.6, 1, -98.0, "good")
netParams.cellParams["Small"] = {"secs": secs}
netParams.popParams["cell"] = {"cellType": "Small", "numCells": 1}
netParams.synMechParams["syn"] = {"mod": "Faulty", "kind": cfg.kind, "limit": cfg.limit}
netParams.stimSourceParams["NetStim1"] = {
    "type": "NetStim", "start": 60.0, "interval": 1e10, "number": 1, "noise": 0,
}
netParams.stimTargetParams["NetStim1->cell"] = {
    "source": "NetStim1", "conds": {"pop": "cell"}, "sec": "soma", "loc": 0.5,
    "synMech": "syn", "weight": 1e-3, "delay": 1.0,
}
"""


def make_faulty_model(folder: Path) -> Path:
    """Write the model folder."""
    (folder / "mod").mkdir(parents=True)
    (folder / "mod" / "Faulty.mod").write_text(FAULTY_MOD)
    (folder / "cfg.py").write_text(CFG)
    (folder / "netParams.py").write_text(NET_PARAMS)
    return folder


class Run:
    """``wscale ARGUMENTS`` as a process with its own session, as a terminal starts it."""

    def __init__(self, *arguments: object, log: Path, **options: object) -> None:
        self.mark, self._log = uuid.uuid4().hex, log
        self.process = subprocess.Popen(
            [sys.executable, "-m", "wscale", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=log.open("w"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, MARK: self.mark, "COLUMNS": "200"},
            **options,
        )

    @property
    def said(self) -> str:
        """What it printed, in one line."""
        return " ".join(self._log.read_text().split())

    def signal(self, number: int) -> None:
        """Send a signal to all of its process group, as Ctrl-C in a terminal does."""
        os.killpg(self.process.pid, number)

    def end(self, timeout_s: float = 120.0) -> int:
        """Wait for its end, check that no process of it is left, and return the exit code."""
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise AssertionError(f"it does not end; it said: {self.said}") from None
        wait_for(lambda: not living(self.mark), "processes that are left to end")
        return code


def wait_for(what, named: str, timeout_s: float = 60.0):
    """Wait until something is true, and return it."""
    until = time.monotonic() + timeout_s
    while not (value := what()):
        assert time.monotonic() < until, f"no {named} within {timeout_s:g} s"
        time.sleep(0.02)
    return value


def change_results(folder, change):
    """Edit a folder's results.json."""
    file = folder / "results.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def killed_after_the_first_cell(content):
    """What results.json holds when a run of three cells was killed."""
    content["cells"].pop("PT5B_reduced")
    content["last_run"].update(finished=None, unfinished=["PT5B_reduced", "PT5B_pyramid"])
