"""Files of weightNorm tables, ours and those of others: read, or refused with what is wrong."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, get_args

from wscale._util.json_files import parse_json, read_bytes, user_path
from wscale._util.pickles import load_plain
from wscale._util.plain import is_number, to_plain
from wscale.errors import TableError
from wscale.model.weight_unit import WeightUnit
from wscale.tables.uncalibrated import Uncalibrated

__all__ = ["read_table"]

# At most so many tables of a folder are told
_TOLD = 5

# The fields of a .json that have one entry a segment, text or finite numbers and null
_TEXTS = ("status", "reason")
_FIELDS = (
    *("status", "residual", "epsp_mV", "largest_epsp_mV", "reason", "target_mV"),
    *("stand_in", "stand_in_epsp_mV", "ci95_mV"),
)


def read_table(file: Path, cell: str | None = None) -> dict[str, Any]:
    """Return the fields of a :class:`wscale.WeightNormTable`, by name, that a file holds.

    Parameters and errors are those of :meth:`wscale.WeightNormTable.read`.
    """
    try:
        content = read_bytes(file, "table", TableError)
    except TableError as problem:
        raise TableError(f"{problem}{_remedy(user_path(file))}") from problem
    try:
        data = (
            parse_json(content)
            if file.suffix == ".json"
            else to_plain(load_plain(content), file.name)
        )
    except Exception as error:  # damaged pickles raise nearly anything
        raise TableError(f"{file} cannot be read as a weightNorm table: {error}") from error
    own = isinstance(data, dict) and "weightNorm" in data
    values = data["weightNorm"] if own else data
    _check_shape(file, values)
    weights = {sec: [_finite(entry) for entry in row] for sec, row in values.items()}
    if own:
        return {"weight_norm": weights, **_own_fields(file, data)}
    return {
        "cell": cell or file.stem.removesuffix("_weightNorm"),
        "weight_norm": weights,
        "status": {
            sec: ["not_finite" if weight is None else "given" for weight in row]
            for sec, row in weights.items()
        },
    }


def _remedy(file: Path) -> str:
    """Say what to give in place of a folder, or of a .pkl that was not written."""
    if os.path.isdir(file):  # noqa: PTH112  # Path's own raises for names that no file can have
        inside = sorted({*file.glob("*.json"), *file.glob("weightNorm/*.json")})
        tables = [str(path) for path in inside if path.stem.endswith("_weightNorm")]
        more = f", ... ({len(tables)} in all)" if len(tables) > _TOLD else ""
        one = f"one of {', '.join(tables[:_TOLD])}{more}" if tables else "a .json or .pkl file"
        return f"; a table is a file: give {one}"
    beside = file.with_suffix(".json") if file.suffix == ".pkl" else file
    if beside != file and os.path.isfile(beside):  # noqa: PTH113
        return (
            f", but {beside.name} is beside it: that says which segments have no weightNorm and "
            "why, and results.json (no_pkl_because) why there is no .pkl"
        )
    return ""


def _own_fields(file: Path, data: dict[str, Any]) -> dict[str, Any]:
    """Return what else a .json of this project holds; all must fit its entries, one by one."""
    shape = {sec: len(row) for sec, row in data["weightNorm"].items()}
    fields = {name: data.get(name, {}) for name in _FIELDS}
    target = data.get("target_mV")
    if is_number(target):
        fields["target_mV"] = {sec: [target] * size for sec, size in shape.items()}
    if not isinstance(data.get("cell"), str) or target is None or not fields["status"]:
        raise TableError(
            f"{file} must name its cell, its target_mV and the status of every entry; make the "
            "table again"
        )
    for name, rows in fields.items():
        if rows != {} and not _fits(rows, shape, name in _TEXTS):
            raise TableError(
                f"{file}: {name!r} does not fit 'weightNorm', entry by entry; make the table again"
            )
    origin = data.get("provenance", {})
    if not isinstance(origin, dict) or not isinstance(origin.get("sha256", {}), dict):
        raise TableError(f"{file}: 'provenance' must be an object; make the table again")
    how = data.get("uncalibrated", "cap")
    if how not in get_args(Uncalibrated):
        raise TableError(f"{file}: 'uncalibrated' = {how!r} is unknown; make the table again")
    return {
        "cell": data["cell"],
        "provenance": origin,
        "uncalibrated": how,
        "weight_unit": _unit(file, data.get("weight_unit", {})),
        **fields,
    }


def _unit(file: Path, given: Any) -> WeightUnit:
    """Return the unit of the weights; uS where the table is older than this field."""
    if not isinstance(given, dict) or given.keys() - {"name", "uS", "source"}:
        raise TableError(f"{file}: 'weight_unit' = {given!r} is damaged; make the table again")
    unit = WeightUnit(**given)
    sound = isinstance(unit.name, str) and isinstance(unit.source, str) and is_number(unit.uS)
    if not sound or unit.uS <= 0:
        raise TableError(f"{file}: 'weight_unit' = {given!r} is damaged; make the table again")
    return unit


def _fits(rows: Any, shape: dict[str, int], is_text: bool) -> bool:
    """Whether a field has one entry for each of the table's, text or finite numbers and null."""
    return (
        isinstance(rows, dict)
        and {sec: len(row) for sec, row in rows.items() if isinstance(row, list)} == shape
        and all(
            isinstance(entry, str) if is_text else entry is None or is_number(entry)
            for row in rows.values()
            for entry in row
        )
    )


def _finite(entry: Any) -> float | None:
    """Return a finite number as a float, and None for anything else."""
    return float(entry) if is_number(entry) else None


def _check_shape(file: Path, values: Any) -> None:
    sound = isinstance(values, dict) and all(
        sec.isprintable()
        and isinstance(row, list)
        and all(
            entry is None or (isinstance(entry, int | float) and not isinstance(entry, bool))
            for entry in row
        )
        for sec, row in values.items()
    )
    if not sound or not values:
        raise TableError(
            f"{file} is not a weightNorm table: it must hold {{section: [float, ...]}}"
        )
