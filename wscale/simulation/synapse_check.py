"""Whether a synapse can be calibrated at all: it answers, by its weight, and twice the same."""

from __future__ import annotations

import numpy as np

from wscale.measurement.epsp import FloatArray
from wscale.mechanisms.library import sources_of
from wscale.mechanisms.nmodl import draws_random, mechanism_names
from wscale.model.model import Model
from wscale.simulation.rig import Rig

__all__ = ["what_is_wrong"]

# A plausible weight, and how often it is tried where a mechanism may draw random numbers, uS
_WEIGHT_uS, _REPEATS = 1e-3, 8


def what_is_wrong(rig: Rig) -> str | None:
    """Return why a model's synapses cannot be calibrated; None if they can (in a worker).

    Four trials at the first site, and some more where a mechanism may draw random numbers.

    Returns
    -------
    str or None
        ``stochastic: ...``: the same activation from the same state gives different responses.
        ``weight_ignored: ...``: responses do not depend on the weight. ``no_answer: ...``: no
        weight changes anything at the soma.
    """
    site, model = rig.sites[0], rig.model
    random = sorted(_random_synapses(model))
    try:
        first = rig.trace(site, _WEIGHT_uS)[1]
        again = [rig.trace(site, _WEIGHT_uS)[1] for _ in range(_REPEATS if random else 1)]
        double = rig.trace(site, 2 * _WEIGHT_uS)[1]
        rest = rig.trace(None)[1]
    except RuntimeError:  # how hoc errors arrive in Python: the sites will tell
        return None
    synapses = " + ".join(model.syn_mechs)
    if not all(np.array_equal(first, trace, equal_nan=True) for trace in again):
        sizes = sorted(_size_mV(trace) for trace in (first, *again))
        drawn = f" ({', '.join(random)} draws random numbers)" if random else ""
        return (
            f"stochastic: the same activation of {synapses} from the same state moves the soma by "
            f"{sizes[0]:.4g} to {sizes[-1]:.4g} mV{drawn}. A weight is defined for a deterministic "
            "synapse: take its deterministic version, or set its release probability to 1"
        )
    if not np.array_equal(first, double, equal_nan=True):
        return None
    weights = f"weights of {_WEIGHT_uS:g} and {2 * _WEIGHT_uS:g}"
    if np.array_equal(first, rest, equal_nan=True):
        return (
            f"no_answer: {weights} change nothing at the soma: does NET_RECEIVE of {synapses} use "
            "its weight, and is its conductance above zero?"
        )
    return (
        f"weight_ignored: {weights} move the soma by the same {_size_mV(first):.4g} mV: {synapses} "
        "does not use the weight of its events, so there is none to calibrate; its strength is one "
        "of its parameters, such as gmax"
    )


def _size_mV(trace_mV: FloatArray) -> float:
    return float(np.abs(trace_mV - trace_mV[0]).max())


def _random_synapses(model: Model) -> set[str]:
    """Return the synapses' mechanisms whose files draw random numbers."""
    if model.mod is None:
        return set()
    wanted = {model.net["synMechParams"][label]["mod"] for label in model.syn_mechs}
    return {
        name
        for text in sources_of(model.mod).values()
        if draws_random(text)
        for name in mechanism_names(text)
        if name in wanted
    }
