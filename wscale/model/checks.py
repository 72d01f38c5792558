"""What a single-cell model must have before it is worth simulating.

Every check raises an error of the :class:`wscale.errors.WscaleError` family that names the entry,
its value, what is allowed and the remedy.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from wscale._util.plain import is_number, short
from wscale.errors import ConfigError, ModelError, closest, option
from wscale.measurement.epsp import Protocol
from wscale.model.description import STIM, DEFAULT_DELAY_ms, ModelDescription
from wscale.model.weight_unit import KEY, UNITS, check_unit

__all__ = [
    "NETPYNE_KEYS",
    "LARGEST_uS",
    "check_configuration",
    "check_max_weight",
    "check_network",
    "check_shape",
    "check_threshold",
    "check_tolerance",
    "check_window",
]

_NETWORK = ("cellParams", "popParams", "stimSourceParams", "stimTargetParams", "synMechParams")

_LABEL = re.compile(r"\w[\w .+-]*")


# More than the whole membrane of a cell conducts: a wrong unit
LARGEST_uS = 100.0

# Keys that NetPyNE takes from a stimSourceParams entry in place of the target's
_OF_THE_TARGET = (
    *("weight", "delay", "sec", "loc", "synMech", "synMechWeightFactor", "synsPerConn"),
    *("synMechLocFactor", "synMechDelayFactor", "shape", "plast", "gapJunction"),
)
# cellModels of NEURON's cells without sections
_ARTIFICIAL = ("NetStim", "VecStim", "IntFire1", "IntFire2", "IntFire4")
# Switches of cfg: their value where a model can be calibrated, and why
_SWITCHES = {
    "coreneuron": (False, "the search runs in NEURON"),
    "addSynMechs": (True, "NetPyNE would make no synapse"),
    "createPyStruct": (True, "NetPyNE would make no synapse"),
    "createNEURONObj": (True, "NetPyNE would make no synapse"),
    "includeParamsLabel": (True, "NetPyNE would not say by which rule it builds the cell"),
    "saveIMembrane": (False, "NetPyNE would record the currents of all segments"),
}

# Keys of synMechParams that NetPyNE itself reads
NETPYNE_KEYS = (
    "label",
    "mod",
    "loc",
    "preLoc",
    "sec",
    "selfNetCon",
    "pointerParams",
    "gapJunction",
)


def check_shape(cell: str, net: dict[str, Any]) -> None:
    """Raise ModelError unless the parts of a network that are read are of NetPyNE's shape."""
    for part in _NETWORK:
        entries = net.get(part)
        if not isinstance(entries, dict):
            raise ModelError(f"netParams.{part} = {short(entries)} must be a dictionary")
        for label, entry in entries.items():
            if not isinstance(entry, dict):
                raise ModelError(
                    f"netParams.{part}[{label!r}] = {short(entry)} must be a dictionary"
                )
    secs = net["cellParams"].get(cell, {}).get("secs")
    if not isinstance(secs, dict) or not secs:
        raise ModelError(
            f"netParams.cellParams[{cell!r}] has no sections; a cell needs at least its soma"
        )
    values = net["cellParams"][cell].get("globals", {})
    if not _are_globals(values):
        raise ModelError(f"cell {cell!r}: globals = {short(values)} must be names and numbers")
    lists = net["cellParams"][cell].get("secLists", {})
    if not isinstance(lists, dict) or not all(
        isinstance(names, list) and all(isinstance(name, str) for name in names)
        for names in lists.values()
    ):
        raise ModelError(f"cell {cell!r}: secLists must be a dictionary of lists of section names")


def check_network(model: ModelDescription) -> None:
    """Raise ModelError unless one cell gets one activation of known synapses from NetStim1."""
    if not _LABEL.fullmatch(model.cell):
        raise ModelError(
            f"cell label {model.cell!r} cannot be part of a file name; use letters, digits, spaces "
            "and _ + - . (not first)"
        )
    _ = model.soma
    pops = model.net["popParams"]
    sizes = {name: _size(pop) for name, pop in pops.items()}
    if list(sizes.values()) != [1]:
        raise ModelError(
            f"the model must have one population of one cell, but popParams gives {sizes}; "
            "leave only the calibrated cell, with numCells = 1. For a cell of a network, make a "
            f"folder beside it by 'wscale new' with {option('cell_file', 'FILE')}: the cell's own, "
            f"or what netParams.save('./FILE.json') writes, with {option('cell_class', 'RULE')}"
        )
    _check_population(model)
    targets = [
        label
        for label, target in model.net["stimTargetParams"].items()
        if target.get("source") == STIM
    ]
    if STIM not in model.net["stimSourceParams"] or len(targets) != 1:
        raise ModelError(
            f"netParams must have stimSourceParams[{STIM!r}] and exactly one stimTargetParams "
            f"entry with source {STIM!r}, but the sources are "
            f"{sorted(model.net['stimSourceParams'])} and the targets {targets}"
        )
    source = model.stim_source
    start = source.get("start")
    if not is_number(start) or start <= 0:
        raise ModelError(
            f"{STIM}: start = {start!r} ms must be positive and finite, late enough for the cell "
            "to settle; 700 is usual"
        )
    if (source.get("type"), source.get("number", 1e9), source.get("noise", 0)) != (
        "NetStim",
        1,
        0,
    ):
        raise ModelError(
            f"{STIM} must be a NetStim with number 1 and noise 0 (one activation at a known "
            f"time), but is {source}"
        )
    if not any(is_number(source.get(key)) and source[key] > 0 for key in ("interval", "rate")):
        raise ModelError(
            f"stimSourceParams[{STIM!r}] has no positive interval (ms) or rate, which NetPyNE "
            "needs for a single activation too; 1e10 ms is usual"
        )
    _check_source(source)
    if not model.syn_mechs or not all(isinstance(label, str) for label in model.syn_mechs):
        raise ModelError(
            f"{STIM}'s target has no synMech ({short(model.syn_mechs)}); name one or more of "
            "synMechParams"
        )
    _check_target(model)


def _check_population(model: ModelDescription) -> None:
    """Refuse what makes other cells of the population, or another number of them."""
    [(name, pop)] = model.net["popParams"].items()
    if pop.get("cellModel") in _ARTIFICIAL:
        raise ModelError(
            f"popParams[{name!r}]: cellModel = {pop['cellModel']!r} makes an artificial cell, "
            f"without membrane; give it cellType = {model.cell!r} in place of cellModel"
        )
    if pop.get("diversity"):
        raise ModelError(
            f"popParams[{name!r}]: diversity = {short(pop['diversity'])} mixes cell rules; one "
            "rule is calibrated at a time: leave it out"
        )
    scale = model.net.get("scale", 1)
    if scale != 1:
        raise ModelError(
            f"netParams.scale = {short(scale)} multiplies the number of cells, and one cell is "
            "calibrated; set it to 1"
        )


def _check_source(source: dict[str, Any]) -> None:
    """Refuse what the source says of the connection: NetPyNE would believe it, not the target."""
    for key in _OF_THE_TARGET:
        if key in source:
            raise ModelError(
                f"stimSourceParams[{STIM!r}] has {key} = {short(source[key])}, which NetPyNE takes "
                "in place of what the target says, so that the searched value would have no "
                f"effect; leave {key} out"
            )


def _check_target(model: ModelDescription) -> None:
    target, known = model.stim_target, model.net["synMechParams"]
    for key, kind in (("weight", "number of uS"), ("loc", "number"), ("delay", "number of ms")):
        if not is_number(target.get(key, 1.0)):
            raise ModelError(
                f"{key} = {target[key]!r} of {STIM}'s target must be one {kind}; the parts of "
                "several synMechs go into synMechWeightFactor"
            )
    factors = target.get("synMechWeightFactor")
    several = len(model.syn_mechs) > 1 and factors is not None
    if several and not (
        isinstance(factors, list)
        and len(factors) == len(model.syn_mechs)
        and all(is_number(factor) and factor >= 0 for factor in factors)
        and any(factors)
    ):
        raise ModelError(
            f"synMechWeightFactor = {factors} of {STIM}'s target must have one factor for each "
            f"of its synMechs {model.syn_mechs}, not negative, one at least positive"
        )
    for key in ("synsPerConn", "synMechLocFactor", "synMechDelayFactor"):
        if target.get(key, 1) != 1:
            raise ModelError(
                f"{key} = {target[key]!r} of {STIM}'s target: one activation at one place is "
                f"calibrated; leave {key} out"
            )
    for label in model.syn_mechs:
        if label not in known:
            raise ModelError(
                f"synMech {label!r} of {STIM} is not in synMechParams ({sorted(known)})."
                f"{closest(label, known)}"
            )
        if not isinstance(known[label].get("mod"), str):
            raise ModelError(
                f"synMechParams[{label!r}]: mod = {known[label].get('mod')!r} must name its point "
                "process, such as Exp2Syn"
            )
        if known[label].get("pointerParams"):
            raise ModelError(
                f"synMechParams[{label!r}] has pointerParams, so it is a gap junction or the like, "
                f"which receives no events; give {STIM} a synapse that does"
            )
        if KEY in known[label]:
            check_unit(f"synMechParams[{label!r}]", known[label][KEY])
        for key, value in known[label].items():
            if key not in NETPYNE_KEYS and not (is_number(value) or isinstance(value, str)):
                raise ModelError(
                    f"synMechParams[{label!r}]: {key} = {short(value)} must be a finite number"
                )
    delay = target.get("delay", DEFAULT_DELAY_ms)
    if not is_number(delay):
        raise ModelError(f"delay = {delay!r} of {STIM}'s target must be a number of ms")
    if model.arrival_ms < model.onset_ms:
        raise ModelError(
            f"{STIM}: delay must not be negative ({model.arrival_ms - model.onset_ms:g} ms)"
        )


def check_configuration(model: ModelDescription) -> None:
    """Raise ConfigError where time steps do not fit, or NetPyNE would not build the model."""
    for name, (needed, why) in _SWITCHES.items():
        if bool(model.cfg.get(name, needed)) is not needed:
            raise ConfigError(f"cfg.{name} = {model.cfg[name]!r}: {why}; set it to {needed}")
    for name, usual in (("dt", 0.025), ("recordStep", 0.1), ("duration", 800)):
        value = model.cfg.get(name)
        if not is_number(value) or value <= 0:
            raise ConfigError(f"cfg.{name} = {value!r} ms must be positive; {usual:g} is usual")
    globals_ = model.cfg.get("hParams")
    if not isinstance(globals_, dict):
        raise ConfigError(f"cfg.hParams = {globals_!r} must be a dictionary of NEURON's globals")
    for name, unit, usual in (("v_init", "mV", -80), ("celsius", "degC", 34)):
        value = globals_.get(name, usual)
        if not is_number(value):
            raise ConfigError(
                f"cfg.hParams.{name} = {value!r} must be a number of {unit}; {usual} is usual"
            )
    if not _are_globals(globals_):
        raise ConfigError(f"cfg.hParams = {short(globals_)} must be names and finite numbers")
    dt, step = model.cfg["dt"], model.cfg["recordStep"]
    stride = step / dt
    if not model.cfg["cvode_active"] and not _is_whole(stride):
        raise ConfigError(
            f"cfg.recordStep = {step!r} ms must be a whole multiple of cfg.dt = {dt!r} ms; "
            f"{max(1, round(stride)) * dt:g} is one"
        )


def check_window(model: ModelDescription, protocol: Protocol) -> None:
    """Raise ConfigError where the measurement window does not end within ``cfg.duration``."""
    end = model.onset_ms + protocol.window_ms
    if end > float(model.cfg["duration"]) + 1e-9:
        raise ConfigError(
            f"the measurement window ends at {end:g} ms (NetStim1 start {model.onset_ms:g} + "
            f"window_ms {protocol.window_ms:g}), after cfg.duration = {model.cfg['duration']:g} "
            "ms; shorten window_ms or lengthen cfg.duration"
        )
    step = float(model.cfg["recordStep"])
    steps = protocol.window_ms / step
    if not _is_whole(steps):
        raise ConfigError(
            f"window_ms = {protocol.window_ms:g} must be a whole multiple of cfg.recordStep = "
            f"{step:g} ms; {max(1, round(steps)) * step:g} is one"
        )


def check_max_weight(max_weight: float | None, models: Sequence[ModelDescription]) -> None:
    """Raise ConfigError if a number cannot be the largest plausible weight of models."""
    if max_weight is None:
        return
    units = {model.stated_unit.name for model in models if model.stated_unit is not None}
    if len(units) > 1:
        raise ConfigError(
            f"{option('max_weight', max_weight)} is in the unit of the synapse's weight, and the "
            f"synapses have several: {', '.join(sorted(units))}; search them one by one, or leave "
            "it out"
        )
    largest = LARGEST_uS if not units else LARGEST_uS / UNITS[units.pop()]
    if not 0 < max_weight <= largest:
        raise ConfigError(
            f"{option('max_weight', max_weight)} must be positive and at most {largest:g}, in the "
            "unit of the synapse's weight; 0.1 uS = 100 nS is usual"
        )


def check_threshold(threshold: float) -> None:
    """Raise ConfigError where a number cannot be the threshold of addCellParamsWeightNorm."""
    if not 0 < threshold < math.inf:
        raise ConfigError(
            f"{option('threshold', threshold)} must be positive and finite: the multiple of the "
            "soma's entry above which NetPyNE clips entries; 1000 is its default"
        )


def check_tolerance(tolerance: float) -> None:
    """Raise ConfigError where a relative error cannot be a tolerance."""
    if not 0 < tolerance < 1:
        raise ConfigError(
            f"tolerance = {tolerance!r} must be a relative error between 0 and 1; 0.001 is usual"
        )


def _are_globals(values: Any) -> bool:
    """Whether these are names and numbers: NetPyNE makes hoc of them, which could do more."""
    return isinstance(values, dict) and all(
        re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) and (is_number(value) or value is True)
        for name, value in values.items()
    )


def _size(pop: dict[str, Any]) -> Any:
    """Return how many cells NetPyNE makes of a population."""
    for key in ("density", "gridSpacing"):
        if key in pop:
            return f"by {key}"
    listed = pop.get("cellsList")
    return pop.get("numCells", len(listed) if isinstance(listed, list) else 1)


def _is_whole(ratio: float) -> bool:
    return round(ratio) >= 1 and abs(ratio - round(ratio)) < 1e-6 * ratio
