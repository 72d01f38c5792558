"""The Rig against NetPyNE's own runs, and against itself: fresh, reused, in any order."""

from __future__ import annotations

import dataclasses
from copy import deepcopy

import numpy as np
import pytest

from wscale import Protocol, Rig, list_sites, measure
from wscale.errors import ConfigError, ModelError, SimulationError
from wscale.parallel.pool import LocalBackend
from wscale.simulation.full_run import netpyne_trace

WEIGHTS = (1e-4, 1.5e-3)


def edited(model, change):
    """A copy of a model with its plain data changed."""
    copy = dataclasses.replace(model, net=deepcopy(model.net), cfg=deepcopy(model.cfg))
    change(copy)
    return copy


def full_run(task):
    return netpyne_trace(*task)


@pytest.mark.parametrize(
    ("cell", "cfg"),
    [
        pytest.param("PV_simple", {}, id="PV_simple"),
        pytest.param("PT5B_reduced", {}, id="PT5B_reduced"),
        # as equal at any time step; at this one the six runs take half as long
        pytest.param("PT5B_pyramid", {"dt": 0.05}, id="PT5B_pyramid", marks=pytest.mark.slow),
    ],
)
def test_trace_and_epsp_equal_a_full_netpyne_run(load, cell, cfg):
    model = load(cell, **cfg)
    sites = list_sites(model)
    chosen = list(dict.fromkeys((sites[0], sites[len(sites) // 2], sites[-1])))
    if len(chosen) < 3:  # two segments outside the axon: the axon is the third site
        sites = (*sites, *list_sites(model, "axon"))
        chosen = list(sites)
    trials = [(site, weight) for site in chosen for weight in WEIGHTS]
    assert len(trials) == 6
    with Rig(model, sites) as rig:
        responses = rig.respond(trials)
        traces = [rig.trace(site, weight) for site, weight in trials]
    full_runs = LocalBackend(n_jobs=2).map(full_run, [(model, *trial) for trial in trials])
    for (t, v), (t_full, v_full), response in zip(traces, full_runs, responses, strict=True):
        first = np.searchsorted(t_full, t[0] - 1e-6)
        v_full = v_full[first : first + len(t)]
        assert len(v_full) >= 1000
        np.testing.assert_allclose(v[: len(v_full)], v_full, rtol=0, atol=1e-9)
        independent = measure(
            t_full[first : first + len(t)],
            v_full,
            onset_ms=model.onset_ms,
            arrival_ms=model.arrival_ms,
        )
        assert response.status == independent.status
        assert response.epsp_mV == pytest.approx(independent.epsp_mV, abs=1e-9)


def test_order_and_reuse_change_nothing(load):
    model = load("PT5B_reduced", dt=0.05)
    sites = list_sites(model)
    trials = [(site, weight) for site in sites for weight in (*WEIGHTS, 0.2)]
    with Rig(model, sites) as rig:
        forward = rig.respond(trials)
        backward = rig.respond(trials[::-1])[::-1]
        again = rig.respond(trials)
    with Rig(model, sites) as fresh:
        last_alone = fresh.respond(trials[-1:])
    assert forward == backward == again
    assert last_alone == forward[-1:]
    assert {response.status for response in forward} == {"ok", "spike"}


def test_one_rig_after_another_under_the_same_name(load):
    model = load("PV_simple", dt=0.05)
    sites = list_sites(model)
    for _ in range(2):
        with Rig(model, sites) as rig:
            assert rig.respond([(sites[0], 1e-4)])[0].ok


def test_idle_synapses_elsewhere_change_nothing(load):
    model = load("PT5B_reduced", dt=0.05)
    sites = list_sites(model)
    with Rig(model, sites) as rig:
        among_others = rig.respond([(sites[-1], 1e-3)])
    with Rig(model, sites[-1:]) as rig:
        alone = rig.respond([(sites[-1], 1e-3)])
    assert among_others == alone


def test_another_cell_before_changes_nothing(load):
    """PV_simple sets globals (ki0_k_ion, ...) that IT2_reduced does not; no trace of them stays."""
    model, other = load("IT2_reduced", dt=0.05), load("PV_simple", dt=0.05)
    sites = list_sites(model)
    trials = [(site, 1e-3) for site in sites]
    from neuron import h

    h.celsius, h.dt = 21.0, 0.1  # whatever earlier tests have left
    with Rig(model, sites) as rig:
        first = rig.respond(trials)
        inside = (h.celsius, h.dt, h.ki0_k_ion)
    outside = (h.celsius, h.dt, h.ki0_k_ion)
    assert outside[:2] == (21.0, 0.1)
    with Rig(other, list_sites(other)):
        assert h.ki0_k_ion == 140.0
    assert (h.celsius, h.dt, h.ki0_k_ion) == outside != inside
    assert not list(h.allsec())
    with Rig(model, sites) as rig:
        assert rig.respond(trials) == first


def test_a_full_run_leaves_neuron_as_it_was(load):
    """What NetPyNE calls at each initialisation would fail in whatever is simulated next."""
    from neuron import h

    h.celsius, h.dt = 21.0, 0.1
    model = load("PV_simple", dt=0.05)
    netpyne_trace(model, list_sites(model)[0], 1e-3)
    assert (h.celsius, h.dt) == (21.0, 0.1)
    own = h.Section(name="own")
    h.finitialize(-70)
    assert own(0.5).v == -70


def test_a_network_of_the_user_is_not_replaced(load):
    model = load("PV_simple", dt=0.05)
    with (
        Rig(model, list_sites(model)),
        pytest.raises(SimulationError, match=r"already holds a network.*clearAll"),
    ):
        Rig(model, list_sites(model))


def test_drift_is_a_status(load):
    model = load("PV_simple", **{"dt": 0.05, "NetStim1.start": 20.0})
    with Rig(model, list_sites(model)) as rig:
        [response] = rig.respond([(rig.sites[0], 1e-4)])
        assert abs(rig.drift_mV) > 0.02
    assert response.status == "drift"
    assert "without stimulation" in response.reason


def test_a_cell_that_fires_on_its_own_is_not_measured(load):
    def depolarise(model):
        for sec in model.rule["secs"].values():
            sec["mechs"]["pas"]["e"] = -30.0

    model = edited(load("SOM_simple", dt=0.05), depolarise)
    with Rig(model, list_sites(model)) as rig:
        assert abs(rig.drift_mV) > 20
        assert {r.status for r in rig.respond([(s, 1e-4) for s in rig.sites])} == {"drift"}


def test_ipsp(load):
    model = load(
        "SOM_simple",
        **{"dt": 0.05, "NetStim1.synMech": ("GABA",), "NetStim1.synMechWeightFactor": (1.0,)},
    )
    with Rig(model, list_sites(model), Protocol(polarity=-1)) as rig:
        small, large = rig.respond([(rig.sites[0], 1e-4), (rig.sites[0], 1e-3)])
    assert small.ok
    assert large.epsp_mV < small.epsp_mV < 0


def test_nan_is_a_failed_response(load):
    def break_it(model):
        model.rule["secs"]["dend"]["mechs"]["pas"]["g"] = float("nan")

    model = edited(load("PV_simple", dt=0.05), break_it)
    with Rig(model, list_sites(model)) as rig:
        [response] = rig.respond([(rig.sites[0], 1e-4)])
    assert (response.status, response.reason) == ("failed", "the somatic potential is not finite")


def test_cvode_is_near_the_fixed_step(load):
    model = load("PV_simple")
    with Rig(model, list_sites(model)) as rig:
        [fixed] = rig.respond([(rig.sites[0], 2e-4)])
    model = load("PV_simple", cvode_active=True, cvode_atol=1e-6)
    with Rig(model, list_sites(model)) as rig:
        first = rig.respond([(rig.sites[0], 2e-4)])
        assert rig.respond([(rig.sites[0], 2e-4)]) == first
    assert first[0].epsp_mV == pytest.approx(fixed.epsp_mV, rel=5e-3)


def test_missing_mechanism_is_named_before_anything_is_built(load):
    def ask_for_more(model):
        model.rule["secs"]["dend"]["mechs"]["nosuch"] = {}

    model = edited(load("PV_simple", dt=0.05), ask_for_more)
    with pytest.raises(ModelError, match=r"not found: nosuch \(needed by dend\).*`mod`"):
        Rig(model, list_sites(model))


def test_parameter_that_a_mechanism_has_not(load):
    def misspell(model):
        model.rule["secs"]["dend"]["mechs"]["pas"]["gg"] = 1.0

    model = edited(load("PV_simple", dt=0.05), misspell)
    with pytest.raises(ModelError, match=r"section dend: pas has no parameter 'gg'; it has e, g"):
        Rig(model, list_sites(model))


def test_window_beyond_the_duration(load):
    model = load("PV_simple", dt=0.05)
    with pytest.raises(ConfigError, match=r"ends at 850 ms.*cfg.duration = 800"):
        Rig(model, list_sites(model), Protocol(window_ms=150.0))
