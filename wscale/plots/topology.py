"""Sections without 3D points, laid out straight and of their length, apart from each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import atan2, cos, pi, sin

import numpy as np

from wscale.measurement.epsp import FloatArray
from wscale.results.morphology import Shape

__all__ = ["add_from_topology", "along"]

# Directions that are tried, in degrees: of what continues a branch, from the branch's own; of what
# leaves it, likewise, to either side; and from the soma, where a fan of them is not free
_ON = (0, 15, -15, 30, -30, 45, -45, 60, -60, 75, -75, 90, -90)
_ASIDE = (45, 60, 75, 90, 105, 120, 30, 20)
_ROUND = (0, 25, -25, 45, -45, 65, -65, 85, -85, 100, -100, 120, -120)
_UP, _DOWN = pi / 2, -pi / 2
# How far a branch stays from the others: as if it left them at this angle, and at most so far, as a
# share of the median length
_LEAST_ANGLE, _APART = pi / 9, 0.12
_SAMPLES = 40

Tree = dict[str | None, list[str]]


def add_from_topology(shape: Shape, paths: dict[str, FloatArray]) -> None:
    """Add the paths of the sections that have none: points and diameter, um.

    What continues a branch (the child at its end with the longest tree, then the one as thick) goes
    straight on. What leaves it does so at 45 degrees, more or less where others are in the way.
    """
    children: Tree = {}
    for name, section in shape.sections.items():
        children.setdefault(section.parent, []).append(name)
    lengths: dict[str, float] = {}
    for name in reversed(_in_order(children)):
        own = sum(lengths[child] for child in children.get(name, ()))
        lengths[name] = shape.sections[name].L_um + own
    layout = _Layout(shape, paths, children, lengths)
    for root in children.get(None, ()):
        layout.add_root(root)
        waiting = [root]
        while waiting:  # along the thickest branches first, each to its end
            waiting.sort(key=lambda name: lengths[name])
            waiting += layout.add_chain(waiting.pop())


def along(path: FloatArray) -> FloatArray:
    """Return how far along its path each point is, from 0 to 1."""
    steps = np.hypot(*np.diff(path[:, :2], axis=0).T)
    total = float(steps.sum())
    if total == 0.0:
        return np.linspace(0.0, 1.0, len(path))
    reached: FloatArray = np.concatenate(([0.0], np.cumsum(steps))) / total
    return reached


def _in_order(children: Tree) -> list[str]:
    """Return all sections, parents before their children."""
    order = list(children.get(None, ()))
    for name in order:
        order += children.get(name, [])
    return order


def _fan(count: int) -> list[float]:
    """Return directions of so many branches, in degrees, evenly apart, the middle first."""
    apart = min(45.0, 180.0 / max(count - 1, 1))
    return sorted((apart * (k - (count - 1) / 2) for k in range(count)), key=abs)


class _Layout:
    """Paths, as they are added; those that are there are kept away from.

    Parameters
    ----------
    shape, paths, children
        Of the cell.
    lengths : dict
        Length of each section with all that hangs on it, um.
    """

    def __init__(
        self,
        shape: Shape,
        paths: dict[str, FloatArray],
        children: Tree,
        lengths: dict[str, float],
    ) -> None:
        self._sections, self._paths = shape.sections, paths
        self._children, self._lengths = children, lengths
        self._pieces: list[tuple[str, FloatArray]] = []  # section, and x, y, x, y of each piece
        self._apart_um = _APART * float(np.median([s.L_um for s in self._sections.values()]))
        for name, path in paths.items():
            self._keep_away(name, path)

    def add_root(self, name: str) -> None:
        """Add a section without a parent: upright, to the right of all that is there."""
        if name in self._paths:
            return
        section = self._sections[name]
        taken = [piece[:, (0, 2)].max() for _, piece in self._pieces]
        x, half = (max(taken) + self._lengths[name] if taken else 0.0), section.L_um / 2
        self._add(name, (x, -half), (x, half))

    def add_chain(self, name: str) -> list[str]:
        """Add all that continues a section, then what leaves that; return the latter."""
        if self._sections[name].parent is None:
            return self._add_around(name)
        chain = [name]
        while (following := self._following(chain[-1])) is not None:
            self._turn(following, self._direction(chain[-1]), _ON)
            chain.append(following)
        left: list[str] = []
        for section in chain:
            for child in self._children.get(section, ()):
                if child not in chain:
                    side = 1 if len(left) % 2 else -1
                    angles = [sign * angle for angle in _ASIDE for sign in (side, -side)]
                    self._turn(child, self._direction(section), angles)
                    left.append(child)
        return left

    def _add_around(self, root: str) -> list[str]:
        """Add what hangs on a soma: up where it is attached to its end, otherwise down."""
        ordered = sorted(self._children.get(root, ()), key=lambda name: -self._lengths[name])
        loc = {name: self._sections[name].parent_loc for name in ordered}
        up = [name for name in ordered if loc[name] > 0.6]
        if not up:  # all at the middle, as in many files
            up = [name for name in ordered if loc[name] >= 0.4][:1]
        down = [name for name in ordered if name not in up]
        for names, base in ((up, _UP), (down, _DOWN)):
            for name in names:
                self._turn(name, base, [*_fan(len(names)), *_ROUND])
        return ordered

    def _following(self, name: str) -> str | None:
        """Return the child that continues a section; None where there is none."""
        section = self._sections[name]
        end = 1.0 if section.child_loc <= 0.5 else 0.0
        at_end = [
            child
            for child in self._children.get(name, ())
            if abs(self._sections[child].parent_loc - end) < 0.25
        ]

        def likeness(child: str) -> tuple[float, float]:
            thinner = abs(self._sections[child].diam_um - section.diam_um)
            return round(self._lengths[child], 6), -thinner

        return max(at_end, key=likeness, default=None)

    def _direction(self, name: str) -> float:
        """Return where a section goes, away from the soma, in radians."""
        ends = self._paths[name][[0, -1], :2]
        x, y = (ends[1] - ends[0]) * (1 if self._sections[name].child_loc <= 0.5 else -1)
        return atan2(y, x) if x or y else _UP

    def _turn(self, name: str, base: float, angles: Sequence[float]) -> None:
        """Add a section in the first direction that is free, or in the one that is most so."""
        if name in self._paths:
            return
        section = self._sections[name]
        assert section.parent is not None
        path = self._paths[section.parent]
        x, y = (float(np.interp(section.parent_loc, along(path), path[:, k])) for k in (0, 1))
        best, chosen = -1.0, base
        for angle in angles:
            direction = base + np.radians(angle)
            room = self._room(name, section.parent, (x, y), direction)
            if room > best + 1e-9:
                best, chosen = room, direction
            if best >= 1.0 - 1e-9:
                break
        end = (x + section.L_um * cos(chosen), y + section.L_um * sin(chosen))
        self._add(name, *(((x, y), end) if section.child_loc <= 0.5 else (end, (x, y))))

    def _room(self, name: str, parent: str, start: tuple[float, float], direction: float) -> float:
        """Return how far a straight branch would stay from the others; 1 and more is enough."""
        reach = sum(self._sections[part].L_um for part in self._ahead(name))
        # A soma is drawn as a disc: what begins inside is not too near to it
        own = parent if self._sections[parent].parent is None else None
        others = [piece for section, piece in self._pieces if section != own]
        if not others or reach <= 0.0:
            return 1.0
        r = reach * np.arange(_SAMPLES // 10, _SAMPLES + 1) / _SAMPLES
        points = np.array(start) + np.outer(r, (cos(direction), sin(direction)))
        wanted = np.minimum(r * sin(_LEAST_ANGLE), max(self._apart_um, reach / _SAMPLES))
        distances = _distances(points, np.concatenate(others))
        return min(1.0, float((distances.min(axis=1) / wanted).min()))

    def _ahead(self, name: str) -> Iterator[str]:
        """Yield a section and all that continues it."""
        here: str | None = name
        while here is not None:
            yield here
            here = self._following(here)

    def _add(self, name: str, start: tuple[float, float], end: tuple[float, float]) -> None:
        diameter = self._sections[name].diam_um
        self._paths[name] = np.array([(*start, diameter), (*end, diameter)])
        self._keep_away(name, self._paths[name])

    def _keep_away(self, name: str, path: FloatArray) -> None:
        self._pieces.append((name, np.column_stack((path[:-1, :2], path[1:, :2]))))


def _distances(points: FloatArray, pieces: FloatArray) -> FloatArray:
    """Return the distance of each point from each straight piece, shape (points, pieces)."""
    start, step = pieces[:, :2], pieces[:, 2:] - pieces[:, :2]
    squared = np.maximum((step**2).sum(axis=1), 1e-12)
    away = points[:, None, :] - start[None, :, :]
    share = np.clip((away * step).sum(axis=2) / squared, 0.0, 1.0)
    distances: FloatArray = np.hypot(*np.moveaxis(away - share[:, :, None] * step, 2, 0))
    return distances
