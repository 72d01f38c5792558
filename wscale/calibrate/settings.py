"""The settings of a search: checked when made, from Python, the command line or a JSON file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from wscale._util.json_files import read_json
from wscale.cells.cell_file import CellFile
from wscale.errors import ConfigError, SelectionError, closest
from wscale.measurement.epsp import Protocol, Until
from wscale.measurement.solution import Interpolation
from wscale.model.synapses import SynapseGroup
from wscale.model.targets import Targets
from wscale.search.grid import check_weights

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

    folder: str = Field(".", description="model folder with cfg.py and netParams.py")
    cells: tuple[str, ...] = Field((), description="cell labels; empty: the folder's only cell")
    cell_file: str | None = Field(
        None, description="a cell in place of the folder's: .json, .pkl, .hoc, .py, .swc or .nml"
    )
    cell_class: str | None = Field(None, description="its template, class, function or label")
    cell_args: dict[str, Any] | tuple[Any, ...] | None = Field(None, description="its arguments")
    biophysics: str | dict[str, Any] | None = Field(
        None, description="{pattern: {mechs, geom, ions}}, or a JSON file of it"
    )
    soma: str | None = Field(None, description="the section of the cell file that is the soma")
    sections: tuple[str, ...] | None = Field(
        None, description="sections, section lists or patterns; null: all but axons"
    )
    exclude: tuple[str, ...] = Field((), description="sections, lists or patterns to leave out")
    locations: Literal["every", "middle"] | tuple[float, ...] = Field(
        "every", description="every segment, the middle of each section, or numbers in (0, 1)"
    )
    weights_uS: tuple[float, ...] = Field(
        parse_weights("1e-4:1.9e-3:19"), description="start:stop:count or a list, uS"
    )
    target_mV: float | dict[str, float] = Field(
        0.5, description="a number, or {'default': number, place: number, ...}; IPSPs negative"
    )
    synapses: dict[str, GroupSettings] = Field(
        default_factory=dict,
        description="{group: {synMechs: {label: {mod: ..., ...}}, weightFactors, target_mV}}; "
        "empty: the model's own synapses",
    )
    interpolation: Interpolation = Field("monotone", description="monotone or linear")
    tolerance: float = Field(1e-3, gt=0, lt=1, description="largest relative error of an ok EPSP")
    window_ms: float = Field(Protocol.window_ms, gt=0, description="measurement window, ms")
    spike_threshold_mV: float = Field(Protocol.spike_threshold_mV, description="mV")
    drift_tolerance_mV: float = Field(Protocol.drift_tolerance_mV, gt=0, description="mV")
    until: Until = Field(
        Protocol.until, description="a trial's end: peak, half (for half-widths) or window"
    )
    mod: str | tuple[str, ...] | None = Field(
        None, description="NMODL folder or folders; null: the model folder's mod/"
    )
    mod_exclude: tuple[str, ...] = Field((), description="NMODL files to leave out, or patterns")
    cfg: dict[str, Any] = Field(default_factory=dict, description="cfg overrides: key -> value")

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
                "--cell-class, --cell-args, --biophysics and --soma (cell_class, cell_args, ...) "
                "say how a cell_file is read; give that with --cell-file"
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
