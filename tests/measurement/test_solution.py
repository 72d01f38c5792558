"""The weight for a target: every status, on cells whose response to a weight is a formula."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from wscale.measurement.bracket import find_weight
from wscale.measurement.epsp import Response
from wscale.measurement.on_grid import interpolate_weight, solve_on_grid
from wscale.measurement.solution import MAX_WEIGHT_uS, Solution, percent

GRID = (1e-4, 2e-4, 4e-4, 8e-4)  # uS
SOUND = {"ok", "inexact"}
WITHOUT_A_WEIGHT = {"unreachable", "implausible", "not_monotone"}


def linear(weight):
    """0.1 to 0.8 mV on the grid."""
    return 1000.0 * weight


def saturating(largest, half=4e-4):
    return lambda weight: largest * weight / (weight + half)


class Cell:
    """Responds with ``curve(weight)`` mV; ``status`` says what becomes of a weight."""

    def __init__(self, curve, status=lambda weight: "ok"):
        self.curve, self.status = curve, status
        self.asked = []

    def __call__(self, weight):
        status = self.status(weight)
        epsp = None if status == "failed" else self.curve(weight)
        return Response(status, "" if status == "ok" else f"it has {status}", epsp_mV=epsp)

    def respond(self, weight):
        self.asked.append(weight)
        return self(weight)

    def solve(self, target=0.5, interpolation="monotone", tolerance=1e-3, grid=GRID):
        responses = [self(weight) for weight in grid]
        return solve_on_grid(grid, responses, target, self.respond, interpolation, tolerance)


def above(threshold, status):
    return lambda weight: status if weight > threshold else "ok"


# ---------------------------------------------------------------------- ok and inexact


@pytest.fixture(params=["monotone", "linear"])
def interpolation(request):
    return request.param


def test_linear_response_is_met_with_one_trial(interpolation):
    solution = Cell(linear).solve(0.5, interpolation)
    assert (solution.status, solution.trials) == ("ok", 1)
    assert solution.weight_uS == pytest.approx(5e-4, rel=1e-12)


def test_weight_norm_is_the_weight_per_mV_of_target():
    solution = Cell(linear).solve(0.25)
    assert solution.weight_norm == solution.weight_uS / 0.25


def test_evidence_is_the_response_at_the_weight():
    cell = Cell(saturating(1.0))
    solution = cell.solve(0.3)
    assert solution.epsp_mV == cell.curve(solution.weight_uS)
    assert solution.residual == solution.epsp_mV / 0.3 - 1.0


@pytest.mark.parametrize("tolerance", [1e-2, 1e-3, 1e-6, 1e-9])
def test_monotone_refines_to_the_tolerance(tolerance):
    solution = Cell(saturating(1.0)).solve(0.3, tolerance=tolerance)
    assert solution.status == "ok"
    assert abs(solution.residual) <= tolerance
    assert solution.weight_uS == pytest.approx(4e-4 * 0.3 / 0.7, rel=3 * tolerance)


def test_linear_is_not_refined_and_says_that_it_misses():
    solution = Cell(saturating(1.0)).solve(0.3, "linear")
    assert (solution.status, solution.trials, solution.weight_norm) == ("inexact", 1, None)
    assert solution.weight_uS is not None
    assert abs(solution.residual) > 1e-3
    assert "misses the target by" in solution.reason


def test_response_with_a_jump_at_the_target_is_inexact():
    def jump(weight):
        return linear(weight) + 0.2 * (weight > 3e-4)

    solution = Cell(jump).solve(0.4)
    assert (solution.status, solution.weight_norm) == ("inexact", None)


@pytest.mark.parametrize("number", range(len(GRID)))
def test_target_on_a_grid_point_gives_its_weight(number, interpolation):
    solution = Cell(linear).solve(linear(GRID[number]), interpolation)
    assert solution.status == "ok"
    assert solution.weight_uS == pytest.approx(GRID[number], rel=1e-12)


def test_only_sound_point_may_be_the_target_itself():
    solution = Cell(linear, above(GRID[0], "spike")).solve(linear(GRID[0]))
    assert (solution.status, solution.weight_uS, solution.trials) == ("ok", GRID[0], 0)


def test_points_after_the_rise_has_ended_are_not_used(interpolation):
    cell = Cell(lambda w: linear(w) if w < 8e-4 else 0.35)
    solution = cell.solve(0.3, interpolation)
    assert solution.weight_uS == pytest.approx(3e-4, rel=1e-12)


def test_ipsp_is_negative_and_its_weight_positive(interpolation):
    solution = Cell(lambda w: -linear(w)).solve(-0.5, interpolation)
    assert solution.status == "ok"
    assert solution.weight_norm == pytest.approx(1e-3, rel=1e-12)
    assert solution.epsp_mV == pytest.approx(-0.5, rel=1e-12)
    assert solution.residual == pytest.approx(0.0, abs=1e-12)
    assert solution.largest_epsp_mV == -linear(GRID[-1])


# ---------------------------------------------------------------------- no weight

SPIKY_BETWEEN = Cell(linear, lambda w: "spike" if 4e-4 < w < 8e-4 else "ok")
FAILS_BETWEEN = Cell(linear, lambda w: "failed" if 4e-4 < w < 8e-4 else "ok")

# The cell, the target, the status, trials beyond the grid, the largest sound response, words
WITHOUT = {
    "below the grid": (Cell(linear), 0.05, "below_grid", 0, 0.8, "add smaller weights"),
    "above, 10 times": (Cell(linear), 5.0, "above_grid", 1, 8.0, "0.008 uS gives 8 mV; add larger"),
    "above, 100 times": (Cell(linear), 50.0, "above_grid", 2, 80.0, "0.08 uS gives 80 mV"),
    "above, the largest plausible": (
        Cell(linear), 90.0, "above_grid", 3, 100.0, "0.1 uS gives 100 mV",
    ),
    "more than the largest plausible": (
        Cell(linear), 500.0, "implausible", 3, 100.0,
        "^0.1 uS gives 100 mV, and more is not plausible",
    ),
    "above, into spikes": (
        Cell(linear, above(1e-3, "spike")), 5.0, "above_grid", 1, 0.8, "gives a spike",
    ),
    "saturating below the target": (
        Cell(saturating(0.4)), 0.5, "unreachable", 3, saturating(0.4)(0.1),
        "^the response saturates at about 0.4 mV .0.1 uS gives 0.3984 mV.",
    ),
    "no longer rising": (
        Cell(lambda w: min(linear(w), 0.3)), 0.5, "unreachable", 0, 0.3, "stops rising at 0.3 mV",
    ),
    "falling": (
        Cell(lambda w: 0.3 - linear(w) / 4), 0.5, "unreachable", 0, 0.275, "stops rising at 0.275",
    ),
    "spikes on the grid": (
        Cell(linear, above(3e-4, "spike")), 0.5, "spike", 0, 0.2,
        r"beyond 0.0002 uS \(0.2 mV\): it has spike",
    ),
    "spikes between grid points": (SPIKY_BETWEEN, 0.5, "spike", 1, 0.8, "at the interpolated"),
    "fails between grid points": (FAILS_BETWEEN, 0.5, "failed", 1, 0.8, "it has failed"),
    "edge on the grid": (Cell(linear, above(3e-4, "edge")), 0.5, "edge", 0, 0.2, "it has edge"),
    "failed on the grid": (
        Cell(linear, above(3e-4, "failed")), 0.5, "failed", 0, 0.2, "it has failed",
    ),
    **{
        f"{status} everywhere": (
            Cell(linear, above(0, status)), 0.5, status, 0, None,
            f"^at the smallest weight: it has {status}",
        )
        for status in ("spike", "drift", "edge", "failed")
    },
    "IPSP that saturates": (
        Cell(lambda w: -saturating(0.4)(w)), -0.5, "unreachable", 3, -saturating(0.4)(0.1),
        "saturates at about -0.4 mV",
    ),
    "IPSP below the grid": (
        Cell(lambda w: -linear(w)), -0.05, "below_grid", 0, -0.8, "already gives -0.1 mV",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("cell", "target", "status", "trials", "largest", "words"), WITHOUT.values(), ids=WITHOUT
)
def test_no_weight(cell, target, status, trials, largest, words, interpolation):
    solution = cell.solve(target, interpolation)
    assert (solution.status, solution.trials) == (status, trials)
    assert (solution.weight_uS, solution.weight_norm, solution.epsp_mV) == (None, None, None)
    assert solution.largest_epsp_mV == (None if largest is None else pytest.approx(largest))
    assert re.search(words, solution.reason)


def test_response_of_the_other_sign_is_named_as_such():
    solution = Cell(linear).solve(-0.5)
    assert "no response of the target's sign" in solution.reason


def test_target_that_was_exceeded_on_the_grid_is_not_called_unreachable():
    dip = {1e-4: 0.1, 2e-4: 0.2, 4e-4: 0.15, 8e-4: 0.9}
    assert Cell(dip.__getitem__).solve(0.5).status != "unreachable"


def test_failures_beyond_the_grid_are_not_taken_for_small_responses():
    solution = Cell(linear, above(1e-3, "failed")).solve(5.0)
    assert solution.status != "unreachable"


# ---------------------------------------------------------------------- interpolation

rules = st.sampled_from(["monotone", "linear"])


STEEP = st.floats(1e-3, 1.0)  # mV from one weight to the next
WITH_PLATEAUS = st.just(0.0) | st.floats(1e-12, 0.5)


@st.composite
def curves(draw, sizes=STEEP):
    """Ascending weights (uS) and rising responses (mV) from zero, of a random cell."""
    n = draw(st.integers(2, 8))
    steps = st.lists(st.floats(1e-6, 1e-3), min_size=n, max_size=n)
    rises = st.lists(sizes, min_size=n, max_size=n)
    return np.cumsum(draw(steps)), np.cumsum(draw(rises))


@given(curve=curves(), where=st.floats(0.0, 1.0))
def test_linear_interpolation_is_that_of_numpy(curve, where):
    weights, epsps = curve
    target = epsps[0] + where * (epsps[-1] - epsps[0])
    expected = np.interp(target, epsps, weights)
    assert interpolate_weight(weights, epsps, target, "linear") == expected


@given(curve=curves(), where=st.floats(0.0, 1.0), rule=rules)
def test_interpolation_stays_between_the_neighbours(curve, where, rule):
    weights, epsps = curve
    target = min(epsps[0] + where * (epsps[-1] - epsps[0]), epsps[-1])
    after = int(np.searchsorted(epsps, target, side="right"))
    low, high = weights[max(after - 1, 0)], weights[min(after, len(weights) - 1)]
    weight = interpolate_weight(weights, epsps, target, rule)
    assert low * (1 - 1e-12) <= weight <= high * (1 + 1e-12)


def test_interpolation_gives_a_plain_float(interpolation):
    weight = interpolate_weight(np.array([1.0, 2.0]), np.array([1.0, 2.0]), 1.5, interpolation)
    assert type(weight) is float


def test_target_at_the_last_grid_point_is_not_extrapolated():
    weights = np.array([0.0001, 0.0017])
    assert interpolate_weight(weights, np.array([0.4, 0.5]), 0.5, "monotone") <= weights[-1]


# ---------------------------------------------------------------------- laws


@st.composite
def problems(draw):
    """Return a cell with a piecewise linear rising response, a grid and a target for it."""
    knots, epsps = draw(curves(WITH_PLATEAUS))
    cell = Cell(lambda w: float(np.interp(w, [0.0, *knots], [0.0, *epsps])))
    ends = st.floats(float(knots[0]) / 2, 1.5 * float(knots[-1]))
    grid = tuple(sorted(draw(st.lists(ends, min_size=2, max_size=6, unique=True))))
    return cell, grid, draw(st.floats(1e-3, 5.0))


tolerances = st.sampled_from([1e-1, 1e-3, 1e-6])


@given(problem=problems(), tolerance=tolerances, rule=rules)
def test_weight_is_never_extrapolated_and_meets_the_target(problem, tolerance, rule):
    cell, grid, target = problem
    solution = cell.solve(target, rule, tolerance, grid)
    assert solution.status in {*SOUND, "above_grid", "below_grid", *WITHOUT_A_WEIGHT}
    if solution.status == "ok":
        assert grid[0] * (1 - 1e-12) <= solution.weight_uS <= grid[-1] * (1 + 1e-12)
        assert abs(solution.residual) <= tolerance
    else:
        assert solution.weight_norm is None


@given(problem=problems(), rule=rules)
def test_target_between_two_points_of_a_rising_grid_gets_a_weight_and_others_do_not(problem, rule):
    cell, grid, target = problem
    epsps = [cell.curve(weight) for weight in grid]
    assume(all(np.diff(epsps) > 1e-9))
    solution = cell.solve(target, rule, grid=grid)
    assert (solution.status in SOUND) == (epsps[0] <= target <= epsps[-1])


@given(problem=problems(), tolerance=tolerances, rule=rules)
def test_trials_are_the_simulations_that_were_asked_for(problem, tolerance, rule):
    cell, grid, target = problem
    solution = cell.solve(target, rule, tolerance, grid)
    assert solution.trials == len(cell.asked)


@given(problem=problems(), rule=rules)
def test_only_where_there_is_no_weight_is_the_grid_left(problem, rule):
    cell, grid, target = problem
    solution = cell.solve(target, rule, grid=grid)
    if solution.status in SOUND:
        assert all(weight <= grid[-1] * (1 + 1e-12) for weight in cell.asked)
    else:
        larger = [factor * grid[-1] for factor in (10.0, 100.0, 1000.0)]
        beyond = [weight for weight in larger if weight < MAX_WEIGHT_uS]
        assert cell.asked == [*beyond, MAX_WEIGHT_uS][: solution.trials]


@given(problem=problems(), tolerance=tolerances, rule=rules)
def test_ipsp_is_solved_as_the_mirrored_epsp(problem, tolerance, rule):
    cell, grid, target = problem
    up = cell.solve(target, rule, tolerance, grid)
    down = Cell(lambda w: -cell.curve(w)).solve(-target, rule, tolerance, grid)
    assert (down.status, down.weight_uS, down.trials) == (up.status, up.weight_uS, up.trials)


statuses = st.sampled_from(["ok", "ok", "ok", "spike", "drift", "edge", "failed"])


@given(data=st.data(), target=st.floats(0.01, 2.0), rule=rules)
def test_whatever_the_cell_does_there_is_an_outcome(data, target, rule):
    """Any response at any weight: nothing is raised, and ok means bracketed and met."""
    seen = {}

    def anything(weight):
        if weight not in seen:
            status = data.draw(statuses)
            epsp = None if status == "failed" else data.draw(st.floats(-0.5, 2.5))
            seen[weight] = Response(status, "" if status == "ok" else status, epsp_mV=epsp)
        return seen[weight]

    solution = solve_on_grid(GRID, [anything(w) for w in GRID], target, anything, rule)
    assert bool(solution.reason) == (solution.status != "ok")
    if solution.status == "ok":
        assert GRID[0] <= solution.weight_uS <= GRID[-1] * (1 + 1e-12)
        assert seen[solution.weight_uS].ok
        assert abs(seen[solution.weight_uS].epsp_mV / target - 1.0) <= 1e-3
    else:
        assert solution.weight_norm is None


# ---------------------------------------------------------------------- Solution


@pytest.mark.parametrize("status", ["inexact", "spike", "unreachable", "failed"])
def test_weight_norm_is_none_unless_ok(status):
    assert Solution(status, 0.5, 1e-3, 0.6).weight_norm is None


@pytest.mark.parametrize(("target", "epsp"), [(0.5, 0.55), (-0.5, -0.55)], ids=["EPSP", "IPSP"])
def test_residual_is_relative_to_the_target(target, epsp):
    assert Solution("inexact", target, 1e-3, epsp).residual == pytest.approx(0.1)


# ---------------------------------------------------------------------- what no weight helps


def the_other_way(weight):
    """What is measured where the synapse moves the soma away from the target: nothing, and why."""
    return Response("ok", "the synapse moves the soma the other way", epsp_mV=1e-9)


@pytest.mark.parametrize(
    ("target", "meant"),
    [
        (0.5, "negative target meant (--target -0.5), or another"),
        (-0.5, "positive target meant (--target 0.5), or another"),
    ],
)
def test_a_synapse_that_works_the_other_way_is_asked_for_the_sign(target, meant):
    on_grid = solve_on_grid(GRID, [the_other_way(w) for w in GRID], target, the_other_way)
    sought = find_weight(the_other_way, target, 1e-3)
    for solution in (on_grid, sought):
        assert solution.status == "unreachable"
        assert "there is no response of the target's sign" in solution.reason
        assert "moves the soma the other way" in solution.reason
        assert meant in solution.reason
    assert sought.trials == 2


def test_no_weight_is_tried_that_no_synapse_can_have():
    for guess, trials in ((1e-3, 3), (1e9, 2)):
        cell = Cell(lambda weight: 1e-12 * weight)
        solution = find_weight(cell.respond, 0.5, guess)
        assert (solution.status, max(cell.asked)) == ("implausible", 0.1)
        assert solution.trials == trials
        assert "0.1 uS gives 1e-13 mV, and more is not plausible" in solution.reason
    solution = find_weight(cell.respond, 0.5, 1e-3, largest_uS=50.0)
    assert max(cell.asked) == 50.0
    assert "50 uS gives" in solution.reason


# ---------------------------------------------------------------------- beyond the grid


@pytest.mark.parametrize("sign", [1, -1])
def test_extended_the_search_goes_on_where_the_grid_ends(sign):
    cell = Cell(lambda w: sign * saturating(5.0)(w))
    responses = [cell.respond(w) for w in GRID]
    cell.asked.clear()
    solution = solve_on_grid(GRID, responses, sign * 4.0, cell.respond, extend=True)
    assert (solution.status, solution.trials) == ("ok", len(cell.asked))
    assert min(cell.asked) > GRID[-1]
    assert abs(solution.residual) <= 1e-3
    assert solution.trials <= 2  # the grid's last points say where to look


def test_extended_it_ends_at_the_largest_plausible_weight():
    cell = Cell(linear)
    responses = [cell.respond(w) for w in GRID]
    solution = solve_on_grid(GRID, responses, 500.0, cell.respond, extend=True)
    assert (solution.status, max(cell.asked)) == ("implausible", MAX_WEIGHT_uS)
    solution = solve_on_grid(GRID, responses, 50.0, cell.respond, extend=True, largest_uS=0.01)
    assert solution.status == "implausible"


def test_a_weight_of_the_grid_may_be_more_than_is_plausible():
    cell = Cell(linear)
    responses = [cell.respond(w) for w in GRID]
    solution = solve_on_grid(GRID, responses, 0.55, cell.respond, largest_uS=4e-4)
    assert (solution.status, solution.weight_norm) == ("implausible", None)
    assert solution.weight_uS == pytest.approx(5.5e-4)
    assert solution.epsp_mV == pytest.approx(0.55)
    assert "0.00055 uS would do; more than 0.0004 uS is not plausible" in solution.reason


@given(gain=st.floats(1.0, 1e6), share=st.floats(0.1, 1.0), guess=st.floats(1e-6, 1.0))
def test_out_of_reach_is_decided_in_four_trials(gain, share, guess):
    """A conductance synapse whose response at the largest weight is below the target."""
    cell = Cell(lambda w: gain * w / (1 + gain * w / share))
    target = 1.01 * cell.curve(MAX_WEIGHT_uS)
    solution = find_weight(cell.respond, target, guess, 1e-3)
    assert solution.status in ("unreachable", "implausible")
    assert solution.trials == len(cell.asked) <= 4
    assert solution.largest_epsp_mV == cell.curve(MAX_WEIGHT_uS)


def test_a_tolerance_is_not_rounded_to_nothing():
    assert (percent(1e-3), percent(1e-9), percent(-0.251)) == ("0.10%", "1e-07%", "-25.10%")
