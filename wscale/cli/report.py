"""The command ``wscale report``."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from wscale.cli.output import AsJson, Quiet, Verbose, print_json, say
from wscale.report import write_report

__all__ = ["report_command"]


def report_command(
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
    out: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="The page (default: RESULTS/report.html).",
        ),
    ] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Write one HTML page about a results folder: summary, figures, tables, provenance.

    Example: wscale report results --cell PV_simple --out PV_simple.html
    """
    with Console(stderr=True, quiet=quiet).status("writing the report") as status:
        path = write_report(
            results, out, cell or (), on_cell=lambda label: status.update(f"drawing {label}")
        )
    say(str(path))
    print_json({"file": path})
