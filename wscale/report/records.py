"""What results.json says of a run and of each cell, checked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from wscale.errors import ConfigError
from wscale.results.contents import ANEW, LastRun, read_contents

__all__ = ["CellRecord", "Checked", "Protocol", "Provenance", "Settings", "read_records"]


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


class Protocol(_Record):
    """What the weights belong to: synapses and how the cell was simulated; None: not known."""

    synMechs: dict[str, dict[str, Any]] = Field(default_factory=dict)
    weightFactors: list[float] = Field(default_factory=list)
    celsius_degC: float | None = None
    v_init_mV: float | str | None = None
    dt_ms: float | None = None


class Provenance(_Record):
    """What a table was made with."""

    command: str
    versions: dict[str, str]
    machine: str = ""
    sha256: dict[str, str]
    protocol: Protocol | None = None


class CellRecord(_Record):
    """The entry of a cell; ``files`` are those inside the folder."""

    files: dict[str, str | None]
    settings: Settings
    provenance: Provenance
    trials: int
    worker_seconds: float
    loss_mV2: float | None = None
    no_pkl_because: str | None = None
    notices: list[str] = Field(default_factory=list)
    verified: Checked | None = None

    @field_validator("files")
    @classmethod
    def _only_inside(cls, files: dict[str, str | None]) -> dict[str, str | None]:
        return {name: path for name, path in files.items() if path is None or _is_inside(path)}


def _is_inside(path: str) -> bool:
    """Whether a path, of any system, stays in the folder that it is seen from."""
    posix, windows = PurePosixPath(path), PureWindowsPath(path)
    return not (posix.is_absolute() or windows.anchor or ".." in (*posix.parts, *windows.parts))


def read_records(
    folder: Path, labels: Sequence[str]
) -> tuple[dict[str, CellRecord], LastRun | None]:
    """Return the entries of cells that results.json has, by label, and the last run.

    Raises
    ------
    ConfigError
        The file is damaged.
    """
    contents = read_contents(folder)
    try:
        records = {label: CellRecord.model_validate(contents.cells[label]) for label in labels}
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigError(
            f"{contents.file} is damaged at {where}: {first['msg']}; {ANEW}"
        ) from error
    return records, contents.last_run
