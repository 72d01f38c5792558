"""The commands that look at one cell and its tables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wscale.errors import ConfigError
from wscale.options import (
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
)
from wscale.voice import AsJson, Quiet, Verbose, console, print_json, say

if TYPE_CHECKING:
    import pandas as pd

_MOST_LINES = 20

__all__ = ["audit_command", "compare_command", "inspect_command", "verify_command"]


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
    target: OneTarget = 0.5,
    tolerance: OneTolerance = 1e-3,
    window: Window = 100.0,
    cfg: Cfg = None,
    mod: Mod = None,
    mod_exclude: ModExclude = None,
    jobs: Jobs = -1,
    full_runs: Annotated[
        bool, typer.Option(help="Run NetPyNE from time 0 for every segment: slow, independent.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="CSV file for the entries.")] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Load a table into a NetPyNE network and compare each segment's unit EPSP with the target.

    Example: wscale verify . --cell PV_simple --table results/weightNorm/PV_simple_weightNorm.pkl
    """
    from wscale.epsp import Protocol
    from wscale.store import content_hashes, write_atomically
    from wscale.verify import verify
    from wscale.weightnorm import WeightNormTable

    model = chosen_model(context.params)
    read = WeightNormTable.read(table, model.cell)
    _check_out(out)
    for what, now in content_hashes(model).items():
        if read.provenance.get("sha256", {}).get(what, now) != now:
            say(
                f"notice: the table was made with another {what} than that of {folder} "
                "now (its provenance says with which command)",
            )
    [check] = verify(
        [(model, read)],
        target_mV=target,
        protocol=Protocol(window_ms=window),
        tolerance=tolerance,
        jobs=jobs,
        full_runs=full_runs,
    )
    if out is not None:
        write_atomically(out, check.frame.to_csv(index=False).encode())
    promised = check.promised
    say(
        f"{check.cell}: {int(promised['met'].sum())} of {len(promised)} entries give their target "
        f"within {tolerance:.2%}; largest error {check.largest_error:.2e}",
    )
    for row in promised[~promised["met"]].itertuples():
        say(
            f"  {row.sec}[{row.segment}]: {row.epsp_mV:.4g} mV instead of {row.target_mV:g} mV "
            f"({row.status})",
        )
    others = len(check.frame) - len(promised)
    if others:
        say(
            f"  {others} entries promise nothing: they hold the cap",
        )
    misread = check.misread
    if len(misread):
        say(
            f"  NetPyNE reads another segment's entry at the centre of {len(misread)} segments "
            "(Python rounds halves to even); worst effects:",
        )
        effect = (misread["centre_epsp_mV"] / misread["target_mV"] - 1).abs()
        for index in effect.sort_values(ascending=False).index[:5]:
            row = misread.loc[index]
            say(
                f"    {row['sec']}[{row['segment']}]: reads entry {row['centre_reads']}, gives "
                f"{row['centre_epsp_mV']:.4g} mV instead of {row['target_mV']:g} mV",
            )
    print_json(
        {
            "cell": check.cell,
            "passed": check.passed,
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
    target: OneTarget = 0.5,
    tolerance: OneTolerance = 1e-3,
    last_weight: Annotated[
        float, typer.Option(help="Last weight of the grid that the table was made with, uS.")
    ] = 1.9e-3,
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

    Example: wscale audit . --cell IT2_reduced --table IT2_weightNorm.pkl --cfg dt=0.05
    """
    from wscale.audit import audit
    from wscale.epsp import Protocol
    from wscale.store import write_atomically
    from wscale.weightnorm import WeightNormTable

    _check_out(out)
    model = chosen_model(context.params)
    result = audit(
        model,
        WeightNormTable.read(table, model.cell),
        target_mV=target,
        protocol=Protocol(window_ms=window),
        tolerance=tolerance,
        jobs=jobs,
        last_weight_uS=last_weight,
    )
    if out is not None:
        write_atomically(out, result.frame.to_csv(index=False).encode())
    counts = ", ".join(f"{count} {verdict}" for verdict, count in result.counts.items())
    say(f"{model.label}, dt {model.dt_ms:g} ms, {len(result.frame)} entries: {counts}")
    wrong = result.worst(len(result.frame))
    for row in wrong[:_MOST_LINES].itertuples():
        say(f"  {row.sec}[{row.segment}]: {row.verdict}: {row.why}")
    if len(wrong) > _MOST_LINES:
        say(f"  and {len(wrong) - _MOST_LINES} more; --out FILE.csv has all")
    if result.without_entries:
        say(f"  no entries, so that NetPyNE does not scale: {', '.join(result.without_entries)}")
    misread = result.misread
    if len(misread):
        say(
            f"  at the centre of {len(misread)} segments NetPyNE reads another entry (Python "
            "rounds halves to even):"
        )
        for row in misread[:_MOST_LINES].itertuples():
            say(f"    {row.sec}[{row.segment}]: {row.centre_why}")
    print_json({"cell": result.cell, **_verdict(result.passed, result.counts, result.frame)})
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

    Example: wscale compare results/weightNorm/PV_simple_weightNorm.json published.pkl
    """
    from wscale.compare import compare
    from wscale.store import write_atomically
    from wscale.weightnorm import WeightNormTable

    _check_out(out)
    result = compare(WeightNormTable.read(one), WeightNormTable.read(other), tolerance)
    if out is not None:
        write_atomically(out, result.frame.to_csv(index=False).encode())
    counts = ", ".join(f"{count} {verdict}" for verdict, count in result.counts.items())
    say(f"{counts or 'no entries'}; largest difference {result.largest_difference:.2e}")
    for file, sections in (
        (one, result.sections_only_one),
        (other, result.sections_only_other),
    ):
        if sections:
            say(f"  only in {file}: {', '.join(sections)}")
    for sec, (mine, theirs) in result.shapes.items():
        say(f"  {sec}: {mine} entries, and {theirs}")
    alone = {*result.sections_only_one, *result.sections_only_other}
    apart = result.frame[
        result.frame["verdict"].isin(["differs", "only_one", "only_other"])
        & ~result.frame["sec"].isin(alone)
    ]
    order = apart["difference"].abs().fillna(float("inf")).sort_values(ascending=False).index
    for index in order[:_MOST_LINES]:
        row = apart.loc[index]
        say(
            f"  {row['sec']}[{row['segment']}]: {row['one']:.6g} and {row['other']:.6g} uS/mV "
            f"({row['verdict']}; {row['status_one']}, {row['status_other']})"
        )
    if len(apart) > _MOST_LINES:
        say(f"  and {len(apart) - _MOST_LINES} more; --out FILE.csv has all")
    print_json(_verdict(result.equal, result.counts, result.frame))
    raise typer.Exit(0 if result.equal else 1)


def inspect_command(
    context: typer.Context,
    folder: Folder,
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
    weights: Annotated[int, typer.Option(help="Weights of the grid that is estimated.")] = 19,
    window: Window = 100.0,
    cfg: Cfg = None,
    mod: Mod = None,
    mod_exclude: ModExclude = None,
    jobs: Jobs = -1,
    quiet: Quiet = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Say what is in a model before any search, how it rests, and what a search will cost.

    Example: wscale inspect . --cell PT5B_reduced --cfg dt=0.05
    """
    from wscale.epsp import Protocol
    from wscale.inspection import inspect_cell
    from wscale.inspection_table import print_inspection

    model = chosen_model(context.params)
    found = inspect_cell(model, protocol=Protocol(window_ms=window), weights=weights, jobs=jobs)
    print_inspection(found, console())
    print_json(found.as_dict())
    raise typer.Exit(0 if found.fit else 1)


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
