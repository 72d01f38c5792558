"""Checking an existing table: what every entry gives at the soma, and why not its target.

Unlike :mod:`wscale.verification.verify`, nothing is loaded into a network: each entry is simulated
as a weight, so that a table that NetPyNE would clip, or not load at all, can be judged too.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wscale._util.plain import finite
from wscale.errors import ConfigError, TableError
from wscale.measurement.bracket import find_weight
from wscale.measurement.epsp import Protocol, Response
from wscale.model.checks import check_threshold, check_tolerance, check_window
from wscale.model.model import Model
from wscale.model.sites import number_of_segments, select_sections
from wscale.model.targets import Targets
from wscale.parallel.chains import Backend
from wscale.parallel.pool import backend_for
from wscale.search.cell import SearchCell
from wscale.search.search import Search, one_by_one, run, with_units
from wscale.simulation.rig import rig_for
from wscale.tables.fit import check_fit, places_of
from wscale.tables.uncalibrated import CLIP, clip_of
from wscale.tables.weightnorm import WeightNormTable, read_out_index
from wscale.verification.verdicts import Outcome, Trial, describe, meets

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Audit", "LAST_WEIGHT_uS", "audit"]

# The grid of the published M1 tables: 19 even steps from 1e-4 uS on
LAST_WEIGHT_uS = 1.9e-3
_STEPS = 19
# The search of the right weight begins at the entry's, if that is between these multiples of the
# last weight of a grid
_LEAST, _MOST = 1e-3, 1e5


@dataclass(frozen=True)
class Audit:
    """What the entries of a table give at the soma.

    Parameters
    ----------
    cell : str
        Label of the cell.
    frame : DataFrame
        One row per segment, see Notes.
    tolerance : float
        Largest absolute relative error that counts as met.
    without_entries : tuple of str
        Sections, axons apart, that the table leaves out: NetPyNE does not scale weights there.

    Notes
    -----
    The columns of ``frame``:

    - cell, sec, segment, loc (where NetPyNE reads the segment's own entry), target_mV,
      weightNorm_uS_per_mV (or another unit, that of the model's weight; NaN where the table has no
      finite number), table_status;
    - epsp_mV (at the weight entry x abs(target)), error (EPSP / target - 1) and status of the
      response, ``not_simulated`` where the entry is not finite;
    - verdict, and why in words (empty for ``ok``);
    - right_weightNorm (in the same unit; NaN where none was found, or none was looked for) and
      right_status (of the search for it, see :class:`wscale.Solution`; empty where none was made);
    - centre_reads (the entry that NetPyNE reads at the segment's centre; -1 is the last),
      centre_epsp_mV and centre_error (what that entry gives there), centre_verdict and centre_why.

    The verdicts:

    - ``ok``: the EPSP is the target, to the tolerance;
    - ``misses``: it is not;
    - ``extrapolated``: it is not, and the entry's weight lies beyond the grid of the table's
      authors, where that is given, whose last weight gives less than the target, or no sound EPSP:
      nobody can have measured it there;
    - ``unreachable``: it is not, and no weight gives the target: the synapse saturates;
    - ``implausible``: it is not, and no weight up to 0.1 uS gives the target;
    - ``spike``, ``drift``, ``edge``, ``failed``: the response is no sound EPSP;
    - ``not_finite``: the entry is infinite or not a number; ``right_status`` tells whether any
      weight gives the target;
    - ``no_promise``: the table has no entry, and its own status says why.

    ``centre_verdict`` is ``verdict`` where the centre reads the segment's own entry. Else it is
    ``ok``, ``misread`` (the other entry gives a response that is off by more than the tolerance)
    or ``not_finite`` (the other entry is no finite number).
    """

    cell: str
    frame: pd.DataFrame
    tolerance: float
    without_entries: tuple[str, ...] = ()

    @property
    def promised(self) -> pd.DataFrame:
        """The rows of entries that promise the target: all but those with ``no_promise``."""
        return self.frame[self.frame["verdict"] != "no_promise"]

    @property
    def passed(self) -> bool:
        """Whether every entry that promises its target gives it."""
        return bool((self.promised["verdict"] == "ok").all())

    @property
    def counts(self) -> dict[str, int]:
        """Number of entries by verdict."""
        return dict(Counter(str(verdict) for verdict in self.frame["verdict"]))

    @property
    def misread(self) -> pd.DataFrame:
        """The rows of segments whose centre gets another segment's entry, and is off by it."""
        nseg = self.frame.groupby("sec")["segment"].transform("count")
        other = self.frame["centre_reads"] % nseg != self.frame["segment"]
        return self.frame[other & (self.frame["centre_verdict"] != "ok")]

    def worst(self, n: int = 5) -> pd.DataFrame:
        """Return the rows that are furthest from what they promise, the worst first.

        Parameters
        ----------
        n : int
            How many at most. Entries without an EPSP (not finite, failed) come before all others.
        """
        wrong = self.promised[self.promised["verdict"] != "ok"]
        size = wrong["error"].abs().fillna(math.inf)
        return wrong.loc[size.sort_values(ascending=False, kind="stable").index[:n]]


def audit(
    model: Model,
    table: WeightNormTable,
    *,
    target_mV: float = 0.5,
    protocol: Protocol | None = None,
    tolerance: float = 1e-3,
    n_jobs: int | None = None,
    backend: Backend | None = None,
    last_weight_uS: float | None = None,
    threshold: float = CLIP,
) -> Audit:
    """Simulate every entry of a table, and report which ones miss their target, and why.

    Each entry times ``|target|`` is simulated as the weight of a synapse in its segment. Where the
    EPSP misses the target, the right weight is searched. Where NetPyNE reads another entry at a
    segment's centre, that entry is simulated there.

    Parameters
    ----------
    model : Model
        The cell, with synapses and configuration; it has no ``weightNorm`` of its own.
    table : WeightNormTable
        The table, such as :meth:`wscale.WeightNormTable.read` makes of a published file.
    target_mV : float
        Target EPSP where the table does not say, mV.
    protocol : Protocol, optional
        How responses are measured; the polarity follows the targets.
    tolerance : float
        Largest relative error that counts as met.
    n_jobs : int, optional
        Number of worker processes; -1: all cores that this process may use, -2: all but one, ...
        Default: that of the user's :class:`joblib.parallel_config`, else all cores.
    backend : Backend, optional
        Other workers than ``n_jobs`` of this machine: a :class:`wscale.parallel.chains.Backend`.
    last_weight_uS : float, optional
        The last weight of the grid that the table was made with, uS, for the verdict
        ``extrapolated``; the grid has 19 even steps from zero. 0.0019 is that of the published M1
        tables.
    threshold : float
        That of ``addCellParamsWeightNorm``: an entry above this many times the soma's is simulated
        as NetPyNE loads it, clipped.

    Returns
    -------
    Audit
        One row per segment, in the table's order; the same for any number of workers.

    Raises
    ------
    TableError
        The table does not fit the cell, has no entries, or has targets of both signs.
    ConfigError, SelectionError
        A tolerance, window, weight or target that cannot be one.
    ModelError, MechanismError
        The cell needs mechanisms that are missing.

    Examples
    --------
    >>> from wscale import Model, WeightNormTable
    >>> model = Model.from_folder(".", "PV_simple", {"dt": 0.05})
    >>> values = {"soma": [5.593e-4], "dend": [8e-4]}
    >>> table = WeightNormTable("PV_simple", values, {"soma": ["given"], "dend": ["given"]})
    >>> result = audit(model, table, n_jobs=2)
    >>> result.passed, result.counts
    (False, {'ok': 1, 'misses': 1})
    >>> [wrong] = result.worst().to_dict("records")
    >>> wrong["sec"], round(wrong["epsp_mV"], 2), round(1e3 * wrong["right_weightNorm"], 2)
    ('dend', 0.71, 0.56)
    """
    check_tolerance(tolerance)
    if last_weight_uS is not None and not 0 < last_weight_uS < math.inf:
        raise ConfigError(
            f"last_weight_uS = {last_weight_uS!r} must be positive and finite (uS); "
            f"{LAST_WEIGHT_uS:g} is that of the published M1 tables"
        )
    check_threshold(threshold)
    check_fit(model, table)
    with backend_for(n_jobs, backend) as workers:
        [model] = with_units([model], workers)
        table = dataclasses.replace(table, weight_unit=model.weight_unit)
        clip = clip_of(table.weight_norm, threshold)
        cell, trials = _lay_out(model, table, target_mV, protocol or Protocol(), clip)
        check_window(model, cell.protocol)
        outcomes = _tried(cell, trials, tolerance, last_weight_uS, workers)
    rows = describe(model, table, cell, trials, outcomes, tolerance, last_weight_uS, threshold)
    left_out = tuple(sec for sec in select_sections(model) if sec not in table.weight_norm)
    import pandas as pd

    return Audit(model.cell, pd.DataFrame(rows), tolerance, left_out)


# ---------------------------------------------------------------------- what is simulated


def _tried(
    cell: SearchCell,
    trials: list[Trial],
    tolerance: float,
    last_weight_uS: float | None,
    workers: Backend,
) -> list[Outcome]:
    search = Search(
        method="audit",
        cells=(cell,),
        setting=_Setting(tuple(trials), tolerance, last_weight_uS),
        function=_try_entry,
        failed=_failed,
        chains=one_by_one,
        trials_per_site=3,
        join=lambda _, outcomes: outcomes,
        part=Outcome,
    )
    [outcomes] = run(search, workers)
    return outcomes


@dataclass(frozen=True)
class _Setting:
    trials: tuple[Trial, ...]
    tolerance: float
    last_weight_uS: float | None


def _lay_out(
    model: Model,
    table: WeightNormTable,
    target_mV: float,
    protocol: Protocol,
    clip: float | None,
) -> tuple[SearchCell, list[Trial]]:
    """Return the sites: one a segment, and the centres where NetPyNE reads another entry."""
    polarity = Targets(target_mV).polarity  # refuses what is no target
    sites, targets, trials = [], [], []

    def loaded(value: float | None) -> float | None:
        entry = finite(value)
        return entry if entry is None or clip is None else min(entry, clip)

    for sec, segment, value, _ in table.entries():
        own, centre = places_of(model, sec, segment)
        target = table.target_at(sec, segment, target_mV)
        sites.append(own)
        targets.append(target)
        trials.append(Trial(sec, segment, loaded(value), centre=False))
        reads = read_out_index(centre.loc, number_of_segments(model, sec))
        row = table.weight_norm[sec]
        if reads % len(row) != segment:
            sites.append(centre)
            targets.append(target)
            trials.append(Trial(sec, segment, loaded(row[reads]), centre=True))
    if not sites:
        raise TableError(f"the table for {model.cell!r} has no entries to simulate")
    if table.target_mV:
        polarity = 1 if targets[0] > 0 else -1
    if not all(math.isfinite(target) and target * polarity > 0 for target in targets):
        raise TableError(
            f"the targets of the table for {model.cell!r}, {sorted(set(targets))} mV, must be "
            "finite, not zero and of one sign"
        )
    protocol = dataclasses.replace(protocol, polarity=polarity)
    return SearchCell(model, tuple(sites), tuple(targets), protocol), trials


def _failed(_cell: SearchCell, index: int, _setting: _Setting, reason: str) -> Outcome:
    return Outcome(index, Response("failed", reason))


def _try_entry(
    cell: SearchCell, index: int, _before: Sequence[Outcome], setting: _Setting
) -> Outcome:
    """Simulate an entry, and search the right weight if it misses (in a worker)."""
    trial, site, target_mV = setting.trials[index], cell.sites[index], cell.targets_mV[index]
    rig = rig_for(cell.model, cell.sites, cell.protocol)
    measured: dict[float, Response] = {}

    def respond(weight_uS: float) -> Response:
        if weight_uS not in measured:
            measured[weight_uS] = rig.respond([(site, weight_uS)])[0]
        return measured[weight_uS]

    unit_uS = cell.model.weight_unit.uS
    weight = None if trial.entry is None else trial.entry * unit_uS * abs(target_mV)
    response = None if weight is None else respond(weight)
    if trial.centre or (response is not None and meets(response, target_mV, setting.tolerance)):
        return Outcome(index, response)
    if response is not None and response.status in ("drift", "failed"):
        return Outcome(index, response)  # what is wrong is not the weight
    last, usual = setting.last_weight_uS, setting.last_weight_uS or LAST_WEIGHT_uS
    sensible = weight is not None and _LEAST * usual <= weight <= _MOST * usual
    guess = weight if weight is not None and sensible else usual
    amount = cell.model.weight_unit.amount
    solution = find_weight(respond, target_mV, guess, setting.tolerance, amount=amount)
    if last is None or weight is None or weight <= last:
        return Outcome(index, response, solution)
    line = _line_beyond_grid(respond, target_mV, last)
    return Outcome(index, response, solution, respond(last), line)


def _line_beyond_grid(
    respond: Callable[[float], Response], target_mV: float, last_uS: float
) -> float | None:
    """Return where the straight line through the last two grid points passes the target, uS."""
    before_uS = last_uS * (_STEPS - 1) / _STEPS
    before, last = respond(before_uS), respond(last_uS)
    if not (before.ok and last.ok) or before.epsp_mV is None or last.epsp_mV is None:
        return None
    rise = (last.epsp_mV - before.epsp_mV) / (last_uS - before_uS)
    return None if rise == 0 else last_uS + (target_mV - last.epsp_mV) / rise
