"""Simulation configuration of the single-cell model (NetPyNE ``specs.SimConfig``).

Each value can be changed from outside: ``wscale norm . --cfg dt=0.05 --cfg NetStim1.start=500``.
"""

from netpyne import specs

cfg = specs.SimConfig()

cfg.cell = "MyCell"  # the name of a file in cells/

cfg.duration = 400.0  # ms; the measurement window, 100 ms after NetStim1's start, must fit in
cfg.dt = 0.025  # ms
cfg.recordStep = 0.1  # ms, a multiple of dt
cfg.hParams = {"celsius": 34.0, "v_init": -70.0}  # degC, mV

# The activation: long enough after 0 for the cell to have settled
cfg.NetStim1 = {"start": 300.0, "synMech": ["exc"], "weight": 0.5e-3, "delay": 1.0}  # ms, uS, ms
