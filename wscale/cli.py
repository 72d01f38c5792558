"""The command line: ``wscale grid`` and ``wscale norm``; others are in :mod:`wscale.commands`."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from wscale import __version__
from wscale.commands import audit_command, compare_command, inspect_command, verify_command
from wscale.errors import SelectionError, WscaleError
from wscale.figures.command import plot_command
from wscale.loss import Targets
from wscale.new import new_command
from wscale.options import (
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
    synapse_groups,
)
from wscale.overrides import parse_overrides
from wscale.report.command import report_command
from wscale.voice import AsJson, Quiet, Verbose, console, print_json

__all__ = ["app", "fail_in_words", "main"]

app = typer.Typer(
    name="wscale",
    help="Calibrate the synapses of NetPyNE cells: verified weightNorm tables from target EPSPs.",
    epilog="Exit codes: 0 all is well; 1 a site failed, an entry misses its target, tables differ "
    "or a cell is unfit; 2 unusable input; 130 interrupted; 143 terminated.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)

Target = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        help="Target EPSP, mV (IPSP: negative); PLACE=mV for a cell, section or site "
        "(default: 0.5).",
    ),
]


Cells = Annotated[list[str] | None, typer.Option("--cell", help="Cell label; repeat for several.")]
Sections = Annotated[
    str | None,
    typer.Option(help="Sections, section lists or patterns, with commas (default: all but axons)."),
]
Exclude = Annotated[
    str | None, typer.Option(help="Sections, lists or patterns to leave out, with commas.")
]
Places = Annotated[
    str | None, typer.Option(help="every, middle, or numbers between 0 and 1 (default: every).")
]
Tolerance = Annotated[
    float | None, typer.Option(help="Largest relative error of an ok EPSP (default: 0.001).")
]
Window = Annotated[
    float | None, typer.Option(help="Measurement window after onset, ms (default: 100).")
]
Config = Annotated[
    Path | None, typer.Option(help="JSON file of search settings; options take precedence.")
]
Out = Annotated[Path, typer.Option(help="Results folder.")]
Fresh = Annotated[
    bool, typer.Option("--fresh", help="Begin anew where --out holds this or another run.")
]
RetryFailed = Annotated[
    bool, typer.Option("--retry-failed", help="Search sites again whose outcome is failed.")
]
Verify = Annotated[
    bool, typer.Option("--verify", help="Load each table into a NetPyNE network and measure.")
]
Traces = Annotated[
    bool,
    typer.Option("--traces", help="Keep somatic traces and local amplitudes too, for wscale plot."),
]


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(f"wscale {__version__}")
        raise typer.Exit


@app.command(name="grid")
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
        typer.Option(help="start:stop:count or w1,w2,... in uS (default: 1e-4:1.9e-3:19)."),
    ] = None,
    target: Target = None,
    synmech: SynMechs = None,
    factors: Factors = None,
    synapses: Synapses = None,
    interpolation: Annotated[
        str | None, typer.Option(help="monotone or linear (default: monotone).")
    ] = None,
    tolerance: Tolerance = None,
    window: Window = None,
    until: Annotated[
        str | None,
        typer.Option(
            help="When a trial ends: peak (as soon as it is certain), half (for half-widths) or "
            "window (default: peak)."
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

    Example: wscale grid . --cell PV_simple --weights 1e-4:1.9e-3:19 --target 0.5 --cfg dt=0.05
    """
    _run("grid", context.params)


@app.command(name="norm")
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

    Example: wscale norm . --cell PT5B_reduced --target 0.5 --cfg dt=0.05
    """
    _run("norm", context.params)


def _run(method: Literal["grid", "norm"], options: dict[str, Any]) -> None:
    """Run a search; options take precedence over the settings file, and that over the defaults."""
    from wscale.job import run_search
    from wscale.results import summary_of
    from wscale.settings import SearchSettings

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
        sound = run_search(
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
    print_json({"sound": sound, **summary_of(options["out"])})
    raise typer.Exit(0 if sound else 1)


app.command(name="new")(new_command)
app.command(name="verify")(verify_command)
app.command(name="audit")(audit_command)
app.command(name="compare")(compare_command)
app.command(name="inspect")(inspect_command)
app.command(name="plot")(plot_command)
app.command(name="report")(report_command)


def main() -> None:
    """Entry point of the ``wscale`` command."""
    sys.exit(fail_in_words(app))


# A signal that comes so long after the first, s, ends the process without any tidying
_PATIENCE_s = 5.0
_asked_at: float | None = None


def _end(number: int, _: object) -> None:
    """End tidily on Ctrl-C, and on SIGTERM, as a cluster sends it before its time limit."""
    global _asked_at
    if _asked_at is None:
        _asked_at = time.monotonic()
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)
    if time.monotonic() - _asked_at > _PATIENCE_s:
        os._exit(128 + number)


def fail_in_words(program: Callable[[], int | None]) -> int | None:
    """Run a program; what wscale cannot work with becomes words on stderr and exit code 2."""
    global _asked_at
    _asked_at = None
    signal.signal(signal.SIGTERM, _end)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as nohup and scripts want it
        signal.signal(signal.SIGINT, _end)
    try:
        return program()
    except WscaleError as error:
        name = type(error).__name__
        Console(stderr=True).print(
            f"{name}: {error}", highlight=False, markup=False, soft_wrap=True
        )
        return 2
    except KeyboardInterrupt:
        Console(stderr=True).print("interrupted; files already written are whole")
        return 128 + signal.SIGINT


def _names(text: str | None) -> list[str] | None:
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    if text is not None and not names:
        raise SelectionError(f"{text!r} names no section; leave the option out, or name some")
    return names or None


def _locations(text: str | None) -> str | list[str] | None:
    return text if text in (None, "every", "middle") else (text or "").split(",")


def _command() -> list[str]:
    return [Path(sys.argv[0]).name, *sys.argv[1:]]
