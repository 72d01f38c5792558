"""Somatic traces at the solved weights, and how amplitudes fall from the synapse to the soma."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import LineCollection

from wscale.errors import option
from wscale.measurement.epsp import FloatArray
from wscale.plots.scales import colours, distance_scale, number_decades
from wscale.plots.style import from_soma, handle, new_figure, note, target_lines, tidy
from wscale.results.reader import CellResults, MissingDataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["make"]

_GREY = "0.35"


def make(cell: CellResults) -> Figure:
    """Draw a trace a site, coloured by distance, and amplitude and attenuation against distance."""
    found = cell.traces
    if found is None:
        raise MissingDataError(
            "traces are kept only where a search is asked for them; give its command again with "
            f"{option('traces', True)}"
        )
    if not found.sec:
        raise MissingDataError("no site has a calibrated weight, so there are no traces")
    distances = np.array(
        [
            cell.shape.distance_um(sec, segment)
            for sec, segment in zip(found.sec, found.segment, strict=True)
        ]
    )
    figure = new_figure(cell, f"{cell.response}s at the solved weights", 90)
    solved, traced = cell.solved, len(set(zip(found.sec, found.segment, strict=True)))
    unsolved = sum(e.status not in ("ok", "not_measured") for e in cell.entries)
    notes = [f"{traced} of {len(solved)} calibrated segments"] if traced < len(solved) else []
    if unsolved:
        notes.append(
            f"{unsolved} segment{'s' if unsolved > 1 else ''} without a solved weight not shown"
        )
    note(figure, "; ".join(notes))
    panels = figure.subplot_mosaic("TA;TR", width_ratios=(1.3, 1))
    left, upper, lower = panels["T"], panels["A"], panels["R"]
    scale = distance_scale(figure, cell, [left, lower, upper], location="bottom", aspect=50)
    own = colours(scale, distances)
    t = found.t_ms - found.arrival_ms
    lines = [np.column_stack((t, v - v[0])) for v in found.soma_mV]
    left.add_collection(
        LineCollection(
            lines,
            colors=own,
            linewidths=0.7 if len(lines) > 12 else 1.1,
        )
    )
    left.autoscale_view()
    left.margins(x=0)
    left.set_xlim(t[0], t[-1])
    target_lines(left, cell)
    tidy(left, "time after the spike arrives (ms)", "somatic potential from rest (mV)")

    local, soma = np.abs(found.local_epsp_mV), np.abs(found.soma_epsp_mV)
    upper.scatter(distances, local, c=own, s=16, zorder=3)
    upper.scatter(distances, soma, s=16, facecolors="none", edgecolors=_GREY, linewidths=0.8)
    _set_amplitudes(upper, np.concatenate((local, soma)))
    upper.tick_params(labelbottom=False)
    tidy(upper, "", "amplitude (mV)")
    upper.legend(
        handles=[
            handle("o", _GREY, "at the synapse"),
            handle("o", _GREY, "at the soma", markerfacecolor="none"),
        ],
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=2,
        borderaxespad=0.2,
    )
    lower.scatter(distances, soma / local, c=own, s=16)
    lower.set_ylim(0, 1.05 * max(1.0, float(np.nanmax(soma / local))))
    lower.sharex(upper)
    from_soma(upper, cell)
    tidy(lower, "path distance from the soma (µm)", "soma / synapse")
    return figure


def _set_amplitudes(axes: Axes, amplitudes_mV: FloatArray) -> None:
    """Scale the axis by decades where amplitudes differ much, and from zero where they do not."""
    low, high = float(amplitudes_mV.min()), float(amplitudes_mV.max())
    if low > 0 and high > 10 * low:
        axes.set_yscale("log")
        axes.set_ylim(low / 1.5, high * 1.5)
        number_decades(axes.yaxis, low / 1.5, high * 1.5)
    else:
        axes.set_ylim(0.0, 1.1 * high)
