"""Options that several commands have, and what they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from math import inf
from pathlib import Path
from typing import Annotated, Any

import typer

from wscale._util.json_files import parse_json
from wscale.errors import ConfigError
from wscale.model.cfg import parse_overrides
from wscale.model.model import Model
from wscale.model.synapses import parse_synmechs, read_groups, with_synapses
from wscale.parallel.pool import Backend, LocalBackend
from wscale.parallel.sandbox import Limits

# Options by what they are about, as --help shows them
of_cell = partial(typer.Option, rich_help_panel="Cell and mechanisms")
of_sites = partial(typer.Option, rich_help_panel="Sites")
of_synapses = partial(typer.Option, rich_help_panel="Synapses and target")
of_search = partial(typer.Option, rich_help_panel="Search")
of_workers = partial(typer.Option, rich_help_panel="Workers")
of_results = partial(typer.Option, rich_help_panel="Results")

Folder = Annotated[Path, typer.Argument(help="Model folder with cfg.py and netParams.py.")]
Cfg = Annotated[
    list[str] | None,
    of_cell(
        "--cfg",
        metavar="KEY=VALUE",
        help="Another value in cfg, e.g. dt=0.05 (ms) or hParams.celsius=37; repeat for several.",
    ),
]
Mod = Annotated[
    list[Path] | None,
    of_cell(
        "--mod", metavar="FOLDER", help="NMODL folder (default: FOLDER/mod); repeat for several."
    ),
]
ModExclude = Annotated[
    list[str] | None,
    of_cell(metavar="FILE", help="NMODL file to leave out, or a pattern; repeat for several."),
]
Jobs = Annotated[
    int,
    of_workers(
        "--jobs",
        "-j",
        metavar="NUMBER",
        help="Worker processes; -1: one a core, -2: one core stays free.",
    ),
]
BackendName = Annotated[
    str,
    of_workers(
        "--backend",
        metavar="NAME",
        help="Where: local, dask (a cluster that runs, see --scheduler), or slurm, pbs, sge, lsf "
        "(workers are jobs). All but local: pip install 'wscale\\[cluster]'.",
        autocompletion=lambda: ["local", "dask", "slurm", "pbs", "sge", "lsf"],
    ),
]
Scheduler = Annotated[
    str | None,
    of_workers(
        metavar="ADDRESS",
        help="Dask: the scheduler's address, such as tcp://127.0.0.1:8786, or its file.",
    ),
]
Workers = Annotated[
    int | None, of_workers(metavar="NUMBER", help="Jobs to submit, one worker each.")
]
Queue = Annotated[str | None, of_workers(metavar="NAME", help="Their queue or partition.")]
Walltime = Annotated[
    str | None, of_workers(metavar="TIME", help="Their time limit, such as 02:00:00.")
]
JobExtra = Annotated[
    list[str] | None,
    of_workers(
        metavar="TEXT", help="A further line of their submission, such as --account=me; repeat."
    ),
]
Interface = Annotated[
    str | None,
    of_workers(
        metavar="NAME",
        help="Network interface by which jobs reach this machine, such as ib0 (default: none, for "
        "jobs on this machine alone).",
    ),
]
TrialTimeout = Annotated[
    float,
    of_workers(
        metavar="s",
        help="Longest time of one trial, s; 0: no limit. Making a cell ready may take ten times.",
    ),
]
MemoryLimit = Annotated[
    float | None,
    of_workers(metavar="GiB", help="Largest memory of a worker, GiB (Linux; default: no limit)."),
]
Cell = Annotated[str | None, of_cell("--cell", metavar="LABEL", help="Cell label.")]
CellPath = Annotated[
    str | None,
    of_cell(
        "--cell-file",
        metavar="FILE",
        help="A cell in place of the folder's: .json or .pkl (cellParams), .hoc, .py, .swc, .nml.",
    ),
]
CellClass = Annotated[
    str | None,
    of_cell(
        metavar="NAME", help="Template, class, function or label in the --cell-file, if several."
    ),
]
CellArgs = Annotated[
    str | None,
    of_cell(metavar="JSON", help="Its arguments, as JSON: a list, or an object of names."),
]
Biophysics = Annotated[
    str | None,
    of_cell(
        metavar="FILE",
        help="JSON file {pattern: {mechs, geom: {cm, Ra, nseg}, ions}} for the --cell-file, such "
        "as one that is only a morphology.",
    ),
]
Soma = Annotated[
    str | None,
    of_cell(metavar="SECTION", help="Section of the --cell-file that is the soma; renamed so."),
]
SynMechs = Annotated[
    list[str] | None,
    of_synapses(
        "--synmech",
        metavar="NAME=MOD,...",
        help="What is activated, in place of the model's synapses: NAME=MOD,param=value,... or the "
        "NAME of one of the model's; repeat for several together.",
    ),
]
Factors = Annotated[
    str | None,
    of_synapses(
        metavar="NUMBERS",
        help="Share of the weight for each --synmech, with commas (default: 1 each).",
    ),
]
Synapses = Annotated[
    Path | None,
    of_synapses(
        metavar="FILE",
        help="JSON file of synapse groups, {NAME: {synMechs, weightFactors, target_mV}}: a table "
        "for each.",
    ),
]
Group = Annotated[
    str | None, of_synapses(metavar="NAME", help="Which group of the --synapses file.")
]
Window = Annotated[float, of_search(metavar="ms", help="Measurement window after onset, ms.")]
OneTarget = Annotated[
    float | None,
    of_synapses(
        metavar="mV",
        help="Target EPSP (default: that of the table, else of the synapse group, else 0.5).",
    ),
]
OneTolerance = Annotated[
    float, of_search(metavar="NUMBER", help="Largest relative error that counts as met.")
]


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
        given, needed = len(group["weightFactors"]), len(group["synMechs"])
        if given != needed:
            raise ConfigError(
                f"--factors {factors!r} has {given}, and --synmech was given {needed} times "
                f"({', '.join(group['synMechs'])}); give one for each, with commas, such as "
                f"{','.join(['0.5'] * needed)}"
            )
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
    from wscale.calibrate.job import (
        load_models,  # with Matplotlib, which help and completion need not load
    )
    from wscale.calibrate.settings import SearchSettings

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
    if not 0 <= options["trial_timeout"] < inf:
        raise ConfigError(
            f"--trial-timeout {options['trial_timeout']:g} must be a time in s, or 0 for no limit"
        )
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
    from wscale.parallel.cluster import cluster_backend  # needs the extra

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
