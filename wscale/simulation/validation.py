"""What NetPyNE's own validation says of a model."""

from __future__ import annotations

from wscale.mechanisms.loading import available_mechanisms
from wscale.model.model import Model
from wscale.simulation.session import import_netpyne, quiet

__all__ = ["validation_messages"]


def validation_messages(model: Model) -> tuple[str, ...]:
    """Return what NetPyNE reports about a model, unless a notice already says it more clearly.

    Parameters
    ----------
    model : Model
        Its mechanisms are loaded.
    """
    import_netpyne()
    from netpyne import specs
    from netpyne.sim import validator

    net = model.netpyne_net()
    for sec in net["cellParams"][model.cell]["secs"].values():
        if not sec.get("mechs", True):  # "Missing key: <class 'str'>"
            del sec["mechs"]
    known = available_mechanisms()
    for label, entry in list(net["synMechParams"].items()):
        if label not in model.syn_mechs and entry.get("mod") not in known:
            del net["synMechParams"][label]  # is not activated; a KeyError there
    with quiet():
        _, failed = validator.validateNetParams(specs.NetParams(net))
    bare = [
        f"Error in {name!r}"
        for name, entry in net["synMechParams"].items()
        if entry.keys() == {"mod"}
    ]
    said = [f"{failure.component}: {failure.formattedMessage()}" for failure in failed]
    # "Missing key: <class 'str'>" is said of a synMech without parameters, which is sound
    return tuple(
        text for text in said if "Missing key" not in text or not any(name in text for name in bare)
    )
