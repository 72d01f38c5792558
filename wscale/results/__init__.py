"""A results folder: its manifest, journal, lock, provenance, morphology and traces."""

from typing import TYPE_CHECKING

from wscale._util.lazy import lazy

__all__ = ["CellResults", "Journals", "Shape", "Traces", "read_results"]

if TYPE_CHECKING:
    from wscale.results.journal import Journals
    from wscale.results.morphology import Shape
    from wscale.results.reader import CellResults, read_results
    from wscale.results.traces import Traces
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "journal": "Journals",
            "morphology": "Shape",
            "reader": "CellResults read_results",
            "traces": "Traces",
        },
    )
