"""Cells with mechanisms of all kinds: they equal NetPyNE's full runs, or are refused."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest
from helpers.full_runs import equals_full_runs

from wscale import Model, solve, verify
from wscale.cells.cell_file import CellRule, read_cell
from wscale.errors import ModelError
from wscale.inspection.inspect import inspect_cell
from wscale.model.synapses import SynapseGroup, with_synapses
from wscale.parallel.sandbox import Sandbox
from wscale.simulation.function_tables import set_tables
from wscale.simulation.rig import load as load_mechanisms
from wscale.simulation.rig import preflight

UNITS = "UNITS { (nA) = (nanoamp) (mA) = (milliamp) (mV) = (millivolt) (S) = (siemens) }\n"
# A channel with rates in a TABLE, one whose time constant is a FUNCTION_TABLE, a gap junction, a
# synapse that reads a POINTER, noise, an address that is never set, and the depressing and
# facilitating synapse of Tsodyks, Pawelzik and Markram (1998), Neural Computation 10:821
FILES = {
    "slowk.mod": """NEURON { SUFFIX slowk NONSPECIFIC_CURRENT i RANGE g, i GLOBAL open, tau }
PARAMETER { g = 1e-4 (S/cm2) }
ASSIGNED { v (mV) i (mA/cm2) open tau (ms) celsius (degC) }
STATE { n }
INITIAL { rates(v) n = open }
BREAKPOINT { SOLVE relax METHOD cnexp i = g * n * (v + 90) }
DERIVATIVE relax { rates(v) n' = (open - n) / tau }
PROCEDURE rates(v (mV)) {
    TABLE open, tau DEPEND celsius FROM -110 TO 60 WITH 170
    open = 1 / (1 + exp(-(v + 62) / 9))
    tau = 2 + 30 / (1 + exp((v + 50) / 15))
}
""",
    "tabled.mod": """NEURON { SUFFIX tabled NONSPECIFIC_CURRENT i RANGE g, i }
PARAMETER { g = 1e-4 (S/cm2) }
ASSIGNED { v (mV) i (mA/cm2) }
STATE { n }
FUNCTION_TABLE tau(v (mV)) (ms)
FUNCTION_TABLE power(v (mV))
INITIAL { n = open(v) }
BREAKPOINT { SOLVE relax METHOD cnexp i = g * n^power(v) * (v + 90) }
DERIVATIVE relax { n' = (open(v) - n) / tau(v) }
FUNCTION open(v (mV)) { open = 1 / (1 + exp(-(v + 62) / 9)) }
""",
    "gap.mod": """NEURON { POINT_PROCESS Gap NONSPECIFIC_CURRENT i RANGE g, i POINTER far }
PARAMETER { g = 1e-3 (microsiemens) }
ASSIGNED { v (mV) far (mV) i (nA) }
BREAKPOINT { i = g * (v - far) }
""",
    "graded.mod": """NEURON { POINT_PROCESS Graded NONSPECIFIC_CURRENT i RANGE i POINTER vpre }
ASSIGNED { v (mV) vpre (mV) i (nA) }
STATE { g (microsiemens) }
INITIAL { g = 0 }
BREAKPOINT { SOLVE decay METHOD cnexp i = g * vpre * v }
DERIVATIVE decay { g' = -g / 5 }
NET_RECEIVE (weight (microsiemens)) { g = g + weight }
""",
    "noise.mod": """NEURON { POINT_PROCESS Noise NONSPECIFIC_CURRENT i RANGE std, i }
PARAMETER { std = 1e-2 (nA) }
ASSIGNED { v (mV) i (nA) }
BREAKPOINT { i = normrand(0, std) }
""",
    "nowhere.mod": """NEURON { SUFFIX nowhere NONSPECIFIC_CURRENT i RANGE i POINTER stream }
ASSIGNED { v (mV) stream i (mA/cm2) }
INITIAL {
VERBATIM
    *(volatile double*)_p_stream = 1;
ENDVERBATIM
    i = 0
}
""",
    "dynsyn.mod": """NEURON {
    POINT_PROCESS DynSyn NONSPECIFIC_CURRENT i RANGE tau, tau_rec, tau_facil, U, e, i
}
PARAMETER { tau = 3 (ms) tau_rec = 130 (ms) tau_facil = 530 (ms) U = 0.1 e = 0 (mV) }
ASSIGNED { v (mV) i (nA) }
STATE { g (microsiemens) }
INITIAL { g = 0 }
BREAKPOINT { SOLVE decay METHOD cnexp i = g * (v - e) }
DERIVATIVE decay { g' = -g / tau }
NET_RECEIVE (weight (microsiemens), x, u, last (ms)) {
    INITIAL { x = 1 u = 0 last = t }
    x = 1 - (1 - x) * exp(-(t - last) / tau_rec)
    u = u * exp(-(t - last) / tau_facil)
    u = u + U * (1 - u)
    g = g + weight * u * x
    x = x - u * x
    last = t
}
""",
}
PASSIVE = {"pas": {"g": 1e-4, "e": -70.0}}
SYNAPSES = {
    "ExpSyn": {"mod": "ExpSyn", "tau": 2.0, "e": 0.0},
    "DynSyn": {"mod": "DynSyn", "U": 0.4, "tau_rec": 200.0},
}


def sections(**more):
    """A soma with additional mechanisms, and a passive dendrite."""
    soma = {"geom": {"L": 20.0, "diam": 20.0, "nseg": 1, "cm": 1.0, "Ra": 100.0}}
    soma |= {"topol": {}, "mechs": {**PASSIVE, **more}}
    dend = {"geom": {"L": 300.0, "diam": 2.0, "nseg": 3, "cm": 1.0, "Ra": 100.0}}
    dend |= {"topol": {"parentSec": "soma", "parentX": 1.0, "childX": 0.0}, "mechs": PASSIVE}
    return deepcopy({"soma": soma, "dend": dend})


@pytest.fixture(scope="module")
def base(tmp_path_factory, repo):
    """The model that ``wscale new`` makes, with all of these mechanisms in one library."""
    mod = tmp_path_factory.mktemp("own") / "mod"
    mod.mkdir()
    for name, text in FILES.items():
        (mod / name).write_text(text + UNITS)
    template = repo / "wscale" / "scaffold" / "template"
    return Model.from_folder(template, mod=mod, mod_all=True)


def cell(base, secs, synapse=None, **more):
    model = base.with_cell("own", CellRule({"secs": secs, **more}, (), "own"))
    return model if synapse is None else with_synapses(model, SynapseGroup("", {"syn": synapse}))


def in_own_process(function, *arguments):
    with Sandbox() as sandbox:
        return sandbox.call(function, *arguments)


@pytest.mark.parametrize("synapse", SYNAPSES)
def test_synapses_are_solved_and_equal_full_runs(base, synapse):
    model = cell(base, sections(), SYNAPSES[synapse])
    assert [r.status for r in in_own_process(equals_full_runs, model)] == ["ok", "ok"]
    [result] = solve(model, n_jobs=2)
    table = result.table()
    assert table.counts == {"ok": 4}
    [check] = verify([(model, table)], n_jobs=2, full_runs=True)
    assert check.passed


@pytest.mark.parametrize("mechs", [{"slowk": {"g": 2e-4}}, {"extracellular": {"e": 0.0}}])
def test_cells_equal_full_runs(base, mechs):
    """A channel whose rates are in a TABLE, and extracellular."""
    found = in_own_process(equals_full_runs, cell(base, sections(**mechs)))
    assert [response.status for response in found] == ["ok", "ok"]


# ---------------------------------------------------------------------- POINTERs


def test_a_pointer_of_the_cell_is_refused_with_its_section(base):
    secs = sections()
    secs["dend"]["pointps"] = {"gap_0": {"mod": "Gap", "loc": 0.5}}
    with pytest.raises(
        ModelError, match=r"own, point process gap_0 in dend: Gap needs its POINTER 'far'"
    ):
        solve(cell(base, secs), n_jobs=1)


def test_a_pointer_of_a_synapse_is_refused(base):
    with pytest.raises(ModelError, match=r"own, synMech syn: Graded needs its POINTER 'vpre'"):
        solve(cell(base, sections(), {"mod": "Graded"}), n_jobs=1)


def test_what_crashes_is_said(base):
    """A POINTER that only C code uses may be tested there, so this is found by a trial."""
    found = inspect_cell(cell(base, sections(nowhere={})), n_jobs=1)
    assert "cannot be simulated" in found.status
    assert "segmentation fault" in found.status


def test_noise_of_the_cell_is_named(base):
    secs = sections()
    secs["dend"]["pointps"] = {"noise_0": {"mod": "Noise", "loc": 0.5}}
    found = inspect_cell(cell(base, secs), n_jobs=1)
    assert "Noise (point process noise_0 in dend) draws random numbers" in found.status


def test_alpha_synapse_takes_no_events(base):
    with pytest.raises(ModelError, match=r"AlphaSynapse is no synapse but a point process"):
        solve(cell(base, sections(), {"mod": "AlphaSynapse", "tau": 2.0}), n_jobs=1)


def test_an_artificial_cell_is_refused(base):
    net = deepcopy(base.net)
    [pop] = net["popParams"].values()
    pop.update(cellModel="IntFire1")
    with pytest.raises(ModelError, match=r"\['cell'\].* makes an artificial cell"):
        solve(base.with_net(net), n_jobs=1)


# ---------------------------------------------------------------------- FUNCTION_TABLE

TABLES = """
objref times, places
power = 2
times = new Vector()
places = new Vector()
times.append(3, 30, 12)
places.append(-90, -65, 20)
table_tau_tabled(7)  // not the last
table_tau_tabled(times, places)
table_power_tabled(power)
{ times.x[1] = 40 }
"""
TEMPLATE = """
begintemplate Tabled
public soma, dend
create soma, dend
proc init() {
  soma { L = 20 diam = 20 insert pas g_pas = 1e-4 e_pas = -70 insert tabled g_tabled = 1e-3 }
  dend { connect dend(0), soma(1) L = 300 diam = 2 nseg = 3 insert pas g_pas = 1e-4 e_pas = -70 }
  forall { Ra = 100 cm = 1 }
}
endtemplate Tabled
"""


def as_the_file_runs_it(base, hoc):
    """Responses with the tables that NEURON has from the file itself, in this process."""
    from wscale.mechanisms.loading import import_neuron

    load_mechanisms(base)
    import_neuron().load_file(str(hoc))
    read = read_cell(hoc, mod=base.mod)
    tables = read.rule.pop("tables")
    model = base.with_cell("own", read)
    model.rule["tables"] = dict.fromkeys(tables, None)  # what NEURON has stays
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wscale.simulation.rig.set_tables", lambda model: None)
        return equals_full_runs(model)


def test_tables_of_a_hoc_file_are_carried(base, tmp_path):
    """NEURON keeps no copy: a Vector that changes later changes the table."""
    hoc = tmp_path / "cell.hoc"
    hoc.write_text(TABLES + TEMPLATE)
    read = read_cell(hoc, mod=base.mod)
    places = [[3.0, 40.0, 12.0], [-90.0, -65.0, 20.0]]
    assert read.rule["tables"] == {"tau_tabled": places, "power_tabled": [2.0]}
    assert "wscale sets the tables 'tau_tabled', 'power_tabled' as the file does" in read.notices[0]
    model = base.with_cell("own", read)
    carried = in_own_process(equals_full_runs, model)
    assert carried == in_own_process(as_the_file_runs_it, base, hoc)
    other = replace(model, net=deepcopy(model.net))
    other.rule["tables"]["power_tabled"] = [1.0]
    assert in_own_process(equals_full_runs, other) != carried


@pytest.mark.parametrize(
    "changed",
    [
        ("table_tau_tabled(times, places)\n", "if (0) table_tau_tabled(times, places)\n"),
        ("{ times.x[1] = 40 }", "times = new Vector(3)"),
        ("table_tau_tabled(times, places)\n", "table_tau_tabled(&times.x[0], 3, -90, 20)\n"),
    ],
    ids=["not run", "another Vector", "pointer"],
)
def test_a_table_that_is_not_sure_is_refused(base, tmp_path, changed):
    hoc = tmp_path / "cell.hoc"
    hoc.write_text(TABLES.replace(*changed) + TEMPLATE)
    read = read_cell(hoc, mod=base.mod)
    assert set(read.rule["tables"]) == {"power_tabled"}
    problem = in_own_process(preflight, base.with_cell("own", read))
    assert "own, section soma: tabled needs the table of its FUNCTION_TABLE tau" in str(problem)


def test_tables_without_their_mechanism_do_nothing(base):
    model = cell(base, sections(), tables={"tau_nosuch": [1.0]})
    in_own_process(set_tables, model)
