"""The closed loop: a NetPyNE network that loads the table, measured segment by segment."""

from __future__ import annotations

import copy
import dataclasses
import math
import pickle
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wscale._util.plain import to_plain
from wscale.errors import TableError, WscaleError
from wscale.measurement.epsp import Polarity, Protocol, Response, measure
from wscale.model.checks import check_threshold, check_tolerance, check_window
from wscale.model.model import Model
from wscale.model.sites import Site, number_of_segments
from wscale.model.targets import Targets
from wscale.parallel.chains import Backend
from wscale.parallel.pool import backend_for
from wscale.search.cell import SearchCell
from wscale.search.search import Search, one_by_one, run, with_units
from wscale.simulation.full_run import netpyne_trace
from wscale.simulation.rig import rig_for
from wscale.simulation.session import import_netpyne, quiet
from wscale.tables.fit import check_fit, places_of
from wscale.tables.uncalibrated import CLIP, clip_of
from wscale.tables.weightnorm import WeightNormTable, read_out_index

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Verification", "verify"]


@dataclass(frozen=True)
class Verification:
    """What a network's unit synapses give at the soma, entry by entry.

    Parameters
    ----------
    cell : str
        Label of the cell.
    frame : DataFrame
        One row per segment: cell, sec, segment, loc, weightNorm_uS_per_mV, table_status, target_mV,
        clipped (NetPyNE loads the threshold times the soma's entry instead), epsp_mV, status,
        error (EPSP / target - 1), met, centre_reads (the entry that NetPyNE reads for a synapse at
        the segment's centre), centre_epsp_mV (what that synapse gives).
    tolerance : float
        Largest absolute relative error that counts as met.
    """

    cell: str
    frame: pd.DataFrame
    tolerance: float

    @property
    def promised(self) -> pd.DataFrame:
        """The rows of entries that promise the target: status ok, or given without a status."""
        return self.frame[self.frame["table_status"].isin(["ok", "given"])]

    @property
    def passed(self) -> bool:
        """Whether every promised entry gives its target."""
        return bool(self.promised["met"].all())

    @property
    def largest_error(self) -> float:
        """Largest absolute relative error of the promised entries (NaN where there are none)."""
        return float(self.promised["error"].abs().max())

    @property
    def misread(self) -> pd.DataFrame:
        """The rows of segments whose centre makes NetPyNE read another segment's entry."""
        nseg = self.frame.groupby("sec")["segment"].transform("count")
        return self.frame[self.frame["centre_reads"] % nseg != self.frame["segment"]]


def verify(
    cells: Sequence[tuple[Model, WeightNormTable]],
    *,
    target_mV: float = 0.5,
    protocol: Protocol | None = None,
    tolerance: float = 1e-3,
    n_jobs: int | None = None,
    backend: Backend | None = None,
    full_runs: bool = False,
    threshold: float = CLIP,
) -> list[Verification]:
    """Load tables into NetPyNE networks and measure one unit synapse per segment.

    The cell's rule gets the table through ``netParams.addCellParamsWeightNorm``; NetPyNE builds the
    cell and scales the connections; one NetStim of weight ``|target|`` activates one segment at a
    time, at a location that NetPyNE's read-out rule maps to that segment.

    Parameters
    ----------
    cells : sequence of (Model, WeightNormTable)
        Each cell (with synapses and configuration) and its table.
    target_mV : float
        Target EPSP where a table does not say, mV.
    protocol : Protocol, optional
        How responses are measured; the polarity follows the targets.
    tolerance : float
        Largest relative error that counts as met.
    n_jobs : int, optional
        Number of worker processes; -1: all cores that this process may use, -2: all but one, ...
        Default: that of the user's :class:`joblib.parallel_config`, else all cores.
    backend : Backend, optional
        Other workers than ``n_jobs`` of this machine: a :class:`wscale.parallel.chains.Backend`.
    full_runs : bool
        Run ``sim.createSimulate`` from time 0 for each segment, with nothing of the search's Rig,
        in place of restoring the settled state: slower, the same numbers.
    threshold : float
        That of ``addCellParamsWeightNorm``: entries above this many times the soma's are clipped.

    Returns
    -------
    list of Verification
        One per cell, in their order.

    Raises
    ------
    TableError
        A table does not fit its cell, or NetPyNE would not load it.
    ConfigError, SelectionError
        A tolerance or target that cannot be one.

    Examples
    --------
    >>> from wscale import Model, solve, verify
    >>> model = Model.from_folder(".", "PV_simple", {"dt": 0.05})
    >>> [result] = solve(model, n_jobs=2)
    >>> [check] = verify([(model, result.table())], n_jobs=2)
    >>> check.passed, len(check.frame)
    (True, 2)
    """
    protocol = protocol or Protocol()
    check_tolerance(tolerance)
    check_threshold(threshold)
    Targets(target_mV)  # refuses what is no target
    for model, table in cells:
        check_fit(model, table)
        check_window(model, protocol)
    with backend_for(n_jobs, backend) as workers:
        models = with_units([model for model, _ in cells], workers)
        cells = [(model, table) for model, (_, table) in zip(models, cells, strict=True)]
        scaled = workers.map(
            _load_table, [(model, table.for_netpyne(), threshold) for model, table in cells]
        )
        for outcome in scaled:
            if isinstance(outcome, WscaleError):
                raise outcome
        checked = tuple(
            _cell(model, table, target_mV, protocol)
            for model, (_, table) in zip(scaled, cells, strict=True)
        )
        measured: list[dict[Site, Response]] = run(_search(checked, full_runs), workers)
    return [
        _compare(model, table, responses, target_mV, tolerance, threshold)
        for (model, table), responses in zip(cells, measured, strict=True)
    ]


def _cell(model: Model, table: WeightNormTable, target_mV: float, protocol: Protocol) -> SearchCell:
    """Lay out a site at each read-out location, and at centres that read another entry."""
    places = []
    for sec, segment, *_ in table.entries():
        own, centre = places_of(model, sec, segment)
        target = table.target_at(sec, segment, target_mV)
        places.append((own, target))
        nseg = number_of_segments(model, sec)
        if read_out_index(centre.loc, nseg) % nseg != segment:  # else the same node, scaled so
            places.append((centre, target))
    targets = tuple(target for _, target in places)
    polarity: Polarity = 1 if targets[0] > 0 else -1
    protocol = dataclasses.replace(protocol, polarity=polarity)
    return SearchCell(model, tuple(site for site, _ in places), targets, protocol)


@dataclass(frozen=True)
class _Measured:
    index: int
    response: Response


def _failed(_cell: SearchCell, index: int, _setting: bool, reason: str) -> _Measured:
    return _Measured(index, Response("failed", reason))


def _by_site(cell: SearchCell, parts: list[_Measured]) -> dict[Site, Response]:
    return {cell.sites[part.index]: part.response for part in parts}


def _compare(
    model: Model,
    table: WeightNormTable,
    responses: dict[Site, Response],
    target_mV: float,
    tolerance: float,
    threshold: float,
) -> Verification:
    rows = []
    clip = clip_of(table.weight_norm, threshold) or math.inf
    for sec, segment, value, status in table.entries():
        own, centre = places_of(model, sec, segment)
        target, response = table.target_at(sec, segment, target_mV), responses[own]
        error = np.nan if response.epsp_mV is None else response.epsp_mV / target - 1.0
        rows.append(
            {
                "cell": model.cell,
                "sec": sec,
                "segment": segment,
                "loc": own.loc,
                model.weight_unit.column: np.nan if value is None else value,
                "table_status": status,
                "target_mV": target,
                "clipped": value is not None and value > clip,
                "epsp_mV": response.epsp_mV,
                "status": response.status,
                "error": error,
                "met": response.ok and abs(error) <= tolerance,
                "centre_reads": read_out_index(centre.loc, number_of_segments(model, sec)),
                "centre_epsp_mV": responses.get(centre, response).epsp_mV,
            }
        )
    import pandas as pd

    return Verification(model.cell, pd.DataFrame(rows), tolerance)


def _search(
    cells: tuple[SearchCell, ...], full_runs: bool
) -> Search[_Measured, dict[Site, Response]]:
    return Search(
        method="verify",
        cells=cells,
        setting=full_runs,
        function=_measure,
        failed=_failed,
        chains=one_by_one,
        trials_per_site=1,
        join=_by_site,
        part=_Measured,
    )


def _load_table(task: tuple[Model, dict[str, list[float]], float]) -> Model | WscaleError:
    """Let NetPyNE load a table into the model's rule, and make sure that it did (in a worker)."""
    import_netpyne()
    from netpyne import specs

    model, values, threshold = task
    with tempfile.TemporaryDirectory(prefix="wscale-") as scratch, quiet():
        file = Path(scratch) / "weightNorm.pkl"
        file.write_bytes(pickle.dumps(values, protocol=2))
        net = specs.NetParams(model.netpyne_net())
        net.addCellParamsWeightNorm(model.cell, str(file), threshold)  # prints and returns on error
        secs = to_plain(net.cellParams[model.cell], "netParams")["secs"]
    clip = clip_of(values, threshold) or math.inf
    changed = copy.deepcopy(model.net)
    for sec, row in values.items():
        loaded = secs[sec].get("weightNorm")
        if loaded != [min(entry, clip) for entry in row]:
            return TableError(
                f"NetPyNE did not load the table's section {sec!r} as it stands in the file "
                f"(it holds {loaded})"
            )
        changed["cellParams"][model.cell]["secs"][sec]["weightNorm"] = loaded
    return dataclasses.replace(model, net=changed)


def _measure(
    cell: SearchCell, index: int, _before: Sequence[_Measured], full_run: bool
) -> _Measured:
    """Measure a unit synapse at a site of a cell (in a worker)."""
    # The network's weights are mV, and the Rig's uS, so that it gives the NetCon the number of mV
    site, weight = cell.sites[index], abs(cell.targets_mV[index]) * cell.model.weight_unit.uS
    if full_run:
        t, v = netpyne_trace(cell.model, site, weight)
        onset_ms, arrival_ms = cell.model.onset_ms, cell.model.arrival_ms
        response = measure(t, v, onset_ms=onset_ms, arrival_ms=arrival_ms, protocol=cell.protocol)
    else:
        rig = rig_for(cell.model, cell.sites, cell.protocol)
        response = rig.respond([(site, weight)])[0]
    return _Measured(index, response)
