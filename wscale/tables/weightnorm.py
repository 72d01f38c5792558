"""The weightNorm table: from solutions, to and from files, and how NetPyNE reads it."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from wscale._util.files import write_atomically
from wscale.errors import TableError, option
from wscale.measurement.solution import Solution
from wscale.model.model import Model
from wscale.model.sites import Site, number_of_segments
from wscale.tables.files import read_table

__all__ = ["WeightNormTable", "read_out_index", "read_out_loc"]

T = TypeVar("T")
BySegment = dict[str, list[T]]

_UNITS = {
    "weightNorm": "uS/mV",
    "residual": "1 (EPSP / target - 1)",
    "epsp_mV": "mV",
    "largest_epsp_mV": "mV",
    "target_mV": "mV",
    "cap": "uS/mV",
}


def read_out_index(loc: float, nseg: int) -> int:
    """Return the table entry that NetPyNE reads for a location (may be -1, the last).

    NetPyNE 1.1.1 reads ``int(round(loc * nseg)) - 1``, and Python rounds halves to even: at the
    centre of a segment this is often not the segment's own entry.

    Examples
    --------
    >>> [read_out_index((i + 0.5) / 3, 3) for i in range(3)]
    [-1, 1, 1]
    """
    return round(loc * nseg) - 1


def read_out_loc(segment: int, nseg: int) -> float:
    """Return a location inside a segment for which NetPyNE reads the segment's own entry.

    Halfway between the centre and the end of the segment: the same node for NEURON.

    Examples
    --------
    >>> [read_out_index(read_out_loc(i, 3), 3) for i in range(3)]
    [0, 1, 2]
    """
    return (segment + 0.75) / nseg


@dataclass(frozen=True)
class WeightNormTable:
    """Weights per mV of somatic EPSP, one a segment, with the evidence for each.

    Parameters
    ----------
    cell : str
        Label of the cell rule.
    weight_norm : dict
        Section -> list with one float a segment, uS/mV; None where there is no calibrated weight.
    status : dict
        Same shape: ``ok``, or why there is none (docs/methodology.md); ``not_measured`` where a
        segment was not searched, ``given`` for an entry of a file without statuses.
    residual, epsp_mV, largest_epsp_mV : dict
        Same shape: relative error and response (mV) at the calibrated weight, and the largest
        sound response that was seen (mV); None where there is none.
    reason : dict
        Same shape: words for a status that is not ok.
    target_mV : dict
        Same shape: the target EPSP, mV; None where a segment was not searched.
    provenance : dict
        Versions, content hashes and command.

    Examples
    --------
    >>> table = WeightNormTable(
    ...     "PV_simple",
    ...     weight_norm={"soma": [5.6e-4], "dend": [None]},
    ...     status={"soma": ["ok"], "dend": ["above_grid"]},
    ... )
    >>> table.counts, table.cap, table.capped()["dend"]
    ({'ok': 1, 'above_grid': 1}, 0.00056, [0.00056])
    """

    cell: str
    weight_norm: BySegment[float | None]
    status: BySegment[str]
    residual: BySegment[float | None] = field(default_factory=dict)
    epsp_mV: BySegment[float | None] = field(default_factory=dict)
    largest_epsp_mV: BySegment[float | None] = field(default_factory=dict)
    reason: BySegment[str] = field(default_factory=dict)
    target_mV: BySegment[float | None] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_solutions(
        cls,
        model: Model,
        solutions: Iterable[tuple[Site, Solution]],
        provenance: Mapping[str, Any] | None = None,
    ) -> WeightNormTable:
        """Collect the solutions of a cell's sites; the first site in a segment stands for it."""
        by_segment: dict[tuple[str, int], Solution] = {}
        for site, solution in solutions:
            by_segment.setdefault((site.sec, site.segment), solution)
        sections = list(dict.fromkeys(sec for sec, _ in by_segment))

        def spread(value: Any, missing: Any) -> BySegment[Any]:
            return {
                sec: [
                    value(by_segment[sec, i]) if (sec, i) in by_segment else missing
                    for i in range(number_of_segments(model, sec))
                ]
                for sec in sections
            }

        return cls(
            cell=model.cell,
            weight_norm=spread(lambda s: s.weight_norm, None),
            status=spread(lambda s: s.status, "not_measured"),
            residual=spread(lambda s: s.residual, None),
            epsp_mV=spread(lambda s: s.epsp_mV, None),
            largest_epsp_mV=spread(lambda s: s.largest_epsp_mV, None),
            reason=spread(lambda s: s.reason, ""),
            target_mV=spread(lambda s: s.target_mV, None),
            provenance=dict(provenance or {}),
        )

    # ------------------------------------------------------------------ what it says

    def entries(self) -> Iterable[tuple[str, int, float | None, str]]:
        """Yield section, segment, weightNorm (uS/mV) and status of every entry."""
        for sec, values in self.weight_norm.items():
            for segment, value in enumerate(values):
                yield sec, segment, value, self.status[sec][segment]

    def target_at(self, sec: str, segment: int, otherwise_mV: float) -> float:
        """Return the target EPSP of an entry, mV; ``otherwise_mV`` where the table has none."""
        row = self.target_mV.get(sec)
        target = None if row is None else row[segment]
        return otherwise_mV if target is None else float(target)

    @property
    def counts(self) -> dict[str, int]:
        """Number of entries by status."""
        counts: dict[str, int] = {}
        for *_, status in self.entries():
            counts[status] = counts.get(status, 0) + 1
        return counts

    @property
    def cap(self) -> float | None:
        """What the .pkl holds where there is no calibrated weight: the largest one, uS/mV."""
        return max((value for _, _, value, _ in self.entries() if value is not None), default=None)

    def capped(self) -> dict[str, list[float]]:
        """Return finite floats only, for ``addCellParamsWeightNorm``: gaps hold the cap.

        Raises
        ------
        TableError
            The table cannot be loaded or trusted: no section that starts with ``soma``, segments
            that were not measured, or no calibrated entry at all.
        """
        cap = self.cap
        if cap is None:
            raise TableError(f"{self.cell}: no entry is calibrated, so there is no table to load")
        if not any(sec.startswith("soma") for sec in self.weight_norm):
            raise TableError(
                f"{self.cell}: NetPyNE loads only tables with a section that starts with 'soma'; "
                f"include the soma in {option('sections')}"
            )
        missing = self.counts.get("not_measured", 0)
        if missing:
            raise TableError(
                f"{self.cell}: {missing} segments were not measured; a table for NetPyNE needs one "
                f"value a segment: use {option('locations', 'every')}"
            )
        return {
            sec: [cap if value is None else value for value in values]
            for sec, values in self.weight_norm.items()
        }

    # ------------------------------------------------------------------ files

    def as_json(self) -> dict[str, Any]:
        """Return the content of the .json file."""
        targets = {value for values in self.target_mV.values() for value in values}
        return {
            "cell": self.cell,
            "weightNorm": self.weight_norm,
            "status": self.status,
            "residual": self.residual,
            "epsp_mV": self.epsp_mV,
            "largest_epsp_mV": self.largest_epsp_mV,
            "reason": self.reason,
            "target_mV": targets.pop() if len(targets) == 1 else self.target_mV,
            "cap": self.cap,
            "units": _UNITS,
            "provenance": self.provenance,
        }

    def write_json(self, path: Path) -> None:
        """Write the table with statuses, residuals and provenance, atomically."""
        write_atomically(path, json.dumps(self.as_json(), indent=1, allow_nan=False).encode())

    def write_pickle(self, path: Path) -> None:
        """Write what ``addCellParamsWeightNorm`` loads: {section: [float, ...]}, atomically."""
        write_atomically(path, pickle.dumps(self.capped(), protocol=2))

    @classmethod
    def read(cls, path: str | Path, cell: str | None = None) -> WeightNormTable:
        """Read a table: a .json of this project, or any .pkl or .json of {section: [float, ...]}.

        Parameters
        ----------
        path : path
            The file.
        cell : str, optional
            Label for a file that does not name its cell (default: the file's name).

        Raises
        ------
        TableError
            No such file, not a table, or (pickle) anything but plain lists and numbers.
        """
        return cls(**read_table(Path(path), cell))
