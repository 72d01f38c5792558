"""The microcircuit (NetPyNE ``specs.NetParams``): layer 5B of mouse motor cortex, in miniature.

After the M1 model (Dura-Bernal et al. 2023): its cells, synapses and rules of who connects to which
part of whom. README.md says which numbers are the model's and which are choices.
"""

from pathlib import Path

from netpyne import specs

from wscale import WeightNormTable

try:
    from __main__ import cfg  # NetPyNE's convention: the script that runs may bring its own cfg
except ImportError:
    from cfg import cfg

netParams = specs.NetParams()

# A column within layer 5B
netParams.shape = "cylinder"
netParams.sizeX = netParams.sizeZ = 150.0  # um
netParams.sizeY = 1350.0  # um, pia to white matter
netParams.defaultThreshold = 0.0  # mV
netParams.defaultDelay = 2.0  # ms
netParams.propVelocity = 500.0  # um/ms
netParams.probLambda = 100.0  # um

# ---------------------------------------------------------------------- cells and their tables

unit = {}  # what a weight of 1 mV is multiplied with, beside what NetPyNE multiplies it with
for pop, cell in cfg.cells.items():
    netParams.loadCellParams(cell, str(Path(cfg.repository, "cells", f"{cell}.json")))
    netParams.cellParams[cell].pop("conds", None)  # the population names the rule by its label
    netParams.popParams[pop] = {
        "cellType": cell,
        "numCells": cfg.numCells[pop],
        "ynormRange": [0.47, 0.8],
    }
    table = Path(cfg.tables, f"{cell}_weightNorm.pkl")
    if cfg.scaled:
        netParams.addCellParamsWeightNorm(cell, str(table))
        unit[pop] = 1.0
    else:
        values = [value for _, _, value, _ in WeightNormTable.read(table, cell).entries()]
        unit[pop] = sum(values) / len(values)  # uS/mV

# ---------------------------------------------------------------------- synapses

netParams.synMechParams.update(
    {
        "AMPA": {"mod": "MyExp2SynBB", "tau1": 0.05, "tau2": 5.3, "e": 0},
        "NMDA": {"mod": "MyExp2SynNMDABB", "tau1NMDA": 15, "tau2NMDA": 150, "e": 0},
        "GABAA": {"mod": "MyExp2SynBB", "tau1": 0.07, "tau2": 18.2, "e": -80},
        "GABAASlow": {"mod": "MyExp2SynBB", "tau1": 2, "tau2": 100, "e": -80},
        "GABAB": {"mod": "MyExp2SynBB", "tau1": 3.5, "tau2": 260.9, "e": -93},
    }
)
EXC = {"synMech": ["AMPA", "NMDA"], "synMechWeightFactor": [0.5, 0.5]}  # as in the tables
SOM_E = {"synMech": ["GABAASlow", "GABAB"], "synMechWeightFactor": [0.9, 0.1]}
E, INH = ["IT5B", "PT5B"], ["PV", "SOM"]

# ---------------------------------------------------------------------- connections


def connect(pre: str, post: str, kind: str, sec: str, **how: object) -> None:
    """Add a rule; its weight is a unitary amplitude in mV, whatever the place."""
    netParams.connParams[f"{pre}->{post}"] = {
        "preConds": {"pop": pre},
        "postConds": {"pop": post},
        "weight": cfg.unitary_mV[kind] * unit[post],
        "delay": "defaultDelay + dist_3D / propVelocity",
        "sec": sec,
        **how,
    }


for pre, post in [("IT5B", "IT5B"), ("IT5B", "PT5B"), ("PT5B", "PT5B")]:
    connect(pre, post, "EE", "spiny", probability=cfg.probability["EE"], **EXC)
for pre in E:
    connect(pre, "PV", "EI", "spiny", probability=cfg.probability["EPV"], **EXC)
    connect(pre, "SOM", "EI", "spiny", probability=cfg.probability["ESOM"], **EXC)

near = "exp(-dist_3D / probLambda)"
for post in E:
    connect("PV", post, "IE", "perisom", probability=near, synMech="GABAA")
    connect("SOM", post, "IE", "apicdend", probability=near, **SOM_E)
for post in INH:
    connect("PV", post, "II", "spiny", probability=near, synMech="GABAA")
    connect("SOM", post, "II", "spiny", probability=near, synMech="GABAASlow")

if cfg.background:
    netParams.popParams["background"] = {
        "cellModel": "NetStim",
        "numCells": cfg.fibres,
        "rate": cfg.rate_Hz,
        "noise": 1.0,
        "start": 0.0,
    }
    for post in cfg.cells:
        fibres = min(cfg.convergence[post], cfg.fibres)
        connect("background", post, "background", "spiny", convergence=fibres, **EXC)

# ---------------------------------------------------------------------- where on the dendrites

sources = [*E, "background"] if cfg.background else E
netParams.subConnParams["excitation, over all that has spines"] = {
    "preConds": {"pop": sources},
    "postConds": {"pop": list(cfg.cells)},
    "sec": "spiny",
    "groupSynMechs": EXC["synMech"],
    "density": "uniform",
}
netParams.subConnParams["SOM, over the apical dendrite"] = {
    "preConds": {"pop": "SOM"},
    "postConds": {"pop": E},
    "sec": "apicdend",
    "groupSynMechs": SOM_E["synMech"],
    "density": "uniform",
}

# ---------------------------------------------------------------------- probes

for pop, places in cfg.places.items():
    for sec, loc in places:
        label = f"probe {sec}({loc:g}) of {pop}"
        netParams.stimSourceParams[label] = {
            "type": "NetStim",
            "start": 1e9,
            "interval": 1e9,
            "number": 1,
            "noise": 0,
        }
        netParams.stimTargetParams[label] = {
            "source": label,
            "conds": {"pop": pop, "cellList": [0]},
            "sec": sec,
            "loc": loc,
            "weight": cfg.probe_mV * unit[pop],
            "delay": cfg.probeDelay_ms,
            **EXC,
        }
