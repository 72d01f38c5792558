"""The single-cell model (NetPyNE ``specs.NetParams``): one cell, its synapses, NetStim1 -> cell."""

from netpyne import specs

try:
    from __main__ import cfg
except ImportError:
    from cfg import cfg

netParams = specs.NetParams()

netParams.loadCellParams(cfg.cell, f"cells/{cfg.cell}.json")
netParams.cellParams[cfg.cell].pop("conds", None)  # the population names the rule
netParams.popParams["cell"] = {"cellType": cfg.cell, "numCells": 1}

# Synapses: NEURON's own, or point processes of the .mod files in mod/ (ms, mV)
netParams.synMechParams["exc"] = {"mod": "Exp2Syn", "tau1": 0.5, "tau2": 5.0, "e": 0}
netParams.synMechParams["inh"] = {"mod": "Exp2Syn", "tau1": 0.5, "tau2": 15.0, "e": -80}

stim = cfg.NetStim1
netParams.stimSourceParams["NetStim1"] = {
    "type": "NetStim",
    "start": stim["start"],
    "interval": 1e10,
    "number": 1,
    "noise": 0,
}
netParams.stimTargetParams["NetStim1->cell"] = {
    "source": "NetStim1",
    "conds": {"pop": "cell"},
    "sec": "soma",  # wscale varies section, location and weight
    "loc": 0.5,
    "synMech": stim["synMech"],
    "weight": stim["weight"],
    "delay": stim["delay"],
}
