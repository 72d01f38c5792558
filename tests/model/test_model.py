"""Models: what is read from folders and objects, what is refused, and what the hashes see."""

from __future__ import annotations

import os
import pickle
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import REPO

from wscale.cells.cell_file import CellFile, CellRule
from wscale.errors import ConfigError, MechanismError, ModelError
from wscale.model.model import Model

# A model folder; without NetPyNE, which takes most of the time, as what comes back is plain anyway
CFG = """
from types import SimpleNamespace
cfg = SimpleNamespace(dt=0.025, recordStep=0.1, duration=800.0, cvode_active=False)
cfg.hParams = {"celsius": 34.0, "v_init": -80.0}
"""
NET = """
from types import SimpleNamespace
from cfg import cfg
stim = {"type": "NetStim", "start": 700, "interval": 1e10, "number": 1, "noise": 0}
target = {"source": "NetStim1", "sec": "soma", "loc": 0.5, "synMech": "AMPA", "delay": 1}
netParams = SimpleNamespace(cellParams={}, popParams={}, stimTargetParams={}, defaultDelay=1)
secs = {"soma": {"geom": {"L": 20, "nseg": 1}, "topol": {}, "mechs": {"pas": {}}}}
netParams.cellParams["ball"] = {"secs": secs}
netParams.popParams["cell"] = {"cellType": "ball", "numCells": 1}
netParams.synMechParams = {"AMPA": {"mod": "Exp2Syn", "tau1": 0.05, "tau2": 5.3, "e": 0}}
netParams.stimSourceParams = {"NetStim1": stim}
netParams.stimTargetParams["NetStim1->cell"] = target
"""

# What is added to the good folder's cfg.py and netParams.py, and the arguments of from_folder
FOLDERS = {
    "good": ("", "", {}),
    "named": ("print('{')", "print('}')", {"cell": "ball"}),
    "of NetPyNE": (
        "from netpyne import specs\ncfg = specs.SimConfig(vars(cfg))",
        "from netpyne import specs\nnetParams = specs.NetParams(vars(netParams))", {},
    ),
    "cfg in __main__": ("", "from __main__ import cfg as main\nassert main is cfg", {}),
    "overridden": (
        "cfg.mark = 1", "netParams.mark = cfg.mark",
        {"overrides": {"mark": 2, "hParams.celsius": 37}},
    ),
    "scaled": (
        "", "secs['soma']['weightNorm'] = [1.0]\nsecs['dend'] = {'weightNorm': [2.0]}", {},
    ),
    "no cfg.py": (None, "", {}),
    "no netParams.py": ("", None, {}),
    "cfg raises": ("1 / 0", "", {}),
    "netParams raises": ("", "def f():\n    raise ValueError('boom')\nf()", {}),
    "netParams does not parse": ("", "netParams = (", {}),
    "process dies": ("", "import os; print('last words', flush=True); os._exit(7)", {}),
    "no cfg": ("del cfg", "", {}),
    "no netParams": ("", "del netParams", {}),
    "two cells": ("", "netParams.cellParams['stick'] = {'secs': secs}", {}),
    "cell unknown": ("", "", {"cell": "bell"}),
    "cell unknown to netParams": ("cfg.cell = 'ball'", "", {"cell": "bell"}),
    "two cells, one replaced": (
        "", "netParams.cellParams['stick'] = {'secs': secs}",
        {"cell": "stick", "cell_file": CellFile(str(REPO / "cells" / "PV_simple.json"))},
    ),
    "network": ("", "netParams.popParams = {'E': {'numCells': 40}, 'I': {'numCells': 10}}", {}),
    "two populations": ("", "netParams.popParams['other'] = {'cellType': 'ball'}", {}),
    "no NetStim1": ("", "netParams.stimSourceParams = {'bkg': stim}", {}),
    "synMech unknown": ("", "target['synMech'] = 'AMPAR'", {}),
    "no soma": ("", "secs['body'] = secs.pop('soma')", {}),
    "two somas": ("", "secs['soma_1'] = secs['soma_2'] = secs.pop('soma')", {}),
    "recordStep": ("cfg.recordStep = 0.06", "", {}),
    "override unknown": ("", "", {"overrides": {"hParams.celcius": 37}}),
    "override of a number by text": ("", "", {"overrides": {"dt": "fast"}}),
    "no NMODL folder": ("", "", {"mod": "/no/such/folder"}),
}  # fmt: skip


def write_folder(folder, cfg="", net=""):
    if cfg is not None:
        (folder / "cfg.py").write_text(CFG + cfg)
    if net is not None:
        (folder / "netParams.py").write_text(NET + net)
    return folder


def surroundings():
    return os.getcwd(), list(sys.path), {"cfg", "netParams"} & set(sys.modules)  # noqa: PTH109


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """Read all folders at once, each in the process of its own that it gets anyway."""

    def start(cfg, net, arguments):
        folder = write_folder(tmp_path_factory.mktemp("folder"), cfg, net)
        return pool.submit(Model.from_folder, folder, **arguments)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        futures = {name: start(*content) for name, content in FOLDERS.items()}
    return lambda name: futures[name].result()


# ---------------------------------------------------------------------- folders


@pytest.mark.parametrize("name", ["good", "of NetPyNE"])
def test_folder_is_read(read, name):
    model = read(name)
    assert (model.cell, model.soma, model.mod, model.notices) == ("ball", "soma", None, ())
    assert (model.dt_ms, model.record_step_ms) == (0.025, 0.1)
    assert (model.onset_ms, model.arrival_ms) == (700.0, 701.0)
    assert (model.syn_mechs, model.stim_target_label) == (["AMPA"], "NetStim1->cell")


def test_only_cell_needs_no_name_and_code_may_print(read):
    assert read("named") == read("good")


def test_netparams_finds_cfg_in_main_as_in_netpyne(read):
    assert read("cfg in __main__") == read("good")


def test_overrides_are_set_before_netparams_runs(read):
    model = read("overridden")
    assert (model.cfg["mark"], model.net["mark"]) == (2, 2)
    assert model.cfg["hParams"] == {"celsius": 37, "v_init": -80.0}


def test_stored_weight_norm_is_removed_with_a_notice(read):
    model = read("scaled")
    assert "ball: stored weightNorm removed from 2 sections" in model.notices
    assert not any("weightNorm" in section for section in model.rule["secs"].values())


def test_reading_leaves_the_callers_process_alone(tmp_path):
    before = surroundings()
    Model.from_folder(write_folder(tmp_path))
    assert surroundings() == before


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("no cfg.py", ModelError, r"is not a model folder: it has no cfg\.py"),
        ("no netParams.py", ModelError, r"is not a model folder: it has no netParams\.py"),
        ("cfg raises", ModelError, r"^cfg\.py in .* failed, line 5 \(1 / 0\): ZeroDivisionError"),
        ("netParams raises", ModelError, r"^netParams\.py in .* failed, line \d+ \(f\(\)\): V"),
        ("netParams does not parse", ModelError, r"failed: SyntaxError: .*netParams\.py, line"),
        ("process dies", ModelError, r"ended its process \(exit status 7\)(.|\n)*last words"),
        ("no cfg", ModelError, r"^cfg\.py in .* does not define `cfg`"),
        ("no netParams", ModelError, r"^netParams\.py in .* does not define `netParams`"),
        (
            "two cells",
            ModelError,
            r"has 2 cell rules \('ball', 'stick'\); say which with `cell='LABEL'`",
        ),
        ("cell unknown", ModelError, r"no cell rule 'bell' \(it has 'ball'\)\. Did you mean"),
        ("cell unknown to netParams", ModelError, r"no cell rule 'bell'.* Did you mean 'ball'"),
        ("two populations", ModelError, r"one population of one cell, but .*'cell': 1, 'other': 1"),
        ("network", ModelError, r"'E': 40, 'I': 10.*by 'wscale new' with `cell_file='FILE'`"),
        ("no NetStim1", ModelError, r"stimSourceParams\['NetStim1'\] .*the sources are \['bkg'\]"),
        ("synMech unknown", ModelError, r"synMech 'AMPAR' of NetStim1 .* Did you mean 'AMPA'\?"),
        ("no soma", ModelError, r"starts with 'soma', but has none among body; say `soma='NAME'`"),
        ("two somas", ModelError, r"but has \['soma_1', 'soma_2'\] among"),
        ("recordStep", ConfigError, r"recordStep = 0\.06 ms .* multiple of .* 0\.05 is one"),
        ("override unknown", ConfigError, r"no 'hParams\.celcius'\. Did you mean 'celsius'"),
        ("override of a number by text", ConfigError, r"cfg\.dt = 'fast': a number is needed"),
        ("no NMODL folder", MechanismError, r"/no/such/folder"),
    ],
)  # fmt: skip
def test_folder_that_cannot_be_used_says_why(read, name, error, message):
    with pytest.raises(error, match=message):
        read(name)


def test_folder_that_does_not_exist_is_an_error(tmp_path):
    with pytest.raises(ModelError, match=r"missing is not a model folder: it has no cfg\.py"):
        Model.from_folder(tmp_path / "missing")


def test_overrides_may_be_numpy_numbers(tmp_path):
    model = Model.from_folder(write_folder(tmp_path), overrides={"duration": np.int64(900)})
    assert model.cfg["duration"] == 900


# ---------------------------------------------------------------------- the repository's folder


def test_repository_folder_is_read(load, repo):
    model = load("PV_simple")
    assert (model.cell, model.soma, model.mod) == ("PV_simple", "soma", str(repo / "mod"))
    assert model.syn_mechs == ["AMPA", "NMDA"]
    assert (model.onset_ms, model.arrival_ms, model.record_step_ms) == (700.0, 701.0, 0.1)


def test_repository_cfg_is_overridden(load):
    assert load("PV_simple", dt=0.05).dt_ms == 0.05


def test_model_of_a_folder_can_be_sent_to_a_worker(load):
    model = load("PV_simple")
    assert pickle.loads(pickle.dumps(model)) == model


def test_unknown_cell_of_the_repository_is_named_by_its_own_code(repo):
    message = r"netParams\.py in .* FileNotFoundError: cfg\.cell = 'PV_simpel': no such file"
    with pytest.raises(ModelError, match=message):
        Model.from_folder(repo, "PV_simpel")


# ---------------------------------------------------------------------- objects


@pytest.fixture
def parts():
    """Return netParams and cfg as NetPyNE keeps them, as far as a model needs them."""
    secs = {"soma": {"geom": {"L": 20.0, "nseg": 1}, "topol": {}, "mechs": {"pas": {}}}}
    stim = {"type": "NetStim", "start": 700, "interval": 1e10, "number": 1, "noise": 0}
    net = SimpleNamespace(
        cellParams={"ball": {"secs": secs}},
        popParams={"cell": {"cellType": "ball", "numCells": 1}},
        synMechParams={"AMPA": {"mod": "Exp2Syn"}, "NMDA": {"mod": "Exp2Syn"}},
        stimSourceParams={"NetStim1": stim},
        stimTargetParams={"to cell": {"source": "NetStim1", "synMech": ["AMPA"], "delay": 1}},
        defaultDelay=2,
    )
    cfg = SimpleNamespace(
        dt=0.025, recordStep=0.1, cvode_active=False, duration=800.0, hParams={}, simLabel="a"
    )
    return net, cfg


def test_objects_are_taken_as_they_stand(parts):
    model = Model.from_netpyne(*parts)
    assert (model.cell, model.syn_mechs, model.mod) == ("ball", ["AMPA"], None)


def test_objects_are_copied_and_not_changed(parts):
    net, cfg = parts
    net.cellParams["ball"]["secs"]["soma"]["weightNorm"] = [1.0]
    before = deepcopy(vars(net))
    model = Model.from_netpyne(net, cfg)
    model.net["popParams"].clear()
    assert vars(net) == before


def test_numpy_is_made_plain(parts):
    net, cfg = parts
    net.x = {"array": np.arange(3.0), "number": np.float32(0.5), 3: (np.True_, None)}
    assert Model.from_netpyne(net, cfg).net["x"] == {
        "array": [0.0, 1.0, 2.0], "number": 0.5, "3": [True, None],
    }  # fmt: skip


def test_private_entries_are_left_out(parts):
    net, cfg = parts
    net._secret = object()
    assert "_secret" not in Model.from_netpyne(net, cfg).net


@pytest.mark.parametrize("value", [object(), len, 1j], ids=["object", "function", "complex"])
def test_object_that_is_not_plain_is_named_with_its_path(parts, value):
    net, cfg = parts
    net.rules = {"a": [0, value]}
    with pytest.raises(
        ModelError, match=rf"^netParams\.rules\.a\[1\] is a {type(value).__name__};"
    ):
        Model.from_netpyne(net, cfg)


def test_object_of_neuron_is_named_with_its_path(parts):
    from neuron import h

    net, cfg = parts
    net.stim = h.NetStim()
    with pytest.raises(ModelError, match=r"^netParams\.stim is a "):
        Model.from_netpyne(net, cfg)


def test_section_without_nseg_gets_one_and_a_notice(parts):
    del parts[0].cellParams["ball"]["secs"]["soma"]["geom"]["nseg"]
    model = Model.from_netpyne(*parts)
    assert model.rule["secs"]["soma"]["geom"]["nseg"] == 1
    assert any("no nseg in the geom of 'soma'" in notice for notice in model.notices)


@pytest.mark.parametrize(
    ("secs", "soma"),
    [(["soma"], "soma"), (["dend", "soma_0"], "soma_0"), (["soma", "soma_1"], "soma")],
)
def test_soma_is_found_by_its_name(parts, secs, soma):
    net, cfg = parts
    net.cellParams["ball"]["secs"] = {name: {} for name in secs}
    assert Model.from_netpyne(net, cfg).soma == soma


def test_delay_is_one_ms_where_the_target_has_none(parts):
    """As NetPyNE has it: defaultDelay is that of connections."""
    del parts[0].stimTargetParams["to cell"]["delay"]
    assert Model.from_netpyne(*parts).arrival_ms == 701.0


def test_other_stimuli_may_be_there(parts):
    net, cfg = parts
    net.stimSourceParams["bkg"] = {"type": "NetStim", "rate": 10}
    net.stimTargetParams["bkg"] = {"source": "bkg"}
    assert Model.from_netpyne(net, cfg).stim_target_label == "to cell"


@pytest.mark.parametrize(
    ("steps", "cvode"), [((0.025, 0.1), False), ((0.1, 0.1), False), ((0.05, 1.0), False),
                         ((1 / 3, 1.0), False), ((0.025, 0.06), True)],
)  # fmt: skip
def test_sampling_that_fits_is_accepted(parts, steps, cvode):
    net, cfg = parts
    (cfg.dt, cfg.recordStep), cfg.cvode_active = steps, cvode
    assert Model.from_netpyne(net, cfg).dt_ms == steps[0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dt": 0}, r"cfg\.dt = 0 ms must be positive"),
        ({"dt": -0.1}, r"cfg\.dt = -0\.1 ms must be positive"),
        ({"dt": float("nan")}, r"cfg\.dt = nan ms must be positive"),
        ({"recordStep": 0.11}, r"cfg\.recordStep = 0\.11 ms must be a whole multiple .* 0\.1 is"),
        ({"recordStep": 0.01}, r"whole multiple of cfg\.dt = 0\.025 ms; 0\.025 is one"),
        ({"recordStep": 0.0}, r"cfg\.recordStep = 0\.0 ms"),
        ({"recordStep": -0.1}, r"cfg\.recordStep = -0\.1 ms"),
        ({"coreneuron": True}, r"cfg\.coreneuron = True: .* set it to False"),
    ],
    ids=str,
)
def test_configuration_that_cannot_be_used_is_refused(parts, settings, message):
    net, cfg = parts
    vars(cfg).update(settings)
    with pytest.raises(ConfigError, match=message):
        Model.from_netpyne(net, cfg)


@pytest.mark.parametrize("step", [float("nan"), float("inf")])
def test_sampling_step_that_is_not_finite_is_refused(parts, step):
    net, cfg = parts
    cfg.recordStep = step
    with pytest.raises(ConfigError, match="recordStep"):
        Model.from_netpyne(net, cfg)


def with_stim(**changes):
    return lambda net: net.stimSourceParams["NetStim1"].update(changes)


def with_target(**changes):
    return lambda net: net.stimTargetParams["to cell"].update(changes)


ONE_ACTIVATION = r"must be a NetStim with number 1 and noise 0"
ONE_CELL = r"one population of one cell"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(with_stim(number=2), ONE_ACTIVATION, id="two activations"),
        pytest.param(with_stim(noise=0.5), ONE_ACTIVATION, id="noise"),
        pytest.param(with_stim(type="IClamp"), ONE_ACTIVATION, id="current clamp"),
        pytest.param(lambda net: net.stimSourceParams["NetStim1"].pop("number"), ONE_ACTIVATION,
                     id="number left to NetPyNE"),
        pytest.param(with_stim(start=0), "start = 0 ms must be positive", id="no time to settle"),
        pytest.param(with_target(delay=-1), r"not be negative \(-1 ms\)", id="negative delay"),
        pytest.param(with_target(synMech=["AMPA", "GABA"]),
                     r"synMech 'GABA' .*\['AMPA', 'NMDA'\]", id="one synMech unknown"),
        pytest.param(with_target(delay="1"), "delay = '1' .* one number of ms", id="delay as text"),
        pytest.param(with_target(weight=[1e-3, 2e-3]), r"weight = \[0\.001, 0\.002\] .* of uS",
                     id="a weight for each synMech"),
        pytest.param(with_target(synMech=["AMPA", "NMDA"], synMechWeightFactor=[0.5]),
                     r"synMechWeightFactor = \[0\.5\] .* one factor for each", id="factor missing"),
        pytest.param(with_target(synsPerConn=2), "synsPerConn = 2 .* leave synsPerConn out",
                     id="two synapses"),
        pytest.param(with_target(source="other"), r"exactly one .* the targets \[\]",
                     id="NetStim1 without target"),
        pytest.param(lambda net: net.stimTargetParams.update(b={"source": "NetStim1"}),
                     r"the targets \['to cell', 'b'\]", id="NetStim1 with two targets"),
        pytest.param(lambda net: net.popParams.clear(), ONE_CELL, id="no population"),
        pytest.param(lambda net: net.popParams["cell"].update(numCells=2), ONE_CELL,
                     id="two cells"),
    ],
)  # fmt: skip
def test_network_that_is_no_single_trial_is_refused(parts, change, message):
    change(parts[0])
    with pytest.raises(ModelError, match=message):
        Model.from_netpyne(*parts)


@pytest.mark.parametrize(
    ("mechs", "factors", "notices"),
    [
        (["AMPA"], [0.5], 1),
        ("AMPA", [0.5], 1),
        (["AMPA"], [1.0], 0),
        (["AMPA", "NMDA"], [0.5, 1], 0),
    ],
)
def test_weight_factor_of_one_synapse_has_a_notice_as_netpyne_ignores_it(
    parts, mechs, factors, notices
):
    with_target(synMech=mechs, synMechWeightFactor=factors)(parts[0])
    found = Model.from_netpyne(*parts).notices
    assert len(found) == notices
    assert all("synMechWeightFactor = [0.5] has no effect" in notice for notice in found)


def test_weight_factor_that_is_one_number_is_refused(parts):
    with_target(synMech=["AMPA", "NMDA"], synMechWeightFactor=0.5)(parts[0])
    with pytest.raises(ModelError, match="synMechWeightFactor"):
        Model.from_netpyne(*parts)


def test_onset_that_is_not_a_number_is_refused(parts):
    with_stim(start=float("nan"))(parts[0])
    with pytest.raises(ModelError, match="start"):
        Model.from_netpyne(*parts)


@pytest.mark.parametrize("start", [None, "uniform(1, 2)"], ids=["missing", "text"])
def test_onset_that_is_not_given_as_a_number_is_refused(parts, start):
    source = parts[0].stimSourceParams["NetStim1"]
    source.pop("start") if start is None else source.update(start=start)
    with pytest.raises(ModelError, match="start"):
        Model.from_netpyne(*parts)


def test_stimulus_without_a_synapse_is_refused(parts):
    with_target(synMech=[])(parts[0])
    with pytest.raises(ModelError, match="synMech"):
        Model.from_netpyne(*parts)


# ---------------------------------------------------------------------- hashes

HASHES = ("cell_hash", "config_hash", "mechanism_hash", "content_hash")


def hashes(model):
    return {name: getattr(model, name) for name in HASHES}


def changed(before, after):
    return {name for name in HASHES if hashes(before)[name] != hashes(after)[name]}


def test_hashes_do_not_depend_on_the_process_or_the_folder(read):
    assert changed(read("good"), read("named")) == set()


def test_hashes_do_not_depend_on_the_order_of_keys(parts):
    net, cfg = parts
    before = Model.from_netpyne(net, cfg)
    backwards = SimpleNamespace(**dict(reversed(vars(net).items())))
    assert changed(before, Model.from_netpyne(backwards, cfg)) == set()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(lambda net, cfg: net.cellParams["ball"]["secs"]["soma"]["geom"].update(L=21),
                     {"cell_hash", "content_hash"}, id="cell"),
        pytest.param(lambda net, cfg: net.cellParams.update(other={"secs": {}}),
                     {"content_hash"}, id="another cell rule"),
        pytest.param(lambda net, cfg: net.synMechParams["AMPA"].update(tau1=1),
                     {"config_hash", "content_hash"}, id="synapse"),
        pytest.param(lambda net, cfg: vars(cfg).update(dt=0.05),
                     {"config_hash", "content_hash"}, id="time step"),
        pytest.param(lambda net, cfg: cfg.hParams.update(celsius=37),
                     {"config_hash", "content_hash"}, id="temperature"),
        *[
            pytest.param(lambda net, cfg, key=key: vars(cfg).update({key: "x"}), set(), id=key)
            for key in ("simLabel", "saveFolder", "saveJson", "filename", "verbose", "analysis",
                        "printRunTime", "timing", "progressBar", "validateNetParams")
        ],
    ],
)  # fmt: skip
def test_hash_changes_with_what_decides_the_numbers_and_nothing_else(parts, change, expected):
    before = Model.from_netpyne(*parts, cell="ball")
    change(*parts)
    assert changed(before, Model.from_netpyne(*parts, cell="ball")) == expected


def test_hash_changes_with_the_mechanisms(parts, tmp_path):
    net, cfg = parts
    before = Model.from_netpyne(net, cfg)
    (tmp_path / "a.mod").write_text("NEURON { SUFFIX a }")
    model = Model.from_netpyne(net, cfg, mod=tmp_path)
    assert changed(before, model) == {"mechanism_hash", "content_hash"}
    (tmp_path / "a.mod").write_text("NEURON { SUFFIX b }")
    assert changed(model, replace(model)) == {"mechanism_hash", "content_hash"}


# ---------------------------------------------------------------------- what is unusual


def test_a_cell_file_takes_the_place_of_a_rule_of_several(read, repo):
    model = read("two cells, one replaced")
    assert (model.cell, list(model.net["cellParams"])) == ("stick", ["stick"])
    assert model.rule["secs"].keys() == {"soma", "axon", "dend"}


def test_sections_without_a_mechanism_have_a_notice(parts):
    secs = parts[0].cellParams["ball"]["secs"]
    secs.update({f"apic_{i}": {"geom": {"nseg": 1}, "mechs": {}} for i in range(3)})
    secs["point"] = {"geom": {"nseg": 1}, "pointps": {"Izhi": {"mod": "Izhi2007b"}}}
    [notice] = Model.from_netpyne(*parts).notices
    assert "3 of 5 sections (apic_0..2) have no mechanism, so no leak" in notice


@pytest.mark.parametrize(
    ("own", "h_params", "notice"),
    [
        ({"celsius": 31.0}, {"celsius": 34.0}, "celsius = 31 degC, and is simulated with .* 34 d"),
        (
            {"v_init": -70},
            {"v_init": -80},
            "v_init = -70 mV, .* -80 mV; `cfg={'hParams.v_init': -70}` takes",
        ),
        ({"celsius": 34}, {"celsius": 34.0}, None),
        ({"celsius": 31.0}, {}, None),
    ],
    ids=str,
)
def test_a_temperature_of_the_cell_that_is_not_used_has_a_notice(parts, own, h_params, notice):
    net, cfg = parts
    cfg.hParams = h_params
    model = Model.from_netpyne(net, cfg)
    rule = {**model.rule, "globals": own}
    notices = model.with_cell("ball", CellRule(rule, (), "ball.hoc")).notices
    assert (not notices) if notice is None else re.search(notice, notices[0])


def test_code_of_a_folder_that_ends_is_quoted_without_what_python_says_of_us(read):
    with pytest.raises(ModelError) as caught:
        read("process dies")
    assert "RuntimeWarning" not in str(caught.value)
