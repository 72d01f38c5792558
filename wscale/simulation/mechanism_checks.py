"""Whether NEURON has the mechanisms that a model needs, of the right kind and parameters."""

from __future__ import annotations

from wscale.errors import ModelError, closest, option
from wscale.mechanisms.loading import available_mechanisms, kind_of, parameters_of
from wscale.model.checks import NETPYNE_KEYS
from wscale.model.model import Model

__all__ = ["check_mechanisms"]


_POINT = "point process "


_SYNMECH = "synMech "  # what uses a mechanism: a section, or a synMech of this label


def check_mechanisms(model: Model) -> None:
    """Name missing mechanisms and parameters; NetPyNE would only print, and build without them."""
    needed: dict[str, list[str]] = {}
    for name, sec in model.rule["secs"].items():
        for mechanism in sec.get("mechs", {}):
            needed.setdefault(mechanism, []).append(name)
        for label, point in sec.get("pointps", {}).items():
            needed.setdefault(str(point.get("mod")), []).append(f"{_POINT}{label} in {name}")
    for label in model.syn_mechs:
        needed.setdefault(model.net["synMechParams"][label]["mod"], []).append(f"{_SYNMECH}{label}")
    available = available_mechanisms()
    missing = {name: users for name, users in needed.items() if name not in available}
    if missing:
        searched = ", ".join(model.searched) or model.mod or "no NMODL folder"
        left_out = "".join(f"\n  {text}" for text in model.notices if ": left out" in text)
        listed = "; ".join(
            f"{name} (needed by {', '.join(users[:3])}{' ...' if len(users) > 3 else ''})"
            for name, users in sorted(missing.items())
        )
        raise ModelError(
            f"{model.cell}: mechanisms not found: {listed}. Searched: {searched} and NEURON's own; "
            f"add the .mod files or name their folder with {option('mod')}{left_out}"
        )
    for name, users in needed.items():
        _check_kind(model, name, users)
    _check_parameters(model)


def _check_kind(model: Model, mechanism: str, users: list[str]) -> None:
    """Refuse a density mechanism as a synapse, and a point process as a density mechanism."""
    synapses = [user for user in users if user.startswith(_SYNMECH)]
    points = [user for user in users if user.startswith(_POINT)]
    kind = kind_of(mechanism)
    if synapses and kind != "synapse":
        raise ModelError(
            f"{model.cell}, {synapses[0]}: {mechanism} is no synapse but a {kind}; name a point "
            "process that receives events, such as Exp2Syn"
        )
    if points and kind not in ("synapse", "point process"):
        raise ModelError(f"{model.cell}, {points[0]}: {mechanism} is no point process but a {kind}")
    if len(synapses) + len(points) < len(users) and kind != "density mechanism":
        raise ModelError(
            f"{model.cell}: {mechanism}, among mechs, is a {kind}; it belongs into "
            "the section's pointps, or into synMechParams"
        )


def _check_parameters(model: Model) -> None:
    """Name a parameter that its mechanism has not, before NetPyNE comes upon it."""
    given = [
        (f"section {sec}", mechanism, values)
        for sec, content in model.rule["secs"].items()
        for mechanism, values in content.get("mechs", {}).items()
    ]
    for label in model.syn_mechs:
        entry = dict(model.net["synMechParams"][label])
        given.append((f"synMech {label}", entry.pop("mod"), entry))
    known: dict[str, frozenset[str]] = {}
    for where, mechanism, values in given:
        if mechanism not in known:
            known[mechanism] = parameters_of(mechanism)
        allowed = known[mechanism]
        for name in values:
            if name not in allowed and name not in NETPYNE_KEYS:
                raise ModelError(
                    f"{model.cell}, {where}: {mechanism} has no parameter {name!r}; it has "
                    f"{', '.join(sorted(allowed))}.{closest(name, allowed)}"
                )
