"""The morphology, coloured by weightNorm, by EPSP at one weight and by loss."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.patches import Circle, Rectangle

from wscale.measurement.epsp import FloatArray
from wscale.model.sites import is_axon
from wscale.plots.layout import Drawing, lay_out
from wscale.plots.scales import (
    SEQUENCE,
    colour_bar,
    colours,
    linear_scale,
    log_scale,
    spread_scale,
)
from wscale.plots.style import WIDTH_mm, mark, new_figure, note, number, status_handles
from wscale.results.reader import CellResults

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["make"]

Values = Mapping[tuple[str, int], float]

_PT_A_MM = 72 / 25.4
# Branches are as thick as this many points a um of diameter, within bounds
_PT_A_um, _THINNEST_pt, _THICKEST_pt = 0.8, 0.7, 5.0
_LEAST_SOMA = 0.014  # radius, as a share of the height
_NO_VALUE = "0.82"
_DECADES = 6


def make(cell: CellResults) -> Figure:
    """Draw the cell once for each quantity that the run left, to one scale."""
    drawing = lay_out(cell.shape)
    panels = _panels(cell)
    lines = [drawing.segments[place] for place in _shown(cell, drawing)]
    soma = _soma(cell, drawing, float(np.ptp(np.concatenate(lines), axis=0).max()))
    low, high = _bounds(lines, soma)
    width, height = np.maximum(high - low, 1.0)
    panel_mm = WIDTH_mm / max(len(panels), 2) - 6.0
    tall_mm = min(max(panel_mm * float(height / width), 45.0), 125.0)
    um_a_mm = max(float(height) / tall_mm, float(width) / panel_mm)
    statuses = {e.place: e.status for e in cell.entries if e.status != "ok"}
    below_mm = 32.0 if statuses else 26.0
    figure = new_figure(cell, "along the morphology", tall_mm + below_mm)
    for place, (axes, (values, scale, label)) in enumerate(
        zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True)
    ):
        painted = {}
        if scale is not None:
            painted = dict(zip(values, colours(scale, values.values()), strict=True))
        pad = 0.03 * max(width, height)
        _draw(axes, soma, drawing, painted, um_a_mm, (low - pad, high + pad))
        if place == 0:
            _mark_statuses(axes, drawing, statuses)
        axes.set_aspect("equal")
        axes.set_axis_off()
        across = max(float(width), panel_mm * um_a_mm) / 2 + pad
        axes.set_xlim((low[0] + high[0]) / 2 - across, (low[0] + high[0]) / 2 + across)
        axes.set_ylim(low[1] - 4 * pad, high[1] + pad)
        _scale_bar(axes, float(max(width, height)), low, pad)
        if scale is not None:
            colour_bar(figure, scale, axes, label)
    notes = [f"{drawing.plane} projection" if drawing.plane else "drawn from the topology"]
    if _leaves(drawing, low, high):
        notes.append("axon not drawn in full")
    notes.append("grey: no value")
    note(figure, "; ".join(notes))
    handles = status_handles(statuses.values(), "segment")
    if handles:
        figure.legend(handles=handles, loc="outside lower left", ncols=4)
    return figure


def _panels(cell: CellResults) -> list[tuple[Values, ScalarMappable | None, str]]:
    """Return what is to be seen: values by segment, their colours and their name."""
    norms = {e.place: e.weight_norm for e in cell.entries if isfinite(e.weight_norm)}
    panels: list[tuple[Values, ScalarMappable | None, str]] = []
    if norms:
        panels.append(
            (norms, spread_scale(norms.values(), SEQUENCE["viridis"]), "weightNorm (nS/mV)")
        )
    if cell.fixed is not None:
        epsps = {place: v for place, v in cell.fixed.epsp_mV.items() if isfinite(v)}
        if epsps:
            weight = f"{number(1e3 * cell.fixed.weight_uS)} nS"
            panels.append(
                (
                    epsps,
                    linear_scale(epsps.values(), SEQUENCE["viridis"]),
                    f"{cell.response} at {weight} (mV)",
                )
            )
    losses = {place: v for place, v in cell.loss_mV2.items() if isfinite(v)}
    if losses:
        where = "at the solved weight" if cell.grid is None else "least on the grid"
        panels.append(
            (
                losses,
                log_scale(losses.values(), SEQUENCE["cividis"], _DECADES),
                f"loss, {where} (mV²)",
            )
        )
    return panels or [({}, None, "")]  # the statuses alone


def _draw(
    axes: Axes,
    soma: Soma,
    drawing: Drawing,
    painted: Mapping[tuple[str, int], str],
    um_a_mm: float,
    box: tuple[FloatArray, FloatArray],
) -> None:
    """Draw branches as thick as their diameters say, and the soma as a disc of its own size.

    The soma's own line, under the disc, reaches what is attached to its ends.
    """
    places = sorted(drawing.segments, key=lambda place: place in painted)  # on top: with a value
    per_um = max(_PT_A_um, _PT_A_MM / um_a_mm)
    lines = axes.add_collection(
        LineCollection(
            [drawing.segments[place] for place in places],
            colors=[painted.get(place, _NO_VALUE) for place in places],
            linewidths=[
                min(max(per_um * drawing.diameters[place], _THINNEST_pt), _THICKEST_pt)
                for place in places
            ],
            capstyle="butt",
        )
    )
    (left, bottom), (right, top) = box
    lines.set_clip_path(
        Rectangle((left, bottom), right - left, top - bottom, transform=axes.transData)
    )
    axes.add_patch(
        Circle(
            soma.centre,
            soma.radius,
            facecolor=painted.get(soma.place, _NO_VALUE),
            edgecolor="black",
            linewidth=0.6,
            zorder=3,
        )
    )


class Soma(NamedTuple):
    """The soma as a disc of about its own area: its middle segment, centre and radius, um."""

    place: tuple[str, int]
    centre: tuple[float, float]
    radius: float


def _soma(cell: CellResults, drawing: Drawing, extent: float) -> Soma:
    places = [place for place in drawing.segments if place[0] == cell.shape.soma]
    x, y = np.concatenate([drawing.segments[place] for place in places]).mean(axis=0)
    section = cell.shape.sections[cell.shape.soma]
    radius = max(0.5 * float(np.sqrt(section.L_um * section.diam_um)), _LEAST_SOMA * extent)
    return Soma(places[len(places) // 2], (float(x), float(y)), radius)


def _shown(cell: CellResults, drawing: Drawing) -> list[tuple[str, int]]:
    """Return the segments that must be seen whole: all but an axon that was not searched."""
    searched = {entry.sec for entry in cell.entries}
    return [place for place in drawing.segments if place[0] in searched or not is_axon(place[0])]


def _bounds(lines: Iterable[FloatArray], soma: Soma) -> tuple[FloatArray, FloatArray]:
    """Return the lower left and the upper right corner of lines and the soma, um."""
    disc = np.array(soma.centre) + np.array([[-1, -1], [1, 1]]) * soma.radius
    corners = np.concatenate([*lines, disc])
    return corners.min(axis=0), corners.max(axis=0)


def _leaves(drawing: Drawing, low: FloatArray, high: FloatArray) -> bool:
    """Say whether lines of the drawing run out of a box."""
    points = np.concatenate(list(drawing.segments.values()))
    return bool((points < low).any() or (points > high).any())


def _mark_statuses(axes: Axes, drawing: Drawing, statuses: Mapping[tuple[str, int], str]) -> None:
    for status in dict.fromkeys(statuses.values()):
        middles = [
            drawing.segments[place].mean(axis=0)
            for place, own in statuses.items()
            if own == status and place in drawing.segments
        ]
        x, y = ([float(point[k]) for point in middles] for k in (0, 1))
        mark(axes, status, x, y, zorder=4)


def _scale_bar(axes: Axes, extent_um: float, low: FloatArray, pad: float) -> None:
    """Draw a bar of a round length, about a fifth of the cell."""
    wanted = extent_um / 5
    power = 10.0 ** np.floor(np.log10(wanted))
    length = max((m * power for m in (1.0, 2.0, 5.0) if m * power <= wanted), default=power)
    x, y = float(low[0]), float(low[1] - 2 * pad)
    axes.plot([x, x + length], [y, y], color="black", linewidth=1.5, solid_capstyle="butt")
    axes.annotate(
        f"{length:g} µm",
        (x + length, y),
        xytext=(3, 0),
        textcoords="offset points",
        va="center",
        fontsize=7,
    )
