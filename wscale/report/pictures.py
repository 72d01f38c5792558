"""The figures of a cell, as images that are part of the page."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import matplotlib as mpl

from wscale.plots.drawing import FIGURES, make
from wscale.plots.style import styled
from wscale.results.reader import CellResults, MissingDataError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Picture", "draw_pictures"]

# A drawing of more bytes becomes an image of pixels, at so many an inch, where that is smaller
_MOST_SVG_BYTES = 60_000
_DPI = 160

# Title and caption of each, in the order of the page; {} is EPSP or IPSP
_WORDS = {
    "along_tree": (
        "weightNorm along the tree",
        "The weight for 1 mV at the soma, against path distance from the soma; branches are "
        "connected. Entries without a calibrated weight are above, a row a status.",
    ),
    "morphology": (
        "Along the morphology",
        "The cell, coloured by weightNorm, by the somatic {} at one weight where there is one, and "
        "by the squared deviation from the target (loss).",
    ),
    "epsp_weight": (
        "{} against weight",
        "Somatic {} against synaptic weight, a line a site, with the target and the weights that "
        "were found for it.",
    ),
    "heatmap": (
        "The grid search",
        "Somatic {} and squared deviation from the target (loss) of each site (row) and weight "
        "(column); the best weight of the grid is outlined, dashed where it is not calibrated.",
    ),
    "before_after": (
        "Without and with weightNorm",
        "Somatic {} of each site with one weight everywhere, and with the weights of the table.",
    ),
    "traces": (
        "Traces",
        "Somatic potential at the solved weights; amplitudes at the synapse and at the soma, and "
        "their ratio, against path distance.",
    ),
}


@dataclass(frozen=True)
class Picture:
    """A figure, or why there is none.

    Parameters
    ----------
    title, caption : str
        In words.
    uri : str
        The image as a data URI; empty where it cannot be drawn.
    why_not : str
        Why it cannot be drawn.
    """

    title: str
    caption: str
    uri: str = ""
    why_not: str = ""


def draw_pictures(cell: CellResults) -> list[Picture]:
    """Draw all figures of a cell that its run allows."""
    pictures = []
    for name in [*_WORDS, *(name for name in FIGURES if name not in _WORDS)]:
        title, caption = (text.format(cell.response) for text in _WORDS.get(name, (name, "")))
        try:
            pictures.append(Picture(title, caption, _uri(make(cell, name))))
        except MissingDataError as reason:
            pictures.append(Picture(title, caption, why_not=str(reason)))
    return pictures


def _uri(figure: Figure) -> str:
    content, kind = _encoded(figure, "svg"), "svg+xml"
    if len(content) > _MOST_SVG_BYTES:
        pixels = _encoded(figure, "png")
        if len(pixels) < len(content):
            content, kind = pixels, "png"
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _encoded(figure: Figure, kind: str) -> bytes:
    image = io.BytesIO()
    with styled(), mpl.rc_context({"svg.fonttype": "path"}):  # a reader may not have the font
        if kind == "svg":
            figure.savefig(image, format="svg", metadata={"Date": None})
        else:
            figure.savefig(image, format="png", dpi=_DPI, pil_kwargs={"optimize": True})
    return image.getvalue()
