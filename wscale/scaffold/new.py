"""A model folder to begin with: ``wscale new DIR``."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wscale._util.plain import is_number
from wscale._util.text import label_of
from wscale.cells.cell_file import CellFile, CellRule
from wscale.errors import (
    ConfigError,
    ModelError,
    OtherMechanismsError,
    SimulationError,
    WscaleError,
    option,
)
from wscale.mechanisms.library import sources_of
from wscale.model.model import Model
from wscale.model.sites import list_sites
from wscale.model.synapses import SynapseGroup, with_synapses
from wscale.parallel.pool import LocalBackend
from wscale.parallel.sandbox import timed
from wscale.simulation.first_trials import first_trials
from wscale.simulation.rig import Rig, preflight, release_rig

__all__ = ["new_folder", "planned", "refuse_full", "write"]

_TEMPLATE = Path(__file__).parent / "template"
_CELL = "MyCell"
_GLOBALS = 'cfg.hParams = {"celsius": 34.0, "v_init": -70.0}'  # in the template's cfg.py
_SYNAPSES = "\nstim = cfg.NetStim1\n"  # what stands behind the synapses in its netParams.py


@dataclass(frozen=True)
class _Plan:
    """What a folder will hold, checked before anything is written: files by name, and notices."""

    files: dict[str, bytes]
    notices: tuple[str, ...]
    celsius_degC: float
    v_init_mV: float


def new_folder(
    folder: str | Path,
    cell: CellFile | None = None,
    mod: str | Path | Sequence[str | Path] = (),
    mod_exclude: Sequence[str] = (),
) -> Path:
    """Write a model folder that wscale and NetPyNE can run as it is.

    Parameters
    ----------
    folder : path
        Is made; may be there and empty.
    cell : CellFile, optional
        Its cell; by default a soma and a dendrite to begin with.
    mod : path or sequence of path, optional
        NMODL folders that the cell needs; their files are copied to ``mod/``. For a cell that is
        code: by default ``mod`` beside its file.
    mod_exclude : sequence of str
        Files there to leave out: names or shell-style patterns.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ConfigError
        There is something in it, or it cannot be written.
    ModelError, MechanismError
        The cell cannot be used or simulated, or needs mechanisms that are not there. Nothing is
        written then.

    Examples
    --------
    >>> import tempfile
    >>> sorted(path.name for path in new_folder(tempfile.mkdtemp()).iterdir())
    ['cells', 'cfg.py', 'netParams.py']
    """
    folder = Path(folder)
    refuse_full(folder)
    write(folder, planned(cell, mod, mod_exclude))
    return folder


def refuse_full(folder: Path) -> None:
    """Raise ConfigError if a folder exists and holds something."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} is there already and not empty; choose another name")


# ---------------------------------------------------------------------- what it will hold


def planned(
    cell: CellFile | None, mod: str | Path | Sequence[str | Path], mod_exclude: Sequence[str]
) -> _Plan:
    """Read the cell and its mechanisms, and check that they can be simulated."""
    folders = [mod] if isinstance(mod, str | Path) else list(mod)
    label = _CELL if cell is None else _label(cell)
    if cell is None and not folders:
        return _contents(_CELL, (_TEMPLATE / "cells" / f"{_CELL}.json").read_bytes(), {}, {})
    with tempfile.TemporaryDirectory(prefix="wscale-") as scratch:
        shutil.copytree(_TEMPLATE, scratch, dirs_exist_ok=True)
        model = Model.from_folder(scratch, mod=folders or None, mod_exclude=mod_exclude)
    h_params: dict[str, float] = {}
    syn_mechs: dict[str, Any] = {}
    notices = list(model.notices)
    if cell is not None:
        if label != cell.label:
            notices.append(f"the cell {cell.label!r} is called {label} in the folder")
        found = cell.read(model.mod)
        h_params, syn_mechs = _taken_globals(found), found.syn_mechs
        model = model.with_cell(label, found)
        notices += model.notices
    model = replace(model, notices=tuple(notices))  # which say what was left out, and why
    notices += _checked(_with_globals(model, h_params), syn_mechs)
    if syn_mechs:
        notices.append(
            f"netParams.py has the network's synapses too ({', '.join(syn_mechs)}): "
            f"{option('synmech', 'NAME')} activates them"
        )
    rule = json.dumps(model.rule, indent=1).encode()
    plan = _contents(model.cell, rule, h_params, syn_mechs)
    if model.mod is not None:
        sources = sources_of(model.mod)
        if not sources:
            raise ConfigError(
                f"{model.mod} has only a compiled library; give the folder of its .mod files with "
                f"{option('mod')}, which are copied"
            )
        plan.files.update({f"mod/{name}": content for name, content in sources.items()})
        notices.append(f"mod/ has copies of the NMODL files of {', '.join(model.searched)}")
    return replace(plan, notices=tuple(dict.fromkeys((*plan.notices, *notices))))


def _label(cell: CellFile) -> str:
    label = label_of(cell.label)
    if label[:1].isdigit():
        label = f"cell_{label}"
    if not label.isidentifier():
        raise ConfigError(
            f"the label {cell.label!r} of {cell.path} must have letters, digits and _; rename the "
            "file"
        )
    return label


def _taken_globals(cell: CellRule) -> dict[str, float]:
    """Take temperature and initial potential out of a rule, for cfg.py, where one changes them."""
    own = cell.rule.get("globals", {})
    taken = {name: own.pop(name) for name in ("celsius", "v_init") if is_number(own.get(name))}
    secs = cell.rule["secs"].values()
    if all(sec.get("vinit") == taken.get("v_init") for sec in secs):
        for sec in secs:
            sec.pop("vinit", None)
    return taken


def _checked(model: Model, syn_mechs: dict[str, Any]) -> list[str]:
    """Raise what would keep the cell from being simulated; return what is wrong with synapses."""
    models, notices = [model], []
    for label, entry in syn_mechs.items():
        try:
            models.append(with_synapses(model, SynapseGroup("", {label: entry})))
        except WscaleError as error:
            notices.append(f"synMech {label} cannot be used: {error}")
    try:
        [(problem, *others)] = LocalBackend(1).map(_problems, [models])
    except SimulationError as error:  # its process ended
        raise SimulationError(f"{model.cell} cannot be simulated: {error}") from error
    if problem is not None:
        raise problem
    return notices + [f"a synapse cannot be used yet: {error}" for error in others if error]


def _with_globals(model: Model, h_params: dict[str, float]) -> Model:
    """Return the model as the folder's cfg.py will have it."""
    return replace(model, cfg={**model.cfg, "hParams": {**model.cfg["hParams"], **h_params}})


def _problems(models: Sequence[Model]) -> list[WscaleError | None]:
    """Return what is wrong with each model; the first is tried (in a worker)."""
    return [_tried(models[0]), *map(preflight, models[1:])]


def _tried(model: Model) -> WscaleError | None:
    release_rig()
    try:
        with timed(preparation=True):
            rig = Rig(model, list_sites(model))
        with rig:
            problem = first_trials(rig, model.own_weight_uS).problem
    except RuntimeError as error:  # how hoc errors arrive in Python
        return ModelError(f"{model.cell} cannot be simulated: {error}")
    except OtherMechanismsError:
        raise
    except WscaleError as error:
        return error
    return None if problem is None else ModelError(f"{model.cell} cannot be calibrated: {problem}")


def _contents(
    label: str, rule: bytes, h_params: dict[str, float], syn_mechs: dict[str, Any]
) -> _Plan:
    """Return the files of a folder without mechanisms."""
    values = {"celsius": 34.0, "v_init": -70.0, **h_params}
    config = (_TEMPLATE / "cfg.py").read_text().replace(f'"{_CELL}"', f'"{label}"')
    config = config.replace(_GLOBALS, f"cfg.hParams = {json.dumps(values)}")
    net = (_TEMPLATE / "netParams.py").read_text()
    if syn_mechs:
        lines = [f"netParams.synMechParams[{k!r}] = {v!r}\n" for k, v in syn_mechs.items()]
        own = "".join(["\n# Those of the network that the cell is from\n", *lines])
        net = net.replace(_SYNAPSES, own + _SYNAPSES)
    files = {"cfg.py": config.encode(), "netParams.py": net.encode(), f"cells/{label}.json": rule}
    notices = []
    if h_params:
        named = " and ".join(f"{name} = {value:g}" for name, value in h_params.items())
        verb = "is" if len(h_params) == 1 else "are"
        notices.append(f"{named} {verb} the cell's own, from its file")
    return _Plan(files, tuple(notices), values["celsius"], values["v_init"])


# ---------------------------------------------------------------------- how it comes about


def write(folder: Path, plan: _Plan) -> None:
    """Write all files, or none."""
    there, made = folder.exists(), []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in plan.files.items():
            path = folder / name
            made.append(folder / Path(name).parts[0])
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
    except OSError as error:
        for path in made if there else [folder]:
            shutil.rmtree(path, ignore_errors=True)
            with contextlib.suppress(OSError):
                path.unlink()
        raise ConfigError(
            f"model folder {folder} cannot be made: {error.strerror}; choose another name, or make "
            "room"
        ) from error
