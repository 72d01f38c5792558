"""Before and after: what one weight everywhere gives at the soma, and what weightNorm gives."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from wscale.figures.data import CellResults, MissingDataError
from wscale.figures.style import (
    BLUE,
    VERMILION,
    axes_and_strip,
    from_soma,
    handle,
    new_figure,
    number,
    target_lines,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["make"]

_BINS = 40


def make(cell: CellResults) -> Figure:
    """Draw the EPSP of each segment with one weight at all of them, and with the table.

    With the table: as measured in a NetPyNE network where the run verified it, and otherwise as
    simulated at the solved weight. What has no EPSP is above, a row a status.
    """
    fixed = cell.fixed
    if fixed is None and cell.traces is not None:
        raise MissingDataError("no segment has a calibrated weight, so that none was tried at all")
    if fixed is None:
        raise MissingDataError(
            "before and after needs the EPSPs at one weight, which a targeted search leaves only "
            "where it is asked; give the search's command again with --traces"
        )
    before = dict(fixed.epsp_mV)
    after, promised = _after(cell)
    missing = []
    for e in cell.entries:
        own = {"ok" if e.place in after else e.status, fixed.status.get(e.place, "ok")}
        missing += [(e.distance_um, status) for status in sorted(own - {"ok"})]
    figure = new_figure(cell, f"somatic {cell.response} without and with weightNorm", 90)
    axes, side = axes_and_strip(figure, missing, (3.0, 1.0))
    distance = {entry.place: entry.distance_um for entry in cell.entries}
    size = 5 if len(distance) > 60 else 18
    parts = (
        (before, VERMILION, "none", "o"),
        ({p: v for p, v in after.items() if p in promised}, BLUE, BLUE, "o"),
        ({p: v for p, v in after.items() if p not in promised}, BLUE, "none", "D"),
    )
    for values, edge, face, marker in parts:
        places = [place for place in values if isfinite(values[place]) and place in distance]
        axes.scatter(
            [distance[place] for place in places],
            [values[place] for place in places],
            s=size,
            marker=marker,
            edgecolors=edge,
            facecolors=face,
            linewidths=0.8,
        )
    from_soma(axes, cell)
    every = [v for values in (before, after) for v in values.values() if isfinite(v)]
    axes.set_ylim(1.1 * min(every, default=0.0), 1.1 * max(every, default=1.0))
    if all(value > 0 for value in every):
        axes.set_ylim(bottom=0.0)
    elif all(value < 0 for value in every):
        axes.set_ylim(top=0.0)
    target_lines(axes, cell)
    tidy(axes, "path distance from the soma (µm)", f"somatic {cell.response} (mV)")
    samples = [[v for v in values.values() if isfinite(v)] for values, *_ in parts]
    low, high = axes.get_ylim()
    centre, bin_mV = (cell.targets_mV or [0.0])[0], (high - low) / _BINS
    bins = centre + bin_mV * (np.arange(-2 * _BINS, 2 * _BINS) - 0.5)
    drawn = (samples[0], samples[1] + samples[2])
    for sample, colour, fill in zip(drawn, (VERMILION, BLUE), (False, True), strict=True):
        side.hist(
            sample,
            bins=list(bins),
            orientation="horizontal",
            histtype="stepfilled" if fill else "step",
            color=colour,
            linewidth=1.0,
            zorder=1 if fill else 2,
        )
    side.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    side.set_xlabel("number of segments (1)")
    side.tick_params(labelleft=False)
    handles = [
        handle(
            "o",
            VERMILION,
            f"{1e3 * fixed.weight_uS:.3g} nS in each segment: {_range(samples[0])}",
            markerfacecolor="none",
        ),
        handle("o", BLUE, f"with weightNorm{_source(cell)}: {_range(samples[1])}"),
    ]
    if samples[2]:
        words = f"no calibrated weight, the .pkl holds the cap: {_range(samples[2])}"
        handles.append(handle("D", BLUE, words, markerfacecolor="none"))
    figure.legend(handles=handles, loc="outside lower left", ncols=2 if len(handles) < 3 else 1)
    return figure


def _after(
    cell: CellResults,
) -> tuple[dict[tuple[str, int], float], set[tuple[str, int]]]:
    """Return the EPSP with the table by segment, mV, and the segments that it is calibrated for."""
    calibrated = {entry.place for entry in cell.entries if entry.status == "ok"}
    if cell.network is None:
        return {e.place: e.epsp_mV for e in cell.entries if e.status == "ok"}, calibrated
    rows = cell.network[cell.network["status"] == "ok"]
    return (
        {
            (str(sec), int(segment)): float(epsp)
            for sec, segment, epsp in zip(
                rows["sec"], rows["segment"], rows["epsp_mV"], strict=True
            )
        },
        calibrated,
    )


def _source(cell: CellResults) -> str:
    return "" if cell.network is None else ", in a NetPyNE network"


def _range(values: list[float]) -> str:
    return f"{number(min(values))} to {number(max(values))} mV" if values else "no EPSP"
