"""The settings of a search: checked when made, from Python, the command line or a JSON file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from wscale._util.json_files import read_json
from wscale.calibrate.options import (
    BIOPHYSICS,
    CELL_ARGS,
    CELL_CLASS,
    CELL_FILE,
    CELLS,
    CFG,
    EXCLUDE,
    EXTEND,
    FOLDER,
    INTERPOLATION,
    LOCATIONS,
    MAX_WEIGHT,
    MOD,
    MOD_ALL,
    MOD_EXCLUDE,
    RECOMPILE,
    SECTIONS,
    SOMA,
    SYNAPSES,
    TARGET,
    TOLERANCE,
    TRIALS,
    UNCALIBRATED,
    UNTIL,
    WEIGHTS,
    WINDOW,
    Option,
)
from wscale.cells.cell_file import CellFile
from wscale.errors import ConfigError, SelectionError, closest, option
from wscale.measurement.epsp import Protocol, Until
from wscale.measurement.on_grid import Interpolation
from wscale.model.synapses import SynapseGroup
from wscale.model.targets import Targets
from wscale.search.grid import check_weights
from wscale.tables.uncalibrated import Uncalibrated

__all__ = ["SearchSettings", "parse_weights"]

_MOST_WEIGHTS = 10_000


def parse_weights(text: str) -> tuple[float, ...]:
    """Read weights from text: ``start:stop:count`` (evenly spaced) or ``w1,w2,...``, uS.

    Examples
    --------
    >>> parse_weights("1e-4:5e-4:3")
    (0.0001, 0.00030000000000000003, 0.0005)
    >>> parse_weights("1e-4,5e-4")
    (0.0001, 0.0005)
    """
    try:
        if ":" in text:
            start, stop, count = text.split(":")
            if int(count) > _MOST_WEIGHTS:
                raise SelectionError(
                    f"weights {text!r} are more than {_MOST_WEIGHTS}, which no search needs; "
                    "start:stop:count takes the number of weights last"
                )
            return tuple(float(w) for w in np.linspace(float(start), float(stop), int(count)))
        return tuple(float(w) for w in text.split(","))
    except ValueError:
        raise SelectionError(
            f"weights {text!r} are neither start:stop:count nor a list with commas; write for "
            "example 1e-4:1.9e-3:19 or 1e-4,5e-4,1e-3 (uS)"
        ) from None


def _of(of: Option, default: Any = None, **more: Any) -> Any:
    return Field(default, description=of.description, **more)


class GroupSettings(BaseModel):
    """Synapses that are activated together; see :class:`wscale.SynapseGroup`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    synMechs: dict[str, dict[str, Any] | None]
    weightFactors: tuple[float, ...] | None = None
    target_mV: float | dict[str, float] | None = None


class SearchSettings(BaseModel):
    """What to search: cells, sites, weights, targets, and how to measure.

    Unknown names and unusable values raise :class:`wscale.errors.ConfigError`.

    Examples
    --------
    >>> settings = SearchSettings.make(cells=["PV_simple"], weights_uS="1e-4:1.9e-3:19")
    >>> len(settings.weights_uS)
    19
    >>> SearchSettings.make(cells=["PV_simple"], wieghts_uS=[1e-4, 2e-4])
    Traceback (most recent call last):
        ...
    wscale.errors.ConfigError: settings: wieghts_uS is not a setting. Did you mean 'weights_uS'?
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: str = _of(FOLDER, ".")
    cells: tuple[str, ...] = _of(CELLS, ())
    cell_file: str | None = _of(CELL_FILE)
    cell_class: str | None = _of(CELL_CLASS)
    cell_args: dict[str, Any] | tuple[Any, ...] | None = _of(CELL_ARGS)
    biophysics: str | dict[str, Any] | None = _of(BIOPHYSICS)
    soma: str | None = _of(SOMA)
    sections: tuple[str, ...] | None = _of(SECTIONS)
    exclude: tuple[str, ...] = _of(EXCLUDE, ())
    locations: Literal["every", "middle"] | tuple[float, ...] = _of(LOCATIONS, "every")
    weights_uS: tuple[float, ...] = _of(WEIGHTS, parse_weights("1e-4:1.9e-3:19"))
    target_mV: float | dict[str, float] = _of(TARGET, 0.5)
    synapses: dict[str, GroupSettings] = _of(SYNAPSES, {})
    interpolation: Interpolation = _of(INTERPOLATION, "monotone")
    tolerance: float = _of(TOLERANCE, 1e-3, gt=0, lt=1)
    max_weight: float | None = _of(MAX_WEIGHT, gt=0)
    extend: bool = _of(EXTEND, False)
    window_ms: float = _of(WINDOW, Protocol.window_ms, gt=0)
    spike_threshold_mV: float = Field(Protocol.spike_threshold_mV, description="mV")
    drift_tolerance_mV: float = Field(Protocol.drift_tolerance_mV, gt=0, description="mV")
    until: Until = _of(UNTIL, Protocol.until)
    trials: int = _of(TRIALS, Protocol.trials, ge=1)
    uncalibrated: Uncalibrated = _of(UNCALIBRATED, "nearest")
    mod: str | tuple[str, ...] | None = _of(MOD)
    mod_exclude: tuple[str, ...] = _of(MOD_EXCLUDE, ())
    mod_all: bool = _of(MOD_ALL, False, exclude=True)  # these two change no result
    recompile: bool = _of(RECOMPILE, False, exclude=True)
    cfg: dict[str, Any] = _of(CFG, {})

    @field_validator("weights_uS", mode="before")
    @classmethod
    def _weights(cls, value: Any) -> Any:
        try:
            return check_weights(parse_weights(value) if isinstance(value, str) else value)
        except (SelectionError, OverflowError) as error:
            raise ValueError(str(error)) from error

    @field_validator("target_mV")
    @classmethod
    def _target(cls, value: Any) -> Any:
        try:
            _targets(value)
        except SelectionError as error:
            raise ValueError(str(error)) from error
        return value

    @classmethod
    def make(cls, /, **settings: Any) -> SearchSettings:
        """Check settings and make them; all problems are named in one error."""
        try:
            return cls.model_validate(settings)
        except ValidationError as error:
            raise ConfigError(_explain(error)) from error

    @classmethod
    def read(cls, path: str | Path, **overrides: Any) -> SearchSettings:
        """Read a JSON file with these names as keys; overrides take precedence.

        Raises
        ------
        ConfigError
            No such file, not JSON, or unusable settings.
        """
        content = read_json(path, "settings file")
        if not isinstance(content, Mapping):
            raise ConfigError(f"settings file {path} must hold one JSON object of settings")
        return cls.make(**{**content, **overrides})

    @field_validator("synapses")
    @classmethod
    def _synapses(cls, value: dict[str, GroupSettings]) -> dict[str, GroupSettings]:
        try:
            _groups(value)
        except (ConfigError, SelectionError) as error:
            raise ValueError(str(error)) from error
        return value

    @property
    def own_cell(self) -> CellFile | None:
        """The cell from a file, where there is one."""
        how = (self.cell_class, self.cell_args, self.biophysics, self.soma)
        if self.cell_file is not None:
            if len(self.cells) > 1:
                raise ConfigError(
                    f"cell_file = {self.cell_file!r} is one cell, but cells = {list(self.cells)}; "
                    "give one label for it, or none"
                )
            return CellFile(self.cell_file, *how)
        if any(value is not None for value in how):
            raise ConfigError(
                f"{option('cell_class')}, {option('cell_args')}, {option('biophysics')} and "
                f"{option('soma')} say how a cell_file is read; give {option('cell_file')} too"
            )
        return None

    @property
    def groups(self) -> list[SynapseGroup]:
        """The synapse groups; none: the model's own synapses."""
        return _groups(self.synapses)

    def of_group(self, group: SynapseGroup) -> SearchSettings:
        """Return the settings with the group's own target, where it has one."""
        if group.target_mV is None:
            return self
        return self.model_copy(update={"target_mV": group.target_mV})

    @property
    def targets(self) -> Targets:
        """The target EPSPs."""
        return _targets(self.target_mV)

    @property
    def protocol(self) -> Protocol:
        """How responses are measured."""
        return Protocol(
            self.window_ms,
            self.targets.polarity,
            self.spike_threshold_mV,
            self.drift_tolerance_mV,
            self.until,
            self.trials,
        )


def _groups(synapses: Mapping[str, GroupSettings]) -> list[SynapseGroup]:
    groups = [
        SynapseGroup(name, given.synMechs, given.weightFactors, given.target_mV)
        for name, given in synapses.items()
    ]
    for group in groups:
        if group.target_mV is not None:
            _targets(group.target_mV)
    return groups


def _targets(value: float | dict[str, float]) -> Targets:
    places = dict(value) if isinstance(value, dict) else {"default": value}
    return Targets(places.pop("default", 0.5), places)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]} ..."


def _explain(error: ValidationError) -> str:
    problems = []
    for problem in error.errors():
        path = [str(part) for part in problem["loc"]]
        field = SearchSettings.model_fields.get(path[0]) if path else None
        if problem["type"] == "extra_forbidden":
            known = (SearchSettings if len(path) == 1 else GroupSettings).model_fields
            problems.append(f"{'.'.join(path)} is not a setting.{closest(path[-1], known)}")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            name = path[0] if path else "a name"
            allowed = f" (allowed: {field.description})" if field is not None else ""
            problems.append(f"{name} = {_short(problem['input'])}: {message}{allowed}")
    return "settings: " + "; ".join(dict.fromkeys(problems))
