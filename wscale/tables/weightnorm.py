"""The weightNorm table: from solutions, to and from files, and how NetPyNE reads it."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from wscale._util.files import write_atomically
from wscale._util.text import many
from wscale.errors import TableError, option
from wscale.measurement.solution import Solution
from wscale.model.model import Model
from wscale.model.sites import Site, number_of_segments
from wscale.model.weight_unit import WeightUnit
from wscale.tables.files import read_table
from wscale.tables.uncalibrated import CLIP, Filling, Uncalibrated, clip_of, stand_ins

__all__ = ["WeightNormTable", "not_calibrated", "read_out_index", "read_out_loc"]

T = TypeVar("T")
BySegment = dict[str, list[T]]

_HOLDS = {
    "nearest": "that of the next calibrated segment towards the soma",
    "cap": "the largest calibrated entry",
    "zero": "0",
    "refuse": "nothing, so there is no table for NetPyNE",
}
_UNITS = {
    "residual": "1 (EPSP / target - 1)",
    "epsp_mV": "mV",
    "largest_epsp_mV": "mV",
    "target_mV": "mV",
    "stand_in_epsp_mV": "mV",
    "ci95_mV": "mV (half the width of the interval)",
}


def not_calibrated(counts: Mapping[str, int]) -> str:
    """Return how many searched segments are not calibrated, by status; empty if all are.

    Examples
    --------
    >>> not_calibrated({"ok": 3, "unreachable": 1, "implausible": 2})
    '3 of 6 segments not calibrated (1 unreachable, 2 implausible)'
    >>> not_calibrated({"ok": 3, "not_measured": 2})
    ''
    """
    searched = {status: n for status, n in counts.items() if status != "not_measured"}
    gaps = {status: n for status, n in searched.items() if status not in ("ok", "given")}
    if not gaps:
        return ""
    why = ", ".join(f"{n} {status}" for status, n in gaps.items())
    number, of = sum(gaps.values()), many(sum(searched.values()), "segment")
    return f"{number} of {of} not calibrated ({why})"


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
    """Weights per mV of somatic EPSP, one per segment, with the evidence for each.

    Parameters
    ----------
    cell : str
        Label of the cell rule.
    weight_norm : dict
        Section -> list with one float per segment, in ``weight_unit`` per mV, as NetPyNE needs it;
        None where there is no calibrated weight.
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
    uncalibrated : {"nearest", "cap", "zero", "refuse"}
        What entries get that are not calibrated, see :class:`wscale.tables.uncalibrated.Filling`.
    stand_in : dict
        Same shape: that number, in the same unit; None where an entry is calibrated or was not
        searched.
    stand_in_epsp_mV : dict
        Same shape: what it gives at the soma, mV; None where that was not measured.
    ci95_mV : dict
        Same shape, where responses are means of several trials: half the width of the 95 %
        confidence interval of ``epsp_mV``, mV.
    weight_unit : WeightUnit
        The unit of the synapses' weight.
    provenance : dict
        Versions, content hashes and command.

    Examples
    --------
    >>> table = WeightNormTable(
    ...     "PV_simple",
    ...     weight_norm={"soma": [5.6e-4], "dend": [None]},
    ...     status={"soma": ["ok"], "dend": ["above_grid"]},
    ... )
    >>> table.counts, table.cap, table.for_netpyne()["dend"]
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
    uncalibrated: Uncalibrated = "cap"
    stand_in: BySegment[float | None] = field(default_factory=dict)
    stand_in_epsp_mV: BySegment[float | None] = field(default_factory=dict)
    ci95_mV: BySegment[float | None] = field(default_factory=dict)
    weight_unit: WeightUnit = field(default_factory=WeightUnit)
    provenance: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_solutions(
        cls,
        model: Model,
        solutions: Iterable[tuple[Site, Solution]],
        provenance: Mapping[str, Any] | None = None,
        filling: Filling | None = None,
    ) -> WeightNormTable:
        """Collect the solutions of a cell's sites; the first site in a segment stands for it.

        An entry that NetPyNE would clip has the status ``above_clip``, and no number.
        """
        filling = filling or Filling()
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

        unit = model.weight_unit

        def entry(solution: Solution) -> float | None:
            return None if solution.weight_norm is None else unit.of(solution.weight_norm)

        clip = clip_of(spread(entry, None))
        if clip is not None:
            by_segment = {at: _below_clip(found, clip, unit) for at, found in by_segment.items()}
        weight_norm = spread(entry, None)
        targets = {at: found.target_mV for at, found in by_segment.items()}
        repeated = any(found.ci95_mV is not None for found in by_segment.values())
        return cls(
            cell=model.cell,
            weight_norm=weight_norm,
            status=spread(lambda s: s.status, "not_measured"),
            residual=spread(lambda s: s.residual, None),
            epsp_mV=spread(lambda s: s.epsp_mV, None),
            largest_epsp_mV=spread(lambda s: s.largest_epsp_mV, None),
            reason=spread(lambda s: s.reason, ""),
            target_mV=spread(lambda s: s.target_mV, None),
            uncalibrated=filling.how,
            stand_in=stand_ins(model, weight_norm, targets, filling),
            stand_in_epsp_mV={
                sec: [filling.epsp_mV.get((sec, segment)) for segment in range(len(row))]
                for sec, row in weight_norm.items()
            },
            ci95_mV=spread(lambda s: s.ci95_mV, None) if repeated else {},
            weight_unit=unit,
            provenance=dict(provenance or {}),
        )

    # ------------------------------------------------------------------ what it says

    def entries(self) -> Iterable[tuple[str, int, float | None, str]]:
        """Yield section, segment, weightNorm and status of every entry."""
        for sec, values in self.weight_norm.items():
            for segment, value in enumerate(values):
                yield sec, segment, value, self.status[sec][segment]

    @property
    def uncalibrated_words(self) -> str:
        """How many entries are not calibrated, what they hold and give; empty if all are.

        Examples
        --------
        >>> table = WeightNormTable(
        ...     "PV_simple",
        ...     weight_norm={"soma": [5.6e-4], "dend": [None]},
        ...     status={"soma": ["ok"], "dend": ["unreachable"]},
        ...     stand_in={"soma": [None], "dend": [5.6e-4]},
        ...     stand_in_epsp_mV={"soma": [None], "dend": [0.31]},
        ...     uncalibrated="nearest",
        ... )
        >>> print(table.uncalibrated_words)
        1 of 2 entries is not calibrated and holds that of the next calibrated segment towards the
        soma: a connection of the target gives 0.31 mV there
        """
        entries = list(self.entries())
        searched = [entry for entry in entries if entry[3] != "not_measured"]
        gaps = [(sec, segment) for sec, segment, value, _ in searched if value is None]
        if not gaps:
            return ""
        one = len(gaps) == 1
        words = (
            f"{len(gaps)} of {many(len(searched), 'entry')} {'is' if one else 'are'} not "
            f"calibrated and {'holds' if one else 'hold'} {_HOLDS[self.uncalibrated]}"
        )
        given = [row[k] for sec, k in gaps if (row := self.stand_in_epsp_mV.get(sec))]
        gives = sorted(value for value in given if value is not None)
        if not gives:
            return words
        low, high = f"{gives[0]:.3g}", f"{gives[-1]:.3g}"
        span = low if low == high else f"{low} to {high}"
        return f"{words}: a connection of the target gives {span} mV there"

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
        """The largest calibrated entry, in ``weight_unit`` per mV."""
        return max((value for _, _, value, _ in self.entries() if value is not None), default=None)

    def for_netpyne(self) -> dict[str, list[float]]:
        """Return finite floats only, for ``addCellParamsWeightNorm``.

        Entries that are not calibrated hold their ``stand_in``; without one, as in a table of
        others, the largest calibrated entry.

        Raises
        ------
        TableError
            The table cannot be loaded or trusted: no section that starts with ``soma``, segments
            that were not measured, no calibrated entry at all, or one that is not and is refused.
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
        gaps = sum(value is None for _, _, value, _ in self.entries())
        if gaps and self.uncalibrated == "refuse":
            raise TableError(
                f"{self.cell}: {gaps} entries are not calibrated, and "
                f"{option('uncalibrated', 'refuse')} makes no table of them"
            )
        filled = {
            sec: [
                self._stand_in(sec, segment, cap) if value is None else value
                for segment, value in enumerate(values)
            ]
            for sec, values in self.weight_norm.items()
        }
        if clip_of(filled) == 0:
            raise TableError(
                f"{self.cell}: the soma is not calibrated, and with 0 there NetPyNE would clip all "
                f"other entries to 0, too; choose another value of {option('uncalibrated')}"
            )
        return filled

    def _stand_in(self, sec: str, segment: int, otherwise: float) -> float:
        row = self.stand_in.get(sec)
        value = None if row is None else row[segment]
        return otherwise if value is None else value

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
            "uncalibrated": self.uncalibrated,
            "stand_in": self.stand_in,
            "stand_in_epsp_mV": self.stand_in_epsp_mV,
            "ci95_mV": self.ci95_mV,
            "weight_unit": self.weight_unit._asdict(),
            "units": {
                **dict.fromkeys(("weightNorm", "cap", "stand_in"), self.weight_unit.per_mV),
                **_UNITS,
            },
            "provenance": self.provenance,
        }

    def write_json(self, path: Path) -> None:
        """Write the table with statuses, residuals and provenance, atomically."""
        write_atomically(path, json.dumps(self.as_json(), indent=1, allow_nan=False).encode())

    def write_pickle(self, path: Path) -> None:
        """Write what ``addCellParamsWeightNorm`` loads: {section: [float, ...]}, atomically."""
        write_atomically(path, pickle.dumps(self.for_netpyne(), protocol=2))

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


def _below_clip(found: Solution, clip: float, unit: WeightUnit) -> Solution:
    """Return a solution; one that NetPyNE would clip as a status of its own."""
    norm = None if found.weight_norm is None else unit.of(found.weight_norm)
    if norm is None or norm <= clip:
        return found
    reason = (
        f"{norm:.4g} {unit.per_mV} would do, but NetPyNE clips entries to {clip:.4g}, {CLIP:g} "
        "times the soma's"
    )
    return replace(found, status="above_clip", reason=reason)
