"""The command ``wscale plot``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wscale.figures import FIGURES, FORMATS, draw
from wscale.voice import AsJson, Quiet, Verbose, console, print_json, say

__all__ = ["plot_command"]


def plot_command(
    results: Annotated[Path, typer.Argument(help="Results folder, as --out of a search named it.")],
    cell: Annotated[
        list[str] | None,
        typer.Option(
            help="Cell label (with its synapse group); repeat for several (default: all)."
        ),
    ] = None,
    figure: Annotated[
        list[str] | None,
        typer.Option(
            help=f"{', '.join(FIGURES)}; repeat for several (default: all that the run allows)."
        ),
    ] = None,
    format: Annotated[  # noqa: A002  # the option's name
        str, typer.Option(help=f"{', '.join(FORMATS)}, with commas for several.")
    ] = "png",
    out: Annotated[
        Path | None, typer.Option(help="Folder for the figures (default: RESULTS/figures).")
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
    folders = dict.fromkeys(str(file.parent) for file in drawn.files)
    say(f"{len(drawn.files)} figures in {', '.join(folders) or 'no folder'}")
    print_json({"files": list(drawn.files), "left_out": list(drawn.left_out)})
