"""The unit of a weight, as NMODL files declare it."""

from __future__ import annotations

import pytest

from wscale.mechanisms.declarations import declared_weight, random_streams
from wscale.model.weight_unit import UNITS, stated_unit

HEAD = "NEURON { POINT_PROCESS syn }\n"


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("NET_RECEIVE(weight (uS)) {}", "uS"),
        ("NET_RECEIVE (w(umho), A, tpre (ms)) {}", "uS"),
        ("NET_RECEIVE(weight (microsiemens)) {}", "uS"),
        ("NET_RECEIVE(weight (nS), y, z) {}", "nS"),
        ("NET_RECEIVE(weight (nanosiemens)) {}", "nS"),
        ("NET_RECEIVE(weight (picoamp)) {}", "pA"),
        ("COMMENT NET_RECEIVE(weight (nS)) {} ENDCOMMENT NET_RECEIVE(weight (uS)) {}", "uS"),
        (": NET_RECEIVE(weight (nS))\nNET_RECEIVE(weight (uS)) {}", "uS"),
    ],
)
def test_declared_units(tmp_path, text, unit):
    (tmp_path / "syn.mod").write_text(HEAD + text)
    found = stated_unit({"S": {"mod": "syn"}}, str(tmp_path))
    assert (found.name, found.uS, found.source) == (unit, UNITS[unit], "NET_RECEIVE of syn")


@pytest.mark.parametrize(
    "text",
    [
        "NET_RECEIVE(weight) {}",
        "NET_RECEIVE(weight (1)) {}",
        "NET_RECEIVE(weight, A (nS)) {}",
        "BREAKPOINT { }",
    ],
)
def test_nothing_declared(tmp_path, text):
    (tmp_path / "syn.mod").write_text(HEAD + text)
    assert stated_unit({"S": {"mod": "syn"}}, str(tmp_path)) is None


def test_the_first_synapse_that_states_a_unit_decides(tmp_path):
    (tmp_path / "syn.mod").write_text(HEAD + "NET_RECEIVE(weight) {}")
    both = {"A": {"mod": "syn"}, "B": {"mod": "Exp2Syn"}}
    assert stated_unit(both, str(tmp_path)).source == "NET_RECEIVE of Exp2Syn"
    both["A"]["weight_unit"] = "nS"
    assert stated_unit(both, str(tmp_path)).name == "nS"


def test_weights_of_another_mechanism_are_not_taken():
    assert (
        declared_weight({"a.mod": b"NEURON { POINT_PROCESS a } NET_RECEIVE(w (nS)) {}"}, "b") == ""
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NET_RECEIVE(w) { g = g + w }", None),
        ("NET_RECEIVE(w) { g = g + w } : RANDOM numbers are not drawn", None),
        ("NET_RECEIVE(w) { if (scop_random() < 0.5) { g = g + w } }", ((), "", 0)),
        (
            "PROCEDURE ids(a, b) { VERBATIM s = nrnran123_newstream(1, 2); ENDVERBATIM }",
            ((), "ids", 2),
        ),
        (
            "FUNCTION f() { f = 1 } PROCEDURE ids() { VERBATIM nrnran123_newstream3(1,2,3); "
            "ENDVERBATIM }",
            ((), "ids", 3),
        ),
    ],
)
def test_random_streams(text, expected):
    found = random_streams({"syn.mod": (HEAD + text).encode()}, "syn")
    assert found is None or (found.variables, found.setter, found.ids) == expected
    assert (found is None) == (expected is None)


def test_random_variables():
    text = b"NEURON { POINT_PROCESS syn RANDOM r1, r2 THREADSAFE }"
    assert random_streams({"syn.mod": text}, "syn").variables == ("r1", "r2")
