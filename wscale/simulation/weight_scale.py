"""What a weight of 1 gives, measured in a single compartment under voltage clamp."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from wscale._util.plain import is_number
from wscale.measurement.epsp import FloatArray
from wscale.mechanisms.loading import import_neuron
from wscale.model.checks import NETPYNE_KEYS
from wscale.model.model import Model
from wscale.model.weight_unit import KEY, UNITS, DRIVING_FORCE_mV, WeightUnit
from wscale.simulation.rig import preflight, release_rig
from wscale.simulation.session import keep_globals

__all__ = ["measure_unit"]

# Two potentials at which a Mg block is small, and how long an event is followed
_CLAMPS_mV, _ARRIVAL_ms, _FOLLOWED_ms = (20.0, 40.0), 1.0, 100.0
# A synapse that releases at random may fail
_EVENTS = 8
# A peak between these multiples of 1 uS, 1 nS or 1 pS is in that unit; others are factors
_ABOUT = (0.3, 3.0)


def measure_unit(model: Model) -> WeightUnit | None:
    """Return the unit of a model's weight from what a weight of 1 gives (in a worker).

    The conductance is the change of the clamp's current between two potentials; where there is
    none, the synapse injects a current.

    Returns
    -------
    WeightUnit or None
        None where nothing can be measured: the mechanisms do not load, or nothing flows.
    """
    release_rig()
    if preflight(model) is not None:  # which the search will say
        return None
    h = import_neuron()
    put_back, cvode = keep_globals(h), h.CVode()
    was_active = cvode.active()
    try:
        cvode.active(0)
        h.celsius, h.dt = float(model.cfg["hParams"].get("celsius", h.celsius)), model.dt_ms
        for label in model.syn_mechs:
            try:
                unit = _unit_of(h, model.net["synMechParams"][label])
            except RuntimeError:  # how hoc errors arrive in Python
                continue
            if unit is not None:
                return unit
    finally:
        cvode.active(was_active)
        put_back()
    return None


def _unit_of(h: Any, entry: Mapping[str, Any]) -> WeightUnit | None:
    values = {k: v for k, v in entry.items() if k not in (*NETPYNE_KEYS, KEY)}
    if not all(map(is_number, values.values())):  # functions of the place
        return None
    sec = h.Section(name="single_compartment")
    sec.L = sec.diam = 20.0
    synapse = getattr(h, entry["mod"])(sec(0.5))
    for name, value in values.items():
        setattr(synapse, name, value)
    clamp = h.SEClamp(sec(0.5))
    clamp.dur1, clamp.rs = 1e9, 1e-3
    for _ in range(_EVENTS):
        low, high = (_current_nA(h, synapse, clamp, v) for v in _CLAMPS_mV)
        conductance_uS = _peak((high - low) / (_CLAMPS_mV[1] - _CLAMPS_mV[0]))
        current_nA = _peak(low)
        if conductance_uS * DRIVING_FORCE_mV > 0.01 * current_nA > 0:
            return _named(conductance_uS, ("uS", "nS", "pS"), "conductance", conductance_uS)
        if current_nA > 0:
            return _named(current_nA / DRIVING_FORCE_mV, ("nA", "pA"), "current", current_nA)
    return None


def _current_nA(h: Any, synapse: Any, clamp: Any, v_mV: float) -> FloatArray:
    """Return the clamp's current after an event of weight 1, less that before it."""
    netcon = h.NetCon(None, synapse)
    netcon.weight[0] = 1.0
    clamp.amp1 = v_mV
    current = h.Vector().record(clamp._ref_i)
    h.finitialize(v_mV)
    netcon.event(_ARRIVAL_ms)
    while h.t < _ARRIVAL_ms + _FOLLOWED_ms:
        h.fadvance()
    trace: FloatArray = np.array(current, dtype=np.float64)
    change: FloatArray = trace - trace[max(int(_ARRIVAL_ms / h.dt) - 1, 0)]
    return change


def _peak(trace: FloatArray) -> float:
    return float(np.nanmax(np.abs(trace), initial=0.0))


def _named(uS: float, names: tuple[str, ...], kind: str, peak: float) -> WeightUnit:
    source = f"measured: a weight of 1 gives a peak {kind} of {peak:.2g} "
    source += "uS" if kind == "conductance" else "nA"
    for name in names:
        if _ABOUT[0] <= uS / UNITS[name] <= _ABOUT[1]:
            return WeightUnit(name, UNITS[name], source)
    return WeightUnit("", uS, source)
