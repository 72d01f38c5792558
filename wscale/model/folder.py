"""Reading a model folder: its cfg.py and netParams.py run in a process of their own.

So the caller's process keeps its modules, its working directory and its NEURON clean, whatever the
folder's code does, and what comes back is plain data.
"""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wscale._util.plain import choose_cell, to_plain
from wscale.cells.user_code import run_user_code
from wscale.errors import ModelError, WscaleError
from wscale.mechanisms.folders import choose_folders, prepare_folders
from wscale.mechanisms.library import is_compiled, library_of

__all__ = ["read_folder"]


def read_folder(
    folder: str | Path,
    cell: str | None = None,
    overrides: dict[str, Any] | None = None,
    mod: str | Path | Sequence[str | Path] | None = None,
    mod_exclude: Sequence[str] = (),
    *,
    replaced: bool = False,
    mod_all: bool = False,
    recompile: bool = False,
) -> dict[str, Any]:
    """Run a folder's cfg.py and netParams.py and return what they define.

    Parameters
    ----------
    folder, cell, overrides, mod, mod_exclude, mod_all, recompile
        As in :meth:`wscale.Model.from_folder`.
    replaced : bool
        Another cell comes in the place of the folder's, so that none is looked for.

    Returns
    -------
    dict
        ``cell`` (label; None where it is replaced), ``net``, ``cfg`` (plain dictionaries), ``mod``
        (path or None), ``searched`` (the mechanism folders) and ``notices``.

    Raises
    ------
    ModelError, ConfigError, MechanismError
        What is wrong in the folder, with the line of its code where it failed.

    Notes
    -----
    Mechanisms are compiled only if the code uses NEURON itself, such as by importing a cell of
    hoc; then the code is run a second time.
    """
    root = Path(folder).resolve()
    for name in ("cfg.py", "netParams.py"):
        if not (root / name).is_file():
            raise ModelError(
                f"{root} is not a model folder: it has no {name}; a model folder holds a cfg.py "
                "with `cfg` and a netParams.py with `netParams`"
            )
    if mod is None:
        folders: list[str | Path] = [root / "mod"] if (root / "mod").is_dir() else []
    else:
        folders = [mod] if isinstance(mod, str | Path) else list(mod)
    chosen, loads = None, False
    if folders:
        prepare = prepare_folders if mod_all else choose_folders
        chosen = prepare(folders, mod_exclude, recompile=recompile)
        loads = mod_all or is_compiled(chosen.folder)
    request = {
        "cell": cell,
        "replaced": replaced,
        "overrides": {key: to_plain(value, key) for key, value in (overrides or {}).items()},
        "mod": chosen.folder if chosen is not None and loads else None,
        "lacks": chosen is not None and not loads,
    }
    answer = run_user_code(_answer, request, root, root, "netParams")
    if answer.get("again") and chosen is not None:
        library_of(chosen.folder, leave_out=True)  # here, where the user sees it
        request.update(mod=chosen.folder, lacks=False)
        answer = run_user_code(_answer, request, root, root, "netParams")
    answer["mod"] = None if chosen is None else chosen.folder
    answer["searched"] = [] if chosen is None else list(chosen.searched)
    answer["notices"] = [] if chosen is None else list(chosen.notices)
    return answer


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    """Child side: import cfg, set what is overridden, import netParams, make both plain.

    Where mechanisms are not loaded and the code uses NEURON, the answer is to load them first.
    """
    from wscale.mechanisms.loading import load_needed
    from wscale.mechanisms.neuron_use import watch_neuron

    sys.path.insert(0, str(Path.cwd()))
    if request["mod"] is not None:
        load_needed(request["mod"])
    uses_neuron = watch_neuron() if request["lacks"] else lambda: False
    try:
        answer = _read(request)
    except Exception:
        if uses_neuron():
            return {"again": True}
        raise
    return {"again": True} if uses_neuron() else answer


def _read(request: dict[str, Any]) -> dict[str, Any]:
    from wscale.model.cfg import apply_overrides

    cfg = _import("cfg")
    cell, overrides = request["cell"], request["overrides"]
    if cell is not None and hasattr(cfg, "cell"):
        overrides = {"cell": cell, **overrides}
    apply_overrides(cfg, overrides)
    sys.modules["__main__"].cfg = cfg  # type: ignore[attr-defined]  # as NetPyNE's own loader does
    net = to_plain(vars(_import("netParams")), "netParams")
    replaced = request["replaced"]
    label = None if replaced else choose_cell(getattr(cfg, "cell", cell), net["cellParams"])
    return {"cell": label, "net": net, "cfg": to_plain(vars(cfg), "cfg")}


def _import(name: str) -> Any:
    """Import cfg.py or netParams.py of the working directory and return its object."""
    try:
        module = importlib.import_module(name)
    except WscaleError:
        raise
    except BaseException as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.name == "<module>"]
        where = next((f for f in reversed(frames) if f.filename.endswith(f"{name}.py")), None)
        line = "" if where is None else f", line {where.lineno} ({where.line})"
        raise ModelError(
            f"{name}.py in {Path.cwd()} failed{line}: {type(error).__name__}: {error}"
        ) from error
    if not hasattr(module, name):
        raise ModelError(f"{name}.py in {Path.cwd()} does not define `{name}`")
    return getattr(module, name)
