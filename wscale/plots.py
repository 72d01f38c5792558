"""Figures of a search, from its results alone."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure

from wscale.grid import GridResult
from wscale.store import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_search"]

# Okabe & Ito's colours, distinguishable with all common kinds of colour vision
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_STYLES = ("-", "--", ":")


def plot_search(results: Sequence[GridResult], path: str | Path) -> Path:
    """Draw EPSP against weight and weightNorm along the tree.

    One cell: a line a site, coloured by its path distance from the soma. Several cells: a colour
    a cell. The target is a grey line; the solved weights lie on it as points.

    Parameters
    ----------
    results : sequence of GridResult
        One a cell.
    path : path
        The PNG to write.

    Returns
    -------
    Path
        The same path.
    """
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    if len(results) == 1:
        _one_cell(figure, left, right, results[0])
    else:
        _many_cells(left, right, results)
    for target in sorted({r.solution.target_mV for result in results for r in result.results}):
        left.axhline(target, color="0.6", linewidth=0.8, zorder=0)
        left.annotate(
            f"target\n{target:g} mV",
            (1, target),
            xycoords=("axes fraction", "data"),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize="small",
            color="0.4",
        )
    left.set(xlabel="weight (nS)", ylabel="somatic EPSP (mV)")
    right.set(xlabel="path distance from the soma (µm)", ylabel="weightNorm (nS/mV)")
    right.set_ylim(bottom=0)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    target_path = Path(path)
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=150)
    write_atomically(target_path, image.getvalue())
    return target_path


def _one_cell(figure: Figure, left: Axes, right: Axes, result: GridResult) -> None:
    farthest = max(r.site.distance_um for r in result.results) or 1.0
    norm = mpl.colors.Normalize(0.0, farthest)
    colours = mpl.colormaps["viridis"]
    for r in result.results:
        _epsp_line(left, r, color=colours(norm(r.site.distance_um)))
    _tree_lines(right, result, color="0.7")
    solved = [r for r in result.results if r.solution.weight_norm is not None]
    right.scatter(
        [r.site.distance_um for r in solved],
        [1e3 * (r.solution.weight_norm or 0.0) for r in solved],
        c=[r.site.distance_um for r in solved],
        cmap=colours,
        norm=norm,
        s=12,
        zorder=3,
    )
    figure.colorbar(
        mpl.cm.ScalarMappable(norm, colours), ax=[left, right], label="distance from the soma (µm)"
    )
    figure.suptitle(result.model.cell)


def _many_cells(left: Axes, right: Axes, results: Sequence[GridResult]) -> None:
    for number, result in enumerate(results):
        style: dict[str, Any] = {
            "color": _COLOURS[number % len(_COLOURS)],
            "linestyle": _STYLES[number // len(_COLOURS) % len(_STYLES)],
        }
        for r in result.results:
            _epsp_line(left, r, **style)
        _tree_lines(right, result, label=result.model.cell, **style)
        solved = [r for r in result.results if r.solution.weight_norm is not None]
        right.plot(
            [r.site.distance_um for r in solved],
            [1e3 * (r.solution.weight_norm or 0.0) for r in solved],
            "o",
            color=style["color"],
            markersize=4,
        )
    right.legend(frameon=False, fontsize="small")


def _epsp_line(axes: Axes, result: Any, **style: Any) -> None:
    points = [
        (1e3 * weight, response.epsp_mV)
        for weight, response in zip(result.weights_uS, result.responses, strict=True)
        if response.ok
    ]
    if points:
        axes.plot(*zip(*points, strict=True), linewidth=0.8, **style)
    solution = result.solution
    if solution.status == "ok":
        axes.plot(
            1e3 * solution.weight_uS, solution.epsp_mV, "o", color=style["color"], markersize=3.5
        )


def _tree_lines(axes: Axes, result: GridResult, label: str | None = None, **style: Any) -> None:
    """Connect each site to its neighbour on the way to the soma."""
    secs = result.model.rule["secs"]
    by_section: dict[str, list[Any]] = {}
    for r in result.results:
        by_section.setdefault(r.site.sec, []).append(r)
    for sec, entries in by_section.items():
        line = sorted(entries, key=lambda r: r.site.distance_um)
        parent = secs[sec].get("topol", {}).get("parentSec")
        while parent is not None and parent not in by_section:
            parent = secs[parent].get("topol", {}).get("parentSec")
        if parent is not None:
            nearer = [
                r for r in by_section[parent] if r.site.distance_um <= line[0].site.distance_um
            ]
            if nearer:
                line = [max(nearer, key=lambda r: r.site.distance_um), *line]
        values = [r for r in line if r.solution.weight_norm is not None]
        axes.plot(
            [r.site.distance_um for r in values],
            [1e3 * (r.solution.weight_norm or 0.0) for r in values],
            linewidth=1.0,
            label=label,
            **style,
        )
        label = None
