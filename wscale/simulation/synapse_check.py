"""Whether a synapse can be calibrated at all: it answers, by its weight, and twice the same."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from wscale.errors import option
from wscale.measurement.epsp import FloatArray
from wscale.model.model import Model
from wscale.model.sites import Site
from wscale.simulation.rig import Rig

__all__ = ["what_is_wrong"]

# A plausible weight, and how often it is tried where a mechanism may draw random numbers, uS
_WEIGHT_uS, _REPEATS = 1e-3, 8
_DETERMINISTIC = "take its deterministic version, or set its release probability to 1"


def what_is_wrong(rig: Rig) -> str | None:
    """Return why a model's synapses cannot be calibrated; None if they can (in a worker).

    Three trials at the first site, and some more if a mechanism may draw random numbers.

    Returns
    -------
    str or None
        ``stochastic: ...``: the same activation from the same state gives different responses, or
        does so with the same random streams. ``weight_ignored: ...``: responses do not depend on
        the weight. ``no_answer: ...``: no weight changes anything at the soma.
    """
    site, model = rig.sites[0], rig.model
    repeated = rig.protocol.trials > 1
    streams: list[int | None] = list(range(_REPEATS)) if repeated else [None]
    again: list[int | None] = streams
    if model.random_streams and not repeated:
        again = [None] * _REPEATS
    try:
        first = _traces(rig, site, _WEIGHT_uS, streams)
        second = _traces(rig, site, _WEIGHT_uS, again)
        double = _traces(rig, site, 2 * _WEIGHT_uS, streams)
    except RuntimeError:  # how hoc errors arrive in Python: the sites will tell
        return None
    if not np.isfinite(first).all():
        return None
    if not repeated and not all(_same(one, other) for one, other in pairwise([*first, *second])):
        return _stochastic(model, [*first, *second])
    if repeated and not all(map(_same, first, second)):
        return (
            f"stochastic: with the same random streams, {_names(model)} moves the soma by other "
            f"amounts: it draws from streams that wscale cannot set. {_DETERMINISTIC.capitalize()}"
        )
    if not all(map(_same, first, double)):
        return None
    amount = model.weight_unit.amount
    weights = f"weights of {amount(_WEIGHT_uS)} and {amount(2 * _WEIGHT_uS)}"
    rest = rig.trace(None)[1]
    if all(_same(trace, rest) for trace in first):
        return (
            f"no_answer: {weights} change nothing at the soma: does NET_RECEIVE of {_names(model)} "
            "use its weight, and is its conductance above zero?"
        )
    return (
        f"weight_ignored: {weights} move the soma by the same {_size_mV(first[0]):.4g} mV: "
        f"{_names(model)} does not use the weight of its events, so there is none to calibrate; "
        "its strength is one of its parameters, such as gmax"
    )


def _traces(
    rig: Rig, site: Site, weight_uS: float, streams: Sequence[int | None]
) -> list[FloatArray]:
    return [rig.trace(site, weight_uS, stream)[1] for stream in streams]


def _same(one: FloatArray, other: FloatArray) -> bool:
    return np.array_equal(one, other, equal_nan=True)


def _size_mV(trace_mV: FloatArray) -> float:
    return float(np.abs(trace_mV - trace_mV[0]).max())


def _names(model: Model) -> str:
    return " + ".join(model.syn_mechs)


def _stochastic(model: Model, traces: Sequence[FloatArray]) -> str:
    """Say that responses differ, why, and what can be done."""
    sizes = sorted(map(_size_mV, traces))
    drawing = [model.net["synMechParams"][label]["mod"] for label in model.random_streams]
    why = f" ({', '.join(drawing)} draws random numbers)" if drawing else ""
    settable = drawing and all(s.variables or s.setter for s in model.random_streams.values())
    remedy = f"{_DETERMINISTIC.capitalize()}"
    if settable:
        remedy = f"Take the mean of many seeded trials with {option('trials', 100)}, or "
        remedy += _DETERMINISTIC
    return (
        f"stochastic: the same activation of {_names(model)} from the same state moves the soma by "
        f"{sizes[0]:.4g} to {sizes[-1]:.4g} mV{why}. A weight is defined for a deterministic "
        f"response. {remedy}"
    )
