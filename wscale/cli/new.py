"""``wscale new``: a model folder to begin with."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from wscale.cells.cell_file import CellFile
from wscale.cli.options import (
    Biophysics,
    CellArgs,
    CellClass,
    ModExclude,
    Soma,
    arguments_of,
    of_cell,
)
from wscale.cli.output import AsJson, Quiet, Verbose, print_json, say
from wscale.errors import ConfigError
from wscale.scaffold.new import planned, refuse_full, write

__all__ = ["new_command"]


def new_command(
    folder: Annotated[Path, typer.Argument(help="The folder to make.")],
    cell_file: Annotated[
        str | None,
        of_cell(
            "--cell-file",
            metavar="FILE",
            help="Its cell: .json or .pkl (cellParams, or a saved network), .hoc, .py, .swc, .nml; "
            "without, a soma and a dendrite.",
        ),
    ] = None,
    cell_class: CellClass = None,
    cell_args: CellArgs = None,
    biophysics: Biophysics = None,
    soma: Soma = None,
    mod: Annotated[
        list[Path] | None,
        of_cell(
            metavar="FOLDER",
            help="NMODL folder of the cell, copied to mod/ (default, for a cell that is code: mod/ "
            "beside its file); repeat for several.",
        ),
    ] = None,
    mod_exclude: ModExclude = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Make a model folder (cfg.py, netParams.py, cells/, mod/) that runs as it is.

    Example: wscale new my_model && wscale inspect my_model && wscale norm my_model
    """
    cell = None
    if cell_file is not None:
        arguments = arguments_of(cell_args)
        cell = CellFile(cell_file, cell_class, arguments, biophysics, soma)
    elif cell_class or cell_args or biophysics or soma:
        raise ConfigError("--cell-class, --cell-args, --biophysics and --soma need a --cell-file")
    refuse_full(folder)
    plan = planned(cell, mod or (), mod_exclude or ())
    write(folder, plan)
    for notice in plan.notices:
        say(f"notice: {notice}")
    say(
        f"{folder} is made. It is simulated at {plan.celsius_degC:g} degC from "
        f"{plan.v_init_mV:g} mV: change hParams in its cfg.py where the channels want others."
    )
    place, out = (
        shlex.quote(str(folder)),
        shlex.quote(f"{folder}_results" if folder.name else "out"),
    )
    say("Look at its cfg.py and netParams.py, then try")
    say(f"  wscale inspect {place}\n  wscale norm {place} --out {out}")
    print_json(
        {
            "folder": folder,
            "notices": list(plan.notices),
            "celsius_degC": plan.celsius_degC,
            "v_init_mV": plan.v_init_mV,
        }
    )
