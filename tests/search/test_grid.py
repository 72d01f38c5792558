"""The grid search: the published tables, and the same numbers however it is run."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from wscale import Protocol, Targets, grid
from wscale.errors import ModelError, SelectionError

REFERENCE_WEIGHTS = np.arange(0.01, 0.2, 0.01) / 100

# Published weightNorm tables (uS/mV) of the M1 model, Dura-Bernal et al. 2023: dt 0.05 ms, linear
PUBLISHED = {
    "IT2_reduced": {
        "soma": 0.0012210510455234992,
        "Bdend": 0.0012310600690086557,
        "Adend1": 0.001251806703292477,
        "Adend2": 0.0012903500021056353,
        "Adend3": 0.0013108100847267295,
    },
    "IT5B_reduced": {
        "soma": 0.0012013098600156921,
        "Bdend": 0.0013427938886170364,
        "Adend1": 0.0016697730656434792,
        "Adend2": 0.002560831189897527,
        "Adend3": 0.002933527589343661,
    },
    "PV_simple": {"soma": 0.0005593315801446029, "dend": 0.0005610488603794299},
}


@pytest.fixture(scope="module")
def linear(load):
    """The published protocol on the three published cells."""
    models = [load(cell, dt=0.05) for cell in PUBLISHED]
    results = grid(
        models,
        REFERENCE_WEIGHTS,
        interpolation="linear",
        protocol=Protocol(until="half"),
        n_jobs=2,
    )
    return dict(zip(PUBLISHED, results, strict=True))


@pytest.mark.parametrize("cell", PUBLISHED)
def test_published_tables_come_out(linear, cell):
    table = linear[cell].table().weight_norm
    assert table.keys() == PUBLISHED[cell].keys()
    for sec, published in PUBLISHED[cell].items():
        assert table[sec] == [pytest.approx(published, rel=1e-4)]


def test_monotone_interpolation_meets_the_target_closer(load, linear):
    [result] = grid(load("PV_simple", dt=0.05), REFERENCE_WEIGHTS, n_jobs=2)
    for exact, straight in zip(result.results, linear["PV_simple"].results, strict=True):
        assert abs(exact.solution.residual) < 1e-6 < abs(straight.solution.residual)


def test_serial_parallel_and_reversed_are_equal(load, own_process_rig):
    models = [load(cell, dt=0.05) for cell in ("PV_simple", "PT5B_reduced", "SOM_simple")]
    weights = [2e-4, 8e-4, 1.6e-3]
    parallel = grid(models, weights, n_jobs=2)
    serial = grid(models, weights, n_jobs=1)
    backwards = grid(models[::-1], weights, n_jobs=2)[::-1]
    for other in (serial, backwards):
        for one, two in zip(parallel, other, strict=True):
            pd.testing.assert_frame_equal(one.frame, two.frame, check_exact=True)
            assert one.table() == two.table()


def test_frame_is_tidy(linear):
    frame = linear["IT2_reduced"].frame
    assert len(frame) == 5 * 19
    assert list(frame.columns[:7]) == [
        "cell",
        "sec",
        "loc",
        "segment",
        "distance_um",
        "weight_uS",
        "epsp_mV",
    ]
    np.testing.assert_allclose(frame["loss_mV2"], (frame["epsp_mV"] - 0.5) ** 2, rtol=1e-12)
    assert (frame["status"] == "ok").all()
    assert not frame[["latency_ms", "rise_time_ms", "half_width_ms"]].isna().any().any()


def test_best_weight_is_the_grid_point_next_to_the_solution(linear):
    result = linear["IT5B_reduced"]
    for row, site in zip(result.best.itertuples(), result.results, strict=True):
        assert abs(row.weight_uS - site.solution.weight_uS) < 1e-4
    assert result.loss_mV2 == pytest.approx(result.best["loss_mV2"].sum())


def test_grid_that_ends_too_early_is_not_extrapolated(load):
    """The reference weights do not reach 0.5 mV in the distal apical dendrite of PT5B_reduced."""
    [result] = grid(load("PT5B_reduced", dt=0.05), REFERENCE_WEIGHTS[::6], n_jobs=2)
    table = result.table()
    assert table.status["Adend3"] == ["above_grid"]
    assert table.weight_norm["Adend3"] == [None]
    assert "add larger weights" in table.reason["Adend3"][0]
    assert table.for_netpyne()["Adend3"] == [table.cap]
    [wider] = grid(
        load("PT5B_reduced", dt=0.05), [1e-3, 2e-3, 4e-3, 8e-3], sections="Adend3", n_jobs=2
    )
    assert wider.table().status["Adend3"] == ["ok"]


def test_target_that_no_weight_reaches_is_unreachable(load):
    [result] = grid(
        load("PT5B_reduced", dt=0.05), [1e-3, 1e-1], sections="Adend3", targets=60.0, n_jobs=2
    )
    solution = result.results[0].solution
    assert solution.status in ("unreachable", "spike")
    assert solution.weight_norm is None
    assert 1.0 < solution.largest_epsp_mV < 60.0


def test_targets_by_place(load):
    targets = Targets(0.5, {"dend": 0.25})
    [result] = grid(load("PV_simple", dt=0.05), [1e-4, 2e-4, 4e-4], targets=targets, n_jobs=2)
    soma, dend = (r.solution for r in result.results)
    assert soma.epsp_mV == pytest.approx(0.5, rel=1e-3)
    assert dend.epsp_mV == pytest.approx(0.25, rel=1e-3)
    assert dend.weight_norm == pytest.approx(dend.weight_uS / 0.25)


def test_ipsp_table(load):
    model = load(
        "SOM_simple",
        **{"dt": 0.05, "NetStim1.synMech": ("GABA",), "NetStim1.synMechWeightFactor": (1.0,)},
    )
    [result] = grid(model, [1e-4, 1e-3, 4e-3], targets=-0.2, n_jobs=2)
    for r in result.results:
        assert r.solution.status == "ok"
        assert r.solution.epsp_mV == pytest.approx(-0.2, rel=1e-3)
        assert r.solution.weight_norm > 0


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1e-4], "at least two"),
        ([0.0, 1e-4], "positive"),
        ([1e-4, 1e-4], "without repeats"),
        ([2e-4, 1e-4], "ascending"),
        ([1e-4, float("nan")], "finite"),
    ],
    ids=["one", "zero", "twice", "unordered", "nan"],
)
def test_unusable_weights(load, weights, message):
    with pytest.raises(SelectionError, match=message):
        grid(load("PV_simple", dt=0.05), weights)


def test_unknown_target_place(load):
    with pytest.raises(SelectionError, match=r"'dnd' names no .* Did you mean 'dend'"):
        grid(load("PV_simple", dt=0.05), [1e-4, 2e-4], targets=Targets(0.5, {"dnd": 1.0}))


def test_missing_mechanism_stops_before_any_simulation(load):
    from test_rig import edited

    model = edited(
        load("PV_simple", dt=0.05), lambda m: m.rule["secs"]["dend"]["mechs"].update(nosuch={})
    )
    with pytest.raises(ModelError, match="not found: nosuch"):
        grid(model, [1e-4, 2e-4], n_jobs=2)


def test_a_cell_twice(load):
    model = load("PV_simple", dt=0.05)
    with pytest.raises(SelectionError, match="'PV_simple' is given twice"):
        grid([model, model], [1e-4, 2e-4])
