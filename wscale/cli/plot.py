"""The command ``wscale plot``."""

from __future__ import annotations

from typing import Annotated

import typer

from wscale.cli.output import AsJson, Quiet, Verbose, console, print_json, say
from wscale.plots.drawing import FIGURES, FORMATS, draw

__all__ = ["plot_command"]


def plot_command(
    results: Annotated[
        str,
        typer.Argument(metavar="RESULTS", help="Results folder, as --out of a search named it."),
    ],
    cell: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL",
            help="Cell label (with its synapse group); repeat for several (default: all).",
        ),
    ] = None,
    figure: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help=f"{', '.join(FIGURES)}; repeat for several (default: all that the run allows).",
            autocompletion=lambda: list(FIGURES),
        ),
    ] = None,
    format: Annotated[  # noqa: A002  # the option's name
        str,
        typer.Option(
            metavar="NAMES",
            help=f"{', '.join(FORMATS)}, with commas for several.",
            autocompletion=lambda: list(FORMATS),
        ),
    ] = "png",
    out: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder for the figures (default: RESULTS/figures).",
        ),
    ] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Draw figures of a results folder, without simulating.

    Example: wscale plot results --cell PV_simple --figure morphology --format png,svg
    """
    shown = console()
    formats = [kind.strip() for kind in format.split(",") if kind.strip()]
    with shown.status("drawing") as status:
        drawn = draw(
            results,
            cell or (),
            figure or (),
            formats=formats,
            out=out,
            on_cell=lambda label: status.update(f"drawing {label}"),
        )
    for reason in drawn.left_out:
        say(f"notice: no {reason}")
    if drawn.not_finished:
        say(f"notice: {drawn.not_finished}")
    folders = dict.fromkeys(str(file.parent) for file in drawn.files)
    count = len(drawn.files)
    say(f"{count} figure{'' if count == 1 else 's'} in {', '.join(folders) or 'no folder'}")
    print_json(
        {
            "files": list(drawn.files),
            "left_out": list(drawn.left_out),
            "not_finished": drawn.not_finished or None,
        }
    )
