"""What entries get that are not calibrated."""

from __future__ import annotations

import pytest

from wscale.errors import TableError
from wscale.measurement.solution import Solution
from wscale.model.model import Model
from wscale.model.sites import Site, segments_towards_soma
from wscale.tables.uncalibrated import Filling, stand_ins
from wscale.tables.weightnorm import WeightNormTable

SECS = {
    "soma": {"geom": {"nseg": 1}},
    "dend": {"geom": {"nseg": 3}, "topol": {"parentSec": "soma", "parentX": 1.0, "childX": 0.0}},
    "tip": {"geom": {"nseg": 2}, "topol": {"parentSec": "dend", "parentX": 1.0, "childX": 0.0}},
    "side": {"geom": {"nseg": 1}, "topol": {"parentSec": "dend", "parentX": 0.5, "childX": 0.0}},
}
FOUND = {"soma": [1e-4], "dend": [2e-4, None, 3e-4], "tip": [None, 5e-4], "side": [None]}
GAPS = [("dend", 1), ("tip", 0), ("side", 0)]


def model(**synapse):
    net = {
        "cellParams": {"PV": {"secs": SECS}},
        "stimTargetParams": {"NetStim1->PV": {"source": "NetStim1", "synMech": "exc"}},
        "synMechParams": {"exc": {"mod": "Exp2Syn", **synapse}},
    }
    return Model("PV", net, {})


def filled(how, *, found=FOUND, cell=None, target_mV=0.5, **limit):
    targets = {(sec, k): target_mV for sec, row in found.items() for k in range(len(row))}
    rows = stand_ins(cell or model(), found, targets, Filling(how, **limit))
    held = {(sec, k): value for sec, row in rows.items() for k, value in enumerate(row)}
    assert all(held[at] is None for at in held if found[at[0]][at[1]] is not None)
    return [held[at] for at in GAPS]


def test_the_way_to_the_soma():
    assert list(segments_towards_soma(model(), "tip", 1)) == [
        *(("tip", 0), ("dend", 2), ("dend", 1), ("dend", 0), ("soma", 0)),
    ]
    assert list(segments_towards_soma(model(), "side", 0))[:2] == [("dend", 1), ("dend", 0)]


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("nearest", [2e-4, 3e-4, 2e-4]),
        ("cap", [5e-4] * 3),
        ("zero", [0.0] * 3),
        ("refuse", [None] * 3),
    ],
)
def test_what_an_entry_gets(how, expected):
    assert filled(how) == expected


@pytest.mark.parametrize("how", ["nearest", "cap"])
def test_no_entry_stands_for_more_than_the_largest_weight(how):
    assert filled(how, largest_uS=5e-5) == [1e-4] * 3
    assert filled(how, largest_uS=5e-5, target_mV=-1.0) == [5e-5] * 3


def test_the_largest_weight_is_in_the_unit_of_the_table():
    in_nS = {
        sec: [None if value is None else 1e3 * value for value in row] for sec, row in FOUND.items()
    }
    held = filled("cap", found=in_nS, cell=model(weight_unit="nS"), largest_uS=5e-5)
    assert held == pytest.approx([0.1] * 3)


def test_no_entry_is_more_than_netpynes_clip():
    assert filled("cap", found={**FOUND, "soma": [1e-7]}) == pytest.approx([1e-4] * 3)


def test_without_a_calibrated_neighbour_there_is_the_largest_entry():
    found = {"soma": [None], "dend": [None, None, None], "tip": [None, 5e-4], "side": [None]}
    assert filled("nearest", found=found)[0] == 5e-4


def test_segments_that_were_not_searched_get_nothing():
    rows = stand_ins(model(), FOUND, {("dend", 1): 0.5}, Filling("nearest"))
    assert (rows["dend"][1], rows["tip"][0], rows["side"][0]) == (2e-4, None, None)


# ---------------------------------------------------------------------- in a table


def table(how, soma_uS=5e-5, far_uS=2.5e-4):
    solutions = [
        (Site("soma", 0.5, 0, 0.0), Solution("ok", 0.5, soma_uS, 0.5)),
        (Site("side", 0.5, 0, 100.0), Solution("implausible", 0.5, reason="too far")),
        (Site("tip", 0.25, 0, 200.0), Solution("ok", 0.5, far_uS, 0.5)),
        (Site("tip", 0.75, 1, 210.0), Solution("ok", 0.5, far_uS, 0.5)),
    ]
    given = Filling(how, epsp_mV={("side", 0): 0.3})
    return WeightNormTable.from_solutions(model(), solutions, filling=given)


def test_a_table_for_netpyne_holds_the_stand_ins_or_is_refused():
    assert table("nearest").for_netpyne()["side"] == [1e-4]
    assert table("cap").for_netpyne()["side"] == [5e-4]
    assert table("zero").for_netpyne()["side"] == [0.0]
    with pytest.raises(TableError, match="1 entries are not calibrated, and `uncalibrated"):
        table("refuse").for_netpyne()
    words = table("nearest").uncalibrated_words
    assert words.startswith("1 of 4 entries is not calibrated and holds that of the next")
    assert words.endswith("a connection of the target gives 0.3 mV there")


def test_an_entry_above_netpynes_clip_has_a_status_and_is_not_in_the_table():
    clipped = table("nearest", soma_uS=5e-9, far_uS=1e-4)  # 1000 times 1e-8 uS/mV are 1e-5
    assert clipped.status["tip"] == ["above_clip"] * 2
    assert clipped.weight_norm["tip"] == [None, None]
    assert "0.0002 uS/mV would do, but NetPyNE clips entries to 1e-05" in clipped.reason["tip"][0]
    assert max(max(row) for row in clipped.for_netpyne().values()) <= 1e-5


def test_a_soma_of_zero_would_clip_all_others():
    solutions = [
        (Site("soma", 0.5, 0, 0.0), Solution("implausible", 0.5)),
        (Site("side", 0.5, 0, 100.0), Solution("ok", 0.5, 1e-4, 0.5)),
    ]
    made = WeightNormTable.from_solutions(model(), solutions, filling=Filling("zero"))
    with pytest.raises(TableError, match="NetPyNE would clip all other entries to 0"):
        made.for_netpyne()
