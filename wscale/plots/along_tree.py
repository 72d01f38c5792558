"""weightNorm along the tree: against path distance, branches connected."""

from __future__ import annotations

from itertools import pairwise, product
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.transforms import Bbox

from wscale.plots.style import (
    BLUE,
    NOT_CALIBRATED,
    axes_and_strip,
    from_soma,
    new_figure,
    say,
    tidy,
)
from wscale.results.reader import CellResults, Entry

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["make"]

Line = list[tuple[float, float]]

_MANY = 60
# Where a label can be beside its point: points to the right and up, and how it is aligned
_PLACES = (
    (4, 0, "left", "center"),
    (0, 4, "center", "bottom"),
    (0, -4, "center", "top"),
    (-4, 0, "right", "center"),
    (4, 4, "left", "bottom"),
    (-4, 4, "right", "bottom"),
)


def make(cell: CellResults) -> Figure:
    """Draw a line a section, connected with its parent; sections are labelled where there is room.

    Segments without a calibrated weight are above, a row a status.
    """
    solved = [e for e in cell.entries if e.status == "ok" and isfinite(e.distance_um)]
    figure = new_figure(cell, "weightNorm along the tree", 90)
    missing = [(e.distance_um, e.status) for e in cell.entries if e.status != "ok"]
    [axes] = axes_and_strip(figure, missing)
    strip = figure.axes[-1] if missing else None
    many = len(solved) > _MANY
    branches = _branches(cell)
    axes.add_collection(LineCollection(branches, colors="0.65", linewidths=0.6 if many else 1.0))
    soma = [e.sec == cell.shape.soma for e in solved]
    for chosen, marker, size in ((False, "o", 6 if many else 18), (True, "s", 26)):
        points = [e for e, of_soma in zip(solved, soma, strict=True) if of_soma == chosen]
        axes.scatter(
            [e.distance_um for e in points],
            [e.weight_norm for e in points],
            s=size,
            marker=marker,
            c="black" if chosen else BLUE,
            linewidths=0,
            zorder=3,
        )
    from_soma(axes, cell)
    axes.set_ylim(0.0, 1.12 * max((e.weight_norm for e in solved), default=1.0))
    tidy(axes, "path distance from the soma (µm)", "weightNorm (nS/mV)")
    if strip is not None:
        _label_strip(figure, strip, [e for e in cell.entries if e.status != "ok"])
    if not solved:
        say(axes, NOT_CALIBRATED)
        axes.set_yticks([0.0])
        return figure
    _label(figure, axes, cell, solved, branches)
    return figure


def _branches(cell: CellResults) -> list[Line]:
    """Return a line a section, from the segment of the parent that it is attached to."""
    by_place = {entry.place: entry for entry in cell.entries}
    lines = []
    for sec in dict.fromkeys(entry.sec for entry in cell.entries):
        own = [entry for entry in cell.entries if entry.sec == sec]
        if cell.shape.sections[sec].child_loc > 0.5:  # attached by its far end
            own.reverse()
        above = _attached_to(cell, sec, by_place)
        points = [(e.distance_um, e.weight_norm) for e in ([above] if above else []) + own]
        lines += _unbroken(points)
    return lines


def _unbroken(points: list[tuple[float, float]]) -> list[Line]:
    """Divide a line where there is no value."""
    lines: list[Line] = [[]]
    for point in points:
        if all(map(isfinite, point)):
            lines[-1].append(point)
        elif lines[-1]:
            lines.append([])
    return [line for line in lines if len(line) > 1]


def _attached_to(
    cell: CellResults, sec: str, by_place: dict[tuple[str, int], Entry]
) -> Entry | None:
    """Return the entry of the nearest segment on the way to the soma that is in the table."""
    sections = cell.shape.sections
    here = sections[sec]
    while here.parent is not None:
        above = sections[here.parent]
        segment = min(int(here.parent_loc * above.nseg), above.nseg - 1)
        if (here.parent, segment) in by_place:
            return by_place[here.parent, segment]
        here = above
    return None


def _label(
    figure: Figure, axes: Axes, cell: CellResults, solved: list[Entry], branches: list[Line]
) -> None:
    """Write the names of sections beside their last segments, where it fits.

    The soma's comes first, then the longest sections'.
    """
    figure.draw_without_rendering()  # the layout moves the axes, which decides what fits
    inside = axes.get_window_extent()
    points = axes.transData.transform(_along(branches, solved))
    last = {entry.sec: entry for entry in solved}
    taken: list[Bbox] = []
    step = figure.dpi / 72.0
    for sec in sorted(
        last, key=lambda name: (name != cell.shape.soma, -cell.shape.sections[name].L_um)
    ):
        entry = last[sec]
        for right, up, ha, va in _PLACES:
            text = axes.annotate(
                sec,
                (entry.distance_um, entry.weight_norm),
                xytext=(right, up),
                textcoords="offset points",
                ha=ha,
                va=va,
                fontsize=7,
                color="0.25",
            )
            box = text.get_window_extent()
            free = (
                inside.x0 <= box.x0
                and box.x1 <= inside.x1
                and inside.y0 <= box.y0
                and box.y1 <= inside.y1
                and not any(box.overlaps(other) for other in taken)
                and not _holds(box, points, step)
            )
            if free:
                taken.append(box)
                break
            text.remove()


def _label_strip(figure: Figure, strip: Axes, unsolved: list[Entry]) -> None:
    """Name the sections above, beside their last segments, where there is room."""
    figure.draw_without_rendering()
    row = {text.get_text().split(" (")[0]: k for k, text in enumerate(strip.get_yticklabels())}
    points = [(e.distance_um, row[e.status]) for e in unsolved if isfinite(e.distance_um)]
    marked = strip.transData.transform(points) if points else np.empty((0, 2))
    step = 3.0 * figure.dpi / 72.0  # half a marker
    taken: list[Bbox] = []
    named: set[str] = set()
    last = {(e.sec, e.status): e for e in unsolved if isfinite(e.distance_um)}
    for ((sec, status), entry), (right, ha) in product(last.items(), ((4, "left"), (-4, "right"))):
        if sec in named:
            continue
        text = strip.annotate(
            sec,
            (entry.distance_um, row[status]),
            xytext=(right, 0),
            textcoords="offset points",
            ha=ha,
            va="center",
            fontsize=7,
            color="0.25",
        )
        box, room = text.get_window_extent(), strip.get_window_extent()
        others = marked[np.abs(marked[:, 1] - (box.y0 + box.y1) / 2) < step]
        own = strip.transData.transform((entry.distance_um, row[status]))[0]
        near = (others[:, 0] > box.x0 - step) & (others[:, 0] < box.x1 + step)
        covered = near & (np.abs(others[:, 0] - own) > 0.1)
        free = room.x0 <= box.x0 and box.x1 <= room.x1 and not covered.any()
        if free and not any(box.overlaps(other) for other in taken):
            taken.append(box)
            named.add(sec)
        else:
            text.remove()


def _along(branches: list[Line], solved: list[Entry]) -> list[tuple[float, float]]:
    """Return points on the lines, which labels are not to cover."""
    points = [(e.distance_um, e.weight_norm) for e in solved]
    for line in branches:
        for (x0, y0), (x1, y1) in pairwise(line):
            points += [(x0 + k * (x1 - x0) / 40, y0 + k * (y1 - y0) / 40) for k in range(1, 40)]
    return points


def _holds(box: Bbox, points: np.ndarray, margin: float) -> bool:
    x, y = points[:, 0], points[:, 1]
    return bool(
        (
            (x > box.x0 - margin)
            & (x < box.x1 + margin)
            & (y > box.y0 - margin)
            & (y < box.y1 + margin)
        ).any()
    )
