"""Where a cell's sections are drawn: their 3D points projected, or their topology laid out."""

from __future__ import annotations

from math import cos, pi, sin
from typing import NamedTuple

import numpy as np

from wscale.epsp import FloatArray
from wscale.shape import Shape

__all__ = ["Drawing", "lay_out"]

# Directions from the soma, by the end of it that a section is attached to: centre and half width
_UP, _DOWN = (pi / 2, 0.30 * pi), (-pi / 2, 0.30 * pi)
_SIDES = (0.0, 0.15 * pi)
_NARROWER = 0.62  # share of its parent's sector that a branch may use


class Drawing(NamedTuple):
    """Lines of a cell.

    Parameters
    ----------
    segments : dict
        (section, segment) -> points, shape (n, 2), um.
    diameters : dict
        (section, segment) -> mean diameter, um.
    plane : str
        Which axes are seen, such as ``x-y``; empty where there are no 3D points.
    """

    segments: dict[tuple[str, int], FloatArray]
    diameters: dict[tuple[str, int], float]
    plane: str


def lay_out(shape: Shape) -> Drawing:
    """Return the lines of a cell, divided into segments."""
    paths = _from_points(shape)
    plane = ""
    if paths:
        paths, plane = _projected(paths)
    _add_from_topology(shape, paths)
    segments, diameters = {}, {}
    for name, path in paths.items():
        for number, (points, diameter) in enumerate(_divided(path, shape.sections[name].nseg)):
            segments[name, number] = points
            diameters[name, number] = diameter
    return Drawing(segments, diameters, plane)


def _from_points(shape: Shape) -> dict[str, FloatArray]:
    return {
        name: np.array(section.pt3d)
        for name, section in shape.sections.items()
        if len(section.pt3d) > 1
    }


def _projected(paths: dict[str, FloatArray]) -> tuple[dict[str, FloatArray], str]:
    """Leave out the axis along which the cell is shortest; y, where it stays, points upwards."""
    every = np.concatenate(list(paths.values()))
    extent = np.ptp(every[:, :3], axis=0)
    shortest = 2 if extent[2] <= 1.5 * max(extent[0], extent[1]) else int(extent[:2].argmin())
    across, up = {0: (2, 1), 1: (0, 2), 2: (0, 1)}[shortest]
    names = "xyz"
    seen = {name: path[:, (across, up, 3)] for name, path in paths.items()}
    return seen, f"{names[across]}-{names[up]}"


def _add_from_topology(shape: Shape, paths: dict[str, FloatArray]) -> None:
    """Lay out the sections without points: straight, of their length, apart from each other."""
    children: dict[str | None, list[str]] = {}
    for name, section in shape.sections.items():
        children.setdefault(section.parent, []).append(name)
    sizes: dict[str, int] = {}
    for name in reversed(_in_order(children)):
        sizes[name] = max(1, sum(sizes[child] for child in children.get(name, ())))
    roots = children.get(None, [])
    sectors: dict[str, tuple[float, float]] = {}
    for number, root in enumerate(roots):
        sectors[root] = (_UP[0], _UP[1])
        if root not in paths:
            half = shape.sections[root].L_um / 2
            x = 2.0 * number * shape.sections[root].L_um
            paths[root] = _straight((x, -half), (x, half), shape.sections[root].diam_um)
    for name in _in_order(children):
        _sectors_of_children(shape, name, children.get(name, []), sizes, sectors)
        for child in children.get(name, ()):
            if child not in paths:
                section = shape.sections[child]
                start = _at(paths[name], section.parent_loc)
                angle = sectors[child][0]
                end = (
                    start[0] + section.L_um * cos(angle),
                    start[1] + section.L_um * sin(angle),
                )
                ends = (start, end) if section.child_loc <= 0.5 else (end, start)
                paths[child] = _straight(*ends, section.diam_um)


def _in_order(children: dict[str | None, list[str]]) -> list[str]:
    """Return all sections, parents before their children."""
    order = list(children.get(None, ()))
    for name in order:
        order += children.get(name, [])
    return order


def _sectors_of_children(
    shape: Shape,
    name: str,
    children: list[str],
    sizes: dict[str, int],
    sectors: dict[str, tuple[float, float]],
) -> None:
    """Give each child a part of the directions that are free, by the size of its tree."""
    if shape.sections[name].parent is not None:
        centre, half = sectors[name]
        _share(children, (centre, half if len(children) > 1 else half / _NARROWER), sizes, sectors)
        return
    place = {child: shape.sections[child].parent_loc for child in children}
    _share([c for c in children if place[c] > 0.6], _UP, sizes, sectors)
    _share([c for c in children if place[c] < 0.4], _DOWN, sizes, sectors)
    middle = [c for c in children if 0.4 <= place[c] <= 0.6]
    _share(middle[::2], _SIDES, sizes, sectors)
    _share(middle[1::2], (pi - _SIDES[0], _SIDES[1]), sizes, sectors)


def _share(
    children: list[str],
    sector: tuple[float, float],
    sizes: dict[str, int],
    sectors: dict[str, tuple[float, float]],
) -> None:
    centre, half = sector
    total = sum(sizes[child] for child in children)
    reached = centre + half
    for child in children:
        width = 2 * half * sizes[child] / total
        own = _NARROWER * width / 2 if len(children) > 1 else _NARROWER * half
        sectors[child] = (reached - width / 2, own)
        reached -= width


def _straight(start: tuple[float, float], end: tuple[float, float], diameter: float) -> FloatArray:
    return np.array([(*start, diameter), (*end, diameter)])


def _at(path: FloatArray, loc: float) -> tuple[float, float]:
    """Return the point at a share of a path's length."""
    along = _along(path)
    x, y = (float(np.interp(loc, along, path[:, k])) for k in (0, 1))
    return x, y


def _along(path: FloatArray) -> FloatArray:
    """Return how far along its path each point is, from 0 to 1."""
    steps = np.hypot(*np.diff(path[:, :2], axis=0).T)
    total = float(steps.sum())
    if total == 0.0:
        return np.linspace(0.0, 1.0, len(path))
    reached: FloatArray = np.concatenate(([0.0], np.cumsum(steps))) / total
    return reached


def _divided(path: FloatArray, nseg: int) -> list[tuple[FloatArray, float]]:
    """Return points and mean diameter of each segment of a path."""
    along = _along(path)
    parts = []
    for number in range(nseg):
        start, end = number / nseg, (number + 1) / nseg
        inner = along[(along > start) & (along < end)]
        at = np.concatenate(([start], inner, [end]))
        points = np.column_stack([np.interp(at, along, path[:, k]) for k in range(3)])
        parts.append((points[:, :2], float(points[:, 2].mean())))
    return parts
