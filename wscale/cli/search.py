"""The commands that search: ``wscale grid`` and ``wscale norm``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from wscale.cli.options import (
    BackendName,
    Biophysics,
    CellArgs,
    CellClass,
    CellPath,
    Cfg,
    Factors,
    Folder,
    Interface,
    JobExtra,
    Jobs,
    MemoryLimit,
    Mod,
    ModExclude,
    Queue,
    Scheduler,
    Soma,
    Synapses,
    SynMechs,
    TrialTimeout,
    Walltime,
    Workers,
    cell_file_settings,
    chosen_backend,
    of_cell,
    of_results,
    of_search,
    of_sites,
    of_synapses,
    synapse_groups,
)
from wscale.cli.output import AsJson, Quiet, Verbose, console, print_json
from wscale.errors import SelectionError
from wscale.model.cfg import parse_overrides
from wscale.model.targets import Targets

__all__ = ["grid_command", "norm_command"]

Target = Annotated[
    list[str] | None,
    of_synapses(
        "--target",
        metavar="mV",
        help="Target EPSP, mV (IPSP: negative; default: 0.5); PLACE=mV for a cell, section or "
        "site; repeat for several.",
    ),
]


Cells = Annotated[
    list[str] | None, of_cell("--cell", metavar="LABEL", help="Cell label; repeat for several.")
]
Sections = Annotated[
    str | None,
    of_sites(
        metavar="NAMES",
        help="Sections, section lists or patterns, with commas (default: all but axons).",
    ),
]
Exclude = Annotated[
    str | None,
    of_sites(metavar="NAMES", help="Sections, lists or patterns to leave out, with commas."),
]
Places = Annotated[
    str | None,
    of_sites(metavar="LOCS", help="every, middle, or numbers between 0 and 1 (default: every)."),
]
Tolerance = Annotated[
    float | None,
    of_search(
        metavar="NUMBER",
        help="Largest relative error of an ok EPSP, such as 0.01 for 1 % (default: 0.001).",
    ),
]
Window = Annotated[
    float | None, of_search(metavar="ms", help="Measurement window after onset, ms (default: 100).")
]
Config = Annotated[
    Path | None,
    of_search(metavar="FILE", help="JSON file of search settings; options take precedence."),
]
Out = Annotated[Path, of_results(metavar="FOLDER", help="Results folder.")]
Fresh = Annotated[
    bool, of_results("--fresh", help="Begin anew where --out holds this or another run.")
]
RetryFailed = Annotated[
    bool, of_results("--retry-failed", help="Search sites again whose outcome is failed.")
]
Verify = Annotated[
    bool, of_results("--verify", help="Load each table into a NetPyNE network and measure.")
]
Traces = Annotated[
    bool,
    of_results("--traces", help="Keep somatic traces and local amplitudes too, for wscale plot."),
]


def grid_command(
    context: typer.Context,
    folder: Folder,
    cell: Cells = None,
    cell_file: CellPath = None,
    cell_class: CellClass = None,
    cell_args: CellArgs = None,
    biophysics: Biophysics = None,
    soma: Soma = None,
    sections: Sections = None,
    exclude: Exclude = None,
    locations: Places = None,
    weights: Annotated[
        str | None,
        of_search(
            metavar="uS", help="start:stop:count or w1,w2,... in uS (default: 1e-4:1.9e-3:19)."
        ),
    ] = None,
    target: Target = None,
    synmech: SynMechs = None,
    factors: Factors = None,
    synapses: Synapses = None,
    interpolation: Annotated[
        str | None,
        of_search(
            metavar="NAME",
            help="monotone or linear (default: monotone).",
            autocompletion=lambda: ["monotone", "linear"],
        ),
    ] = None,
    tolerance: Tolerance = None,
    window: Window = None,
    until: Annotated[
        str | None,
        of_search(
            metavar="NAME",
            help="When a trial ends: peak (as soon as it is certain), half (for half-widths) or "
            "window (default: peak).",
            autocompletion=lambda: ["peak", "half", "window"],
        ),
    ] = None,
    cfg: Cfg = None,
    mod: Mod = None,
    mod_exclude: ModExclude = None,
    config: Config = None,
    jobs: Jobs = -1,
    backend: BackendName = "local",
    scheduler: Scheduler = None,
    workers: Workers = None,
    queue: Queue = None,
    walltime: Walltime = None,
    job_extra: JobExtra = None,
    interface: Interface = None,
    trial_timeout: TrialTimeout = 600.0,
    memory_limit: MemoryLimit = None,
    out: Out = Path("results"),
    fresh: Fresh = False,
    retry_failed: RetryFailed = False,
    verify: Verify = False,
    traces: Traces = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Measure the EPSP of every section x location x weight, and solve for the target.

    Example: wscale grid . --cell PV_simple --weights 1e-4:1.9e-3:19 --cfg dt=0.05 --out grid
    """
    _run("grid", context.params)


def norm_command(
    context: typer.Context,
    folder: Folder,
    cell: Cells = None,
    cell_file: CellPath = None,
    cell_class: CellClass = None,
    cell_args: CellArgs = None,
    biophysics: Biophysics = None,
    soma: Soma = None,
    sections: Sections = None,
    exclude: Exclude = None,
    locations: Places = None,
    target: Target = None,
    synmech: SynMechs = None,
    factors: Factors = None,
    synapses: Synapses = None,
    tolerance: Tolerance = None,
    window: Window = None,
    cfg: Cfg = None,
    mod: Mod = None,
    mod_exclude: ModExclude = None,
    config: Config = None,
    jobs: Jobs = -1,
    backend: BackendName = "local",
    scheduler: Scheduler = None,
    workers: Workers = None,
    queue: Queue = None,
    walltime: Walltime = None,
    job_extra: JobExtra = None,
    interface: Interface = None,
    trial_timeout: TrialTimeout = 600.0,
    memory_limit: MemoryLimit = None,
    out: Out = Path("results"),
    fresh: Fresh = False,
    retry_failed: RetryFailed = False,
    verify: Verify = False,
    traces: Traces = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Find the weight for the target at every site in a few trials, without a grid of weights.

    Example: wscale norm . --cell PV_simple --target 0.5 --cfg dt=0.05 --out norm
    """
    _run("norm", context.params)


def _run(method: Literal["grid", "norm"], options: dict[str, Any]) -> None:
    """Run a search; options take precedence over the settings file, and that over the defaults."""
    from wscale.calibrate.job import run_search
    from wscale.calibrate.settings import SearchSettings
    from wscale.results.manifest import summary_of

    given: dict[str, Any] = {
        "folder": str(options["folder"]),
        "cells": options["cell"],
        **cell_file_settings(options),
        "sections": _names(options["sections"]),
        "exclude": _names(options["exclude"]),
        "locations": _locations(options["locations"]),
        "weights_uS": options.get("weights"),
        "target_mV": Targets.parse(options["target"]).plain() if options["target"] else None,
        "synapses": synapse_groups(options["synmech"], options["factors"], options["synapses"]),
        "interpolation": options.get("interpolation"),
        "tolerance": options["tolerance"],
        "window_ms": options["window"],
        "until": options.get("until"),
        "mod": [str(folder) for folder in options["mod"] or ()],
        "mod_exclude": options["mod_exclude"],
        "cfg": parse_overrides(options["cfg"] or ()),
    }
    given = {name: value for name, value in given.items() if value not in (None, (), [], {})}
    if options["config"] is None:
        settings = SearchSettings.make(**given)
    else:
        settings = SearchSettings.read(options["config"], **given)
    with chosen_backend(options) as backend:
        passed = run_search(
            settings,
            options["out"],
            method=method,
            backend=backend,
            command=_command(),
            verified=options["verify"],
            traces=options["traces"],
            fresh=options["fresh"],
            retry_failed=options["retry_failed"],
            console=console(),
        )
    print_json({"passed": passed, **summary_of(options["out"])})
    raise typer.Exit(0 if passed else 1)


def _names(text: str | None) -> list[str] | None:
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    if text is not None and not names:
        raise SelectionError(f"{text!r} names no section; leave the option out, or name some")
    return names or None


def _locations(text: str | None) -> str | list[str] | None:
    return text if text in (None, "every", "middle") else (text or "").split(",")


def _command() -> list[str]:
    return [Path(sys.argv[0]).name, *sys.argv[1:]]
