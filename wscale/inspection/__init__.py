"""What is in a model before any search, how it rests, and what a search costs."""

from typing import TYPE_CHECKING

from wscale._util.lazy import lazy

__all__ = ["Inspection", "SectionInfo", "inspect_cell"]

if TYPE_CHECKING:
    from wscale.inspection.inspect import (
        Inspection,
        SectionInfo,
        inspect_cell,
    )
else:
    __getattr__, __dir__ = lazy(__name__, {"inspect": "Inspection SectionInfo inspect_cell"})
