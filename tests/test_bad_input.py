"""Bad input, case by case: refused in words, before anything is simulated."""

from __future__ import annotations

import dataclasses
import math
from copy import deepcopy

import pytest

from wscale import Model, Protocol, Targets, grid, solve
from wscale.errors import ConfigError, ModelError, SelectionError, WscaleError
from wscale.execute import number_of_jobs
from wscale.overrides import parse_overrides
from wscale.settings import SearchSettings

NAN = float("nan")


@pytest.fixture(autouse=True)
def no_simulation(monkeypatch):
    """Nothing may be built: whoever makes a Rig fails the test."""

    def refuse(*_, **__):
        raise AssertionError("a simulation was set up")

    monkeypatch.setattr("wscale.rig.Preparation", refuse)


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
    "no jobs": ({"jobs": 0}, r"jobs = 0; allowed are"),
    "half a job": ({"jobs": 1.5}, r"jobs = 1\.5"),
}


@pytest.mark.parametrize("case", SEARCHES)
def test_a_search_is_refused(model, case):
    arguments, message = SEARCHES[case]
    with pytest.raises(WscaleError, match=message) as caught:
        solve(model, **{"jobs": 2, **arguments})
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
        grid(model, weights, jobs=2)


def test_a_cell_given_twice(model):
    with pytest.raises(SelectionError, match="given twice"):
        solve([model, model], jobs=2)


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


def two_targets(net, cfg):
    targets = net["stimTargetParams"]
    targets["again"] = deepcopy(next(iter(targets.values())))


MODELS = {
    "dt 0": (configured(dt=0), ConfigError, r"cfg\.dt = 0 ms must be positive"),
    "dt negative": (configured(dt=-0.1), ConfigError, r"cfg\.dt = -0\.1"),
    "dt NaN": (configured(dt=NAN), ConfigError, r"cfg\.dt = nan"),
    "recordStep": (configured(recordStep=0.06), ConfigError, r"multiple of cfg\.dt.*0\.05 is one"),
    "CoreNEURON": (configured(coreneuron=True), ConfigError, r"coreneuron is True"),
    "no population": (no_population, ModelError, r"popParams gives \{\}"),
    "two populations": (second_population, ModelError, r"one population of one cell"),
    "three cells": (many_cells, ModelError, r"numCells = 1"),
    "no soma": (no_soma, ModelError, r"needs one section whose name starts with 'soma'"),
    "two somas": (two_somas, ModelError, r"\['soma_0', 'soma_1'\]"),
    "no NetStim1": (no_source, ModelError, r"stimSourceParams\['NetStim1'\]"),
    "two targets": (two_targets, ModelError, r"exactly one stimTargetParams"),
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
