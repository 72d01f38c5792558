"""Unusual cells, simulated: what cannot be calibrated has a status and a reason."""

from __future__ import annotations

import json
import math

import pytest
from typer.testing import CliRunner

from wscale import list_sites, solve, verify
from wscale.cells.cell_file import CellRule
from wscale.cli.app import app
from wscale.model.synapses import SynapseGroup, with_synapses

PASSIVE = {"pas": {"g": 1e-4, "e": -70.0}}


def section(length=20.0, nseg=1, parent=None, **mechs):
    topol = {} if parent is None else {"parentSec": parent, "parentX": 1.0, "childX": 0.0}
    return {
        "geom": {"L": length, "diam": 20.0 if parent is None else 2.0, "nseg": nseg},
        "topol": topol,
        "mechs": mechs or PASSIVE,
    }


@pytest.fixture(scope="module")
def make(load):
    """Make a model of sections, with the repository's synapses and configuration."""
    base = load("PV_simple", dt=0.05)
    return lambda **secs: base.with_cell("odd", CellRule({"secs": secs}, (), "odd"))


def solved(model, **options):
    [result] = solve(model, n_jobs=2, **options)
    return {str(site): solution for site, solution in result.solutions}, result


def test_a_cell_that_is_only_a_soma(make):
    model = make(soma=section())
    solutions, result = solved(model)
    assert {site: s.status for site, s in solutions.items()} == {"soma(0.5)": "ok"}
    [check] = verify([(model, result.table())], n_jobs=2)
    assert check.passed


@pytest.mark.parametrize("nseg", [2, 4])
def test_even_numbers_of_segments(make, nseg):
    """No segment has its centre at 0.5 then, the soma's least of all."""
    model = make(soma=section(nseg=nseg), dend=section(200.0, nseg, "soma"))
    solutions, result = solved(model)
    assert [site.segment for site in list_sites(model)] == [*range(nseg), *range(nseg)]
    assert {s.status for s in solutions.values()} == {"ok"}
    table = result.table()
    assert {sec: len(row) for sec, row in table.weight_norm.items()} == {"soma": nseg, "dend": nseg}
    assert sorted(table.weight_norm["dend"]) == table.weight_norm["dend"]  # farther needs more
    [check] = verify([(model, table)], n_jobs=2)
    assert check.passed
    assert check.largest_error < 1e-3


def test_middle_of_an_even_number_of_segments_is_in_the_second_half(make):
    [soma, dend] = list_sites(make(soma=section(), dend=section(200.0, 4, "soma")), None, "middle")
    assert (soma.segment, dend.segment) == (0, 2)
    assert dend.distance_um == pytest.approx(110.0)


def test_a_site_that_fails_has_its_reason_and_the_others_are_as_without_it(make):
    model = make(soma=section(), dend=section(0.01, 1, "soma"))
    model.rule["secs"]["dend"]["geom"]["diam"] = 0.01
    # At weight 0 this is no current, at any other a current that no membrane survives
    far = {"mod": "Exp2Syn", "tau1": 0.1, "tau2": 5.0, "e": "1.7e308 * (post_dist_path > 5)"}
    model = with_synapses(model, SynapseGroup("far", {"far": far}))
    solutions, result = solved(model)
    assert solutions["soma(0.5)"].status == "ok"
    failed = solutions["dend(0.5)"]
    assert (failed.status, failed.weight_norm) == ("failed", None)
    assert "not finite" in failed.reason
    alone, _ = solved(model, sections="soma")
    assert alone["soma(0.5)"] == solutions["soma(0.5)"]
    assert result.table().counts == {"ok": 1, "failed": 1}


@pytest.mark.parametrize(
    ("mechs", "celsius"),
    [
        ({"hh": {"gl": 3e-4, "el": -10.0}}, 6.3),
        ({"pas": {"g": 5e-7, "e": 0.0}}, 34.0),
    ],
    ids=["fires on its own", "drifts"],
)
def test_a_cell_that_does_not_rest_is_not_measured(load, mechs, celsius):
    base = load("PV_simple", **{"dt": 0.05, "hParams.celsius": celsius})
    model = base.with_cell("odd", CellRule({"secs": {"soma": section(**mechs)}}, (), "odd"))
    solutions, result = solved(model)
    [solution] = solutions.values()
    assert solution.status == "drift"
    assert "without stimulation" in solution.reason
    assert result.table().weight_norm == {"soma": [None]}


def test_a_cell_that_blows_up_has_a_reason(make):
    solutions, _ = solved(
        make(soma=section(pas={"g": 1e-4, "e": 1e308}), dend=section(parent="soma"))
    )
    for solution in solutions.values():
        assert solution.status == "failed"
        assert solution.weight_norm is None
        assert solution.reason


def test_names_of_sections_are_no_paths(tmp_path, repo):
    """Neither in files nor in messages do odd names do any harm."""
    odd = "../../escape $(touch x)"
    rule = {"secs": {"soma": section(), odd: section(100.0, 1, "soma")}}
    file = tmp_path / "cell.json"
    file.write_text(json.dumps(rule))
    out = tmp_path / "out" / "results"
    before = set(tmp_path.rglob("*"))
    options = ["--cell-file", str(file), "--cfg", "dt=0.05", "--jobs", "2", "--out", str(out)]
    done = CliRunner().invoke(app, ["grid", str(repo), *options, "--weights", "1e-5,2e-5"])
    assert done.exit_code == 1, done.output  # nothing is calibrated
    table = json.loads((out / "weightNorm" / "cell_weightNorm.json").read_text())
    assert set(table["weightNorm"]) == {"soma", odd}
    made = set(tmp_path.rglob("*")) - before - {out.parent, out}
    assert all(out in path.parents for path in made)
    assert "escape $(touch x)(0.5): above_grid" in done.output
    assert math.isfinite(table["largest_epsp_mV"][odd][0])
