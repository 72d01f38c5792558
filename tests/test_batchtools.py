"""NetPyNE's own grid search, as the benchmark runs it, against the Rig."""

from __future__ import annotations

import importlib.util
from itertools import product

import pytest

from benchmarks.batchtools import batchtools_grid
from wscale import Rig, list_sites
from wscale.errors import ConfigError

SECTIONS, WEIGHTS = ("soma", "dend"), (1e-4, 2e-4)


@pytest.mark.slow
def test_it_finds_the_epsps_of_the_rig(load, tmp_path, monkeypatch):
    pytest.importorskip("batchtk")
    pytest.importorskip("ray")
    monkeypatch.chdir(tmp_path)
    wall_s, points, failed = batchtools_grid(
        "PV_simple", SECTIONS, WEIGHTS, cfg={"dt": 0.05}, workers=2
    )
    assert wall_s > 0
    assert failed == 0
    assert not list(tmp_path.iterdir())
    model = load("PV_simple", dt=0.05)
    sites = {(site.sec, site.loc): site for site in list_sites(model)}
    trials = [(sites[sec, 0.5], weight) for sec, weight in product(SECTIONS, WEIGHTS)]
    with Rig(model, list(sites.values())) as rig:
        responses = rig.respond(trials)
    for (site, weight), response, point in zip(trials, responses, points, strict=True):
        assert (point["sec"], point["loc"], point["weight_uS"]) == (site.sec, site.loc, weight)
        assert point["epsp_mV"] == pytest.approx(response.epsp_mV, rel=0, abs=1e-6)


@pytest.mark.slow
def test_a_point_without_a_result_is_counted():
    pytest.importorskip("batchtk")
    pytest.importorskip("ray")
    weights = (1e-4, float("inf"))
    _, points, failed = batchtools_grid("PV_simple", ["soma"], weights, cfg={"dt": 0.05}, workers=2)
    assert failed == 1
    assert [point["epsp_mV"] is None for point in points] == [False, True]


def test_without_the_extra_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"ray.*pip install 'wscale\[bench\]'"):
        batchtools_grid("PV_simple", SECTIONS, WEIGHTS, cfg={}, workers=1)
