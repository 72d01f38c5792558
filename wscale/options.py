"""Options that several commands have, and what they stand for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from wscale.errors import ConfigError
from wscale.model import Model
from wscale.overrides import parse_overrides
from wscale.synapses import SynapseGroup, parse_synmechs, read_groups, with_synapses

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
Cell = Annotated[str | None, typer.Option("--cell", help="Cell label.")]
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


def chosen_model(
    folder: Path,
    cell: str | None,
    cfg: list[str] | None,
    mod: list[Path] | None,
    mod_exclude: list[str] | None = None,
    synmechs: list[str] | None = None,
    factors: str | None = None,
    file: Path | None = None,
    group: str | None = None,
) -> Model:
    """Return the model that the options of a command for one cell stand for."""
    groups = synapse_groups(synmechs, factors, file)
    if group is not None or len(groups) > 1:
        if group not in groups:
            raise ConfigError(
                f"--group {group!r} must be one of {', '.join(groups) or 'a --synapses file'}"
            )
        groups = {group: groups[group]}
    model = Model.from_folder(
        folder, cell, parse_overrides(cfg or ()), mod or None, mod_exclude or ()
    )
    for name, given in groups.items():
        if unknown := set(given) - {"synMechs", "weightFactors", "target_mV"}:
            raise ConfigError(f"synapse group {name!r} has unknown keys {sorted(unknown)}")
        factors_of = given.get("weightFactors")
        return with_synapses(
            model,
            SynapseGroup(
                name, given.get("synMechs", {}), None if factors_of is None else tuple(factors_of)
            ),
        )
    return model
