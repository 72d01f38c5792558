"""Two tables beside each other."""

from __future__ import annotations

import math
import pickle

import pytest

from wscale import WeightNormTable
from wscale.errors import ConfigError
from wscale.tables.compare import compare


def table(values, status=None):
    given = {sec: ["given"] * len(row) for sec, row in values.items()}
    return WeightNormTable("cell", values, status or given)


def verdicts(comparison):
    return list(comparison.frame["verdict"])


def test_a_table_equals_itself():
    one = table({"soma": [5e-4], "dend": [6e-4, 7e-4]})
    comparison = compare(one, one)
    assert comparison.equal
    assert comparison.counts == {"equal": 3}
    assert comparison.largest_difference == 0.0


@pytest.mark.parametrize(
    ("factor", "verdict"), [(1.0009, "equal"), (0.9991, "equal"), (1.0011, "differs")]
)
def test_the_tolerance_is_relative(factor, verdict):
    comparison = compare(table({"soma": [5e-4]}), table({"soma": [5e-4 * factor]}), 1e-3)
    [row] = comparison.frame.to_dict("records")
    assert row["verdict"] == verdict
    assert row["ratio"] == pytest.approx(factor)
    assert row["difference"] == pytest.approx(factor - 1)
    assert comparison.equal == (verdict == "equal")
    assert comparison.largest_difference == pytest.approx(abs(factor - 1))


def test_entries_without_a_number():
    one = table({"soma": [1e-4, None, 2e-4, None]}, {"soma": ["ok", "spike", "ok", "edge"]})
    other = table({"soma": [1e-4, 3e-4, math.inf, math.nan]})
    comparison = compare(one, other)
    assert verdicts(comparison) == ["equal", "only_other", "only_one", "both_missing"]
    assert list(comparison.frame["status_one"]) == ["ok", "spike", "ok", "edge"]
    assert not comparison.equal
    assert comparison.largest_difference == 0.0


def test_two_gaps_are_no_difference():
    gap = table({"soma": [1e-4], "dend": [None]})
    comparison = compare(gap, gap)
    assert comparison.equal
    assert comparison.counts == {"equal": 1, "both_missing": 1}


def test_sections_of_one_table_alone():
    comparison = compare(table({"soma": [1e-4], "a": [1e-4]}), table({"b": [1e-4], "soma": [1e-4]}))
    assert list(comparison.frame["sec"]) == ["soma", "a", "b"]
    assert verdicts(comparison) == ["equal", "only_one", "only_other"]
    assert (comparison.sections_only_one, comparison.sections_only_other) == (("a",), ("b",))
    assert list(comparison.frame["status_other"]) == ["given", "", "given"]
    assert not comparison.equal


def test_a_section_of_gaps_that_one_table_lacks_is_told():
    comparison = compare(table({"soma": [1e-4], "a": [None]}), table({"soma": [1e-4]}))
    assert verdicts(comparison) == ["equal", "both_missing"]
    assert comparison.sections_only_one == ("a",)
    assert not comparison.equal


def test_another_number_of_segments():
    comparison = compare(table({"soma": [1e-4], "a": [1e-4] * 3}), table({"soma": [1e-4], "a": []}))
    assert verdicts(comparison) == ["equal", "shape", "shape", "shape"]
    assert comparison.shapes == {"a": (3, 0)}
    assert not comparison.equal
    assert comparison.largest_difference == 0.0  # of the entries at one place


def test_zero_entries():
    comparison = compare(table({"soma": [0.0, 0.0, 1e-4]}), table({"soma": [0.0, 1e-4, 0.0]}))
    assert verdicts(comparison) == ["equal", "differs", "differs"]


def test_nothing_to_compare():
    comparison = compare(table({"a": [None]}), table({"a": [None]}))
    assert comparison.equal
    assert math.isnan(comparison.largest_difference)
    assert compare(table({}), table({})).counts == {}


def test_published_pickles(tmp_path):
    for name, dend in (("one", math.inf), ("other", 98.0)):
        content = pickle.dumps({"soma": [1e-4], "dend": [dend]})
        (tmp_path / f"{name}.pkl").write_bytes(content)
    comparison = compare(
        *(WeightNormTable.read(tmp_path / f"{name}.pkl") for name in ("one", "other"))
    )
    assert verdicts(comparison) == ["equal", "only_other"]
    assert comparison.frame["status_one"].iloc[1] == "not_finite"


def test_a_tolerance_that_is_none():
    with pytest.raises(ConfigError, match="tolerance = 2"):
        compare(table({"soma": [1e-4]}), table({"soma": [1e-4]}), 2)
