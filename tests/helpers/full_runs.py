"""The Rig's trials compared with NetPyNE's own runs from time 0."""

from __future__ import annotations

from wscale import Rig, list_sites
from wscale.simulation.full_run import netpyne_trace

__all__ = ["equals_full_runs"]


def equals_full_runs(model, weight_uS=1e-3):
    """Trials at the first and last site are full runs, also in another order; the responses."""
    sites = [list_sites(model)[0], list_sites(model)[-1]]
    with Rig(model, sites) as rig:
        traces = [rig.trace(site, weight_uS) for site in (*sites, sites[0])]
        responses = rig.respond([(site, weight_uS) for site in sites])
    for site, (t, v) in zip((*sites, sites[0]), traces, strict=True):
        t_full, v_full = netpyne_trace(model, site, weight_uS)
        first = abs(t_full - t[0]).argmin()
        assert len(v) >= 1000
        assert abs(v[: len(v_full) - first] - v_full[first : first + len(v)]).max() <= 1e-9
    return responses
