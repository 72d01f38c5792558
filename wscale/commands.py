"""The commands that look at one cell and its tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from wscale.options import (
    Cell,
    Cfg,
    Factors,
    Folder,
    Group,
    Jobs,
    Mod,
    ModExclude,
    OneTarget,
    OneTolerance,
    Synapses,
    SynMechs,
    Window,
    chosen_model,
)

__all__ = ["verify_command"]


def verify_command(
    folder: Folder,
    table: Annotated[Path, typer.Option(help="weightNorm table, .json or .pkl.")],
    cell: Cell = None,
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
) -> None:
    """Load a table into a NetPyNE network and compare each segment's unit EPSP with the target.

    Example: wscale verify . --cell PV_simple --table results/weightNorm/PV_simple_weightNorm.pkl
    """
    from wscale.epsp import Protocol
    from wscale.store import content_hashes, write_atomically
    from wscale.verify import verify
    from wscale.weightnorm import WeightNormTable

    model = chosen_model(folder, cell, cfg, mod, mod_exclude, synmech, factors, synapses, group)
    read = WeightNormTable.read(table, model.cell)
    console = Console()
    for what, now in content_hashes(model).items():
        if read.provenance.get("sha256", {}).get(what, now) != now:
            console.print(
                f"[yellow]notice[/]: the table was made with another {what} than that of {folder} "
                "now (its provenance says with which command)",
                highlight=False,
                soft_wrap=True,
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
    console.print(
        f"{check.cell}: {int(promised['met'].sum())} of {len(promised)} entries give their target "
        f"within {tolerance:.2%}; largest error {check.largest_error:.2e}",
        highlight=False,
        soft_wrap=True,
    )
    for row in promised[~promised["met"]].itertuples():
        console.print(
            f"  {row.sec}[{row.segment}]: {row.epsp_mV:.4g} mV instead of {row.target_mV:g} mV "
            f"({row.status})",
            highlight=False,
            soft_wrap=True,
        )
    others = len(check.frame) - len(promised)
    if others:
        console.print(
            f"  {others} entries promise nothing: they hold the cap",
            highlight=False,
            soft_wrap=True,
        )
    misread = check.misread
    if len(misread):
        console.print(
            f"  NetPyNE reads another segment's entry at the centre of {len(misread)} segments "
            "(Python rounds halves to even); worst effects:",
            highlight=False,
            soft_wrap=True,
        )
        effect = (misread["centre_epsp_mV"] / misread["target_mV"] - 1).abs()
        for index in effect.sort_values(ascending=False).index[:5]:
            row = misread.loc[index]
            console.print(
                f"    {row['sec']}[{row['segment']}]: reads entry {row['centre_reads']}, gives "
                f"{row['centre_epsp_mV']:.4g} mV instead of {row['target_mV']:g} mV",
                highlight=False,
                soft_wrap=True,
            )
    raise typer.Exit(0 if check.passed else 1)
