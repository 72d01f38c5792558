"""The weight that gives the target EPSP at one site, from a guess, by bracketing trials."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wscale.measurement.epsp import Response
from wscale.measurement.solution import Solution, SolutionStatus, no_response, percent

__all__ = ["find_weight"]

_MOST_TRIALS = 24
_STEP_UP = 10.0
_MOST_uS = 1000.0  # far beyond what any synapse has
_SATURATED = 0.01  # a tenfold weight that adds less than this share says that no weight helps


def find_weight(
    respond: Callable[[float], Response],
    target_mV: float,
    guess_uS: float,
    tolerance: float = 1e-3,
) -> Solution:
    """Find the weight that gives the target at one site, by bracketing.

    Parameters
    ----------
    respond : callable
        Simulates one weight (uS) at the site.
    target_mV : float
        The target, mV (negative: IPSP).
    guess_uS : float
        Where to begin, uS; a good guess saves trials and changes nothing else within tolerance.
    tolerance : float
        Largest relative error of the response for status ok.

    Returns
    -------
    Solution
        ``ok``: the last simulation, at ``weight_uS``, meets the target. ``unreachable``: the
        response saturates below the target, or has the other sign. ``spike``: it jumps from below
        the target to a spike. ``drift``, ``edge``, ``failed``: the responses around the target have
        this status. ``not_monotone``: it jumps over the target. ``inexact``: no end was found.

    Notes
    -----
    Between two measured points the response is taken as ``a w / (1 + b w)``, the relation of a
    conductance synapse in a passive cell, through both; where that leaves the bracket, the bracket
    is halved on a logarithmic scale.

    Examples
    --------
    >>> cell = lambda w: Response("ok", epsp_mV=1000.0 * w / (1.0 + 200.0 * w))
    >>> solution = find_weight(cell, 0.5, guess_uS=1e-3)
    >>> solution.status, round(solution.weight_uS, 6), solution.trials
    ('ok', 0.000556, 3)
    """
    sign = 1.0 if target_mV > 0 else -1.0
    goal = sign * target_mV
    below: tuple[float, float] = (0.0, 0.0)  # the largest weight whose response is below the target
    above: tuple[float, float | None] | None = None  # the smallest beyond; None: not a response
    points: list[tuple[float, float]] = []
    blocked: Response | None = None
    largest: float | None = None
    weight = min(guess_uS, _MOST_uS)

    def outcome(status: SolutionStatus, reason: str, trials: int) -> Solution:
        best = None if largest is None else sign * largest
        return Solution(status, target_mV, None, None, best, reason, trials)

    for trials in range(1, _MOST_TRIALS + 1):
        response = respond(weight)
        size = None if response.epsp_mV is None else sign * response.epsp_mV
        if response.status in ("drift", "failed") or (size is None):
            return outcome(response.status, f"at {weight:g} uS: {response.reason}", trials)
        if response.ok:
            largest = size if largest is None else max(largest, size)
            points.append((weight, size))
            if abs(size / goal - 1.0) <= tolerance:
                best = sign * largest
                return Solution("ok", target_mV, weight, response.epsp_mV, best, "", trials)
        last = weight >= _MOST_uS
        if response.ok and (size <= 0 or response.reason) and (below[0] > 0 or last):
            return outcome("unreachable", no_response(response, target_mV), trials)
        if response.ok and size < goal:
            grown = size - below[1]
            saturated = above is None and weight >= 0.5 * _STEP_UP * below[0] > 0
            if saturated and grown < _SATURATED * size:
                return outcome(
                    "unreachable",
                    f"the response saturates at {sign * size:.4g} mV ({weight:g} uS)",
                    trials,
                )
            if last:
                reason = f"{weight:g} uS, more than any synapse has, give {sign * size:.4g} mV"
                return outcome("unreachable", reason, trials)
            below = (weight, size)
        else:
            above = (weight, size if response.ok else None)
            blocked = None if response.ok else response
        if above is not None and above[0] / max(below[0], 1e-300) < 1.0 + tolerance:
            if blocked is None:
                return outcome("not_monotone", _jump(below, above, sign), trials)
            reason = f"beyond {below[0]:g} uS ({sign * below[1]:.4g} mV): {blocked.reason}"
            return outcome(blocked.status, reason, trials)
        weight = _next_weight(points, below, above, goal)
    if blocked is not None and below[0] == 0.0:
        return outcome(blocked.status, f"down to {weight:g} uS: {blocked.reason}", trials)
    return outcome(
        "inexact", f"not within {percent(tolerance)} after {_MOST_TRIALS} trials", trials
    )


def _jump(below: tuple[float, float], above: tuple[float, float | None], sign: float) -> str:
    return (
        f"the response jumps from {sign * below[1]:.4g} to {sign * (above[1] or 0.0):.4g} mV at "
        f"{below[0]:g} uS"
    )


def _next_weight(
    points: Sequence[tuple[float, float]],
    below: tuple[float, float],
    above: tuple[float, float | None] | None,
    goal: float,
) -> float:
    """Return the next weight to try: by the model through measured points, or by bisection."""
    guess = None
    if points:
        guess = _model_weight(points[-2:], goal)
    low = below[0]
    high = min(_STEP_UP * low, _MOST_uS) if above is None else above[0]
    if guess is not None and low < guess < high:
        return guess
    if above is None:
        return high
    return (low * high) ** 0.5 if low > 0 else high / _STEP_UP


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
