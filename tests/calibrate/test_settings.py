"""Search settings: the weights grammar, what is refused, and where values come from."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wscale.calibrate.settings import SearchSettings, parse_weights
from wscale.errors import ConfigError, SelectionError, WscaleError
from wscale.measurement.epsp import Protocol
from wscale.model.targets import Targets
from wscale.search.grid import check_weights

make = SearchSettings.make


# ---------------------------------------------------------------------- weights


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("1e-4:3e-4:3", (1e-4, 2e-4, 3e-4)),
        ("1e-4:1.9e-3:19", tuple(np.linspace(1e-4, 1.9e-3, 19))),
        (" 1e-4 : 2e-4 : 2 ", (1e-4, 2e-4)),
        ("1e-4,5e-4", (1e-4, 5e-4)),
        (".0001, 0.0005 ,1E-3", (1e-4, 5e-4, 1e-3)),
        ("0.5", (0.5,)),
    ],
)
def test_weights_grammar(text, weights):
    assert parse_weights(text) == pytest.approx(weights, rel=1e-12)


def test_parsed_weights_are_plain_floats():
    assert {type(weight) for weight in parse_weights("1e-4:3e-4:3")} == {float}


@pytest.mark.parametrize(
    "text",
    ["", ":", "weak", "1e-4:3e-4", "1:2:3:4", "1:2:2.5", "1:2:many", "1:2:-1", "1,,2", "1,", "1;2"],
)  # fmt: skip
def test_text_that_is_no_weights_is_an_error(text):
    with pytest.raises(SelectionError, match="are neither start:stop:count nor a list with commas"):
        parse_weights(text)


usable = st.floats(1e-9, 100.0)


@given(
    weights=st.lists(usable, min_size=2, max_size=30, unique=True).map(sorted), blank=st.text(" ")
)
def test_listed_weights_are_those_that_are_written(weights, blank):
    text = f",{blank}".join(repr(weight) for weight in weights)
    assert parse_weights(text) == tuple(weights)
    assert SearchSettings.make(weights_uS=text).weights_uS == tuple(weights)


@given(ends=st.lists(usable, min_size=2, max_size=2).map(sorted), count=st.integers(2, 300))
def test_even_weights_begin_and_end_where_it_is_said(ends, count):
    start, stop = ends
    weights = parse_weights(f"{start!r}:{stop!r}:{count}")
    assert (weights[0], weights[-1], len(weights)) == (start, stop, count)
    steps = np.diff(weights)
    assert steps == pytest.approx(np.full(count - 1, (stop - start) / (count - 1)), abs=1e-12)


@given(text=st.text(max_size=20) | st.text("0123456789.e-+:, nainf_", max_size=20))
def test_any_other_text_is_wscales_own_error(text):
    try:
        settings = SearchSettings.make(weights_uS=text)
    except ConfigError:
        return
    weights = settings.weights_uS
    assert len(weights) >= 2
    assert all(0 < a < b <= 100 for a, b in itertools.pairwise(weights))


def test_more_weights_than_memory_are_refused():
    with pytest.raises(SelectionError, match=r"more than 10000.*number of weights last"):
        parse_weights("1e-4:1e-3:1000000000000")


@pytest.mark.parametrize(
    "weights", [[1e-4, 2e-4], (1e-4, 2e-4), np.array([1e-4, 2e-4]), iter([1e-4, 2e-4])],
    ids=["list", "tuple", "array", "iterator"],
)  # fmt: skip
def test_weights_are_taken_from_any_sequence(weights):
    assert check_weights(weights) == (1e-4, 2e-4)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        pytest.param([], "at least two weights", id="none"),
        pytest.param([1e-4], "at least two weights", id="one"),
        pytest.param([0.0, 1e-4], "has 0 after 0", id="zero"),
        pytest.param([-1e-4, 1e-4], "has -0.0001 after 0", id="negative"),
        pytest.param([2e-4, 1e-4], "has 0.0001 after 0.0002", id="descending"),
        pytest.param([1e-4, 1e-4], "has 0.0001 after 0.0001", id="repeated"),
        pytest.param([1e-4, np.nan], "has nan after 0.0001", id="nan"),
        pytest.param([1e-4, np.inf], "has inf after 0.0001", id="infinite"),
    ],
)
def test_unusable_weights_are_an_error(weights, message):
    with pytest.raises(SelectionError, match=message):
        check_weights(weights)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        pytest.param("1e-4:1e-3", "are neither start:stop:count", id="no weights grammar"),
        pytest.param("1e-4:1e-3:1", "at least two weights", id="one"),
        pytest.param("2e-4,1e-4", "has 0.0001 after 0.0002", id="descending"),
        pytest.param([2e-4, 1e-4], "has 0.0001 after 0.0002", id="descending list"),
        pytest.param(["a", "b"], "must be a list of numbers", id="text"),
    ],
)
def test_settings_check_the_weights(weights, message):
    with pytest.raises(ConfigError, match=rf"^settings: weights_uS = .*{message}.*\(allowed: "):
        make(weights_uS=weights)


@pytest.mark.parametrize("weights", [5, 1e-4, None, True, [None, 1e-4]], ids=repr)
def test_weights_of_another_type_are_an_error_of_the_settings(weights):
    with pytest.raises(ConfigError, match="weights_uS"):
        make(weights_uS=weights)


def test_default_weights_are_the_reference_weights():
    np.testing.assert_allclose(make().weights_uS, np.arange(0.01, 0.2, 0.01) / 100, rtol=1e-12)


# ---------------------------------------------------------------------- names and types


def test_unknown_setting_is_an_error_with_the_closest_match():
    with pytest.raises(ConfigError, match=r"^settings: tolerence is .*\. Did you mean 'tolerance'"):
        make(tolerence=1e-3)


def test_unknown_key_of_a_group_is_named():
    group = {"synMechs": {"AMPA": None}, "wieghtFactors": [1]}
    with pytest.raises(ConfigError, match=r"synapses\.exc\.wieghtFactors.*'weightFactors'"):
        make(synapses={"exc": group})


@pytest.mark.parametrize("name", ["cls", "self", "", "\ud800"])
def test_any_name_may_be_given_and_is_refused(name):
    with pytest.raises(ConfigError):
        make(**{name: 1})


def test_enormous_values_are_cut_in_messages():
    with pytest.raises(ConfigError) as caught:
        make(window_ms=[1] * 10_000)
    assert len(str(caught.value)) < 1000


def test_all_problems_are_in_one_error():
    with pytest.raises(ConfigError, match=r"(?=.*tolerance = 5)(?=.*foo is not)(?=.*cells = 3)"):
        make(tolerance=5, foo=1, cells=3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("folder", 3),
        ("cells", "PV_simple"),
        ("cells", [1]),
        ("sections", "soma"),
        ("exclude", None),
        ("locations", "centre"),
        ("locations", [0.5, "half"]),
        ("target_mV", "half"),
        ("target_mV", {"soma": "half"}),
        ("target_mV", None),
        ("interpolation", "cubic"),
        ("tolerance", 0),
        ("tolerance", 1),
        ("tolerance", float("nan")),
        ("window_ms", 0),
        ("window_ms", "long"),
        ("spike_threshold_mV", "high"),
        ("drift_tolerance_mV", -1),
        ("mod", 3),
        ("cfg", ["dt=0.05"]),
    ],
)
def test_wrong_value_is_an_error_that_says_what_is_allowed(name, value):
    with pytest.raises(ConfigError, match=rf"^settings: {name} = .*: .*\(allowed: .+\)"):
        make(**{name: value})


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (0, "finite number"),
        (float("inf"), "finite number"),
        ({"default": 0.5, "soma": 0}, "target soma = 0"),
        ({"default": 0.5, "soma": -0.5}, "both signs"),
        ({"soma": -0.5}, "both signs"),
    ],
    ids=repr,
)
def test_unusable_target_is_an_error(target, message):
    with pytest.raises(WscaleError, match=message):
        make(target_mV=target)


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ({"locations": "middle"}, "middle"),
        ({"locations": [0.25, 0.75]}, (0.25, 0.75)),
        ({"locations": ["0.25"]}, (0.25,)),
        ({"sections": ["soma"]}, ("soma",)),
        ({"cells": ["a", "b"]}, ("a", "b")),
        ({"weights_uS": "1e-4:2e-4:2"}, (1e-4, 2e-4)),
        ({"cfg": {"dt": 0.05}}, {"dt": 0.05}),
    ],
    ids=str,
)
def test_value_is_taken(given, taken):
    [name] = given
    assert getattr(make(**given), name) == taken


def test_settings_cannot_be_changed():
    settings = make()
    with pytest.raises(ValueError, match="frozen"):
        settings.tolerance = 0.5


# ---------------------------------------------------------------------- what follows from them


@pytest.mark.parametrize(
    ("target", "targets"),
    [
        (0.25, Targets(0.25)),
        ({"default": 0.25, "soma": 1.0}, Targets(0.25, {"soma": 1.0})),
        ({"soma": 1.0}, Targets(0.5, {"soma": 1.0})),
        ({}, Targets(0.5)),
    ],
    ids=repr,
)
def test_targets(target, targets):
    assert make(target_mV=target).targets == targets


def test_targets_survive_the_way_through_plain_settings():
    targets = Targets(0.25, {"soma": 1.0})
    assert make(target_mV=targets.plain()).targets == targets


@pytest.mark.parametrize(("target", "polarity"), [(0.5, 1), (-0.5, -1)])
def test_protocol_is_made_of_the_settings(target, polarity):
    settings = make(
        target_mV=target, window_ms=50.0, spike_threshold_mV=0.0, drift_tolerance_mV=0.5
    )
    assert settings.protocol == Protocol(50.0, polarity, 0.0, 0.5)


def test_default_protocol_is_that_of_the_measurement():
    assert make().protocol == Protocol()


# ---------------------------------------------------------------------- files


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "settings.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


def test_file_is_read(write):
    path = write({"cells": ["PV_simple"], "weights_uS": "1e-4,2e-4", "target_mV": {"soma": 1}})
    expected = make(cells=["PV_simple"], weights_uS=[1e-4, 2e-4], target_mV={"soma": 1.0})
    assert SearchSettings.read(path) == expected


def test_overrides_precede_the_file_and_the_file_the_defaults(write):
    settings = SearchSettings.read(write({"tolerance": 0.1, "window_ms": 50}), tolerance=0.2)
    assert (settings.tolerance, settings.window_ms, settings.target_mV) == (0.2, 50.0, 0.5)


def test_override_replaces_a_value_that_is_unusable_in_the_file(write):
    assert SearchSettings.read(write({"tolerance": 5}), tolerance=0.2).tolerance == 0.2


def test_settings_written_as_json_are_read_again(write):
    settings = make(cells=["a"], locations=[0.5], target_mV={"default": 1, "soma": 2}, cfg={"a": 1})
    assert SearchSettings.read(write(settings.model_dump_json())) == settings


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(
            "{'cells': 1}", r"as JSON: Expecting property name .*: line 1 column 2", id="not JSON"
        ),
        pytest.param("", "cannot be read as JSON", id="empty"),
        pytest.param([1], "must hold one JSON object", id="list"),
        pytest.param("null", "must hold one JSON object", id="null"),
        pytest.param({"wieghts_uS": 1}, "Did you mean 'weights_uS'", id="unknown setting"),
        pytest.param({"tolerance": "x"}, "settings: tolerance = 'x'", id="wrong type"),
    ],
)
def test_unusable_file_is_an_error(write, content, message):
    with pytest.raises(ConfigError, match=message):
        SearchSettings.read(write(content))


def test_file_that_is_no_text_is_an_error(tmp_path):
    (tmp_path / "a.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"a.json cannot be read as JSON"):
        SearchSettings.read(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("missing.json", r"there is no settings file .*missing\.json"),
        (".", r"settings file .* cannot be read: Is a directory"),
    ],
)
def test_file_that_cannot_be_read_is_an_error(tmp_path, name, why):
    with pytest.raises(ConfigError, match=why):
        SearchSettings.read(tmp_path / name)
