"""What uncalibrated entries give at the soma, measured after a search."""

from __future__ import annotations

import pickle

import pytest
from helpers import REPO

from wscale import Rig, list_sites
from wscale.calibrate.job import calibrate
from wscale.calibrate.settings import SearchSettings
from wscale.tables.weightnorm import WeightNormTable


def searched(folder, **settings):
    """A targeted search that may not use more than 1 nS, which two of five segments need."""
    made = SearchSettings.make(
        folder=str(REPO), cells=["PT5B_reduced"], cfg={"dt": 0.05}, max_weight=1e-3, **settings
    )
    done = calibrate(made, folder, method="norm", n_jobs=1)
    return done, WeightNormTable.read(folder / "weightNorm" / "PT5B_reduced_weightNorm.json")


def test_each_is_simulated_once_with_the_number_it_gets(tmp_path):
    done, table = searched(tmp_path)
    assert table.counts == {"ok": 3, "implausible": 2}
    [result] = done.results
    assert done.trials == result.trials + 2
    loaded = pickle.loads((tmp_path / "weightNorm" / "PT5B_reduced_weightNorm.pkl").read_bytes())
    sites = {site.sec: site for site in list_sites(result.model)}
    with Rig(result.model, list(sites.values())) as rig:
        for sec in ("Adend2", "Adend3"):
            assert loaded[sec] == table.stand_in[sec] == table.weight_norm["Adend1"]
            [response] = rig.respond([(sites[sec], 0.5 * loaded[sec][0])])
            assert table.stand_in_epsp_mV[sec] == pytest.approx([response.epsp_mV], rel=1e-9)
            assert 0.05 < response.epsp_mV < 0.4
    assert table.stand_in_epsp_mV["soma"] == [None]


@pytest.mark.parametrize("how", ["zero", "refuse"])
def test_nothing_is_simulated_where_nothing_is_held(tmp_path, how):
    done, table = searched(tmp_path, uncalibrated=how)
    assert done.trials == done.results[0].trials
    assert {value for row in table.stand_in_epsp_mV.values() for value in row} == {None}
    assert (tmp_path / "weightNorm" / "PT5B_reduced_weightNorm.pkl").exists() == (how == "zero")
