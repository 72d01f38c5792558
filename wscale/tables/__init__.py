"""The weightNorm table: its files, comparison, and how it fits a cell."""

from typing import TYPE_CHECKING

from wscale._util.lazy import lazy

__all__ = ["Comparison", "WeightNormTable", "read_table"]

if TYPE_CHECKING:
    from wscale.tables.compare import Comparison
    from wscale.tables.files import read_table
    from wscale.tables.weightnorm import WeightNormTable
else:
    __getattr__, __dir__ = lazy(
        __name__, {"compare": "Comparison", "files": "read_table", "weightnorm": "WeightNormTable"}
    )
