"""The command ``wscale plot``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from wscale.figures import FIGURES, FORMATS, draw

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
) -> None:
    """Draw figures of a results folder, without simulating.

    Example: wscale plot results --cell PV_simple --figure morphology --format png,svg
    """
    console = Console()
    formats = [kind.strip() for kind in format.split(",") if kind.strip()]
    with console.status("drawing") as status:
        drawn = draw(
            results,
            cell or (),
            figure or (),
            formats=formats,
            out=out,
            on_cell=lambda label: status.update(f"drawing {label}"),
        )
    for reason in drawn.left_out:
        console.print(f"[yellow]notice[/]: no {reason}", highlight=False, soft_wrap=True)
    folders = dict.fromkeys(str(file.parent) for file in drawn.files)
    console.print(
        f"{len(drawn.files)} figures in {', '.join(folders) or 'no folder'}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
