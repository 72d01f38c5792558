"""Where a cell's sections are drawn: their 3D points projected, or their topology laid out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from wscale.measurement.epsp import FloatArray
from wscale.plots.topology import add_from_topology, along
from wscale.results.morphology import Shape

__all__ = ["Drawing", "lay_out"]


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
    add_from_topology(shape, paths)
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


def _divided(path: FloatArray, nseg: int) -> list[tuple[FloatArray, float]]:
    """Return points and mean diameter of each segment of a path."""
    reached = along(path)
    parts = []
    for number in range(nseg):
        start, end = number / nseg, (number + 1) / nseg
        inner = reached[(reached > start) & (reached < end)]
        at = np.concatenate(([start], inner, [end]))
        points = np.column_stack([np.interp(at, reached, path[:, k]) for k in range(3)])
        parts.append((points[:, :2], float(points[:, 2].mean())))
    return parts
