"""What uncalibrated entries give at the soma: one trial each, with the number that they get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from wscale.measurement.epsp import Response
from wscale.parallel.chains import Backend
from wscale.search.cell import SearchCell
from wscale.search.grid import GridResult
from wscale.search.search import Search, one_by_one, run
from wscale.search.targeted import SolveResult
from wscale.simulation.rig import rig_for

__all__ = ["measure_stand_ins"]


@dataclass(frozen=True)
class _Setting:
    weights_uS: Mapping[str, tuple[float, ...]]  # by the cell's label, in the order of its sites


@dataclass(frozen=True)
class _Measured:
    index: int
    response: Response


def measure_stand_ins(
    cells: Sequence[SearchCell], results: Sequence[GridResult | SolveResult], backend: Backend
) -> list[GridResult | SolveResult]:
    """Return results whose tables tell what their uncalibrated entries give at the soma.

    Parameters
    ----------
    cells : sequence of SearchCell
        The cells as they were searched.
    results : sequence of GridResult or SolveResult
        What was found, in the same order.
    backend : Backend
        Where the trials run.
    """
    given: dict[str, list[tuple[int, float]]] = {}  # by label: sites and their weights
    for cell, result in zip(cells, results, strict=True):
        stand_in = result.table().stand_in
        seen: set[tuple[str, int]] = set()
        found = []
        for index, site in enumerate(cell.sites):
            value = stand_in[site.sec][site.segment]
            if value and (site.sec, site.segment) not in seen:
                unit_uS = result.model.weight_unit.uS
                found.append((index, value * unit_uS * abs(cell.targets_mV[index])))
            seen.add((site.sec, site.segment))
        given[cell.model.label] = found
    chosen = [cell for cell in cells if given[cell.model.label]]
    if not chosen:
        return list(results)
    fewer = tuple(
        replace(
            cell,
            sites=tuple(cell.sites[index] for index, _ in given[cell.model.label]),
            targets_mV=tuple(cell.targets_mV[index] for index, _ in given[cell.model.label]),
        )
        for cell in chosen
    )
    search = Search(
        method="stand_ins",
        cells=fewer,
        setting=_Setting(
            {label: tuple(weight for _, weight in found) for label, found in given.items()}
        ),
        function=_measure,
        failed=_failed,
        chains=one_by_one,
        trials_per_site=1,
        join=lambda cell, parts: (cell, parts),
        part=_Measured,
        checks_synapse=False,
    )
    epsps: dict[str, dict[tuple[str, int], float | None]] = {}
    for cell, parts in run(search, backend):
        epsps[cell.model.label] = {
            (site.sec, site.segment): part.response.epsp_mV
            for site, part in zip(cell.sites, parts, strict=True)
        }
    return [
        replace(result, filling=replace(result.filling, epsp_mV=epsps[result.model.label]))
        if result.model.label in epsps
        else result
        for result in results
    ]


def _measure(
    cell: SearchCell, index: int, _before: Sequence[_Measured], setting: _Setting
) -> _Measured:
    """Run the one trial of a site (in a worker)."""
    weight = setting.weights_uS[cell.model.label][index]
    rig = rig_for(cell.model, cell.sites, cell.protocol)
    return _Measured(index, rig.respond([(cell.sites[index], weight)])[0])


def _failed(_cell: SearchCell, index: int, _setting: _Setting, reason: str) -> _Measured:
    return _Measured(index, Response("failed", reason))
