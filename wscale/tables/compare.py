"""Two weightNorm tables beside each other, entry by entry."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wscale.model.checks import check_tolerance
from wscale.tables.weightnorm import WeightNormTable

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Comparison", "compare"]

_COLUMNS = [
    "sec",
    "segment",
    "one",
    "other",
    "ratio",
    "difference",
    "status_one",
    "status_other",
    "verdict",
]
_SAME = ("equal", "both_missing")


@dataclass(frozen=True)
class Comparison:
    """Two tables, entry by entry.

    Parameters
    ----------
    frame : DataFrame
        One row per segment: sec, segment, one and other (the entries, uS/mV; NaN where there is no
        finite number), ratio (other / one), difference (ratio - 1), status_one, status_other (empty
        where a table has no such entry) and verdict.
    sections_only_one, sections_only_other : tuple of str
        Sections that the other table, or the first, does not have.
    shapes : dict
        Section -> its number of entries in the two tables, where it differs.
    tolerance : float
        Largest absolute difference that counts as equal.

    Notes
    -----
    ``verdict`` is the first that applies: ``shape`` (the section has another number of entries, so
    that entries of one number are not at one place), ``both_missing`` (neither table has a finite
    number), ``only_one``, ``only_other``, ``equal`` (to the tolerance), ``differs``.
    """

    frame: pd.DataFrame
    sections_only_one: tuple[str, ...]
    sections_only_other: tuple[str, ...]
    shapes: dict[str, tuple[int, int]]
    tolerance: float

    @property
    def equal(self) -> bool:
        """Whether both have the same sections, and in them the same entries to the tolerance."""
        apart = self.sections_only_one or self.sections_only_other or self.shapes
        return not apart and bool(self.frame["verdict"].isin(_SAME).all())

    @property
    def counts(self) -> dict[str, int]:
        """Number of rows by verdict."""
        return {str(name): int(n) for name, n in self.frame["verdict"].value_counts().items()}

    @property
    def largest_difference(self) -> float:
        """Largest absolute difference of entries that both have (NaN where there are none)."""
        both = self.frame["verdict"].isin(["equal", "differs"])
        return float(self.frame.loc[both, "difference"].abs().max())


def compare(one: WeightNormTable, other: WeightNormTable, tolerance: float = 1e-3) -> Comparison:
    """Compare two tables, entry by entry.

    Parameters
    ----------
    one, other : WeightNormTable
        The tables; differences are relative to the first.
    tolerance : float
        Largest absolute relative difference that counts as equal.

    Returns
    -------
    Comparison
        In the order of the first table's sections; those of the other alone come last.

    Raises
    ------
    ConfigError
        The tolerance cannot be one.

    Examples
    --------
    >>> def table(**values):
    ...     status = {sec: ["given"] * len(row) for sec, row in values.items()}
    ...     return WeightNormTable("PV_simple", values, status)
    >>> comparison = compare(table(soma=[4e-4], dend=[2e-4]), table(soma=[4e-4], dend=[3e-4]))
    >>> comparison.equal, comparison.counts, round(comparison.largest_difference, 6)
    (False, {'equal': 1, 'differs': 1}, 0.5)
    """
    check_tolerance(tolerance)
    rows = []
    for sec in dict.fromkeys([*one.weight_norm, *other.weight_norm]):
        left, right = one.weight_norm.get(sec), other.weight_norm.get(sec)
        same_shape = left is None or right is None or len(left) == len(right)
        for segment in range(max(len(left or ()), len(right or ()))):
            a, b = _number(left, segment), _number(right, segment)
            ratio = b / a if a != 0 else (1.0 if b == 0 else math.nan)
            rows.append(
                {
                    "sec": sec,
                    "segment": segment,
                    "one": a,
                    "other": b,
                    "ratio": ratio,
                    "difference": ratio - 1.0,
                    "status_one": _status(one, sec, segment),
                    "status_other": _status(other, sec, segment),
                    "verdict": _verdict(a, b, ratio, tolerance) if same_shape else "shape",
                }
            )
    sizes = {
        sec: (len(row), len(other.weight_norm[sec]))
        for sec, row in one.weight_norm.items()
        if sec in other.weight_norm
    }
    import pandas as pd

    return Comparison(
        pd.DataFrame(rows, columns=_COLUMNS),
        tuple(sec for sec in one.weight_norm if sec not in other.weight_norm),
        tuple(sec for sec in other.weight_norm if sec not in one.weight_norm),
        {sec: size for sec, size in sizes.items() if size[0] != size[1]},
        tolerance,
    )


def _number(row: Sequence[float | None] | None, segment: int) -> float:
    """Return an entry as a finite number, NaN where there is none."""
    value = row[segment] if row is not None and segment < len(row) else None
    return float(value) if value is not None and math.isfinite(value) else math.nan


def _status(table: WeightNormTable, sec: str, segment: int) -> str:
    row = table.status.get(sec, ())
    return row[segment] if segment < len(row) else ""


def _verdict(one: float, other: float, ratio: float, tolerance: float) -> str:
    if math.isnan(one) or math.isnan(other):
        missing = math.isnan(one), math.isnan(other)
        return {(True, True): "both_missing", (False, True): "only_one"}.get(missing, "only_other")
    return "equal" if abs(ratio - 1.0) <= tolerance else "differs"
