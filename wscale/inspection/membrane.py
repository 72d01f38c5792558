"""Resting potentials, input resistance and time constant of a cell, from a run of its own."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from wscale._util.plain import finite
from wscale.measurement.epsp import FloatArray, Protocol
from wscale.mechanisms.loading import import_neuron
from wscale.model.description import STIM
from wscale.model.model import Model
from wscale.simulation.session import claim_netpyne, clear_netpyne, keep_globals, quiet

__all__ = ["MembraneRun", "run_membrane", "slowest_ms"]

# The current pulse, how long its response is followed, and where its decay is fitted
_CLAMP = "wscale current pulse"
_PULSE_ms, _PULSE_nA, _FOLLOWED_ms = 1.0, -0.01, 200.0
_FIT = (1.0, 2.0)  # time constants after the pulse
_FIRST_GUESSES_ms = (40.0, 20.0, 10.0, 5.0, 2.5, 1.25)


def run_membrane(model: Model, protocol: Protocol, still: bool) -> MembraneRun:
    """Run a cell from time 0, and give its soma a current pulse where it rests.

    Parameters
    ----------
    model : Model
        The cell.
    protocol : Protocol
        Gives window and spike threshold.
    still : bool
        Whether the cell rests in the window; else a cell that fires gets no pulse.
    """
    h, sim = import_neuron(), claim_netpyne()
    put_back = keep_globals(h)
    try:
        with quiet():
            return _run(h, sim, model, protocol, still)
    finally:
        clear_netpyne(sim)
        put_back()


@dataclass(frozen=True)
class MembraneRun:
    """A cell run from time 0: what its parts and its membrane are."""

    build_s: float
    settling_s: float
    spikes: int
    length_um: dict[str, float]
    rest_mV: dict[str, float | None]
    resistance_MOhm: float | None
    tau_ms: float | None


def _run(h: Any, sim: Any, model: Model, protocol: Protocol, still: bool) -> MembraneRun:
    """Build the cell with a silent current clamp in the soma, and run it from time 0.

    The clamp is there before the state is saved, since NEURON cannot restore after it was added.
    """
    from netpyne import specs

    net, cfg = model.netpyne_net(), copy.deepcopy(model.cfg)
    net["stimSourceParams"][STIM]["number"] = 0
    clamp_off = {"type": "IClamp", "del": 1e9, "dur": _PULSE_ms, "amp": 0.0}
    net["stimSourceParams"][_CLAMP] = clamp_off
    net["stimTargetParams"][f"{_CLAMP}->soma"] = {
        "source": _CLAMP,
        "conds": model.stim_target.get("conds", {}),
        "sec": model.soma,
        "loc": 0.5,
    }
    cfg.update(analysis={}, recordCells=[], recordTraces={}, cvode_active=False)
    start = time.perf_counter()
    sim.create(specs.NetParams(net), specs.SimConfig(cfg))
    build_s = time.perf_counter() - start
    (cell,) = sim.net.cells
    secs = {name: sec["hObj"] for name, sec in cell.secs.items()}
    (clamp,) = (stim["hObj"] for stim in cell.stims if stim["source"] == _CLAMP)
    v = h.Vector().record(secs[model.soma](0.5)._ref_v)
    sim.preRun()
    h.finitialize(float(sim.cfg.hParams["v_init"]))  # as sim.runSim does
    start = time.perf_counter()
    sim.pc.psolve(model.onset_ms - model.record_step_ms)
    settling_s = time.perf_counter() - start
    rest = {name: finite(sec(0.5).v) for name, sec in secs.items()}
    length = {name: float(sec.L) for name, sec in secs.items()}
    state = h.SaveState()
    state.save()
    sim.pc.psolve(model.onset_ms + protocol.window_ms)
    high = v.as_numpy() >= protocol.spike_threshold_mV
    spikes = int(np.count_nonzero(high[1:] & ~high[:-1]))
    resistance, tau = None, None
    if still or not spikes:
        response_mV = _pulse_response_mV(h, sim, state, clamp, v)
        charge_pC = abs(_PULSE_nA) * _PULSE_ms
        resistance = finite(response_mV.sum() * model.dt_ms / charge_pC)
        tau = slowest_ms(response_mV, model.dt_ms, _PULSE_ms)
        if tau is not None and h.secondorder == 0:  # undo what implicit Euler adds, dt/2
            tau = float(model.dt_ms / np.expm1(model.dt_ms / tau))
    return MembraneRun(build_s, settling_s, spikes, length, rest, resistance, tau)


def _pulse_response_mV(h: Any, sim: Any, state: Any, clamp: Any, v: Any) -> FloatArray:
    """Return by how much a current pulse lowers the potential, mV, from its start, every dt."""
    traces = []
    for amp_nA in (0.0, _PULSE_nA):
        state.restore()
        h.frecord_init()
        clamp.delay, clamp.dur, clamp.amp = float(h.t), _PULSE_ms, amp_nA
        sim.pc.psolve(h.t + _PULSE_ms + _FOLLOWED_ms)
        traces.append(np.array(v.as_numpy(), dtype=np.float64, copy=True))
    unstimulated, pulsed = traces
    response: FloatArray = unstimulated - pulsed
    return response


def slowest_ms(deflection_mV: FloatArray, dt_ms: float, from_ms: float) -> float | None:
    """Return the time constant of a decay, from a line through its logarithm.

    The line is fitted from 1 to 2 time constants after ``from_ms``, in turns until they agree.

    Parameters
    ----------
    deflection_mV : array of float, shape (n,)
        Sampled every ``dt_ms`` from time 0, mV.
    dt_ms, from_ms : float
        Sampling step, and where the decay begins, ms.

    Returns
    -------
    float or None
        The time constant, ms; None where the decay changes its sign or is too slow for the trace.

    Examples
    --------
    >>> t = np.arange(0.0, 100.0, 0.1)
    >>> round(slowest_ms(np.exp(-t / 20.0) + np.exp(-t / 2.0), 0.1, 0.0), 2)
    20.0
    """
    guesses = (_agreed_ms(deflection_mV, dt_ms, from_ms, tau) for tau in _FIRST_GUESSES_ms)
    return next((tau for tau in guesses if tau is not None), None)


def _agreed_ms(v_mV: FloatArray, dt_ms: float, from_ms: float, tau: float) -> float | None:
    t = dt_ms * np.arange(len(v_mV))
    begin = int(from_ms / dt_ms) + 2
    for _ in range(100):
        first, last = (begin + int(share * tau / dt_ms) for share in _FIT)
        if last >= len(t) or last - first < 5 or not (v_mV[begin : last + 1] > 0).all():
            return None
        slope = np.polyfit(t[first : last + 1], np.log(v_mV[first : last + 1]), 1)[0]
        if not slope < 0:
            return None
        found = float(-1.0 / slope)
        if abs(found - tau) < 1e-3 * tau:
            return found
        tau = (tau + found) / 2  # half way, lest it goes to and fro
    return None
