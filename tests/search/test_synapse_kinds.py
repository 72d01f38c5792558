"""Synapses as people have them: weights in other units, at random, or not used at all."""

from __future__ import annotations

import json

import pytest

from wscale import Model, Protocol, SynapseGroup, audit, grid, solve, verify
from wscale.errors import ModelError
from wscale.model.synapses import parse_synmechs, with_synapses
from wscale.scaffold.new import new_folder
from wscale.tables.weightnorm import WeightNormTable

SYNAPSE = """
NEURON {{
    POINT_PROCESS {name}
    RANGE tau, e, scale, i
    NONSPECIFIC_CURRENT i
    {random}
}}
UNITS {{ (nA) = (nanoamp) (mV) = (millivolt) (uS) = (microsiemens) }}
PARAMETER {{ tau = 5 (ms) e = 0 (mV) scale = {scale} (uS) }}
ASSIGNED {{ v (mV) i (nA) }}
STATE {{ g }}
INITIAL {{ g = 0 }}
BREAKPOINT {{
    SOLVE decay METHOD cnexp
    i = {current}
}}
DERIVATIVE decay {{ g' = -g / tau }}
NET_RECEIVE(weight {unit}) {{ {event} }}
"""
CONDUCTANCE, CURRENT = "scale * g * (v - e)", "-g"
RANDOM123 = """
VERBATIM
#include "nrnran123.h"
ENDVERBATIM
PROCEDURE streams(a, b, c) {
    VERBATIM
    nrnran123_State** state = (nrnran123_State**)(&_p_stream);
    nrnran123_deletestream(*state);
    *state = nrnran123_newstream3((uint32_t)_la, (uint32_t)_lb, (uint32_t)_lc);
    ENDVERBATIM
}
FUNCTION drawn() {
    VERBATIM
    _ldrawn = _p_stream ? nrnran123_dblpick((nrnran123_State*)_p_stream) : 0.;
    ENDVERBATIM
}
"""


def nmodl(
    name, unit="", scale=1e-3, current=CONDUCTANCE, event="g = g + weight", random="", more=""
):
    parts = {"unit": unit, "scale": scale, "current": current, "event": event, "random": random}
    return SYNAPSE.format(name=name, **parts) + more


FILES = {
    "DeclaredNS": nmodl("DeclaredNS", "(nS)"),
    "SilentNS": nmodl("SilentNS"),
    "Factor": nmodl("Factor", scale=2e-5),
    "Current": nmodl("Current", current=CURRENT),
    "Fixed": nmodl("Fixed", event="if (weight > 0) { g = g + 0.5 }"),
    "Mute": nmodl("Mute", "(uS)", event=""),
    "Release": nmodl(
        "Release",
        "(uS)",
        scale=1,
        random="RANDOM r",
        event="if (random_uniform(r) < 0.5) { g = g + weight }",
    ),
    "Release123": nmodl(
        "Release123",
        "(uS)",
        scale=1,
        random="THREADSAFE POINTER stream",
        event="if (drawn() < 0.5) { g = g + weight }",
        more=RANDOM123,
    ).replace("v (mV) i (nA)", "v (mV) i (nA) stream"),
}


@pytest.fixture(scope="module")
def cell(tmp_path_factory):
    folder = new_folder(tmp_path_factory.mktemp("kinds") / "model")
    (folder / "mod").mkdir(exist_ok=True)
    for name, text in FILES.items():
        (folder / "mod" / f"{name}.mod").write_text(text)
    return Model.from_folder(folder, overrides={"dt": 0.05})


def with_synapse(cell, mod, **parameters):
    return with_synapses(cell, SynapseGroup("exc", {"exc": {"mod": mod, "tau": 5, **parameters}}))


def solved(model, **how):
    [result] = solve(model, locations="middle", n_jobs=1, **how)
    return result


@pytest.fixture(scope="module")
def in_uS(cell):
    """Weights of NEURON's own ExpSyn, uS, by section."""
    result = solved(with_synapse(cell, "ExpSyn"))
    return {site.sec: solution.weight_norm for site, solution in result.solutions}


@pytest.mark.parametrize(
    ("mod", "unit", "uS"),
    [("DeclaredNS", "nS", 1e-3), ("SilentNS", "nS", 1e-3), ("Factor", "", 2e-5)],
)
def test_tables_hold_what_the_connections_of_a_network_need(cell, in_uS, mod, unit, uS, tmp_path):
    result = solved(with_synapse(cell, mod))
    table = result.table()
    assert table.counts["ok"] == len(in_uS)
    assert table.weight_unit.name == unit
    assert table.weight_unit.uS == pytest.approx(uS, rel=0.02)
    for site, solution in result.solutions:  # the conductance is that of ExpSyn ...
        # ... and the number is the synapse's own
        entry = table.weight_norm[site.sec][site.segment]
        assert entry * uS == pytest.approx(in_uS[site.sec], rel=2e-3)
        assert solution.weight_norm == pytest.approx(in_uS[site.sec], rel=0.02)
    table.write_json(tmp_path / "table.json")
    assert WeightNormTable.read(tmp_path / "table.json") == table
    units = json.loads((tmp_path / "table.json").read_text())["units"]
    assert units["weightNorm"] == f"{unit or '1'}/mV"


def test_a_network_of_such_synapses_gives_the_target(cell):
    model = with_synapse(cell, "DeclaredNS")
    [result] = solve(model, n_jobs=1)
    [check] = verify([(model, result.table())], n_jobs=1)
    assert check.passed
    assert "weightNorm_nS_per_mV" in check.frame
    [whole] = verify([(model, result.table())], n_jobs=1, full_runs=True)
    assert whole.passed
    found = audit(model, result.table(), n_jobs=1)
    assert found.passed
    wrong = {sec: [2 * entry for entry in row] for sec, row in result.table().weight_norm.items()}
    given = {sec: ["given"] * len(row) for sec, row in wrong.items()}
    found = audit(model, WeightNormTable(model.cell, wrong, given), n_jobs=1)
    row = found.frame.iloc[0]
    assert row["right_weightNorm"] == pytest.approx(row["weightNorm_nS_per_mV"] / 2, rel=2e-3)
    assert "nS/mV" in row["why"]


def test_the_default_grid_and_the_largest_weight_are_in_the_synapses_unit(cell, in_uS):
    model = with_synapse(cell, "DeclaredNS")
    [result] = grid(model, [1e-4, 5e-4], locations="middle", n_jobs=1)
    assert result.table().weight_norm["soma"][0] * 1e-3 == pytest.approx(in_uS["soma"], rel=2e-3)
    tight = solved(model, targets=20.0, max_weight=1.0)
    for _, solution in tight.solutions:
        assert solution.status in ("implausible", "unreachable")
        assert "1 nS gives" in solution.reason


def test_a_synapse_that_injects_a_current(cell):
    table = solved(with_synapse(cell, "Current")).table()
    assert table.weight_unit.name == "nA"
    assert "a peak current of 1" in table.weight_unit.source
    assert table.counts["ok"] == 2


def test_a_unit_that_is_given(cell):
    assert parse_synmechs(["exc=SilentNS,tau=5,weight_unit=pS"])["exc"]["weight_unit"] == "pS"
    model = with_synapse(cell, "SilentNS", weight_unit="uS")
    assert (model.weight_unit.name, model.weight_unit.source) == ("uS", "weight_unit")
    assert model.netpyne_net()["synMechParams"]["exc"].keys() == {"mod", "tau"}
    other = with_synapse(cell, "DeclaredNS", weight_unit="uS")
    assert "weight_unit = uS of synMech 'exc' is taken, though NET_RECEIVE of DeclaredNS" in str(
        other.notices
    )
    with pytest.raises(ModelError, match="weight_unit = 'nF' must be one of uS, nS"):
        with_synapse(cell, "SilentNS", weight_unit="nF")


# ---------------------------------------------------------------------- reasons


def reason_of(model, **how):
    solutions = solved(model, **how).solutions
    assert {solution.status for _, solution in solutions} == {"failed"}
    [reason] = {solution.reason for _, solution in solutions}
    return reason


def test_a_weight_that_is_not_used(cell):
    reason = reason_of(with_synapse(cell, "Fixed"))
    assert reason.startswith("weight_ignored: weights of 1 nS and 2 nS move the soma by the same")


def test_a_synapse_that_does_not_answer(cell):
    assert reason_of(with_synapse(cell, "Mute")).startswith("no_answer: weights of 0.001 uS and")


def test_random_release_is_refused(cell):
    reason = reason_of(with_synapse(cell, "Release"))
    assert reason.startswith("stochastic: the same activation of exc")
    assert "Release draws random numbers" in reason
    assert "trials=100" in reason


@pytest.mark.parametrize("mod", ["Release", "Release123"])
def test_random_release_is_averaged_over_seeded_trials(cell, in_uS, mod):
    model = with_synapse(cell, mod)
    n = 40
    result = solved(model, protocol=Protocol(trials=n))
    table = result.table()
    assert table.counts["ok"] == 2
    released = in_uS["soma"] / table.weight_norm["soma"][0]  # the share of trials, nearly
    assert released == pytest.approx(round(n * released) / n, abs=0.02)
    assert abs(released - 0.5) < 4 * 0.5 / n**0.5
    # each amplitude is 0 or 0.5 mV / released
    spread = (released * (1 - released) * n / (n - 1)) ** 0.5 * 0.5 / released
    assert table.ci95_mV["soma"][0] == pytest.approx(2.0227 * spread / n**0.5, rel=0.05)
    assert solved(model, protocol=Protocol(trials=n)).table().weight_norm == table.weight_norm
    [result] = solve(model, protocol=Protocol(trials=n), n_jobs=1)
    [check] = verify([(model, result.table())], protocol=Protocol(trials=n), n_jobs=1)
    assert check.passed
