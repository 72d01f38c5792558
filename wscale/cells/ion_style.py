"""Ion styles that code has set: NetPyNE's import does not keep them."""

from __future__ import annotations

from typing import Any

from wscale._util.text import many

__all__ = ["lost_ion_styles"]

# In NEURON's style of an ion: its reversal potential is computed at the start, at each step
_COMPUTED = 32 | 64


def lost_ion_styles(h: Any) -> list[str]:
    """Say which ions have another reversal potential in a network that NetPyNE makes of a cell.

    Parameters
    ----------
    h : hoc.HocObject
        NEURON, with the sections of the cell.
    """
    usual: dict[tuple[str, ...], dict[str, bool]] = {}
    lost: dict[tuple[str, bool], int] = {}
    for sec in list(h.allsec()):
        mechanisms = tuple(mechanism.name() for mechanism in sec(0.5))
        if mechanisms not in usual:
            usual[mechanisms] = _computed_in_new_section(h, mechanisms)
        if any(seg.point_processes() for seg in sec):
            continue  # which change the style too
        for ion, computed in _computed(h, sec, mechanisms).items():
            if computed != usual[mechanisms][ion]:
                lost[ion, computed] = lost.get((ion, computed), 0) + 1
    ways = ("fixed", "computed from the concentrations")
    return [
        f"e{ion.removesuffix('_ion')} of {many(count, 'section')} is {ways[computed]} by ion_style "
        f"in the file; in NetPyNE, which keeps no ion_style, it is {ways[not computed]}"
        for (ion, computed), count in lost.items()
    ]


def _computed(h: Any, sec: Any, mechanisms: tuple[str, ...]) -> dict[str, bool]:
    ions = [name for name in mechanisms if name.endswith("_ion")]
    return {ion: bool(int(h.ion_style(ion, sec=sec)) & _COMPUTED) for ion in ions}


def _computed_in_new_section(h: Any, mechanisms: tuple[str, ...]) -> dict[str, bool]:
    sec = h.Section(name="probe")
    for name in mechanisms:
        if name not in ("morphology", "capacitance"):
            sec.insert(name)
    return _computed(h, sec, mechanisms)
