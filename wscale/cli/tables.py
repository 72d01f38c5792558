"""The commands that look at one cell and its tables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from wscale.calibrate.options import (
    ACTIVATED,
    ANY_TABLE,
    CELL,
    CELL_FROM_FILE,
    CFG,
    EQUAL_TOLERANCE,
    FOLDER,
    FULL_RUNS,
    GROUP,
    JOBS,
    LAST_WEIGHT,
    MECHANISMS,
    MET_TOLERANCE,
    ONE,
    ONE_TARGET,
    ONE_TRIALS,
    ONE_WINDOW,
    OTHER,
    OUT_CSV,
    OUTPUT,
    TABLE,
    THRESHOLD,
)
from wscale.cli.options import chosen_model, synapse_groups
from wscale.cli.output import print_json
from wscale.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from wscale.measurement.epsp import Protocol
    from wscale.model.model import Model
    from wscale.verification.origin import TableOrigin

__all__ = ["AUDIT", "COMPARE", "VERIFY", "audit_command", "compare_command", "verify_command"]

_CELL = (CELL, *CELL_FROM_FILE, *ACTIVATED, GROUP, ONE_TARGET, MET_TOLERANCE)
_RUN = (ONE_WINDOW, ONE_TRIALS, CFG, *MECHANISMS, JOBS)
VERIFY = (FOLDER, TABLE, *_CELL, THRESHOLD, *_RUN, FULL_RUNS, OUT_CSV, *OUTPUT)
AUDIT = (FOLDER, ANY_TABLE, *_CELL, LAST_WEIGHT, THRESHOLD, *_RUN, OUT_CSV, *OUTPUT)
COMPARE = (ONE, OTHER, EQUAL_TOLERANCE, OUT_CSV, *OUTPUT)


def verify_command(options: dict[str, Any]) -> None:
    """Load a table into a NetPyNE network and compare each segment's unit EPSP with the target.

    Example: wscale verify . --cell PV_simple --table norm/weightNorm/PV_simple_weightNorm.pkl
    --cfg dt=0.05
    """
    from wscale.cli.messages import say_origin, say_verification
    from wscale.verification.verify import verify

    protocol = _checked(options)
    model = chosen_model(options)
    origin = _origin(options, model)
    say_origin(origin)
    [check] = verify(
        [(model, origin.table)],
        protocol=protocol,
        tolerance=options["tolerance"],
        n_jobs=options["n_jobs"],
        full_runs=options["full_runs"],
        threshold=options["threshold"],
    )
    _write(check.frame, options["out"])
    say_verification(check, origin)
    print_json(
        {
            "cell": check.cell,
            "passed": check.passed,
            **_said(origin),
            "largest_error": check.largest_error,
            "entries": check.frame,
        }
    )
    raise typer.Exit(0 if check.passed else 1)


def audit_command(options: dict[str, Any]) -> None:
    """Simulate every entry of a table, and report which ones miss their target, and why.

    Use the configuration that the table was made with: the published M1 tables have dt=0.05.

    Example: wscale audit . --cell PV_simple --table norm/weightNorm/PV_simple_weightNorm.pkl
    --cfg dt=0.05
    """
    from wscale.cli.messages import say_audit, say_origin
    from wscale.verification.audit import audit

    protocol = _checked(options)
    model = chosen_model(options)
    origin = _origin(options, model)
    say_origin(origin)
    result = audit(
        model,
        origin.table,
        protocol=protocol,
        tolerance=options["tolerance"],
        n_jobs=options["n_jobs"],
        last_weight_uS=options["last_weight_uS"],
        threshold=options["threshold"],
    )
    _write(result.frame, options["out"])
    say_audit(result, model.label, model.dt_ms)
    verdict = _verdict(result.passed, result.counts, result.frame)
    print_json({"cell": result.cell, **_said(origin), **verdict})
    raise typer.Exit(0 if result.passed else 1)


def compare_command(options: dict[str, Any]) -> None:
    """Compare two tables, entry by entry.

    Example: wscale compare grid/weightNorm/PV_simple_weightNorm.json
    norm/weightNorm/PV_simple_weightNorm.json --tolerance 0.002
    """
    from wscale.cli.messages import say_comparison
    from wscale.tables.compare import compare
    from wscale.tables.weightnorm import WeightNormTable

    _check_out(options["out"])
    one, other = options["one"], options["other"]
    result = compare(WeightNormTable.read(one), WeightNormTable.read(other), options["tolerance"])
    _write(result.frame, options["out"])
    say_comparison(result, one, other)
    print_json(_verdict(result.equal, result.counts, result.frame))
    raise typer.Exit(0 if result.equal else 1)


def _origin(options: Mapping[str, Any], model: Model) -> TableOrigin:
    """Read the table of a command, with its targets and its origin."""
    from wscale.verification.origin import table_origin

    groups = synapse_groups(options["synmech"], options["factors"], options["synapses"])
    group = groups.get(options["group"]) or next(iter(groups.values()), None)
    return table_origin(options["table"], model, options["target_mV"], group)


def _checked(options: Mapping[str, Any]) -> Protocol:
    """Refuse what is wrong in options and in the table, before the model is read."""
    from wscale.measurement.epsp import Protocol
    from wscale.model.checks import check_tolerance
    from wscale.model.targets import Targets
    from wscale.parallel.pool import LocalBackend
    from wscale.tables.weightnorm import WeightNormTable

    _check_out(options["out"])
    check_tolerance(options["tolerance"])
    if options["target_mV"] is not None:
        Targets(options["target_mV"])
    WeightNormTable.read(options["table"])
    LocalBackend(options["n_jobs"])
    return Protocol(window_ms=options["window_ms"], trials=options["trials"])


def _check_out(file: Path | None) -> None:
    """Refuse a file for the entries that cannot be written, before anything is simulated."""
    if file is None:
        return
    if file.is_dir() or not file.parent.is_dir() or not os.access(file.parent, os.W_OK):
        raise ConfigError(
            f"--out {file} must be a file in a folder that exists and can be written into"
        )


def _write(entries: pd.DataFrame, file: Path | None) -> None:
    from wscale._util.files import write_atomically

    if file is not None:
        write_atomically(file, entries.to_csv(index=False).encode())


def _verdict(passed: bool, counts: Mapping[str, int], entries: pd.DataFrame) -> dict[str, Any]:
    return {"passed": passed, "counts": dict(counts), "entries": entries}


def _said(origin: TableOrigin) -> dict[str, Any]:
    return {"target": origin.target, "made_with": list(origin.made_with)}
