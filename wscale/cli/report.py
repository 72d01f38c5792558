"""The command ``wscale report``."""

from __future__ import annotations

from typing import Any

from wscale.calibrate.options import CELLS_OF_RESULTS, OUT_PAGE, OUTPUT, RESULTS
from wscale.cli.output import print_json, say

__all__ = ["REPORT", "report_command"]

REPORT = (RESULTS, CELLS_OF_RESULTS, OUT_PAGE, *OUTPUT)


def report_command(options: dict[str, Any]) -> None:
    """Write one HTML page about a results folder: summary, figures, tables, provenance.

    Example: wscale report results --cell PV_simple --out PV_simple.html
    """
    from rich.console import Console

    from wscale.report import write_report

    with Console(stderr=True, quiet=options["quiet"]).status("writing the report") as status:
        path = write_report(
            options["results"],
            options["out"],
            options["cells"] or (),
            on_cell=lambda label: status.update(f"drawing {label}"),
        )
    say(str(path))
    print_json({"file": path})
