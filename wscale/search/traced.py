"""What can follow a search: traces at the solved weights, and responses to a fixed weight.

A further search over the same sites. At some of them, spread over distance, one trial at the solved
weight runs to the end of the window, with the potential at the synapse read as well. After a
targeted search, which has no grid of weights, every site also gets one trial at the same weight.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from wscale.measurement.epsp import FloatArray, Response
from wscale.model.model import Model
from wscale.model.sites import Site
from wscale.results.traces import Traces
from wscale.search.cell import SearchCell
from wscale.search.grid import GridResult
from wscale.search.search import Search, one_by_one
from wscale.search.targeted import SolveResult
from wscale.simulation.rig import rig_for

__all__ = ["Profile", "ProfileSetting", "ProfiledSite", "identity", "plan_profile"]

# Largest number of sites of a cell that are traced
_MOST_TRACES = 40


@dataclass(frozen=True)
class Trials:
    """What is run for one cell.

    Parameters
    ----------
    solved_uS : dict
        Index of a site that is traced -> its solved weight, uS.
    fixed_uS : float or None
        The weight that all sites get, uS; None: there is a grid.
    """

    solved_uS: Mapping[int, float]
    fixed_uS: float | None


@dataclass(frozen=True)
class ProfileSetting:
    """What a worker needs to search a site, besides its place: the trials by the cell's label."""

    trials: Mapping[str, Trials]


@dataclass(frozen=True)
class ProfiledSite:
    """What a worker found at one site; a trial that was not asked for, or failed, is None.

    Parameters
    ----------
    t_ms, soma_mV, local_mV : arrays of float
        See :meth:`wscale.Rig.trace_with_local`.
    fixed : Response or None
        The response to the fixed weight.
    trials : int
        Number of simulations run.
    """

    index: int
    t_ms: FloatArray | None = None
    soma_mV: FloatArray | None = None
    local_mV: FloatArray | None = None
    fixed: Response | None = None
    trials: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Profile:
    """The profile of one cell: traces, ready to be written, and what they cost."""

    model: Model
    traces: Traces
    trials: int


def plan_profile(
    pairs: Sequence[tuple[SearchCell, GridResult | SolveResult]],
) -> Search[ProfiledSite, Profile]:
    """Return the search that profiles cells which were searched.

    Parameters
    ----------
    pairs : sequence of (SearchCell, GridResult or SolveResult)
        The cells as they were searched, and what was found.

    Returns
    -------
    Search
        Without a journal: it is run again where its file is not there.
    """
    trials = {cell.model.label: _trials(result) for cell, result in pairs}
    setting = ProfileSetting(trials)
    return Search(
        method="profile",
        cells=tuple(cell for cell, _ in pairs),
        setting=setting,
        function=_profile_site,
        failed=_failed,
        chains=one_by_one,
        trials_per_site=1,
        join=lambda cell, parts: _joined(cell, parts, trials[cell.model.label]),
        part=ProfiledSite,
        checks_synapse=False,
    )


def identity(cell: SearchCell, result: GridResult | SolveResult) -> str:
    """Return the digest of all that decides a profile; a file that holds it need not be remade."""
    trials = _trials(result)
    decides = {
        "cell": cell.model.content_hash,
        "sites": [f"{site.sec}({site.loc!r})" for site in cell.sites],
        "protocol": asdict(cell.protocol),
        "solved_uS": {str(index): weight for index, weight in trials.solved_uS.items()},
        "fixed_uS": trials.fixed_uS,
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def _trials(result: GridResult | SolveResult) -> Trials:
    """Choose the sites to trace, spread evenly over distance, and the fixed weight."""
    solved = {
        index: (site, solution.weight_uS)
        for index, (site, solution) in enumerate(result.solutions)
        if solution.status == "ok" and solution.weight_uS is not None
    }
    weights = {index: weight for index, (_, weight) in solved.items()}
    fixed = None
    if weights and not isinstance(result, GridResult):
        fixed = float(f"{np.median(list(weights.values())):.2g}")
    chosen = _spread({index: site for index, (site, _) in solved.items()})
    return Trials({index: weights[index] for index in chosen}, fixed)


def _spread(sites: Mapping[int, Site]) -> list[int]:
    """Return the indices of some sites, the nearest and the farthest among them."""
    if len(sites) <= _MOST_TRACES:
        return list(sites)
    indices = list(sites)
    distances = np.array([sites[index].distance_um for index in indices])
    wanted = np.linspace(distances.min(), distances.max(), _MOST_TRACES)
    nearest = np.abs(distances[:, None] - wanted[None, :]).argmin(axis=0)
    return sorted({indices[k] for k in nearest})


def _profile_site(
    cell: SearchCell, index: int, _before: Sequence[ProfiledSite], setting: ProfileSetting
) -> ProfiledSite:
    """Run what is asked for at one site (in a worker)."""
    trials = setting.trials[cell.model.label]
    start = time.perf_counter()
    found: dict[str, Any] = {}
    count = 0
    if index in trials.solved_uS or trials.fixed_uS is not None:
        rig = rig_for(cell.model, cell.sites, cell.protocol)
        site = cell.sites[index]
        if trials.fixed_uS is not None:
            [found["fixed"]] = rig.respond([(site, trials.fixed_uS)])
            count += 1
        if index in trials.solved_uS:
            count += 1
            try:
                t, soma, local = rig.trace_with_local(site, trials.solved_uS[index])
            except RuntimeError:  # how hoc errors arrive in Python: there is no trace
                pass
            else:
                found.update(t_ms=t, soma_mV=soma, local_mV=local)
    return ProfiledSite(index, **found, trials=count, seconds=time.perf_counter() - start)


def _failed(_cell: SearchCell, index: int, _setting: ProfileSetting, reason: str) -> ProfiledSite:
    return ProfiledSite(index, fixed=Response("failed", reason))


def _joined(cell: SearchCell, parts: Sequence[ProfiledSite], trials: Trials) -> Profile:
    """Put a cell's traces together."""
    traced = [part for part in parts if part.soma_mV is not None]
    local = [part.local_mV for part in traced if part.local_mV is not None]
    polarity, model = cell.protocol.polarity, cell.model
    sites = [cell.sites[part.index] for part in traced]
    soma = np.array([part.soma_mV for part in traced]) if traced else np.empty((0, 0))
    fixed = [] if trials.fixed_uS is None else [part.fixed for part in parts]
    at = cell.sites if fixed else ()
    traces = Traces(
        arrival_ms=model.arrival_ms,
        t_ms=np.array([] if not traced else traced[0].t_ms),
        sec=tuple(site.sec for site in sites),
        segment=tuple(site.segment for site in sites),
        weight_uS=np.array([trials.solved_uS[part.index] for part in traced]),
        soma_mV=soma,
        soma_epsp_mV=_amplitudes(soma, polarity),
        local_epsp_mV=_amplitudes(local, polarity),
        fixed_weight_uS=trials.fixed_uS if fixed else None,
        fixed_sec=tuple(site.sec for site in at),
        fixed_segment=tuple(site.segment for site in at),
        fixed_epsp_mV=np.array([_epsp(response) for response in fixed]),
        fixed_status=tuple("failed" if r is None else r.status for r in fixed),
    )
    return Profile(model, traces, sum(part.trials for part in parts))


def _amplitudes(traces_mV: Sequence[FloatArray] | FloatArray, polarity: int) -> FloatArray:
    """Return the largest deflection of each trace from its first sample, signed, mV."""
    return np.array([polarity * float((polarity * (v - v[0])).max()) for v in traces_mV])


def _epsp(response: Response | None) -> float:
    return np.nan if response is None or response.epsp_mV is None else response.epsp_mV
