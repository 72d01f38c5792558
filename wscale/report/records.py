"""What results.json says of a run and of each cell, checked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wscale.errors import ConfigError
from wscale.jsonfile import read_json

__all__ = ["CellRecord", "Checked", "LastRun", "Provenance", "Settings", "read_records"]


class _Record(BaseModel):
    """A part of results.json; numbers are finite."""

    model_config = ConfigDict(allow_inf_nan=False)


class Checked(_Record):
    """The check in a NetPyNE network; ``largest_error`` is relative."""

    passed: bool
    largest_error: float | None
    misread_centres: int


class Settings(_Record):
    """The settings that a report explains; the others are kept as they are."""

    model_config = ConfigDict(allow_inf_nan=False, extra="allow")

    locations: str | list[float] = "every"
    tolerance: float = 1e-3
    interpolation: str = "monotone"
    cfg: dict[str, Any] = Field(default_factory=dict)


class Provenance(_Record):
    """What a table was made with."""

    command: str
    versions: dict[str, str]
    machine: str = ""
    sha256: dict[str, str]


class CellRecord(_Record):
    """The entry of a cell."""

    files: dict[str, str | None]
    settings: Settings
    provenance: Provenance
    trials: int
    worker_seconds: float
    loss_mV2: float | None = None
    no_pkl_because: str | None = None
    notices: list[str] = Field(default_factory=list)
    verified: Checked | None = None


class LastRun(_Record):
    """The last run of a search into the folder."""

    finished: str
    wall_seconds: float
    jobs: int


def read_records(file: Path, labels: Sequence[str]) -> tuple[dict[str, CellRecord], LastRun | None]:
    """Return the entries of cells that results.json has, by label, and the last run.

    Raises
    ------
    ConfigError
        The file is damaged.
    """
    content = read_json(file, "results file")
    try:
        records = {label: CellRecord.model_validate(content["cells"][label]) for label in labels}
        last = content.get("last_run")
        return records, None if last is None else LastRun.model_validate(last)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigError(
            f"{file} is damaged at {where}: {first['msg']}; give the search's command again, which "
            "writes it anew"
        ) from error
