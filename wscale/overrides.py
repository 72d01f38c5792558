"""Changing values of a NetPyNE ``cfg`` from outside: ``dt=0.05``, ``hParams.celsius=37``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, MutableMapping
from numbers import Real
from typing import Any

from wscale.errors import ConfigError, closest
from wscale.jsonfile import parse_json

__all__ = ["apply_overrides", "parse_overrides"]


def parse_overrides(assignments: Iterable[str]) -> dict[str, Any]:
    """Read ``key=value`` assignments; values are JSON where they can be, else text.

    Parameters
    ----------
    assignments : iterable of str
        For example ``"dt=0.05"``, ``"hParams.celsius=37"``, ``"cell=PV_simple"``.

    Returns
    -------
    dict
        Dotted key -> value.

    Raises
    ------
    ConfigError
        An assignment has no ``=`` or no key.

    Examples
    --------
    >>> parse_overrides(["dt=0.05", "cell=PV_simple", 'NetStim1.synMech=["GABA"]'])
    {'dt': 0.05, 'cell': 'PV_simple', 'NetStim1.synMech': ['GABA']}
    """
    overrides: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        key = key.strip().removeprefix("cfg.")
        if not equals or not key:
            raise ConfigError(
                f"cfg override {assignment!r} is not of the form key=value; "
                "write for example dt=0.05 or hParams.celsius=37"
            )
        try:
            overrides[key] = parse_json(text)
        except json.JSONDecodeError:
            overrides[key] = text.strip()
        except ValueError as error:
            raise ConfigError(f"cfg override {assignment[:60]!r}: {error}") from error
    return overrides


def apply_overrides(cfg: Any, overrides: Mapping[str, Any]) -> None:
    """Set values of a configuration in place; only what exists can be set.

    Parameters
    ----------
    cfg : netpyne.specs.SimConfig
        Or any object whose attributes are values, lists and dictionaries.
    overrides : mapping
        Dotted key -> value, as :func:`parse_overrides` returns it.

    Raises
    ------
    ConfigError
        An unknown key (with the closest match), or text where the value is a number.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> cfg = SimpleNamespace(dt=0.025, hParams={"celsius": 34.0})
    >>> apply_overrides(cfg, {"hParams.celsius": 37})
    >>> cfg.hParams["celsius"]
    37
    >>> apply_overrides(cfg, {"hParams.celcius": 37})
    Traceback (most recent call last):
        ...
    wscale.errors.ConfigError: cfg has no 'hParams.celcius'. Did you mean 'celsius'?
    """
    for key, value in overrides.items():
        *parents, last = key.split(".")
        target: MutableMapping[str, Any] = vars(cfg)
        for depth, name in enumerate([*parents, last]):
            hidden = name.startswith("_")
            if hidden or not isinstance(target, MutableMapping) or name not in target:
                known = list(target) if isinstance(target, MutableMapping) else []
                known = [entry for entry in known if not str(entry).startswith("_")]
                path = ".".join([*parents, last][: depth + 1])
                raise ConfigError(f"cfg has no {path!r}.{closest(name, known)}")
            if depth < len(parents):
                target = target[name]
        old = target[last]
        if isinstance(old, bool) and not isinstance(value, bool | int | float):
            raise ConfigError(f"cfg.{key} = {value!r}: true or false is needed (it is {old!r} now)")
        if _is_number(old) and not _is_number(value):
            raise ConfigError(f"cfg.{key} = {value!r}: a number is needed (it is {old!r} now)")
        target[last] = value


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
