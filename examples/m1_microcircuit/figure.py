"""The figure: what a unitary connection gives at the soma, and the network at work."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wscale._util.files import write_atomically

__all__ = ["draw"]

# Okabe & Ito's colours; a marker of its own for each population besides, open, so that those that
# coincide can be told
_LOOK = {
    "IT5B": ("#0072B2", "o", 7.0),
    "PT5B": ("#D55E00", "s", 4.0),
    "PV": ("#009E73", "^", 5.0),
    "SOM": ("#CC79A7", "D", 5.0),
}
_MM = 1 / 25.4  # inches


def draw(epsps: pd.DataFrame, activity: dict[str, Any], intended_mV: float, path: Path) -> None:
    """Draw EPSP against distance with and without scaling, and a raster, as a PNG.

    Parameters
    ----------
    epsps : DataFrame
        One row a place: pop, sec, parent, distance_um, scaled_mV, unscaled_mV.
    activity : dict
        What :func:`network.activity` returns.
    intended_mV : float
        The weight of the connections, mV.
    path : Path
        The PNG to write.
    """
    with mpl.rc_context({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(180 * _MM, 72 * _MM), layout="constrained")
        left, middle, right = figure.subplots(1, 3, width_ratios=[1, 1, 1.15])
        middle.sharey(left)
        _epsps(left, epsps, "scaled_mV", intended_mV)
        _epsps(middle, epsps, "unscaled_mV", intended_mV)
        left.set(ylabel="somatic EPSP (mV)", ylim=(0, None))
        middle.tick_params(labelleft=False)
        left.annotate(
            f"intended: {intended_mV:g} mV",
            (1, intended_mV),
            xycoords=("axes fraction", "data"),
            xytext=(0, 6),
            textcoords="offset points",
            ha="right",
            color="0.35",
        )
        middle.legend(frameon=False, loc="upper right", handletextpad=0.2)
        _raster(right, activity)
        titles = ("with weightNorm tables", "without: one weight a cell type", "the network")
        for axes, letter, title in zip((left, middle, right), "ABC", titles, strict=True):
            axes.set_title(f"$\\bf{{{letter}}}$  {title}", loc="left", fontsize=8.5)
        image = io.BytesIO()
        figure.savefig(image, format="png", dpi=200)
    write_atomically(path, image.getvalue())


def _epsps(axes: Axes, epsps: pd.DataFrame, column: str, intended_mV: float) -> None:
    axes.axhline(intended_mV, color="0.6", linewidth=1.0, zorder=0)
    for pop, rows in epsps.groupby("pop", sort=False):
        colour, marker, size = _LOOK[str(pop)]
        at = rows.set_index("sec")
        for _, row in rows.iterrows():  # along the tree
            if row["parent"] in at.index:
                near = at.loc[row["parent"]]
                axes.plot(
                    [near["distance_um"], row["distance_um"]],
                    [near[column], row[column]],
                    color=colour,
                    linewidth=1.0,
                )
        axes.plot(
            rows["distance_um"],
            rows[column],
            marker,
            color=colour,
            markerfacecolor="none",
            markersize=size,
            markeredgewidth=1.2,
            label=pop,
        )
    axes.set_xlabel("distance from the soma (µm)")


def _raster(axes: Axes, activity: dict[str, Any]) -> None:
    row_of: dict[int, int] = {}
    for pop, gids in activity["gids"].items():
        first = len(row_of)
        row_of |= {gid: first + number for number, gid in enumerate(gids)}
        spikes = [
            (t, row_of[gid])
            for t, gid in zip(activity["times_ms"], activity["cells"], strict=True)
            if gid in gids
        ]
        axes.plot(*zip(*spikes, strict=True) if spikes else ([], []), "|", **_tick(pop))
        axes.text(
            1.02,
            first + (len(gids) - 1) / 2,
            pop,
            transform=axes.get_yaxis_transform(),
            color=_LOOK[pop][0],
            va="center",
        )
    axes.set(
        xlabel="time (ms)",
        ylabel="cell",
        xlim=(0, activity["duration_ms"]),
        ylim=(len(row_of) - 0.5, -0.5),
    )


def _tick(pop: str) -> dict[str, Any]:
    return {"color": _LOOK[pop][0], "markersize": 3.5, "markeredgewidth": 0.8}
