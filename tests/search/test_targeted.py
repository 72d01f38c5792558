"""The targeted search: bracketing at one site, and whole cells against the grid."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import M1_CELLS
from hypothesis import given
from hypothesis import strategies as st

from wscale import Response, Targets, grid, solve, verify
from wscale.measurement.bracket import find_weight


def saturating(gain, ceiling):
    """A conductance synapse in a passive cell."""
    return lambda w: Response("ok", epsp_mV=gain * w / (1.0 + gain * w / ceiling))


def spiking(cell, threshold_uS):
    return lambda w: Response("spike", "it spikes", -70.0, 80.0) if w > threshold_uS else cell(w)


def counted(cell):
    def respond(weight):
        respond.asked.append(weight)
        return cell(weight)

    respond.asked = []
    return respond


CELL = saturating(1000.0, 20.0)


@given(
    gain=st.floats(1.0, 1e5),
    ceiling=st.floats(1.0, 100.0),
    target=st.floats(0.05, 0.9),
    guess=st.floats(1e-7, 1.0),
    tolerance=st.sampled_from([1e-2, 1e-3, 1e-6]),
)
def test_target_below_the_ceiling_is_met_from_any_guess(gain, ceiling, target, guess, tolerance):
    respond = counted(saturating(gain, ceiling))
    solution = find_weight(respond, target * ceiling, guess, tolerance, largest_uS=1e3)
    assert solution.status == "ok"
    assert abs(solution.residual) <= tolerance
    assert solution.weight_uS == respond.asked[-1]  # the last simulation is the answer
    assert solution.trials == len(respond.asked)


@given(guess=st.floats(1e-7, 1.0), sign=st.sampled_from([1.0, -1.0]))
def test_target_above_the_ceiling_is_unreachable(guess, sign):
    def cell(weight):
        return Response("ok", epsp_mV=sign * CELL(weight).epsp_mV)

    solution = find_weight(cell, sign * 25.0, guess, largest_uS=1e3)
    assert solution.status in ("unreachable", "implausible")
    assert solution.weight_norm is None
    assert sign * solution.largest_epsp_mV == pytest.approx(20.0, rel=0.05)


@given(guess=st.floats(1e-7, 1.0))
def test_jump_into_a_spike_is_a_spike(guess):
    solution = find_weight(spiking(CELL, 1e-3), 5.0, guess)
    assert (solution.status, solution.weight_norm) == ("spike", None)
    assert solution.largest_epsp_mV == pytest.approx(CELL(1e-3).epsp_mV, rel=2e-3)


@given(guess=st.floats(1e-7, 1.0))
def test_spikes_beyond_the_target_do_not_matter(guess):
    solution = find_weight(spiking(CELL, 1e-3), 0.5, guess)
    assert solution.status == "ok"
    assert solution.epsp_mV == pytest.approx(0.5, rel=1e-3)


@pytest.mark.parametrize("status", ["drift", "failed"])
def test_what_no_weight_changes_ends_at_once(status):
    respond = counted(lambda w: Response(status, "reason", epsp_mV=0.1))
    solution = find_weight(respond, 0.5, 1e-3)
    assert (solution.status, solution.trials) == (status, 1)
    assert "reason" in solution.reason


def test_response_of_the_other_sign_is_unreachable():
    respond = counted(lambda w: Response("ok", epsp_mV=-CELL(w).epsp_mV))
    solution = find_weight(respond, 0.5, 1e-3)
    assert (solution.status, solution.trials) == ("unreachable", 2)
    assert "no response of the target's sign" in solution.reason


def test_edge_at_every_weight_is_edge():
    solution = find_weight(lambda w: Response("edge", "still rising", epsp_mV=1e3 * w), 0.5, 1e-3)
    assert (solution.status, solution.weight_norm) == ("edge", None)
    assert "still rising" in solution.reason


def test_jump_over_the_target_is_not_monotone():
    def cell(weight):
        return Response("ok", epsp_mV=0.2 if weight < 1e-3 else 3.0)

    solution = find_weight(cell, 0.5, 1e-4)
    assert solution.status == "not_monotone"
    assert "jumps from 0.2 to 3 mV" in solution.reason


@given(st.data())
def test_whatever_the_cell_does_there_is_an_outcome(data):
    seen = {}

    def anything(weight):
        if weight not in seen:
            status = data.draw(st.sampled_from(["ok", "ok", "ok", "spike", "edge", "failed"]))
            epsp = None if status == "failed" else data.draw(st.floats(-0.5, 2.0))
            seen[weight] = Response(status, "", epsp_mV=epsp)
        return seen[weight]

    solution = find_weight(anything, 0.5, 1e-3)
    if solution.status == "ok":
        assert seen[solution.weight_uS].ok
        assert abs(solution.residual) <= 1e-3


# ---------------------------------------------------------------------- whole cells


@pytest.fixture(scope="module")
def m1(load):
    return solve([load(cell, dt=0.05) for cell in M1_CELLS], n_jobs=2)


def test_all_sites_of_the_m1_cells_are_solved_in_few_trials(m1):
    for result in m1:
        assert {solution.status for _, solution in result.solutions} == {"ok"}
        assert result.trials <= 3 * len(result.solutions)


def test_it_equals_the_grids_fine_interpolation(load, m1):
    weights = np.geomspace(1e-4, 1e-2, 12)
    models = [load(cell, dt=0.05) for cell in M1_CELLS]
    for fine, result in zip(grid(models, weights, tolerance=1e-5, n_jobs=2), m1, strict=True):
        for (site, exact), (same, quick) in zip(fine.solutions, result.solutions, strict=True):
            assert site == same
            assert quick.weight_norm == pytest.approx(exact.weight_norm, rel=2e-3)


@pytest.mark.slow
def test_it_equals_the_grids_fine_interpolation_on_the_detailed_cell(load):
    """Few trials, and the same weights: on the soma, and on near and distal dendrites."""
    model = load("PT5B_pyramid", dt=0.05)
    sections = ["soma", "apical_0", "apical_1", "apical_30"]
    [quick] = solve(model, sections=sections, n_jobs=2)
    weights = np.geomspace(5e-4, 3.2e-2, 5)
    [fine] = grid(model, weights, sections=sections, tolerance=1e-5, n_jobs=2)
    assert quick.trials <= 2.5 * len(quick.solutions)
    for (site, exact), (same, found) in zip(fine.solutions, quick.solutions, strict=True):
        assert site == same
        assert (found.status, exact.status) == ("ok", "ok")
        assert abs(found.residual) <= 1e-3
        assert found.weight_norm == pytest.approx(exact.weight_norm, rel=2e-3)


def test_tables_verify_in_a_network(m1):
    for check in verify([(result.model, result.table()) for result in m1], n_jobs=2):
        assert check.passed
        assert len(check.promised) == len(check.frame)


def test_serial_parallel_and_reversed_are_equal(load, m1, own_process_rig):
    models = [load(cell, dt=0.05) for cell in M1_CELLS[::-1]]
    for again, result in zip(solve(models, n_jobs=1)[::-1], m1, strict=True):
        assert again.solutions == result.solutions


def test_targets_by_place_and_ipsps(load):
    model = load(
        "SOM_simple",
        **{"dt": 0.05, "NetStim1.synMech": ("GABA",), "NetStim1.synMechWeightFactor": (1.0,)},
    )
    [result] = solve(model, targets=Targets(-0.2, {"dend": -0.1}), n_jobs=2)
    soma, dend = (solution for _, solution in result.solutions)
    assert soma.epsp_mV == pytest.approx(-0.2, rel=1e-3)
    assert dend.epsp_mV == pytest.approx(-0.1, rel=1e-3)
    assert min(soma.weight_norm, dend.weight_norm) > 0


def test_target_beyond_the_reversal_potential_is_unreachable_or_spikes(load):
    [result] = solve(load("PT5B_reduced", dt=0.05), sections="Adend3", targets=70.0, n_jobs=2)
    [(_, solution)] = result.solutions
    assert solution.status in ("unreachable", "implausible", "spike")
    assert solution.largest_epsp_mV < 70.0
