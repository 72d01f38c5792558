"""A model's cell as NetPyNE builds it, with the connections that stand for activations."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from wscale.errors import ModelError
from wscale.model.description import STIM
from wscale.model.model import Model
from wscale.model.sites import Site
from wscale.model.weight_unit import KEY

__all__ = ["NetCons", "build_cell", "is_movable"]

# Connections by the site that they are for (None: one that is moved), each with the weight that
# NetPyNE gives it for a weight of 1 uS
NetCons = dict[Site | None, list[tuple[Any, float]]]

# What NetPyNE need not record, print, plot or save
_SILENT: dict[str, Any] = {
    "analysis": {},
    "printPopAvgRates": False,
    "printRunTime": False,
    "progressBar": 0,
    "recordCells": [],
    "recordDipole": False,
    "recordLFP": [],
    "recordTraces": {},
    "timing": False,
    "verbose": False,
}


def is_movable(model: Model) -> bool:
    """Whether one synapse, moved, is what NetPyNE would make at each site."""
    if model.cfg["cvode_active"]:  # NEURON cannot restore CVODE after a move
        return False
    if any("weightNorm" in sec for sec in model.rule["secs"].values()):
        return False
    synapses = [model.net["synMechParams"][label] for label in model.syn_mechs]
    texts = [key for syn in synapses for key, value in syn.items() if isinstance(value, str)]
    return not set(texts) - {"label", "mod", KEY}  # others are functions of the place


def build_cell(sim: Any, model: Model, places: Mapping[Site | None, tuple[str, float]]) -> NetCons:
    """Let NetPyNE build a model's network of one cell; nothing is activated in it.

    Parameters
    ----------
    sim : module
        ``netpyne.sim``, which holds no network.
    model : Model
        Its mechanisms are loaded.
    places : mapping
        Section and location of each synapse that is made.

    Returns
    -------
    dict
        The connections of each place, one for each of the model's synMechs, of weight 0; with
        them the weight that they had, which is theirs for 1 uS.

    Raises
    ------
    ModelError
        NetPyNE cannot build the cell, builds another, or does not connect it.
    """
    from netpyne import specs

    net = model.netpyne_net()
    template = net["stimTargetParams"].pop(model.stim_target_label)
    for number, (sec, loc) in enumerate(places.values()):
        target = {**template, "sec": sec, "loc": loc, "weight": 1.0}
        net["stimTargetParams"][f"{STIM}->{number}"] = target
    cfg = {**copy.deepcopy(model.cfg), **_SILENT}
    try:
        sim.create(specs.NetParams(net), specs.SimConfig(cfg))
    except Exception as error:
        raise ModelError(
            f"NetPyNE could not build {model.cell}: {type(error).__name__}: {error}"
        ) from error
    (cell,) = sim.net.cells
    if cell.tags.get("label") != [model.cell]:
        raise ModelError(
            f"the population is built by cell rule {cell.tags.get('label')}, not by "
            f"{model.cell!r}; give it cellType {model.cell!r} and the rule no conds"
        )
    for stim in cell.stims:
        if stim["source"] == STIM:
            stim["hObj"].number = 0  # activations come from the trials
    made = [conn for conn in cell.conns if conn["preLabel"] == STIM]
    netcons: NetCons = {}
    for key, place in places.items():
        here = [conn["hObj"] for conn in made if (conn["sec"], conn["loc"]) == place]
        if len(here) != len(model.syn_mechs):
            raise ModelError(
                f"NetPyNE did not make one connection for each of {model.syn_mechs} at "
                f"{place}; leave cfg.addSynMechs, createPyStruct and createNEURONObj at True"
            )
        netcons[key] = [(netcon, float(netcon.weight[0])) for netcon in here]
        for netcon in here:
            netcon.weight[0] = 0.0
    return netcons
