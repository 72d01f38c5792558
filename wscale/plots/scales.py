"""From numbers to colours: scales, and the colour bars that say what a colour means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, ListedColormap, LogNorm, Normalize, to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter

from wscale.results.reader import CellResults

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

__all__ = [
    "SEQUENCE",
    "colour_bar",
    "colours",
    "distance_scale",
    "linear_scale",
    "log_scale",
    "number_decades",
    "spread_scale",
]

# Least span of a linear scale, as a share of its values
_LEAST_SPAN = 0.2
# Most labels of a logarithmic axis, and of a colour bar
_LABELS, _LABELS_OF_BAR = 8, 4


def _without_the_palest(name: str) -> Colormap:
    """Return a colour map of Matplotlib's without the end that cannot be seen on white."""
    return ListedColormap(mpl.colormaps[name](np.linspace(0.0, 0.9, 256)), f"{name}_on_white")


# For quantities; both grow lighter evenly, also in grey
SEQUENCE = {"viridis": _without_the_palest("viridis"), "cividis": _without_the_palest("cividis")}


def distance_scale(
    figure: Figure, cell: CellResults, axes: Axes | Sequence[Axes], **where: Any
) -> ScalarMappable:
    """Add the colour bar for path distance, and return what maps a distance (um) to a colour."""
    scale = ScalarMappable(Normalize(0.0, cell.farthest_um), SEQUENCE["viridis"])
    bar = figure.colorbar(scale, ax=axes, label="path distance from the soma (µm)", **where)
    bar.outline.set_linewidth(0.4)
    return scale


def colour_bar(figure: Figure, scale: ScalarMappable, axes: Axes, label: str) -> None:
    """Add a colour bar below axes, with a point where values lie below it."""
    values, least = scale.get_array(), scale.get_clim()[0]
    below = values is not None and least is not None and bool((values < 0.999 * least).any())
    bar = figure.colorbar(
        scale,
        ax=axes,
        label=label,
        location="bottom",
        aspect=28,
        shrink=0.85,
        extend="min" if below and isinstance(scale.norm, LogNorm) else "neither",
    )
    bar.outline.set_linewidth(0.4)
    if isinstance(scale.norm, LogNorm):
        low, high = bar.ax.get_xlim()
        number_decades(bar.ax.xaxis, low, high, _LABELS_OF_BAR)
    else:
        bar.locator = MaxNLocator(4)
        bar.update_ticks()


def number_decades(axis: Axis, low: float, high: float, most: int = _LABELS) -> None:
    """Label a logarithmic axis in one size of type: as densely as so many labels allow."""
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    dense = [m * 10.0**power for power in powers for m in (1.0, 2.0, 5.0)]
    choices = [dense, *([10.0**p for p in powers if p % step == 0] for step in range(1, 20))]
    seen = ([t for t in ticks if 0.999 * low <= t <= 1.001 * high] for ticks in choices)
    axis.set_major_locator(FixedLocator(next(ticks for ticks in seen if len(ticks) <= most)))
    axis.set_major_formatter(FuncFormatter(_power))
    axis.set_minor_formatter(NullFormatter())


def _power(value: float, _: object = None) -> str:
    """Return a number such as 0.01 or 1e−5."""
    digits, _, exponent = f"{value:g}".partition("e")
    return f"{digits}e{int(exponent)}".replace("-", "−") if exponent else digits


def linear_scale(values: Iterable[float], colour_map: Colormap) -> ScalarMappable:
    """Return what maps finite values to colours; those that differ little look alike."""
    given = list(values)
    low, high = (min(given), max(given)) if given else (0.0, 1.0)
    middle = (low + high) / 2
    half = max((high - low) / 2, _LEAST_SPAN / 2 * abs(middle)) or 1.0
    low, high = middle - half, middle + half
    return ScalarMappable(Normalize(low, high), colour_map)


def spread_scale(values: Iterable[float], colour_map: Colormap) -> ScalarMappable:
    """Return a logarithmic scale for positive values that differ much, otherwise a linear one."""
    given = list(values)
    if min(given) > 0 and max(given) > 5 * min(given):
        return ScalarMappable(LogNorm(min(given), max(given)), colour_map)
    return linear_scale(given, colour_map)


def log_scale(values: Iterable[float], colour_map: Colormap, decades: int) -> ScalarMappable:
    """Return what maps values to colours by whole decades, at most so many below the largest."""
    positive = [value for value in values if value > 0] or [1.0]
    high = int(np.ceil(np.log10(max(positive)) - 1e-9))
    low = max(int(np.floor(np.log10(min(positive)))), high - decades)
    norm = LogNorm(10.0 ** min(low, high - 1), 10.0**high, clip=True)
    scale = ScalarMappable(norm, colour_map)
    scale.set_array(positive)
    return scale


def colours(scale: ScalarMappable, values: Iterable[float]) -> list[str]:
    """Return the colour of each value."""
    return [to_hex(colour) for colour in scale.to_rgba(np.array(list(values), dtype=float))]
