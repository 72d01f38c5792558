"""Which mechanisms a model needs, and the one library that the cells of a run share.

A folder of NMODL is often larger than what a cell uses. Only what the cells and synapses of a run
need is compiled, once all of them are known: :func:`share_mechanisms`. A process can load one
library only, so cells with the same folder get one that has what any of them needs. The folder
itself stays the model's ``mod``, and its hash that of all files; no number depends on which library
is used. Without :func:`share_mechanisms`, all files that compile are loaded.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from wscale.errors import CompileError, ModelError, option
from wscale.mechanisms.compiler import library_in
from wscale.mechanisms.declarations import BUILT_IN, declared_names
from wscale.mechanisms.library import failures_of, library_of, sources_of
from wscale.mechanisms.nmodl import mechanism_names
from wscale.model.description import ALL
from wscale.model.model import Model

__all__ = [
    "POINT",
    "SYN_MECH",
    "check_declared",
    "needed_mechanisms",
    "not_found",
    "share_mechanisms",
    "user_in_words",
    "users_of",
]

POINT, SYN_MECH = "point process ", "synMech "  # how users of a mechanism begin, if no section


def users_of(model: Model) -> dict[str, list[str]]:
    """Return the mechanisms of the cell and of what NetStim1 activates, each with its users.

    Examples
    --------
    >>> users = users_of(Model.from_folder(".", "PV_simple"))
    >>> users["pas"], users["MyExp2SynBB"]
    (['soma', 'axon', 'dend'], ['synMech AMPA'])
    """
    users: dict[str, list[str]] = {}
    for name, sec in model.rule["secs"].items():
        for mechanism in sec.get("mechs", {}):
            users.setdefault(mechanism, []).append(name)
        for label, point in sec.get("pointps", {}).items():
            users.setdefault(str(point.get("mod")), []).append(f"{POINT}{label} in {name}")
    for label in model.syn_mechs:
        users.setdefault(model.net["synMechParams"][label]["mod"], []).append(f"{SYN_MECH}{label}")
    return users


def user_in_words(user: str) -> str:
    """Return a user of :func:`users_of` for a message: a section is called one."""
    return user if user.startswith((POINT, SYN_MECH)) else f"section {user}"


def needed_mechanisms(model: Model) -> frozenset[str]:
    """Return the names of all mechanisms and ions (``hi_ion``) that NetPyNE uses for a model.

    Besides those of :func:`users_of`: ions of the rule, owners of its global variables, and other
    stimuli, populations and synMechs of the network.
    """
    net, rule = model.net, model.rule
    names = set(users_of(model))
    names |= {f"{ion}_ion" for sec in rule["secs"].values() for ion in sec.get("ions", {})}
    for kind, key in (("stimSourceParams", "type"), ("popParams", "cellModel")):
        names |= {str(entry.get(key)) for entry in net.get(kind, {}).values()}
    others = {kind: net[kind] for kind in net if kind not in ("cellParams", "synMechParams")}
    texts = set(_texts([others, rule]))
    synapses = net.get("synMechParams", {})
    names |= {str(entry.get("mod")) for label, entry in synapses.items() if label in texts}
    for name in (*rule.get("globals", {}), *model.cfg.get("hParams", {})):  # erev_ih is of ih
        names |= {name[at + 1 :] for at, letter in enumerate(name) if letter == "_"}
    return frozenset(names)


def check_declared(model: Model) -> None:
    """Refuse names of mechanisms that neither NEURON nor a file has, without importing NEURON.

    Nothing is refused where NEURON may have other mechanisms: loaded before, or by itself.

    Raises
    ------
    ModelError
        With what needs the mechanism, and where it was searched.
    """
    users = users_of(model)
    missing = users.keys() - BUILT_IN - _declared(model.mod)
    if missing and not _neuron_may_have_others():
        raise not_found(model, missing)


def _declared(mod: str | None) -> frozenset[str]:
    if mod is None:
        return frozenset()
    sources = sources_of(mod)
    if sources:
        return declared_names(sources)
    library = library_of(mod).path
    return frozenset(() if library is None else mechanism_names(library.read_bytes()))


def _neuron_may_have_others() -> bool:
    if "neuron" in sys.modules or os.environ.get("NRN_NMODL_PATH"):
        return True
    return library_in(Path.cwd()) is not None


def not_found(
    model: Model, missing: Iterable[str], failed: Mapping[str, str] | None = None
) -> ModelError:
    """Return the error for mechanisms that are not there.

    Parameters
    ----------
    model : Model
        The model.
    missing : iterable of str
        Names of mechanisms.
    failed : mapping, optional
        Files that do not compile, with reasons; by default those that are known not to.
    """
    users = users_of(model)
    searched = ", ".join(model.searched) or model.mod or "no NMODL folder"
    listed = "; ".join(
        f"{name} (needed by {', '.join(users[name][:3])}{' ...' if len(users[name]) > 3 else ''})"
        for name in sorted(missing)
    )
    if failed is None:
        failed = {} if model.mod is None else failures_of(model.mod)
    left_out = dict.fromkeys(text for text in model.notices if ": left out" in text)
    left_out |= dict.fromkeys(
        f"{name}: left out, since it does not compile: {why}" for name, why in failed.items()
    )
    return ModelError(
        f"{model.cell}: mechanisms not found: {listed}. Searched: {searched} and NEURON's own; "
        f"add the .mod files or name their folder with {option('mod')}"
        + "".join(f"\n  {text}" for text in left_out)
    )


def does_not_compile(model: Model, error: CompileError) -> ModelError | CompileError:
    """Return the error for a model of which needed files do not compile."""
    if model.mod is None:
        return error
    sources = sources_of(model.mod)
    lost = {name for file in error.files for name in mechanism_names(sources.get(file, b""))}
    missing = lost & users_of(model).keys()
    return not_found(model, missing, error.files) if missing else error


def share_mechanisms(models: Sequence[Model], *, compile_now: bool = True) -> list[Model]:
    """Return the models of a run so that all with the same NMODL load one library.

    Parameters
    ----------
    models : sequence of Model
        All that the run's processes may be given.
    compile_now : bool
        Compile what they need in this process, which says so; by default. Otherwise the first
        process that loads it does, for example on another machine.

    Returns
    -------
    list of Model
        In the same order, with ``needs``.

    Raises
    ------
    ModelError
        A mechanism that no file declares, or one that does not compile.
    MechanismError
        No compiler, or no place for the library.
    """
    for model in models:
        check_declared(model)
    needs: dict[str, set[str]] = {}
    for model in models:
        if model.mod is not None:
            found = needs.setdefault(model.mod, set())
            found.update(model.needs or ())
            found.update(() if model.needs == ALL else needed_mechanisms(model))
    shared = []
    for model in models:
        if model.mod is not None:
            names = needs[model.mod]
            declared = tuple(sorted(declared_names(sources_of(model.mod)) & names))
            model = replace(model, needs=ALL if names.issuperset(ALL) else declared)
        shared.append(model)
    if compile_now:
        for mod in needs:
            users = [model for model in shared if model.mod == mod]
            _compile(users)
    return shared


def _compile(models: Sequence[Model]) -> None:
    mod, needs = models[0].mod, models[0].needs
    assert mod is not None
    everything = needs is None or needs == ALL
    try:
        library_of(mod, None if everything else needs, leave_out=everything)
    except CompileError as error:
        for model in models:
            told = does_not_compile(model, error)
            if told is not error:
                raise told from error
        raise


def _texts(value: Any) -> Iterator[str]:
    """Yield all texts in plain data, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from value
        for entry in value.values():
            yield from _texts(entry)
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from _texts(entry)
