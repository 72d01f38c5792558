"""A model folder to begin with: ``wscale new DIR``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Annotated

import typer

from wscale.cells import CellFile
from wscale.errors import ConfigError
from wscale.library import sources_of
from wscale.options import (
    Biophysics,
    CellArgs,
    CellClass,
    CellPath,
    Soma,
    arguments_of,
)
from wscale.store import make_folder, write_atomically
from wscale.voice import AsJson, Quiet, Verbose, print_json, say

__all__ = ["new_command", "new_folder"]

_TEMPLATE = Path(__file__).parent / "template"


def new_folder(folder: str | Path, cell: CellFile | None = None, mod: Path | None = None) -> Path:
    """Write a model folder that wscale and NetPyNE can run as it is.

    Parameters
    ----------
    folder : path
        Is made; may be there and empty.
    cell : CellFile, optional
        Its cell; by default a soma and a dendrite to begin with.
    mod : Path, optional
        NMODL folder that the cell needs; its files are copied to ``mod/``.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ConfigError
        There is something in it, or it cannot be written.
    ModelError
        The cell cannot be used.

    Examples
    --------
    >>> import tempfile
    >>> sorted(path.name for path in new_folder(tempfile.mkdtemp()).iterdir())
    ['cells', 'cfg.py', 'netParams.py']
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} is there already and not empty; choose another name")
    found = None
    if cell is not None:
        if not cell.label.isidentifier():
            raise ConfigError(
                f"the label {cell.label!r} of {cell.path} must be letters, digits and _ for a new "
                "folder; rename the file"
            )
        found = cell.read(None if mod is None else str(mod))
    config = (_TEMPLATE / "cfg.py").read_text()
    make_folder(folder / "cells")
    if cell is None or found is None:
        shutil.copy(_TEMPLATE / "cells" / "MyCell.json", folder / "cells")
    else:
        config = config.replace('"MyCell"', f'"{cell.label}"')
        rule = json.dumps(found.rule, indent=1).encode()
        write_atomically(folder / "cells" / f"{cell.label}.json", rule)
    for own in (mod, None if found is None else found.mod):
        if own is not None:
            make_folder(folder / "mod")
            for name, content in sources_of(own).items():
                write_atomically(folder / "mod" / name, content)
    write_atomically(folder / "cfg.py", config.encode())
    shutil.copy(_TEMPLATE / "netParams.py", folder)
    return folder


def new_command(
    folder: Annotated[Path, typer.Argument(help="The folder to make.")],
    cell_file: CellPath = None,
    cell_class: CellClass = None,
    cell_args: CellArgs = None,
    biophysics: Biophysics = None,
    soma: Soma = None,
    mod: Annotated[
        Path | None, typer.Option(help="NMODL folder of the cell; its files are copied to mod/.")
    ] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Make a model folder (cfg.py, netParams.py, cells/) that runs as it is.

    Example: wscale new my_model && wscale inspect my_model && wscale norm my_model
    """
    cell = None
    if cell_file is not None:
        arguments = arguments_of(cell_args)
        cell = CellFile(cell_file, cell_class, arguments, biophysics, soma)
    elif cell_class or cell_args or biophysics or soma:
        raise ConfigError("--cell-class, --cell-args, --biophysics and --soma need a --cell-file")
    new_folder(folder, cell, mod)
    say(f"{folder} is made: look at its cfg.py and netParams.py, then try")
    say(f"  wscale inspect {folder}\n  wscale norm {folder} --out {folder}_results")
    print_json({"folder": folder})
