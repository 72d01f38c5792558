"""Options that several commands have, and what they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from wscale.errors import ConfigError
from wscale.execute import Backend, LocalBackend
from wscale.jsonfile import parse_json
from wscale.limits import Limits
from wscale.model import Model
from wscale.overrides import parse_overrides
from wscale.synapses import parse_synmechs, read_groups, with_synapses

Folder = Annotated[Path, typer.Argument(help="Model folder with cfg.py and netParams.py.")]
Cfg = Annotated[
    list[str] | None,
    typer.Option("--cfg", help="Override of a cfg value, e.g. dt=0.05 or hParams.celsius=37."),
]
Mod = Annotated[
    list[Path] | None,
    typer.Option("--mod", help="NMODL folder (default: FOLDER/mod); repeat for several."),
]
ModExclude = Annotated[
    list[str] | None,
    typer.Option(help="NMODL file to leave out, or a pattern; repeat for several."),
]
Jobs = Annotated[int, typer.Option("--jobs", "-j", help="Worker processes; -1: all cores.")]
BackendName = Annotated[
    str,
    typer.Option(
        "--backend",
        help="Where: local, dask (a cluster that runs, see --scheduler), or slurm, pbs, sge, lsf "
        "(workers are jobs). All but local: pip install 'wscale\\[cluster]'.",
    ),
]
Scheduler = Annotated[
    str | None,
    typer.Option(help="Dask: the scheduler's address, such as tcp://127.0.0.1:8786, or its file."),
]
Workers = Annotated[int | None, typer.Option(help="Jobs to submit, one worker each.")]
Queue = Annotated[str | None, typer.Option(help="Their queue or partition.")]
Walltime = Annotated[str | None, typer.Option(help="Their time limit, such as 02:00:00.")]
JobExtra = Annotated[
    list[str] | None,
    typer.Option(help="A further line of their submission, such as --account=me; repeat."),
]
Interface = Annotated[
    str | None,
    typer.Option(
        help="Network interface by which jobs reach this machine, such as ib0 (default: none, for "
        "jobs on this machine alone)."
    ),
]
TrialTimeout = Annotated[
    float,
    typer.Option(
        help="Longest time of one trial, s; 0: no limit. Making a cell ready may take ten times."
    ),
]
MemoryLimit = Annotated[
    float | None, typer.Option(help="Largest memory of a worker, GiB (Linux; default: no limit).")
]
Cell = Annotated[str | None, typer.Option("--cell", help="Cell label.")]
CellPath = Annotated[
    str | None,
    typer.Option(
        "--cell-file",
        help="A cell in place of the folder's: .json or .pkl (cellParams), .hoc, .py, .swc, .nml.",
    ),
]
CellClass = Annotated[
    str | None,
    typer.Option(help="Template, class, function or label in the --cell-file, if several."),
]
CellArgs = Annotated[
    str | None, typer.Option(help="Its arguments, as JSON: a list, or an object of names.")
]
Biophysics = Annotated[
    str | None,
    typer.Option(
        help="JSON file {pattern: {mechs, geom: {cm, Ra, nseg}, ions}} for the --cell-file, such "
        "as one that is only a morphology."
    ),
]
Soma = Annotated[
    str | None, typer.Option(help="Section of the --cell-file that is the soma; renamed so.")
]
SynMechs = Annotated[
    list[str] | None,
    typer.Option(
        "--synmech",
        help="What is activated, in place of the model's synapses: NAME=MOD,param=value,... or the "
        "NAME of one of the model's; repeat for several together.",
    ),
]
Factors = Annotated[
    str | None,
    typer.Option(help="Share of the weight for each --synmech, with commas (default: 1 each)."),
]
Synapses = Annotated[
    Path | None,
    typer.Option(
        help="JSON file of synapse groups, {NAME: {synMechs, weightFactors, target_mV}}: a table "
        "for each."
    ),
]
Group = Annotated[str | None, typer.Option(help="Which group of the --synapses file.")]
Window = Annotated[float, typer.Option(help="Measurement window after onset, ms.")]
OneTarget = Annotated[float, typer.Option(help="Target EPSP where the table does not say, mV.")]
OneTolerance = Annotated[float, typer.Option(help="Largest relative error that counts as met.")]


def synapse_groups(
    synmechs: list[str] | None, factors: str | None, file: Path | None
) -> dict[str, dict[str, Any]]:
    """Return the synapse groups that options give; none: the model's own synapses."""
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
    return {"": group}


def arguments_of(text: str | None) -> Any:
    """Return the arguments that ``--cell-args`` gives."""
    try:
        value = None if text is None else parse_json(text)
    except ValueError as error:
        raise ConfigError(f"--cell-args {text!r} is not JSON: {error}") from error
    if not isinstance(value, dict | list | None):
        raise ConfigError(f"--cell-args {text!r} must be a JSON list, or an object of names")
    return value


def chosen_model(options: Mapping[str, Any]) -> Model:
    """Return the model that the options of a command for one cell stand for."""
    from wscale.job import load_models  # with Matplotlib, which help and completion need not load
    from wscale.settings import SearchSettings

    groups = synapse_groups(options["synmech"], options["factors"], options["synapses"])
    group = options["group"]
    if group is not None or len(groups) > 1:
        if group not in groups:
            given = "is not given" if group is None else f"= {group!r}"
            allowed = ", ".join(name for name in groups if name) or "a file's: give --synapses too"
            raise ConfigError(f"--group {given}; it must be one of {allowed}")
        groups = {group: groups[group]}
    settings = SearchSettings.make(
        folder=str(options["folder"]),
        cells=[options["cell"]] if options["cell"] else [],
        cfg=parse_overrides(options["cfg"] or ()),
        mod=[str(path) for path in options["mod"] or ()] or None,
        mod_exclude=options["mod_exclude"] or (),
        synapses=groups,
        **cell_file_settings(options),
    )
    [model] = load_models(settings)
    for one in settings.groups:
        return with_synapses(model, one)
    return model


def chosen_backend(options: Mapping[str, Any]) -> AbstractContextManager[Backend]:
    """Return the back end that options stand for, as a context manager."""
    limits = Limits(options["trial_timeout"] or None, options["memory_limit"])
    names = ("scheduler", "workers", "queue", "walltime", "job_extra", "interface")
    given = {name: options[name] for name in names if options[name]}
    if options["backend"] == "local":
        if given:
            raise ConfigError(
                f"--{next(iter(given)).replace('_', '-')} belongs to a cluster: give --backend "
                "too, or --jobs for this machine"
            )
        return nullcontext(LocalBackend(options["jobs"], limits))
    from wscale.cluster import cluster_backend  # needs the extra

    return cluster_backend(options["backend"], limits, **given)


def cell_file_settings(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that say which cell takes the folder's place."""
    return {
        "cell_file": options["cell_file"],
        "cell_class": options["cell_class"],
        "cell_args": arguments_of(options["cell_args"]),
        "biophysics": options["biophysics"],
        "soma": options["soma"],
    }
