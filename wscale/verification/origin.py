"""Where a table comes from: its entries, each with its target, and what it was made with."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from wscale._util.json_files import user_path
from wscale.errors import TableError, option
from wscale.model.model import Model
from wscale.model.targets import Targets
from wscale.results.identity import differences
from wscale.results.provenance import content_hashes, protocol_of
from wscale.tables.fit import check_fit, places_of
from wscale.tables.weightnorm import WeightNormTable

__all__ = ["TableOrigin", "table_origin"]

_USUAL_mV = 0.5
# At most so many differences of two configurations are told
_TOLD = 8
_OTHER = {
    "cell": "another cell",
    "mechanisms": "other mechanisms",
    "configuration": "another configuration",
}


@dataclasses.dataclass(frozen=True)
class TableOrigin:
    """A table with its targets, and what it was made with.

    Parameters
    ----------
    table : WeightNormTable
        The table; every entry has its target.
    target : str
        The target, and where it was taken from, in words.
    made_with : tuple of str
        What the table was made with that differs from what is simulated now, in words; none where
        nothing differs, or nothing is known of it.
    """

    table: WeightNormTable
    target: str
    made_with: tuple[str, ...]


def table_origin(
    file: Path,
    model: Model,
    target_mV: float | None = None,
    group: Mapping[str, Any] | None = None,
) -> TableOrigin:
    """Read a table, and find its targets and its origin.

    A .pkl is entries alone, some of which may not be calibrated. Where wscale's .json of the same
    entries is beside it, that is read: it has targets and provenance, and says which entries are
    not calibrated.

    Parameters
    ----------
    file : Path
        As :meth:`wscale.WeightNormTable.read` takes it.
    model : Model
        What it is tried on.
    target_mV : float, optional
        The target of all entries, mV; before all others.
    group : mapping, optional
        The synapse group, as in a file of groups: its ``target_mV`` counts where the table has
        none. Without any, the target is 0.5 mV.

    Raises
    ------
    TableError
        There is no such table, or it does not fit the model.
    SelectionError
        A target that cannot be one.
    """
    table = WeightNormTable.read(file, model.cell)
    check_fit(model, table)
    beside = _same_entries_beside(user_path(file), table)
    table = beside or table
    known = [target for row in table.target_mV.values() for target in row if target is not None]
    if target_mV is not None:
        targets, origin = Targets(target_mV), f"as {option('target_mV')} says"
        table = dataclasses.replace(table, target_mV={})
    elif known:
        said_by = "the table" if beside is None else f"the .json beside {file.name}"
        targets, origin = Targets(known[0]), f"as {said_by} says"
    elif group is not None and group.get("target_mV") is not None:
        targets, origin = _of_group(group["target_mV"]), "as the synapse group says"
    else:
        targets = Targets(_USUAL_mV)
        origin = f"the usual one, since the table says none; {option('target_mV')} sets another"
    table = _with_targets(table, model, targets)
    made_with = tuple(_made_with(table.provenance, model))
    return TableOrigin(table, f"{_in_words(table)}, {origin}", made_with)


def _same_entries_beside(file: Path, table: WeightNormTable) -> WeightNormTable | None:
    """Return the .json beside a .pkl, where NetPyNE would load the same entries of both."""
    beside = file.with_suffix(".json")
    if file.suffix == ".json" or not beside.is_file():
        return None
    try:
        found = WeightNormTable.read(beside)
        same = found.for_netpyne() == table.weight_norm
    except TableError:
        return None
    return found if same else None


def _of_group(target: float | Mapping[str, float]) -> Targets:
    if not isinstance(target, Mapping):
        return Targets(target)
    places = dict(target)
    return Targets(places.pop("default", _USUAL_mV), places)


def _with_targets(table: WeightNormTable, model: Model, targets: Targets) -> WeightNormTable:
    """Give every entry its target: the table's own, else that of its place."""
    filled: dict[str, list[float | None]] = {sec: [] for sec in table.weight_norm}
    for sec, segment, *_ in table.entries():
        _, centre = places_of(model, sec, segment)
        filled[sec].append(table.target_at(sec, segment, targets.at(model.cell, centre)))
    return dataclasses.replace(table, target_mV=filled)


def _in_words(table: WeightNormTable) -> str:
    values = sorted({value for row in table.target_mV.values() for value in row if value})
    if len(values) > 1:
        return f"targets {values[0]:g} to {values[-1]:g} mV"
    return f"target {values[0]:g} mV" if values else "no target"


def _made_with(provenance: Mapping[str, Any], model: Model) -> Iterator[str]:
    """Say what a table was made with that differs from what is simulated now."""
    there, made = provenance.get("sha256", {}), provenance.get("protocol")
    for what, now in content_hashes(model).items():
        if there.get(what, now) == now:
            continue
        details: list[str] = []
        if what == "configuration" and isinstance(made, Mapping):
            details = list(differences(made, protocol_of(model)))
            details = details or ["in something that the table does not hold"]
        more = f"; and {len(details) - _TOLD} more" if len(details) > _TOLD else ""
        of = f": {'; '.join(details[:_TOLD])}{more}" if details else ""
        yield f"{_OTHER[what]}{of}"
