"""The commands that look at one cell and its tables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wscale.cli.messages import say_audit, say_comparison, say_promise, say_verification
from wscale.cli.options import (
    Biophysics,
    Cell,
    CellArgs,
    CellClass,
    CellPath,
    Cfg,
    Factors,
    Folder,
    Group,
    Jobs,
    Mod,
    ModExclude,
    OneTarget,
    OneTolerance,
    Soma,
    Synapses,
    SynMechs,
    Window,
    chosen_model,
    of_search,
    synapse_groups,
)
from wscale.cli.output import AsJson, Quiet, Verbose, print_json
from wscale.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from wscale.model.model import Model
    from wscale.verification.origin import Promise

__all__ = ["audit_command", "compare_command", "verify_command"]


def verify_command(
    context: typer.Context,
    folder: Folder,
    table: Annotated[Path, typer.Option(help="weightNorm table, .json or .pkl.")],
    cell: Cell = None,
    cell_file: CellPath = None,
    cell_class: CellClass = None,
    cell_args: CellArgs = None,
    biophysics: Biophysics = None,
    soma: Soma = None,
    synmech: SynMechs = None,
    factors: Factors = None,
    synapses: Synapses = None,
    group: Group = None,
    target: OneTarget = None,
    tolerance: OneTolerance = 1e-3,
    window: Window = 100.0,
    cfg: Cfg = None,
    mod: Mod = None,
    mod_exclude: ModExclude = None,
    jobs: Jobs = -1,
    full_runs: Annotated[
        bool,
        typer.Option(
            "--full-runs", help="Run NetPyNE from time 0 for every segment: slow, independent."
        ),
    ] = False,
    out: Annotated[Path | None, typer.Option(help="CSV file for the entries.")] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Load a table into a NetPyNE network and compare each segment's unit EPSP with the target.

    Example: wscale verify . --cell PV_simple --table norm/weightNorm/PV_simple_weightNorm.pkl
    --cfg dt=0.05
    """
    from wscale._util.files import write_atomically
    from wscale.measurement.epsp import Protocol
    from wscale.verification.verify import verify

    _check_out(out)
    model = chosen_model(context.params)
    promise = _promise(context.params, model)
    say_promise(promise)
    [check] = verify(
        [(model, promise.table)],
        protocol=Protocol(window_ms=window),
        tolerance=tolerance,
        n_jobs=jobs,
        full_runs=full_runs,
    )
    if out is not None:
        write_atomically(out, check.frame.to_csv(index=False).encode())
    say_verification(check, promise)
    print_json(
        {
            "cell": check.cell,
            "passed": check.passed,
            **_said(promise),
            "largest_error": check.largest_error,
            "entries": check.frame,
        }
    )
    raise typer.Exit(0 if check.passed else 1)


def audit_command(
    context: typer.Context,
    folder: Folder,
    table: Annotated[Path, typer.Option(help="weightNorm table, .json or .pkl, of anybody.")],
    cell: Cell = None,
    cell_file: CellPath = None,
    cell_class: CellClass = None,
    cell_args: CellArgs = None,
    biophysics: Biophysics = None,
    soma: Soma = None,
    synmech: SynMechs = None,
    factors: Factors = None,
    synapses: Synapses = None,
    group: Group = None,
    target: OneTarget = None,
    tolerance: OneTolerance = 1e-3,
    last_weight: Annotated[
        float | None,
        of_search(
            metavar="uS",
            help="Last weight of the grid that the table was made with, for the verdict "
            "extrapolated; 0.0019 for the published M1 tables.",
        ),
    ] = None,
    window: Window = 100.0,
    cfg: Cfg = None,
    mod: Mod = None,
    mod_exclude: ModExclude = None,
    jobs: Jobs = -1,
    out: Annotated[Path | None, typer.Option(help="CSV file for the entries.")] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Simulate every entry of a table, and say which do not give what they promise, and why.

    Use the configuration that the table was made with: the published M1 tables have dt=0.05.

    Example: wscale audit . --cell PV_simple --table norm/weightNorm/PV_simple_weightNorm.pkl
    --cfg dt=0.05
    """
    from wscale._util.files import write_atomically
    from wscale.measurement.epsp import Protocol
    from wscale.verification.audit import audit

    _check_out(out)
    model = chosen_model(context.params)
    promise = _promise(context.params, model)
    say_promise(promise)
    result = audit(
        model,
        promise.table,
        protocol=Protocol(window_ms=window),
        tolerance=tolerance,
        n_jobs=jobs,
        last_weight_uS=last_weight,
    )
    if out is not None:
        write_atomically(out, result.frame.to_csv(index=False).encode())
    say_audit(result, model.label, model.dt_ms)
    verdict = _verdict(result.passed, result.counts, result.frame)
    print_json({"cell": result.cell, **_said(promise), **verdict})
    raise typer.Exit(0 if result.passed else 1)


def compare_command(
    one: Annotated[Path, typer.Argument(help="weightNorm table, .json or .pkl.")],
    other: Annotated[Path, typer.Argument(help="Another, of the same cell.")],
    tolerance: Annotated[
        float, typer.Option(help="Largest relative difference that counts as equal.")
    ] = 1e-3,
    out: Annotated[Path | None, typer.Option(help="CSV file for the entries.")] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Compare two tables, entry by entry.

    Example: wscale compare grid/weightNorm/PV_simple_weightNorm.json
    norm/weightNorm/PV_simple_weightNorm.json --tolerance 0.002
    """
    from wscale._util.files import write_atomically
    from wscale.tables.compare import compare
    from wscale.tables.weightnorm import WeightNormTable

    _check_out(out)
    result = compare(WeightNormTable.read(one), WeightNormTable.read(other), tolerance)
    if out is not None:
        write_atomically(out, result.frame.to_csv(index=False).encode())
    say_comparison(result, one, other)
    print_json(_verdict(result.equal, result.counts, result.frame))
    raise typer.Exit(0 if result.equal else 1)


def _promise(options: Mapping[str, Any], model: Model) -> Promise:
    """Read the table of a command, with its targets and its origin."""
    from wscale.verification.origin import promise_of

    groups = synapse_groups(options["synmech"], options["factors"], options["synapses"])
    group = groups.get(options["group"]) or next(iter(groups.values()), None)
    return promise_of(options["table"], model, options["target"], group)


def _check_out(file: Path | None) -> None:
    """Refuse a file for the entries that cannot be written, before anything is simulated."""
    if file is None:
        return
    if file.is_dir() or not file.parent.is_dir() or not os.access(file.parent, os.W_OK):
        raise ConfigError(
            f"--out {file} must be a file in a folder that exists and can be written into"
        )


def _verdict(passed: bool, counts: Mapping[str, int], entries: pd.DataFrame) -> dict[str, Any]:
    return {"passed": passed, "counts": dict(counts), "entries": entries}


def _said(promise: Promise) -> dict[str, Any]:
    return {"target": promise.target, "made_with": list(promise.made_with)}
