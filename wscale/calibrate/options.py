"""The options of the commands, each stated once: parameter, help, unit, and how text becomes it.

The settings of a search take their descriptions from here, ``wscale.cli`` its options. Nothing
heavy is imported, so that ``--help`` and shell completion are fast.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wscale.errors import ConfigError, SelectionError, option
from wscale.plots.drawing import FIGURES, FORMATS

__all__ = ["FLAGS", "Option", "values_of"]


@dataclass(frozen=True)
class Option:
    """An option of a command or, without flags, an argument.

    Parameters
    ----------
    name : str
        The parameter or setting that it sets.
    flags : str
        Its names on the command line, with blanks between them.
    metavar : str or None
        What stands for its value in the help: a unit, or what kind of thing it is.
    help : str
        What it is, also in the settings.
    usage : str
        How it is given on the command line.
    panel : str or None
        Where ``--help`` shows it.
    type : type
        That of the value on the command line.
    default : object
        If it is not given; ``...``: it must be.
    choices : tuple of str
        What the shell completes.
    parse : callable, optional
        Makes the parameter of the command line's value.
    """

    name: str
    flags: str
    metavar: str | None
    help: str
    usage: str = "."
    panel: str | None = None
    type: Any = str | None
    default: Any = None
    choices: tuple[str, ...] = ()
    parse: Callable[[Any], Any] | None = None

    @property
    def description(self) -> str:
        """The help for the settings, without the command line's usage."""
        return self.help[0].lower() + self.help[1:]


def _flag(name: str, flags: str, text: str, panel: str | None) -> Option:
    return Option(name, flags, None, text, panel=panel, type=bool, default=False)


def values_of(options: tuple[Option, ...], given: dict[str, Any]) -> dict[str, Any]:
    """Return parameters for what a command line has given, without what it has not.

    Raises
    ------
    WscaleError
        A value that is not what the parameter needs.

    Examples
    --------
    >>> values_of((SECTIONS, EXCLUDE), {"sections": "soma, basal", "exclude": None})
    {'sections': ['soma', 'basal']}
    """
    values = {}
    for one in options:
        value = given[one.name]
        if value is not None and one.parse is not None:
            value = one.parse(value)
        if value is not None and value is not False and value not in ((), [], {}):
            values[one.name] = value
    return values


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise SelectionError(f"{text!r} names no section; leave the option out, or name some")
    return names


def _locations(text: str) -> str | list[str]:
    return text if text in ("every", "middle") else text.split(",")


def _targets(texts: list[str]) -> Any:
    from wscale.model.targets import Targets

    return Targets.parse(texts).plain() if texts else None


def _cfg(texts: list[str]) -> dict[str, Any]:
    from wscale.model.cfg import parse_overrides

    return parse_overrides(texts)


def _arguments(text: str) -> Any:
    from wscale._util.json_files import parse_json

    try:
        value = parse_json(text)
    except ValueError as error:
        raise ConfigError(f"{option('cell_args')} {text!r} is not JSON: {error}") from error
    if not isinstance(value, dict | list | None):
        raise ConfigError(
            f"{option('cell_args')} {text!r} must be a JSON list, or an object of names"
        )
    return value


def _paths(folders: list[Path]) -> list[str]:
    return [str(folder) for folder in folders]


_SEVERAL = "; repeat for several."

# Model folder, cell and mechanisms

FOLDER = Option(
    "folder",
    "",
    None,
    "Model folder with cfg.py and netParams.py",
    type=Path,
    default=...,
    parse=str,
)
_CELL = "Cell and mechanisms"
CELL = Option("cell", "--cell", "LABEL", "Cell label", panel=_CELL)
CELLS = replace(CELL, name="cells", usage=_SEVERAL, type=list[str] | None)
CELL_FILE = Option(
    "cell_file",
    "--cell-file",
    "FILE",
    "A cell in place of the folder's: .json or .pkl (cellParams), .hoc, .py, .swc, .nml",
    panel=_CELL,
)
CELL_CLASS = Option(
    "cell_class",
    "--cell-class",
    "NAME",
    "Template, procedure, class, function or label in the --cell-file, if several",
    panel=_CELL,
)
CELL_ARGS = Option(
    "cell_args",
    "--cell-args",
    "JSON",
    "Arguments for --cell-class as a JSON list or object",
    panel=_CELL,
    parse=_arguments,
)
BIOPHYSICS = Option(
    "biophysics",
    "--biophysics",
    "FILE",
    "JSON file {pattern: {mechs, geom: {cm, Ra, nseg}, ions}} for the --cell-file, such as one "
    "that is only a morphology",
    panel=_CELL,
)
SOMA = Option(
    "soma",
    "--soma",
    "SECTION",
    "Name of the soma section in the --cell-file; it is renamed to 'soma'",
    panel=_CELL,
)
CFG = Option(
    "cfg",
    "--cfg",
    "KEY=VALUE",
    "Change a value in cfg, e.g. dt=0.05 (ms) or hParams.celsius=37",
    _SEVERAL,
    _CELL,
    list[str] | None,
    parse=_cfg,
)
MOD = Option(
    "mod",
    "--mod",
    "FOLDER",
    "NMODL folder (default: FOLDER/mod)",
    _SEVERAL,
    _CELL,
    list[Path] | None,
    parse=_paths,
)
MOD_EXCLUDE = Option(
    "mod_exclude",
    "--mod-exclude",
    "FILE",
    "NMODL file to leave out, or a pattern",
    _SEVERAL,
    _CELL,
    list[str] | None,
)
MOD_ALL = _flag(
    "mod_all",
    "--mod-all",
    "Compile all NMODL files, not only those that the cell and its synapses need",
    _CELL,
)
RECOMPILE = _flag(
    "recompile", "--recompile", "Try again to compile files that failed before", _CELL
)
CELL_FROM_FILE = (CELL_FILE, CELL_CLASS, CELL_ARGS, BIOPHYSICS, SOMA)
MECHANISMS = (MOD, MOD_EXCLUDE, MOD_ALL, RECOMPILE)

# Sites

_SITES = "Sites"
SECTIONS = Option(
    "sections",
    "--sections",
    "NAMES",
    "Sections, section lists or patterns",
    ", with commas (default: all but axons).",
    _SITES,
    parse=_names,
)
EXCLUDE = Option(
    "exclude",
    "--exclude",
    "NAMES",
    "Sections, lists or patterns to leave out",
    ", with commas.",
    _SITES,
    parse=_names,
)
LOCATIONS = Option(
    "locations",
    "--locations",
    "LOCS",
    "every, middle, or numbers between 0 and 1 (default: every)",
    panel=_SITES,
    parse=_locations,
)

# Synapses and target

_SYNAPSES = "Synapses and target"
TARGET = Option(
    "target_mV",
    "--target",
    "mV",
    "Target EPSP, mV (IPSP: negative; default: 0.5)",
    "; PLACE=mV for a cell, section or site; repeat for several.",
    _SYNAPSES,
    list[str] | None,
    parse=_targets,
)
ONE_TARGET = Option(
    "target_mV",
    "--target",
    "mV",
    "Target EPSP (default: that of the table, else of the synapse group, else 0.5)",
    panel=_SYNAPSES,
    type=float | None,
)
SYNMECHS = Option(
    "synmech",
    "--synmech",
    "NAME=MOD,...",
    "What is activated instead of the model's synapses",
    ": NAME=MOD,param=value,... or the NAME of one of the model's; repeat for several together.",
    _SYNAPSES,
    list[str] | None,
)
FACTORS = Option(
    "factors",
    "--factors",
    "NUMBERS",
    "Share of the weight for each --synmech",
    ", with commas (default: 1 each).",
    _SYNAPSES,
)
SYNAPSES = Option(
    "synapses",
    "--synapses",
    "FILE",
    "JSON file of synapse groups, {NAME: {synMechs, weightFactors, target_mV}}: one table each",
    panel=_SYNAPSES,
    type=Path | None,
)
GROUP = Option("group", "--group", "NAME", "Which group of the --synapses file", panel=_SYNAPSES)
ACTIVATED = (SYNMECHS, FACTORS, SYNAPSES)

# Search

_SEARCH = "Search"
WEIGHTS = Option(
    "weights_uS",
    "--weights",
    "uS",
    "start:stop:count or w1,w2,... in uS (default: 1e-4:1.9e-3:19)",
    panel=_SEARCH,
)
NUMBER_OF_WEIGHTS = Option(
    "weights",
    "--weights",
    "NUMBER",
    "Number of grid weights to assume for the run-time estimate",
    panel=_SEARCH,
    type=int,
    default=19,
)
INTERPOLATION = Option(
    "interpolation",
    "--interpolation",
    "NAME",
    "monotone or linear (default: monotone)",
    panel=_SEARCH,
    choices=("monotone", "linear"),
)
TOLERANCE = Option(
    "tolerance",
    "--tolerance",
    "NUMBER",
    "Largest relative error of an ok EPSP, such as 0.01 for 1 % (default: 0.001)",
    panel=_SEARCH,
    type=float | None,
)
MET_TOLERANCE = replace(
    TOLERANCE, help="Largest relative error that counts as met", type=float, default=1e-3
)
EQUAL_TOLERANCE = replace(
    MET_TOLERANCE,
    metavar=None,
    help="Largest relative difference that counts as equal",
    panel=None,
)
MAX_WEIGHT = Option(
    "max_weight",
    "--max-weight",
    "NUMBER",
    "Largest weight to try beyond the grid, in the unit of the synapse's weight",
    " (default: what is 0.1 uS).",
    _SEARCH,
    float | None,
)
EXTEND = _flag(
    "extend",
    "--extend",
    "If the grid ends below the target, try larger weights, up to the largest plausible one",
    _SEARCH,
)
LAST_WEIGHT = Option(
    "last_weight_uS",
    "--last-weight",
    "uS",
    "Last weight of the grid that the table was made with, for the verdict extrapolated; 0.0019 "
    "for the published M1 tables",
    panel=_SEARCH,
    type=float | None,
)
THRESHOLD = Option(
    "threshold",
    "--threshold",
    "NUMBER",
    "The threshold of addCellParamsWeightNorm in the network: NetPyNE clips entries above this "
    "multiple of the soma's; M1 uses 4, A1 5",
    panel=_SEARCH,
    type=float,
    default=1000.0,
)
WINDOW = Option(
    "window_ms",
    "--window",
    "ms",
    "Measurement window after onset, ms",
    " (default: 100).",
    _SEARCH,
    float | None,
)
ONE_WINDOW = replace(WINDOW, usage=".", type=float, default=100.0)
UNTIL = Option(
    "until",
    "--until",
    "NAME",
    "When a trial ends: peak (as soon as it is certain), half (for half-widths) or window "
    "(default: peak)",
    panel=_SEARCH,
    choices=("peak", "half", "window"),
)
TRIALS = Option(
    "trials",
    "--trials",
    "NUMBER",
    "Average each response over this many seeded activations, with a confidence interval (for "
    "synapses that release at random; default: 1)",
    panel=_SEARCH,
    type=int | None,
)
ONE_TRIALS = replace(TRIALS, type=int, default=1)
CONFIG = Option(
    "config",
    "--config",
    "FILE",
    "JSON file of search settings; options take precedence",
    panel=_SEARCH,
    type=Path | None,
)

# Workers

_WORKERS = "Workers"
_KINDS = ("local", "dask", "slurm", "pbs", "sge", "lsf")
JOBS = Option(
    "n_jobs",
    "--jobs -j",
    "NUMBER",
    "Worker processes; -1: one per core, -2: leave one core free",
    panel=_WORKERS,
    type=int,
    default=-1,
)
BACKEND = Option(
    "backend",
    "--backend",
    "NAME",
    "Where: local, dask (a running cluster, see --scheduler), or slurm, pbs, sge, lsf (each worker "
    "is a job). All but local need pip install 'wscale\\[cluster]'",
    panel=_WORKERS,
    type=str,
    default="local",
    choices=_KINDS,
)
CLUSTER = (
    Option(
        "scheduler",
        "--scheduler",
        "ADDRESS",
        "Dask: the scheduler's address, such as tcp://127.0.0.1:8786, or its file",
        panel=_WORKERS,
    ),
    Option(
        "workers",
        "--workers",
        "NUMBER",
        "Jobs to submit, one worker each",
        panel=_WORKERS,
        type=int | None,
    ),
    Option("queue", "--queue", "NAME", "Queue or partition for the jobs", panel=_WORKERS),
    Option(
        "walltime", "--walltime", "TIME", "Walltime of each job, such as 02:00:00", panel=_WORKERS
    ),
    Option(
        "job_extra",
        "--job-extra",
        "TEXT",
        "Extra directive for the job script, such as --account=me",
        "; repeat.",
        _WORKERS,
        list[str] | None,
    ),
    Option(
        "interface",
        "--interface",
        "NAME",
        "Network interface by which jobs reach this machine, such as ib0 (default: none, for jobs "
        "on this machine alone)",
        panel=_WORKERS,
    ),
)
TRIAL_TIMEOUT = Option(
    "trial_timeout_s",
    "--trial-timeout",
    "s",
    "Time limit for one trial in s (0: none). Building and settling the cell may take ten times as "
    "long",
    panel=_WORKERS,
    type=float,
    default=600.0,
)
MEMORY_LIMIT = Option(
    "memory_GiB",
    "--memory-limit",
    "GiB",
    "Largest memory of a worker, GiB (Linux; default: no limit)",
    panel=_WORKERS,
    type=float | None,
)
WORKERS = (JOBS, BACKEND, *CLUSTER, TRIAL_TIMEOUT, MEMORY_LIMIT)

# Results

_RESULTS = "Results"
OUT = Option(
    "out",
    "--out",
    "FOLDER",
    "Results folder",
    panel=_RESULTS,
    type=Path,
    default=Path("results"),
)
OUT_CSV = Option("out", "--out", None, "CSV file for the entries", type=Path | None)
FRESH = _flag("fresh", "--fresh", "Discard the existing run in --out and start over", _RESULTS)
RETRY_FAILED = _flag("retry_failed", "--retry-failed", "Search failed sites again", _RESULTS)
VERIFY = _flag(
    "verified", "--verify", "Load each table into a NetPyNE network and measure", _RESULTS
)
TRACES = _flag(
    "traces", "--traces", "Also keep somatic traces and local amplitudes, for wscale plot", _RESULTS
)

UNCALIBRATED = Option(
    "uncalibrated",
    "--uncalibrated",
    "NAME",
    "What the .pkl holds for a segment that is not calibrated: nearest (the entry of the next "
    "calibrated segment towards the soma), cap (the largest entry), zero, or refuse (no .pkl)",
    " (default: nearest).",
    _RESULTS,
    choices=("nearest", "cap", "zero", "refuse"),
)

# Tables, figures and pages

TABLE = Option("table", "--table", None, "weightNorm table, .json or .pkl", type=Path, default=...)
ANY_TABLE = replace(TABLE, usage=", from any source.")
ONE = replace(TABLE, name="one", flags="")
OTHER = replace(ONE, name="other", help="Another, of the same cell")
FULL_RUNS = _flag(
    "full_runs", "--full-runs", "Run NetPyNE from time 0 for every segment: slow, independent", None
)
RESULTS = Option(
    "results",
    "",
    "RESULTS",
    "Results folder, the --out of a search",
    type=str,
    default=...,
)
CELLS_OF_RESULTS = Option(
    "cells",
    "--cell",
    "LABEL",
    "Cell label (with its synapse group)",
    "; repeat for several (default: all).",
    type=list[str] | None,
)

FIGURE = Option(
    "figures",
    "--figure",
    "NAME",
    ", ".join(FIGURES),
    "; repeat for several (default: all that the run allows).",
    type=list[str] | None,
    choices=FIGURES,
)
FORMAT = Option(
    "formats",
    "--format",
    "NAMES",
    ", ".join(FORMATS),
    ", with commas for several.",
    type=str,
    default="png",
    choices=FORMATS,
)
OUT_FIGURES = Option("out", "--out", "FOLDER", "Folder for the figures (default: RESULTS/figures)")
OUT_PAGE = Option("out", "--out", "FILE", "The page (default: RESULTS/report.html)")

# Output

_OUTPUT = "Output"
OUTPUT = (
    _flag("quiet", "--quiet -q", "Print only errors; rely on the exit code", _OUTPUT),
    _flag(
        "verbose",
        "--verbose -v",
        "Log compilation, cache hits, files written and worker status to stderr",
        _OUTPUT,
    ),
    _flag(
        "as_json", "--json", "Print the outcome as JSON; everything else goes to stderr", _OUTPUT
    ),
)

# The settings of a search, in the order of its help
SETTINGS = (
    FOLDER,
    CELLS,
    *CELL_FROM_FILE,
    SECTIONS,
    EXCLUDE,
    LOCATIONS,
    WEIGHTS,
    TARGET,
    INTERPOLATION,
    TOLERANCE,
    MAX_WEIGHT,
    EXTEND,
    WINDOW,
    UNTIL,
    TRIALS,
    UNCALIBRATED,
    CFG,
    *MECHANISMS,
)

_OTHERS = (
    CELL,
    *ACTIVATED,
    GROUP,
    LAST_WEIGHT,
    THRESHOLD,
    CONFIG,
    *WORKERS,
    OUT,
    FRESH,
    RETRY_FAILED,
    VERIFY,
    TRACES,
    TABLE,
    FULL_RUNS,
    FIGURE,
    FORMAT,
)
# How the command line calls a parameter, see wscale.errors.option
FLAGS = {one.name: one.flags.split()[0] for one in (*SETTINGS, *_OTHERS) if one.flags}
FLAGS["targets"] = TARGET.flags
