"""Audits: tables with known faults, and what is said of them."""

from __future__ import annotations

import dataclasses
import math
import pickle
from copy import deepcopy

import pandas as pd
import pytest

from wscale import Protocol, WeightNormTable, grid, solve
from wscale.errors import ConfigError, SelectionError, TableError
from wscale.verification.audit import audit

LAST_uS = 1.9e-3


def given(cell, values):
    return WeightNormTable(cell, values, {sec: ["given"] * len(row) for sec, row in values.items()})


def changed(table, sec, segment, value):
    """Return a table as published ones are, without statuses, with another entry."""
    values = deepcopy(table.weight_norm)
    values[sec][segment] = value
    return given(table.cell, values)


def row(result, sec, segment=0):
    frame = result.frame
    [found] = frame[(frame["sec"] == sec) & (frame["segment"] == segment)].to_dict("records")
    return found


def variant(model, sec, **geom):
    model = dataclasses.replace(model, net=deepcopy(model.net))
    model.rule["secs"][sec]["geom"].update(geom)
    return model


@pytest.fixture(scope="module")
def pv(load):
    model = load("PV_simple", dt=0.05)
    [result] = solve(model, n_jobs=2)
    return model, result.table()


@pytest.fixture(scope="module")
def pt(load):
    model = load("PT5B_reduced", dt=0.05)
    [result] = solve(model, n_jobs=2)
    return model, result.table()


@pytest.fixture(scope="module")
def finer(load):
    """PT5B_reduced with three segments in its basal dendrite, and its table."""
    model = variant(load("PT5B_reduced", dt=0.05), "Bdend", nseg=3)
    [result] = solve(model, n_jobs=2)
    return model, result.table()


def test_a_right_table_passes(pv, pt):
    for model, table in (pv, pt):
        result = audit(model, table, n_jobs=2)
        assert result.passed
        assert result.counts == {"ok": len(result.frame)}
        assert result.cell == model.cell
        assert len(result.worst()) == len(result.misread) == 0
        assert result.without_entries == ()
        assert result.frame["error"].abs().max() <= 1e-3
        assert set(result.frame["why"]) == set(result.frame["right_status"]) == {""}
        assert list(result.frame["centre_verdict"]) == list(result.frame["verdict"])
        for sec, segment, value, _ in table.entries():
            entry = row(result, sec, segment)
            assert entry["weightNorm_uS_per_mV"] == value
            # the solver simulated the same weight, at the segment's centre
            assert entry["epsp_mV"] == pytest.approx(table.epsp_mV[sec][segment], abs=1e-9)


def test_an_entry_that_is_too_large(pv):
    model, table = pv
    right = table.weight_norm["dend"][0]
    result = audit(model, changed(table, "dend", 0, 1.3 * right), n_jobs=2)
    assert not result.passed
    assert result.counts == {"ok": 1, "misses": 1}
    entry = row(result, "dend")
    assert entry["error"] == pytest.approx(0.3, abs=0.03)
    assert entry["epsp_mV"] == pytest.approx(0.5 * (1 + entry["error"]))
    assert entry["right_status"] == "ok"
    assert entry["right_weightNorm"] == pytest.approx(right, rel=2e-3)
    assert "instead of 0.5 mV" in entry["why"]
    assert "0.76" in entry["why"]  # times the entry
    assert list(result.worst()["sec"]) == ["dend"]


def test_entries_that_are_no_numbers_in_a_pickle(pt, tmp_path):
    model, table = pt
    values = deepcopy(table.weight_norm)
    values["Bdend"], values["Adend3"] = [math.inf], [math.nan]
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(values))
    result = audit(model, WeightNormTable.read(tmp_path / "a.pkl", model.cell), n_jobs=2)
    assert result.counts == {"ok": 3, "not_finite": 2}
    for sec in ("Bdend", "Adend3"):
        entry = row(result, sec)
        assert (entry["verdict"], entry["status"]) == ("not_finite", "not_simulated")
        assert math.isnan(entry["epsp_mV"])
        assert math.isnan(entry["weightNorm_uS_per_mV"])
        assert entry["right_weightNorm"] == pytest.approx(table.weight_norm[sec][0], rel=2e-3)
        assert "not a finite number" in entry["why"]
        assert "NetPyNE clips inf to 1.1" in entry["why"]


@pytest.mark.parametrize("value", [math.inf, math.nan, None])
def test_entries_that_are_no_numbers_in_memory(pv, value):
    result = audit(pv[0], changed(pv[1], "dend", 0, value), n_jobs=2)
    assert result.counts == {"ok": 1, "not_finite": 1}


def test_an_extrapolated_entry(pt):
    model, table = pt
    [linear] = grid(model, [LAST_uS * 18 / 19, LAST_uS], sections="Adend3", n_jobs=2)
    (w0, e0), (w1, e1) = linear.frame[["weight_uS", "epsp_mV"]].to_numpy()
    assert e1 < 0.5
    weight = w1 + (0.5 - e1) * (w1 - w0) / (e1 - e0)
    table = changed(table, "Adend3", 0, weight / 0.5)
    unknown = audit(model, table, n_jobs=2)
    assert unknown.counts == {"ok": 4, "misses": 1}
    assert "grid" not in row(unknown, "Adend3")["why"]
    result = audit(model, table, n_jobs=2, last_weight_uS=LAST_uS)
    assert result.counts == {"ok": 4, "extrapolated": 1}
    entry = row(result, "Adend3")
    assert entry["error"] == pytest.approx(-0.009, abs=0.002)
    assert f"whose last, 0.0019 uS, gives {e1:.4g} mV" in entry["why"]
    assert "on the straight line through the last two points" in entry["why"]
    assert entry["right_weightNorm"] > entry["weightNorm_uS_per_mV"]
    # on a longer grid the entry could have been measured
    longer = audit(model, table, n_jobs=2, last_weight_uS=1e-2)
    assert longer.counts == {"ok": 4, "misses": 1}


def test_beyond_the_grid_but_not_extrapolated(pt):
    """Where the grid reaches the target, an entry beyond it is wrong for another reason."""
    result = audit(pt[0], changed(pt[1], "soma", 0, 5e-3), n_jobs=2, last_weight_uS=LAST_uS)
    assert row(result, "soma")["verdict"] == "misses"
    assert "beyond the grid" not in row(result, "soma")["why"]


def test_an_unreachable_target(pt):
    model = variant(pt[0], "Adend3", Ra=1e4)  # the synapse saturates at 0.26 mV
    values = {"soma": pt[1].weight_norm["soma"], "Adend3": [98.0]}
    result = audit(model, given(model.cell, values), n_jobs=2, last_weight_uS=LAST_uS)
    entry = row(result, "Adend3")
    assert (entry["verdict"], entry["right_status"]) == ("unreachable", "unreachable")
    assert math.isnan(entry["right_weightNorm"])
    assert entry["error"] == pytest.approx(-0.54, abs=0.02)
    for words in (
        "beyond the grid",
        "no weight gives the target: the response saturates at about 0.36 mV",
        "NetPyNE clips it to 1.1",
    ):
        assert words in entry["why"]
    assert result.worst(1)["sec"].item() == "Adend3"
    assert result.without_entries == ("Bdend", "Adend1", "Adend2")
    infinite = audit(model, given(model.cell, {**values, "Adend3": [math.inf]}), n_jobs=2)
    entry = row(infinite, "Adend3")
    assert (entry["verdict"], entry["right_status"]) == ("not_finite", "unreachable")
    assert "no weight gives the target" in entry["why"]
    assert infinite.worst()["sec"].iloc[0] == "Adend3"  # without an EPSP comes first


def test_misread_centres(finer):
    model, table = finer
    result = audit(model, table, n_jobs=2)
    assert result.passed
    assert list(result.misread["segment"]) == [0, 2]
    basal = result.frame[result.frame["sec"] == "Bdend"]
    assert list(basal["centre_reads"]) == [-1, 1, 1]
    assert list(basal["centre_verdict"]) == ["misread", "ok", "misread"]
    first, middle, _ = basal.to_dict("records")
    values = table.weight_norm["Bdend"]
    assert first["centre_error"] == pytest.approx(values[2] / values[0] - 1, rel=0.1)
    assert "reads the entry of Bdend[2] at the centre" in first["centre_why"]
    assert (middle["centre_epsp_mV"], middle["centre_why"]) == (middle["epsp_mV"], "")


def test_a_misread_entry_that_is_no_number(finer):
    result = audit(finer[0], changed(finer[1], "Bdend", 2, math.nan), n_jobs=2)
    assert row(result, "Bdend", 0)["verdict"] == "ok"
    assert row(result, "Bdend", 0)["centre_verdict"] == "not_finite"
    assert row(result, "Bdend", 2)["verdict"] == "not_finite"


def test_misreading_that_does_no_harm_is_ok(finer):
    result = audit(finer[0], finer[1], n_jobs=2, tolerance=0.5)
    assert list(result.frame["centre_verdict"]) == ["ok"] * len(result.frame)
    assert len(result.misread) == 0


def test_a_spike(pv):
    result = audit(pv[0], changed(pv[1], "soma", 0, 0.2), n_jobs=2)
    entry = row(result, "soma")
    assert (entry["verdict"], entry["status"]) == ("spike", "spike")
    assert entry["right_weightNorm"] == pytest.approx(pv[1].weight_norm["soma"][0], rel=2e-3)


def test_an_edge_and_a_drift(pv):
    for protocol, status in (
        (Protocol(window_ms=3.0), "edge"),
        (Protocol(drift_tolerance_mV=1e-12), "drift"),
    ):
        result = audit(*pv, protocol=protocol, n_jobs=2)
        assert result.counts == {status: 2}
        assert not result.passed


@pytest.mark.parametrize("value", [0.0, -1e-3])
def test_entries_that_are_not_positive(pv, value):
    result = audit(pv[0], changed(pv[1], "dend", 0, value), n_jobs=2)
    entry = row(result, "dend")
    assert entry["verdict"] == "misses"
    assert "must be positive" in entry["why"]
    assert entry["right_weightNorm"] == pytest.approx(pv[1].weight_norm["dend"][0], rel=2e-3)


def test_absurd_entries_do_not_hide_the_right_one(pv):
    for value in (1e-12, 1e300):
        entry = row(audit(pv[0], changed(pv[1], "dend", 0, value), n_jobs=2), "dend")
        assert entry["verdict"] != "ok"
        assert entry["right_weightNorm"] == pytest.approx(pv[1].weight_norm["dend"][0], rel=2e-3)


def test_caps_are_recognised(pt):
    values = {sec: list(entries) for sec, entries in pt[1].weight_norm.items()}
    values["Adend3"] = values["Adend2"]
    result = audit(pt[0], given(pt[0].cell, values), n_jobs=2)
    assert "the table's largest entry, 2 times in it: perhaps a cap" in row(result, "Adend3")["why"]


def test_an_entry_that_promises_nothing(pt):
    """The table of a grid that ends too early says so itself."""
    [short] = grid(pt[0], [5e-4, 1e-3], n_jobs=2)
    assert short.table().counts["above_grid"] > 0
    result = audit(pt[0], short.table(), n_jobs=2)
    assert result.passed
    assert result.counts["no_promise"] == short.table().counts["above_grid"]
    entry = row(result, "Adend3")
    assert entry["why"].startswith("the table says above_grid")
    assert entry["right_weightNorm"] == pytest.approx(pt[1].weight_norm["Adend3"][0], rel=2e-3)
    assert len(result.worst()) == 0


def test_the_targets_of_the_table_come_first(pv):
    [weaker] = solve(pv[0], targets=0.1, n_jobs=2)
    assert audit(pv[0], weaker.table(), target_mV=5.0, n_jobs=2).passed
    values = given("PV_simple", weaker.table().weight_norm)
    assert audit(pv[0], values, target_mV=1.5, n_jobs=2).counts == {"misses": 2}


@pytest.mark.usefixtures("own_process_rig")
def test_the_same_for_any_number_of_jobs(finer):
    table = changed(finer[1], "Bdend", 1, 3e-3)
    one, two = (audit(finer[0], table, n_jobs=jobs) for jobs in (1, 2))
    pd.testing.assert_frame_equal(one.frame, two.frame, check_exact=True)


def test_tables_that_do_not_fit(pv, pt, finer):
    with pytest.raises(TableError, match=r"3 entries for 'Bdend', but the section has nseg = 1"):
        audit(pt[0], finer[1])
    with pytest.raises(TableError, match="has section 'Bdend', which cell 'PV_simple' has not"):
        audit(pv[0], finer[1])
    with pytest.raises(TableError, match="no entries"):
        audit(pv[0], given("PV_simple", {}))


def test_targets_that_do_not_fit(pv):
    model, table = pv
    for dend in (-0.5, 0.0):
        mixed = dataclasses.replace(table, target_mV={"soma": [0.5], "dend": [dend]})
        with pytest.raises(TableError, match="not zero and of one sign"):
            audit(model, mixed)


def test_settings_that_cannot_be(pv):
    with pytest.raises(ConfigError, match="tolerance"):
        audit(*pv, tolerance=0.0)
    with pytest.raises(ConfigError, match="last_weight_uS = 0"):
        audit(*pv, last_weight_uS=0.0)
    with pytest.raises(ConfigError, match="window"):
        audit(*pv, protocol=Protocol(window_ms=1e4))
    with pytest.raises(SelectionError, match="target"):
        audit(*pv, target_mV=0.0)


def test_nobody_is_accused_of_a_grid_that_was_not_named(pt):
    """A table that is wrong as a whole misses: of its grid nothing is known."""
    tenth_more = {sec: [1.1 * value for value in row] for sec, row in pt[1].weight_norm.items()}
    result = audit(pt[0], given(pt[0].cell, tenth_more), n_jobs=2)
    assert result.counts == {"misses": 5}
    assert not result.frame["why"].str.contains("grid").any()
