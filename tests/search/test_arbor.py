"""Arbor as a second simulator: the weights that wscale solves give the target there, too."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
from helpers.cable import Cable, Synapse

pytest.importorskip("arbor", reason="needs Arbor, which has wheels for Linux (x86) and macOS (ARM)")

from benchmarks.arbor_cell import Exp2Syn, Run, Tree, epsps_mV
from benchmarks.second_simulator import (
    FINEST,
    RUN,
    SYNAPSE,
    TREES,
    compare,
    with_compartments,
)

FINE = replace(RUN, dt_ms=0.01)
COARSE = replace(RUN, dt_ms=0.025)
LONGEST_um = 4.0
LOCS = (0.1, 0.5, 0.9)
TOLERANCE = 3e-3  # of the target, relative; the tolerance of the search is 1e-4
SAME = 5e-5  # relative difference of the simulators at the same weight, dt and compartments
RATES_OF_NEURON = "SWC, HH with NEURON's table"


@pytest.mark.parametrize("tree", [tree for tree in TREES if tree != RATES_OF_NEURON])
def test_solved_weights_give_the_target(tree, tmp_path):
    found = compare(TREES[tree](tmp_path), FINE, LONGEST_um, LOCS)
    assert len(found.weights_uS) >= 18
    assert found.largest_error < TOLERANCE
    assert found.largest_difference < SAME


def test_a_finer_resolution_changes_little(tmp_path):
    found = compare(TREES["SWC, passive"](tmp_path), FINE, LONGEST_um, (0.1, 0.9), finest=FINEST)
    assert found.finest_mV != found.arbor_mV
    assert found.largest_error_finest < TOLERANCE


def test_the_table_of_rates_of_NEURON_is_seen(tmp_path):
    """docs/methodology.md says that hh differs by some percent with it."""
    found = compare(TREES[RATES_OF_NEURON](tmp_path), COARSE, 10.0, (0.5,))
    assert 3e-3 < found.largest_difference < 0.02


def test_arbor_against_cable_theory():
    """Without NEURON and wscale: the translation to Arbor is right by itself (L and diam)."""
    cable, synapse, weight_uS = Cable(((20.0, 20.0), (600.0, 2.0))), Exp2Syn(), 1e-4
    membrane = {"mechs": {"pas": {"g": cable.g_pas, "e": -70.0}}}
    lengths = dict(zip(("soma", "dend"), cable.cylinders_um, strict=True))
    secs = {
        name: {
            "geom": {"L": L, "diam": diam, "nseg": 75, "cm": cable.cm, "Ra": cable.Ra},
            **membrane,
        }
        for name, (L, diam) in lengths.items()
    }
    secs["dend"]["topol"] = {"parentSec": "soma", "parentX": 1.0, "childX": 0.0}
    run = Run(0.0025, 1.0, 0.5, 30.0, 0.025, -70.0, 6.3)
    places = {("soma", 0.5): 10.0, ("dend", 0.1): 80.0, ("dend", 0.9): 560.0}
    found = epsps_mV(Tree(secs), synapse, dict.fromkeys(places, weight_uS), run)
    t = np.arange(0.0, 29.0, run.sample_ms)
    for place, x_um in places.items():
        u = cable.solve(x_um, [Synapse(synapse.tau1, synapse.tau2, 70.0)], weight_uS, t)
        assert found[place] == pytest.approx(u.max(), rel=1e-4)


def test_arbor_reads_the_same_tree_from_the_swc_file(tmp_path):
    """With a soma of one point, which is a cylinder along x in both."""
    cell = TREES["SWC, HH in some sections"](tmp_path)
    secs = with_compartments(cell.rule, 10.0)["secs"]
    weights_uS = {(name, loc): 5e-4 for name in secs for loc in LOCS}
    own, from_rule = (
        epsps_mV(tree, SYNAPSE, weights_uS, COARSE) for tree in (cell.tree(secs), Tree(secs))
    )
    assert own == pytest.approx(from_rule, rel=1e-5)


@pytest.mark.parametrize("name", ["cm", "Ra", "g", "diameter", "length"])
def test_one_percent_of_any_parameter_would_be_noticed(name, tmp_path):
    secs = with_compartments(TREES["JSON, passive"](tmp_path).rule, 10.0)["secs"]
    changed = deepcopy(secs)
    for sec in changed.values():
        if name == "g":
            sec["mechs"]["pas"]["g"] *= 1.01
        elif name in ("cm", "Ra"):
            sec["geom"][name] *= 1.01
        else:
            factors = [1.0, 1.0, 1.0, 1.01] if name == "diameter" else [1.01, 1.01, 1.01, 1.0]
            sec["geom"]["pt3d"] = (np.array(sec["geom"]["pt3d"]) * factors).tolist()
    weights_uS = {(sec, loc): 5e-4 for sec in secs for loc in LOCS}
    before, after = (epsps_mV(Tree(s), SYNAPSE, weights_uS, COARSE) for s in (secs, changed))
    assert max(abs(after[place] / before[place] - 1) for place in before) > 10 * SAME
