"""A results folder, read into plain data for the figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wscale.errors import ConfigError, SelectionError, WscaleError, closest
from wscale.results.contents import ANEW, read_contents
from wscale.results.morphology import Shape
from wscale.results.reader_checks import (
    read_grid,
    read_network,
    read_shape,
    read_table,
    read_traces,
)
from wscale.results.traces import Traces
from wscale.tables.weightnorm import WeightNormTable, not_calibrated

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CellResults", "Entry", "Fixed", "MissingDataError", "read_results"]


class MissingDataError(WscaleError):
    """A figure needs what the run did not leave."""


@dataclass(frozen=True)
class Entry:
    """One segment: where it is, and its entry in the table.

    Parameters
    ----------
    sec, segment
        Which.
    distance_um : float
        Path distance from the soma, um.
    status : str
        As in docs/methodology.md.
    weight_norm : float
        nS/mV; NaN where there is no calibrated weight.
    target_mV, epsp_mV : float
        Target and EPSP at the solved weight, mV; NaN where there is none.
    stand_in_epsp_mV : float
        What an entry that is not calibrated gives at the soma, mV; NaN where that was not measured.
    """

    sec: str
    segment: int
    distance_um: float
    status: str
    weight_norm: float
    target_mV: float
    epsp_mV: float
    stand_in_epsp_mV: float = float("nan")

    @property
    def place(self) -> tuple[str, int]:
        """Section and segment."""
        return self.sec, self.segment


@dataclass(frozen=True)
class Fixed:
    """EPSPs at one weight: by (section, segment), mV (NaN: none), and their statuses."""

    weight_uS: float
    epsp_mV: Mapping[tuple[str, int], float]
    status: Mapping[tuple[str, int], str]


@dataclass(frozen=True)
class CellResults:
    """What a results folder holds of one cell.

    Parameters
    ----------
    label : str
        Label of the cell, with the synapse group's name.
    shape : Shape
        Its sections.
    entries : tuple of Entry
        The table, in its order.
    grid : DataFrame or None
        The grid points (of ``wscale grid``).
    traces : Traces or None
        Traces and EPSPs at one weight (of ``traces``).
    network : DataFrame or None
        What the table gives in a NetPyNE network (of ``verified``).
    """

    label: str
    shape: Shape
    entries: tuple[Entry, ...]
    grid: pd.DataFrame | None = None
    traces: Traces | None = None
    network: pd.DataFrame | None = None

    @property
    def solved(self) -> list[Entry]:
        """The entries with a calibrated weight."""
        return [entry for entry in self.entries if entry.status == "ok"]

    @property
    def not_calibrated(self) -> str:
        """How many segments that were searched are not calibrated, and why; empty if all are."""
        return not_calibrated(Counter(entry.status for entry in self.entries))

    @property
    def targets_mV(self) -> list[float]:
        """The target EPSPs, mV, each once."""
        return sorted({e.target_mV for e in self.entries if np.isfinite(e.target_mV)})

    @property
    def response(self) -> str:
        """What the response is called."""
        return "IPSP" if any(target < 0 for target in self.targets_mV) else "EPSP"

    @property
    def farthest_um(self) -> float:
        """Largest distance of an entry from the soma, um."""
        return max((e.distance_um for e in self.entries if e.distance_um > 0), default=1.0)

    @cached_property
    def fixed(self) -> Fixed | None:
        """EPSPs at one weight: tried at all sites, or the grid's next to the median solved one."""
        traces = self.traces
        if traces is not None and traces.fixed_weight_uS is not None:
            places = list(zip(traces.fixed_sec, traces.fixed_segment, strict=True))
            return _fixed(traces.fixed_weight_uS, places, traces.fixed_epsp_mV, traces.fixed_status)
        if self.grid is None:
            return None
        solved = [1e-3 * e.weight_norm * abs(e.target_mV) for e in self.solved]
        weights = np.unique(self.grid["weight_uS"])
        wanted = float(np.median(solved if solved else weights))
        weight = float(weights[np.abs(np.log(weights / wanted)).argmin()])
        rows = self.grid[self.grid["weight_uS"] == weight]
        places = list(zip(rows["sec"], rows["segment"], strict=True))
        return _fixed(weight, places, rows["epsp_mV"], rows["status"])

    @cached_property
    def loss_mV2(self) -> dict[tuple[str, int], float]:
        """Loss of each segment, mV^2: the least on its grid, or at the solved weight."""
        if self.grid is None:
            return {e.place: (e.epsp_mV - e.target_mV) ** 2 for e in self.entries}
        sound = self.grid[(self.grid["status"] == "ok") & self.grid["loss_mV2"].notna()]
        least: dict[tuple[str, int], float] = {}
        for sec, segment, loss in zip(
            sound["sec"], sound["segment"], sound["loss_mV2"], strict=True
        ):
            least[sec, segment] = min(loss, least.get((sec, segment), np.inf))
        return least


def _fixed(
    weight_uS: float,
    places: Sequence[tuple[str, int]],
    epsps_mV: Sequence[float] | Any,
    statuses: Sequence[str] | Any,
) -> Fixed:
    """Collect EPSPs at one weight; of several sites in a segment the first stands for it."""
    epsp: dict[tuple[str, int], float] = {}
    status: dict[tuple[str, int], str] = {}
    for place, value, outcome in zip(places, epsps_mV, statuses, strict=True):
        if place not in status:
            status[place] = str(outcome)
            epsp[place] = float(value) if outcome == "ok" else float("nan")
    return Fixed(weight_uS, epsp, status)


# ---------------------------------------------------------------------- reading


def read_results(folder: str | Path, cells: Sequence[str] = ()) -> list[CellResults]:
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
    contents = read_contents(folder)
    root, found = contents.file.parent, contents.cells
    for label in cells:
        if label not in found:
            why = f" ({contents.not_finished})" if contents.not_finished else ""
            raise SelectionError(
                f"{root} holds no cell {label!r}{why}; it holds {', '.join(found)}."
                f"{closest(label, found)}"
            )
    return [_read_cell(root, label, found[label]) for label in dict.fromkeys(cells or found)]


def _read_cell(root: Path, label: str, entry: Any) -> CellResults:
    files = entry.get("files") if isinstance(entry, dict) else None
    if not isinstance(files, dict) or Path(label).name != label:
        raise ConfigError(f"{root / 'results.json'}: the entry of {label!r} is damaged; {ANEW}")
    if "shape" not in files:
        raise ConfigError(
            f"{root} does not hold the shape of {label}: it is of an earlier version of wscale; "
            "give the search's command again, which adds it without simulating what is there"
        )
    table = read_table(root / "weightNorm" / f"{label}_weightNorm.json")
    shape = read_shape(root / "cells" / f"{label}.json", table)
    given = entry.get("settings")
    settings = given if isinstance(given, dict) else {}
    weights, locations = (_length(settings.get(name)) for name in ("weights_uS", "locations"))
    grid = traces = network = None
    if "grid" in files:
        grid = read_grid(root / "grid_batch" / f"{label}.csv", table, weights, locations)
    if "traces" in files:
        one = locations is None
        traces = read_traces(root / "traces" / f"{label}.npz", table, one_a_segment=one)
    if "verification" in files:
        network = read_network(root / "verification" / f"{label}.csv", table)
    return CellResults(label, shape, tuple(_entries(table, shape)), grid, traces, network)


def _length(value: Any) -> int | None:
    return len(value) if isinstance(value, list) else None


def _entries(table: WeightNormTable, shape: Shape) -> list[Entry]:
    def number(rows: Mapping[str, list[float | None]], sec: str, segment: int) -> float:
        value = rows[sec][segment] if sec in rows else None
        return float("nan") if value is None else value

    return [
        Entry(
            sec,
            segment,
            shape.distance_um(sec, segment),
            status,
            float("nan") if weight is None else table.weight_unit.nS * weight,
            number(table.target_mV, sec, segment),
            number(table.epsp_mV, sec, segment),
            number(table.stand_in_epsp_mV, sec, segment),
        )
        for sec, segment, weight, status in table.entries()
    ]
