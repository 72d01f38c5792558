"""A cell rule as a cell of Arbor, and the somatic EPSPs that its synapses give there.

The tree, its membrane and the synapse are handed to Arbor from the rule alone; NEURON, NetPyNE and
wscale's simulation have no part in it. A control volume of Arbor is what a segment is in NEURON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import arbor
import numpy as np
from arbor import units

__all__ = ["Exp2Syn", "Place", "Run", "SwcTree", "Tree", "epsps_mV"]

Place = tuple[str, float]  # section, location
_KELVIN_AT_0_C = 273.15
_DIGITS = 9  # of a location


@dataclass(frozen=True)
class Exp2Syn:
    """A double-exponential conductance; the same names in NEURON and Arbor."""

    tau1: float = 0.5  # ms
    tau2: float = 5.0  # ms
    e: float = 0.0  # mV


@dataclass(frozen=True)
class Run:
    """What is simulated; times in ms."""

    dt_ms: float
    onset_ms: float  # of the presynaptic spike
    delay_ms: float
    window_ms: float
    sample_ms: float
    v_init_mV: float
    celsius: float


class Tree:
    """A cell rule's sections as segments of Arbor, cut at the ends and centres of NEURON's.

    Parameters
    ----------
    secs : mapping
        The ``secs`` of a cell rule: ``pt3d`` or ``L`` and ``diam``, ``nseg``, ``cm`` and ``Ra``;
        ``topol`` with childX 0; the mechanisms ``pas`` and ``hh``.
    """

    def __init__(self, secs: Mapping[str, Any]) -> None:
        self.secs = secs
        self.segments = arbor.segment_tree()
        self._first: dict[str, int] = {}
        self._ends: dict[Place, int] = {}  # the segment that ends there
        for name in _parents_first(secs):
            self._append(name)

    def _append(self, name: str) -> None:
        geom, topol = self.secs[name]["geom"], self.secs[name].get("topol", {})
        assert topol.get("childX", 0.0) == 0.0, f"{name} is attached by its end"
        cuts = np.arange(2 * geom["nseg"] + 1) / (2 * geom["nseg"])
        places = np.unique(np.r_[cuts, _places_of_points(geom)].round(_DIGITS))
        at = [arbor.mpoint(x, y, z, diam / 2) for x, y, z, diam in _interpolated(geom, places)]
        segment = self._ends[name, 0.0] = self._attached_to(topol)
        self._first[name] = self.segments.size
        for (start, end), place in zip(pairwise(at), places[1:], strict=True):
            segment = self.segments.append(segment, start, end, tag=self._tag(name))
            self._ends[name, float(place)] = segment

    def _attached_to(self, topol: Mapping[str, Any]) -> int:
        if not topol:
            return int(arbor.mnpos)
        parent, x = topol["parentSec"], topol.get("parentX", 1.0)
        if 0 < x < 1:  # NEURON attaches to the centre of the segment
            nseg = self.secs[parent]["geom"]["nseg"]
            x = (np.floor(x * nseg) + 0.5) / nseg
        return self._ends[parent, round(float(x), _DIGITS)]

    def at(self, place: Place) -> str:
        """Return Arbor's expression for the centre or an end of one of NEURON's segments."""
        sec, loc = place
        segment = self._ends[sec, round(loc, _DIGITS)]
        return "(root)" if segment == arbor.mnpos else f"(distal (segment {segment}))"

    def _start(self, name: str) -> str:
        """Return the beginning of a section, as a place of its own and not of its parent."""
        return f"(proximal (segment {self._first[name]}))"

    def _tag(self, name: str) -> int:
        return 1 + list(self.secs).index(name)

    @property
    def control_volumes(self) -> Any:
        """The discretisation: a control volume for each of NEURON's segments."""
        ends = []
        for name, sec in self.secs.items():
            nseg = sec["geom"]["nseg"]
            ends.append(self._start(name))
            ends += [self.at((name, (i + 1) / nseg)) for i in range(nseg)]
        return arbor.cv_policy_explicit(f"(sum {' '.join(ends)})")

    def decor(self, run: Run) -> Any:
        """Membrane, axial resistance and temperature."""
        decor = arbor.decor()
        decor.set_property(
            Vm=run.v_init_mV * units.mV, tempK=(run.celsius + _KELVIN_AT_0_C) * units.Kelvin
        )
        for tag, sec in {self._tag(name): sec for name, sec in self.secs.items()}.items():
            region = f"(tag {tag})"
            decor.paint(region, cm=1e-2 * sec["geom"]["cm"] * units.F / units.m2)  # from uF/cm2
            decor.paint(region, rL=sec["geom"]["Ra"] * units.Ohm * units.cm)
            for mech, given in sec["mechs"].items():
                decor.paint(region, arbor.density(*_density(mech, given)))
            for ion, given in sec.get("ions", {}).items():
                decor.paint(region, ion=ion, rev_pot=given["e"] * units.mV)
        return decor


class SwcTree(Tree):
    """The tree that Arbor itself reads from an SWC file, by NEURON's rules for the soma.

    Parameters
    ----------
    secs : mapping
        What wscale has read from the file: its 3D points say where the places are.
    file : path
        Of points of the kinds soma, axon, dend and apic, which are painted alike.
    """

    def __init__(self, secs: Mapping[str, Any], file: Path) -> None:
        self.secs = secs
        loaded = arbor.load_swc_neuron(str(file))
        self.segments = loaded.segment_tree
        self._placed = arbor.place_pwlin(loaded.morphology)

    def at(self, place: Place) -> str:
        sec, loc = place
        [(x, y, z, _)] = _interpolated(self.secs[sec]["geom"], [loc])
        location, distance_um = self._placed.closest(x, y, z)
        assert distance_um < 1e-3, f"Arbor has nothing at {place}: {distance_um:g} um away"
        return f"(location {location.branch} {location.pos!r})"

    def _start(self, name: str) -> str:
        return self.at((name, 1e-6))

    def _tag(self, name: str) -> int:
        return 1 + ["soma", "axon", "dend", "apic"].index(name.split("_")[0])


def _places_of_points(geom: Mapping[str, Any]) -> Any:
    """Return the locations of a section's 3D points, from 0 to 1."""
    steps = np.linalg.norm(np.diff(_points(geom)[:, :3], axis=0), axis=1)
    return np.r_[0.0, np.cumsum(steps)] / steps.sum()


def _interpolated(geom: Mapping[str, Any], places: Sequence[float]) -> Any:
    """Return x, y, z and diameter at places of a section."""
    at = _places_of_points(geom)
    return np.array([np.interp(places, at, column) for column in _points(geom).T]).T


def _points(geom: Mapping[str, Any]) -> Any:
    cylinder = [[0, 0, 0, geom.get("diam")], [geom.get("L"), 0, 0, geom.get("diam")]]
    return np.array(geom.get("pt3d") or cylinder, float)


def _density(mech: str, given: Mapping[str, float]) -> tuple[str, dict[str, float]]:
    if mech == "pas":
        return f"pas/e={given['e']}", {"g": given["g"]}
    assert mech == "hh", f"{mech} is not translated"
    return mech, {name: given[name] for name in ("gnabar", "gkbar", "gl", "el")}


def _parents_first(secs: Mapping[str, Any]) -> Sequence[str]:
    def depth(name: str) -> int:
        parent = secs[name].get("topol", {}).get("parentSec")
        return 0 if parent is None else 1 + depth(parent)

    return sorted(secs, key=depth)


class _OneSynapseEach(arbor.recipe):
    """A copy of the cell for each place, with a synapse there that is activated once."""

    def __init__(
        self, tree: Tree, synapse: Exp2Syn, weights_uS: Mapping[Place, float], run: Run
    ) -> None:
        super().__init__()
        self._tree, self._synapse, self._run = tree, synapse, run
        self._places = list(weights_uS.items())
        self._properties = arbor.neuron_cable_properties()

    def num_cells(self) -> int:
        return len(self._places)

    def cell_kind(self, gid: int) -> Any:
        return arbor.cell_kind.cable

    def global_properties(self, kind: Any) -> Any:
        return self._properties

    def cell_description(self, gid: int) -> Any:
        decor = self._tree.decor(self._run)
        place, _ = self._places[gid]
        decor.place(self._tree.at(place), arbor.synapse("exp2syn", vars(self._synapse)), "synapse")
        volumes = self._tree.control_volumes
        return arbor.cable_cell(self._tree.segments, decor, discretization=volumes)

    def event_generators(self, gid: int) -> Any:
        _, weight_uS = self._places[gid]
        # Half a step late: Arbor delivers at the beginning of the step, however times are rounded
        arrival = self._run.onset_ms + self._run.delay_ms + self._run.dt_ms / 2
        spike = arbor.explicit_schedule([arrival * units.ms])
        return [arbor.event_generator(arbor.cell_local_label("synapse"), weight_uS, spike)]

    def probes(self, gid: int) -> Any:
        return [arbor.cable_probe_membrane_voltage(self._tree.at(("soma", 0.5)), "soma")]


def epsps_mV(
    tree: Tree, synapse: Exp2Syn, weights_uS: Mapping[Place, float], run: Run
) -> dict[Place, float]:
    """Simulate in Arbor; the somatic EPSP of each place's synapse alone, at its weight.

    Parameters
    ----------
    tree : Tree
        The cell; the soma with nseg odd, so that 0.5 is the centre of a segment.
    synapse : Exp2Syn
        At each place.
    weights_uS : mapping
        ``{(section, location): weight}``; the locations are centres of segments.
    run : Run
        The simulation.
    """
    simulation = arbor.simulation(_OneSynapseEach(tree, synapse, weights_uS, run))
    first = run.onset_ms - run.sample_ms
    schedule = arbor.regular_schedule(first * units.ms, run.sample_ms * units.ms)
    handles = [simulation.sample((gid, "soma"), schedule) for gid in range(len(weights_uS))]
    end = run.onset_ms + run.window_ms + run.sample_ms / 2
    simulation.run(end * units.ms, run.dt_ms * units.ms)
    found = {}
    for place, handle in zip(weights_uS, handles, strict=True):
        [(samples, _)] = simulation.samples(handle)
        t, v = samples.T
        np.testing.assert_allclose(t, first + run.sample_ms * np.arange(len(t)), atol=1e-6)
        found[place] = float(v.max() - v[0])
    return found
