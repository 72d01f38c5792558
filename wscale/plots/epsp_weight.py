"""EPSP against weight: a line a site, with the target and the solved weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import LineCollection

from wscale.measurement.epsp import FloatArray
from wscale.plots.scales import colours, distance_scale
from wscale.plots.style import GREY, handle, mark, new_figure, status_handles, target_lines, tidy
from wscale.results.reader import CellResults, Entry, MissingDataError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["make"]

_MANY = 60


def make(cell: CellResults) -> Figure:
    """Draw a line a site, coloured by distance; what is not ok has its own marker.

    A site without a calibrated weight has its status at the end of its line, or at its beginning
    where that exceeds the target; a grid point that is no sound response has its own at the upper
    edge, at its weight.
    """
    if cell.grid is None:
        raise MissingDataError(
            "EPSP against weight needs a grid of weights, and this run is a targeted search; "
            "search with wscale grid"
        )
    figure = new_figure(cell, f"{cell.response} against synaptic weight", 85)
    axes = figure.subplots()
    scale = distance_scale(figure, cell, axes)
    sites = [rows for _, rows in cell.grid.groupby(["sec", "loc"], sort=False)]
    distances = np.array([rows["distance_um"].iloc[0] for rows in sites])
    own = colours(scale, distances)
    lines = [_line(rows) for rows in sites]
    axes.add_collection(
        LineCollection(
            lines,
            colors=own,
            linewidths=0.5 if len(lines) > _MANY else 1.0,
        )
    )
    solved = cell.solved
    last_nS = 1e3 * float(cell.grid["weight_uS"].max())
    _continue_to(axes, solved, sites, lines, own)
    axes.scatter(
        [entry.weight_norm * abs(entry.target_mV) for entry in solved],
        [entry.epsp_mV for entry in solved],
        c=colours(scale, (entry.distance_um for entry in solved)),
        s=8 if len(lines) > _MANY else 18,
        edgecolors="white",
        linewidths=0.3,
        zorder=3,
    )
    _dot_lone_points(axes, lines, own)
    axes.autoscale_view()
    weights_nS = (entry.weight_norm * abs(entry.target_mV) for entry in solved)
    axes.set_xlim(0.0, 1.04 * max([last_nS, *weights_nS]))
    low, high = axes.get_ylim()
    measured = np.concatenate([line[:, 1] for line in lines])
    measured = measured[np.isfinite(measured)]
    axes.set_ylim(0.0 if (measured >= 0).all() else low, 0.0 if (measured <= 0).all() else high)
    target_lines(axes, cell)
    tidy(axes, "synaptic weight (nS)", f"somatic {cell.response} (mV)")
    found = f"solved weight ({len(solved)} segment{'s' if len(solved) > 1 else ''})"
    handles = [
        *([handle("o", GREY, found)] if solved else []),
        *status_handles(_mark_unsolved(axes, cell, sites).values(), "segment"),
        *status_handles(_mark_unsound(axes, cell.grid), "grid point"),
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=4)
    return figure


def _line(rows: pd.DataFrame) -> FloatArray:
    """Return weights (nS) and responses (mV) of a site; NaN where there is no sound response."""
    sound = np.where(rows["status"] == "ok", rows["epsp_mV"], np.nan)
    return np.column_stack((1e3 * rows["weight_uS"], sound))


def _continue_to(
    axes: Axes,
    solved: list[Entry],
    sites: list[pd.DataFrame],
    lines: list[FloatArray],
    own: list[str],
) -> None:
    """Connect the ends of lines with solved weights beyond the grid, by dots."""
    found = {e.place: (e.weight_norm * abs(e.target_mV), e.epsp_mV) for e in solved}
    for rows, line, colour in zip(sites, lines, own, strict=True):
        weight, epsp = found.get((rows["sec"].iloc[0], rows["segment"].iloc[0]), (0.0, 0.0))
        if weight > line[-1, 0]:
            axes.plot([line[-1, 0], weight], [line[-1, 1], epsp], ":", color=colour, linewidth=1.0)


def _dot_lone_points(axes: Axes, lines: list[FloatArray], own: list[str]) -> None:
    """Show sound responses between others that are not, which no line reaches."""
    points, shades = [], []
    for line, colour in zip(lines, own, strict=True):
        sound = np.concatenate(([False], np.isfinite(line[:, 1]), [False]))
        for k in np.flatnonzero(sound[1:-1] & ~sound[:-2] & ~sound[2:]):
            points.append(line[k])
            shades.append(colour)
    if points:
        weights, responses = np.array(points).T
        axes.scatter(weights, responses, c=shades, s=3)


def _mark_unsolved(
    axes: Axes, cell: CellResults, sites: list[pd.DataFrame]
) -> dict[tuple[str, int], str]:
    """Mark segments without a calibrated weight where their lines miss it; return statuses."""
    status_at = {entry.place: entry.status for entry in cell.entries}
    statuses = {}
    for rows in sites:
        first = rows.iloc[0]
        place = (first["sec"], first["segment"])
        status = status_at.get(place, "ok")
        if status == "ok":
            continue
        statuses[place] = status
        sound = rows[
            (rows["status"] == "ok").cumprod().astype(bool)
        ]  # before the first that is not
        if len(sound):
            point = sound.iloc[0 if status == "below_grid" else -1]
            mark(axes, status, [1e3 * point["weight_uS"]], [point["epsp_mV"]], zorder=4)
        else:  # nothing was measured: at the lower edge
            _mark_at_edge(axes, status, [1e3 * first["weight_uS"]], 0.0)
    return statuses


def _mark_unsound(axes: Axes, grid: pd.DataFrame) -> list[str]:
    """Mark the weights of grid points that are no sound responses, at the upper edge."""
    unsound = grid[grid["status"] != "ok"]
    for status, rows in unsound.groupby("status", sort=False):
        _mark_at_edge(axes, str(status), list(1e3 * np.unique(rows["weight_uS"])), 1.0)
    return list(unsound["status"])


def _mark_at_edge(axes: Axes, status: str, weights_nS: list[float], edge: float) -> None:
    mark(
        axes,
        status,
        weights_nS,
        [edge] * len(weights_nS),
        transform=axes.get_xaxis_transform(),
        clip_on=False,
        zorder=5,
    )
