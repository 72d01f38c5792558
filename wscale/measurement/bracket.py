"""The weight that gives the target EPSP at one site, from a guess, by bracketing trials."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from wscale.measurement.epsp import Response
from wscale.measurement.solution import (
    MAX_WEIGHT_uS,
    Solution,
    SolutionStatus,
    in_uS,
    no_response,
    percent,
)

__all__ = ["find_weight", "too_weak"]

_MOST_TRIALS = 24
# After this many responses below the target, the largest weight is tried
_MOST_BELOW = 3
# Ratio of the weights from which the saturating response is estimated
_TENFOLD, _SEVERAL = 10.0, 5.0
_NEAR = 0.5  # share of it that the response to the largest weight must exceed


def find_weight(
    respond: Callable[[float], Response],
    target_mV: float,
    guess_uS: float | None,
    tolerance: float = 1e-3,
    largest_uS: float = MAX_WEIGHT_uS,
    *,
    measured: Sequence[tuple[float, float]] = (),
    amount: Callable[[float], str] = in_uS,
) -> Solution:
    """Find the weight that gives the target at one site, by bracketing.

    Parameters
    ----------
    respond : callable
        Simulates one weight (uS) at the site.
    target_mV : float
        The target, mV (negative: IPSP).
    guess_uS : float or None
        Where to begin, uS; a good guess saves trials and changes nothing else within tolerance.
        Where the target is likely out of reach, the largest weight is a good guess. None: where
        the measured responses say.
    tolerance : float
        Largest relative error of the response for status ok.
    largest_uS : float
        The largest weight that is tried, uS.
    measured : sequence of (float, float)
        Ascending weights, uS, and their responses, mV, that are known to be below the target.
    amount : callable
        Writes a weight, uS, for the reason.

    Returns
    -------
    Solution
        ``ok``: the last simulation, at ``weight_uS``, meets the target. ``implausible``: the
        largest weight stays below the target. ``unreachable``: it does, and the response saturates,
        or has the other sign. ``spike``: it jumps from below the target to a spike. ``drift``,
        ``edge``, ``failed``: the responses around the target have this status. ``not_monotone``: it
        jumps over the target. ``inexact``: no end was found.

    Notes
    -----
    Between two measured points the response is taken as ``a w / (1 + b w)``, the relation of a
    conductance synapse in a passive cell, through both; where that leaves the bracket, the bracket
    is halved on a logarithmic scale. Where it says that no weight will do, and after three
    responses below the target, the largest weight is tried: a site that cannot reach its target
    takes four trials at most.

    Examples
    --------
    >>> cell = lambda w: Response("ok", epsp_mV=1000.0 * w / (1.0 + 200.0 * w))
    >>> solution = find_weight(cell, 0.5, guess_uS=1e-3)
    >>> solution.status, round(solution.weight_uS, 6), solution.trials
    ('ok', 0.000556, 3)
    >>> find_weight(cell, 4.9, guess_uS=1e-3).reason
    '0.1 uS gives 4.762 mV, and more is not plausible'
    """
    sign = 1.0 if target_mV > 0 else -1.0
    goal = sign * target_mV
    points = [(weight, sign * epsp) for weight, epsp in measured]
    below = points[-1] if points else (0.0, 0.0)  # the largest weight known to be below the target
    above: tuple[float, float | None] | None = None  # the smallest beyond; None: not a response
    blocked: Response | None = None
    largest: float | None = points[-1][1] if points else None
    if guess_uS is None:
        guess_uS = _next_weight(points, below, above, goal, largest_uS)
    weight = min(guess_uS, largest_uS)

    def outcome(status: SolutionStatus, reason: str, trials: int) -> Solution:
        best = None if largest is None else sign * largest
        return Solution(status, target_mV, None, None, best, reason, trials)

    for trials in range(1, _MOST_TRIALS + 1):
        response = respond(weight)
        size = None if response.epsp_mV is None else sign * response.epsp_mV
        if response.status in ("drift", "failed") or (size is None):
            return outcome(response.status, f"at {amount(weight)}: {response.reason}", trials)
        if response.ok:
            largest = size if largest is None else max(largest, size)
            points.append((weight, size))
            if abs(size / goal - 1.0) <= tolerance:
                best = sign * largest
                return Solution(
                    "ok",
                    target_mV,
                    weight,
                    response.epsp_mV,
                    best,
                    trials=trials,
                    ci95_mV=response.ci95_mV,
                )
        if not response.ok or size >= goal:
            above = (weight, size if response.ok else None)
            blocked = None if response.ok else response
        elif above is None and (weight >= largest_uS or points[-1][0] < below[0]):
            if weight >= largest_uS and (size <= 0 or response.reason):
                return outcome("unreachable", no_response(response, target_mV), trials)
            if trials < _MOST_BELOW + 1 and not _comparable(points, largest_uS):
                below, weight = points[-1], largest_uS / _TENFOLD
                continue
            return outcome(*too_weak(points, target_mV, amount), trials)
        below = _below(points, goal, above)
        if above is not None and above[0] / max(below[0], 1e-300) < 1.0 + tolerance:
            if blocked is None:
                return outcome("not_monotone", _jump(below, above, sign, amount), trials)
            reason = f"beyond {amount(below[0])} ({sign * below[1]:.4g} mV): {blocked.reason}"
            return outcome(blocked.status, reason, trials)
        tried = len(points) - len(measured)
        weight = _next_weight(points, below, above, goal, largest_uS)
        if above is None and tried >= _MOST_BELOW:
            weight = largest_uS
    if blocked is not None and below[0] == 0.0:
        return outcome(blocked.status, f"down to {amount(weight)}: {blocked.reason}", trials)
    return outcome(
        "inexact", f"not within {percent(tolerance)} after {_MOST_TRIALS} trials", trials
    )


def _jump(
    below: tuple[float, float],
    above: tuple[float, float | None],
    sign: float,
    amount: Callable[[float], str],
) -> str:
    return (
        f"the response jumps from {sign * below[1]:.4g} to {sign * (above[1] or 0.0):.4g} mV at "
        f"{amount(below[0])}"
    )


def _below(
    points: Sequence[tuple[float, float]], goal: float, above: tuple[float, float | None] | None
) -> tuple[float, float]:
    """Return the largest weight whose response is below the target, and that response."""
    end = math.inf if above is None else above[0]
    return max(((w, size) for w, size in points if size < goal and w < end), default=(0.0, 0.0))


def _comparable(points: Sequence[tuple[float, float]], weight: float) -> bool:
    """Whether a response to a several times smaller weight is known, but not too small a one."""
    return any(
        weight / (2.0 * _TENFOLD) <= w <= weight / _SEVERAL for w, size in points if size > 0
    )


def too_weak(
    points: Sequence[tuple[float, float]], target_mV: float, amount: Callable[[float], str] = in_uS
) -> tuple[SolutionStatus, str]:
    """Return status and reason where the largest weight stays below the target.

    Out of reach of any weight is what the relation of a conductance synapse in a passive cell,
    through two points that are far apart, does not reach, if the response has come half as far.
    """
    sign = 1.0 if target_mV > 0 else -1.0
    weight, size = max(points)
    gives = f"{amount(weight)} gives {sign * size:.4g} mV"
    before = max((point for point in points if point[0] <= weight / _SEVERAL), default=None)
    most = None if before is None else _saturation(before, (weight, size))
    if most is not None and most < abs(target_mV) and size > _NEAR * most:
        return "unreachable", f"the response saturates at about {sign * most:.2g} mV ({gives})"
    return "implausible", f"{gives}, and more is not plausible"


def _saturation(one: tuple[float, float], other: tuple[float, float]) -> float | None:
    """Return what ``a w / (1 + b w)`` through two points tends to; None if it does not saturate."""
    (w0, e0), (w1, e1) = one, other
    if e1 <= e0 or e0 <= 0:
        return e1 if e0 > 0 else None
    b = (e1 / w1 - e0 / w0) / (e0 - e1)
    return e1 * (1.0 + b * w1) / (b * w1) if b > 0 else None


def _next_weight(
    points: Sequence[tuple[float, float]],
    below: tuple[float, float],
    above: tuple[float, float | None] | None,
    goal: float,
    largest_uS: float,
) -> float:
    """Return the next weight to try: by the model through measured points, or by bisection."""
    guess = _model_weight(points[-2:], goal) if points else None
    low = below[0]
    high = largest_uS if above is None else above[0]
    if guess is not None and low < guess < high:
        return guess
    if above is None:
        return high
    return (low * high) ** 0.5 if low > 0 else high / _TENFOLD


def _model_weight(points: Sequence[tuple[float, float]], goal: float) -> float | None:
    """Solve ``a w / (1 + b w) = goal`` with a, b through the last points (b = 0 through one)."""
    (w1, e1), b = points[-1], 0.0
    if len(points) == 2 and points[0][1] != e1:
        w0, e0 = points[0]
        b = (e1 / w1 - e0 / w0) / (e0 - e1)
    if e1 <= 0:
        return None
    a = e1 * (1.0 + b * w1) / w1
    rest = a - b * goal
    return goal / rest if rest > 0 else None
