"""``wscale inspect``: what is in a model, before any search."""

from __future__ import annotations

from typing import Annotated

import typer

from wscale.cli.options import (
    Biophysics,
    Cell,
    CellArgs,
    CellClass,
    CellPath,
    Cfg,
    Factors,
    Folder,
    Group,
    Jobs,
    Mod,
    ModExclude,
    Soma,
    Synapses,
    SynMechs,
    Window,
    chosen_model,
    of_search,
)
from wscale.cli.output import AsJson, Quiet, Verbose, console, print_json

__all__ = ["inspect_command"]


def inspect_command(
    context: typer.Context,
    folder: Folder,
    cell: Cell = None,
    cell_file: CellPath = None,
    cell_class: CellClass = None,
    cell_args: CellArgs = None,
    biophysics: Biophysics = None,
    soma: Soma = None,
    synmech: SynMechs = None,
    factors: Factors = None,
    synapses: Synapses = None,
    group: Group = None,
    weights: Annotated[
        int, of_search(metavar="NUMBER", help="How many weights the grid has that is estimated.")
    ] = 19,
    window: Window = 100.0,
    cfg: Cfg = None,
    mod: Mod = None,
    mod_exclude: ModExclude = None,
    jobs: Jobs = -1,
    quiet: Quiet = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Say what is in a model before any search, how it rests, and what a search will cost.

    Example: wscale inspect . --cell PT5B_reduced --cfg dt=0.05
    """
    from wscale.cli.inspection_table import print_inspection
    from wscale.inspection.inspect import inspect_cell
    from wscale.measurement.epsp import Protocol

    model = chosen_model(context.params)
    found = inspect_cell(model, protocol=Protocol(window_ms=window), weights=weights, n_jobs=jobs)
    print_inspection(found, console())
    print_json({"passed": found.fit, **found.as_dict()})
    raise typer.Exit(0 if found.fit else 1)
