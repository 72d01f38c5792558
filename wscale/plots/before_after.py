"""Before and after: what one weight everywhere gives at the soma, and what weightNorm gives."""

from __future__ import annotations

from math import ceil, floor, isfinite, log10, nan
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from wscale.errors import option
from wscale.plots.style import (
    BLUE,
    NOT_CALIBRATED,
    VERMILION,
    axes_and_strip,
    from_soma,
    handle,
    new_figure,
    number,
    say,
    target_lines,
    tidy,
)
from wscale.results.reader import CellResults, MissingDataError

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
            f"where it is asked; give the search's command again with {option('traces', True)}"
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
    weight = f"{number(1e3 * fixed.weight_uS)} nS"
    every = [v for values in (before, after) for v in values.values() if isfinite(v)]
    axes.set_ylim(1.1 * min(every, default=0.0), 1.1 * max(every, default=1.0))
    if not every:
        also = f"no segment has an {cell.response} at {weight}"
        say(axes, also if promised else f"{NOT_CALIBRATED};\n{also}")
        axes.set_yticks([0.0])
    if all(value > 0 for value in every):
        axes.set_ylim(bottom=0.0)
    elif all(value < 0 for value in every):
        axes.set_ylim(top=0.0)
    target_lines(axes, cell)
    tidy(axes, "path distance from the soma (µm)", f"somatic {cell.response} (mV)")
    samples = [[v for v in values.values() if isfinite(v)] for values, *_ in parts]
    low, high = axes.get_ylim()
    centre, bin_mV = (cell.targets_mV or [0.0])[0], (high - low) / _BINS
    first, last = (int(np.floor((end - centre) / bin_mV)) for end in (low, high))
    bins = centre + bin_mV * (np.arange(first, last + 3) - 0.5)  # one is about the target
    for sample, (_, edge, face, _) in zip(samples, parts, strict=True):
        counts = np.histogram(sample, bins)[0].astype(float)
        counts[counts == 0] = np.nan  # no line where there is nothing
        filled = face != "none"
        if sample:
            side.stairs(
                counts,
                bins,
                orientation="horizontal",
                fill=filled,
                color=edge,
                linewidth=1.0,
                zorder=1 if filled else 2,
            )
    side.set_xlim(left=0.0, right=None if any(samples) else 1.0)
    side.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    side.set_xlabel("number of segments")
    side.tick_params(labelleft=False)
    handles = [
        handle(
            "o",
            VERMILION,
            f"{weight} in each segment: {_range(samples[0])}",
            markerfacecolor="none",
        ),
        handle("o", BLUE, f"with weightNorm{_source(cell)}: {_reached(cell, after, promised)}"),
    ]
    if samples[2]:
        words = f"not calibrated (stand-in): {_range(samples[2])}"
        handles.append(handle("D", BLUE, words, markerfacecolor="none"))
    figure.legend(handles=handles, loc="outside lower left", ncols=2 if len(handles) < 3 else 1)
    return figure


def _after(
    cell: CellResults,
) -> tuple[dict[tuple[str, int], float], set[tuple[str, int]]]:
    """Return the EPSP with the table by segment, mV, and the segments that it is calibrated for."""
    calibrated = {entry.place for entry in cell.solved}
    if cell.network is None:
        given = {e.place: e.stand_in_epsp_mV for e in cell.entries if isfinite(e.stand_in_epsp_mV)}
        return {**given, **{e.place: e.epsp_mV for e in cell.solved}}, calibrated
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


def _reached(
    cell: CellResults, after: dict[tuple[str, int], float], promised: set[tuple[str, int]]
) -> str:
    """Say what calibrated segments give, and how far that is from the target at most."""
    if not promised:
        return "no segment is calibrated"
    found = [(after.get(e.place, nan), e.target_mV) for e in cell.entries if e.place in promised]
    measured = [(value, target) for value, target in found if isfinite(value) and target]
    if not measured:
        return "no EPSP"
    worst = max(abs(value / target - 1) for value, target in measured)
    targets = sorted({target for _, target in measured})
    return f"{_range(targets)}, within {_percent(worst)}"


def _percent(share: float) -> str:
    """Return a share, rounded up to one digit, such as 0.02 % for 0.00013; at least 0.001 %."""
    percent = max(100 * share, 1e-3)
    power = 10.0 ** floor(log10(percent))
    return f"{number(ceil(percent / power - 1e-9) * power)} %"


def _source(cell: CellResults) -> str:
    return "" if cell.network is None else ", in a NetPyNE network"


def _range(values: list[float]) -> str:
    if not values:
        return "no EPSP"
    ends = dict.fromkeys((number(min(values)), number(max(values))))
    return f"{' to '.join(ends)} mV"
