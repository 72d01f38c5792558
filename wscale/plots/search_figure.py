"""Figures of a search, from its results alone."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure

from wscale._util.files import write_atomically
from wscale.search.grid import GridResult, SiteResult
from wscale.search.targeted import SolveResult
from wscale.tables.weightnorm import not_calibrated

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_search", "search_figure"]

# Okabe & Ito's colours, distinguishable with all common kinds of colour vision
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_STYLES = ("-", "--", ":")


def plot_search(results: Sequence[GridResult | SolveResult], path: str | Path) -> Path:
    """Write the figure of a search as PNG.

    Parameters
    ----------
    results : sequence of GridResult or SolveResult
        One a cell.
    path : path
        The PNG to write.

    Returns
    -------
    Path
        The same path.
    """
    target_path = Path(path)
    image = io.BytesIO()
    search_figure(results).savefig(image, format="png", dpi=150)
    write_atomically(target_path, image.getvalue())
    return target_path


def search_figure(results: Sequence[GridResult | SolveResult]) -> Figure:
    """Draw weightNorm along the tree, and EPSP against weight where there is a grid.

    One cell: a line or point a site, coloured by its path distance from the soma. Several cells: a
    colour a cell. The target is a grey line; the solved weights lie on it as points.

    Parameters
    ----------
    results : sequence of GridResult or SolveResult
        One a cell.
    """
    grids = [result for result in results if isinstance(result, GridResult)]
    figure = Figure(figsize=(10 if grids else 6, 4.2), layout="constrained")
    panels = list(figure.subplots(1, 2 if grids else 1, squeeze=False)[0])
    left, right = (panels[0] if grids else None), panels[-1]
    if len(results) == 1:
        _one_cell(figure, left, right, results[0])
    else:
        _many_cells(left, right, results)
    if left is not None:
        _targets(left, results)
        left.set(xlabel="weight (nS)", ylabel="somatic EPSP (mV)")
    right.set(xlabel="path distance from the soma (µm)", ylabel="weightNorm (nS/mV)")
    if any(_solved(result)[0] for result in results):
        right.set_ylim(bottom=0)
    else:
        _say_nothing(right, results)
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
    cell = results[0].model.label if len(results) == 1 else ""
    gaps = not_calibrated(sum((Counter(result.table().counts) for result in results), Counter()))
    if cell or gaps:
        figure.suptitle(": ".join(filter(None, (cell, gaps))), fontsize="medium")
    return figure


def _say_nothing(axes: Axes, results: Sequence[GridResult | SolveResult]) -> None:
    """Say that nothing is calibrated where the weights would be."""
    words = "no segment has a calibrated weight"
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center")
    farthest = max(site.distance_um for result in results for site, _ in result.solutions)
    axes.set(xlim=(0.0, farthest or 1.0), ylim=(0.0, 1.0), yticks=[0.0])


def _targets(axes: Axes, results: Sequence[GridResult | SolveResult]) -> None:
    for target in sorted({s.target_mV for result in results for _, s in result.solutions}):
        axes.axhline(target, color="0.6", linewidth=0.8, zorder=0)
        axes.annotate(
            f"target\n{target:g} mV",
            (1, target),
            xycoords=("axes fraction", "data"),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize="small",
            color="0.4",
        )


def _one_cell(
    figure: Figure, left: Axes | None, right: Axes, result: GridResult | SolveResult
) -> None:
    farthest = max(site.distance_um for site, _ in result.solutions) or 1.0
    norm = mpl.colors.Normalize(0.0, farthest)
    colours = mpl.colormaps["viridis"]
    if left is not None and isinstance(result, GridResult):
        for r in result.results:
            _epsp_line(left, r, color=colours(norm(r.site.distance_um)))
    _tree_lines(right, result, color="0.7")
    distances, values = _solved(result)
    right.scatter(distances, values, c=distances, cmap=colours, norm=norm, s=12, zorder=3)
    figure.colorbar(
        mpl.cm.ScalarMappable(norm, colours),
        ax=[axes for axes in (left, right) if axes is not None],
        label="distance from the soma (µm)",
    )


def _many_cells(
    left: Axes | None, right: Axes, results: Sequence[GridResult | SolveResult]
) -> None:
    for number, result in enumerate(results):
        style: dict[str, Any] = {
            "color": _COLOURS[number % len(_COLOURS)],
            "linestyle": _STYLES[number // len(_COLOURS) % len(_STYLES)],
        }
        if left is not None and isinstance(result, GridResult):
            for r in result.results:
                _epsp_line(left, r, **style)
        _tree_lines(right, result, label=result.model.label, **style)
        right.plot(*_solved(result), "o", color=style["color"], markersize=4)
    right.legend(frameon=False, fontsize="small")


def _solved(result: GridResult | SolveResult) -> tuple[list[float], list[float]]:
    """Distances (um) and weightNorm (nS/mV) of the calibrated sites."""
    pairs = [
        (site.distance_um, 1e3 * solution.weight_norm)
        for site, solution in result.solutions
        if solution.weight_norm is not None
    ]
    return [x for x, _ in pairs], [y for _, y in pairs]


def _epsp_line(axes: Axes, result: SiteResult, **style: Any) -> None:
    points = [
        (1e3 * weight, response.epsp_mV)
        for weight, response in zip(result.weights_uS, result.responses, strict=True)
        if response.ok and response.epsp_mV is not None
    ]
    if points:
        weights, epsps = zip(*points, strict=True)
        axes.plot(weights, epsps, linewidth=0.8, **style)
    solution = result.solution
    if solution.weight_uS is not None and solution.epsp_mV is not None and solution.status == "ok":
        if points and solution.weight_uS > result.weights_uS[-1]:  # found beyond the grid
            end = (1e3 * solution.weight_uS, solution.epsp_mV)
            axes.plot(*zip(points[-1], end, strict=True), ":", color=style["color"], linewidth=0.8)
        axes.plot(
            1e3 * solution.weight_uS, solution.epsp_mV, "o", color=style["color"], markersize=3.5
        )


def _tree_lines(
    axes: Axes, result: GridResult | SolveResult, label: str | None = None, **style: Any
) -> None:
    """Connect each site to its neighbour on the way to the soma."""
    secs = result.model.rule["secs"]
    by_section: dict[str, list[tuple[float, float | None]]] = {}
    for site, solution in result.solutions:
        by_section.setdefault(site.sec, []).append((site.distance_um, solution.weight_norm))
    for sec, entries in by_section.items():
        line = sorted(entries, key=lambda entry: entry[0])
        parent = secs[sec].get("topol", {}).get("parentSec")
        while parent is not None and parent not in by_section:
            parent = secs[parent].get("topol", {}).get("parentSec")
        nearer = [entry for entry in by_section.get(parent, []) if entry[0] <= line[0][0]]
        if nearer:
            line = [max(nearer, key=lambda entry: entry[0]), *line]
        points = [(x, 1e3 * y) for x, y in line if y is not None]
        axes.plot(
            [x for x, _ in points], [y for _, y in points], linewidth=1.0, label=label, **style
        )
        label = None
