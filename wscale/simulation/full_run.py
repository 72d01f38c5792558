"""NetPyNE's own full run: one trial the way of ``init.py``, for comparison with the Rig's."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from wscale.measurement.epsp import FloatArray
from wscale.mechanisms.loading import import_neuron
from wscale.model.model import Model
from wscale.model.sites import Site
from wscale.simulation.rig import load, release_rig
from wscale.simulation.session import claim_netpyne, clear_netpyne, keep_globals, quiet

__all__ = ["netpyne_trace"]


def netpyne_trace(model: Model, site: Site, weight_uS: float) -> tuple[FloatArray, FloatArray]:
    """Run NetPyNE's own ``sim.createSimulate`` from time 0 with NetStim1 at a site.

    What ``init.py`` does with the same section, location and weight; nothing is reused, and
    NEURON is left as it was.

    Parameters
    ----------
    model : Model
        The cell.
    site : Site
        Where the synapse is.
    weight_uS : float
        Its weight, uS.

    Returns
    -------
    t_ms, v_mV : arrays of float, shape (n,)
        The somatic potential from time 0 to ``cfg.duration``, every ``cfg.recordStep``.
    """
    load(model)
    release_rig()
    sim, put_back = claim_netpyne(), keep_globals(import_neuron())
    from netpyne import specs

    net, cfg = model.netpyne_net(), copy.deepcopy(model.cfg)
    net["stimTargetParams"][model.stim_target_label].update(
        sec=site.sec, loc=site.loc, weight=model.weight_unit.of(weight_uS)
    )
    trace: dict[str, Any] = {"sec": model.soma, "loc": 0.5, "var": "v"}
    cfg.update(analysis={}, recordCells=["all"], recordTraces={"V_soma": trace}, recordTime=True)
    with quiet():
        try:
            sim.createSimulate(specs.NetParams(net), specs.SimConfig(cfg))
            return np.array(sim.simData["t"]), np.array(sim.simData["V_soma"]["cell_0"])
        finally:
            clear_netpyne(sim)
            put_back()
