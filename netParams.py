"""The single-cell model (NetPyNE ``specs.NetParams``): one cell, its synapses, NetStim1 -> cell."""

from pathlib import Path

from netpyne import specs

try:
    from __main__ import cfg  # NetPyNE's convention: the script that runs may bring its own cfg
except ImportError:
    from cfg import cfg

netParams = specs.NetParams()

# Cell rule: a NetPyNE cellParams file, or a Python file with a function that builds the cell.
# Paths are relative to the working directory, as NetPyNE's Batch runs a copy of this file.
cells = Path("cells")
if (cells / f"{cfg.cell}.json").is_file():
    netParams.loadCellParams(cfg.cell, str(cells / f"{cfg.cell}.json"))
elif (cells / f"{cfg.cell}.py").is_file():
    netParams.importCellParams(
        label=cfg.cell, fileName=str(cells / f"{cfg.cell}.py"), cellName=cfg.cell
    )
else:
    known = sorted(file.stem for file in cells.glob("*") if file.suffix in (".json", ".py"))
    raise FileNotFoundError(
        f"cfg.cell = {cfg.cell!r}: no such file in {cells.resolve()}; known: {known}"
    )

netParams.cellParams[cfg.cell].pop("conds", None)  # the population names the rule by its label

# One population of one cell
stim = cfg.NetStim1
netParams.popParams[stim["pop"]] = {"cellType": cfg.cell, "numCells": 1}

# Synapses (time constants in ms, reversal potentials in mV): M1 model of Dura-Bernal et al. 2023
netParams.synMechParams["AMPA"] = {"mod": "MyExp2SynBB", "tau1": 0.05, "tau2": 5.3, "e": 0}
netParams.synMechParams["NMDA"] = {
    "mod": "MyExp2SynNMDABB",
    "tau1NMDA": 15,
    "tau2NMDA": 150,
    "e": 0,
}
netParams.synMechParams["GABA"] = {"mod": "MyExp2SynBB", "tau1": 0.07, "tau2": 18.2, "e": -80}

# NetStim1 -> cell
netParams.stimSourceParams["NetStim1"] = {
    "type": "NetStim",
    **{key: stim[key] for key in ("start", "interval", "number", "noise")},
}
netParams.stimTargetParams["NetStim1->cell"] = {
    "source": "NetStim1",
    "conds": {"pop": stim["pop"]},
    **{
        key: stim[key]
        for key in ("sec", "loc", "synMech", "synMechWeightFactor", "weight", "delay")
    },
}
