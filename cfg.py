"""Simulation configuration of the single-cell model (NetPyNE ``specs.SimConfig``).

Where, when and how strong the synapse is, stands in ``cfg.NetStim1``; everything else is NetPyNE's
own. ``python init.py key=value ...``, ``wscale --cfg key=value`` and NetPyNE's Batch and batchtools
change these values from outside, before netParams.py reads them.
"""

from netpyne import specs

cfg = specs.SimConfig()

# The cell: the name of a parameter file in cells/
cfg.cell = "PT5B_reduced"

# Run
cfg.duration = 800.0  # ms
cfg.dt = 0.025  # ms; the published M1 tables were made with 0.05
cfg.hParams = {"celsius": 34.0, "v_init": -80.0}  # degC, mV; a section's vinit takes precedence
cfg.seeds = {"conn": 1, "stim": 1, "loc": 1}
cfg.verbose = False
cfg.progressBar = 0

# The synapse under calibration: one activation of AMPA and NMDA together
cfg.NetStim1 = {
    "pop": "cell",
    "sec": "soma",
    "loc": 0.5,
    "synMech": ["AMPA", "NMDA"],
    "synMechWeightFactor": [0.5, 0.5],
    "start": 700.0,  # ms; the synapse is reached `delay` later
    "interval": 1e10,  # ms
    "number": 1,
    "noise": 0,
    "weight": 0.5e-3,  # uS
    "delay": 1.0,  # ms
}

# Recording: the somatic potential, sampled as the EPSP is measured
cfg.recordCells = ["all"]
cfg.recordTraces = {"V_soma": {"sec": "soma", "loc": 0.5, "var": "v"}}
cfg.recordStep = 0.1  # ms

# Output of init.py
cfg.simLabel = "trial"
cfg.saveFolder = "results/init"
cfg.analysis["plotTraces"] = {
    "include": ["all"],
    "timeRange": [cfg.NetStim1["start"] - 20, cfg.duration],
    "oneFigPer": "cell",
    "saveFig": True,  # as <saveFolder>/<simLabel>_traces.png
    "showFig": False,
}

cfg.update()  # values set by batchtools, where it is installed and drives this model
