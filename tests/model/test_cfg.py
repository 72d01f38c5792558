"""Overrides of cfg values: from text, and into a configuration."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from netpyne import specs

from wscale.errors import ConfigError
from wscale.model.cfg import apply_overrides, parse_overrides


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dt=0.05", {"dt": 0.05}),
        ("duration=1e3", {"duration": 1000.0}),
        ("seed=3", {"seed": 3}),
        ("verbose=true", {"verbose": True}),
        ("filename=null", {"filename": None}),
        ("cell=PV_simple", {"cell": "PV_simple"}),
        ('cell="1"', {"cell": "1"}),
        ("cell=", {"cell": ""}),
        ('NetStim1.synMech=["GABA"]', {"NetStim1.synMech": ["GABA"]}),
        ('hParams={"celsius": 37}', {"hParams": {"celsius": 37}}),
        ("label=a=b", {"label": "a=b"}),
        ("cfg.dt=0.05", {"dt": 0.05}),
        (" dt =0.05", {"dt": 0.05}),
    ],
)
def test_parse(text, expected):
    assert parse_overrides([text]) == expected


def test_parse_keeps_the_order_and_the_last_of_a_key():
    parsed = parse_overrides(["b=1", "a=2", "b=3"])
    assert list(parsed.items()) == [("b", 3), ("a", 2)]


@pytest.mark.parametrize("text", ["dt", "", "=0.05", " =1", "cfg.=1"])
def test_parse_refuses_what_is_no_assignment(text):
    with pytest.raises(ConfigError, match=r"is not of the form key=value; write for example dt="):
        parse_overrides([text])


@pytest.fixture(params=[SimpleNamespace, specs.SimConfig], ids=["object", "SimConfig"])
def cfg(request):
    cfg = request.param()
    cfg.dt, cfg.cell, cfg.cvode_active = 0.025, "PV_simple", False
    cfg.hParams = {"celsius": 34.0, "v_init": -80.0}
    cfg.stim = {"syn": {"mechs": ["AMPA"]}}
    return cfg


@pytest.mark.parametrize(
    ("key", "value", "read"),
    [
        pytest.param("dt", 0.05, lambda cfg: cfg.dt, id="number"),
        pytest.param("dt", 1, lambda cfg: cfg.dt, id="whole number"),
        pytest.param("cell", "IT2", lambda cfg: cfg.cell, id="text"),
        pytest.param("cvode_active", True, lambda cfg: cfg.cvode_active, id="truth value"),
        pytest.param("hParams.celsius", 37, lambda cfg: cfg.hParams["celsius"], id="nested"),
        pytest.param("stim.syn.mechs", ["GABA"], lambda c: c.stim["syn"]["mechs"], id="deep"),
        pytest.param("stim", {"a": 1}, lambda cfg: dict(cfg.stim), id="dictionary"),
    ],
)
def test_value_is_set(cfg, key, value, read):
    apply_overrides(cfg, {key: value})
    assert read(cfg) == value


def test_neighbours_of_a_nested_value_stay(cfg):
    apply_overrides(cfg, {"hParams.celsius": 37})
    assert cfg.hParams["v_init"] == -80.0


@pytest.mark.parametrize(
    ("key", "message"),
    [
        pytest.param("hParams.celcius", r"'hParams.celcius'\. Did you mean 'celsius'", id="nested"),
        pytest.param("hparams.celsius", r"'hparams'\. Did you mean 'hParams'", id="parent"),
        pytest.param("cvode_activ", r"'cvode_activ'\. Did you mean 'cvode_active'", id="top"),
        pytest.param("xyzzy", r"'xyzzy'\.$", id="nothing close"),
        pytest.param("celsius", r"'celsius'\. Did you mean 'hParams\.celsius'", id="further down"),
        pytest.param("mechs", r"'mechs'\. Did you mean 'stim\.syn\.mechs'", id="two levels down"),
        pytest.param("celcius", r"'celcius'\. Did you mean 'hParams\.celsius'", id="nearly so"),
        pytest.param("dt.x", r"'dt.x'\.$", id="below a number"),
        pytest.param("stim.syn.mechs.0", r"'stim.syn.mechs.0'\.$", id="below a list"),
        pytest.param("", r"''\.", id="empty"),
        pytest.param("hParams.", r"'hParams.'\.", id="ends with a dot"),
    ],
)
def test_unknown_key_is_an_error_with_the_closest_match(cfg, key, message):
    with pytest.raises(ConfigError, match=f"^cfg has no {message}"):
        apply_overrides(cfg, {key: 1})


@pytest.mark.parametrize("value", ["fast", "0.05", None, True, [0.05], {"a": 1}], ids=repr)
@pytest.mark.parametrize("key", ["dt", "hParams.celsius"])
def test_anything_else_for_a_number_is_an_error(cfg, key, value):
    with pytest.raises(ConfigError, match=rf"^cfg.{key} = .*: a number is needed \(it is "):
        apply_overrides(cfg, {key: value})


def test_text_for_a_truth_value_is_an_error(cfg):
    with pytest.raises(ConfigError, match="cvode_active"):
        apply_overrides(cfg, parse_overrides(["cvode_active=False"]))
