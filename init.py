"""One trial, the NetPyNE way: build, simulate, plot, print the EPSP.

    python init.py [key=value ...]     e.g.  cell=PV_simple NetStim1.sec=dend NetStim1.weight=2e-4

Run it in this folder. NetPyNE's Batch (``simConfig=... netParams=...``) and batchtools drive this
script unchanged (docs/netpyne_batch.md).
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
from netpyne import sim
from neuron import h

from wscale.errors import WscaleError, closest
from wscale.measurement.epsp import Protocol, measure
from wscale.mechanisms.loading import load_mechanisms
from wscale.model.cfg import apply_overrides, parse_overrides

load_mechanisms("mod")

# cfg comes from cfg.py or from Batch's simConfig=file; then values from the command line
files = ("simConfig=", "netParams=")
given = [arg for arg in sys.argv[1:] if "=" in arg and not arg.startswith(files)]
cfg, _ = sim.readCmdLineArgs("cfg.py", None)
try:
    apply_overrides(cfg, parse_overrides(given))
except WscaleError as error:
    sys.exit(f"init.py: {error}")
Path(cfg.saveFolder).mkdir(parents=True, exist_ok=True)
_, netParams = sim.readCmdLineArgs(None, "netParams.py")

# NetPyNE would put the synapse of an unknown section on the soma, without a word
rule, sec = netParams.cellParams[cfg.cell], cfg.NetStim1["sec"]
known = [*rule["secs"], *rule.get("secLists", {})]
if sec not in known:
    sys.exit(
        f"init.py: NetStim1.sec = {sec!r}: {cfg.cell} has no such section; it has "
        f"{', '.join(rule['secs'])}.{closest(str(sec), known)}"
    )

sim.createSimulateAnalyze(netParams=netParams, simConfig=cfg)
if sim.rank > 0:
    h.quit()  # under MPI, the cell and its trace are with the first process

# The response, measured as the search measures it; an IPSP is a deflection that is mostly downwards
t = np.array(sim.simData["t"])
v = np.array(sim.simData["V_soma"]["cell_0"])
onset = cfg.NetStim1["start"]
rest, after = v[t < onset][-1], v[t > onset]
polarity = 1 if after.max() - rest >= rest - after.min() else -1
response = measure(
    t,
    v,
    onset_ms=onset,
    arrival_ms=onset + cfg.NetStim1["delay"],
    protocol=Protocol(window_ms=cfg.duration - onset, polarity=polarity),
)
stim = cfg.NetStim1
print(f"\n{cfg.cell} {stim['sec']}({stim['loc']:g}), {stim['weight']:g} uS: {response.status}")
print(f"  baseline  {response.baseline_mV:.4f} mV")
print(f"  EPSP      {response.epsp_mV:.4f} mV")
if response.latency_ms is not None:
    print(f"  latency   {response.latency_ms:.3f} ms")
figure = Path(cfg.saveFolder, f"{cfg.simLabel}_traces.png")
if figure.exists():
    print(f"  figure    {figure}")

# What a batch collects: next to the other output, and to batchtools where it drives this script
result = {"cell": cfg.cell, **stim, **response.as_row()}
Path(cfg.saveFolder, f"{cfg.simLabel}_response.json").write_text(json.dumps(result))
if getattr(cfg, "_runner", None) is not None:
    from batchtk import runtk
    from netpyne.batchtools import comm

    if comm.connected and {runtk.SOCKET_ENV, runtk.MSGOUT_ENV} & os.environ.keys():
        comm.send(json.dumps({"epsp_mV": response.epsp_mV, "status": response.status}))

if any(arg.startswith(files) for arg in sys.argv[1:]):
    # nrniv, with which Batch runs this script, would go on and open its arguments as files
    sys.stdout.flush()
    h.quit()
