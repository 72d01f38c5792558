"""A whole job, from settings to a results folder; what ``wscale grid`` runs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from wscale._util.files import make_folder
from wscale._util.text import many
from wscale.calibrate.reading import load_models
from wscale.calibrate.settings import SearchSettings
from wscale.calibrate.writer import ResultsFolder
from wscale.model.model import Model
from wscale.model.needs import share_mechanisms
from wscale.model.synapses import with_synapses
from wscale.parallel.chains import Backend
from wscale.parallel.pool import backend_for
from wscale.results.journal import Journals
from wscale.search.grid import GridResult, SiteResult, plan_grid
from wscale.search.search import Search, in_units, run
from wscale.search.stand_ins import measure_stand_ins
from wscale.search.targeted import SolvedSite, SolveResult, plan_solve
from wscale.search.traced import Profile, identity, plan_profile
from wscale.verification.verify import Verification, verify

__all__ = ["Calibration", "Listener", "Method", "calibrate"]

Method = Literal["grid", "norm"]


class Listener:
    """What :func:`calibrate` calls as it goes; here, all methods do nothing.

    Each phase (reading, search, traces, verification) lasts until the next one begins.
    """

    def reading(self) -> None:
        """Begin to read cells and compile mechanisms."""

    def notice(self, text: str) -> None:
        """Show what is unusual in a model."""

    def search_started(self, search: Search[Any, Any]) -> None:
        """Begin a search of all cells; there is one for each synapse group."""

    def found(self, result: SiteResult | SolvedSite) -> None:
        """Take a site's result from the journal."""

    def searched(self, result: SiteResult | SolvedSite) -> None:
        """Take a site's result of now."""

    def cell_done(self, result: GridResult | SolveResult) -> None:
        """Take a cell whose last site is there, and whose table is written."""

    def search_done(self) -> None:
        """End the search, also when it is interrupted."""

    def tracing(self) -> None:
        """Begin the trials whose traces are kept."""

    def verifying(self) -> None:
        """Begin to load the tables into NetPyNE networks."""

    def interrupted(self, folder: Path, finished: int) -> None:
        """End early; ``finished`` sites are in the folder's journal."""


@dataclass(frozen=True)
class Calibration:
    """What a job has found; all of it is in the results folder too.

    Parameters
    ----------
    folder : Path
        The results folder.
    results : tuple of GridResult or SolveResult
        One for each cell and synapse group.
    verifications : dict
        What each table gives in a NetPyNE network, by label; empty if not ``verified``.
    trials, traced : int
        Trials run now, for the search and for traces.
    found : int
        Sites that were in the journal already.
    wall_s : float
        How long it took, s.
    """

    folder: Path
    results: tuple[GridResult | SolveResult, ...]
    verifications: dict[str, Verification]
    trials: int
    traced: int
    found: int
    wall_s: float

    @property
    def calibrated(self) -> list[bool]:
        """Whether each cell has a calibrated segment."""
        return [result.table().counts.get("ok", 0) > 0 for result in self.results]

    @property
    def figure(self) -> Path:
        """The figure of the search."""
        return _figure(self.folder)

    @property
    def passed(self) -> bool:
        """True if no site failed, all cells are calibrated, and verified entries met the target."""
        failed = any(s.status == "failed" for result in self.results for _, s in result.solutions)
        verified_well = all(check.passed for check in self.verifications.values())
        return not failed and all(self.calibrated) and verified_well

    def __repr__(self) -> str:
        cells = many(len(self.results), "cell")
        outcome = "passed" if self.passed else "not passed"
        return f"<Calibration of {cells} in {self.folder}: {self.trials} trials, {outcome}>"


def calibrate(
    settings: SearchSettings,
    out: str | Path,
    *,
    method: Method = "grid",
    n_jobs: int | None = None,
    backend: Backend | None = None,
    command: Sequence[str] = (),
    verified: bool = False,
    traces: bool = False,
    fresh: bool = False,
    retry_failed: bool = False,
    listener: Listener | None = None,
) -> Calibration:
    """Search all cells, and write tables, figures and results.json; print nothing.

    Each finished site is in the folder's journal at once; the same call continues from there.

    Parameters
    ----------
    settings : SearchSettings
        What to search.
    out : path
        Results folder; cells of earlier runs that are not searched now keep their files.
    method : {"grid", "norm"}
        The exhaustive search over weights, or the targeted one (:func:`wscale.solve`).
    n_jobs : int, optional
        Number of worker processes, as in joblib; by default that of ``joblib.parallel_config``,
        else all cores.
    backend : Backend, optional
        Other workers than ``n_jobs`` of this machine.
    command : sequence of str
        What the user called, for the provenance.
    verified : bool
        Load each table into a NetPyNE network afterwards and measure it (:func:`wscale.verify`).
    traces : bool
        Run the trials whose traces ``wscale plot`` draws, see :mod:`wscale.search.traced`.
    fresh, retry_failed : bool
        Discard the existing run and start over, or search failed sites again; see
        :class:`wscale.Journals`.
    listener : Listener, optional
        Its methods are called as the job goes on.

    Returns
    -------
    Calibration
        Results and verifications, and whether all is well (``passed``).

    Raises
    ------
    WscaleError
        Unusable input, before any simulation; a disk that is full.

    Examples
    --------
    >>> import tempfile
    >>> settings = SearchSettings.make(cells=["PV_simple"], cfg={"dt": 0.05})
    >>> calibrate(settings, tempfile.mkdtemp(), method="norm", n_jobs=1).passed
    True
    """
    start = time.perf_counter()
    listener = listener or Listener()
    with (
        backend_for(n_jobs, backend) as workers,
        Journals(Path(out), fresh=fresh, retry_failed=retry_failed, command=command) as journals,
    ):
        job = _Job(settings, Path(out), method, workers, listener, journals, start)
        try:
            return job.run(verified, traces)
        except (KeyboardInterrupt, SystemExit):  # the latter on SIGTERM
            listener.interrupted(journals.folder, journals.finished)
            raise


@dataclass
class _Job:
    """A job that runs, and what it has counted: sites from journals, and trials."""

    settings: SearchSettings
    folder: Path
    method: Method
    workers: Backend
    listener: Listener
    journals: Journals
    start: float
    found: int = 0
    trials: int = 0
    traced: int = 0

    def run(self, verified: bool, traces: bool) -> Calibration:
        parts = ("weightNorm", "figures", *(("grid_batch",) if self.method == "grid" else ()))
        for part in parts:
            make_folder(self.folder / part)
        self.listener.reading()
        runs = _by_group(self.settings, load_models(self.settings))
        for text in dict.fromkeys(n for _, cells in runs for c in cells for n in c.notices):
            self.listener.notice(text)
        # All groups at once, so that the workers' one library serves them all
        shared = iter(share_mechanisms([c for _, cells in runs for c in cells], compile_now=False))
        runs = [(own, [next(shared) for _ in cells]) for own, cells in runs]
        searches = [(own, _planned(own, cells, self.method)) for own, cells in runs]
        for _, search in searches:
            for cell in search.cells:
                self.journals.check(cell.model.label, search.identity(cell))
        searches = [(own, in_units(search, self.workers)) for own, search in searches]
        for cell in (cell for _, search in searches for cell in search.cells):
            unit = cell.model.weight_unit
            if unit.name != "uS" or cell.model.stated_unit is None:
                self.listener.notice(
                    f"{cell.model.label}: unit of the table's weights: {unit.words} ({unit.source})"
                )

        results: list[GridResult | SolveResult] = []
        verifications: dict[str, Verification] = {}
        labels = [cell.model.label for _, search in searches for cell in search.cells]
        with ResultsFolder(self.folder, self.workers, labels, self.start) as kept:
            for own, search in searches:
                found = self._measured(search, self._search(search, own, kept), own, kept)
                if traces:
                    self._trace(search, found, kept)
                results += found
            if verified:
                verifications = self._verify(results, kept)
        from wscale.plots.search_figure import plot_search  # Matplotlib, which is needed last

        plot_search(results, _figure(self.folder))
        wall_s = time.perf_counter() - self.start
        counts = self.trials, self.traced, self.found
        return Calibration(self.folder, tuple(results), verifications, *counts, wall_s)

    def _search(
        self, search: Search[Any, Any], own: SearchSettings, kept: ResultsFolder
    ) -> Sequence[GridResult | SolveResult]:
        def found(result: SiteResult | SolvedSite) -> None:
            self.found += 1
            self.listener.found(result)

        def searched(result: SiteResult | SolvedSite) -> None:
            self.trials += result.trials
            self.listener.searched(result)

        def complete(result: GridResult | SolveResult) -> None:
            result = _filled(result, own)
            kept.write(result, own, self.journals.command(result.model.label))
            self.listener.cell_done(result)

        self.listener.search_started(search)
        try:
            return run(
                search,
                self.workers,
                journals=self.journals,
                on_found=found,
                on_result=searched,
                on_cell=complete,
            )
        finally:
            self.listener.search_done()

    def _measured(
        self,
        search: Search[Any, Any],
        results: Sequence[GridResult | SolveResult],
        own: SearchSettings,
        kept: ResultsFolder,
    ) -> Sequence[GridResult | SolveResult]:
        """Measure what uncalibrated entries give at the soma, and write their tables again."""
        filled = [_filled(result, own) for result in results]
        measured = measure_stand_ins(search.cells, filled, self.workers)
        for result in measured:
            if result.filling.epsp_mV:
                kept.write(result, own, self.journals.command(result.model.label))
                self.trials += len(result.filling.epsp_mV)
        return measured

    def _trace(
        self,
        search: Search[Any, Any],
        results: Sequence[GridResult | SolveResult],
        kept: ResultsFolder,
    ) -> None:
        """Run the trials of which traces are kept, if they are not there."""
        pairs, made_of = [], {}
        for cell, result in zip(search.cells, results, strict=True):
            label = cell.model.label
            made_of[label] = identity(cell, result)
            if not kept.has_traces(label, made_of[label]):
                pairs.append((cell, result))
        if not pairs:
            return

        def keep(profile: Profile) -> None:
            kept.write_traces(profile, made_of[profile.model.label])

        self.listener.tracing()
        profiles = run(plan_profile(pairs), self.workers, on_cell=keep)
        self.traced += sum(profile.trials for profile in profiles)

    def _verify(
        self, results: Sequence[GridResult | SolveResult], kept: ResultsFolder
    ) -> dict[str, Verification]:
        """Load the tables that were written into networks, and keep what they give there."""
        loadable = [
            (result.model, result.table())
            for result in results
            if kept.has_pickle(result.model.label)
        ]
        self.listener.verifying()
        checks = verify(
            loadable,
            protocol=self.settings.protocol,
            tolerance=self.settings.tolerance,
            backend=self.workers,
        )
        verifications = {}
        for (model, _), check in zip(loadable, checks, strict=True):
            verifications[model.label] = check
            kept.write_verification(model.label, check)
        return verifications


def _figure(folder: Path) -> Path:
    return folder / "figures" / "search.png"


def _filled(result: GridResult | SolveResult, settings: SearchSettings) -> GridResult | SolveResult:
    """Return a result whose table gets what the settings say where it is not calibrated."""
    return replace(result, filling=replace(result.filling, how=settings.uncalibrated))


def _by_group(
    settings: SearchSettings, models: list[Model]
) -> list[tuple[SearchSettings, list[Model]]]:
    """Return settings and cells of each synapse group; the model's own synapses are one."""
    if not settings.groups:
        return [(settings, models)]
    return [
        (settings.of_group(group), [with_synapses(model, group) for model in models])
        for group in settings.groups
    ]


def _planned(settings: SearchSettings, models: list[Model], method: Method) -> Search[Any, Any]:
    common: dict[str, Any] = {
        "sections": settings.sections,
        "locations": settings.locations,
        "exclude": settings.exclude,
        "targets": settings.targets,
        "tolerance": settings.tolerance,
        "max_weight": settings.max_weight,
        "protocol": settings.protocol,
    }
    if method == "norm":
        return plan_solve(models, **common)
    return plan_grid(
        models,
        settings.weights_uS,
        interpolation=settings.interpolation,
        extend=settings.extend,
        **common,
    )
