"""The Rig against cable theory: what it measures is what the equations of the cell say.

A soma with one dendrite, passive, and NEURON's own Exp2Syn. ``cable.py`` solves the same cell with
code of its own; the Rig's time step (implicit Euler, first order) and segments are all that may
stand between the two.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from helpers.cable import Cable, Synapse
from netpyne import specs

from wscale import Model, Protocol, Rig, list_sites
from wscale.simulation.rig import release_rig

REST_mV, ONSET_ms, DELAY_ms = -70.0, 10.0, 1.0
SAMPLE_ms = 0.025
CELL = Cable(((20.0, 20.0), (600.0, 2.0)))  # soma, dendrite
SOMA = Cable(((20.0, 20.0),))
LOCS = {"soma": (0.5,), "dend": (0.1, 0.5, 0.9)}  # centres of segments
POSITIONS_um = (10.0, 80.0, 320.0, 560.0)  # the same places in cable.py
WEIGHTS_uS = (1e-4, 5e-3, 5e-2)  # somatic EPSP 0.5-0.7, 16-25 and 38-62 mV of 70 mV: saturating
PLACES = [(x, weight) for x in POSITIONS_um for weight in WEIGHTS_uS]
SYNAPSES = {
    "excitatory": (Synapse(0.5, 5.0, 70.0),),
    "inhibitory": (Synapse(0.5, 18.0, -10.0),),
    "two together": (Synapse(0.5, 5.0, 70.0, share=0.3), Synapse(2.0, 20.0, 70.0, share=0.7)),
}
DT_ms = 0.0125
TOLERANCE = 1e-3  # relative, at DT_ms (the deviations are up to 5e-4)
TOLERANCE_AT_ZERO = 1e-4  # relative, extrapolated to a time step of 0 (up to 3e-5)
every_kind = pytest.mark.parametrize("kind", SYNAPSES)
every_place = pytest.mark.parametrize("place", PLACES, ids=lambda p: f"{p[0]:g}um-{p[1]:g}uS")


def build(cable, synapses, dt_ms, window_ms):
    """Return the Model of a cable, in the conventions of netParams.py and cfg.py."""
    net, cfg = specs.NetParams(), specs.SimConfig()
    isopotential = len(cable.cylinders_um) == 1
    secs = {}
    for name, nseg, (length, diam) in zip(
        LOCS, (1 if isopotential else 5, 75), cable.cylinders_um, strict=False
    ):
        secs[name] = {
            "geom": {"L": length, "diam": diam, "nseg": nseg, "cm": cable.cm, "Ra": cable.Ra},
            "mechs": {"pas": {"g": cable.g_pas, "e": REST_mV}},
            "topol": {"parentSec": "soma", "parentX": 1.0, "childX": 0.0} if secs else {},
        }
    net.cellParams["cable"] = {"conds": {}, "secs": secs}
    net.popParams["cell"] = {"cellType": "cable", "numCells": 1}
    for number, synapse in enumerate(synapses):
        net.synMechParams[f"syn{number}"] = {
            "mod": "Exp2Syn",
            "tau1": synapse.tau1_ms,
            "tau2": synapse.tau2_ms,
            "e": REST_mV + synapse.e_mV,
        }
    net.stimSourceParams["NetStim1"] = {
        "type": "NetStim",
        "start": ONSET_ms,
        "interval": 1e10,
        "number": 1,
        "noise": 0,
    }
    net.stimTargetParams["NetStim1->cell"] = {
        "source": "NetStim1",
        "conds": {"pop": "cell"},
        "sec": "soma",
        "loc": 0.5,
        "synMech": list(net.synMechParams),
        "synMechWeightFactor": [synapse.share for synapse in synapses],
        "weight": 1e-3,
        "delay": DELAY_ms,
    }
    cfg.duration, cfg.dt, cfg.recordStep = ONSET_ms + window_ms, dt_ms, SAMPLE_ms
    cfg.hParams = {"celsius": 34.0, "v_init": REST_mV}  # starts at rest: nothing to settle
    return Model.from_netpyne(net, cfg)


def run(read, cable, synapses, weights_uS=WEIGHTS_uS, dt_ms=DT_ms, window_ms=60.0):
    """Return ``{(x_um, weight_uS): read(rig, site, weight_uS)}``."""
    model = build(cable, synapses, dt_ms, window_ms)
    sites = [site for sec in model.rule["secs"] for site in list_sites(model, sec, LOCS[sec])]
    polarity = 1 if synapses[0].e_mV > 0 else -1
    protocol = Protocol(window_ms, polarity, spike_threshold_mV=100.0)  # nothing here can spike
    release_rig()  # one of another test module, perhaps
    with Rig(model, sites, protocol) as rig:
        return {
            (x_um, weight): read(rig, site, weight)
            for x_um, site in zip(POSITIONS_um, sites, strict=False)
            for weight in weights_uS
        }


def response(rig, site, weight_uS):
    """What the Rig measures."""
    [measured] = rig.respond([(site, weight_uS)])
    return measured


def deflection(rig, site, weight_uS):
    """Return u, mV, at every sample from the arrival at the synapse on."""
    t, v = rig.trace(site, weight_uS)
    return v[t > ONSET_ms + DELAY_ms - SAMPLE_ms / 2] - REST_mV


@cache
def responses(kind, dt_ms=DT_ms):
    return run(response, CELL, SYNAPSES[kind], dt_ms=dt_ms)


def at_dt_0(coarse, fine):
    """Extrapolate from the time steps 2 dt and dt: the error of implicit Euler goes with dt."""
    return 2 * fine - coarse


def amplitude_at_dt_0(kind, place):
    return at_dt_0(*(responses(kind, dt)[place].epsp_mV for dt in (2 * DT_ms, DT_ms)))


def expected(cable, synapses, place, **accuracy):
    """Amplitude, mV, and time to peak, ms, by cable.py."""
    t = np.arange(0.0, 59.0, SAMPLE_ms)
    u = cable.solve(place[0], synapses, place[1], t, **accuracy)
    peak = np.argmax(np.abs(u))
    return u[peak], t[peak]


@pytest.mark.parametrize("finer", [{"step_um": 1.0}, {"rtol": 1e-11}], ids=["step", "rtol"])
@every_place
def test_oracle_has_converged(place, finer):
    amplitude, _ = expected(CELL, SYNAPSES["excitatory"], place)
    amplitude_finer, _ = expected(CELL, SYNAPSES["excitatory"], place, **finer)
    assert amplitude_finer == pytest.approx(amplitude, rel=2e-6)


@every_kind
@every_place
def test_amplitude_and_time_to_peak(kind, place):
    amplitude, time_to_peak = expected(CELL, SYNAPSES[kind], place)
    measured = responses(kind)[place]
    assert measured.ok
    assert measured.baseline_mV == pytest.approx(REST_mV, abs=1e-9)
    assert measured.epsp_mV == pytest.approx(amplitude, rel=TOLERANCE)
    assert measured.time_to_peak_ms == pytest.approx(time_to_peak, abs=2.01 * SAMPLE_ms)
    assert amplitude_at_dt_0(kind, place) == pytest.approx(amplitude, rel=TOLERANCE_AT_ZERO)


@pytest.mark.parametrize("name", ["cm", "Ra", "g_pas", "tau1_ms", "tau2_ms", "e_mV", "share"])
def test_one_percent_of_any_parameter_would_be_noticed(name):
    cable, [synapse] = CELL, SYNAPSES["excitatory"]
    changed = cable if hasattr(cable, name) else synapse
    changed = replace(changed, **{name: 1.01 * getattr(changed, name)})
    cable, synapse = (changed, synapse) if isinstance(changed, Cable) else (cable, changed)
    deviations = [
        expected(cable, [synapse], place)[0] / amplitude_at_dt_0("excitatory", place) - 1
        for place in PLACES
        if place[1] == WEIGHTS_uS[0]
    ]
    assert max(np.abs(deviations)) > 10 * TOLERANCE_AT_ZERO


def test_charge_of_a_small_synapse():
    """int u dt = transfer resistance * int g dt * E, while u is small beside E."""
    [synapse] = SYNAPSES["excitatory"]
    time_integrals = run(
        lambda *trial: SAMPLE_ms * deflection(*trial).sum(),
        CELL,
        [synapse],
        weights_uS=[1e-8],
        dt_ms=SAMPLE_ms,
        window_ms=400.0,
    )
    for (x_um, weight), time_integral in time_integrals.items():
        ratio, conductance = CELL.transfer(x_um)
        charge = weight * synapse.integral(np.inf) * synapse.e_mV  # pC
        assert time_integral == pytest.approx(ratio / conductance * charge, rel=1e-4)


def test_steady_state_up_to_infinite_conductance():
    """A synapse that stays open is a divider, u(x) = E g / (g + G); g >> G: a voltage clamp."""
    weights = [1e-4, 1e-2, 1e6]
    synapse = Synapse(0.5, 1e9, 70.0)
    steady = run(
        lambda *trial: deflection(*trial)[-1], CELL, [synapse], weights, SAMPLE_ms, window_ms=400.0
    )
    for (x_um, weight), u in steady.items():
        ratio, conductance = CELL.transfer(x_um)
        at_synapse = synapse.e_mV * weight / (weight + conductance)
        assert u == pytest.approx(ratio * at_synapse, rel=1e-4)


@every_kind
def test_time_course_in_one_compartment(kind):
    """Against the integral that solves the equation of a single compartment."""
    coarse, fine = (
        run(deflection, SOMA, SYNAPSES[kind], (*WEIGHTS_uS, 10.0), dt_ms)
        for dt_ms in (2 * DT_ms, DT_ms)
    )
    some = slice(20, 1601, 20)  # 0.5 to 40 ms
    t = SAMPLE_ms * np.arange(some.stop)[some]
    for (x_um, weight), u in fine.items():
        exact = SOMA.isopotential(SYNAPSES[kind], weight, t)
        peak = np.abs(exact).max()
        u_at_dt_0 = at_dt_0(coarse[x_um, weight], u)
        # of the peak; a term with dt^2 is left of the fastest rises
        np.testing.assert_allclose(u_at_dt_0[some] / peak, exact / peak, rtol=0, atol=3e-4)
