"""What is in a model before any search: its parts, how it rests, and what a search will cost."""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass
from typing import Any

from wscale._util.text import many
from wscale.errors import (
    ConfigError,
    OtherMechanismsError,
    SelectionError,
    SimulationError,
    WscaleError,
)
from wscale.inspection.dynamics import Dynamics, measure_dynamics
from wscale.inspection.membrane import MembraneRun
from wscale.measurement.epsp import Protocol
from wscale.model.checks import check_window
from wscale.model.model import Model
from wscale.model.needs import share_mechanisms
from wscale.model.sites import Site, list_sites, number_of_segments, path_distance_um
from wscale.parallel.pool import LocalBackend, number_of_jobs
from wscale.simulation.first_trials import FirstTrials
from wscale.simulation.rig import preflight, release_rig
from wscale.simulation.validation import validation_messages
from wscale.simulation.weight_scale import measure_unit

__all__ = ["Dynamics", "Inspection", "SectionInfo", "inspect_cell"]

# What estimates take for the start of the workers, and for the trials of a targeted search
_START_s, _TARGETED_TRIALS = 3.0, (1.4, 2.5)


@dataclass(frozen=True)
class SectionInfo:
    """One section of the cell rule.

    Parameters
    ----------
    name : str
        Its name.
    nseg : int
        Number of segments.
    length_um : float or None
        Length, um (None: the cell could not be built).
    nearest_um, farthest_um : float or None
        Path distance from the soma's centre to the nearest and farthest segment centre, um (None:
        not connected to the soma).
    mechanisms : tuple of str
        Its distributed mechanisms.
    rest_mV : float or None
        Potential at its middle, at the last sample before onset, mV.
    """

    name: str
    nseg: int
    length_um: float | None
    nearest_um: float | None
    farthest_um: float | None
    mechanisms: tuple[str, ...]
    rest_mV: float | None = None


@dataclass(frozen=True)
class Inspection:
    """What :func:`inspect_cell` found; plain data.

    Parameters
    ----------
    cell : str
        Label of the cell rule.
    sections : tuple of SectionInfo
        In the order of the rule.
    section_lists : dict
        Names of the sections of each list.
    mechanisms : dict
        Number of sections of each mechanism.
    syn_mechs : dict
        The NMODL name of each synMech that NetStim1 activates.
    weight_unit : str
        Unit of the synapses' weight, and who says so.
    globals : dict
        The rule's globals.
    celsius_degC, v_init_mV : float or None
        From ``cfg.hParams``, which NetPyNE takes before the rule's globals; a section's ``vinit``
        takes precedence over ``v_init``.
    dt_ms, onset_ms, window_ms : float
        Time step, time of the presynaptic spike, and measurement window, ms.
    sites, weights, jobs : int
        What the estimates are for: sites (all segments but the axon's), grid weights, workers.
    notices : tuple of str
        What was changed when the model was read, such as a stored weightNorm, and what is
        unusual in it.
    validation : tuple of str
        What NetPyNE's own validation reports.
    problems : tuple of str
        Why the cell is not fit for calibration.
    dynamics : Dynamics or None
        What was measured (None: the cell could not be simulated).
    left_out : tuple of str
        Sections without a site: those of the axon.
    """

    cell: str
    sections: tuple[SectionInfo, ...]
    section_lists: dict[str, list[str]]
    mechanisms: dict[str, int]
    syn_mechs: dict[str, str]
    weight_unit: str
    globals: dict[str, Any]
    celsius_degC: float | None
    v_init_mV: float | None
    dt_ms: float
    onset_ms: float
    window_ms: float
    sites: int
    weights: int
    jobs: int
    notices: tuple[str, ...]
    validation: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    dynamics: Dynamics | None = None
    left_out: tuple[str, ...] = ()

    @property
    def segments(self) -> int:
        """Number of segments of the cell."""
        return sum(section.nseg for section in self.sections)

    @property
    def fit(self) -> bool:
        """Whether nothing speaks against a calibration."""
        return not self.problems

    @property
    def status(self) -> str:
        """Whether the cell is fit for calibration, or what is wrong, in words."""
        return "fit for calibration" if self.fit else "not fit: " + "; ".join(self.problems)

    @property
    def grid_s(self) -> float | None:
        """Estimated seconds of a grid: ``weights`` + 1 trials a site."""
        return self._estimate_s(self.weights + 1)

    @property
    def targeted_s(self) -> tuple[float, float] | None:
        """Estimated seconds of a targeted search: 1.4 and 2.5 trials a site."""
        few, many = (self._estimate_s(trials) for trials in _TARGETED_TRIALS)
        return None if few is None or many is None else (few, many)

    def _estimate_s(self, trials_per_site: float) -> float | None:
        if self.dynamics is None or not self.sites:
            return None
        d = self.dynamics
        trials_s = self.sites * trials_per_site * d.trial_s / min(self.jobs, self.sites)
        return _START_s + d.build_s + (0.0 if d.settled else d.settling_s) + trials_s

    def as_dict(self) -> dict[str, Any]:
        """Return everything as dictionaries, lists, numbers and text, for JSON.

        Returns
        -------
        dict
            The fields, with segments, status, fit, grid_s and targeted_s.
        """
        derived = ("segments", "fit", "status", "grid_s", "targeted_s")
        return {**dataclasses.asdict(self), **{name: getattr(self, name) for name in derived}}


def inspect_cell(
    model: Model, *, protocol: Protocol | None = None, weights: int = 19, n_jobs: int | None = None
) -> Inspection:
    """Look at a cell, let it rest in a process of its own, and estimate what a search takes.

    Parameters
    ----------
    model : Model
        The cell.
    protocol : Protocol, optional
        How responses will be measured.
    weights : int
        Number of weights of the grid to estimate.
    n_jobs : int, optional
        Number of workers that estimates are for; default: all cores.

    Returns
    -------
    Inspection
        A cell that cannot be simulated has ``problems`` and no ``dynamics``.

    Raises
    ------
    ConfigError
        ``weights``, ``n_jobs`` or the window cannot be used.

    Examples
    --------
    >>> from wscale import Model
    >>> found = inspect_cell(Model.from_folder(".", "PV_simple", {"dt": 0.05}), n_jobs=2)
    >>> found.status, found.segments, found.dynamics.spikes
    ('fit for calibration', 3, 0)
    """
    protocol = protocol or Protocol()
    if isinstance(weights, bool) or not isinstance(weights, int) or weights < 1:
        raise ConfigError(f"weights = {weights!r} must be a number of weights; 19 is usual")
    check_window(model, protocol)
    found = _describe(model, protocol, weights, number_of_jobs(n_jobs))
    if not found.problems:
        try:
            [shared] = share_mechanisms([model])
        except WscaleError as error:
            return dataclasses.replace(found, problems=(f"cannot be simulated: {error}",))
        try:
            [found] = LocalBackend(1).map(_measured, [(shared, protocol, found)])
        except SimulationError as error:  # its process ended
            return dataclasses.replace(found, problems=(f"cannot be simulated: {error}",))
    return found


def _describe(model: Model, protocol: Protocol, weights: int, jobs: int) -> Inspection:
    """Return what needs no simulator."""
    problems: list[str] = []
    sites: tuple[Site, ...] = ()
    try:
        sites = list_sites(model)
    except SelectionError as error:
        problems.append(str(error))
    notices = list(model.notices)
    if {site.sec for site in sites} == {model.soma}:
        notices.append(f"{model.cell}: no dendrite, so that only the soma can be calibrated")
    secs, h_params = model.rule["secs"], model.cfg.get("hParams", {})
    return Inspection(
        cell=model.cell,
        sections=tuple(_section(model, name) for name in secs),
        section_lists={name: list(s) for name, s in model.rule.get("secLists", {}).items()},
        mechanisms=dict(Counter(mech for sec in secs.values() for mech in sec.get("mechs", {}))),
        syn_mechs={label: model.net["synMechParams"][label]["mod"] for label in model.syn_mechs},
        weight_unit=_unit(model),
        globals=dict(model.rule.get("globals", {})),
        celsius_degC=h_params.get("celsius"),
        v_init_mV=h_params.get("v_init"),
        dt_ms=model.dt_ms,
        onset_ms=model.onset_ms,
        window_ms=protocol.window_ms,
        sites=len(sites),
        left_out=tuple(name for name in secs if sites and name not in {site.sec for site in sites}),
        weights=weights,
        jobs=jobs,
        notices=tuple(notices),
        problems=tuple(problems),
    )


def _unit(model: Model) -> str:
    unit = model.weight_unit
    return f"{unit.words} ({unit.source})"


def _section(model: Model, name: str) -> SectionInfo:
    nseg = number_of_segments(model, name)
    try:
        far = [path_distance_um(model, name, (i + 0.5) / nseg) for i in range(nseg)]
    except SelectionError:
        far = []
    mechanisms = tuple(model.rule["secs"][name].get("mechs", {}))
    return SectionInfo(name, nseg, None, min(far, default=None), max(far, default=None), mechanisms)


# ---------------------------------------------------------------------- in a worker


def _measured(task: tuple[Model, Protocol, Inspection]) -> Inspection:
    """Complete an inspection with what NEURON and NetPyNE say (in a worker)."""
    model, protocol, found = task
    release_rig()
    try:
        problem = preflight(model)
        if problem is not None:
            raise problem
        if model.stated_unit is None:
            model = dataclasses.replace(model, measured_unit=measure_unit(model))
        found = dataclasses.replace(
            found, validation=validation_messages(model), weight_unit=_unit(model)
        )
        return _judged(model, protocol, found, *measure_dynamics(model, protocol))
    except OtherMechanismsError:
        raise
    except (WscaleError, RuntimeError) as error:  # hoc errors are RuntimeErrors
        return dataclasses.replace(found, problems=(f"cannot be simulated: {error}",))


def _judged(
    model: Model,
    protocol: Protocol,
    found: Inspection,
    dynamics: Dynamics,
    run: MembraneRun,
    tried: FirstTrials,
) -> Inspection:
    """Add what was measured, and say what is wrong with the cell."""
    problems, notices = list(found.problems), list(found.notices)
    drift_mV, spikes = dynamics.drift_mV, dynamics.spikes
    still = drift_mV is not None and abs(drift_mV) <= protocol.drift_tolerance_mV
    end_ms = model.onset_ms + protocol.window_ms
    if drift_mV is None:
        problems.append("the somatic potential is not finite")
    elif spikes and not still:
        problems.append(f"fires on its own: {many(spikes, 'spike')} from time 0 to {end_ms:g} ms")
    elif not still:
        problems.append(
            f"drifts by {drift_mV:.4g} mV within the window (allowed "
            f"{protocol.drift_tolerance_mV:g} mV); a later NetStim1 start may help"
        )
    elif spikes:
        notices.append(
            f"{model.cell}: {many(spikes, 'spike')} while it settles, none in the window"
        )
    if tried.problem is not None:
        problems.append(f"cannot be calibrated: {tried.problem}")
    else:
        notices += [
            f"{model.cell}: a trial at {s} failed: {why}" for s, why in tried.failed.items()
        ]
    sections = tuple(
        dataclasses.replace(s, length_um=run.length_um[s.name], rest_mV=run.rest_mV[s.name])
        for s in found.sections
    )
    return dataclasses.replace(
        found,
        sections=sections,
        notices=tuple(notices),
        problems=tuple(problems),
        dynamics=dynamics,
    )
