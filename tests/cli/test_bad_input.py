"""Bad input, case by case: refused in words, before anything is simulated."""

from __future__ import annotations

import dataclasses
import math
from copy import deepcopy

import pytest
from typer.testing import CliRunner

from wscale import Model, Protocol, Targets, grid, solve
from wscale.calibrate.settings import SearchSettings
from wscale.cli.app import app
from wscale.errors import ConfigError, ModelError, SelectionError, WscaleError
from wscale.model.cfg import parse_overrides
from wscale.model.synapses import SynapseGroup, with_synapses
from wscale.parallel.pool import number_of_jobs

NAN = float("nan")
TABLE = "a table that can be read"


@pytest.fixture(autouse=True)
def no_simulation(monkeypatch):
    """Nothing may be built: whoever makes a Rig fails the test."""

    def refuse(*_, **__):
        raise AssertionError("a simulation was set up")

    monkeypatch.setattr("wscale.simulation.rig.Preparation", refuse)


@pytest.fixture(scope="module")
def model(load):
    return load("PT5B_reduced", dt=0.05)


# ---------------------------------------------------------------------- where, how strong, what for

SEARCHES = {
    "unknown section": ({"sections": "Adend9"}, r"'Adend9'.*Did you mean 'Adend"),
    "unknown section among known": ({"sections": ["soma", "basal"]}, r"'basal'"),
    "pattern without a match": ({"sections": "tuft*"}, r"'tuft\*'"),
    "unknown exclusion": ({"exclude": ["nothing"]}, r"'nothing'"),
    "empty selection": ({"sections": "soma", "exclude": ["soma"]}, r"no section selected"),
    "location below 0": ({"locations": [-0.1]}, r"-0\.1"),
    "location above 1": ({"locations": [1.5]}, r"1\.5"),
    "location 0": ({"locations": [0.0]}, r"\b0\b"),
    "location 1": ({"locations": [1.0]}, r"\b1\b"),
    "location NaN": ({"locations": [NAN]}, r"nan"),
    "location in words": ({"locations": "somewhere"}, r"somewhere.*every"),
    "no location": ({"locations": []}, r"locations"),
    "target 0": ({"targets": 0.0}, r"0.*mV"),
    "target NaN": ({"targets": NAN}, r"nan"),
    "target infinite": ({"targets": math.inf}, r"inf"),
    "target for an unknown place": ({"targets": Targets(0.5, {"Adend9": 1.0})}, r"Adend9"),
    "tolerance 0": ({"tolerance": 0.0}, r"tolerance = 0\.0.*0\.001 is usual"),
    "tolerance 1": ({"tolerance": 1.0}, r"tolerance = 1\.0"),
    "tolerance NaN": ({"tolerance": NAN}, r"tolerance = nan"),
    "window beyond the duration": (
        {"protocol": Protocol(window_ms=150)},
        r"ends at 850 ms.*cfg\.duration = 800",
    ),
    "window between samples": (
        {"protocol": Protocol(window_ms=50.05)},
        r"window_ms = 50\.05 must be a whole multiple of cfg\.recordStep = 0\.1",
    ),
    "no jobs": ({"n_jobs": 0}, r"n_jobs = 0; allowed are"),
    "half a job": ({"n_jobs": 1.5}, r"n_jobs = 1\.5"),
}


@pytest.mark.parametrize("case", SEARCHES)
def test_a_search_is_refused(model, case):
    arguments, message = SEARCHES[case]
    with pytest.raises(WscaleError, match=message) as caught:
        solve(model, **{"n_jobs": 2, **arguments})
    assert type(caught.value) in (ConfigError, SelectionError)


WEIGHTS = {
    "negative": ([-1e-4, 1e-4], r"-0\.0001"),
    "zero": ([0.0, 1e-4], r"0 after 0.*positive"),
    "NaN": ([1e-4, NAN], r"nan"),
    "infinite": ([1e-4, math.inf], r"inf"),
    "twice": ([1e-4, 1e-4], r"without repeats"),
    "unordered": ([2e-4, 1e-4], r"0\.0001 after 0\.0002"),
    "one": ([1e-4], r"at least two"),
    "none": ([], r"at least two"),
    "text": ("strong", r"strong"),
    "nanosiemens": ([0.1, 500.0], r"500, more than 100 uS.*nS"),
}


@pytest.mark.parametrize("case", WEIGHTS)
def test_weights_are_refused(model, case):
    weights, message = WEIGHTS[case]
    with pytest.raises(SelectionError, match=message):
        grid(model, weights, n_jobs=2)


def test_a_cell_given_twice(model):
    with pytest.raises(SelectionError, match="given twice"):
        solve([model, model], n_jobs=2)


PROTOCOLS = {
    "window 0": ({"window_ms": 0.0}, r"window_ms = 0\.0"),
    "window negative": ({"window_ms": -5.0}, r"window_ms = -5\.0"),
    "window NaN": ({"window_ms": NAN}, r"window_ms = nan"),
    "polarity": ({"polarity": 0}, r"polarity = 0 must be 1 \(EPSP\) or -1"),
    "threshold NaN": ({"spike_threshold_mV": NAN}, r"spike_threshold_mV = nan"),
    "drift tolerance": ({"drift_tolerance_mV": 0.0}, r"drift_tolerance_mV = 0\.0"),
    "until": ({"until": "never"}, r"until = 'never' must be one of peak, half, window"),
}


@pytest.mark.parametrize("case", PROTOCOLS)
def test_a_protocol_is_refused(case):
    arguments, message = PROTOCOLS[case]
    with pytest.raises(ConfigError, match=message):
        Protocol(**arguments)


SETTINGS = {
    "unknown setting": ({"weigths_uS": [1, 2]}, r"weigths_uS.*Did you mean 'weights_uS'"),
    "interpolation": ({"interpolation": "cubic"}, r"interpolation = 'cubic'.*monotone"),
    "until": ({"until": "forever"}, r"until = 'forever'.*peak"),
    "weights": ({"weights_uS": "1e-4..1e-3"}, r"neither start:stop:count nor a list"),
    "locations": ({"locations": "centre"}, r"locations = 'centre'"),
    "tolerance": ({"tolerance": 2}, r"tolerance = 2"),
    "cfg": ({"cfg": "dt=0.05"}, r"cfg = 'dt=0\.05'"),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_settings_are_refused(case):
    arguments, message = SETTINGS[case]
    with pytest.raises(ConfigError, match=message):
        SearchSettings.make(**arguments)


def test_targets_of_both_signs():
    with pytest.raises(SelectionError, match=r"targets of both signs.*two runs"):
        Targets(0.5, {"soma": -0.5})


@pytest.mark.parametrize("text", ["dt", "=0.05", ""])
def test_an_override_without_key_or_value(text):
    with pytest.raises(ConfigError, match="not of the form key=value"):
        parse_overrides([text])


# ---------------------------------------------------------------------- configuration and network


def stim(**values):
    return lambda net, cfg: net["stimSourceParams"]["NetStim1"].update(values)


def target(**values):
    return lambda net, cfg: next(iter(net["stimTargetParams"].values())).update(values)


def configured(**values):
    return lambda net, cfg: cfg.update(values)


def second_population(net, cfg):
    net["popParams"]["other"] = {"cellType": "PT5B_reduced", "numCells": 1}


def no_population(net, cfg):
    net["popParams"].clear()


def many_cells(net, cfg):
    next(iter(net["popParams"].values()))["numCells"] = 3


def no_soma(net, cfg):
    secs = net["cellParams"]["PT5B_reduced"]["secs"]
    secs["body"] = secs.pop("soma")


def two_somas(net, cfg):
    secs = net["cellParams"]["PT5B_reduced"]["secs"]
    secs["soma_0"], secs["soma_1"] = secs.pop("soma"), deepcopy(secs["Bdend"])


def no_source(net, cfg):
    net["stimSourceParams"].clear()


def synapse(**values):
    return lambda net, cfg: net["synMechParams"]["AMPA"].update(values)


def replaced(part, value):
    return lambda net, cfg: net.update({part: value})


def section_is(**secs):
    """The whole cell."""

    def change(net, cfg):
        if secs and "soma" not in secs:
            secs["soma"] = {}
        net["cellParams"]["PT5B_reduced"]["secs"] = dict(secs)

    return change


def geometry(**values):
    return lambda net, cfg: net["cellParams"]["PT5B_reduced"]["secs"]["soma"]["geom"].update(values)


def topology(**values):
    def change(net, cfg):
        net["cellParams"]["PT5B_reduced"]["secs"]["Bdend"]["topol"] = values

    return change


def mechanism(**values):
    return lambda net, cfg: net["cellParams"]["PT5B_reduced"]["secs"]["soma"]["mechs"][
        "pas"
    ].update(values)


def two_targets(net, cfg):
    targets = net["stimTargetParams"]
    targets["again"] = deepcopy(next(iter(targets.values())))


MODELS = {
    "dt 0": (configured(dt=0), ConfigError, r"cfg\.dt = 0 ms must be positive"),
    "dt negative": (configured(dt=-0.1), ConfigError, r"cfg\.dt = -0\.1"),
    "dt NaN": (configured(dt=NAN), ConfigError, r"cfg\.dt = nan"),
    "recordStep": (configured(recordStep=0.06), ConfigError, r"multiple of cfg\.dt.*0\.05 is one"),
    "dt in words": (configured(dt="fast"), ConfigError, r"cfg\.dt = 'fast'"),
    "duration NaN": (configured(duration=NAN), ConfigError, r"cfg\.duration = nan"),
    "no duration": (configured(duration=None), ConfigError, r"cfg\.duration = None"),
    "v_init NaN": (configured(hParams={"v_init": NAN}), ConfigError, r"hParams\.v_init = nan"),
    "celsius": (configured(hParams={"celsius": []}), ConfigError, r"hParams\.celsius = \[\]"),
    "hParams": (configured(hParams=3), ConfigError, r"hParams = 3 must be a dictionary"),
    "hoc in hParams": (
        configured(hParams={'a=system("true")//': 1}),
        ConfigError,
        r"must be names and finite",
    ),
    "CoreNEURON": (configured(coreneuron=True), ConfigError, r"coreneuron = True: "),
    "no population": (no_population, ModelError, r"popParams gives \{\}"),
    "two populations": (second_population, ModelError, r"one population of one cell"),
    "three cells": (many_cells, ModelError, r"numCells = 1"),
    "no soma": (no_soma, ModelError, r"needs one section whose name starts with 'soma'"),
    "two somas": (two_somas, ModelError, r"\['soma_0', 'soma_1'\]"),
    "no NetStim1": (no_source, ModelError, r"stimSourceParams\['NetStim1'\]"),
    "two targets": (two_targets, ModelError, r"exactly one stimTargetParams"),
    "no interval": (stim(interval=None), ModelError, r"no positive interval \(ms\) or rate"),
    "number 2": (stim(number=2), ModelError, r"number 1 and noise 0"),
    "noise": (stim(noise=0.5), ModelError, r"number 1 and noise 0"),
    "start negative": (stim(start=-1.0), ModelError, r"start = -1\.0 ms must be positive"),
    "start in words": (stim(start="late"), ModelError, r"start = 'late'"),
    "delay negative": (target(delay=-1.0), ModelError, r"delay must not be negative"),
    "two weights": (target(weight=[1e-3, 1e-3]), ModelError, r"weight = \[.*synMechWeightFactor"),
    "no synMech": (target(synMech=[]), ModelError, r"has no synMech"),
    "unknown synMech": (target(synMech=["AMPAR"]), ModelError, r"'AMPAR'.*Did you mean 'AMPA'"),
    "one factor for two": (
        target(synMechWeightFactor=[1.0]),
        ModelError,
        r"one factor for each of its synMechs",
    ),
    "factor NaN": (target(synMechWeightFactor=[NAN, 1.0]), ModelError, r"not negative"),
    "factors of nothing": (target(synMechWeightFactor=[0, 0]), ModelError, r"at least positive"),
    "delay NaN": (target(delay=NAN), ModelError, r"delay = nan"),
    "weight NaN": (target(weight=NAN), ModelError, r"weight = nan"),
    "synMech None": (target(synMech=[None]), ModelError, r"has no synMech \(\[None\]\)"),
    "synapse NaN": (synapse(tau2=NAN), ModelError, r"synMechParams\['AMPA'\]: tau2 = nan"),
    "synapse without mod": (synapse(mod=None), ModelError, r"mod = None must name its point"),
    "populations a list": (replaced("popParams", []), ModelError, r"popParams = \[\] must be a d"),
    "target a number": (replaced("stimTargetParams", {"a": 1}), ModelError, r"\['a'\] = 1 must be"),
    "no sections": (section_is(), ModelError, r"has no sections; a cell needs"),
    "section a list": (section_is(soma=[]), ModelError, r"section 'soma' must be a dictionary"),
    "length NaN": (geometry(L=NAN), ModelError, r"'soma': L = nan must be positive"),
    "diameter negative": (geometry(diam=-1), ModelError, r"'soma': diam = -1 must be positive"),
    "length in words": (geometry(L="long"), ModelError, r"'soma': L = 'long' must be positive"),
    "nseg 0": (geometry(nseg=0), ModelError, r"nseg = 0 must be whole and positive"),
    "nseg huge": (geometry(nseg=10**6), ModelError, r"nseg = 1000000 is more than NEURON's 32767"),
    "one 3D point": (geometry(pt3d=[[0, 0, 0, 1]]), ModelError, r"pt3d has no length"),
    "flat 3D points": (
        geometry(pt3d=[[0, 0, 0, 0], [1, 0, 0, 0]]),
        ModelError,
        r"no length or no diameter",
    ),
    "orphan": (
        topology(parentSec="lost"),
        ModelError,
        r"'Bdend' has the parent 'lost', which is no",
    ),
    "cycle": (topology(parentSec="Bdend"), ModelError, r"Bdend -> Bdend are each other's parents"),
    "no parent": (topology(parentX=1.0), ModelError, r"'Bdend' has a topol without parentSec"),
    "parentX": (topology(parentSec="soma", parentX=2), ModelError, r"parentX = 2 must be between"),
    "conductance NaN": (mechanism(g=NAN), ModelError, r"mechs\.pas\.g = nan must be a finite"),
    "conductances": (mechanism(g=[1, 2]), ModelError, r"pas\.g has 2 values, and the section 1 "),
    "vinit in words": (
        section_is(soma={"vinit": "low"}),
        ModelError,
        r"vinit = 'low' must be a number of mV",
    ),
    "name with a line break": (section_is(**{"so\nma": {}}), ModelError, r"can be printed"),
    "several synapses": (target(synsPerConn=3), ModelError, r"synsPerConn = 3"),
}


@pytest.mark.parametrize("case", MODELS)
def test_a_model_is_refused(model, case):
    change, kind, message = MODELS[case]
    net, cfg = deepcopy(model.net), deepcopy(model.cfg)
    change(net, cfg)
    with pytest.raises(kind, match=message):
        dataclasses.replace(model, cfg=cfg).with_net(net)


@pytest.mark.parametrize("label", ["../escape", "/etc/x", ".hidden", "a\0b", "a\nb", ""])
def test_a_label_that_is_no_file_name(model, label):
    net = deepcopy(model.net)
    net["cellParams"][label] = net["cellParams"].pop("PT5B_reduced")
    with pytest.raises(ModelError, match="cannot be part of a file name"):
        dataclasses.replace(model, cell=label).with_net(net)


def test_a_folder_that_is_none(tmp_path):
    with pytest.raises(ModelError, match=r"it has no cfg\.py"):
        Model.from_folder(tmp_path)
    (tmp_path / "cfg.py").touch()
    with pytest.raises(ModelError, match=r"it has no netParams\.py"):
        Model.from_folder(tmp_path)


def test_jobs_count_as_documented():
    assert number_of_jobs(-1) >= 1
    with pytest.raises(ConfigError):
        number_of_jobs(True)


# ---------------------------------------------------------------------- mechanisms, before building


@pytest.mark.parametrize(
    ("mod", "kind"),
    [("pas", "density mechanism"), ("IClamp", "point process"), ("NetStim", "artificial cell")],
)
def test_a_synapse_that_is_none(model, mod, kind):
    changed = with_synapses(model, SynapseGroup("x", {"x": {"mod": mod}}))
    with pytest.raises(ModelError, match=rf"synMech x: {mod} is no synapse but a {kind}"):
        solve(changed, n_jobs=2)


@pytest.mark.parametrize(
    ("part", "entry", "message"),
    [
        ("mechs", {"ExpSyn": {}}, r"ExpSyn, among mechs, is a synapse; it belongs into"),
        ("mechs", {"nosuch": {}}, r"mechanisms not found: nosuch \(needed by soma\)"),
        ("pointps", {"p": {"mod": "pas", "loc": 0.5}}, r"point process p in soma: pas is no point"),
        ("pointps", {"p": {"mod": "nosuch", "loc": 0.5}}, r"nosuch \(needed by point process p"),
    ],
)
def test_mechanisms_where_they_do_not_belong(model, part, entry, message):
    net = deepcopy(model.net)
    net["cellParams"]["PT5B_reduced"]["secs"]["soma"].setdefault(part, {}).update(entry)
    with pytest.raises(ModelError, match=message):
        solve(model.with_net(net), n_jobs=2)


# ---------------------------------------------------------------------- the command line


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["grid", ".", "--sections", " , "], "names no section"),
        (["grid", ".", "--weights", "1e-4:1e-3:99999999999"], "are more than 10000"),
        (["grid", ".", "--cfg", "dt=" + "[" * 9999], "nested more than 100 levels deep"),
        (["grid", ".", "--cfg", "__class__=3"], "cfg has no '__class__'"),
        (["inspect", ".", "--group", "x"], "--group = 'x'; it must be one of a file's"),
        (
            ["compare", TABLE, TABLE, "--out", "/no/such/folder/a.csv"],
            "--out /no/such/folder/a.csv",
        ),
        (["audit", ".", "--table", TABLE, "--out", "."], "--out . must be a file in a folder"),
    ],
    ids=lambda value: "-".join(value)[:40] if isinstance(value, list) else "",
)
def test_options_are_refused(repo, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(repo)
    table = tmp_path / "a.json"
    table.write_text('{"soma": [0.001]}')
    out = ["--out", str(tmp_path / "results")] if words[0] == "grid" else []
    done = CliRunner().invoke(app, [str(table) if w is TABLE else w for w in words] + out)
    assert isinstance(done.exception, WscaleError)
    assert message in str(done.exception)


def test_exit_codes_are_in_the_help():
    done = CliRunner().invoke(app, ["--help"])
    text = " ".join(done.output.split())
    for code in ("Exit codes: 0 ", "1 a site failed", "2 unusable input", "130 interrupted"):
        assert code in text
