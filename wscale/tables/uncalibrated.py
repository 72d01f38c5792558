"""What entries hold that are not calibrated: NetPyNE needs a number in each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from wscale.measurement.solution import MAX_WEIGHT_uS
from wscale.model.model import Model
from wscale.model.sites import segments_towards_soma

__all__ = ["CLIP", "Filling", "Uncalibrated", "clip_of", "stand_ins"]

Uncalibrated = Literal["nearest", "cap", "zero", "refuse"]
# addCellParamsWeightNorm clips entries above this many times the first soma's, by default
CLIP = 1000.0


@dataclass(frozen=True)
class Filling:
    """What entries get that are not calibrated, and what that gives.

    Parameters
    ----------
    how : {"nearest", "cap", "zero", "refuse"}
        ``nearest``: the entry of the next calibrated segment towards the soma; where there is none,
        as ``cap``. ``cap``: the largest calibrated entry. ``zero``: no effect. ``refuse``: there is
        no table for NetPyNE.
    largest_uS : float
        The largest plausible weight, uS: an entry times its target is never more.
    epsp_mV : mapping
        Section and segment -> what the entry gives at the soma, mV, where that was measured.
    """

    how: Uncalibrated = "nearest"
    largest_uS: float = MAX_WEIGHT_uS
    epsp_mV: Mapping[tuple[str, int], float | None] = field(default_factory=dict)


def clip_of(
    weight_norm: Mapping[str, Sequence[float | None]], threshold: float = CLIP
) -> float | None:
    """Return what addCellParamsWeightNorm clips entries to; None without a soma's entry.

    ``threshold`` is that of the call, which the network's authors chose.
    """
    soma = next((row for sec, row in weight_norm.items() if sec.startswith("soma")), [])
    return None if not soma or soma[0] is None else threshold * soma[0]


def stand_ins(
    model: Model,
    weight_norm: Mapping[str, list[float | None]],
    targets_mV: Mapping[tuple[str, int], float],
    filling: Filling,
) -> dict[str, list[float | None]]:
    """Return the numbers for entries that are not calibrated, per mV; None for the others.

    Parameters
    ----------
    model : Model
        The cell.
    weight_norm : mapping
        Section -> calibrated entries in the unit of the model's weight per mV, and None.
    targets_mV : mapping
        Section and segment -> target, mV, of entries that were searched; others get no number.
    filling : Filling
        How.
    """
    cap = max(
        (value for row in weight_norm.values() for value in row if value is not None), default=None
    )
    clip, largest = clip_of(weight_norm), model.weight_unit.of(filling.largest_uS)

    def number(sec: str, segment: int) -> float | None:
        if weight_norm[sec][segment] is not None or (sec, segment) not in targets_mV:
            return None
        if filling.how == "zero":
            return 0.0
        value = cap
        if filling.how == "nearest":
            on_the_way = (
                weight_norm[name][k]
                for name, k in segments_towards_soma(model, sec, segment)
                if name in weight_norm
            )
            value = next((entry for entry in on_the_way if entry is not None), cap)
        if value is None or filling.how == "refuse":
            return None
        most = largest / abs(targets_mV[sec, segment])
        return min(value, most, most if clip is None else clip)

    return {sec: [number(sec, k) for k in range(len(row))] for sec, row in weight_norm.items()}
