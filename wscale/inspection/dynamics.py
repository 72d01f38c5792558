"""What a cell does without activation, and what its trials cost; measured in this process."""

from __future__ import annotations

from dataclasses import dataclass

from wscale._util.plain import finite
from wscale.inspection.membrane import MembraneRun, run_membrane
from wscale.measurement.epsp import Protocol
from wscale.model.model import Model
from wscale.model.sites import list_sites
from wscale.simulation.first_trials import FirstTrials, first_trials
from wscale.simulation.rig import Rig
from wscale.simulation.settled_cell import settled_before

__all__ = ["Dynamics", "measure_dynamics"]


@dataclass(frozen=True)
class Dynamics:
    """What a cell does without activation, and what trials cost; measured.

    Parameters
    ----------
    drift_mV : float or None
        Largest change of the somatic potential in the window, mV (None: not finite).
    spikes : int
        Upward crossings of the spike threshold at the soma from time 0 to the end of the window.
    input_resistance_MOhm : float or None
        At the soma, MOhm: what a small current step of 200 ms gives, gates and all, taken as the
        integral of the response to a pulse of 1 ms and -0.01 nA over its charge (None: it fires).
    time_constant_ms : float or None
        At the soma, ms: a straight line through the logarithm of the decay after that pulse, from 1
        to 2 time constants after it, where the slowest component is left. None: the cell fires, or
        the decay changes its sign (as with resonance) or is too slow for 200 ms. With ih or other
        gates it is an effective one.
    build_s, settling_s, trial_s : float
        Seconds to build the cell, to settle it, and of one trial.
    settled : bool
        Whether a search will find the cell settled, in the cache.
    """

    drift_mV: float | None
    spikes: int
    input_resistance_MOhm: float | None
    time_constant_ms: float | None
    build_s: float
    settling_s: float
    trial_s: float
    settled: bool


def measure_dynamics(model: Model, protocol: Protocol) -> tuple[Dynamics, MembraneRun, FirstTrials]:
    """Make trials at some sites of a cell, then run it from time 0.

    Parameters
    ----------
    model : Model
        The cell; its mechanisms are loaded.
    protocol : Protocol
        Gives window, spike threshold and the drift that is allowed.

    Returns
    -------
    Dynamics
        What was measured.
    MembraneRun
        The run from time 0, with what it says of each section.
    FirstTrials
        Whether trials fail.
    """
    drift_mV, tried, settled = _trials(model, protocol)
    run = run_membrane(model, protocol, still=abs(drift_mV) <= protocol.drift_tolerance_mV)
    dynamics = Dynamics(
        drift_mV=finite(drift_mV),
        spikes=run.spikes,
        input_resistance_MOhm=run.resistance_MOhm,
        time_constant_ms=run.tau_ms,
        build_s=run.build_s,
        settling_s=run.settling_s,
        trial_s=tried.trial_s,
        settled=settled,
    )
    return dynamics, run, tried


def _trials(model: Model, protocol: Protocol) -> tuple[float, FirstTrials, bool]:
    """Return drift, mV, what trials gave, and whether the settled state was kept."""
    sites = list_sites(model)
    with Rig(model, sites, protocol) as rig:
        tried = first_trials(rig, model.own_weight_uS)
        return rig.drift_mV, tried, settled_before(model, sites, protocol)
