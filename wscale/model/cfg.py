"""Changing values of a NetPyNE ``cfg`` from outside: ``dt=0.05``, ``hParams.celsius=37``."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from numbers import Real
from typing import Any

from wscale._util.json_files import parse_json
from wscale.errors import ConfigError, closest

__all__ = ["apply_overrides", "parse_overrides"]

_DEPTH = 4  # levels of a cfg in which a mistyped name is looked for


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
                hint = _deeper(vars(cfg), path) or closest(name, known)
                raise ConfigError(f"cfg has no {path!r}.{hint}")
            if depth < len(parents):
                target = target[name]
        old = target[last]
        if isinstance(old, bool) and not isinstance(value, bool | int | float):
            raise ConfigError(f"cfg.{key} = {value!r}: true or false is needed (it is {old!r} now)")
        if _is_number(old) and not _is_number(value):
            raise ConfigError(f"cfg.{key} = {value!r}: a number is needed (it is {old!r} now)")
        target[last] = value


def _deeper(values: Mapping[str, Any], name: str) -> str:
    """Return a hint where a name without its parents is one further down, spelled so or nearly."""
    paths = list(_paths(values, "")) if "." not in name else []
    exact = [path for path in paths if path.endswith(f".{name}")]
    if exact:
        return f" Did you mean {' or '.join(repr(path) for path in exact[:2])}?"
    if closest(name, [str(key) for key in values]):
        return ""
    lasts = {path.rpartition(".")[2].lower(): path for path in reversed(paths)}
    near = difflib.get_close_matches(name.lower(), list(lasts), n=1, cutoff=0.7)
    return f" Did you mean {lasts[near[0]]!r}?" if near else ""


def _paths(values: Mapping[str, Any], above: str) -> Iterator[str]:
    """Yield the dotted names of what is nested, to a depth that configurations have."""
    for key, value in values.items():
        path = f"{above}{key}"
        if above:
            yield path
        if isinstance(value, Mapping) and path.count(".") < _DEPTH and not str(key).startswith("_"):
            yield from _paths(value, f"{path}.")


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
