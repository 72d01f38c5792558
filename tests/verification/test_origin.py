"""Where a table comes from: whose target counts, and what it was made with."""

from __future__ import annotations

import json
import pickle
from copy import deepcopy

import pytest
from helpers.inside import wscale

from wscale import WeightNormTable, solve, verify
from wscale.cli.messages import say_verification
from wscale.errors import SelectionError, TableError
from wscale.model.synapses import SynapseGroup, with_synapses
from wscale.results.provenance import provenance
from wscale.verification.origin import TableOrigin, table_origin

SLOW = {"mod": "Exp2Syn", "tau1": 2, "tau2": 60, "e": -95}
GROUP = {"synMechs": {"slow": SLOW}, "target_mV": -0.3}


def inhibited(model):
    return with_synapses(model, SynapseGroup("inh", {"slow": SLOW}))


@pytest.fixture(scope="module")
def inh(load, tmp_path_factory):
    """An inhibited cell, and its table as a search leaves it: .json and .pkl, side by side."""
    model = inhibited(load("PV_simple", dt=0.05))
    [result] = solve(model, targets=-0.3, n_jobs=2)
    file = tmp_path_factory.mktemp("tables") / "PV_simple_inh_weightNorm.pkl"
    table = result.table(provenance(model, ["wscale", "norm", "."]))
    table.write_pickle(file)
    table.write_json(file.with_suffix(".json"))
    return model, file


def alone(file, folder, factor=1.0):
    """Copy a pickle to a folder without its .json, perhaps with other entries."""
    values = {s: [factor * v for v in row] for s, row in pickle.loads(file.read_bytes()).items()}
    copy = folder / file.name
    copy.write_bytes(pickle.dumps(values))
    return copy


def targets(origin):
    return {target for row in origin.table.target_mV.values() for target in row}


def test_the_option_then_the_table_then_the_group_then_the_usual_target(inh, tmp_path):
    model, file = inh
    bare, group = alone(file, tmp_path), {**GROUP, "target_mV": -0.4}
    for given, target, whose in (
        ((file.with_suffix(".json"), model, -0.2, group), -0.2, "as `target_mV` says"),
        ((file.with_suffix(".json"), model, None, group), -0.3, "as the table says"),
        ((file, model, None, group), -0.3, f"as the .json beside {file.name} says"),
        ((bare, model, None, group), -0.4, "as the synapse group says"),
        ((bare, model, None, {"synMechs": {}}), 0.5, "the usual one"),
        ((bare, model, None, None), 0.5, "the usual one"),
    ):
        origin = table_origin(*given)
        assert targets(origin) == {target}
        assert origin.target.startswith(f"target {target:g} mV, {whose}")


def test_a_json_of_other_entries_says_nothing_of_a_pickle(inh, tmp_path):
    model, file = inh
    other = alone(file, tmp_path, 1.1)
    other.with_suffix(".json").write_bytes(file.with_suffix(".json").read_bytes())
    origin = table_origin(other, model)
    assert targets(origin) == {0.5}
    assert origin.table.provenance == {}
    other.with_suffix(".json").write_text("no table")
    assert targets(table_origin(other, model, None, GROUP)) == {-0.3}


def test_targets_of_a_group_may_differ_by_place(inh, tmp_path):
    bare = alone(inh[1], tmp_path)
    for place in ("dend", "dend(0.5)", "PV_simple/dend"):
        group = {"target_mV": {"default": -0.3, place: -0.1}}
        origin = table_origin(bare, inh[0], None, group)
        assert origin.table.target_mV == {"soma": [-0.3], "dend": [-0.1]}
        assert origin.target == "targets -0.3 to -0.1 mV, as the synapse group says"


def test_what_a_table_was_made_with_is_told_where_it_differs(inh, load, tmp_path):
    model, file = inh
    assert table_origin(file, model).made_with == ()
    cold = inhibited(load("PV_simple", dt=0.05, **{"hParams.celsius": 30}))
    [warm] = table_origin(file, cold).made_with
    assert warm == "another configuration: celsius_degC is 34.0 there, 30 here"
    [excited] = table_origin(file, load("PV_simple", dt=0.05)).made_with
    assert "synMechs.slow is {" in excited
    assert "synMechs.AMPA is none there, {" in excited
    assert table_origin(alone(file, tmp_path), load("PV_simple")).made_with == ()  # not known


def test_another_cell_and_what_the_table_does_not_hold(inh, load):
    model, file = inh
    net = deepcopy(model.net)
    net["cellParams"]["PV_simple"]["secs"]["dend"]["geom"]["L"] *= 2
    assert table_origin(file, model.with_net(net, "inh")).made_with == ("another cell",)
    [other] = table_origin(file, inhibited(load("PV_simple", dt=0.05, recordStep=0.2))).made_with
    assert other == "another configuration: in something that the table does not hold"


def test_what_does_not_fit_is_refused(inh, load):
    with pytest.raises(TableError, match="'dend', which cell 'PT5B_reduced' has not"):
        table_origin(inh[1], load("PT5B_reduced", dt=0.05))
    with pytest.raises(SelectionError, match="a target must be"):
        table_origin(inh[1], inh[0], 0.0)


# ---------------------------------------------------------------------- what the commands say


def test_verify_and_audit_take_the_target_of_the_group(inh, tmp_path):
    groups = tmp_path / "groups.json"
    groups.write_text(json.dumps({"inh": GROUP, "exc": {"synMechs": {"AMPA": None}}}))
    cell = (".", "--cell", "PV_simple", "--cfg", "dt=0.05", "-j", 1)
    group = ("--synapses", groups, "--group", "inh", "--table", alone(inh[1], tmp_path))
    for command in ("verify", "audit"):
        done = wscale(command, *cell, *group)
        assert done.returncode == 0, done.stdout
        assert "target -0.3 mV, as the synapse group says" in done.stdout
    exact = wscale("verify", *cell, *group, "--tolerance", 1e-9)
    assert exact.returncode == 1
    assert "0 of 2 entries give their target within 1e-07%" in exact.stdout
    assert "(ok)" not in exact.stdout
    mixed = wscale("verify", *cell, "--table", inh[1])
    assert mixed.returncode == 1
    assert "target -0.3 mV, as the .json beside" in mixed.stdout
    assert "notice: the table was made with another configuration: synMechs.slow" in mixed.stdout
    assert "notice: it was made by: wscale norm ." in mixed.stdout


def test_of_many_entries_that_miss_the_worst_are_told(load, capsys):
    net = deepcopy(load("PT5B_hh").net)
    net["cellParams"]["PT5B_hh"]["secs"]["dendrite"]["geom"]["nseg"] = 23
    model = load("PT5B_hh").with_net(net)
    geometry = {name: sec["geom"]["nseg"] for name, sec in model.rule["secs"].items()}
    values = {name: [1e-4] * nseg for name, nseg in geometry.items()}
    status = {name: ["given"] * nseg for name, nseg in geometry.items()}
    table = WeightNormTable(model.cell, values, status)
    [check] = verify([(model, table)], n_jobs=2)
    assert len(check.frame) > 22
    say_verification(check, TableOrigin(table, "", ()))
    first, *lines = capsys.readouterr().out.splitlines()
    assert first.startswith(f"PT5B_hh: 0 of {len(check.frame)} entries give their target")
    assert sum(" mV instead of 0.5 mV" in line and "reads" not in line for line in lines) == 20
    assert lines[20] == f"  and {len(check.frame) - 20} more; --out FILE.csv has all"
    assert "no entry gives its target" in lines[21]
    say_verification(check, TableOrigin(table, "", ("another cell",)))
    assert "no entry gives its target" not in capsys.readouterr().out


def test_a_pickle_with_its_json_promises_nothing_where_it_holds_the_cap(load, tmp_path):
    values = {"soma": [2e-3], "dend": [None]}
    status = {"soma": ["ok"], "dend": ["above_grid"]}
    made = WeightNormTable("PV_simple", values, status, target_mV={"soma": [0.5], "dend": [0.5]})
    made.write_json(tmp_path / "a.json")
    made.write_pickle(tmp_path / "a.pkl")
    found = table_origin(tmp_path / "a.pkl", load("PV_simple")).table
    assert (found.weight_norm, found.status) == (values, status)
    (tmp_path / "a.json").unlink()
    alone = table_origin(tmp_path / "a.pkl", load("PV_simple")).table
    assert alone.weight_norm == {"soma": [2e-3], "dend": [2e-3]}
    assert alone.status == {"soma": ["given"], "dend": ["given"]}
