"""``wscale inspect``: what is in a model, before any search."""

from __future__ import annotations

from typing import Any

import typer

from wscale.calibrate.options import (
    ACTIVATED,
    CELL,
    CELL_FROM_FILE,
    CFG,
    FOLDER,
    GROUP,
    JOBS,
    MECHANISMS,
    NUMBER_OF_WEIGHTS,
    ONE_WINDOW,
    OUTPUT,
)
from wscale.cli.options import chosen_model
from wscale.cli.output import console, print_json

__all__ = ["INSPECT", "inspect_command"]

INSPECT = (
    *(FOLDER, CELL, *CELL_FROM_FILE, *ACTIVATED, GROUP, NUMBER_OF_WEIGHTS, ONE_WINDOW),
    *(CFG, *MECHANISMS, JOBS, *OUTPUT),
)


def inspect_command(options: dict[str, Any]) -> None:
    """Summarise a model, check that it has a stable resting potential, and estimate the run time.

    Example: wscale inspect . --cell PT5B_reduced --cfg dt=0.05
    """
    from wscale.cli.inspection_table import print_inspection
    from wscale.inspection.inspect import inspect_cell
    from wscale.measurement.epsp import Protocol

    protocol = Protocol(window_ms=options["window_ms"])  # refused before the model is read
    found = inspect_cell(
        chosen_model(options),
        protocol=protocol,
        weights=options["weights"],
        n_jobs=options["n_jobs"],
    )
    print_inspection(found, console())
    print_json({"passed": found.fit, **found.as_dict()})
    raise typer.Exit(0 if found.fit else 1)
