"""Figures of a results folder and of single results."""

from typing import TYPE_CHECKING

from wscale._util.lazy import lazy

__all__ = ["Drawn", "draw"]

if TYPE_CHECKING:
    from wscale.plots.drawing import Drawn, draw
else:
    __getattr__, __dir__ = lazy(__name__, {"drawing": "Drawn draw"})
