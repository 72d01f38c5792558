"""The mechanisms in mod/, compared with reference values of the published ones.

``data/mechanism_checks.json`` holds the reference values, nine digits each, under the NMODL names
of what is compared. Those of ``equations`` are the published equations, evaluated without NEURON at
another temperature and at the voltages where formulas change; all others were computed by NEURON
from the published mechanisms. The channels, the calcium pools and the synapses are tested one by
one; the somata of the published cells are tested mechanism by mechanism and as a whole.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from neuron import h

from wscale.mechanisms.loading import load_mechanisms

REPO = Path(__file__).resolve().parents[2]
CHECKS = json.loads((REPO / "tests" / "data" / "mechanism_checks.json").read_text())
CONDITIONS = CHECKS["conditions"]
ION_CURRENTS = {"ina", "ik", "ica", "ihi"}
GHK = {"cal": "gcal", "can": "gcan", "cat": "gcat"}  # conductance of channels with a GHK current
UNMOVED = 1e15  # uF/cm2: a capacitance that holds the voltage wherever it is put


def close(expected):
    """Return what equals the expected numbers in all their nine digits."""
    return pytest.approx(expected, rel=1e-8, abs=0)


def soma_of(cell):
    return json.loads((REPO / "cells" / f"{cell}.json").read_text())["secs"]["soma"]


def set_ions(segment, ions):
    """Set ions as NetPyNE does: those of the section, and the defaults that NEURON starts from."""
    for ion, values in ions.items():
        if h.ismembrane(f"{ion}_ion", sec=segment.sec):
            for key, value in values.items():
                setattr(segment, f"e{ion}" if key == "e" else f"{ion}{key}", value)
                if key != "e":
                    setattr(h, f"{ion}{key}0_{ion}_ion", value)


@pytest.fixture
def compartment():
    """Build compartments from ``{mechanism: parameters}``; undo everything after the test."""
    load_mechanisms(REPO / "mod")
    settings = ["celsius", "dt", "secondorder", "erev_ih", "hinf_catcb"]
    settings += [f"USEGHK_{mechanism}" for mechanism in GHK]
    settings += [f"{ion}{side}0_{ion}_ion" for ion in CONDITIONS["ions"] for side in "io"]
    saved = {name: getattr(h, name) for name in settings}
    h.celsius, h.dt, h.secondorder = CONDITIONS["celsius"], CONDITIONS["dt_ms"], 0
    h.erev_ih = CONDITIONS["erev_ih"]
    sections = []  # kept alive here; NEURON deletes a section with its last reference

    def build(mechs, ions=None, cm=UNMOVED):
        section = h.Section(name=f"mod{len(sections)}")
        sections.append(section)
        section.L = section.diam = 20
        section.cm = cm
        for mechanism, parameters in mechs.items():
            section.insert(mechanism)
            for name, value in parameters.items():
                setattr(getattr(section(0.5), mechanism), name, value)
        set_ions(section(0.5), CONDITIONS["ions"])
        set_ions(section(0.5), ions or {})
        return section(0.5)

    yield build
    for name, value in saved.items():
        setattr(h, name, value)


def read(segment, mechanism, name):
    """Read a variable of a mechanism; currents of ions are read where they arrive, at the ion."""
    return getattr(segment if name in ION_CURRENTS else getattr(segment, mechanism), name)


def assert_initial_values(segment, mechanism, voltages, expected):
    for column, v in enumerate(voltages):
        h.finitialize(v)
        values = {name: read(segment, mechanism, name) for name in expected}
        assert values == close({name: row[column] for name, row in expected.items()}), f"{v} mV"


def advance(until, segment=None, v=None):
    """Advance to a time, from a voltage if one is given; evaluate the currents there."""
    if segment is not None:
        segment.v = v
    while h.t < until - h.dt / 2:
        h.fadvance()
    h.fcurrent()


def send_event(synapse, weight, time):
    """Send one event to a synapse, after initialisation; the result has to be kept."""
    netcon = h.NetCon(None, synapse)
    netcon.weight[0] = weight
    netcon.event(time)
    return netcon


def channel_id(check):
    conditions = [f"cai={ion['i']}" for ion in check["ions"].values()]
    conditions += [f"{check[key]}degC" for key in ["celsius"] if key in check]
    return "-".join([check["mechanism"], *conditions])


@pytest.mark.parametrize("check", CHECKS["gates"] + CHECKS["equations"], ids=channel_id)
def test_channel_starts_at_steady_state(compartment, check):
    mechanism = check["mechanism"]
    segment = compartment({mechanism: check["parameters"]}, check["ions"])
    h.celsius = check.get("celsius", h.celsius)
    assert_initial_values(segment, mechanism, check["v"], check["initial"])


@pytest.mark.parametrize("check", CHECKS["gates"], ids=channel_id)
def test_gates_follow_voltage_steps(compartment, check):
    mechanism = check["mechanism"]
    segment = compartment({mechanism: check["parameters"]}, check["ions"])
    h.finitialize(-65)
    for until, v, expected in zip((1, 2), (-20, -80), check["stepped"], strict=True):
        advance(until, segment, v)
        assert {name: read(segment, mechanism, name) for name in expected} == close(expected)


@pytest.mark.parametrize(
    ("mechanism", "v"), [("cal", 81.5), ("can", 19.88), ("cat", 19.26), ("ih", -154.9)]
)
def test_rates_have_no_singularity(compartment, mechanism, v):
    segment = compartment({mechanism: {}})
    values = []
    for shift in (0, -1e-3, 1e-3):
        h.finitialize(v + shift)
        values.append(read(segment, mechanism, "minf"))
    assert values[0] == pytest.approx((values[1] + values[2]) / 2, rel=1e-7, abs=0)


@pytest.mark.parametrize(("mechanism", "conductance"), GHK.items())
def test_ghk_can_be_switched_off(compartment, mechanism, conductance):
    segment = compartment({mechanism: {}})
    setattr(h, f"USEGHK_{mechanism}", 0)
    h.finitialize(-20)
    assert segment.ica == close(read(segment, mechanism, conductance) * (-20 - 100))


@pytest.mark.parametrize(
    ("mechanism", "parameters", "currents"),
    [
        pytest.param("ican", {"gbar": 1e-7}, ["i", "ina"], id="ican"),
        pytest.param("hd", {"gbar": 1e-7, "clk": 0.2}, ["i", "lk"], id="hd"),
        pytest.param("catcb", {"gcatbar": 1}, [], id="catcb"),
        pytest.param("savedist", {"x": 1}, [], id="savedist"),
    ],
)
def test_membrane_receives_all_currents_and_no_others(compartment, mechanism, parameters, currents):
    segment = compartment({mechanism: parameters}, cm=1)
    h.finitialize(-90)
    total = sum(read(segment, mechanism, name) for name in currents)  # mA/cm2
    h.fadvance()
    assert segment.v + 90 == pytest.approx(-1e3 * total * h.dt / segment.cm, rel=1e-5, abs=0)


def test_catcb_ignores_the_globals_of_cell_files(compartment):
    segment = compartment({"catcb": {}})
    h.finitialize(-65)
    gates = segment.catcb.m, segment.catcb.h
    h("hinf_catcb = 0.3")
    h.finitialize(-65)
    h.fadvance()
    assert (segment.catcb.m, segment.catcb.h) == close(gates)
    assert h.hinf_catcb == 0.3


@pytest.mark.parametrize("check", CHECKS["pools"], ids=lambda check: "-".join(check["mechs"]))
def test_calcium_pool_follows_current(compartment, check):
    segment = compartment(check["mechs"])
    for column, v in enumerate(check["v"]):
        h.finitialize(v)
        for steps, expected in check["after_steps"].items():
            advance(int(steps) * h.dt)
            values = {name: getattr(segment, name) for name in expected}
            assert values == close({name: row[column] for name, row in expected.items()}), f"{v} mV"


@pytest.mark.parametrize("check", CHECKS["pools"], ids=lambda check: "-".join(check["mechs"]))
def test_calcium_pool_ignores_outward_current(compartment, check):
    segment = compartment(check["mechs"])
    h.finitialize(200)
    rest = segment.cai
    advance(1)
    assert segment.ica > 0
    assert segment.cai == close(rest)


@pytest.mark.parametrize("name", CHECKS["two_exponentials"]["synapses"])
def test_two_exponential_synapse(compartment, name):
    table = CHECKS["two_exponentials"]
    expected = table["synapses"][name]
    synapse = h.MyExp2SynBB(compartment({}))
    if name != "defaults":
        synapse.tau1, synapse.tau2 = expected["tau1"], expected["tau2"]
    h.finitialize(-70)
    netcon = send_event(synapse, table["weight_uS"], 0)
    for time, g in zip(table["after_ms"], expected["g"], strict=True):
        advance(time)
        factor = synapse.B / netcon.weight[0] * np.exp(time / synapse.tau2)
        assert (synapse.g, synapse.i, factor) == close((g, -70 * g, expected["factor"]))


def test_nmda_synapse(compartment):
    table = CHECKS["nmda"]
    segment = compartment({"ca_ion": {}})
    synapse = h.MyExp2SynNMDABB(segment)
    h.finitialize(0)
    _netcon = send_event(synapse, table["weight_uS"], 0)
    advance(table["after_ms"])
    for column, v in enumerate(table["v"]):
        segment.v = v
        h.fcurrent()
        values = {name: getattr(synapse, name) for name in ("sNMDA", "g", "iNMDA", "ica")}
        values["block"] = synapse.g / synapse.sNMDA
        values["force"] = synapse.ica / synapse.g / h.fracca_MyExp2SynNMDABB
        expected = {name: row[column] for name, row in table["values"].items()}
        assert values == close(expected), f"{v} mV"


SYNAPSES = {
    "MyExp2SynBB": {"rise": "tau1", "decay": "tau2", "max": "gmax", "gating": "g"},
    "MyExp2SynNMDABB": {
        "rise": "tau1NMDA",
        "decay": "tau2NMDA",
        "max": "sNMDAmax",
        "gating": "sNMDA",
    },
}


@pytest.mark.parametrize("kind", SYNAPSES)
def test_synapse_limits(compartment, kind):
    """Conductances saturate; a rise that is not faster than the decay is made so."""
    names = SYNAPSES[kind]
    synapse = getattr(h, kind)(compartment({}))
    synapse.Vwt = 1
    setattr(synapse, names["max"], 2e-4)
    setattr(synapse, names["rise"], 20)
    setattr(synapse, names["decay"], 10)
    h.finitialize(-70)
    assert synapse.Vwt == 0
    assert getattr(synapse, names["rise"]) == close(9.999)
    _netcon = send_event(synapse, 1e-3, 0)
    advance(10)
    assert getattr(synapse, names["gating"]) == 2e-4


def test_nmda_scales_and_drops_events(compartment):
    synapse = h.MyExp2SynNMDABB(compartment({}))
    gating = []
    for scale in (1, 0.5, -1):
        synapse.r = scale
        h.finitialize(-70)
        _netcon = send_event(synapse, 1e-3, 0)
        advance(10)
        gating.append(synapse.sNMDA)
    assert gating[1:] == close([gating[0] / 2, 0])


@pytest.mark.parametrize("check", CHECKS["published"], ids=lambda check: check["cell"])
def test_currents_of_published_soma(compartment, check):
    mechs = soma_of(check["cell"])["mechs"]
    for mechanism, currents in check["currents"].items():
        segment = compartment({mechanism: mechs[mechanism]}, check["ions"])
        h.erev_ih = check["erev_ih"]
        assert_initial_values(segment, mechanism, check["v"], currents)


def fingerprint_id(check):
    return check["cell"] + ("-synapses" if check["synapses"] else "")


@pytest.mark.parametrize("check", CHECKS["fingerprints"]["cells"], ids=fingerprint_id)
def test_published_soma_fires_as_it_should(compartment, check):
    soma = soma_of(check["cell"])
    segment = compartment(soma["mechs"], soma["ions"], cm=1)
    h.erev_ih = CHECKS["fingerprints"]["erev_ih"]
    clamp = h.IClamp(segment)
    clamp.delay, clamp.dur, clamp.amp = 20, 80, check["clamp_nA"]
    synapses = []
    if check["synapses"]:
        synapses = [h.MyExp2SynNMDABB(segment), h.MyExp2SynBB(segment)]
        synapses[1].tau1, synapses[1].tau2, synapses[1].e = 0.05, 5.3, 0
    v, cai = h.Vector().record(segment._ref_v), h.Vector().record(segment._ref_cai)
    h.finitialize(-75)
    _netcons = [send_event(synapse, 1e-3, 10) for synapse in synapses]
    advance(120)

    v, cai = v.as_numpy(), cai.as_numpy()
    spikes = h.dt * (1 + np.flatnonzero((v[:-1] < 0) & (v[1:] >= 0)))
    assert spikes == pytest.approx(check["spikes_ms"], abs=1e-9)
    samples = [round(time / h.dt) for time in CHECKS["fingerprints"]["times_ms"]]
    assert v[samples] == pytest.approx(check["v_mV"], rel=0, abs=1e-6)
    assert cai[round(60 / h.dt)] == pytest.approx(check["cai_mM_at_60ms"], rel=1e-7, abs=0)


def source(name):
    return (REPO / "mod" / f"{name}.mod").read_text()


def test_every_mechanism_is_checked():
    assert {path.stem for path in (REPO / "mod").iterdir()} == set(CHECKS["interface"])


@pytest.mark.parametrize("name", CHECKS["interface"])
def test_interface_is_the_published_one(compartment, name):
    expected = CHECKS["interface"][name]
    segment = compartment({} if name in SYNAPSES else {name: {}})
    mechanism = getattr(h, name)(segment) if name in SYNAPSES else getattr(segment, name)
    parameters = {key: getattr(mechanism, key) for key in expected["parameters"]}
    assert parameters == expected["parameters"]
    for readout in expected["readouts"]:
        getattr(mechanism, readout)
    for key, default in expected["globals"].items():
        getattr(h, f"{key}_{name}")  # another test may have set it, hence the default in the file
        (value,) = re.findall(rf"^ +{key} = (\S+) \(", source(name), re.MULTILINE)
        assert float(value) == default


@pytest.mark.parametrize("name", CHECKS["interface"])
def test_file_is_named_after_its_thread_safe_mechanism(name):
    text = source(name)
    assert re.findall(r"^ +(?:SUFFIX|POINT_PROCESS) (\w+)$", text, re.MULTILINE) == [name]
    assert re.search(r"^ +THREADSAFE$", text, re.MULTILINE)
    assert not re.search(r"\b(VERBATIM|TABLE|CONDUCTANCE|POINTER)\b", text)


SEARCH = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def run_in(folder, program, *arguments):
    """Run one of NEURON's programs in a folder."""
    done = subprocess.run(
        [shutil.which(program, path=SEARCH), *arguments],
        cwd=folder,
        env={**os.environ, "PATH": SEARCH},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_mechanisms_are_translated_for_coreneuron(tmp_path):
    files = sorted((REPO / "mod").glob("*.mod"))
    run_in(tmp_path, "nmodl", *map(str, files), "--coreneuron", "-o", str(tmp_path))
    assert {file.stem for file in tmp_path.glob("*.cpp")} >= {file.stem for file in files}


@pytest.mark.slow
def test_mechanisms_compile_for_coreneuron(tmp_path):
    """A synapse with two states, and a channel with a GHK current: the compiler takes long."""
    (tmp_path / "mod").mkdir()
    for name in ("MyExp2SynNMDABB", "cal"):
        shutil.copy(REPO / "mod" / f"{name}.mod", tmp_path / "mod")
    run_in(tmp_path, "nrnivmodl", "-coreneuron", "mod")
    assert list(tmp_path.glob("*/libcorenrnmech*"))
