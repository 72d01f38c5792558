"""A weightNorm table by NetPyNE alone: createSimulate in a loop, in one process.

    python -m benchmarks.loops grid|secant CELL LIBRARY

``grid``: 19 weights at each segment, the target interpolated. ``secant``: from the last segment's
weight, until the EPSP is within 0.1 % of the target. LIBRARY is the compiled mechanisms. Runs in
the model's folder, and prints the table and the number of trials as JSON in the last line.
"""

import json
import sys

import numpy as np
from netpyne import sim
from neuron import h

from cfg import cfg

TARGET_mV, TOLERANCE = 0.5, 1e-3
WEIGHTS_uS = np.linspace(1e-4, 1.9e-3, 19)

method, cfg.cell, library = sys.argv[1:]
cfg.analysis = {}
h.nrn_load_dll(library)
from netParams import netParams  # noqa: E402 - takes cfg from this script

trials = 0


def epsp_mV(sec, loc, weight):
    """Simulate one weight at one place; return the EPSP."""
    global trials
    trials += 1
    netParams.stimTargetParams["NetStim1->cell"].update(sec=sec, loc=loc, weight=float(weight))
    sim.createSimulate(netParams, cfg)
    t, v = np.array(sim.simData["t"]), np.array(sim.simData["V_soma"]["cell_0"])
    sim.clearAll()
    onset = cfg.NetStim1["start"]
    return v[t > onset].max() - v[t < onset][-1]


def by_grid(sec, loc):
    """Return the weight for the target between two of the grid."""
    return np.interp(TARGET_mV, [epsp_mV(sec, loc, weight) for weight in WEIGHTS_uS], WEIGHTS_uS)


def by_secant(sec, loc, weight):
    """Return the weight for the target, from a guess."""
    w0, e0 = 0.0, 0.0
    while abs((epsp := epsp_mV(sec, loc, weight)) / TARGET_mV - 1.0) > TOLERANCE:
        w0, e0, weight = weight, epsp, weight + (TARGET_mV - epsp) * (weight - w0) / (epsp - e0)
    return weight


weight, table = 5e-4, {}
for sec, parameters in netParams.cellParams[cfg.cell]["secs"].items():
    if "axon" not in sec:
        nseg = int(parameters["geom"].get("nseg", 1))
        table[sec] = []
        for loc in (np.arange(nseg) + 0.5) / nseg:
            weight = by_grid(sec, loc) if method == "grid" else by_secant(sec, loc, weight)
            table[sec].append(float(weight / TARGET_mV))
print("\n" + json.dumps({"table": table, "trials": trials}))
