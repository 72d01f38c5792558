"""Whether NEURON has the mechanisms that a model needs, of the right kind and parameters."""

from __future__ import annotations

from wscale._util.plain import some
from wscale.errors import ModelError, closest
from wscale.mechanisms.loading import (
    available_mechanisms,
    kind_of,
    parameters_of,
    texts_of_mechanisms,
)
from wscale.mechanisms.nmodl import function_tables, pointers
from wscale.model.checks import NETPYNE_KEYS
from wscale.model.model import Model
from wscale.model.needs import POINT, SYN_MECH, not_found, user_in_words, users_of
from wscale.model.weight_unit import KEY

__all__ = ["check_mechanisms"]


def check_mechanisms(model: Model) -> None:
    """Name missing mechanisms and parameters; NetPyNE would only print, and build without them."""
    _refuse_artificial(model)
    needed = users_of(model)
    missing = needed.keys() - set(available_mechanisms())
    if missing:
        raise not_found(model, missing)
    for name, users in needed.items():
        _check_kind(model, name, users)
    _check_carried(model, needed)
    _check_parameters(model)


def _refuse_artificial(model: Model) -> None:
    known = available_mechanisms()
    for name, pop in model.net["popParams"].items():
        kind = pop.get("cellModel")
        if kind in known and kind_of(kind) == "artificial cell":
            raise ModelError(
                f"popParams[{name!r}] is of the artificial cell {kind}: it has no section, so a "
                f"synapse on it has no EPSP; leave cellModel out and give cellType {model.cell!r}"
            )


def _check_carried(model: Model, needed: dict[str, list[str]]) -> None:
    """Refuse POINTERs and tables that a cell rule does not hold: NEURON would stop or crash."""
    texts, tables = texts_of_mechanisms(), model.rule.get("tables", {})
    for mechanism, users in needed.items():
        more = f" (and {len(users) - 1} more)" if len(users) > 1 else ""
        where = f"{model.cell}, {user_in_words(users[0])}{more}: {mechanism}"
        if unset := pointers(texts[mechanism]):
            raise ModelError(
                f"{where} needs its POINTER {some(unset)} set, which a cell rule of NetPyNE cannot "
                f"do. Leave {mechanism} out of the cell; NetPyNE makes a gap junction of a "
                "connection of the network, by pointerParams of its synMech"
            )
        for function in function_tables(texts[mechanism]):
            if f"{function}_{mechanism}" not in tables:
                raise ModelError(
                    f"{where} needs the table of its FUNCTION_TABLE {function}, which a cell rule "
                    f"of NetPyNE does not hold, and which is read only from calls of "
                    f"table_{function}_{mechanism}() in a hoc file, of numbers or of Vectors at "
                    f"its top level: call it so, or make {function} a FUNCTION in the .mod file"
                )


def _check_kind(model: Model, mechanism: str, users: list[str]) -> None:
    """Refuse a density mechanism as a synapse, and a point process as a density mechanism."""
    synapses = [user for user in users if user.startswith(SYN_MECH)]
    points = [user for user in users if user.startswith(POINT)]
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
        entry.pop(KEY, None)
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
