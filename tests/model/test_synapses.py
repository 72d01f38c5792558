"""Synapses given from outside: one or several together, groups with a table each."""

from __future__ import annotations

import json
import math

import pytest
from helpers import REPO
from typer.testing import CliRunner

from wscale import Model, Rig, list_sites, solve
from wscale.calibrate.settings import SearchSettings
from wscale.cli.app import app
from wscale.errors import ConfigError, ModelError
from wscale.model.synapses import SynapseGroup, parse_synmechs, read_groups, with_synapses

GROUPS = {
    "exc": {"synMechs": {"AMPA": None, "NMDA": None}, "weightFactors": [0.5, 0.5]},
    "inh": {
        "synMechs": {"slow": {"mod": "Exp2Syn", "tau1": 2.0, "tau2": 60.0, "e": -80.0}},
        "target_mV": -0.3,
    },
}


def test_the_models_own_synapses_as_a_group_change_nothing(load):
    model = load("PV_simple", dt=0.05)
    group = SynapseGroup("exc", {"AMPA": None, "NMDA": None}, (0.5, 0.5))
    [own], [same] = solve(model, n_jobs=2), solve(with_synapses(model, group), n_jobs=2)
    assert own.solutions == same.solutions


def test_a_group_is_what_the_cfg_would_say(load):
    """An inhibitory synapse given from outside, and the same in cfg.NetStim1."""
    inside = Model.from_folder(REPO, "PV_simple", {"dt": 0.05, "NetStim1.synMech": ["GABA"]})
    entry = dict(inside.net["synMechParams"]["GABA"])
    outside = with_synapses(load("PV_simple", dt=0.05), SynapseGroup("", {"new": entry}))
    site = list_sites(inside)[1]
    traces = []
    for model in (inside, outside):
        with Rig(model, [site]) as rig:
            traces.append(rig.trace(site, 1e-3)[1])
    assert (traces[0] == traces[1]).all()
    assert traces[0].min() < traces[0][0] - 0.1


def test_weights_go_to_synapses_by_their_factors(load):
    model = load("PV_simple", dt=0.05)
    entry = {"mod": "Exp2Syn", "tau1": 0.5, "tau2": 5.0, "e": 0.0}
    site = list_sites(model)[0]
    epsps = []
    for group in (
        SynapseGroup("one", {"a": entry}),
        SynapseGroup("halves", {"a": entry, "b": entry}, (0.5, 0.5)),
        SynapseGroup("both", {"a": entry, "b": entry}),
    ):
        with Rig(with_synapses(model, group), [site]) as rig:
            epsps += rig.respond([(site, 2e-4)])
    one, halves, both = (response.epsp_mV for response in epsps)
    assert halves == pytest.approx(one, rel=1e-12)
    assert both > 1.8 * one


def test_groups_from_a_file_give_a_table_each(tmp_path):
    file = tmp_path / "groups.json"
    file.write_text(json.dumps(GROUPS))
    out = tmp_path / "results"
    options = ["--cell", "PV_simple", "--synapses", str(file), "--cfg", "dt=0.05", "--jobs", "2"]
    done = CliRunner().invoke(app, ["norm", str(REPO), *options, "--out", str(out), "--verify"])
    assert done.exit_code == 0, done.output
    cells = json.loads((out / "results.json").read_text())["cells"]
    assert set(cells) == {"PV_simple_exc", "PV_simple_inh"}
    for group, target in (("exc", 0.5), ("inh", -0.3)):
        table = json.loads((out / f"weightNorm/PV_simple_{group}_weightNorm.json").read_text())
        assert table["cell"] == "PV_simple"
        assert table["target_mV"] == target
        assert cells[f"PV_simple_{group}"]["counts"] == {"ok": 2}
        assert cells[f"PV_simple_{group}"]["verified"]["passed"]

    table = str(out / "weightNorm/PV_simple_inh_weightNorm.pkl")
    check = ["verify", str(REPO), *options, "--table", table, "--target", "-0.3"]
    assert CliRunner().invoke(app, [*check, "--group", "inh"]).exit_code == 0
    without = CliRunner().invoke(app, check)
    assert isinstance(without.exception, ConfigError)
    assert "must be one of exc, inh" in str(without.exception)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["=Exp2Syn"], "not NAME=MOD"),
        (["A="], "not NAME=MOD"),
        (["A=Exp2Syn,tau1"], "not NAME=MOD"),
        (["A=Exp2Syn,tau1=1=2"], "not NAME=MOD"),
        (["A=Exp2Syn,tau1=fast"], "parameters must be finite numbers"),
        (["A=Exp2Syn,tau1=nan"], "parameters must be finite numbers"),
        (["A", "A=Exp2Syn"], "given twice"),
    ],
)
def test_unusable_synmech_texts(texts, message):
    with pytest.raises(ConfigError, match=message):
        parse_synmechs(texts)


@pytest.mark.parametrize(
    ("group", "message"),
    [
        ({"name": "../x", "syn_mechs": {"AMPA": None}}, "letters, digits"),
        ({"name": "a", "syn_mechs": {}}, "no synMechs"),
        ({"name": "a", "syn_mechs": {"x": {"tau1": 1.0}}}, "must name its point process"),
        (
            {"name": "a", "syn_mechs": {"AMPA": None}, "weight_factors": (0.5, 0.5)},
            "2 weight factors",
        ),
        ({"name": "a", "syn_mechs": {"A": None}, "weight_factors": (-1.0,)}, "not negative"),
        ({"name": "a", "syn_mechs": {"A": None}, "weight_factors": (math.nan,)}, "finite"),
        ({"name": "a", "syn_mechs": {"A": None}, "weight_factors": (0.0,)}, "one at least"),
    ],
)
def test_unusable_groups(group, message):
    with pytest.raises(ConfigError, match=message):
        SynapseGroup(**group)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"a": 1}'])
def test_unusable_files(tmp_path, content):
    file = tmp_path / "groups.json"
    file.write_text(content)
    with pytest.raises(ConfigError, match=r"synapses file .*groups\.json"):
        read_groups(file)
    with pytest.raises(ConfigError, match=r"there is no synapses file .*none\.json"):
        read_groups(tmp_path / "none.json")


def test_settings_name_what_is_wrong():
    for synapses, message in (
        ({"exc": {"synMechs": {"AMPA": {"tau": 1}}}}, "must name its point process"),
        ({"exc": {}}, "synapses"),
        ({"exc": {"synMechs": {"AMPA": None}, "target_mV": 0}}, "target"),
    ):
        with pytest.raises(ConfigError, match=message):
            SearchSettings.make(synapses=synapses)


def test_unknown_labels_and_parameters_are_named_before_anything_is_built(load):
    model = load("PV_simple", dt=0.05)
    with pytest.raises(ConfigError, match=r"'GABAB' is none of the model's \(AMPA, GABA, NMDA\)"):
        with_synapses(model, SynapseGroup("x", {"GABAB": None}))
    for entry, message in (
        ({"mod": "Exp3Syn"}, r"mechanisms not found: Exp3Syn \(needed by synMech a\)"),
        ({"mod": "Exp2Syn", "tau3": 1.0}, r"Exp2Syn has no parameter 'tau3'; it has .*tau1, tau2"),
    ):
        with pytest.raises(ModelError, match=message):
            solve(with_synapses(model, SynapseGroup("x", {"a": entry})), n_jobs=2)


def test_a_synmech_without_its_name_is_refused_at_once():
    with pytest.raises(ConfigError, match=r"NAME= is missing: nmdasyn=nmdasyn,\.\.\. will do"):
        parse_synmechs(["nmdasyn,tau1=2,tau2=65"])


@pytest.mark.parametrize(
    ("group", "message"),
    [
        ({}, r"group 'a': synMechs is missing; needed is"),
        ({"synMechs": ["AMPA"]}, r"synMechs = \['AMPA'\]; needed is"),
        ({"synMechs": {"AMPA": 1}}, r"synMechs = \{'AMPA': 1\}; needed is"),
        ({"synMechs": {"AMPA": None}, "target_mV": "0,5"}, r"target_mV = '0,5'; .*with a point"),
        ({"synMechs": {"AMPA": None}, "weightFactors": 0.5}, r"weightFactors = 0\.5; .*a list"),
        ({"synMechs": {"AMPA": None}, "target": 1}, r"key 'target'; .*Did you mean 'target_mV'"),
    ],
    ids=str,
)
def test_a_file_says_what_is_expected_in_a_group(tmp_path, group, message):
    file = tmp_path / "groups.json"
    file.write_text(json.dumps({"a": group}))
    with pytest.raises(ConfigError, match=message):
        read_groups(file)
