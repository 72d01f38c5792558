"""What the figures share: type, colours, markers, axes, and how they are written."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from wscale._util.files import write_atomically
from wscale.results.reader import CellResults

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

__all__ = [
    "BLUE",
    "GREY",
    "MANY",
    "NOT_CALIBRATED",
    "STATUS",
    "VERMILION",
    "WIDTH_mm",
    "axes_and_strip",
    "from_soma",
    "handle",
    "mark",
    "new_figure",
    "note",
    "number",
    "say",
    "status_handles",
    "styled",
    "target_lines",
    "tidy",
    "write",
]

WIDTH_mm = 180.0
_MM = 1 / 25.4
_SMALL_pt = 7.0
# More points or lines than this are drawn smaller
MANY = 60
NOT_CALIBRATED = "no segment has a calibrated weight"

# Okabe & Ito's colours, distinguishable with all common kinds of colour vision
BLUE, VERMILION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"
ORANGE, SKY, BLACK, GREY = "#E69F00", "#56B4E9", "#000000", "#808080"

# Their green is in the middle of the sequences for quantities, and brown in none
BROWN = "#7F4A12"

# Marker and colour of what is not ok; each differs from the others in both
STATUS: dict[str, tuple[str, str]] = {
    "inexact": ("D", ORANGE),
    "above_grid": ("^", VERMILION),
    "unreachable": ("X", PURPLE),
    "implausible": ("d", VERMILION),
    "above_clip": ("p", PURPLE),
    "not_monotone": ("s", SKY),
    "below_grid": ("v", BROWN),
    "spike": ("*", ORANGE),
    "drift": ("P", BROWN),
    "edge": (">", SKY),
    "failed": ("x", BLACK),
    "not_measured": ("|", GREY),
}
_OTHER = ("h", GREY)

_STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Arial", "Helvetica"],
    "font.size": 8.0,
    "axes.labelsize": 8.0,
    "axes.titlesize": 8.0,
    "axes.titlelocation": "left",
    "figure.titlesize": 9.0,
    "xtick.labelsize": _SMALL_pt,
    "ytick.labelsize": _SMALL_pt,
    "legend.fontsize": _SMALL_pt,
    "legend.frameon": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "wscale",  # the same figure is the same file
}


@contextmanager
def styled() -> Iterator[None]:
    """Let Matplotlib draw in this style, whatever the user's own settings are."""
    with mpl.rc_context():
        mpl.rcdefaults()
        for name, value in _STYLE.items():
            mpl.rcParams[name] = value  # type: ignore[index]
        yield


def new_figure(cell: CellResults, what: str, height_mm: float) -> Figure:
    """Return a figure as wide as a page's text, with a title."""
    figure = Figure(figsize=(WIDTH_mm * _MM, height_mm * _MM), layout="constrained")
    gaps = f"\n{cell.not_calibrated}" if cell.not_calibrated else ""
    figure.suptitle(f"{cell.label}: {what}{gaps}", x=0.01, ha="left")
    return figure


def from_soma(axes: Axes, cell: CellResults) -> None:
    """Let the horizontal axis reach from the soma to the farthest segment."""
    axes.set_xlim(-0.03 * cell.farthest_um, 1.05 * cell.farthest_um)


def tidy(axes: Axes, x: str, y: str) -> None:
    """Name the axes."""
    axes.set(xlabel=x, ylabel=y)


def say(axes: Axes, words: str) -> None:
    """Write why there is nothing where values would be."""
    box = {"facecolor": "white", "edgecolor": "none"}  # a target's line may be behind
    axes.text(0.5, 0.7, words, transform=axes.transAxes, ha="center", va="center", bbox=box)


def note(figure: Figure, words: str) -> None:
    """Write small words at the upper right, beside the title."""
    figure.text(0.99, 0.995, words, ha="right", va="top", fontsize=_SMALL_pt, color="0.35")


def target_lines(axes: Axes, cell: CellResults) -> None:
    """Mark the targets, where they are few; those beyond the axis are named at its end."""
    targets, (low, high) = cell.targets_mV, axes.get_ylim()
    for target in targets if len(targets) <= 4 else ():
        where, beyond = target, ""
        if low <= target <= high:
            axes.axhline(target, color="0.55", linewidth=0.8, linestyle=(0, (4, 2)), zorder=0.5)
        else:
            where, beyond = (high, " ↑") if target > high else (low, " ↓")
        axes.annotate(
            f"target{beyond}\n{number(target)} mV",
            (1, where),
            xycoords=("axes fraction", "data"),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=_SMALL_pt,
            color="0.35",
        )


def status_handles(statuses: Iterable[str], what: str) -> list[Line2D]:
    """Return legend entries for statuses, with how many there are of each.

    Parameters
    ----------
    statuses : iterable of str
        One for each of what is counted.
    what : str
        Its name, in the singular.
    """
    given = list(statuses)
    handles = []
    for status in sorted(set(given), key=_rank):
        marker, colour = STATUS.get(status, _OTHER)
        count = given.count(status)
        label = f"{status} ({count} {what}{'s' if count > 1 else ''})"
        handles.append(handle(marker, colour, label))
    return handles


def handle(marker: str, colour: str, label: str, **more: Any) -> Line2D:
    """Return a legend entry for a marker."""
    return Line2D(
        [], [], linestyle="none", marker=marker, color=colour, markersize=5, label=label, **more
    )


def number(value: float) -> str:
    """Return a number in words, with the minus sign that the axes have."""
    return (f"{value:.3g}" if abs(value) < 999.5 else f"{value:.0f}").replace("-", "−")


def mark(axes: Axes, status: str, x: ArrayLike, y: ArrayLike, **more: Any) -> None:
    """Draw the marker of a status; smaller where there are many."""
    marker, colour = STATUS.get(status, _OTHER)
    size = more.pop("size_pt", 2.5 if np.size(x) > MANY else 4.5)
    axes.plot(x, y, linestyle="none", marker=marker, color=colour, markersize=size, **more)


def axes_and_strip(
    figure: Figure, missing: Sequence[tuple[float, str]], columns: Sequence[float] = (1.0,)
) -> list[Axes]:
    """Return axes side by side; above the first a row a status, with what cannot be drawn below.

    Parameters
    ----------
    figure : Figure
        Where.
    missing : sequence of (float, str)
        x and status of what has no value.
    columns : sequence of float
        Relative widths.
    """
    statuses = sorted({status for _, status in missing}, key=_rank)
    height_mm = figure.get_size_inches()[1] / _MM
    heights = [4.5 * len(statuses), height_mm] if statuses else [height_mm]
    grid = figure.add_gridspec(
        len(heights), len(columns), height_ratios=heights, width_ratios=list(columns)
    )
    axes = [figure.add_subplot(grid[-1, 0])]
    axes += [figure.add_subplot(grid[-1, k], sharey=axes[0]) for k in range(1, len(columns))]
    if statuses:
        strip = figure.add_subplot(grid[0, 0], sharex=axes[0])
        for row, status in enumerate(statuses):
            mark(strip, status, (x := [x for x, s in missing if s == status]), [row] * len(x))
        strip.set_yticks(
            range(len(statuses)),
            [f"{s} ({sum(t == s for _, t in missing)})" for s in statuses],
        )
        strip.set_ylim(len(statuses) - 0.5, -0.5)
        strip.tick_params(bottom=False, labelbottom=False, left=False)
        strip.spines[["bottom", "left"]].set_visible(False)
    return axes


def _rank(status: str) -> tuple[int, str]:
    names = list(STATUS)
    return (names.index(status) if status in names else len(names)), status


def write(figure: Figure, path: Path, kind: str) -> None:
    """Write a figure, whole or not at all."""
    image = io.BytesIO()
    with styled():
        if kind == "svg":
            figure.savefig(image, format="svg", metadata={"Date": None})
        else:
            figure.savefig(image, format="png", dpi=200)
    write_atomically(path, image.getvalue())
