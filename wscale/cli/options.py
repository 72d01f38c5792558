"""Commands of Typer made from options, and what several options stand for together."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wscale.calibrate.options import CELL_FROM_FILE, CLUSTER, MECHANISMS, Option, values_of
from wscale.cli.output import speak
from wscale.errors import ConfigError

if TYPE_CHECKING:
    from wscale.model.model import Model
    from wscale.parallel.chains import Backend

__all__ = ["chosen_backend", "chosen_model", "command", "synapse_groups"]


def command(
    function: Callable[[dict[str, Any]], None], options: tuple[Option, ...]
) -> Callable[..., None]:
    """Return a function that Typer takes for a command with these options.

    Parameters
    ----------
    function : callable
        Takes the options' values by name; its docstring is the command's help.
    options : tuple of Option
        Those of the command, in the order of its help; ``quiet``, ``verbose`` and ``as_json`` too.
    """

    def run(**given: Any) -> None:
        speak(given["quiet"], given["verbose"], given["as_json"])
        function(given)

    parameters = [
        inspect.Parameter(
            option.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if option.default is ... else option.default,
            annotation=Annotated[option.type, _info(option)],
        )
        for option in options
    ]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__doc__ = function.__doc__
    return run


def _info(option: Option) -> Any:
    text = option.help + option.usage
    if not option.flags:
        return typer.Argument(metavar=option.metavar, help=text)
    return typer.Option(
        *option.flags.split(),
        metavar=option.metavar,
        help=text,
        rich_help_panel=option.panel,
        autocompletion=(lambda: list(option.choices)) if option.choices else None,
    )


def synapse_groups(
    synmechs: list[str] | None, factors: str | None, file: Path | None
) -> dict[str, dict[str, Any]]:
    """Return the synapse groups that options give; if empty, the model's own synapses are used."""
    from wscale.model.synapses import parse_synmechs, read_groups

    if file is not None and (synmechs or factors):
        raise ConfigError("--synapses is a file of groups; --synmech and --factors are one: choose")
    if file is not None:
        return read_groups(file)
    if not synmechs:
        if factors:
            raise ConfigError("--factors belongs to --synmech; give that too")
        return {}
    group: dict[str, Any] = {"synMechs": parse_synmechs(synmechs)}
    if factors:
        try:
            group["weightFactors"] = [float(factor) for factor in factors.split(",")]
        except ValueError:
            raise ConfigError(f"--factors {factors!r} must be numbers with commas") from None
        given, needed = len(group["weightFactors"]), len(group["synMechs"])
        if given != needed:
            raise ConfigError(
                f"--factors {factors!r} has {given}, and --synmech was given {needed} times "
                f"({', '.join(group['synMechs'])}); give one for each, with commas, such as "
                f"{','.join(['0.5'] * needed)}"
            )
    return {"": group}


def chosen_model(options: dict[str, Any]) -> Model:
    """Return the model that the options of a command for one cell stand for."""
    from wscale.calibrate.options import CFG, FOLDER
    from wscale.calibrate.reading import load_models
    from wscale.calibrate.settings import SearchSettings
    from wscale.model.synapses import with_synapses

    groups = synapse_groups(options["synmech"], options["factors"], options["synapses"])
    group = options["group"]
    if group is not None or len(groups) > 1:
        if group not in groups:
            given = "is not given" if group is None else f"= {group!r}"
            allowed = ", ".join(name for name in groups if name) or "a file's: give --synapses too"
            raise ConfigError(f"--group {given}; it must be one of {allowed}")
        groups = {group: groups[group]}
    settings = SearchSettings.make(
        cells=[options["cell"]] if options["cell"] else [],
        synapses=groups,
        **values_of((FOLDER, *CELL_FROM_FILE, CFG, *MECHANISMS), options),
    )
    [model] = load_models(settings)
    for one in settings.groups:
        return with_synapses(model, one)
    return model


def chosen_backend(options: Mapping[str, Any]) -> AbstractContextManager[Backend]:
    """Return the back end that options stand for, as a context manager."""
    from wscale.parallel.pool import LocalBackend
    from wscale.parallel.sandbox import Limits

    timeout_s = options["trial_timeout_s"]
    if not 0 <= timeout_s < inf:
        raise ConfigError(f"--trial-timeout {timeout_s:g} must be a time in s, or 0 for no limit")
    limits = Limits(timeout_s or None, options["memory_GiB"])
    given = {one.name: options[one.name] for one in CLUSTER if options[one.name]}
    if options["backend"] == "local":
        for one in CLUSTER:
            if one.name in given:
                raise ConfigError(
                    f"{one.flags} belongs to a cluster: give --backend too, or --jobs for this "
                    "machine"
                )
        return nullcontext(LocalBackend(options["n_jobs"], limits))
    from wscale.parallel.cluster import cluster_backend  # needs the extra

    return cluster_backend(options["backend"], limits, **given)
