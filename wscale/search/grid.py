"""The exhaustive search: sections x locations x weights."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from wscale.errors import SelectionError
from wscale.measurement.epsp import Protocol, Response
from wscale.measurement.loss import best_on_grid, loss_mV2, summed_loss_mV2
from wscale.measurement.on_grid import Interpolation, solve_on_grid
from wscale.measurement.solution import Solution
from wscale.model.checks import LARGEST_uS, check_max_weight
from wscale.model.model import Model
from wscale.model.sites import Locations, Site
from wscale.model.targets import Targets
from wscale.search.cell import SearchCell
from wscale.search.search import RunOptions, Search, one_by_one, plan_cells, run_search
from wscale.simulation.rig import rig_for
from wscale.tables.uncalibrated import Filling
from wscale.tables.weightnorm import WeightNormTable

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "GridResult",
    "SiteResult",
    "check_weights",
    "grid",
    "plan_grid",
]


@dataclass(frozen=True)
class GridSetting:
    """What a worker needs to search a site, besides its place and target."""

    weights_uS: tuple[float, ...]
    interpolation: Interpolation
    tolerance: float
    max_weight: float | None
    extend: bool


@dataclass(frozen=True)
class SiteResult:
    """What a worker found at one site: a response for each weight, and the solution."""

    cell: str
    index: int
    site: Site
    weights_uS: tuple[float, ...]
    responses: tuple[Response, ...]
    solution: Solution
    seconds: float

    @property
    def trials(self) -> int:
        """Number of simulations run."""
        return len(self.responses) + self.solution.trials


@dataclass(frozen=True)
class GridResult:
    """The grid of one cell.

    Parameters
    ----------
    model : Model
        The cell.
    results : tuple of SiteResult
        In the order of the sites.
    filling : Filling
        What the table's entries get that are not calibrated.
    """

    model: Model
    results: tuple[SiteResult, ...]
    filling: Filling = field(default_factory=Filling)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """One row per grid point: cell, sec, loc, segment, distance_um, weight_uS, epsp_mV, ..."""
        # Of deterministic synapses, whose responses are no means, there is no interval
        repeated = any(r.ci95_mV is not None for result in self.results for r in result.responses)
        rows: list[dict[str, Any]] = []
        for result in self.results:
            site, target = result.site, result.solution.target_mV
            place = {
                "cell": result.cell,
                "sec": site.sec,
                "loc": site.loc,
                "segment": site.segment,
                "distance_um": site.distance_um,
            }
            for weight, response in zip(result.weights_uS, result.responses, strict=True):
                measured = dict(response.as_row())
                if not repeated:
                    del measured["ci95_mV"]
                status, reason = measured.pop("status"), measured.pop("reason")
                epsp = np.nan if response.epsp_mV is None else response.epsp_mV
                rows.append(
                    {
                        **place,
                        "weight_uS": weight,
                        "epsp_mV": measured.pop("epsp_mV"),
                        **measured,
                        "target_mV": target,
                        "loss_mV2": float(loss_mV2(epsp, target)),
                        "status": status,
                        "reason": reason,
                    }
                )
        numeric = ["epsp_mV", "baseline_mV", "latency_ms", "time_to_peak_ms"]
        numeric += ["rise_time_ms", "half_width_ms"]
        import pandas as pd

        return pd.DataFrame(rows).astype(dict.fromkeys(numeric, float))

    @property
    def best(self) -> pd.DataFrame:
        """The grid point with the least loss of each site."""
        return best_on_grid(self.frame)

    @property
    def loss_mV2(self) -> float:
        """The sites' least losses, added up, mV^2."""
        return summed_loss_mV2(self.frame)

    @property
    def trials(self) -> int:
        """Number of simulations run."""
        return sum(result.trials for result in self.results)

    @property
    def seconds(self) -> float:
        """Time the workers spent on this cell, added up, s."""
        return sum(result.seconds for result in self.results)

    @property
    def solutions(self) -> tuple[tuple[Site, Solution], ...]:
        """The outcome at each site."""
        return tuple((result.site, result.solution) for result in self.results)

    def table(self, provenance: dict[str, Any] | None = None) -> WeightNormTable:
        """Return the weightNorm table."""
        return WeightNormTable.from_solutions(self.model, self.solutions, provenance, self.filling)


def grid(
    models: Model | Sequence[Model],
    weights_uS: Sequence[float],
    *,
    sections: str | Sequence[str] | None = None,
    locations: Locations = "every",
    exclude: Sequence[str] = (),
    targets: Targets | float = 0.5,
    interpolation: Interpolation = "monotone",
    tolerance: float = 1e-3,
    max_weight: float | None = None,
    extend: bool = False,
    protocol: Protocol | None = None,
    **how: Unpack[RunOptions],
) -> list[GridResult]:
    """Measure the EPSP of every section, location and weight, and solve for the target.

    Parameters
    ----------
    models : Model or sequence of Model
        The cells; their tasks share one pool of workers.
    weights_uS : sequence of float
        Positive, ascending, uS.
    sections : str or sequence of str, optional
        Section names, section lists or patterns (``apic*``); default: all but axons.
    locations : str or sequence of float
        ``every``: each segment's centre; ``middle``: that of each section; or numbers in (0, 1).
    exclude : sequence of str
        Section names, section lists or patterns to leave out.
    targets : Targets or float
        Target EPSPs, mV; negative for IPSPs.
    interpolation : {"monotone", "linear"}
        How the weight is found between grid points: by a monotone cubic, simulated there again
        until it meets the target, or by straight lines, simulated once.
    tolerance : float
        Largest relative error of the response for status ok.
    max_weight : float, optional
        The largest weight that is tried beyond the grid, in the unit of the synapse's weight; a
        larger one on the grid is not ok. Default: what is 0.1 uS, the largest plausible conductance
        (docs/methodology.md).
    extend : bool
        Go on with larger weights, in a few trials, where the grid ends below the target.
    protocol : Protocol, optional
        Window and thresholds; the polarity follows the targets.

    Returns
    -------
    list of GridResult
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
        Called with each :class:`SiteResult` as it arrives.
    on_cell : callable, optional
        Called with each :class:`GridResult` as soon as its last site is there.

    Raises
    ------
    SelectionError, ConfigError, ModelError, MechanismError
        Before any simulation, where an input cannot be used.

    Examples
    --------
    >>> from wscale import Model, grid
    >>> model = Model.from_folder(".", "PV_simple", {"dt": 0.05})
    >>> [result] = grid(model, [1e-4, 2e-4, 4e-4, 8e-4], n_jobs=2)
    >>> result.table().counts, len(result.frame)
    ({'ok': 2}, 8)
    """
    search = plan_grid(
        models,
        weights_uS,
        sections=sections,
        locations=locations,
        exclude=exclude,
        targets=targets,
        interpolation=interpolation,
        tolerance=tolerance,
        max_weight=max_weight,
        extend=extend,
        protocol=protocol,
    )
    return run_search(search, **how)


def plan_grid(
    models: Model | Sequence[Model],
    weights_uS: Sequence[float],
    *,
    sections: str | Sequence[str] | None = None,
    locations: Locations = "every",
    exclude: Sequence[str] = (),
    targets: Targets | float = 0.5,
    interpolation: Interpolation = "monotone",
    tolerance: float = 1e-3,
    max_weight: float | None = None,
    extend: bool = False,
    protocol: Protocol | None = None,
) -> Search[SiteResult, GridResult]:
    """Check what :func:`grid` is given, and return the search that it runs."""
    weights = check_weights(weights_uS)
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
        method="grid",
        cells=cells,
        setting=GridSetting(weights, interpolation, tolerance, max_weight, extend),
        function=_search_site,
        failed=_failed,
        chains=one_by_one,
        trials_per_site=len(weights) + 1,
        join=lambda cell, parts: GridResult(
            cell.model, tuple(parts), Filling(largest_uS=cell.model.largest_uS(max_weight))
        ),
        part=SiteResult,
    )


def _search_site(
    cell: SearchCell, index: int, _before: Sequence[SiteResult], setting: GridSetting
) -> SiteResult:
    """Run all weights at one site and solve for its target (in a worker)."""
    start = time.perf_counter()
    site, weights = cell.sites[index], setting.weights_uS
    rig = rig_for(cell.model, cell.sites, cell.protocol)
    responses = rig.respond([(site, weight) for weight in weights])
    solution = solve_on_grid(
        weights,
        responses,
        cell.targets_mV[index],
        lambda weight: rig.respond([(site, weight)])[0],
        setting.interpolation,
        setting.tolerance,
        largest_uS=cell.model.largest_uS(setting.max_weight),
        extend=setting.extend,
        amount=cell.model.weight_unit.amount,
    )
    seconds = time.perf_counter() - start
    return SiteResult(cell.model.cell, index, site, weights, tuple(responses), solution, seconds)


def _failed(cell: SearchCell, index: int, setting: GridSetting, reason: str) -> SiteResult:
    """Return the outcome of a site that could not be searched."""
    responses = (Response("failed", reason),) * len(setting.weights_uS)
    solution = Solution("failed", cell.targets_mV[index], reason=reason)
    site = cell.sites[index]
    return SiteResult(cell.model.cell, index, site, setting.weights_uS, responses, solution, 0.0)


def check_weights(weights_uS: Iterable[float]) -> tuple[float, ...]:
    """Return the weights as floats; raise SelectionError unless positive, finite and ascending.

    Examples
    --------
    >>> check_weights([1e-4, 2e-4])
    (0.0001, 0.0002)
    """
    try:
        weights = tuple(float(weight) for weight in weights_uS)
    except (TypeError, ValueError, OverflowError):
        raise SelectionError(
            f"weights_uS = {weights_uS!r} must be a list of numbers (uS) or start:stop:count"
        ) from None
    if len(weights) < 2:
        raise SelectionError(f"weights_uS = {list(weights)}: at least two weights are needed")
    for before, weight in zip((0.0, *weights), weights, strict=False):
        if not np.isfinite(weight) or weight <= before:
            raise SelectionError(
                f"weights_uS has {weight:g} after {before:g}; weights must be finite, positive and "
                "ascending without repeats (uS; 1e-4:1.9e-3:19 are the reference weights)"
            )
    if weights[-1] > LARGEST_uS:
        raise SelectionError(
            f"weights_uS has {weights[-1]:g}, more than {LARGEST_uS:g} uS, which no synapse has; "
            "are these nS? 1 nS is 1e-3 uS"
        )
    return weights
