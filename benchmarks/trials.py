"""One trial on one core: NetPyNE's own run, the Rig, and the floor that no trial can go below."""

from __future__ import annotations

import dataclasses
import math
import statistics
import time
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from wscale import Model, Protocol, Rig, list_sites
from wscale.measurement.epsp import Response
from wscale.model.sites import Site
from wscale.simulation.full_run import netpyne_trace

# What the trials of the benchmark are given, uS: an EPSP of some tenths of a millivolt
WEIGHT_uS = 5e-4


def seconds(function: Callable[[], object], repeats: int = 1) -> float:
    """Median time of a call, s."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def spread(sites: tuple[Site, ...], count: int) -> list[Site]:
    """Some sites from all over a cell."""
    return list(sites[:: max(1, len(sites) // count)])


def netpyne_trial(model: Model, repeats: int) -> float:
    """Time of one ``sim.createSimulate`` from time 0, in this process, s."""
    site = spread(list_sites(model), 2)[-1]
    return seconds(lambda: netpyne_trace(model, site, WEIGHT_uS), repeats)


def rig_trials(model: Model, repeats: int = 3, count: int = 20) -> dict[str, Any]:
    """Time trials of the Rig, and their floor, at sites from all over a cell.

    The floor of a trial is the bare fixed-step integration of the settled cell, without any
    activation, from onset to the peak of that trial, at the model's dt.

    Parameters
    ----------
    model : Model
        The cell.
    repeats : int
        Timings of each; their median counts.
    count : int
        About how many sites.

    Returns
    -------
    dict
        Mean times (s) of build and settling, trial, floor; and their ratio.
    """
    sites = list_sites(model)
    start = time.perf_counter()
    with Rig(model, sites) as rig:
        ready_s = time.perf_counter() - start
        trials, floors = [], []
        for site in spread(sites, count):
            [response] = rig.respond([(site, WEIGHT_uS)])
            to_peak_ms = _to_peak_ms(model, response)
            trials.append(seconds(lambda at=site: rig.respond([(at, WEIGHT_uS)]), repeats))
            floors.append(seconds(lambda ms=to_peak_ms: rig.rest(ms), repeats))
    return {
        "segments": len(sites),
        "ready_s": ready_s,
        "trial_s": statistics.mean(trials),
        "floor_s": statistics.mean(floors),
        "multiple_of_floor": sum(trials) / sum(floors),
    }


def cvode_trials(model: Model, atol: float = 1e-3, count: int = 6) -> dict[str, float]:
    """Time trials with CVODE instead of fixed steps, to 1.2 times the peak, and their error.

    Returns
    -------
    dict
        Mean times (s) of a fixed-step trial and of a CVODE one; largest relative error of the
        EPSP.
    """
    adaptive = dataclasses.replace(model, cfg={**model.cfg, "cvode_active": True})
    adaptive.cfg["cvode_atol"] = atol
    chosen = spread(list_sites(model), count)
    fixed, quick, errors = [], [], []
    reference: dict[Site, Response] = {}
    with Rig(model, chosen) as rig:
        for site in chosen:
            [reference[site]] = rig.respond([(site, WEIGHT_uS)])
            fixed.append(seconds(lambda at=site: rig.respond([(at, WEIGHT_uS)]), 3))
    for site in chosen:
        window_ms = math.ceil(1.2 * _to_peak_ms(model, reference[site]))
        with Rig(adaptive, [site], Protocol(window_ms=window_ms)) as rig:
            [response] = rig.respond([(site, WEIGHT_uS)])
            quick.append(seconds(lambda at=site: rig.respond([(at, WEIGHT_uS)]), 3))
        errors.append(abs((response.epsp_mV or 0.0) / (reference[site].epsp_mV or 1.0) - 1.0))
    return {
        "fixed_s": statistics.mean(fixed),
        "cvode_s": statistics.mean(quick),
        "largest_error": max(errors),
    }


def finer(model: Model, factor: int) -> Model:
    """Return the model with more segments in each section."""
    net = deepcopy(model.net)
    for sec in net["cellParams"][model.cell]["secs"].values():
        sec["geom"]["nseg"] = factor * int(sec["geom"].get("nseg", 1))
    return dataclasses.replace(model, net=net)


def _to_peak_ms(model: Model, response: Response) -> float:
    """Time from onset to peak, ms."""
    return model.arrival_ms - model.onset_ms + (response.time_to_peak_ms or 0.0)
