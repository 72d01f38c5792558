"""One network in a process of its own: built by NetPyNE, then probed or left to its background."""

from __future__ import annotations

from typing import Any

from wscale import Response, measure
from wscale.mechanisms.loading import load_mechanisms
from wscale.simulation.session import claim_netpyne, quiet

__all__ = ["activity", "probe", "weights_as_meant"]


def probe(changes: dict[str, Any]) -> dict[str, list[Response]]:
    """Activate each probe on its own, and measure the EPSP at the soma of the cell that has it.

    Nobody else is active, so that the cells of all populations are probed at the same time.

    Parameters
    ----------
    changes : dict
        Values for cfg.

    Returns
    -------
    dict
        Population -> the response for each of its ``cfg.places``, in their order.
    """
    sim, cfg = _build({**changes, "background": False})
    found: dict[str, list[Response]] = {pop: [] for pop in cfg.places}
    for number in range(max(map(len, cfg.places.values()))):
        turn = {pop: places[number] for pop, places in cfg.places.items() if number < len(places)}
        _let_fire(sim, {_label(pop, *place) for pop, place in turn.items()}, cfg.onset_ms)
        with quiet():
            sim.runSim()
        t = sim.simData["t"].as_numpy().copy()
        for pop in turn:
            gid = sim.net.pops[pop].cellGids[0]
            v = sim.simData["V_soma"][f"cell_{gid}"].as_numpy().copy()
            arrival_ms = cfg.onset_ms + cfg.probeDelay_ms
            found[pop].append(measure(t, v, onset_ms=cfg.onset_ms, arrival_ms=arrival_ms))
    return found


def activity(changes: dict[str, Any]) -> dict[str, Any]:
    """Let the network run with its background.

    Returns
    -------
    dict
        ``times_ms`` and ``cells`` of all spikes of cells; ``gids`` of each population;
        ``duration_ms``; what :func:`weights_as_meant` says.
    """
    sim, cfg = _build(changes)
    cfg.duration = cfg.activity_ms
    with quiet():
        sim.runSim()
    gids = {pop: list(sim.net.pops[pop].cellGids) for pop in cfg.cells}
    cells = {gid for own in gids.values() for gid in own}
    spikes = zip(sim.simData["spkt"], sim.simData["spkid"], strict=True)
    spikes = sorted((t, int(gid)) for t, gid in spikes if gid in cells)
    return {
        "times_ms": [t for t, _ in spikes],
        "cells": [gid for _, gid in spikes],
        "gids": gids,
        "duration_ms": cfg.duration,
        **weights_as_meant(sim),
    }


def weights_as_meant(sim: Any) -> dict[str, float]:
    """Compare the synapses that NEURON has with what was asked for.

    A synapse must have the weight of its rule, times its synMech's factor, times the weightNorm of
    the segment that it is in, wherever NetPyNE has put it.

    Returns
    -------
    dict
        ``synapses``, how many there are, and ``largest_weight_error``, relative.
    """
    params, pop_of = sim.net.params, {cell.gid: cell.tags["pop"] for cell in sim.net.cells}
    errors = []
    for cell in sim.net.cells:
        for conn in cell.conns:
            rule = params.connParams[f"{pop_of[conn['preGid']]}->{cell.tags['pop']}"]
            factors = rule.get("synMechWeightFactor", [1.0])
            factor = factors[rule["synMech"].index(conn["synMech"])] if factors[1:] else 1.0
            sec = params.cellParams[cell.tags["cellType"]]["secs"][conn["sec"]]
            norm = sec["weightNorm"][int(conn["loc"] * sec["geom"]["nseg"])]
            errors.append(abs(conn["hObj"].weight[0] / (rule["weight"] * factor * norm) - 1.0))
    return {"synapses": len(errors), "largest_weight_error": max(errors)}


def _build(changes: dict[str, Any]) -> tuple[Any, Any]:
    """Let NetPyNE make the network with some values of cfg changed."""
    sim = claim_netpyne()
    from cfg import cfg

    for key, value in changes.items():
        setattr(cfg, key, value)
    load_mechanisms(f"{cfg.repository}/mod")
    with quiet():
        from netParams import netParams

        sim.create(netParams=netParams, simConfig=cfg)
    return sim, cfg


def _label(pop: str, sec: str, loc: float) -> str:
    return f"probe {sec}({loc:g}) of {pop}"


def _let_fire(sim: Any, labels: set[str], onset_ms: float) -> None:
    """Set when the probes fire: some at the onset, the others never."""
    for cell in sim.net.cells:
        for stim in getattr(cell, "stims", []):
            stim["hObj"].start = onset_ms if stim["source"] in labels else 1e9
