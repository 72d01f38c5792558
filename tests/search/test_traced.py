"""Traces at solved weights: what is recorded changes nothing, and what is kept is what was run."""

from __future__ import annotations

import copy
import io

import numpy as np
import pytest
from helpers import REPO
from rich.console import Console

from wscale import Response, Rig, grid, list_sites, solve
from wscale.calibrate.settings import SearchSettings
from wscale.cli.calibration import calibrate_and_print
from wscale.measurement.epsp import Protocol
from wscale.parallel.pool import LocalBackend
from wscale.parallel.sandbox import Sandbox
from wscale.results.traces import Traces
from wscale.search.cell import SearchCell
from wscale.search.search import run
from wscale.search.traced import _spread, identity, plan_profile

GABA = {"NetStim1.synMech": ("GABA",), "NetStim1.synMechWeightFactor": (1.0,)}
WEIGHT_uS = 1.5e-3


def local_by_netpyne(model, site, weight_uS):
    """The potential at a synapse in NetPyNE's own run from time 0 (in a worker)."""
    from wscale.mechanisms.loading import load_mechanisms
    from wscale.simulation.rig import release_rig
    from wscale.simulation.session import claim_netpyne, clear_netpyne

    load_mechanisms(model.mod)
    release_rig()
    sim = claim_netpyne()
    from netpyne import specs

    net, cfg = copy.deepcopy(model.net), copy.deepcopy(model.cfg)
    net["stimTargetParams"][model.stim_target_label].update(
        sec=site.sec, loc=site.loc, weight=weight_uS
    )
    local = {"sec": site.sec, "loc": site.loc, "var": "v"}
    cfg.update(analysis={}, recordCells=["all"], recordTraces={"local": local}, recordTime=True)
    try:
        sim.createSimulate(specs.NetParams(net), specs.SimConfig(cfg))
        return np.array(sim.simData["t"]), np.array(sim.simData["local"]["cell_0"])
    finally:
        clear_netpyne(sim)


def cell_of(model, polarity=1):
    sites = list_sites(model)
    targets = (polarity * 0.5,) * len(sites)
    return SearchCell(model, sites, targets, Protocol(polarity=polarity))


@pytest.mark.parametrize(
    "overrides", [{}, GABA, {"cvode_active": True}], ids=["EPSP", "IPSP", "CVODE"]
)
def test_a_local_recording_does_not_change_a_bit_at_the_soma(load, overrides):
    model = load("PT5B_reduced", dt=0.05, **overrides)
    with Rig(model, list_sites(model)) as rig:
        for site in rig.sites:
            t_before, before = rig.trace(site, WEIGHT_uS)
            t, soma, local = rig.trace_with_local(site, WEIGHT_uS)
            assert np.array_equal(soma, before)
            assert np.array_equal(rig.trace(site, WEIGHT_uS)[1], before)
            assert np.array_equal(t, t_before[: len(soma)])
            if site.sec == "soma" and not overrides.get("cvode_active"):
                assert np.array_equal(local, soma[-len(local) :])
            assert t[-len(local)] < model.arrival_ms <= t[-len(local) + 1]


def test_the_local_potential_is_that_of_netpynes_own_run(load):
    model = load("PT5B_reduced", dt=0.05)
    site = list_sites(model, "Adend2")[0]
    with Sandbox() as sandbox:
        t_full, v_full = sandbox.call(local_by_netpyne, model, site, WEIGHT_uS)
    with Rig(model, list_sites(model)) as rig:
        t, _, local = rig.trace_with_local(site, WEIGHT_uS)
    first = np.searchsorted(t_full, t[-len(local)] - 1e-6)
    v_full = v_full[first : first + len(local)]
    assert len(v_full) > 900
    np.testing.assert_allclose(local[: len(v_full)], v_full, rtol=0, atol=1e-9)


@pytest.fixture(scope="module")
def profiled(load):
    """A targeted search of two cells, and its profile."""
    models = [load(cell, dt=0.05) for cell in ("PV_simple", "PT5B_reduced")]
    results = solve(models, n_jobs=2)
    plan = plan_profile([(cell_of(m), r) for m, r in zip(models, results, strict=True)])
    return results, run(plan, LocalBackend(n_jobs=2))


def test_traces_are_those_of_the_rig_at_the_solved_weights(profiled):
    result, profile = profiled[0][1], profiled[1][1]
    traces = profile.traces
    places = [(site.sec, site.segment) for site, _ in result.solutions]
    assert list(zip(traces.sec, traces.segment, strict=True)) == places
    with Rig(result.model, [site for site, _ in result.solutions]) as rig:
        for k, (site, solution) in enumerate(result.solutions):
            t, v = rig.trace(site, solution.weight_uS)
            assert np.array_equal(traces.soma_mV[k], v)
            assert np.array_equal(traces.t_ms, t)
            assert traces.weight_uS[k] == solution.weight_uS
            assert traces.soma_epsp_mV[k] == pytest.approx(solution.epsp_mV, abs=1e-9)
    distance = [site.distance_um for site, _ in result.solutions]
    attenuation = traces.soma_epsp_mV / traces.local_epsp_mV
    assert attenuation[np.argmin(distance)] == pytest.approx(1.0, rel=1e-3)
    assert attenuation[np.argmax(distance)] == attenuation.min() < 0.2


def test_the_fixed_weight_is_the_same_everywhere_and_its_epsps_are_the_rigs(profiled):
    for result, profile in zip(*profiled, strict=True):
        traces = profile.traces
        solved = [solution.weight_uS for _, solution in result.solutions]
        assert min(solved) * 0.9 < traces.fixed_weight_uS < max(solved) * 1.1
        assert set(traces.fixed_status) == {"ok"}
        sites = [site for site, _ in result.solutions]
        with Rig(result.model, sites) as rig:
            responses = rig.respond([(site, traces.fixed_weight_uS) for site in sites])
        assert traces.fixed_epsp_mV.tolist() == [response.epsp_mV for response in responses]
        assert profile.trials == 2 * len(sites)


def test_a_grid_needs_no_fixed_weight_and_only_solved_sites_are_traced(load):
    model = load("PT5B_reduced", dt=0.05)
    [result] = grid(model, [5e-4, 1.9e-3], n_jobs=2)
    solved = [site.sec for site, solution in result.solutions if solution.status == "ok"]
    assert 0 < len(solved) < len(result.solutions)
    [profile] = run(plan_profile([(cell_of(model), result)]), LocalBackend(n_jobs=1))
    assert list(profile.traces.sec) == solved
    assert profile.traces.fixed_weight_uS is None
    assert profile.trials == len(solved)


def test_of_many_sites_some_are_traced_over_the_whole_tree(load):
    sites = dict(enumerate(list_sites(load("PT5B_pyramid", dt=0.05))))
    chosen = _spread(sites)
    assert 20 < len(chosen) <= 40 < len(sites)
    assert chosen == sorted(set(chosen))
    distances = sorted(sites[index].distance_um for index in chosen)
    every = [site.distance_um for site in sites.values()]
    assert (distances[0], distances[-1]) == (min(every), max(every))
    assert np.diff(distances).max() < 0.1 * max(every)


def test_a_site_whose_process_ended_is_failed_and_the_others_are_kept(profiled, own_process_rig):
    result, profile = profiled[0][1], profiled[1][1]
    plan = plan_profile([(cell := cell_of(result.model), result)])
    parts = [plan.function(cell, index, [], plan.setting) for index in range(len(cell.sites))]
    parts[1] = plan.failed(cell, 1, plan.setting, "its process ended")
    traces = plan.join(cell, parts).traces
    assert traces.fixed_status[1] == "failed"
    assert np.isnan(traces.fixed_epsp_mV[1])
    assert len(traces.sec) == len(profile.traces.sec) - 1
    assert np.array_equal(traces.soma_mV, np.delete(profile.traces.soma_mV, 1, axis=0))


def test_nothing_is_solved_and_nothing_is_run(load):
    model = load("PV_simple", dt=0.05)
    [result] = solve(model, targets=1e3, n_jobs=1)
    plan = plan_profile([(cell_of(model), result)])
    [profile] = run(plan, LocalBackend(n_jobs=1))
    assert profile.trials == len(profile.traces.sec) == 0
    assert profile.traces.fixed_weight_uS is None


def test_the_file_gives_back_what_was_written(profiled, tmp_path):
    for number, profile in enumerate(profiled[1]):
        path = tmp_path / f"{number}.npz"
        profile.traces.write(path, "made of this")
        again = Traces.read(path)
        for name, value in vars(profile.traces).items():
            assert np.array_equal(getattr(again, name), value), name
        assert Traces.identity(path) == "made of this"
        assert path.stat().st_size < 2e5
    assert Traces.identity(tmp_path / "none.npz") is None


def test_what_decides_the_traces_is_their_identity(load, profiled):
    result = profiled[0][0]
    cell = cell_of(result.model)
    assert identity(cell, result) == identity(cell_of(result.model), result)
    other = load("PV_simple", dt=0.025)
    assert identity(cell_of(other), result) != identity(cell, result)
    assert identity(cell_of(result.model, polarity=-1), result) != identity(cell, result)


def test_the_same_command_runs_no_trial_twice(tmp_path):
    settings = SearchSettings.make(folder=str(REPO), cells=["PV_simple"], cfg={"dt": 0.05})

    def search(**options):
        said = io.StringIO()
        console = Console(file=said, width=300)
        assert calibrate_and_print(settings, tmp_path, console, method="norm", n_jobs=1, **options)
        return said.getvalue()

    search()
    assert not (tmp_path / "traces").exists()
    file = tmp_path / "traces" / "PV_simple.npz"
    # At two sites: solved, and fixed weight
    assert "0 trials and 4 for traces in" in search(traces=True)
    written = file.read_bytes()
    assert "0 trials in" in search(traces=True)
    assert file.read_bytes() == written


def test_responses_that_are_not_ok_keep_their_status(load, own_process_rig):
    """A fixed weight can be a spike where a distal site needs much."""
    model = load("PT5B_reduced", dt=0.05)
    [result] = solve(model, targets=12.0, n_jobs=2)
    cell = cell_of(model)
    plan = plan_profile([(cell, result)])
    one = plan.function(cell, 0, [], plan.setting)
    parts = [
        type(one)(index, fixed=Response("spike", "it spikes", -70.0, 80.0))
        for index in range(len(cell.sites))
    ]
    traces = plan.join(cell, parts).traces
    assert set(traces.fixed_status) == {"spike"}
    assert len(traces.sec) == 0
