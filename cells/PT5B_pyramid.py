"""A detailed layer 5 pyramidal cell: a real morphology that carries the PT5B membrane.

NetPyNE imports it with::

    netParams.importCellParams(
        label="PT5B_pyramid", fileName="cells/PT5B_pyramid.py", cellName="PT5B_pyramid"
    )

Real is the morphology: the reconstruction that NEURON ships as its own demonstration
(``share/nrn/demo/pyramid.nrn``, a pyramidal cell traced with the Eutectic system): 79 sections,
with every measured diameter. Nothing of it is copied here; it is read from the installed NEURON.
Its comments do not name species, area or layer: that it stands for a PT5B cell is a choice.

Published are the membrane parameters: those of ``PT5B_reduced.json`` with its ions, and the
dendritic sodium conductance of the detailed PT cell in the same M1 model (Dura-Bernal et al. 2023).

Choices, made here:

- The axon is the primary neurite with the fewest spine marks: 2 of its 87 points, where the others
  have 71 % or more. It is thin and unbranched too, and NEURON's demonstration gives it the
  channels of the soma. The apical tree is the one with the most distant tip; all others are basal.
- The reduced cell's three apical sections cover one third each of the largest path distance from
  the soma; a section takes the one in which its middle lies. Densities per area are kept although
  the area is not the same (31 159 against 13 234 um2), so that this cell's input resistance and
  its somatic EPSPs are its own.
- Dendritic ``nax`` is 0.0046 instead of the reduced cell's 0.0345 S/cm2. With the latter, a strong
  synapse on a distal tip makes a dendritic spike, and its somatic EPSP jumps from 0.2 to 15 mV. For
  the same reason the M1 model lowers it in its detailed PT cell, to this value.
- ``nseg`` is the odd number that satisfies the d_lambda rule (0.1 at 100 Hz) and leaves no
  segment longer than 10 um, so that a table has a value every 10 um: 617 segments.
- ``perisom`` is the soma and the dendrites whose middle is within 50 um of path; ``spiny`` are
  the dendrites with any spine mark.
- All sections start from ``V_INIT_MV``, close to rest at 34 degC.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from math import ceil, dist
from pathlib import Path
from typing import Any, NamedTuple

from neuron import h

D_LAMBDA = 0.1
FREQUENCY_HZ = 100.0
MAX_SEGMENT_UM = 10.0
PERISOMATIC_UM = 50.0
DENDRITIC_NAX_S_PER_CM2 = 0.3 * 0.0153130368342  # dendNa times somatic fit, M1's detailed PT cell
V_INIT_MV = -80.0

Point = tuple[float, float, float, float]  # x, y, z, diameter in um; diameter < 0 marks a spine


class Neurite(NamedTuple):
    """One unbranched piece of the reconstruction.

    Attributes
    ----------
    parent : int or None
        Index, in the same tree, of the piece it is attached to; None is the soma.
    parent_x : float
        Where on the parent it is attached, 0 to 1.
    points : list of (x, y, z, diameter)
        The traced points, in um.
    """

    parent: int | None
    parent_x: float
    points: list[Point]

    @property
    def n_spines(self) -> int:
        """Number of points at which the tracer marked a spine."""
        return sum(diam < 0 for *_, diam in self.points)

    @property
    def length_um(self) -> float:
        """Length along the points."""
        return sum(dist(a[:3], b[:3]) for a, b in pairwise(self.points))


def read_reconstruction(path: Path) -> tuple[list[Point], list[list[Neurite]]]:
    """Read a morphology in the format of NEURON's ``pyramid.nrn``.

    The file is hoc code followed by tables. Only its ``create`` statement and the tables are read,
    so that no section or name is left in NEURON's interpreter.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    soma : list of (x, y, z, diameter)
        Points of the soma, um.
    trees : list of list of Neurite
        One list of pieces for each primary neurite.
    """
    text = path.read_text(encoding="latin-1")
    create = text[text.index("create ") : text.index("proc ")]
    sizes = [int(size) for size in re.findall(r"dendrite_\d+\[(\d+)\]", create)]
    tables = re.split(r"[A-Z ]*(?:COORDINATES AND DIAMETERS|CONNECTIONS):", text)[1:]
    tables[-1] = tables[-1].split("/*")[0]
    soma, neurites, connections = (map(float, table.split()) for table in tables)

    soma_points = _points(soma)
    trees = []
    for size in sizes:
        pieces = []
        for _ in range(size):
            next(neurites)  # the file's own nseg
            pieces.append(_points(neurites))
        links = [(None, 0.5)] + [(int(next(connections)), next(connections)) for _ in pieces[1:]]
        trees.append([Neurite(*link, points) for link, points in zip(links, pieces, strict=True)])
    return soma_points, trees


def _points(numbers: Iterator[float]) -> list[Point]:
    """Take a count and that many points from a stream of numbers."""
    count = int(next(numbers))
    return [(next(numbers), next(numbers), next(numbers), next(numbers)) for _ in range(count)]


class PyramidalCell:
    """The cell as NEURON sections, in the form that NetPyNE's importer reads.

    Attributes
    ----------
    sections : dict of str to Section
        ``soma``, ``axon``, ``basal_0`` ..., ``apical_0`` ...; NetPyNE takes the names from here.
    all_sec : list of Section
        The same sections; NetPyNE imports these and no others, and empties the list.
    alldend, apicdend, basaldend, spiny, perisom : SectionList
        NetPyNE's ``secLists``.

    Notes
    -----
    Building the cell sets NEURON's ``celsius``, ``v_init`` and ``erev_ih``. That is how NetPyNE
    gets the rule's ``globals``; it restores them afterwards. It records only what *changed*: after
    a simulation that left ``erev_ih`` at -37 mV, the rule of a second import has no ``erev_ih``.
    """

    def __init__(self) -> None:
        h.load_file("stdrun.hoc")
        demo = Path(h.neuronhome()) / "demo" / "pyramid.nrn"
        soma, trees = read_reconstruction(demo)
        self.sections: dict[str, Any] = {"soma": _new_section("soma", soma)}
        self._spiny: list[Any] = []
        self._add_neurites(trees)
        self._set_membrane(json.loads(Path(__file__).with_name("PT5B_reduced.json").read_text()))

        dendrites = self._named("basal") + self._named("apical")
        self.all_sec = list(self.sections.values())
        self.alldend = h.SectionList(dendrites)
        self.apicdend = h.SectionList(self._named("apical"))
        self.basaldend = h.SectionList(self._named("basal"))
        self.spiny = h.SectionList(self._spiny)
        self.perisom = h.SectionList(
            [self.sections["soma"]]
            + [section for section in dendrites if self._distance_um(section) <= PERISOMATIC_UM]
        )

    def _add_neurites(self, trees: list[list[Neurite]]) -> None:
        """Create the neurites in the order axon, basal dendrites, apical dendrites."""
        axon = min(trees, key=_spine_density)
        apical = max(trees, key=_reach_um)
        basal = [tree for tree in trees if tree is not axon and tree is not apical]
        for tree in (axon, *basal, apical):
            role = "apical" if tree is apical else "basal"
            first = len(self._named(role))
            names = [f"{role}_{first + index}" for index in range(len(tree))]
            if tree is axon:
                names = ["axon"]
            for name, piece in zip(names, tree, strict=True):
                section = self.sections[name] = _new_section(name, piece.points)
                parent = "soma" if piece.parent is None else names[piece.parent]
                section.connect(self.sections[parent](piece.parent_x), 0)
                if tree is not axon and piece.n_spines:
                    self._spiny.append(section)

    def _set_membrane(self, reduced: dict[str, Any]) -> None:
        """Set resistivities, ``nseg``, mechanisms and ions from the rule of the reduced cell."""
        for model in ("Bdend", "Adend1", "Adend2", "Adend3"):
            reduced["secs"][model]["mechs"]["nax"]["gbar"] = DENDRITIC_NAX_S_PER_CM2
        reach_um = max(self._distance_um(section, 1) for section in self._named("apical"))
        for name, section in self.sections.items():
            third = min(int(3 * self._distance_um(section) / reach_um), 2) + 1
            model = {"basal": "Bdend", "apical": f"Adend{third}"}.get(name.split("_")[0], name)
            params = reduced["secs"][model]
            section.Ra, section.cm = params["geom"]["Ra"], params["geom"]["cm"]
            section.nseg = _n_segments(section)
            for mech in params["mechs"]:
                section.insert(mech)
            for segment in section:
                for mech, values in params["mechs"].items():
                    for parameter, value in values.items():
                        setattr(getattr(segment, mech), parameter, value)
                for ion, values in params["ions"].items():
                    setattr(segment, f"e{ion}", values["e"])
                    setattr(segment, f"{ion}i", values["i"])
                    setattr(segment, f"{ion}o", values["o"])
        for name, value in (reduced["globals"] | {"v_init": V_INIT_MV}).items():
            setattr(h, name, value)

    def _named(self, role: str) -> list[Any]:
        """Return the sections of one role: "axon", "basal" or "apical"."""
        return [section for name, section in self.sections.items() if name.startswith(role)]

    def _distance_um(self, section: Any, x: float = 0.5) -> float:
        """Return the path length from the middle of the soma to a place on a section."""
        return float(h.distance(self.sections["soma"](0.5), section(x)))


def PT5B_pyramid() -> PyramidalCell:
    """Build the cell: the name that NetPyNE's ``importCellParams`` calls.

    Returns
    -------
    PyramidalCell
        Its sections live in NEURON for as long as this object does.
    """
    return PyramidalCell()


def _new_section(name: str, points: list[Point]) -> Any:
    """Create a NEURON section with the given points."""
    section = h.Section(name=name)
    for x, y, z, diam in points:
        section.pt3dadd(x, y, z, abs(diam))
    return section


def _n_segments(section: Any) -> int:
    """Return the smallest odd number of segments within both limits on their length."""
    limit_um = min(D_LAMBDA * h.lambda_f(FREQUENCY_HZ, sec=section), MAX_SEGMENT_UM)
    return 2 * ceil(max(section.L / limit_um - 1, 0) / 2) + 1


def _spine_density(tree: list[Neurite]) -> float:
    """Return the fraction of a tree's points that bear a spine mark."""
    return sum(piece.n_spines for piece in tree) / sum(len(piece.points) for piece in tree)


def _reach_um(tree: list[Neurite]) -> float:
    """Return the path length from the root of a tree to its most distant tip."""
    ends: list[float] = []
    for piece in tree:
        ends.append((0.0 if piece.parent is None else ends[piece.parent]) + piece.length_um)
    return max(ends)
