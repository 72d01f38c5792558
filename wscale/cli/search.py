"""The commands that search: ``wscale grid`` and ``wscale norm``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from wscale.calibrate.options import (
    ACTIVATED,
    CELL_FROM_FILE,
    CELLS,
    CFG,
    CONFIG,
    EXCLUDE,
    EXTEND,
    FOLDER,
    FRESH,
    INTERPOLATION,
    LOCATIONS,
    MAX_WEIGHT,
    MECHANISMS,
    OUT,
    OUTPUT,
    RETRY_FAILED,
    SECTIONS,
    SETTINGS,
    TARGET,
    TOLERANCE,
    TRACES,
    TRIALS,
    UNCALIBRATED,
    UNTIL,
    VERIFY,
    WEIGHTS,
    WINDOW,
    WORKERS,
    values_of,
)
from wscale.cli.options import chosen_backend, synapse_groups
from wscale.cli.output import console, print_json

if TYPE_CHECKING:
    from wscale.calibrate.job import Method

__all__ = ["GRID", "NORM", "grid_command", "norm_command"]

_SITES = (FOLDER, CELLS, *CELL_FROM_FILE, SECTIONS, EXCLUDE, LOCATIONS)
_MODEL = (CFG, *MECHANISMS, CONFIG)
_RUN = (*WORKERS, OUT, FRESH, RETRY_FAILED, UNCALIBRATED, VERIFY, TRACES, *OUTPUT)
NORM = (*_SITES, TARGET, *ACTIVATED, TOLERANCE, MAX_WEIGHT, WINDOW, TRIALS, *_MODEL, *_RUN)
GRID = (
    *(*_SITES, WEIGHTS, TARGET, *ACTIVATED, INTERPOLATION, TOLERANCE, MAX_WEIGHT, EXTEND),
    *(WINDOW, UNTIL, TRIALS),
    *(*_MODEL, *_RUN),
)


def grid_command(options: dict[str, Any]) -> None:
    """Measure the EPSP of every section x location x weight, and solve for the target.

    Example: wscale grid . --cell PV_simple --weights 1e-4:1.9e-3:19 --cfg dt=0.05 --out grid
    """
    _run("grid", options)


def norm_command(options: dict[str, Any]) -> None:
    """Find the weight for the target at every site in a few trials, without a grid of weights.

    Example: wscale norm . --cell PV_simple --target 0.5 --cfg dt=0.05 --out norm
    """
    _run("norm", options)


def _run(method: Method, options: dict[str, Any]) -> None:
    """Run a search; options take precedence over the settings file, and that over the defaults."""
    from wscale.calibrate.settings import SearchSettings
    from wscale.cli.calibration import calibrate_and_print
    from wscale.results.manifest import summary_of

    of_method = GRID if method == "grid" else NORM
    given = values_of(tuple(option for option in SETTINGS if option in of_method), options)
    groups = synapse_groups(options["synmech"], options["factors"], options["synapses"])
    if groups:
        given["synapses"] = groups
    if options["config"] is None:
        settings = SearchSettings.make(**given)
    else:
        settings = SearchSettings.read(options["config"], **given)
    with chosen_backend(options) as backend:
        passed = calibrate_and_print(
            settings,
            options["out"],
            console=console(),
            method=method,
            backend=backend,
            command=[Path(sys.argv[0]).name, *sys.argv[1:]],
            **{one.name: options[one.name] for one in (FRESH, RETRY_FAILED, VERIFY, TRACES)},
        )
    print_json({"passed": passed, **summary_of(options["out"])})
    raise typer.Exit(0 if passed else 1)
