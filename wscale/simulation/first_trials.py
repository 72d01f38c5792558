"""The first trials of a cell: what fails at every site is found at once."""

from __future__ import annotations

import time
from dataclasses import dataclass

from wscale.measurement.epsp import Response
from wscale.model.sites import Site
from wscale.parallel.sandbox import timed
from wscale.simulation.rig import Rig
from wscale.simulation.synapse_check import what_is_wrong

__all__ = ["FirstTrials", "first_trials"]


@dataclass(frozen=True)
class FirstTrials:
    """Trials at the first site of a cell and at the one farthest from the soma.

    Parameters
    ----------
    problem : str or None
        Why the cell cannot be calibrated at any site.
    failed : dict
        The reason, by site, of trials that failed.
    trial_s : float
        Seconds of a trial, on average.
    """

    problem: str | None
    failed: dict[Site, str]
    trial_s: float


def first_trials(rig: Rig, weight_uS: float) -> FirstTrials:
    """Try a cell's synapses and two of its sites (in a worker).

    Parameters
    ----------
    rig : Rig
        The cell.
    weight_uS : float
        A usual weight, uS.
    """
    near, *_ = rig.sites
    far = max(rig.sites, key=lambda site: site.distance_um)
    responses: dict[Site, Response] = {}
    start = time.perf_counter()
    for site in (near, far):
        [responses[site]] = rig.respond([(site, weight_uS)])
    trial_s = (time.perf_counter() - start) / 2
    failed = {site: each.reason for site, each in responses.items() if each.status == "failed"}
    with timed(preparation=True):
        problem = failed[near] if len(failed) == len(responses) else what_is_wrong(rig)
    return FirstTrials(problem, failed, trial_s)
