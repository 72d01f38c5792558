"""Simulation configuration of the microcircuit (NetPyNE ``specs.SimConfig``).

run.py changes ``scaled``, ``places``, ``background`` and ``duration`` for the networks that it
compares; everything else is decided here.
"""

from pathlib import Path

from netpyne import specs

cfg = specs.SimConfig()
here = Path(__file__).resolve().parent

# Where cells/ and mod/ are, and the weightNorm tables that run.py makes
cfg.repository = str(here.parents[1])
cfg.tables = str(here / "results" / "weightNorm")

# Populations: the cell of each, and how many there are
cfg.cells = {
    "IT5B": "IT5B_reduced",
    "PT5B": "PT5B_reduced",
    "PV": "PV_simple",
    "SOM": "SOM_simple",
}
cfg.numCells = {"IT5B": 16, "PT5B": 16, "PV": 4, "SOM": 4}

# Weights of unitary connections: with tables, the EPSP at the soma in mV
cfg.scaled = True  # False: one weight for all places of a cell, the mean of its table
cfg.unitary_mV = {"EE": 0.5, "EI": 0.5, "IE": 0.8, "II": 1.0, "background": 0.5}
cfg.probability = {"EE": 0.1, "EPV": 0.45, "ESOM": 0.15}

# Spikes from elsewhere: how many fibres, how many of them reach a cell, how often each fires
cfg.background = True
cfg.fibres = 200
cfg.convergence = {"IT5B": 12, "PT5B": 38, "PV": 58, "SOM": 10}
cfg.rate_Hz = 20.0

# Probes: a NetStim for each of these places (section, location) of a population's first cell;
# they stay silent until it is their turn
cfg.places = {pop: [] for pop in cfg.cells}
cfg.probe_mV = 0.5
cfg.onset_ms = 700.0
cfg.probeDelay_ms = 1.0

# Run: time step and temperature are those of the tables
cfg.duration = 800.0  # ms, with probes
cfg.activity_ms = 1000.0  # without
cfg.dt = 0.05  # ms
cfg.hParams = {"celsius": 34.0, "v_init": -80.0}  # degC, mV
cfg.seeds = {"conn": 1, "stim": 1, "loc": 1}
cfg.verbose = False
cfg.progressBar = 0
cfg.printRunTime = False

# Recording
cfg.recordCells = [(pop, 0) for pop in cfg.cells]
cfg.recordTraces = {"V_soma": {"sec": "soma", "loc": 0.5, "var": "v"}}
cfg.recordStep = 0.1  # ms
