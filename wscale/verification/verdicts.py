"""What is said of a table's entries: a verdict, and the reason in words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from wscale._util.plain import finite
from wscale.measurement.epsp import Response
from wscale.measurement.solution import Solution
from wscale.model.model import Model
from wscale.model.sites import number_of_segments
from wscale.model.weight_unit import WeightUnit
from wscale.search.cell import SearchCell
from wscale.tables.uncalibrated import clip_of
from wscale.tables.weightnorm import WeightNormTable, read_out_index

__all__ = ["Outcome", "Trial", "describe", "meets"]

# An entry this near to the straight line through the last two grid points was made by it
_ON_THE_LINE = 0.01


@dataclass(frozen=True)
class Trial:
    """One entry at one site: at its own segment, or at a centre that reads it."""

    sec: str
    segment: int
    entry: float | None  # in the unit of the model's weight per mV, as NetPyNE loads it
    centre: bool


@dataclass(frozen=True)
class Outcome:
    """What a worker found at one site."""

    index: int
    response: Response | None  # None: not simulated
    solution: Solution | None = None
    at_last: Response | None = None  # at the last weight of the grid
    line_uS: float | None = None  # where the straight line beyond the grid passes the target


def describe(
    model: Model,
    table: WeightNormTable,
    cell: SearchCell,
    trials: list[Trial],
    outcomes: list[Outcome],
    tolerance: float,
    last_weight_uS: float | None,
    threshold: float,
) -> list[dict[str, Any]]:
    """Return the rows of :class:`wscale.verification.audit.Audit`'s frame, one a segment."""
    centres = {
        (trial.sec, trial.segment): outcome
        for trial, outcome in zip(trials, outcomes, strict=True)
        if trial.centre
    }
    rows = []
    for trial, outcome in zip(trials, outcomes, strict=True):
        if trial.centre:
            continue
        sec, segment = trial.sec, trial.segment
        target, solution = cell.targets_mV[outcome.index], outcome.solution
        verdict, why = _verdict(table, trial, outcome, target, tolerance, last_weight_uS, threshold)
        entry = finite(table.weight_norm[sec][segment])
        nseg = number_of_segments(model, sec)
        reads = read_out_index((segment + 0.5) / nseg, nseg)
        response = outcome.response
        at_centre, centre_verdict, centre_why = response, verdict, ""
        if (sec, segment) in centres:
            at_centre = centres[sec, segment].response
            centre_verdict, centre_why = _centre(at_centre, sec, reads, nseg, target, tolerance)
        norm = None if solution is None else solution.weight_norm
        rows.append(
            {
                "cell": model.cell,
                "sec": sec,
                "segment": segment,
                "loc": cell.sites[outcome.index].loc,
                "target_mV": target,
                model.weight_unit.column: np.nan if entry is None else entry,
                "table_status": table.status[sec][segment],
                "epsp_mV": _epsp_mV(response),
                "error": _epsp_mV(response) / target - 1.0,
                "status": "not_simulated" if response is None else response.status,
                "verdict": verdict,
                "why": why,
                "right_weightNorm": np.nan if norm is None else model.weight_unit.of(norm),
                "right_status": "" if solution is None else solution.status,
                "centre_reads": reads,
                "centre_epsp_mV": _epsp_mV(at_centre),
                "centre_error": _epsp_mV(at_centre) / target - 1.0,
                "centre_verdict": centre_verdict,
                "centre_why": centre_why,
            }
        )
    return rows


def _verdict(
    table: WeightNormTable,
    trial: Trial,
    outcome: Outcome,
    target_mV: float,
    tolerance: float,
    last_weight_uS: float | None,
    threshold: float,
) -> tuple[str, str]:
    """Return the verdict on an entry, and the reason in words."""
    response, solution = outcome.response, outcome.solution
    unit = table.weight_unit
    right = _right(trial.entry, solution, unit)
    if response is None or trial.entry is None:
        status = table.status[trial.sec][trial.segment]
        if status in ("given", "not_finite", "ok"):
            return "not_finite", _joined(
                "the entry is not a finite number", right, _loaded(table, threshold)
            )
        return "no_promise", _joined(f"the table says {status}", right)
    if meets(response, target_mV, tolerance):
        return "ok", ""
    value = table.weight_norm[trial.sec][trial.segment] or 0.0
    notes = [right, _clipped(table, value, threshold), _repeated(table, value)]
    if response.epsp_mV is None:
        return response.status, _joined(response.reason, *notes)
    gives = f"gives {response.epsp_mV:.4g} mV instead of {target_mV:g} mV"
    if trial.entry <= 0 and response.status in ("ok", "edge"):
        return "misses", _joined(f"{gives}: a weightNorm must be positive", *notes)
    if not response.ok:
        return response.status, _joined(f"{gives}: {response.reason}", *notes)
    weight_uS = trial.entry * unit.uS * abs(target_mV)
    beyond = _beyond_grid(weight_uS, outcome, target_mV, last_weight_uS)
    if solution is not None and solution.status in ("unreachable", "implausible"):
        return solution.status, _joined(gives, beyond, *notes)
    return "extrapolated" if beyond else "misses", _joined(gives, beyond, *notes)


def _beyond_grid(
    weight_uS: float, outcome: Outcome, target_mV: float, last_uS: float | None
) -> str:
    """Say how an entry lies beyond a grid that cannot have measured it; empty where it does not."""
    at_last = outcome.at_last
    if at_last is None or last_uS is None:
        return ""
    if at_last.ok and _epsp_mV(at_last) / target_mV >= 1.0:
        return ""  # the target lies within the grid: the entry is wrong for another reason
    gives = f"{at_last.epsp_mV:.4g} mV" if at_last.ok else f"no sound EPSP ({at_last.status})"
    text = (
        f"its weight, {weight_uS:.4g} uS, lies beyond the grid, whose last, {last_uS:g} uS, gives "
        f"{gives}"
    )
    line_uS = outcome.line_uS
    if line_uS is not None and abs(weight_uS / line_uS - 1.0) <= _ON_THE_LINE:
        text += f", and on the straight line through the last two points ({line_uS:.4g} uS)"
    return text


def _right(entry: float | None, solution: Solution | None, unit: WeightUnit) -> str:
    """Say which entry would be right, or that none is."""
    if solution is None:
        return ""
    if solution.weight_norm is not None:
        norm = unit.of(solution.weight_norm)
        of_it = f" ({norm / entry:.4g} times the entry)" if entry is not None and entry > 0 else ""
        return f"right is {norm:.6g} {unit.per_mV}{of_it}"
    if solution.status == "unreachable":
        return f"no weight gives the target: {solution.reason}"
    return f"no weight was found that gives the target ({solution.status}): {solution.reason}"


def _clipped(table: WeightNormTable, entry: float, threshold: float) -> str:
    """Say where addCellParamsWeightNorm does not take the entry as it stands."""
    clip = clip_of(table.weight_norm, threshold)
    if clip is None or entry <= clip:
        return ""
    return (
        f"NetPyNE clips it to {clip:.4g} {table.weight_unit.per_mV}, {threshold:g} times the soma's"
    )


def _loaded(table: WeightNormTable, threshold: float) -> str:
    """Say what addCellParamsWeightNorm makes of entries that are not finite."""
    clip = clip_of(table.weight_norm, threshold)
    clipped = "" if clip is None else f"clips inf to {clip:.4g} {table.weight_unit.per_mV} and "
    return f"NetPyNE {clipped}takes nan as it stands"


def _repeated(table: WeightNormTable, entry: float) -> str:
    """Say where an entry looks like a cap: the largest of the table, several times."""
    values = [value for _, _, value, _ in table.entries() if finite(value) is not None]
    times = values.count(entry)
    if times < 2 or any(value is not None and value > entry for value in values):
        return ""
    return f"the table's largest entry, {times} times in it: perhaps a cap"


def _centre(
    response: Response | None, sec: str, reads: int, nseg: int, target_mV: float, tolerance: float
) -> tuple[str, str]:
    """Judge a centre for which NetPyNE reads another segment's entry."""
    reading = f"NetPyNE reads the entry of {sec}[{reads % nseg}] at the centre"
    if response is None:
        return "not_finite", f"{reading}, which is not a finite number"
    if meets(response, target_mV, tolerance):
        return "ok", ""
    if not response.ok:
        return "misread", _joined(f"{reading}: {response.status}", response.reason)
    return "misread", f"{reading}, which gives {response.epsp_mV:.4g} mV there"


def meets(response: Response, target_mV: float, tolerance: float) -> bool:
    """Whether a response is sound and the target, to the tolerance."""
    return response.ok and abs(_epsp_mV(response) / target_mV - 1.0) <= tolerance


def _epsp_mV(response: Response | None) -> float:
    """Return the EPSP, mV; NaN where there is none."""
    return math.nan if response is None or response.epsp_mV is None else response.epsp_mV


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)
