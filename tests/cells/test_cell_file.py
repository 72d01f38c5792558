"""The cell rules in cells/, as NetPyNE loads them and as NEURON then has them."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import pairwise
from math import dist, pi, sqrt
from pathlib import Path
from typing import Any

import pytest

from wscale.mechanisms.library import compile_mechanisms
from wscale.mechanisms.loading import load_mechanisms

REPO = Path(__file__).resolve().parents[2]

PYRAMIDAL = ["soma", "axon", "Bdend", "Adend1", "Adend2", "Adend3"]
SECTIONS = {
    "IT2_reduced": PYRAMIDAL,
    "IT4_reduced": PYRAMIDAL,
    "IT5A_reduced": PYRAMIDAL,
    "IT5B_reduced": PYRAMIDAL,
    "PT5B_reduced": PYRAMIDAL,
    "IT6_reduced": PYRAMIDAL,
    "CT6_reduced": PYRAMIDAL,
    "PV_simple": ["soma", "axon", "dend"],
    "SOM_simple": ["soma", "axon", "dend"],
    "PT5B_hh": ["soma", "axon_0", "axon_1", "dendrite"],
    "PT5B_pyramid": [
        "soma",
        "axon",
        *(f"basal_{i}" for i in range(46)),
        *(f"apical_{i}" for i in range(31)),
    ],
}
JSON_CELLS = [cell for cell in SECTIONS if cell != "PT5B_pyramid"]
SEGMENTS = dict.fromkeys(SECTIONS, 6) | {
    "PV_simple": 3,
    "SOM_simple": 3,
    "PT5B_hh": 14,
    "PT5B_pyramid": 617,
}
REST_MV = {
    "IT2_reduced": -86.04,
    "IT4_reduced": -85.98,
    "IT5A_reduced": -80.99,
    "IT5B_reduced": -80.96,
    "PT5B_reduced": -80.36,
    "IT6_reduced": -80.93,
    "CT6_reduced": -85.89,
    "PV_simple": -73.71,
    "SOM_simple": -64.67,
    "PT5B_hh": -66.86,
    "PT5B_pyramid": -78.54,
}
CONDS = {
    "IT2_reduced": {"cellType": "IT", "cellModel": "HH_reduced", "ynorm": [0.1, 0.29]},
    "IT4_reduced": {"cellType": "IT", "cellModel": "HH_reduced", "ynorm": [0.29, 0.37]},
    "IT5A_reduced": {"cellType": "IT", "cellModel": "HH_reduced", "ynorm": [0.37, 0.47]},
    "IT5B_reduced": {"cellType": "IT", "cellModel": "HH_reduced", "ynorm": [0.47, 0.8]},
    "PT5B_reduced": {"cellType": "PT", "cellModel": "HH_reduced", "ynorm": [0.47, 0.8]},
    "IT6_reduced": {"cellType": "IT", "cellModel": "HH_reduced", "ynorm": [0.8, 1.0]},
    "CT6_reduced": {"cellType": "CT", "cellModel": "HH_reduced", "ynorm": [0.8, 1.0]},
    "PV_simple": {"cellType": "PV", "cellModel": "HH_simple"},
    "SOM_simple": {"cellType": "SOM", "cellModel": "HH_simple"},
    "PT5B_hh": {"cellType": "PT", "cellModel": "HH_full"},
}
PARENTS = (  # section, parent, place on the parent
    ("axon", "soma", 0.0),
    ("Bdend", "soma", 0.5),
    ("Adend1", "soma", 1.0),
    ("Adend2", "Adend1", 1.0),
    ("Adend3", "Adend2", 1.0),
)
INTERNEURON_PARENTS = (("axon", "soma", 0.5), ("dend", "soma", 0.0))
BUILT_GEOMETRY = {  # L, diam, cm, Ra as NEURON has them; pt3d overrides a rule's L and diam
    ("IT2_reduced", "soma"): (48.4123467666, 28.2149102762, 2.4998269977, 70.0015514222),
    ("IT2_reduced", "Adend3"): (87.75, 1.5831889597, 2.74242941886, 70.0015514222),
    ("IT4_reduced", "Bdend"): (148.5, 2.2799248874, 2.74086279376, 70.0015514222),
    ("IT5A_reduced", "Adend1"): (189.0, 1.5831889597, 2.49841939531, 114.969186163),
    ("IT5B_reduced", "Bdend"): (285.75, 2.2799248874, 2.46671987855, 114.969186163),
    ("PT5B_reduced", "axon"): (594.292937602, 1.40966286462, 1.01280903702, 114.510490019),
    ("PT5B_reduced", "Adend2"): (285.75, 1.5831889597, 1.03418636866, 114.510490019),
    ("IT6_reduced", "Adend3"): (405.0, 1.5831889597, 2.49841939531, 114.969186163),
    ("CT6_reduced", "Adend3"): (405.0, 1.5831889597, 2.74242941886, 70.0015514222),
    ("PV_simple", "soma"): (27.0, 29.0, 1.2, 150.0),
    ("PV_simple", "dend"): (44.0, 7.0, 1.2, 150.0),
    ("SOM_simple", "axon"): (113.22, 1.1, 1.2, 150.0),
    ("PT5B_hh", "soma"): (20.0, 20.0, 1.0, 100.0),
    ("PT5B_hh", "axon_1"): (30.0, 1.0, 1.0, 100.0),
    ("PT5B_hh", "dendrite"): (200.0, 2.0, 1.0, 150.0),
}
BUILT_PARAMETERS = {  # as the segments of NEURON's sections have them
    "IT2_reduced": {
        ("soma", "gbar_nax"): 0.0768253702194,
        ("soma", "gcatbar_cat"): 9.29455717585e-07,
        ("axon", "g_pas"): 0.00035435694659685776,
        ("Adend3", "vhalfl_kap"): -36.7754836348,
        ("Adend3", "gbar_ih"): 3.3176340367e-05,
    },
    "IT4_reduced": {("soma", "e_pas"): -87.1335623948, ("Bdend", "g_pas"): 0.00014147647761414165},
    "IT5A_reduced": {("soma", "gbar_kap"): 0.306752147542, ("axon", "gbar_nax"): 0.73163310979},
    "IT5B_reduced": {("soma", "e_pas"): -79.8821836579, ("Adend2", "tq_kap"): -55.772342395},
    "PT5B_reduced": {
        ("soma", "gbar_kdmc"): 0.000447365630734,
        ("axon", "gbar_kdmc"): 0.00894731261468,
        ("Adend1", "gbar_ih"): 0.0009508884978406061,
        ("Adend2", "gbar_ih"): 0.00565,
        ("Bdend", "taur_cadad"): 99.1146852282,
        ("soma", "ena"): 42.0,
        ("soma", "ek"): -104.0,
    },
    "IT6_reduced": {("soma", "gpeak_kBK"): 4.2923494376e-05, ("soma", "gbar_nax"): 0.146326621958},
    "CT6_reduced": {("soma", "gpeak_kBK"): 4.45651933019e-05, ("Adend1", "ena"): 42.0},
    "PV_simple": {
        ("soma", "gkabar_kapin"): 0.048,
        ("soma", "gnafbar_Nafx"): 0.045,
        ("soma", "gKsbar_IKsin"): 7.25e-05,
        ("soma", "gkcbar_kctin"): 0.0001,
        ("axon", "gnafbar_Nafx"): 0.45,
        ("dend", "e_pas"): -66.65251260579605,
    },
    "SOM_simple": {
        ("soma", "gcatbar_catcb"): 0.003,
        ("soma", "gbar_hin"): 2e-06,
        ("axon", "gnafbar_Nafx"): 0.75,
        ("dend", "gkabar_kapcb"): 0.00875,
    },
    "PT5B_hh": {
        ("soma", "gbar_hd"): 0.0001,
        ("soma", "gnabar_hh"): 0.12,
        ("soma", "gkbar_hh"): 0.036,
        ("axon_0", "gl_hh"): 0.0003,
        ("axon_1", "el_hh"): -54.3,
        ("dendrite", "g_pas"): 0.001,
        ("dendrite", "e_pas"): -70.0,
    },
    "PT5B_pyramid": {
        ("soma", "gbar_nax"): 0.0345117294903,
        ("soma", "gbar_kdmc"): 0.000447365630734,
        ("axon", "gbar_nax"): 0.1725586474515,
        ("basal_5", "gbar_nax"): 0.00459391105,  # M1's detailed PT cell, not PT5B_reduced
        ("basal_5", "gbar_ih"): 0.000140956438043,
        ("apical_8", "gbar_ih"): 0.0009508884978406061,  # first third
        ("apical_9", "gbar_ih"): 0.00565,  # second
        ("apical_29", "gbar_ih"): 0.00565,  # last
        ("apical_29", "gbar_nax"): 0.00459391105,
        ("apical_29", "g_pas"): 9.30129299683914e-05,
        ("apical_29", "eca"): 132.4579341637009,
    },
}


def load_rule(cell: str) -> Any:
    """NetPyNE parameters that hold one rule, loaded as a model folder does it."""
    from netpyne import specs

    net = specs.NetParams()
    if cell in JSON_CELLS:
        net.loadCellParams(cell, str(REPO / "cells" / f"{cell}.json"))
    else:
        source = str(REPO / "cells" / f"{cell}.py")
        net.importCellParams(label=cell, fileName=source, cellName=cell)
    return net


def plain(rule: Any) -> dict[str, Any]:
    return json.loads(json.dumps(rule))


def build_and_run(cell: str, h_params: dict[str, float]) -> dict[str, Any]:
    """Build a cell with NetPyNE, let it rest for 700 ms, activate a somatic synapse of 1e-3 uS.

    To be called in a process of its own.
    """
    load_mechanisms(REPO / "mod")
    with Path(os.devnull).open("w") as null, contextlib.redirect_stdout(null):
        from netpyne import sim, specs
        from neuron import h

        found: dict[str, Any] = {}
        net = load_rule(cell)
        rule = net.cellParams[cell]
        found["rule"] = plain(rule)
        found["left_behind"] = [section.name() for section in h.allsec()]
        if cell not in JSON_CELLS:
            found["second_import"] = plain(load_rule(cell).cellParams[cell])
        rule["conds"] = rule.get("conds") or {"cellType": "any"}
        _, failed = sim.validator.validateNetParams(net)
        found["complaints"] = [
            failure.formattedMessage() for failure in failed if failure.component == "cellParams"
        ]

        rule["conds"] = {}
        net.popParams["P"] = {"cellType": cell, "numCells": 1}
        net.synMechParams["AMPA"] = {"mod": "MyExp2SynBB", "tau1": 0.05, "tau2": 5.3, "e": 0}
        net.synMechParams["NMDA"] = {"mod": "MyExp2SynNMDABB", "tau1NMDA": 15, "tau2NMDA": 150}
        net.stimSourceParams["S"] = {
            "type": "NetStim",
            "start": 700,
            "interval": 1e10,
            "number": 1,
            "noise": 0,
        }
        net.stimTargetParams["S->P"] = {
            "source": "S",
            "conds": {"pop": "P"},
            "sec": "soma",
            "loc": 0.5,
            "synMech": ["AMPA", "NMDA"],
            "synMechWeightFactor": [0.5, 0.5],
            "weight": 1e-3,
            "delay": 1,
        }
        cfg = specs.SimConfig({"duration": 760, "dt": 0.05, "recordStep": 0.1, "verbose": False})
        cfg.hParams = h_params
        cfg.recordCells = ["all"]
        cfg.recordTraces = {"v": {"sec": "soma", "loc": 0.5, "var": "v"}}
        sim.create(net, cfg)
        sections = {name: part["hObj"] for name, part in sim.net.cells[0].secs.items()}
        middle = sections["soma"](0.5)
        found["sections"] = {
            name: {
                "geometry": (section.L, section.diam, section.cm, section.Ra),
                "nseg": section.nseg,
                "parent": section.parentseg() and section.parentseg().sec.name().split(".")[-1],
                "parent_x": section.parentseg() and section.parentseg().x,
                "end_um": h.distance(middle, section(1)),
                "middle_um": h.distance(middle, section(0.5)),
                "area_um2": sum(segment.area() for segment in section),
            }
            for name, section in sections.items()
        }
        found["parameters"] = {
            (name, parameter): {getattr(segment, parameter) for segment in sections[name]}
            for name, parameter in BUILT_PARAMETERS[cell]
        }
        sim.runSim()
        sim.gatherData()
        found["v_mV"] = list(sim.simData["v"]["cell_0"])
        found["celsius"] = h.celsius
        found["erev_ih_mV"] = h.erev_ih
        if cell == "PT5B_pyramid":
            found["reconstruction"] = read_by_neuron()
    return found


def read_by_neuron() -> dict[str, list[float]]:
    """Let NEURON's interpreter read the morphology that the cell reads by itself."""
    from neuron import h

    h.xopen(str(Path(h.neuronhome()) / "demo" / "pyramid.nrn"))
    sections = [section for section in h.allsec() if section.cell() is None]
    return {
        "lengths_um": sorted(section.L for section in sections),
        "ends_um": sorted(h.distance(h.soma(0.5), section(1)) for section in sections),
        "area_um2": [sum(segment.area() for section in sections for segment in section)],
    }


@pytest.fixture(scope="module")
def runs() -> Iterator[dict[str, Future[dict[str, Any]]]]:
    """All cells, each in a fresh process; the detailed one first, as it takes longest.

    The processes are forks of one that has imported NetPyNE, and nothing else.
    """
    compile_mechanisms(REPO / "mod")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["netpyne.sim"])
    usual = {"celsius": 34.0, "v_init": -80.0}
    with ProcessPoolExecutor(
        max_workers=min(4, os.cpu_count() or 1),
        mp_context=context,
        max_tasks_per_child=1,
    ) as pool:
        jobs = {cell: pool.submit(build_and_run, cell, usual) for cell in reversed(SECTIONS)}
        cold = {"celsius": 6.3, "v_init": -65.0}  # NetPyNE's defaults
        jobs["PT5B_hh cold"] = pool.submit(build_and_run, "PT5B_hh", cold)
        yield jobs


@pytest.fixture
def run(runs: dict[str, Future[dict[str, Any]]], cell: str) -> dict[str, Any]:
    return runs[cell].result()


every_cell = pytest.mark.parametrize("cell", SECTIONS)
pyramid_only = pytest.mark.parametrize("cell", ["PT5B_pyramid"])


def test_there_is_a_test_for_every_file():
    files = {file.stem for file in (REPO / "cells").iterdir() if file.suffix in (".json", ".py")}
    assert files == set(SECTIONS)


@pytest.mark.parametrize("cell", JSON_CELLS)
def test_file_is_in_house_order(cell):
    rule = json.loads((REPO / "cells" / f"{cell}.json").read_text())
    assert list(rule) == ["conds", "globals", "secLists", "secs"]
    assert rule["conds"] == CONDS[cell]
    for section in rule["secs"].values():
        order = [key for key in ("geom", "topol", "mechs", "ions", "vinit") if key in section]
        assert list(section) == order
        assert list(section["mechs"]) == sorted(section["mechs"], key=str.lower)
        assert section["geom"]["nseg"] % 2 == 1
    assert "weightNorm" not in json.dumps(rule)
    assert "SectionList" not in json.dumps(rule)


@every_cell
def test_netpyne_validates_the_rule(run):
    assert run["complaints"] == []


@every_cell
def test_sections_and_segments(run, cell):
    assert list(run["sections"]) == SECTIONS[cell]
    assert sum(section["nseg"] for section in run["sections"].values()) == SEGMENTS[cell]


@every_cell
def test_sections_are_one_tree(run):
    for name in run["sections"]:
        path = [name]
        while (parent := run["sections"][path[-1]]["parent"]) is not None:
            assert parent not in path
            path.append(parent)
        assert path[-1] == "soma"


@pytest.mark.parametrize("cell", JSON_CELLS)
def test_sections_are_attached_where_they_should(run, cell):
    expected = PARENTS
    if cell in ("PV_simple", "SOM_simple"):
        expected = INTERNEURON_PARENTS
    elif cell == "PT5B_hh":
        expected = (("axon_0", "soma", 0), ("axon_1", "axon_0", 1), ("dendrite", "soma", 1))
    found = {(name, s["parent"], s["parent_x"]) for name, s in run["sections"].items()}
    assert found == {("soma", None, None), *expected}


@every_cell
def test_3d_points_agree_with_length_and_diameter(run):
    for name, section in run["sections"].items():
        length, diam, *_ = section["geometry"]
        geom = run["rule"]["secs"][name]["geom"]
        assert length == pytest.approx(geom["L"], rel=1e-5)
        assert diam == pytest.approx(geom["diam"], rel=1e-5)


@pytest.mark.parametrize(("cell", "name"), BUILT_GEOMETRY)
def test_built_geometry(run, cell, name):
    expected = pytest.approx(BUILT_GEOMETRY[cell, name], rel=1e-5)
    assert run["sections"][name]["geometry"] == expected


@every_cell
def test_built_parameters(run, cell):
    for key, expected in BUILT_PARAMETERS[cell].items():
        (value,) = run["parameters"][key]
        assert value == pytest.approx(expected, rel=1e-9), key


@every_cell
def test_section_lists(run, cell):
    lists = {
        name: sections
        for name, sections in run["rule"]["secLists"].items()
        if not name.startswith("SectionList[")  # NetPyNE's own, empty, in every imported rule
    }
    apical = [name for name in SECTIONS[cell] if name.lower().startswith("a") and name != "axon"]
    basal = [name for name in SECTIONS[cell] if name.lower().startswith("b")]
    if cell in ("PV_simple", "SOM_simple"):
        assert lists == {"spiny": ["soma", "dend"]}
    elif cell == "PT5B_hh":
        dendrites = ["dendrite"]
        assert lists == {"alldend": dendrites, "spiny": dendrites, "perisom": ["soma"]}
    elif cell == "PT5B_pyramid":
        assert set(lists) == {"alldend", "apicdend", "basaldend", "spiny", "perisom"}
        assert lists["alldend"] == [*basal, *apical]
        assert lists["basaldend"] == basal
        assert lists["apicdend"] == apical
        bare = {"apical_0", "apical_2", "apical_4", "apical_5", "apical_6", "apical_25"}
        assert bare == set(apical) - set(lists["spiny"])
        assert lists["perisom"][:2] == ["soma", "basal_0"]
        for name in lists["alldend"]:
            near = run["sections"][name]["middle_um"] <= 50
            assert near == (name in lists["perisom"])
    else:
        dendrites = [*apical, *basal]
        assert lists == {
            "alldend": dendrites,
            "apicdend": apical,
            "spiny": dendrites,
            "perisom": ["soma"],
        }


@every_cell
def test_rests(run, cell):
    v = run["v_mV"]
    assert run["celsius"] == 34
    assert max(v[:7000]) < -60
    assert v[6999] == pytest.approx(REST_MV[cell], abs=0.02)
    assert abs(v[6999] - v[5999]) < 0.01


@every_cell
def test_globals_reach_neuron(run, cell):
    has_ih = any("ih" in section["mechs"] for section in run["rule"]["secs"].values())
    assert run["rule"]["globals"].get("erev_ih") == (-37 if has_ih else None)
    assert run["erev_ih_mV"] == (-37 if has_ih else -45)


@every_cell
def test_somatic_epsp_is_one(run):
    v = run["v_mV"]
    assert 0.2 < max(v[7000:]) - v[6999] < 2
    assert 7010 < v.index(max(v[7000:])) < 7150


@pytest.mark.parametrize("cell", ["PT5B_hh", "PT5B_hh cold"])
def test_teaching_cell_rests_at_any_temperature(run):
    v = run["v_mV"]
    assert v[0] == -67
    assert max(v[:7000]) < -66
    assert abs(v[6999] - v[5999]) < 0.001


@pytest.mark.parametrize("cell", ["PT5B_hh", "PT5B_pyramid"])
def test_segments_obey_d_lambda(run):
    for name, section in run["rule"]["secs"].items():
        geom = section["geom"]
        points = geom.get("pt3d", [(0, 0, 0, geom["diam"]), (geom["L"], 0, 0, geom["diam"])])
        length_in_lambda = sum(
            dist(a[:3], b[:3])
            / (1e5 * sqrt((a[3] + b[3]) / 2 / (4 * pi * 100 * geom["Ra"] * geom["cm"])))
            for a, b in pairwise(points)
        )
        assert geom["nseg"] % 2 == 1
        assert length_in_lambda / geom["nseg"] <= 0.1 * (1 + 1e-5), name
        assert run["sections"][name]["nseg"] == geom["nseg"]


@pyramid_only
def test_morphology_is_what_neuron_reads(run):
    sections, oracle = run["sections"].values(), run["reconstruction"]
    assert len(oracle["lengths_um"]) == 79
    lengths = sorted(section["geometry"][0] for section in sections)
    assert lengths == pytest.approx(oracle["lengths_um"], rel=1e-5)
    assert sorted(section["end_um"] for section in sections) == pytest.approx(
        oracle["ends_um"], rel=1e-5
    )
    area_um2 = sum(section["area_um2"] for section in sections)
    assert area_um2 == pytest.approx(oracle["area_um2"][0], rel=1e-5)


@pyramid_only
def test_morphology_in_numbers(run):
    length_um: Counter[str] = Counter()
    for name, section in run["sections"].items():
        length_um[name.split("_")[0]] += section["geometry"][0]
        assert section["geometry"][0] / section["nseg"] <= 10.0001
    assert length_um.total() == pytest.approx(5386.65, abs=0.01)
    assert length_um == pytest.approx(
        {"soma": 37.10, "axon": 342.56, "basal": 2413.29, "apical": 2593.70}, abs=0.01
    )
    reach_um = {name: section["end_um"] for name, section in run["sections"].items()}
    assert max(reach_um, key=reach_um.__getitem__) == "apical_29"
    assert reach_um["apical_29"] == pytest.approx(959.53, abs=0.01)
    assert max(reach_um[f"basal_{i}"] for i in range(46)) == pytest.approx(248.07, abs=0.01)


@pyramid_only
def test_import_leaves_nothing_and_can_be_repeated(run):
    assert run["left_behind"] == []
    assert run["second_import"] == run["rule"]
    assert all(section["vinit"] == -80 for section in run["rule"]["secs"].values())


@pyramid_only
def test_somatic_epsp_as_documented(run):
    v = run["v_mV"]
    assert max(v[7000:]) - v[6999] == pytest.approx(0.345, abs=0.001)
