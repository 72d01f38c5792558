"""The shape of a cell as a results folder keeps it: sections, how they connect, and 3D points."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import dist, isfinite
from pathlib import Path

from wscale._util.files import write_atomically
from wscale._util.json_files import read_json
from wscale._util.plain import is_number
from wscale.errors import SelectionError, TableError
from wscale.model.model import Model
from wscale.model.sites import number_of_segments, path_distance_um

__all__ = ["Section", "Shape"]

_FORMAT = 1
_ANEW = "give the search's command again, which writes it anew"
# NEURON's own where a cell rule says nothing, um
_LENGTH_um, _DIAMETER_um = 100.0, 500.0
# For drawing only, where a diameter is a formula
_UNKNOWN_um = 1.0

Point = tuple[float, float, float, float]


@dataclass(frozen=True)
class Section:
    """One section.

    Parameters
    ----------
    nseg : int
        Number of segments.
    L_um, diam_um : float
        Length and (mean) diameter, um.
    parent : str or None
        The section it is attached to, with its end ``child_loc`` at the parent's ``parent_loc``.
    pt3d : tuple of (x, y, z, diameter)
        3D points, um; empty where the cell has none.
    distance_um : tuple of float or None
        Path distance of each segment's centre from the soma, um; None where it is not connected.
    """

    nseg: int
    L_um: float
    diam_um: float
    parent: str | None
    parent_loc: float
    child_loc: float
    pt3d: tuple[Point, ...]
    distance_um: tuple[float, ...] | None


@dataclass(frozen=True)
class Shape:
    """All sections of a cell, axons included.

    Parameters
    ----------
    soma : str
        Name of the section that is the soma.
    sections : dict
        By name, in the order of the cell rule.

    Examples
    --------
    >>> shape = Shape.of(Model.from_folder(".", "PV_simple"))
    >>> shape.soma, shape.sections["dend"].parent, shape.sections["dend"].distance_um
    ('soma', 'soma', (35.5,))
    """

    soma: str
    sections: dict[str, Section]

    @classmethod
    def of(cls, model: Model) -> Shape:
        """Return the shape of a model's cell; nothing is simulated."""
        return cls(model.soma, {name: _section(model, name) for name in model.rule["secs"]})

    def write(self, path: Path) -> None:
        """Write it as JSON, atomically."""
        content = {"wscale_shape": _FORMAT, **asdict(self)}
        write_atomically(path, json.dumps(content, allow_nan=False).encode())

    @classmethod
    def read(cls, path: Path) -> Shape:
        """Read what :meth:`write` wrote.

        Raises
        ------
        TableError
            There is no such file, or it does not hold a shape.
        """
        from pydantic import TypeAdapter

        try:
            content = read_json(path, "shape file", TableError)
        except TableError as error:
            raise TableError(f"{error}; {_ANEW}") from error
        try:
            if not isinstance(content, dict) or content.pop("wscale_shape", None) != _FORMAT:
                raise ValueError("it is not one of this version of wscale")
            shape: Shape = TypeAdapter(Shape).validate_python(content)
            shape._check()
        except ValueError as error:
            problem = str(error).splitlines()[0]
            raise TableError(
                f"{path} does not hold the shape of a cell: {problem}; {_ANEW}"
            ) from error
        return shape

    def _check(self) -> None:
        """Raise ValueError where sections do not fit together."""
        if self.soma not in self.sections:
            raise ValueError(f"there is no section {self.soma!r}")
        for name, section in self.sections.items():
            numbers = [section.L_um, section.diam_um, *(c for p in section.pt3d for c in p)]
            distances = section.distance_um or ()
            if not all(map(isfinite, (*numbers, *distances))) or section.nseg < 1:
                raise ValueError(f"section {name!r} has an impossible length, diameter or nseg")
            if section.distance_um is not None and len(distances) != section.nseg:
                raise ValueError(f"section {name!r} has not one distance a segment")
            if section.parent is not None and section.parent not in self.sections:
                raise ValueError(f"section {name!r} has an unknown parent")
            above, steps = section.parent, 0
            while above is not None:
                above, steps = self.sections[above].parent, steps + 1
                if steps > len(self.sections):
                    raise ValueError(f"section {name!r} is its own parent")

    def distance_um(self, sec: str, segment: int) -> float:
        """Return the path distance of a segment's centre from the soma, um; NaN if unconnected."""
        section = self.sections.get(sec)
        if section is None or section.distance_um is None or segment >= section.nseg:
            return float("nan")
        return section.distance_um[segment]


def _section(model: Model, name: str) -> Section:
    sec = model.rule["secs"][name]
    geom, topol = sec.get("geom", {}), sec.get("topol", {})
    points = tuple((float(x), float(y), float(z), float(d)) for x, y, z, d in geom.get("pt3d", ()))
    nseg = number_of_segments(model, name)
    if points:
        length = sum(dist(a[:3], b[:3]) for a, b in pairwise(points))
        diameter = sum(point[3] for point in points) / len(points)
    else:
        length = float(geom.get("L", _LENGTH_um))
        diameter = geom.get("diam", _DIAMETER_um)
        if not is_number(diameter):  # a formula, which NetPyNE evaluates
            diameter = _UNKNOWN_um
    try:
        ends = [path_distance_um(model, name, (i + 0.5) / nseg) for i in range(nseg)]
        distances: tuple[float, ...] | None = tuple(ends)
    except SelectionError:  # a piece of its own
        distances = None
    return Section(
        nseg,
        length,
        float(diameter),
        topol.get("parentSec"),
        float(topol.get("parentX", 1.0)),
        float(topol.get("childX", 0.0)),
        points,
        distances,
    )
