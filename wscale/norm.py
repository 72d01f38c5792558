"""The targeted search: per site, the weight that gives the target EPSP, in a few trials.

The exhaustive search of :mod:`wscale.grid` says how the EPSP depends on the weight everywhere; this
one goes straight for the weightNorm. One task is one section, whose sites are solved one after
another, so that each has its neighbour's outcome as a first guess.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from wscale.bracket import find_weight
from wscale.epsp import Protocol
from wscale.loss import Targets
from wscale.model import Model
from wscale.plan import plan_search, run_plan
from wscale.rig import Rig, rig_for
from wscale.sites import Locations, Site
from wscale.solve import Solution
from wscale.weightnorm import WeightNormTable

__all__ = ["NormResult", "SectionResult", "norm"]

# The frequency at which transfer impedances rank sites best, for EPSPs of some milliseconds' rise
_FREQUENCY_HZ = 60.0
# First guess before anything was measured: a unitary weight of the models in the literature
_FIRST_WEIGHT_uS = 5e-4


@dataclass(frozen=True)
class SectionTask:
    """What a worker needs to solve the sites of one section; all plain data."""

    model: Model
    sites: tuple[Site, ...]
    chosen: tuple[int, ...]
    targets_mV: tuple[float, ...]
    tolerance: float
    protocol: Protocol


@dataclass(frozen=True)
class SectionResult:
    """What a worker found in one section."""

    cell: str
    solutions: tuple[tuple[int, Site, Solution], ...]
    seconds: float

    @property
    def trials(self) -> int:
        """Number of simulations run."""
        return sum(solution.trials for _, _, solution in self.solutions)


@dataclass(frozen=True)
class NormResult:
    """The targeted search of one cell.

    Parameters
    ----------
    model : Model
        The cell.
    solutions : tuple of (Site, Solution)
        In the order of the sites.
    seconds : float
        Time the workers spent on this cell, added up, s.
    """

    model: Model
    solutions: tuple[tuple[Site, Solution], ...]
    seconds: float

    @property
    def trials(self) -> int:
        """Number of simulations run."""
        return sum(solution.trials for _, solution in self.solutions)

    def table(self, provenance: dict[str, Any] | None = None) -> WeightNormTable:
        """Return the weightNorm table."""
        return WeightNormTable.from_solutions(self.model, self.solutions, provenance)


def norm(
    models: Model | Sequence[Model],
    *,
    sections: str | Sequence[str] | None = None,
    locations: Locations = "every",
    exclude: Sequence[str] = (),
    targets: Targets | float = 0.5,
    tolerance: float = 1e-3,
    protocol: Protocol | None = None,
    jobs: int = -1,
    on_result: Callable[[SectionResult], None] | None = None,
    on_cell: Callable[[NormResult], None] | None = None,
) -> list[NormResult]:
    """Find the weight for the target at every site, in a few trials a site.

    Parameters
    ----------
    models : Model or sequence of Model
        The cells; their tasks share one pool of workers.
    sections, locations, exclude
        Which sites, see :func:`wscale.list_sites`.
    targets : Targets or float
        Target EPSPs, mV; negative for IPSPs.
    tolerance : float
        Largest relative error of the response for status ok.
    protocol : Protocol, optional
        Window and thresholds; the polarity follows the targets.
    jobs : int
        Number of worker processes, see :func:`wscale.execute.number_of_jobs`.
    on_result : callable, optional
        Called with each :class:`SectionResult` as it arrives.
    on_cell : callable, optional
        Called with each :class:`NormResult` as soon as its last section is there.

    Returns
    -------
    list of NormResult
        One a model, in their order; the same for any number of jobs.

    Raises
    ------
    SelectionError, ConfigError, ModelError, MechanismError
        Before any simulation, where an input cannot be used.

    Examples
    --------
    >>> from wscale import Model, norm
    >>> model = Model.from_folder(".", "PV_simple", {"dt": 0.05})
    >>> [result] = norm(model, targets=0.5, jobs=2)
    >>> [round(1e3 * solution.weight_norm, 3) for _, solution in result.solutions]  # nS/mV
    [0.559, 0.561]
    """
    plan = plan_search(
        models,
        sections=sections,
        locations=locations,
        exclude=exclude,
        targets=targets,
        tolerance=tolerance,
        protocol=protocol,
        jobs=jobs,
    )
    tasks = []
    for model, sites in plan.cells():
        for _, members in groupby(enumerate(sites), key=lambda pair: pair[1].sec):
            chosen = tuple(members)
            wanted = tuple(plan.targets.at(model.cell, site) for _, site in chosen)
            indices = tuple(index for index, _ in chosen)
            tasks.append(SectionTask(model, sites, indices, wanted, tolerance, plan.protocol))
    return run_plan(
        plan,
        _solve_section,
        tasks,
        jobs,
        size=lambda part: len(part.solutions),
        join=_joined,
        on_result=on_result,
        on_cell=on_cell,
    )


def _joined(model: Model, parts: Sequence[SectionResult]) -> NormResult:
    entries = sorted((entry for part in parts for entry in part.solutions), key=lambda e: e[0])
    pairs = tuple((site, solution) for _, site, solution in entries)
    return NormResult(model, pairs, sum(part.seconds for part in parts))


def _solve_section(task: SectionTask) -> tuple[str, SectionResult]:
    """Solve the sites of a section, each from its neighbour's outcome (in a worker)."""
    start = time.perf_counter()
    solutions = []
    try:
        rig = rig_for(task.model, task.sites, task.protocol)
        linear = _linear_weights(rig)
    except Exception as error:  # the reason belongs to the outcome; the neighbours go on
        reason = f"{type(error).__name__}: {error}"
        for index, target in zip(task.chosen, task.targets_mV, strict=True):
            solutions.append((index, task.sites[index], Solution("failed", target, reason=reason)))
    else:
        scale = 1.0
        for index, target in zip(task.chosen, task.targets_mV, strict=True):
            site = task.sites[index]
            per_mV = linear[site]
            solution = find_weight(
                lambda weight, site=site: rig.respond([(site, weight)])[0],  # type: ignore[misc]
                target,
                per_mV * abs(target) * scale,
                task.tolerance,
            )
            if solution.weight_norm is not None:
                scale = solution.weight_norm / per_mV
            solutions.append((index, site, solution))
    seconds = time.perf_counter() - start
    return task.model.content_hash, SectionResult(task.model.cell, tuple(solutions), seconds)


_linear: tuple[Rig, dict[Site, float]] | None = None


def _linear_weights(rig: Rig) -> dict[Site, float]:
    """Return a first guess of every site's weightNorm, uS/mV: linear, from transfer impedances.

    The same in every worker: it depends on the cell and its sites alone.
    """
    global _linear
    if _linear is not None and _linear[0] is rig:
        return _linear[1]
    impedance = rig.transfer_impedances_MOhm(_FREQUENCY_HZ)
    first = rig.sites[0]
    response = rig.respond([(first, _FIRST_WEIGHT_uS)])[0]
    gain = 1.0 if not response.ok else abs(response.epsp_mV or 0.0) / _FIRST_WEIGHT_uS
    scale = impedance[first] / (gain or 1.0)
    weights = {site: scale / max(z, 1e-9) for site, z in impedance.items()}
    _linear = (rig, weights)
    return weights
