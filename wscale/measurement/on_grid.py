"""The weight that gives the target EPSP at one site, from the responses to a grid of weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from wscale.measurement.bracket import find_weight, too_weak
from wscale.measurement.epsp import FloatArray, Response
from wscale.measurement.solution import (
    MAX_WEIGHT_uS,
    Solution,
    SolutionStatus,
    in_uS,
    no_response,
    percent,
)

__all__ = ["Interpolation", "interpolate_weight", "solve_on_grid"]

Interpolation = Literal["monotone", "linear"]

# Beyond the grid, what a stronger synapse would do is tried at these multiples of the last weight
_BEYOND = (10.0, 100.0, 1000.0)
_MOST_REFINEMENTS = 8


def interpolate_weight(
    weights_uS: FloatArray, epsps_mV: FloatArray, target_mV: float, interpolation: Interpolation
) -> float:
    """Return the weight at which an interpolated EPSP curve passes the target.

    Parameters
    ----------
    weights_uS : array of float, shape (n,)
        Ascending weights, uS; n >= 2.
    epsps_mV : array of float, shape (n,)
        Strictly ascending responses, mV, with ``epsps_mV[0] <= target_mV <= epsps_mV[-1]``.
    target_mV : float
        The target, mV.
    interpolation : {"monotone", "linear"}
        ``monotone``: PCHIP of weight over EPSP (Fritsch & Butland 1984, SIAM J. Sci. Stat. Comput.
        5:300), which cannot overshoot; ``linear``: straight lines, as in the published tables.

    Examples
    --------
    >>> interpolate_weight(np.array([1., 2., 3.]), np.array([.2, .4, .5]), 0.45, "linear")
    2.5
    """
    if interpolation == "linear":
        return float(np.interp(target_mV, epsps_mV, weights_uS))
    from scipy.interpolate import PchipInterpolator

    weight = float(PchipInterpolator(epsps_mV, weights_uS)(target_mV))
    return min(max(weight, float(weights_uS[0])), float(weights_uS[-1]))  # rounding at the ends


def solve_on_grid(
    weights_uS: Sequence[float],
    responses: Sequence[Response],
    target_mV: float,
    respond: Callable[[float], Response],
    interpolation: Interpolation = "monotone",
    tolerance: float = 1e-3,
    *,
    largest_uS: float = MAX_WEIGHT_uS,
    extend: bool = False,
    amount: Callable[[float], str] = in_uS,
) -> Solution:
    """Find the weight for the target from measured grid points, and simulate at it.

    Only the run of grid points that are ok and strictly rising, from the smallest weight on, is
    used; the target must lie between two of them. With ``monotone`` the simulated answer joins the
    points until it meets the target to ``tolerance``; with ``linear`` it is simulated once.
    Where the whole grid stays below the target, larger weights are tried: with ``extend`` to find
    the weight for the target, else for evidence of whether more weight would help.

    Parameters
    ----------
    weights_uS : sequence of float
        The grid, ascending, uS.
    responses : sequence of Response
        What was measured there.
    target_mV : float
        The target, mV (negative: IPSP).
    respond : callable
        Simulates one weight (uS) at this site.
    interpolation : {"monotone", "linear"}
        See :func:`interpolate_weight`.
    tolerance : float
        Largest relative error of the response for status ok.
    largest_uS : float
        The largest weight that is plausible, uS: beyond the grid, none is tried that is larger,
        and a larger one on the grid is not ok.
    extend : bool
        Whether to go on where the grid ends below the target.
    amount : callable
        Writes a weight, uS, for the reason.

    Returns
    -------
    Solution
        Never an extrapolation.
    """
    sign = 1.0 if target_mV > 0 else -1.0
    points = list(zip(weights_uS, responses, strict=True))
    run: list[tuple[float, float]] = []  # weight and |EPSP|, ok and strictly rising
    stopped_by: Response | None = None
    for weight, response in points:
        size = None if response.epsp_mV is None else sign * response.epsp_mV
        if not response.ok or size is None or size < 0 or (run and size <= run[-1][1]):
            stopped_by = response
            break
        run.append((weight, size))
    seen = [sign * r.epsp_mV for _, r in points if r.ok and r.epsp_mV is not None]
    largest = max(seen, default=None)
    goal = sign * target_mV

    def outcome(
        status: SolutionStatus, reason: str, trials: int = 0, best: float | None = largest
    ) -> Solution:
        signed = None if best is None else sign * best
        return Solution(status, target_mV, None, None, signed, reason, trials)

    first = responses[0]
    if all(response.ok and response.reason for response in responses):
        return outcome("unreachable", no_response(first, target_mV))
    if not run:
        if first.status == "ok":
            return outcome("unreachable", no_response(first, target_mV))
        return outcome(first.status, f"at the smallest weight: {first.reason}")
    if goal < run[0][1]:
        return outcome(
            "below_grid",
            f"the smallest weight, {amount(run[0][0])}, already gives {sign * run[0][1]:.4g} mV; "
            "add smaller weights",
        )
    if goal > run[-1][1]:
        if stopped_by is None:
            if extend and run[-1][0] < largest_uS:
                measured = [(weight, sign * size) for weight, size in run[-2:]]
                return find_weight(
                    respond,
                    target_mV,
                    None,
                    tolerance,
                    largest_uS,
                    measured=measured,
                    amount=amount,
                )
            return _beyond_grid(run, goal, sign, respond, outcome, largest_uS, amount)
        if stopped_by.ok:
            turn = f"the response stops rising at {sign * run[-1][1]:.4g} mV ({amount(run[-1][0])})"
            if largest is not None and largest >= goal:
                return outcome("not_monotone", f"{turn} before it passes the target")
            return outcome("unreachable", turn)
        return outcome(
            stopped_by.status,
            f"beyond {amount(run[-1][0])} ({sign * run[-1][1]:.4g} mV): {stopped_by.reason}",
        )
    solution = _refine(run, goal, sign, respond, interpolation, tolerance, largest, amount)
    solved_uS = solution.weight_uS
    if solution.status != "ok" or solved_uS is None or solved_uS <= largest_uS:
        return solution
    reason = f"{amount(solved_uS)} would do; more than {amount(largest_uS)} is not plausible"
    return replace(solution, status="implausible", reason=reason)


def _beyond_grid(
    run: list[tuple[float, float]],
    goal: float,
    sign: float,
    respond: Callable[[float], Response],
    outcome: Callable[..., Solution],
    largest_uS: float,
    amount: Callable[[float], str],
) -> Solution:
    """Tell a grid that ends too early from a target that no plausible weight reaches."""
    last, best = run[-1]
    ends = f"the largest weight, {amount(last)}, gives {sign * best:.4g} mV"
    points, target_mV = list(run), sign * goal
    if last >= largest_uS:
        return outcome(*too_weak(points, target_mV, amount))
    larger = [factor * last for factor in _BEYOND if factor * last < largest_uS]
    for trials, weight in enumerate([*larger, largest_uS], start=1):
        response = respond(weight)
        size = None if response.epsp_mV is None else sign * response.epsp_mV
        if response.ok and size is not None:
            points.append((weight, size))
            best = max(best, size)
        elif response.status != "spike":
            return outcome(
                response.status,
                f"beyond {amount(last)}, at {amount(weight)}: {response.reason}",
                trials,
            )
        if best >= goal or response.status == "spike":
            gives = "a spike" if response.status == "spike" else f"{sign * best:.4g} mV"
            return outcome(
                "above_grid",
                f"{ends}, and {amount(weight)} gives {gives}; add larger weights",
                trials,
                best,
            )
    return outcome(*too_weak(points, target_mV, amount), len(points) - len(run), best)


def _refine(
    run: list[tuple[float, float]],
    goal: float,
    sign: float,
    respond: Callable[[float], Response],
    interpolation: Interpolation,
    tolerance: float,
    largest: float | None,
    amount: Callable[[float], str],
) -> Solution:
    """Interpolate, simulate, and let the simulated point join until the target is met."""
    best = None if largest is None else sign * largest
    target_mV = sign * goal
    if len(run) == 1:  # the only point is the target itself
        return Solution("ok", target_mV, run[0][0], sign * run[0][1], best)
    for trials in range(1, _MOST_REFINEMENTS + 1):
        weights, sizes = (np.array(column) for column in zip(*run, strict=True))
        weight = interpolate_weight(weights, sizes, goal, interpolation)
        response = respond(weight)
        if not response.ok or response.epsp_mV is None:
            reason = f"at the interpolated weight, {amount(weight)}: {response.reason}"
            return Solution(response.status, target_mV, None, None, best, reason, trials)
        epsp_mV, ci95_mV = response.epsp_mV, response.ci95_mV
        solution = Solution("ok", target_mV, weight, epsp_mV, best, trials=trials, ci95_mV=ci95_mV)
        residual = solution.residual or 0.0
        if abs(residual) <= tolerance:
            return solution
        size = sign * response.epsp_mV
        after = int(np.searchsorted(weights, weight))
        if interpolation == "linear" or not sizes[after - 1] < size < sizes[after]:
            break
        run = [*run[:after], (weight, size), *run[after:]]
    reason = (
        "the response at the interpolated weight misses the target by "
        f"{percent(residual)} (allowed {percent(tolerance)})"
    )
    return Solution("inexact", target_mV, weight, response.epsp_mV, best, reason, trials)
