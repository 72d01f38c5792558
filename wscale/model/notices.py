"""What is unusual in a model and no error: notices, for the user to judge."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from wscale._util.plain import is_number, some
from wscale._util.text import kinds
from wscale.errors import option
from wscale.model.description import STIM, ModelDescription
from wscale.model.weight_unit import KEY, stated_unit

__all__ = ["model_notices", "unused_globals"]

_CLAMPS = ("SEClamp", "VClamp")
# The functions of NEURON's Random that NetPyNE lets parameters call
_RANDOM = re.compile(
    r"\b(binomial|discunif|erlang|geometric|hypergeo|lognormal|negexp|normal|poisson|uniform|weibull)"
    r"\s*\("
)


def model_notices(model: ModelDescription) -> list[str]:
    """Return notices about a model whose parts were checked.

    Examples
    --------
    >>> from wscale import Model
    >>> model_notices(Model.from_folder(".", "PV_simple"))
    []
    """
    return [
        *_bare_sections(model),
        *_unused_factor(model),
        *_network_scales(model),
        *_clamps(model),
        *_other_netstims(model),
        *_random_parameters(model),
        *_other_unit(model),
    ]


def _bare_sections(model: ModelDescription) -> list[str]:
    secs = model.rule["secs"]
    bare = [name for name, sec in secs.items() if not (sec.get("mechs") or sec.get("pointps"))]
    if not bare:
        return []
    return [
        f"{model.cell}: {len(bare)} of {len(secs)} sections ({kinds(bare)}) have no mechanism, so "
        "no leak; give them one, such as pas, unless this is meant"
    ]


def unused_globals(model: ModelDescription) -> list[str]:
    """Return notices about a cell's own temperature and initial potential that are not simulated.

    NetPyNE takes those of the rule only where ``cfg.hParams`` has none.
    """
    own, used = model.rule.get("globals", {}), model.cfg["hParams"]
    notices = []
    for name, unit in (("celsius", "degC"), ("v_init", "mV")):
        if name in own and name in used and own[name] != used[name]:
            if name == "v_init" and all("vinit" in sec for sec in model.rule["secs"].values()):
                continue  # which holds
            value = f"{own[name]:g}" if is_number(own[name]) else own[name]
            as_it_has = option("cfg", {f"hParams.{name}": own[name]})
            notices.append(
                f"{model.cell}: comes with {name} = {value} {unit}, and is simulated with "
                f"cfg.hParams: {used[name]:g} {unit}; {as_it_has} takes the cell's"
            )
    return notices


def _network_scales(model: ModelDescription) -> list[str]:
    found = [
        f"netParams.{name} = {scale}"
        for name in ("scaleConnWeight", "scaleConnWeightModels")
        if (scale := model.net.get(name)) not in (None, False, 1, {})
    ]
    if not found:
        return []
    return [
        f"{model.cell}: {' and '.join(found)} also multiplies the connections of a network that "
        "loads the table, and not its NetStims: there a weight of 0.5 does not give 0.5 mV"
    ]


def _clamps(model: ModelDescription) -> list[str]:
    sources = model.net["stimSourceParams"]
    used = {target.get("source") for target in model.net["stimTargetParams"].values()}
    clamps = [name for name in sources if name in used and sources[name].get("type") in _CLAMPS]
    if not clamps:
        return []
    return [
        f"{model.cell}: {', '.join(map(str, clamps))} in stimSourceParams holds the potential "
        "while the response is measured; remove it, unless this is meant"
    ]


def _other_netstims(model: ModelDescription) -> list[str]:
    sources = model.net["stimSourceParams"]
    active = [
        str(label)
        for label, target in model.net["stimTargetParams"].items()
        if target.get("source") != STIM
        and sources.get(target.get("source"), {}).get("type") == "NetStim"
        and target.get("weight", 1) != 0
    ]
    if not active:
        return []
    return [
        f"{model.cell}: {some(active, 4)} in stimTargetParams activate the cell too; where that "
        "changes the potential in the window, all sites have the status drift: leave such "
        "background out"
    ]


def _random_parameters(model: ModelDescription) -> list[str]:
    texts = [
        *_texts(model.rule),
        *(t for s in model.syn_mechs for t in _texts(model.net["synMechParams"][s])),
    ]
    drawn = sorted({name for text in texts for name in _RANDOM.findall(text)})
    if not drawn:
        return []
    return [
        f"{model.cell}: parameters are drawn at random ({', '.join(drawn)}): the table is that of "
        "one draw, by cfg.seeds; other cells of the network have other parameters"
    ]


def _other_unit(model: ModelDescription) -> list[str]:
    notices = []
    for label in model.syn_mechs:
        entry = model.net["synMechParams"][label]
        if KEY not in entry:
            continue
        declared = stated_unit({label: {"mod": entry["mod"]}}, model.mod)
        if declared is not None and declared.name != entry[KEY]:
            notices.append(
                f"{model.cell}: {KEY} = {entry[KEY]} of synMech {label!r} is taken, though "
                f"{declared.source} declares {declared.name}"
            )
    return notices


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)


def _unused_factor(model: ModelDescription) -> list[str]:
    factors = model.stim_target.get("synMechWeightFactor")
    if len(model.syn_mechs) != 1 or factors in (None, [1], [1.0]):
        return []
    return [
        f"{model.cell}: synMechWeightFactor = {factors} has no effect, since NetPyNE applies it "
        "only to several synMechs; the weight is that of the one synMech"
    ]
