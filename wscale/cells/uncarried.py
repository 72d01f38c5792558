"""What NetPyNE's import of a cell leaves out in silence."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wscale._util.plain import some
from wscale.errors import ModelError

__all__ = ["left_out"]

_PARAMETER = 1  # as NEURON's MechanismStandard numbers kinds of variables
_SYNAPSES = ("syn", "ampa", "gaba", "nmda", "glu")  # names that NetPyNE takes for synapses


def left_out(h: Any, sections: Iterable[Any]) -> list[str]:
    """Refuse array parameters, and return notices of stimuli, that NetPyNE does not import.

    Parameters
    ----------
    h : HocObject
        NEURON.
    sections : iterable of Section
        Those of the cell.

    Raises
    ------
    ModelError
        A parameter that is an array has other values than NEURON's default.
    """
    notices = []
    for sec in sections:
        for mechanism in sec(0.5):
            _refuse_arrays(h, sec, mechanism.name())
        for segment in sec:
            for point in segment.point_processes():
                kind = point.hname().split("[")[0]
                if not _is_synapse(h, kind) and any(name in kind.lower() for name in _SYNAPSES):
                    notices.append(
                        f"{kind} in section {_name(sec)!r} is left out: NetPyNE takes it for a "
                        "synapse by its name"
                    )
    return notices


def _refuse_arrays(h: Any, sec: Any, mechanism: str) -> None:
    default, name = h.MechanismStandard(mechanism, _PARAMETER), h.ref("")
    own = h.MechanismStandard(mechanism, _PARAMETER)
    changed = []
    for number in range(int(default.count())):
        size = int(default.name(name, number))
        for segment in sec if size > 1 else ():
            getattr(own, "in")(segment.x, sec=sec)
            if any(own.get(name[0], i) != default.get(name[0], i) for i in range(size)):
                changed.append(name[0])
                break
    if changed:
        raise ModelError(
            f"section {_name(sec)!r} sets {some(changed)} of {mechanism}, which are arrays, and "
            f"NetPyNE carries none; leave {mechanism} out of the section, or these values at "
            "NEURON's default"
        )


def _name(sec: Any) -> str:
    return str(sec.name()).rpartition(".")[2]


def _is_synapse(h: Any, kind: str) -> bool:
    types, name = h.MechanismType(1), h.ref("")
    for index in range(int(types.count())):
        types.select(index)
        types.selected(name)
        if name[0] == kind:
            return bool(types.is_netcon_target(index))
    return False
