"""NetPyNE's own grid search, as the benchmark runs it, against the Rig."""

from __future__ import annotations

import importlib.util
from itertools import product

import pytest

from benchmarks.batchtools import batchtools_grid
from wscale import Rig, list_sites
from wscale.errors import ConfigError

SECTIONS, LOCS, WEIGHTS = ("soma", "dendrite"), (0.25, 0.5), (1e-4, 2e-4)


@pytest.mark.slow
def test_it_finds_the_epsps_of_the_rig(load, tmp_path, monkeypatch):
    pytest.importorskip("batchtk", reason="needs the extra 'bench'")
    pytest.importorskip("ray", reason="needs the extra 'bench'")
    monkeypatch.chdir(tmp_path)
    wall_s, points, failed = batchtools_grid(
        "PT5B_hh", SECTIONS, WEIGHTS, cfg={"dt": 0.05}, workers=2, locs=LOCS
    )
    assert wall_s > 0
    assert failed == 0
    assert not list(tmp_path.iterdir())
    model = load("PT5B_hh", dt=0.05)
    sites = list_sites(model, SECTIONS, LOCS)
    trials = list(product(sites, WEIGHTS))
    with Rig(model, sites) as rig:
        responses = rig.respond(trials)
    for (site, weight), response, point in zip(trials, responses, points, strict=True):
        assert (point["sec"], point["loc"], point["weight_uS"]) == (site.sec, site.loc, weight)
        assert point["epsp_mV"] == pytest.approx(response.epsp_mV, rel=0, abs=1e-6)
    # the soma has one segment, the dendrite seven
    epsps = [response.epsp_mV for response in responses]
    assert epsps[0:2] == pytest.approx(epsps[2:4], rel=0, abs=1e-9)
    assert min(abs(epsps[i] - epsps[i + 2]) for i in (4, 5)) > 1e-3


@pytest.mark.slow
def test_a_point_without_a_result_is_counted():
    pytest.importorskip("batchtk", reason="needs the extra 'bench'")
    pytest.importorskip("ray", reason="needs the extra 'bench'")
    weights = (1e-4, float("inf"))
    _, points, failed = batchtools_grid(
        "PV_simple", ["soma", "dent"], weights, cfg={"dt": 0.05}, workers=2
    )
    assert failed == 3
    assert [point["epsp_mV"] is None for point in points] == [False, True, True, True]


def test_without_the_extra_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"ray.*pip install 'wscale\[bench\]'"):
        batchtools_grid("PV_simple", SECTIONS, WEIGHTS, cfg={}, workers=1)
