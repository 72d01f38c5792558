"""The inspection of a cell: analytic passive cells, the M1 cells, and cells that are not fit."""

from __future__ import annotations

import dataclasses
import io
import json
from copy import deepcopy
from math import pi

import numpy as np
import pytest
from rich.console import Console

from wscale import Model, Protocol, Rig, list_sites
from wscale.cli.inspection_table import print_inspection
from wscale.errors import ConfigError
from wscale.inspection.inspect import inspect_cell
from wscale.inspection.membrane import slowest_ms
from wscale.model.synapses import SynapseGroup, with_synapses
from wscale.parallel.sandbox import Sandbox


def edited(model, change):
    """A copy of a model with its plain data changed."""
    copy = dataclasses.replace(model, net=deepcopy(model.net), cfg=deepcopy(model.cfg))
    change(copy)
    return copy


def passive(model, g_S_per_cm2=1e-4, dendrite=False):
    """The model with a passive soma of 20 x 20 um, and perhaps a dendrite."""

    def change(model):
        def sec(length, diam, nseg):
            return {
                "geom": {"L": length, "diam": diam, "nseg": nseg, "cm": 1.0, "Ra": 100.0},
                "mechs": {"pas": {"g": g_S_per_cm2, "e": -70.0}},
            }

        model.rule["secs"] = {"soma": sec(20.0, 20.0, 1)}
        if dendrite:
            topol = {"parentSec": "soma", "parentX": 1.0, "childX": 0.0}
            model.rule["secs"]["dend"] = {**sec(500.0, 2.0, 11), "topol": topol}
        model.rule["secLists"], model.rule["globals"] = {}, {}

    return edited(model, change)


def printed(inspection):
    text = io.StringIO()
    print_inspection(inspection, Console(file=text, width=80))
    return text.getvalue()


@pytest.mark.parametrize("g_S_per_cm2", [3e-5, 1e-4, 5e-4])
def test_passive_compartment_is_analytic(load, g_S_per_cm2):
    model = passive(load("PV_simple", dt=0.05), g_S_per_cm2)
    found = inspect_cell(model, n_jobs=1)
    tau_ms = 1e-3 / g_S_per_cm2  # cm = 1 uF/cm2
    resistance_MOhm = 1e-6 / (g_S_per_cm2 * pi * 20e-4 * 20e-4)
    assert found.dynamics.time_constant_ms == pytest.approx(tau_ms, rel=0.002)
    assert found.dynamics.input_resistance_MOhm == pytest.approx(resistance_MOhm, rel=0.01)
    assert found.sections[0].rest_mV == pytest.approx(-70.0, abs=1e-3)
    assert found.sections[0].length_um == pytest.approx(20.0)
    assert found.fit
    assert "only the soma" in " ".join(found.notices)


def neuron_resistance_MOhm(model):
    """What NEURON's Impedance says at the soma at frequency 0, in a process of its own."""
    [soma] = [site for site in list_sites(model) if site.sec == "soma"]
    with Rig(model, [soma]) as rig:
        return rig.impedances_MOhm(0.0)[soma].transfer


def test_passive_dendrite_agrees_with_impedance(load):
    model = passive(load("PV_simple", dt=0.05), 2e-4, dendrite=True)
    found = inspect_cell(model, n_jobs=1)
    with Sandbox() as sandbox:
        impedance = sandbox.call(neuron_resistance_MOhm, model)
    assert found.dynamics.input_resistance_MOhm == pytest.approx(impedance, rel=1e-3)
    assert found.dynamics.time_constant_ms == pytest.approx(5.0, rel=0.01)  # all Rm and Cm equal
    assert (found.sections[1].nearest_um, found.sections[1].farthest_um) == pytest.approx(
        (10 + 500 / 22, 10 + 500 * 21 / 22)
    )


@pytest.mark.parametrize(
    ("cell", "sections", "segments", "sites", "resistance_MOhm", "tau_ms"),
    [
        ("PV_simple", 3, 3, 2, 141.5, 6.9),
        ("PT5B_reduced", 6, 6, 5, 70.7, 10.0),
        ("PT5B_hh", 4, 14, 8, 46.3, 0.97),
    ],
)
def test_m1_cells_are_fit(load, cell, sections, segments, sites, resistance_MOhm, tau_ms):
    model = load(cell, dt=0.05)
    found = inspect_cell(model, n_jobs=2)
    assert found.status == "fit for calibration"
    assert (len(found.sections), found.segments, found.sites) == (sections, segments, sites)
    assert found.section_lists == model.rule["secLists"]
    assert sum(found.mechanisms.values()) == sum(len(s.mechanisms) for s in found.sections)
    assert found.syn_mechs == {"AMPA": "MyExp2SynBB", "NMDA": "MyExp2SynNMDABB"}
    assert (found.celsius_degC, found.v_init_mV, found.dt_ms) == (34.0, -80.0, 0.05)
    assert found.validation == ()
    assert found.dynamics.spikes == 0
    assert abs(found.dynamics.drift_mV) < 0.02
    assert found.dynamics.input_resistance_MOhm == pytest.approx(resistance_MOhm, rel=0.01)
    assert found.dynamics.time_constant_ms == pytest.approx(tau_ms, rel=0.03)
    assert all(-90 < section.rest_mV < -60 for section in found.sections)
    assert found.grid_s > 3 < found.targeted_s[0] < found.targeted_s[1] < 60
    assert max(len(line) for line in printed(found).splitlines()) <= 80
    assert "fit for calibration" in printed(found)
    again = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert again["dynamics"]["spikes"] == 0
    assert again["status"] == found.status


def test_estimate_grows_with_weights_and_shrinks_with_jobs(load):
    found = inspect_cell(load("PT5B_reduced", dt=0.05), n_jobs=1)
    slow = dataclasses.replace(found, weights=190)
    trial_s = found.dynamics.trial_s
    assert slow.grid_s - found.grid_s == pytest.approx(5 * 171 * trial_s)
    assert slow.grid_s > dataclasses.replace(slow, jobs=4).grid_s


def test_drift_is_said(load):
    found = inspect_cell(load("PV_simple", **{"dt": 0.05, "NetStim1.start": 20.0}), n_jobs=2)
    assert not found.fit
    assert "drifts by" in found.status
    assert found.dynamics.spikes == 0
    assert found.dynamics.input_resistance_MOhm > 0


def test_firing_is_said_and_passive_properties_are_left_out(load):
    def depolarise(model):
        for sec in model.rule["secs"].values():
            sec["mechs"]["pas"]["e"] = -30.0

    found = inspect_cell(edited(load("SOM_simple", dt=0.05), depolarise), n_jobs=2)
    assert "fires on its own" in found.status
    assert found.dynamics.spikes > 1
    assert found.dynamics.input_resistance_MOhm is None
    assert "not measured" in printed(found)
    json.dumps(found.as_dict(), allow_nan=False)


def test_a_cell_that_is_not_finite(load):
    def break_it(model):
        model.rule["secs"]["dend"]["mechs"]["pas"]["g"] = float("nan")

    found = inspect_cell(edited(load("PV_simple", dt=0.05), break_it), n_jobs=2)
    assert "not finite" in found.status
    json.dumps(found.as_dict(), allow_nan=False)
    printed(found)


def test_missing_mechanism_and_broken_topology_leave_the_description(load):
    def ask_for_more(model):
        model.rule["secs"]["dend"]["mechs"]["nosuch"] = {}

    def disconnect(model):
        model.rule["secs"]["dend"]["topol"]["parentSec"] = "nowhere"

    missing = inspect_cell(edited(load("PV_simple", dt=0.05), ask_for_more), n_jobs=2)
    assert missing.dynamics is None
    assert missing.grid_s is None
    assert "mechanisms not found: nosuch" in missing.status
    broken = inspect_cell(edited(load("PV_simple", dt=0.05), disconnect), n_jobs=2)
    assert "nowhere" in broken.status
    assert broken.sections[2].nearest_um is None or broken.sections[1].nearest_um is None
    for found in (missing, broken):
        assert max(len(line) for line in printed(found).splitlines()) <= 80


def test_netpyne_complaints_are_passed_on(load):
    def misuse(model):
        model.rule["conds"] = {}

    found = inspect_cell(edited(load("PV_simple", dt=0.05), misuse), n_jobs=2)
    assert any("conds" in message for message in found.validation)
    assert found.fit


def test_notices_hold_the_stored_weight_norm(load):
    def scale(model):
        model.rule["secs"]["soma"]["weightNorm"] = [1e-3]

    model = edited(load("PV_simple", dt=0.05), scale)
    found = inspect_cell(Model._checked(model.cell, model.net, model.cfg, model.mod), n_jobs=2)
    assert "stored weightNorm removed from 1 sections" in " ".join(found.notices)
    assert "stored weightNorm removed" in printed(found)


@pytest.mark.parametrize(("beyond_um", "fit"), [(-1, False), (5, True)])
def test_trials_that_fail_are_said(load, beyond_um, fit):
    """At every site, the cell cannot be calibrated; at one, a search will say so of it."""
    reversal = f"1.7e308 * (post_dist_path > {beyond_um})"
    synapse = {"mod": "Exp2Syn", "tau1": 0.1, "tau2": 5.0, "e": reversal}
    model = passive(load("PV_simple", **{"dt": 0.05, "NetStim1.weight": 50.0}), dendrite=True)
    found = inspect_cell(with_synapses(model, SynapseGroup("", {"syn": synapse})), n_jobs=1)
    assert found.fit is fit
    if fit:
        assert "a trial at dend(0.954545) failed: " in " ".join(found.notices)
    else:
        assert found.status.startswith("not fit: cannot be calibrated: ")
        assert "not finite" in found.status


def test_input_is_checked(load):
    model = load("PV_simple", dt=0.05)
    with pytest.raises(ConfigError, match="weights = 0"):
        inspect_cell(model, weights=0)
    with pytest.raises(ConfigError, match="n_jobs = 0"):
        inspect_cell(model, n_jobs=0)
    with pytest.raises(ConfigError, match="ends at 850 ms"):
        inspect_cell(model, protocol=Protocol(window_ms=150.0))


def test_slowest_component():
    t = np.arange(0.0, 200.0, 0.05)
    both = 0.2 * np.exp(-t / 15.0) + np.exp(-t / 1.0)
    assert slowest_ms(both, 0.05, 0.0) == pytest.approx(15.0, rel=1e-3)
    assert slowest_ms(np.exp(-t / 500.0), 0.05, 0.0) is None
    assert slowest_ms(np.full_like(t, np.nan), 0.05, 0.0) is None
    assert slowest_ms(-both, 0.05, 0.0) is None


def test_what_is_no_site_is_said_and_every_mechanism_named(load):
    found = inspect_cell(load("PT5B_reduced", dt=0.05), n_jobs=2)
    text = " ".join(printed(found).split())
    assert found.left_out == ("axon",)
    assert "sites 5 of 6 segments; left out as axon: axon" in text
    named = {name for section in found.sections for name in section.mechanisms}
    assert max(len(section.mechanisms) for section in found.sections) > 3
    assert all(name in text.partition(" cell ")[0] for name in named)
    assert "erev_ih -37.0" in text.partition(" globals ")[2].partition("(of the cell rule, ")[0]
    few = dataclasses.replace(found, jobs=1, dynamics=dataclasses.replace(found.dynamics, spikes=1))
    assert "1 spike" in printed(few)
    assert "1 spikes" not in printed(few)
    assert "1 worker)" in printed(few)


def test_an_estimate_is_no_span_from_a_number_to_itself(load):
    found = inspect_cell(load("PV_simple", dt=0.05), n_jobs=2)
    quick = dataclasses.replace(found.dynamics, trial_s=1e-4, build_s=0.0, settling_s=0.0)
    text = printed(dataclasses.replace(found, dynamics=quick))
    assert "norm, estimated" in text
    assert "3 to 3" not in text


def test_netpyne_says_no_riddles_of_sections_without_mechanisms(load):
    """Nor does a synapse that is not activated, and whose mechanism is not there, end it."""

    def strip(model):
        model.rule["secs"]["dend"]["mechs"] = {}
        model.net["synMechParams"]["other"] = {"mod": "nosuch", "tau1": 1.0}

    model = edited(load("PV_simple", dt=0.05), strip)
    found = inspect_cell(Model._checked(model.cell, model.net, model.cfg, model.mod), n_jobs=2)
    assert found.validation == ()
    assert "1 of 3 sections (dend) have no mechanism" in " ".join(found.notices)
