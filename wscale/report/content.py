"""What a report says: a results folder as plain data, row by row."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from pathlib import Path
from typing import Any

from wscale._util.json_files import user_path
from wscale.report.records import CellRecord, Provenance, Settings, read_records
from wscale.results.contents import LastRun
from wscale.results.reader import CellResults, read_results
from wscale.results.reader_checks import read_table
from wscale.tables.weightnorm import WeightNormTable

__all__ = ["CellReport", "Network", "Origin", "Report", "Row", "read_report"]


@dataclass(frozen=True)
class Row:
    """One entry of a table; None where there is no value.

    Parameters
    ----------
    sec, segment, loc
        Which segment, and where in the section the synapse was.
    distance_um : float or None
        Path distance from the soma, um.
    weight_norm, weight_nS : float or None
        nS/mV and nS.
    target_mV, epsp_mV, largest_mV, network_mV : float or None
        Target; EPSP at the solved weight; largest that was seen; in the network; mV.
    residual, error : float or None
        Of ``epsp_mV`` and ``network_mV``: divided by the target, minus 1.
    """

    sec: str
    segment: int
    loc: float | None
    distance_um: float | None
    weight_norm: float | None
    weight_nS: float | None
    target_mV: float | None
    epsp_mV: float | None
    largest_mV: float | None
    residual: float | None
    status: str
    reason: str
    network_mV: float | None
    error: float | None


@dataclass(frozen=True)
class Network:
    """What a cell's table gives in a NetPyNE network, apart from its rows.

    Parameters
    ----------
    passed : bool
        Whether all calibrated entries met their target, as the run itself found.
    entries, met : int
        Calibrated entries that were measured, and how many are within the tolerance.
    largest_error : float or None
        Largest relative error of these entries.
    misread_centres : int
        Segments at whose centre NetPyNE reads another one's entry.
    """

    passed: bool
    entries: int
    met: int
    largest_error: float | None
    misread_centres: int


@dataclass(frozen=True)
class CellReport:
    """One cell: what figures are drawn of, its table, and its entry in results.json."""

    results: CellResults
    table: WeightNormTable
    record: CellRecord
    rows: tuple[Row, ...]

    @property
    def label(self) -> str:
        """Label of the cell, with the synapse group's name."""
        return self.results.label

    @property
    def calibrated(self) -> list[Row]:
        """The rows with a weightNorm."""
        return [row for row in self.rows if row.weight_norm is not None]

    @property
    def largest_residual(self) -> float | None:
        """Largest absolute residual of the rows with a weightNorm."""
        return max(
            (abs(r.residual) for r in self.calibrated if r.residual is not None), default=None
        )

    @property
    def worst(self) -> list[Row]:
        """The rows with a residual, worst first."""
        rows = [(abs(row.residual), row) for row in self.rows if row.residual is not None]
        return [row for _, row in sorted(rows, key=lambda pair: -pair[0])]

    @cached_property
    def network(self) -> Network | None:
        """The check in a network; None where there was none."""
        checked = self.record.verified
        if checked is None:
            return None
        tolerance = self.record.settings.tolerance
        met = sum(r.error is not None and abs(r.error) <= tolerance for r in self.calibrated)
        return Network(
            checked.passed,
            len(self.calibrated),
            met,
            checked.largest_error,
            checked.misread_centres,
        )


@dataclass(frozen=True)
class Origin:
    """What several cells have in common: the command, and what it ran with.

    Parameters
    ----------
    cells : tuple of CellReport
        Which.
    provenance : Provenance
        Command, versions and machine; the hashes are those of the first cell.
    settings : str
        JSON.
    """

    cells: tuple[CellReport, ...]
    provenance: Provenance
    settings: str

    @property
    def settings_cfg(self) -> str:
        """Changes of the model's configuration, such as ``dt = 0.05``."""
        changed = self.cells[0].record.settings.cfg
        return ", ".join(f"{name} = {value}" for name, value in changed.items())


@dataclass(frozen=True)
class Report:
    """A results folder.

    Parameters
    ----------
    folder : Path
        As it was given.
    cells : tuple of CellReport
        Those that were chosen.
    last_run : LastRun or None
        When the last search ended, and what it has not done.
    """

    folder: Path
    cells: tuple[CellReport, ...]
    last_run: LastRun | None

    @property
    def not_finished(self) -> str:
        """What the last run has not finished, and the remedy; empty where all is there."""
        return "" if self.last_run is None else self.last_run.not_finished

    @property
    def origins(self) -> list[Origin]:
        """The cells, those together that were made in one way."""
        found: dict[str, list[CellReport]] = {}
        for cell in self.cells:
            made = cell.record.provenance.model_dump(exclude={"sha256"})
            own = [made, cell.record.settings.model_dump(mode="json")]
            found.setdefault(json.dumps(own, sort_keys=True), []).append(cell)
        return [
            Origin(
                tuple(cells),
                cells[0].record.provenance,
                _line_by_line(cells[0].record.settings.model_dump(mode="json")),
            )
            for cells in found.values()
        ]


# ---------------------------------------------------------------------- reading


def read_report(folder: str | Path, cells: Sequence[str] = ()) -> Report:
    """Read cells of a results folder.

    Parameters
    ----------
    folder : path
        The results folder.
    cells : sequence of str
        Their labels; none: all.

    Raises
    ------
    WscaleError
        No results folder, an unknown cell, or a file that is missing or damaged.
    """
    found = read_results(folder, cells)
    root = user_path(folder)
    records, last_run = read_records(root, [cell.label for cell in found])
    return Report(root, tuple(_cell(root, cell, records[cell.label]) for cell in found), last_run)


def _line_by_line(settings: dict[str, Any]) -> str:
    """Return settings as JSON, a line each."""
    lines = (f" {json.dumps(name)}: {json.dumps(settings[name])}" for name in sorted(settings))
    return "{\n" + ",\n".join(lines) + "\n}"


def _cell(root: Path, results: CellResults, record: CellRecord) -> CellReport:
    table = read_table(root / "weightNorm" / f"{results.label}_weightNorm.json")
    locs = _grid_locs(results)
    network: dict[tuple[str, int], float] = {}
    if results.network is not None:
        frame = results.network
        network = dict(
            zip(zip(frame["sec"], frame["segment"], strict=True), frame["epsp_mV"], strict=True)
        )
    rows = tuple(
        _row(results, table, entry.place, locs, record.settings, network)
        for entry in results.entries
    )
    return CellReport(results, table, record, rows)


def _row(
    results: CellResults,
    table: WeightNormTable,
    place: tuple[str, int],
    locs: dict[tuple[str, int], float],
    settings: Settings,
    network: dict[tuple[str, int], float],
) -> Row:
    sec, segment = place

    def entry(values: dict[str, list[Any]], otherwise: Any = None) -> Any:
        return values[sec][segment] if sec in values else otherwise

    weight_norm, target = entry(table.weight_norm), entry(table.target_mV)
    nS = table.weight_unit.nS
    distance = results.shape.distance_um(sec, segment)
    measured = network.get(place)
    if measured is not None and not isfinite(measured):
        measured = None
    status = entry(table.status)
    return Row(
        sec,
        segment,
        locs.get(place, _loc(len(table.status[sec]), segment, status, settings)),
        distance if isfinite(distance) else None,
        None if weight_norm is None else nS * weight_norm,
        None if weight_norm is None or target is None else nS * weight_norm * abs(target),
        target,
        entry(table.epsp_mV),
        entry(table.largest_epsp_mV),
        entry(table.residual),
        status,
        entry(table.reason, ""),
        measured,
        measured / target - 1 if measured is not None and target else None,
    )


def _grid_locs(results: CellResults) -> dict[tuple[str, int], float]:
    """Return where the synapse was; of several sites in a segment the first stands for it."""
    locs: dict[tuple[str, int], float] = {}
    if results.grid is not None:
        frame = results.grid
        for sec, segment, loc in zip(frame["sec"], frame["segment"], frame["loc"], strict=True):
            locs.setdefault((sec, segment), loc)
    return locs


def _loc(nseg: int, segment: int, status: str, settings: Settings) -> float | None:
    """Return where the settings put the synapse in a segment."""
    chosen = settings.locations
    if status == "not_measured":
        return None
    if chosen == "every":
        return (segment + 0.5) / nseg
    numbers = [0.5] if isinstance(chosen, str) else chosen
    return next((loc for loc in numbers if int(loc * nseg) == segment), None)
