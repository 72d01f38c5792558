"""Verification: NetPyNE networks that load the tables."""

from __future__ import annotations

import dataclasses
from copy import deepcopy

import numpy as np
import pytest
from helpers import M1_CELLS

from wscale import WeightNormTable, grid, verify
from wscale.errors import TableError

WEIGHTS = [2e-4, 5e-4, 1e-3, 2e-3, 4e-3, 8e-3]


@pytest.fixture(scope="module")
def m1(load):
    """Tables of the nine M1 cells, with weights enough for all their segments."""
    models = [load(cell, dt=0.05) for cell in M1_CELLS]
    return {
        result.model.cell: (result.model, result.table())
        for result in grid(models, WEIGHTS, n_jobs=2)
    }


@pytest.fixture(scope="module")
def finer(load):
    """PT5B_reduced with three segments in its basal dendrite, and its table."""
    model = load("PT5B_reduced", dt=0.05)
    model = dataclasses.replace(model, net=deepcopy(model.net))
    model.rule["secs"]["Bdend"]["geom"]["nseg"] = 3
    [result] = grid(model, WEIGHTS, n_jobs=2)
    return model, result.table()


def test_every_entry_of_the_nine_cells_gives_the_target(m1):
    checks = verify(list(m1.values()), n_jobs=2)
    assert [check.cell for check in checks] == M1_CELLS
    for check in checks:
        assert set(check.frame["table_status"]) == {"ok"}
        assert check.passed
        assert check.largest_error < 1e-3


def test_full_netpyne_runs_agree(m1):
    pair = m1["PV_simple"]
    [quick], [full] = verify([pair], n_jobs=2), verify([pair], n_jobs=2, full_runs=True)
    np.testing.assert_allclose(quick.frame["epsp_mV"], full.frame["epsp_mV"], rtol=0, atol=1e-9)
    assert full.passed


def test_misread_centres_are_reported_with_their_effect(finer):
    [check] = verify([finer], n_jobs=2)
    assert check.passed
    assert list(check.misread["segment"]) == [0, 2]
    assert list(check.misread["centre_reads"]) == [-1, 1]
    table = finer[1].weight_norm["Bdend"]
    first = check.misread.iloc[0]  # NetPyNE scales the first segment by the last one's entry
    assert first["centre_epsp_mV"] / 0.5 == pytest.approx(table[2] / table[0], rel=0.02)
    assert abs(first["centre_epsp_mV"] - 0.5) > 0.005


def test_a_wrong_table_does_not_pass(m1):
    model, table = m1["IT2_reduced"]
    wrong = deepcopy(table)
    wrong.weight_norm["Adend2"][0] *= 1.01
    [check] = verify([(model, wrong)], n_jobs=2)
    assert not check.passed
    assert list(check.frame.loc[~check.frame["met"], "sec"]) == ["Adend2"]
    assert check.largest_error == pytest.approx(0.01, rel=0.05)


def test_a_table_that_does_not_fit_the_cell(m1, finer):
    with pytest.raises(TableError, match=r"3 entries for 'Bdend', but the section has nseg = 1"):
        verify([(m1["PT5B_reduced"][0], finer[1])])
    with pytest.raises(TableError, match="has section 'Bdend', which cell 'PV_simple' has not"):
        verify([(m1["PV_simple"][0], finer[1])])


def test_an_entry_that_netpyne_clips_is_measured_as_it_is_loaded(m1):
    model, table = m1["PV_simple"]
    values = {"soma": [table.weight_norm["soma"][0]], "dend": [1e4]}
    given = WeightNormTable("PV_simple", values, {"soma": ["given"], "dend": ["given"]})
    [check] = verify([(model, given)], n_jobs=2)
    assert list(check.frame["clipped"]) == [False, True]
    assert list(check.frame["met"]) == [True, False]
