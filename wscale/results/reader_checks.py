"""Files of a cell in a results folder, read, or refused where they are not whole or do not fit."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from wscale._util.json_files import read_bytes
from wscale.errors import TableError
from wscale.measurement.epsp import Status
from wscale.results.contents import ANEW
from wscale.results.morphology import Shape
from wscale.results.traces import Traces
from wscale.tables.weightnorm import WeightNormTable

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Place", "read_grid", "read_network", "read_shape", "read_table", "read_traces"]

Place = tuple[str, int]

# Columns that figures use, of text and of numbers
_GRID = (
    ("cell", "sec", "status"),
    ("loc", "segment", "distance_um", "weight_uS", "epsp_mV", "loss_mV2"),
)
_NETWORK = (("cell", "sec", "status", "table_status"), ("segment", "epsp_mV"))
# Those that a row may leave empty: what is no sound response has no value
_MAY_BE_EMPTY = ("epsp_mV", "loss_mV2")
_STATUSES = get_args(Status)


def read_table(path: Path) -> WeightNormTable:
    """Read a cell's table.

    Raises
    ------
    TableError
        As of the other functions here: there is none or it is damaged, with the remedy.
    """
    if not path.exists():
        raise TableError(f"there is no table {path}; {ANEW}")
    try:
        return WeightNormTable.read(path)
    except TableError as error:
        raise TableError(f"{str(error).removesuffix('; make the table again')}; {ANEW}") from error


def read_shape(path: Path, table: WeightNormTable) -> Shape:
    """Read the shape of a cell, which has the sections and segments of its table."""
    shape = Shape.read(path)
    with _named(path):
        for sec, entries in table.status.items():
            found = shape.sections[sec].nseg if sec in shape.sections else 0
            if found != len(entries):
                raise ValueError(
                    f"it has {found} segments of section {sec!r}, and the table {len(entries)}"
                )
    return shape


def read_grid(
    path: Path,
    table: WeightNormTable,
    weights: int | None = None,
    locations: int | None = None,
) -> pd.DataFrame:
    """Read a cell's grid points.

    Parameters
    ----------
    path : Path
        A CSV file.
    table : WeightNormTable
        What was found on the grid: all its entries have grid points.
    weights, locations : int, optional
        How many weights a site has, and how many sites a section.
    """
    frame = _frame(path, "grid file", *_GRID)
    with _named(path):
        _check_cell(frame, table)
        _check_places(zip(frame["sec"], frame["segment"], strict=True), _searched(table))
        sites = frame.groupby(["sec", "loc"], sort=False)["weight_uS"]
        every = set(frame["weight_uS"])
        for (sec, loc), own in sites:
            if len(own) != len(every) or set(own) != every:
                raise ValueError(
                    f"{sec}({loc:g}) has not each of the {len(every)} weights of the grid once"
                )
        if weights is not None and len(every) != weights:
            raise ValueError(f"it has {len(every)} weights, and the search had {weights}")
        found = frame.groupby("sec", sort=False)["loc"].nunique()
        if locations is not None and (found != locations).any():
            raise ValueError(f"there are not {locations} sites in each section")
    return frame


def read_network(path: Path, table: WeightNormTable) -> pd.DataFrame:
    """Read what a cell's table gives in a network: a row an entry."""
    frame = _frame(path, "verification file", *_NETWORK)
    with _named(path):
        _check_cell(frame, table)
        places = list(zip(frame["sec"], frame["segment"], strict=True))
        _check_places(places, {(sec, k): None for sec, k, *_ in table.entries()})
        if len(set(places)) != len(places):
            raise ValueError("it has several rows for one segment")
        for (sec, segment), status in zip(places, frame["table_status"], strict=True):
            if status != table.status[sec][segment]:
                raise ValueError(
                    f"it says {status!r} of {sec}, segment {segment}, and the table "
                    f"{table.status[sec][segment]!r}"
                )
    return frame


def read_traces(path: Path, table: WeightNormTable, *, one_a_segment: bool) -> Traces:
    """Read a cell's traces, which are of calibrated segments, at their weights.

    Parameters
    ----------
    path : Path
        A NumPy archive.
    table : WeightNormTable
        Of the same cell.
    one_a_segment : bool
        Whether no two sites share a segment, so that an entry's weight is that of its trace.
    """
    traces = Traces.read(path)
    entries = {(sec, k): (weight, status) for sec, k, weight, status in table.entries()}
    with _named(path):
        for sec, segment, weight_uS in zip(
            traces.sec, traces.segment, traces.weight_uS, strict=True
        ):
            norm, status = entries.get((sec, segment), (None, "not_measured"))
            if status == "not_measured" or (one_a_segment and norm is None):
                raise ValueError(f"{sec}, segment {segment}, has no calibrated weight in the table")
            target = table.target_mV[sec][segment] if sec in table.target_mV else None
            if not (one_a_segment and norm and target):
                continue
            if not np.isclose(norm * abs(target), weight_uS, rtol=1e-6, atol=0.0):
                raise ValueError(f"{sec}, segment {segment}, has another weight in the table")
        if traces.fixed_weight_uS is not None:
            at = zip(traces.fixed_sec, traces.fixed_segment, strict=True)
            _check_places(at, _searched(table))
            _check_statuses(traces.fixed_status, traces.fixed_epsp_mV)
    return traces


def _searched(table: WeightNormTable) -> dict[Place, None]:
    return {(sec, k): None for sec, k, _, status in table.entries() if status != "not_measured"}


def _check_cell(frame: pd.DataFrame, table: WeightNormTable) -> None:
    """Raise ValueError where rows are of another cell."""
    for cell in frame["cell"].unique():
        if cell != table.cell:
            raise ValueError(f"it is of cell {cell!r}, and the table of {table.cell!r}")


def _check_places(found: Iterable[Place], wanted: Collection[Place]) -> None:
    """Raise ValueError where there are not all places, or others."""
    there = set(found)
    for sec, segment in wanted:
        if (sec, segment) not in there:
            raise ValueError(f"it has nothing of {sec}, segment {segment}")
    for sec, segment in sorted(there - set(wanted)):
        raise ValueError(f"it has {sec}, segment {segment}, which the table has not")


def _check_statuses(statuses: Iterable[str], epsps_mV: Iterable[float]) -> None:
    """Raise ValueError for a status that is none, or a sound response without a value."""
    for status, epsp in zip(statuses, epsps_mV, strict=True):
        if status not in _STATUSES:
            raise ValueError(f"status {status!r} is none of {', '.join(_STATUSES)}")
        if status == "ok" and not np.isfinite(epsp):
            raise ValueError("a response that is ok has no value")


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Make a ValueError about a file an error that names it, with the remedy."""
    try:
        yield
    except ValueError as error:
        raise TableError(f"{path} is damaged: {error}; {ANEW}") from error


def _frame(path: Path, what: str, texts: Sequence[str], numbers: Sequence[str]) -> pd.DataFrame:
    """Read a CSV file of responses; its columns must be there and of their kinds."""
    import pandas as pd

    try:
        content = read_bytes(path, what, TableError)
    except TableError as error:
        raise TableError(f"{error}; {ANEW}") from error
    with _named(path):
        # pandas' own errors of reading are ValueErrors
        frame = pd.read_csv(io.BytesIO(content), dtype=str, na_filter=False)
        missing = [name for name in (*texts, *numbers) if name not in frame]
        if missing:
            raise ValueError(f"there is no column {', '.join(missing)}")
        if frame.empty:
            raise ValueError("it has no rows")
        frame = frame[[*texts, *numbers]].copy()
        for name in numbers:
            frame[name] = [_number(name, text) for text in frame[name]]
        frame["segment"] = frame["segment"].astype(int)
        _check_statuses(frame["status"], frame["epsp_mV"])
    return frame


def _number(name: str, text: Any) -> float:
    if text == "" and name in _MAY_BE_EMPTY:
        return float("nan")
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value) or (name == "segment" and value != int(value)):
        raise ValueError(f"{text!r} in column {name} is no number that can be there")
    return value
