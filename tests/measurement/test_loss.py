"""Targets and losses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from wscale.errors import SelectionError
from wscale.measurement.loss import best_on_grid, loss_mV2, summed_loss_mV2
from wscale.model.model import Model
from wscale.model.sites import Site
from wscale.model.targets import Targets

SITE = Site("dend", 0.25, 0, 35.0)
CELL = Model("PV", {"cellParams": {"PV": {"secs": {"soma": {}, "dend": {}}}}}, {})

# From the least to the most specific
PLACES = ["PV", "dend", "PV/dend", "dend(0.25)", "PV/dend(0.25)"]


# ---------------------------------------------------------------------- which target counts


@pytest.mark.parametrize("most", range(len(PLACES) + 1), ids=["default", *PLACES])
def test_most_specific_target_counts(most):
    given = {place: 1.0 + number for number, place in enumerate(PLACES[:most])}
    assert Targets(0.5, given).at("PV", SITE) == (0.5 if most == 0 else float(most))


@pytest.mark.parametrize("place", ["IT", "soma", "IT/dend", "dend(0.5)", "IT/dend(0.25)", "den"])
def test_target_of_another_place_does_not_count(place):
    assert Targets(0.5, {place: 1.0}).at("PV", SITE) == 0.5


@pytest.mark.parametrize(("target", "polarity"), [(0.5, 1), (-0.5, -1)])
def test_polarity_is_the_sign(target, polarity):
    assert Targets(target).polarity == polarity


@pytest.mark.parametrize("value", [0, 0.0, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [None, "dend"], ids=["default", "place"])
def test_target_that_cannot_be_reached_by_definition_is_refused(value, place):
    named = place or "target_mV"
    with pytest.raises(SelectionError, match=f"^target {named} = {value!r} mV; .* finite number"):
        Targets(value) if place is None else Targets(0.5, {place: value})


@pytest.mark.parametrize(
    ("default", "places"),
    [(0.5, {"dend": -0.5}), (-0.5, {"dend": 0.5}), (0.5, {"dend": 1.0, "soma": -1.0})],
)
def test_targets_of_both_signs_are_refused(default, places):
    with pytest.raises(SelectionError, match=r"both signs \(.*; search EPSPs and IPSPs in two"):
        Targets(default, places)


# ---------------------------------------------------------------------- from and to text


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        pytest.param([], Targets(0.5), id="none"),
        pytest.param(["0.25"], Targets(0.25), id="default"),
        pytest.param(["-5e-1"], Targets(-0.5), id="IPSP"),
        pytest.param(["dend=1"], Targets(0.5, {"dend": 1.0}), id="place"),
        pytest.param(["PV/dend(0.25)=1"], Targets(0.5, {"PV/dend(0.25)": 1.0}), id="site"),
        pytest.param(["dend = 1", "0.3"], Targets(0.3, {"dend": 1.0}), id="both, with spaces"),
    ],
)
def test_parse(texts, expected):
    assert Targets.parse(texts) == expected


@pytest.mark.parametrize("text", ["", "half", "dend", "dend=", "dend=x", "0.5 mV", "1,5"])
def test_parse_refuses_what_is_no_number(text):
    with pytest.raises(SelectionError, match=r"is not a number of mV nor PLACE=number"):
        Targets.parse(["0.5", text])


@pytest.mark.parametrize(
    ("texts", "message"),
    [(["0"], "finite number"), (["nan"], "finite number"), (["1", "dend=-1"], "both signs")],
)
def test_parse_refuses_unusable_targets(texts, message):
    with pytest.raises(SelectionError, match=message):
        Targets.parse(texts)


@pytest.mark.parametrize(
    ("targets", "plain"),
    [(Targets(0.25), 0.25), (Targets(0.25, {"dend": 1.0}), {"default": 0.25, "dend": 1.0})],
)
def test_plain(targets, plain):
    assert targets.plain() == plain


# ---------------------------------------------------------------------- check


@pytest.mark.parametrize("place", PLACES)
def test_check_accepts_every_place_of_a_searched_site(place):
    Targets(0.5, {place: 1.0}).check([(CELL, [SITE])])


@pytest.mark.parametrize(
    ("place", "hint"),
    [
        pytest.param("dned", r" Did you mean 'dend'", id="section"),
        pytest.param("dend(0.5)", r" Did you mean 'dend\(0.25\)'", id="site"),
        pytest.param("soma", r"$", id="section that is not searched"),
        pytest.param("xyz", r"$", id="nothing close"),
    ],
)
def test_check_refuses_a_place_that_is_not_searched(place, hint):
    with pytest.raises(SelectionError, match=rf"names no searched cell, section or site\.{hint}"):
        Targets(0.5, {place: 1.0}).check([(CELL, [SITE])])


# ---------------------------------------------------------------------- losses


def frame(*rows):
    """Return a grid of (sec, loc, weight, EPSP, status) with target 0.5 mV."""
    columns = ["sec", "loc", "weight_uS", "epsp_mV", "status"]
    table = pd.DataFrame(rows, columns=columns).assign(cell="PV", extra=0)
    return table.assign(loss_mV2=loss_mV2(table["epsp_mV"], 0.5))


GRID = frame(
    ("soma", 0.5, 1e-4, 0.3, "ok"),
    ("soma", 0.5, 2e-4, 0.6, "ok"),
    ("dend", 0.5, 1e-4, 0.4, "ok"),
    ("dend", 0.5, 2e-4, 0.5, "spike"),
    ("dend", 0.9, 1e-4, 0.5, "drift"),
    ("dend", 0.9, 2e-4, np.nan, "failed"),
)


@pytest.mark.parametrize(
    ("epsp", "target", "loss"),
    [(0.5, 0.5, 0.0), (0.2, 0.5, 0.09), (0.8, 0.5, 0.09), (-0.2, -0.5, 0.09), (0.5, -0.5, 1.0)],
)
def test_loss_is_the_squared_error(epsp, target, loss):
    assert loss_mV2(epsp, target) == pytest.approx(loss, abs=1e-15)


def test_loss_is_nan_where_there_is_no_epsp():
    assert np.isnan(loss_mV2([0.5, np.nan], 0.5)).tolist() == [False, True]


def test_best_is_the_ok_point_with_the_least_loss_of_each_site():
    best = best_on_grid(GRID)
    assert best[["sec", "loc", "weight_uS", "epsp_mV"]].to_numpy().tolist() == [
        ["soma", 0.5, 2e-4, 0.6],
        ["dend", 0.5, 1e-4, 0.4],
    ]
    assert best["loss_mV2"].tolist() == pytest.approx([0.01, 0.01])


def test_best_has_the_documented_columns():
    expected = ["cell", "sec", "loc", "weight_uS", "epsp_mV", "loss_mV2"]
    assert list(best_on_grid(GRID).columns) == expected


def test_best_of_points_with_the_same_loss_is_the_first():
    best = best_on_grid(frame(("soma", 0.5, 1e-4, 0.25, "ok"), ("soma", 0.5, 2e-4, 0.75, "ok")))
    assert best["weight_uS"].tolist() == [1e-4]


def test_best_of_nothing_is_empty():
    assert best_on_grid(GRID[GRID["status"] != "ok"]).empty


def test_summed_loss_adds_up_the_best_of_the_sites():
    assert summed_loss_mV2(GRID) == pytest.approx(0.02)
