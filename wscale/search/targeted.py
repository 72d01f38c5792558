"""The targeted search: per site, the weight that gives the target EPSP, in a few trials.

The exhaustive search of :mod:`wscale.search.grid` measures how the EPSP depends on the weight at
every site; this one goes straight for the weightNorm. The sites of a section are solved one after
another, so that each is guessed from its neighbours' outcomes.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple, Unpack

from wscale.measurement.bracket import find_weight
from wscale.measurement.epsp import Protocol
from wscale.measurement.solution import Solution, USUAL_WEIGHT_uS
from wscale.model.checks import check_max_weight
from wscale.model.model import Model
from wscale.model.sites import Locations, Site
from wscale.model.targets import Targets
from wscale.search.cell import SearchCell
from wscale.search.search import RunOptions, Search, plan_cells, run_search
from wscale.simulation.rig import Rig, rig_for
from wscale.tables.uncalibrated import Filling
from wscale.tables.weightnorm import WeightNormTable

__all__ = ["SolveResult", "SolvedSite", "plan_solve", "solve"]

# The frequency at which transfer impedances rank sites best, for EPSPs of some milliseconds' rise
_FREQUENCY_HZ = 60.0
# Where the neighbour's largest weight was not enough
_OUT_OF_REACH = ("unreachable", "implausible")


@dataclass(frozen=True)
class SolveSetting:
    """What a worker needs to search a site, besides its place and target."""

    tolerance: float
    max_weight: float | None


@dataclass(frozen=True)
class SolvedSite:
    """What a worker found at one site."""

    cell: str
    index: int
    site: Site
    solution: Solution
    seconds: float

    @property
    def trials(self) -> int:
        """Number of simulations run."""
        return self.solution.trials


@dataclass(frozen=True)
class SolveResult:
    """The targeted search of one cell.

    Parameters
    ----------
    model : Model
        The cell.
    solutions : tuple of (Site, Solution)
        In the order of the sites.
    seconds : float
        Time the workers spent on this cell, added up, s.
    filling : Filling
        What the table's entries get that are not calibrated.
    """

    model: Model
    solutions: tuple[tuple[Site, Solution], ...]
    seconds: float
    filling: Filling = field(default_factory=Filling)

    @property
    def trials(self) -> int:
        """Number of simulations run."""
        return sum(solution.trials for _, solution in self.solutions)

    def table(self, provenance: dict[str, Any] | None = None) -> WeightNormTable:
        """Return the weightNorm table."""
        return WeightNormTable.from_solutions(self.model, self.solutions, provenance, self.filling)


def solve(
    models: Model | Sequence[Model],
    *,
    sections: str | Sequence[str] | None = None,
    locations: Locations = "every",
    exclude: Sequence[str] = (),
    targets: Targets | float = 0.5,
    tolerance: float = 1e-3,
    max_weight: float | None = None,
    protocol: Protocol | None = None,
    **how: Unpack[RunOptions],
) -> list[SolveResult]:
    """Find the weight for the target at every site, in a few trials per site.

    Parameters
    ----------
    models : Model or sequence of Model
        The cells; their tasks share one pool of workers.
    sections : str or sequence of str, optional
        Section names, section lists or patterns (``apic*``); default: all but axons.
    locations : str or sequence of float
        ``every``: each segment's centre; ``middle``: that of each section; or numbers in (0, 1).
    exclude : sequence of str
        Section names, section lists or patterns to leave out.
    targets : Targets or float
        Target EPSPs, mV; negative for IPSPs.
    tolerance : float
        Largest relative error of the response for status ok.
    max_weight : float, optional
        The largest weight that is tried, in the unit of the synapse's weight; default: what is
        0.1 uS, the largest plausible conductance (docs/methodology.md).
    protocol : Protocol, optional
        Window and thresholds; the polarity follows the targets.

    Returns
    -------
    list of SolveResult
        One per model, in their order; the same for any number of workers.

    Other Parameters
    ----------------
    n_jobs : int, optional
        Number of worker processes; -1: all cores that this process may use, -2: all but one, ...
        Default: that of the user's :class:`joblib.parallel_config`, else all cores.
    backend : Backend, optional
        Other workers than ``n_jobs`` of this machine: a :class:`wscale.parallel.chains.Backend`.
    journals : Journals, optional
        Keeps outcomes in a results folder as they arrive, and continues from there.
    on_result : callable, optional
        Called with each :class:`SolvedSite` as it arrives.
    on_cell : callable, optional
        Called with each :class:`SolveResult` as soon as its last site is there.

    Raises
    ------
    SelectionError, ConfigError, ModelError, MechanismError
        Before any simulation, where an input cannot be used.

    Examples
    --------
    >>> from wscale import Model, solve
    >>> model = Model.from_folder(".", "PV_simple", {"dt": 0.05})
    >>> [result] = solve(model, targets=0.5, n_jobs=2)
    >>> [round(1e3 * solution.weight_norm, 3) for _, solution in result.solutions]  # nS/mV
    [0.559, 0.561]
    """
    search = plan_solve(
        models,
        sections=sections,
        locations=locations,
        exclude=exclude,
        targets=targets,
        tolerance=tolerance,
        max_weight=max_weight,
        protocol=protocol,
    )
    return run_search(search, **how)


def plan_solve(
    models: Model | Sequence[Model],
    *,
    sections: str | Sequence[str] | None = None,
    locations: Locations = "every",
    exclude: Sequence[str] = (),
    targets: Targets | float = 0.5,
    tolerance: float = 1e-3,
    max_weight: float | None = None,
    protocol: Protocol | None = None,
) -> Search[SolvedSite, SolveResult]:
    """Check what :func:`solve` is given, and return the search that it runs."""
    cells = plan_cells(
        models,
        sections=sections,
        locations=locations,
        exclude=exclude,
        targets=targets,
        tolerance=tolerance,
        protocol=protocol,
    )
    check_max_weight(max_weight, [cell.model for cell in cells])
    return Search(
        method="norm",
        cells=cells,
        setting=SolveSetting(tolerance, max_weight),
        function=_solve_site,
        failed=_failed,
        chains=_sections,
        trials_per_site=2,
        join=lambda cell, parts: _joined(
            cell, parts, Filling(largest_uS=cell.model.largest_uS(max_weight))
        ),
        part=SolvedSite,
    )


def _sections(cell: SearchCell) -> list[tuple[int, ...]]:
    """Group the sites by section, to be solved one after another."""
    by_section = groupby(range(len(cell.sites)), key=lambda index: cell.sites[index].sec)
    return [tuple(indices) for _, indices in by_section]


def _joined(cell: SearchCell, parts: list[SolvedSite], filling: Filling) -> SolveResult:
    pairs = tuple((part.site, part.solution) for part in parts)
    return SolveResult(cell.model, pairs, sum(part.seconds for part in parts), filling)


def _solve_site(
    cell: SearchCell, index: int, before: Sequence[SolvedSite], setting: SolveSetting
) -> SolvedSite:
    """Solve a site of a section from the outcomes of those before it (in a worker)."""
    start = time.perf_counter()
    rig = rig_for(cell.model, cell.sites, cell.protocol)
    linear = _linear_weights(rig)
    site, target_mV = cell.sites[index], cell.targets_mV[index]
    largest_uS = cell.model.largest_uS(setting.max_weight)
    solution = find_weight(
        lambda weight: rig.respond([(site, weight)])[0],
        target_mV,
        _guess_uS(site, target_mV, before, linear, largest_uS),
        setting.tolerance,
        largest_uS,
        amount=cell.model.weight_unit.amount,
    )
    return SolvedSite(cell.model.cell, index, site, solution, time.perf_counter() - start)


def _guess_uS(
    site: Site,
    target_mV: float,
    before: Sequence[SolvedSite],
    linear: dict[Site, _Linear],
    largest_uS: float,
) -> float:
    """Return where to begin at a site; the largest weight where the target is out of reach."""
    here = linear[site]
    weight = here.weight_norm * abs(target_mV)
    if before and before[-1].solution.status in _OUT_OF_REACH:
        return largest_uS
    # How far the outcomes are from their first guesses, by location
    found = [(part.site.loc, _ratio(part, linear)) for part in before if part.solution.weight_norm]
    if not found and weight * here.input_MOhm >= 1.0:  # more than the place itself conducts
        return largest_uS
    return weight * _continued(found, site.loc)


def _ratio(part: SolvedSite, linear: dict[Site, _Linear]) -> float:
    solution = part.solution
    exact = (solution.weight_norm or 0.0) / (1.0 + (solution.residual or 0.0))  # than tolerance
    return exact / linear[part.site].weight_norm


def _failed(cell: SearchCell, index: int, setting: SolveSetting, reason: str) -> SolvedSite:
    """Return the outcome of a site that could not be searched."""
    solution = Solution("failed", cell.targets_mV[index], reason=reason)
    return SolvedSite(cell.model.cell, index, cell.sites[index], solution, 0.0)


def _continued(found: Sequence[tuple[float, float]], loc: float) -> float:
    """Return how far the next weightNorm of a section is from its first guess, as those before."""
    if len(found) < 2:
        return found[-1][1] if found else 1.0
    (loc0, before), (loc1, last) = found[-2:]
    ratio = float((last / before) ** ((loc - loc1) / (loc1 - loc0)))
    return last * min(max(ratio, 0.5), 2.0)


class _Linear(NamedTuple):
    """A site in a linear cable."""

    weight_norm: float  # uS/mV
    input_MOhm: float


_linear: tuple[Rig, dict[Site, _Linear]] | None = None


def _linear_weights(rig: Rig) -> dict[Site, _Linear]:
    """Return a first guess of every site's weightNorm: linear, from transfer impedances.

    The same in every worker: it depends on the cell and its sites alone.
    """
    global _linear
    if _linear is not None and _linear[0] is rig:
        return _linear[1]
    impedances = rig.impedances_MOhm(_FREQUENCY_HZ)
    first = rig.sites[0]
    response = rig.respond([(first, USUAL_WEIGHT_uS)])[0]
    gain = 1.0 if not response.ok else abs(response.epsp_mV or 0.0) / USUAL_WEIGHT_uS
    scale = impedances[first].transfer / (gain or 1.0)
    weights = {
        site: _Linear(scale / max(here.transfer, 1e-9), here.input)
        for site, here in impedances.items()
    }
    _linear = (rig, weights)
    return weights
