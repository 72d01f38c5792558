"""Formulas in files: arithmetic reaches NetPyNE, and nothing that could run anything else."""

from __future__ import annotations

import json
import pickle
from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wscale import Model
from wscale._util.formulas import check_formula
from wscale.calibrate.settings import SearchSettings
from wscale.cells.cell_file import CellRule, read_cell
from wscale.errors import ConfigError, ModelError
from wscale.model.synapses import SynapseGroup

SOUND = [
    "1",
    "-70.0",
    "1e-3 * exp(-dist_path / 100)",
    "2 if dist_euclidean > 50 else 3",
    "uniform(1, 2) + normal(0, 1)",
    "sqrt(x ** 2 + y ** 2)",
    "2 ** (dist_path / 100)",
    " (1 +\n 2) ",
]
UNSOUND = [
    "",
    "__import__('os').system('true')",
    "().__class__.__bases__",
    "exp.__globals__",
    "exp.__call__(1)",
    "[x for x in (1, 2)]",
    "(lambda: 1)()",
    "eval('1')",
    "open(1)",
    "exp(*[1])",
    "exp(x=1)",
    "f'{x}'",
    "'text'",
    "(x := 1)",
    "x; y",
    "1\nimport os",
    "x[0]",
    "1j",
    "unknown + 1",
    "9 ** 9 ** 9 ** 9",
    "9 ** 999999999",
    "9 ** (9 * 99999999)",
    "9 ** -(-99999999)",
    "1 << 9 ** 9",
    "(" * 600 + "1" + ")" * 600,
    "-" * 500 + "1",
    "1 +" * 1000 + "1",
    "\0",
]


@pytest.mark.parametrize("text", SOUND)
def test_arithmetic_is_let_through(text):
    check_formula("g", text)


@pytest.mark.parametrize("text", UNSOUND)
def test_anything_else_is_refused(text):
    with pytest.raises(ModelError, match=r"^g = .* is no formula: "):
        check_formula("g", text)


@given(text=st.text(max_size=30) | st.text("x()._'*+-/1e,[]:", max_size=30))
def test_any_text_is_let_through_or_refused(text):
    try:
        check_formula("g", text)
    except ModelError:
        return
    assert not set("._'\"[]:=") & set(text.replace(" ", "")) - set(".=")


# What NetPyNE would evaluate where a variable of its own is named
ATTACK = "1.0 + 0 * dist_path + 0 * len(__import__('pathlib').Path({path!r}).open('w').name)"
PLACES = {
    "geometry": ("secs", "dend", "geom", "diam"),
    "mechanism": ("secs", "dend", "mechs", "pas", "g"),
    "by segment": ("secs", "dend", "mechs", "pas", "e"),
    "variable": ("vars", "g"),
    "point process": ("secs", "dend", "pointps", "p", "tau"),
}


def spoiled(repo, place, text):
    rule = json.loads((repo / "cells" / "PV_simple.json").read_text())
    rule["vars"] = {}
    rule["secs"]["dend"]["pointps"] = {"p": {"mod": "ExpSyn", "loc": 0.5}}
    entry = rule
    for key in PLACES[place][:-1]:
        entry = entry[key]
    entry[PLACES[place][-1]] = [text] if place == "by segment" else text
    return rule


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("suffix", ["json", "pkl"])
def test_cell_that_would_run_code_is_refused_and_does_nothing(tmp_path, repo, place, suffix):
    mark = tmp_path / "mark"
    rule = spoiled(repo, place, ATTACK.format(path=str(mark)))
    file = tmp_path / f"a.{suffix}"
    file.write_bytes(json.dumps(rule).encode() if suffix == "json" else pickle.dumps(rule))
    with pytest.raises(ModelError, match=r"is no formula: it "):
        read_cell(file)
    assert not mark.exists()


def test_attack_would_run_in_netpyne(tmp_path, repo, load, own_process_rig):
    """The rule that read_cell refuses, put into a model past it."""
    from wscale.model.sites import list_sites
    from wscale.simulation.rig import Rig

    mark = tmp_path / "mark"
    rule = spoiled(repo, "geometry", ATTACK.format(path=str(mark)))
    model = load("PV_simple", dt=0.05).with_cell("bad", CellRule(rule, (), "bad"))
    with Rig(model, list_sites(model)):
        assert mark.exists()


def test_formula_of_a_cell_is_evaluated(tmp_path, repo, load):
    rule = spoiled(repo, "mechanism", "g + 0 * dist_path")
    rule["vars"] = {"g": 3e-5}
    (tmp_path / "a.json").write_text(json.dumps(rule))
    assert read_cell(tmp_path / "a.json").rule["vars"] == {"g": 3e-5}


def test_synapse_that_would_run_code_is_refused():
    entry = {"mod": "Exp2Syn", "e": "0 * post_dist_path + 0 * __import__('os').getpid()"}
    with pytest.raises(ConfigError, match=r"synMech 'a': e = .* is no formula"):
        SynapseGroup("x", {"a": entry})
    with pytest.raises(ConfigError, match=r"is no formula"):
        SearchSettings.make(synapses={"x": {"synMechs": {"a": entry}}})
    SynapseGroup("x", {"a": {"mod": "Exp2Syn", "e": "-80 + 0 * post_dist_path"}})


@pytest.mark.parametrize(
    "name", ['a=system("true")//', "a b", "a=1\nb", "", "celsius[0]"]
)  # what NetPyNE makes a line of hoc of
def test_globals_are_names_and_numbers(load, name):
    model: Model = load("PV_simple", dt=0.05)
    rule = {**deepcopy(model.rule), "globals": {name: 1}}
    with pytest.raises(ModelError, match=r"globals = .* must be names and numbers"):
        model.with_cell("bad", CellRule(rule, (), "bad"))
