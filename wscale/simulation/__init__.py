"""All that runs NEURON: session, building, the settled cell, trials, NetPyNE's full run."""

from typing import TYPE_CHECKING

from wscale._util.lazy import lazy

__all__ = ["Rig"]

if TYPE_CHECKING:
    from wscale.simulation.rig import Rig
else:
    __getattr__, __dir__ = lazy(__name__, {"rig": "Rig"})
