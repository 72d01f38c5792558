"""Cell rules from JSON, pickle, hoc, Python, SWC and NeuroML2 files, and their checks."""

from typing import TYPE_CHECKING

from wscale._util.lazy import lazy

__all__ = ["CellFile", "CellRule", "read_cell"]

if TYPE_CHECKING:
    from wscale.cells.cell_file import (
        CellFile,
        CellRule,
        read_cell,
    )
else:
    __getattr__, __dir__ = lazy(__name__, {"cell_file": "CellFile CellRule read_cell"})
