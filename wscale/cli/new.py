"""``wscale new``: a model folder to begin with."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

from wscale.calibrate.options import (
    BIOPHYSICS,
    CELL_ARGS,
    CELL_CLASS,
    CELL_FILE,
    CELL_FROM_FILE,
    FOLDER,
    MOD,
    MOD_EXCLUDE,
    OUTPUT,
    SOMA,
    values_of,
)
from wscale.cli.output import print_json, say
from wscale.errors import ConfigError

__all__ = ["NEW", "new_command"]

_FOLDER = replace(FOLDER, help="The folder to make", parse=None)
_CELL_FILE = replace(
    CELL_FILE,
    help="Its cell: .json or .pkl (cellParams, or a saved network), .hoc, .py, .swc, .nml; "
    "without, a soma and a dendrite",
)
_MOD = replace(
    MOD,
    help="NMODL folder of the cell, copied to mod/ (default, for a cell that is code: mod/ beside "
    "its file)",
)
NEW = (
    *(_FOLDER, _CELL_FILE, CELL_CLASS, CELL_ARGS, BIOPHYSICS, SOMA, _MOD, MOD_EXCLUDE),
    *OUTPUT,
)


def new_command(options: dict[str, Any]) -> None:
    """Make a model folder (cfg.py, netParams.py, cells/, mod/) that runs as it is.

    Example: wscale new my_model && wscale inspect my_model && wscale norm my_model
    """
    from wscale.cells.cell_file import CellFile
    from wscale.scaffold.new import planned, refuse_full, write

    folder: Path = options["folder"]
    cell = None
    if options["cell_file"] is not None:
        how = values_of(CELL_FROM_FILE, options)
        file, label = how.pop("cell_file"), how.pop("cell_class", None)
        cell = CellFile(file, label, how.pop("cell_args", None), **how)
    elif any(options[option.name] for option in CELL_FROM_FILE):
        raise ConfigError("--cell-class, --cell-args, --biophysics and --soma need a --cell-file")
    refuse_full(folder)
    plan = planned(cell, options["mod"] or (), options["mod_exclude"] or ())
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
