"""The grid search itself: EPSP and loss of each section and weight, the best weight outlined."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba
from matplotlib.patches import Patch, Rectangle

from wscale.measurement.epsp import FloatArray
from wscale.plots.scales import colour_bar, linear_scale, log_scale
from wscale.plots.style import mark, new_figure, status_handles, tidy
from wscale.results.reader import CellResults, MissingDataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

__all__ = ["make"]

_ROW_mm, _LEAST_mm, _MOST_mm = 4.0, 65.0, 210.0
# Up to so many rows each best weight has a frame of its own, and more of them share a line
_FRAMES = 80
_LABELS = 9  # weights with a label
# Losses are drawn over so many decades below the largest
_DECADES = 6
_NO_VALUE = "0.93"


def make(cell: CellResults) -> Figure:
    """Draw two maps, a row a site in the order of the sections and a column a weight.

    Grid points that are no sound responses have the marker of their status.
    """
    if cell.grid is None:
        raise MissingDataError(
            "a heat map needs a grid of weights, and this run is a targeted search; search with "
            "wscale grid"
        )
    sites = list(dict.fromkeys(zip(cell.grid["sec"], cell.grid["loc"], strict=True)))
    table = {
        name: cell.grid.pivot_table(
            index=["sec", "loc"], columns="weight_uS", values=name, aggfunc="first", dropna=False
        ).reindex(sites)
        for name in ("epsp_mV", "loss_mV2", "status")
    }
    status = table["status"].fillna("failed").to_numpy(dtype=str)
    height = min(max(_ROW_mm * len(sites) + 35.0, _LEAST_mm), _MOST_mm)
    figure = new_figure(cell, "grid search, a row a segment", height)
    left, right = figure.subplots(1, 2, sharey=True)
    weights_nS = 1e3 * table["epsp_mV"].columns.to_numpy(dtype=float)
    calibrated = {entry.place for entry in cell.solved}
    places = dict(
        zip(
            zip(cell.grid["sec"], cell.grid["loc"], strict=True),
            zip(cell.grid["sec"], cell.grid["segment"], strict=True),
            strict=True,
        )
    )
    reached = [places[site] in calibrated for site in sites]
    best = _best(table["loss_mV2"].to_numpy(dtype=float), status)
    for axes, name, label in (
        (left, "epsp_mV", f"somatic {cell.response} (mV)"),
        (right, "loss_mV2", "loss (mV²)"),
    ):
        values = np.where(status == "ok", table[name].to_numpy(dtype=float), np.nan)
        scale = _scale(values, name, cell.response == "IPSP")
        colours = np.asarray(scale.to_rgba(np.nan_to_num(values, nan=1.0)))
        colours[status != "ok"] = to_rgba(_NO_VALUE)
        axes.pcolormesh(colours, rasterized=True)
        _mark_unsound(axes, status, height)
        colour_bar(figure, scale, axes, label)
        _outline(axes, best, reached)
        _name_weights(axes, weights_nS)
        tidy(axes, "synaptic weight (nS)", "section" if axes is left else "")
    _name_sections(left, right, sites, height)
    handles = status_handles(status[status != "ok"], "grid point")
    frames = [Patch(facecolor="none", edgecolor="black", label="best weight on the grid")]
    if len(best) <= _FRAMES and any(
        b is not None and not r for b, r in zip(best, reached, strict=True)
    ):
        words = "best, not calibrated"
        frames.append(Patch(facecolor="none", edgecolor="black", linestyle="--", label=words))
    figure.legend(handles=[*frames, *handles], loc="outside upper right", ncols=4)
    return figure


def _best(loss_mV2: FloatArray, status: np.ndarray) -> list[int | None]:
    """Return the column with the least loss of each row; None where no point is sound."""
    sound = np.where(status == "ok", loss_mV2, np.inf)
    least = sound.argmin(axis=1)
    return [
        int(column) if np.isfinite(sound[row, column]) else None for row, column in enumerate(least)
    ]


def _scale(values: FloatArray, name: str, negative: bool) -> ScalarMappable:
    finite = values[np.isfinite(values)]
    if name == "epsp_mV":
        return linear_scale(finite, mpl.colormaps["viridis_r" if negative else "viridis"])
    return log_scale(finite, mpl.colormaps["cividis"], _DECADES)


def _mark_unsound(axes: Axes, status: np.ndarray, height_mm: float) -> None:
    """Draw the statuses of grid points that are no sound responses."""
    row_pt = (height_mm - 40.0) / len(status) * 72.0 / 25.4
    size = min(max(0.5 * row_pt, 1.0), 4.5)
    for name in dict.fromkeys(status[status != "ok"]):
        rows, columns = np.nonzero(status == name)
        mark(axes, str(name), columns + 0.5, rows + 0.5, size_pt=size, rasterized=len(rows) > 2000)


def _outline(axes: Axes, best: list[int | None], reached: list[bool]) -> None:
    """Frame the best weight of each row, dashed where the target is not met there.

    With many rows, the edges of their column alone are drawn.
    """
    rows = [(row, column) for row, column in enumerate(best) if column is not None]
    if len(best) <= _FRAMES:
        for colour, width in (("white", 2.2), ("black", 1.0)):
            for row, column in rows:
                frame = Rectangle(
                    (column, row), 1, 1, fill=False, edgecolor=colour, linewidth=width, zorder=3
                )
                if colour == "black" and not reached[row]:
                    frame.set_linestyle((0, (3, 2)))
                frame.set_clip_on(False)
                axes.add_patch(frame)
        return
    edges = []
    for row, column in rows:
        edges += [[(column, row), (column, row + 1)], [(column + 1, row), (column + 1, row + 1)]]
    for row, (one, other) in enumerate(pairwise(best), start=1):
        if one is not None and other is not None and one != other:
            edges += [[(min(one, other), row), (max(one, other), row)]]
            edges += [[(min(one, other) + 1, row), (max(one, other) + 1, row)]]
    for colour, width in (("white", 1.8), ("black", 0.8)):
        axes.add_collection(LineCollection(edges, colors=colour, linewidths=width, zorder=3))


def _name_weights(axes: Axes, weights_nS: FloatArray) -> None:
    step = -(-len(weights_nS) // _LABELS)
    at = range(0, len(weights_nS), step)
    axes.set_xticks([k + 0.5 for k in at], [f"{weights_nS[k]:.3g}" for k in at])
    axes.spines[["left", "bottom"]].set_visible(False)


def _name_sections(
    left: Axes, right: Axes, sites: list[tuple[str, float]], height_mm: float
) -> None:
    """Name the sections on the left, where there is room, with lines between them."""
    names = list(dict.fromkeys(sec for sec, _ in sites))
    order = [sec for sec, _ in sites]
    spans = {sec: (order.index(sec), len(order) - order[::-1].index(sec)) for sec in names}
    rows_a_label = 3.2 * len(sites) / max(height_mm - 40.0, 1.0)  # of 7 pt
    shown, reached = [], -np.inf
    for sec in names:
        middle = sum(spans[sec]) / 2
        if middle - reached >= rows_a_label:
            shown.append((middle, sec))
            reached = middle
    left.set_yticks([at for at, _ in shown], [sec for _, sec in shown])
    left.set_ylim(len(sites), 0)
    for axes in (left, right):
        axes.tick_params(axis="y", length=0)
        if len(names) <= _FRAMES:
            for start, _ in spans.values():
                axes.axhline(start, color="white", linewidth=0.8 if len(names) < 20 else 0.25)
