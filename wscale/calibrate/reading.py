"""The cells of a job: what files alone show to be wrong, and what the model folder says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib

from wscale._util.announce import cancel_waits
from wscale._util.json_files import user_path
from wscale.cells.cell_file import CellFile, check_cell_file
from wscale.errors import MechanismError, ModelError, closest, option
from wscale.mechanisms.compiler import site_packages
from wscale.mechanisms.library import sources_of
from wscale.mechanisms.nmodl import mechanism_names
from wscale.model.model import Model
from wscale.model.sites import check_locations
from wscale.parallel.pool import number_of_jobs
from wscale.parallel.sandbox import close_all

if TYPE_CHECKING:
    from wscale.calibrate.settings import SearchSettings

__all__ = ["check_files", "load_models"]


def check_files(settings: SearchSettings) -> None:
    """Refuse what files alone show to be wrong, before NEURON starts or NMODL is compiled.

    Cells and synapses of the folder are known only when its code has run.

    Raises
    ------
    WscaleError
        A location, a cell file or the label in it, or a synMech whose NMODL is nowhere.
    """
    if not isinstance(settings.locations, str):
        check_locations(settings.locations)
    cell = settings.own_cell
    if cell is not None:
        check_cell_file(cell)
    needed = {
        str(entry["mod"]): label
        for group in settings.groups
        for label, entry in group.syn_mechs.items()
        if entry is not None
    }
    if needed:
        _check_synapses(needed, list(_mod_folders(settings, cell)))


def _mod_folders(settings: SearchSettings, cell: CellFile | None) -> Iterator[Path]:
    """Yield the folders whose NMODL the model can have."""
    usual = [] if cell is None else [user_path(cell.path).parent / "mod"]
    if settings.mod is None:
        usual.append(Path(settings.folder) / "mod")
    else:
        yield from map(Path, [settings.mod] if isinstance(settings.mod, str) else settings.mod)
    yield from filter(Path.is_dir, usual)


def _check_synapses(needed: dict[str, str], folders: Sequence[Path]) -> None:
    """Refuse point processes that neither the folders' NMODL nor NEURON declares."""
    names = {"ExpSyn", "Exp2Syn"}
    for folder in folders:
        sources = sources_of(folder)
        if not sources:  # a compiled library alone
            return
        names.update(name for data in sources.values() for name in mechanism_names(data))
    if names.issuperset(needed):
        return
    own = _of_neuron()
    for mod, label in needed.items():
        if own and mod not in names and mod not in own:
            searched = ", ".join(str(folder.absolute()) for folder in folders)
            raise ModelError(
                f"mechanisms not found: {mod} (needed by synMech {label}). Searched: "
                f"{searched or 'no NMODL folder'} and NEURON's own; add the .mod files or name "
                f"their folder with {option('mod')}.{closest(mod, {*names, *own})}"
            )


def _of_neuron() -> list[str]:
    """Return the names of the mechanisms in NEURON's own library; none: it is not there."""
    try:
        library = site_packages() / "neuron" / ".data" / "lib" / "libnrniv.so"
        return mechanism_names(library.read_bytes())
    except (OSError, MechanismError):
        return []


def load_models(settings: SearchSettings) -> list[Model]:
    """Read the settings' cells from the model folder, several at a time."""
    check_files(settings)
    cells: Sequence[str | None] = settings.cells or [None]
    own_cell = settings.own_cell
    how: dict[str, Any] = {
        name: True for name in ("mod_all", "recompile") if getattr(settings, name)
    }

    def load(cell: str | None) -> Model:
        folders = settings.mod, settings.mod_exclude
        return Model.from_folder(settings.folder, cell, settings.cfg, *folders, own_cell, **how)

    # In joblib's threads, for which an interrupted process does not wait
    n_jobs = min(number_of_jobs(-1), len(cells))
    try:
        models: list[Model] = joblib.Parallel(n_jobs, backend="threading")(
            joblib.delayed(load)(cell) for cell in cells
        )
    except BaseException:
        cancel_waits()
        close_all()
        raise
    return models
