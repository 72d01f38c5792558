"""The command line: ``wscale grid``, ``wscale norm`` and ``wscale verify``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from wscale import __version__
from wscale.errors import WscaleError
from wscale.loss import Targets
from wscale.overrides import parse_overrides

__all__ = ["app", "fail_in_words", "main"]

app = typer.Typer(
    name="wscale",
    help="Calibrate the synapses of NetPyNE cells: verified weightNorm tables from target EPSPs.",
    epilog="Exit codes: 0 all is well; 1 a site failed or an entry misses its target; 2 unusable "
    "input.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)

Folder = Annotated[Path, typer.Argument(help="Model folder with cfg.py and netParams.py.")]
Cfg = Annotated[
    list[str] | None,
    typer.Option("--cfg", help="Override of a cfg value, e.g. dt=0.05 or hParams.celsius=37."),
]
Mod = Annotated[Path | None, typer.Option("--mod", help="NMODL folder (default: FOLDER/mod).")]
Jobs = Annotated[int, typer.Option("--jobs", "-j", help="Worker processes; -1: all cores.")]
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
Verify = Annotated[
    bool, typer.Option("--verify", help="Load each table into a NetPyNE network and measure.")
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
    sections: Sections = None,
    exclude: Exclude = None,
    locations: Places = None,
    weights: Annotated[
        str | None,
        typer.Option(help="start:stop:count or w1,w2,... in uS (default: 1e-4:1.9e-3:19)."),
    ] = None,
    target: Target = None,
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
    config: Config = None,
    jobs: Jobs = -1,
    out: Out = Path("results"),
    verify: Verify = False,
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
    sections: Sections = None,
    exclude: Exclude = None,
    locations: Places = None,
    target: Target = None,
    tolerance: Tolerance = None,
    window: Window = None,
    cfg: Cfg = None,
    mod: Mod = None,
    config: Config = None,
    jobs: Jobs = -1,
    out: Out = Path("results"),
    verify: Verify = False,
) -> None:
    """Find the weight for the target at every site in a few trials, without a grid of weights.

    Example: wscale norm . --cell PT5B_reduced --target 0.5 --cfg dt=0.05
    """
    _run("norm", context.params)


def _run(method: Literal["grid", "norm"], options: dict[str, Any]) -> None:
    """Run a search; options take precedence over the settings file, and that over the defaults."""
    from wscale.job import run_search
    from wscale.settings import SearchSettings

    given: dict[str, Any] = {
        "folder": str(options["folder"]),
        "cells": options["cell"],
        "sections": _names(options["sections"]),
        "exclude": _names(options["exclude"]),
        "locations": _locations(options["locations"]),
        "weights_uS": options.get("weights"),
        "target_mV": Targets.parse(options["target"]).plain() if options["target"] else None,
        "interpolation": options.get("interpolation"),
        "tolerance": options["tolerance"],
        "window_ms": options["window"],
        "until": options.get("until"),
        "mod": options["mod"] and str(options["mod"]),
        "cfg": parse_overrides(options["cfg"] or ()),
    }
    given = {name: value for name, value in given.items() if value not in (None, (), [], {})}
    if options["config"] is None:
        settings = SearchSettings.make(**given)
    else:
        settings = SearchSettings.read(options["config"], **given)
    sound = run_search(
        settings,
        options["out"],
        method=method,
        jobs=options["jobs"],
        command=_command(),
        verified=options["verify"],
    )
    raise typer.Exit(0 if sound else 1)


@app.command(name="verify")
def verify_command(
    folder: Folder,
    table: Annotated[Path, typer.Option(help="weightNorm table, .json or .pkl.")],
    cell: Annotated[str | None, typer.Option("--cell", help="Cell label.")] = None,
    target: Annotated[
        float, typer.Option(help="Target EPSP where the table does not say, mV.")
    ] = 0.5,
    tolerance: Annotated[
        float, typer.Option(help="Largest relative error that counts as met.")
    ] = 1e-3,
    window: Annotated[float, typer.Option(help="Measurement window after onset, ms.")] = 100.0,
    cfg: Cfg = None,
    mod: Mod = None,
    jobs: Jobs = -1,
    full_runs: Annotated[
        bool, typer.Option(help="Run NetPyNE from time 0 for every segment: slow, independent.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="CSV file for the entries.")] = None,
) -> None:
    """Load a table into a NetPyNE network and compare each segment's unit EPSP with the target.

    Example: wscale verify . --cell PV_simple --table results/weightNorm/PV_simple_weightNorm.pkl
    """
    from wscale.epsp import Protocol
    from wscale.model import Model
    from wscale.store import content_hashes, write_atomically
    from wscale.verify import verify
    from wscale.weightnorm import WeightNormTable

    model = Model.from_folder(folder, cell, parse_overrides(cfg or ()), mod)
    read = WeightNormTable.read(table, model.cell)
    console = Console()
    for what, now in content_hashes(model).items():
        if read.provenance.get("sha256", {}).get(what, now) != now:
            console.print(
                f"[yellow]notice[/]: the table was made with another {what} than that of {folder} "
                "now (its provenance says with which command)",
                highlight=False,
                soft_wrap=True,
            )
    [check] = verify(
        [(model, read)],
        target_mV=target,
        protocol=Protocol(window_ms=window),
        tolerance=tolerance,
        jobs=jobs,
        full_runs=full_runs,
    )
    if out is not None:
        write_atomically(out, check.frame.to_csv(index=False).encode())
    promised = check.promised
    console.print(
        f"{check.cell}: {int(promised['met'].sum())} of {len(promised)} entries give their target "
        f"within {tolerance:.2%}; largest error {check.largest_error:.2e}",
        highlight=False,
        soft_wrap=True,
    )
    for row in promised[~promised["met"]].itertuples():
        console.print(
            f"  {row.sec}[{row.segment}]: {row.epsp_mV:.4g} mV instead of {row.target_mV:g} mV "
            f"({row.status})",
            highlight=False,
            soft_wrap=True,
        )
    others = len(check.frame) - len(promised)
    if others:
        console.print(
            f"  {others} entries promise nothing: they hold the cap",
            highlight=False,
            soft_wrap=True,
        )
    misread = check.misread
    if len(misread):
        console.print(
            f"  NetPyNE reads another segment's entry at the centre of {len(misread)} segments "
            "(Python rounds halves to even); worst effects:",
            highlight=False,
            soft_wrap=True,
        )
        effect = (misread["centre_epsp_mV"] / misread["target_mV"] - 1).abs()
        for index in effect.sort_values(ascending=False).index[:5]:
            row = misread.loc[index]
            console.print(
                f"    {row['sec']}[{row['segment']}]: reads entry {row['centre_reads']}, gives "
                f"{row['centre_epsp_mV']:.4g} mV instead of {row['target_mV']:g} mV",
                highlight=False,
                soft_wrap=True,
            )
    raise typer.Exit(0 if check.passed else 1)


def main() -> None:
    """Entry point of the ``wscale`` command."""
    sys.exit(fail_in_words(app))


def fail_in_words(program: Callable[[], int | None]) -> int | None:
    """Run a program; what wscale cannot work with becomes words on stderr and exit code 2."""
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
        return 130


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def _locations(text: str | None) -> str | list[str] | None:
    return text if text in (None, "every", "middle") else (text or "").split(",")


def _command() -> list[str]:
    return [Path(sys.argv[0]).name, *sys.argv[1:]]
