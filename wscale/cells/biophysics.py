"""Mechanisms and membrane for cells that are only a morphology, by section-name pattern."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from wscale._util.json_files import read_json
from wscale._util.plain import to_plain
from wscale._util.text import kinds
from wscale.errors import ModelError, closest

__all__ = ["add_biophysics"]

_PARTS = {"mechs", "geom", "ions"}
_GEOM = {"cm", "Ra", "nseg"}


def add_biophysics(
    source: str, secs: dict[str, Any], given: str | Path | Mapping[str, Any]
) -> list[str]:
    """Add mechanisms, ions and membrane to the sections that fit patterns, in place.

    Parameters
    ----------
    source : str
        What messages call the cell.
    secs : dict
        The sections of the rule, plain.
    given : path or mapping
        ``{pattern: {"mechs": {...}, "geom": {"cm", "Ra", "nseg"}, "ions": {...}}}``, or the path
        of a JSON file of it.

    Returns
    -------
    list of str
        Notices: sections without a mechanism that no pattern fits.

    Raises
    ------
    ModelError
        Unknown keys, a pattern that fits no section, values by segment that do not fit nseg.
    """
    if isinstance(given, Mapping):
        where, patterns = "biophysics", to_plain(given, "biophysics")
    elif not isinstance(given, str | Path):
        raise ModelError(f"biophysics = {given!r} must be a mapping or the path of a JSON file")
    else:
        where, patterns = str(given), read_json(given, "biophysics file", ModelError)
    if not isinstance(patterns, dict):
        raise ModelError(f"{where} must be {{pattern: {{'mechs': ..., 'geom': ..., 'ions': ...}}}}")
    reached: set[str] = set()
    for pattern, parts in patterns.items():
        entry = f"{where}: {pattern!r}"
        _known(entry, parts, _PARTS)
        for kind in parts:
            _known(f"{entry}.{kind}", parts[kind], _GEOM if kind == "geom" else None)
        fitting = [name for name in secs if fnmatchcase(name, pattern)]
        if not fitting:
            raise ModelError(
                f"{entry} fits no section of {source} (it has {kinds(secs)})."
                f"{closest(pattern, secs)}"
            )
        reached.update(fitting)
        for name in fitting:
            sec = secs[name]
            sec.setdefault("geom", {}).update(parts.get("geom", {}))
            for kind in ("mechs", "ions"):
                for key, values in parts.get(kind, {}).items():
                    _known(f"{entry}.{kind}.{key}", values, None)
                    sec.setdefault(kind, {}).setdefault(key, {}).update(values)
    for name, sec in secs.items():
        _check_lists(source, name, sec)
    bare = [name for name, sec in secs.items() if name not in reached and not sec.get("mechs")]
    if not bare:
        return []
    return [
        f"{where}: no pattern fits {len(bare)} of {len(secs)} sections ({kinds(bare)}), which have "
        'no mechanism; "*" fits all'
    ]


def _known(where: str, value: Any, allowed: set[str] | None) -> None:
    """Refuse what is no dictionary, or has keys that are not allowed."""
    if not isinstance(value, dict):
        raise ModelError(f"{where} must be a dictionary, but is {value!r}")
    for key in value:
        if allowed is not None and key not in allowed:
            raise ModelError(
                f"{where} has the unknown key {key!r}; allowed are {', '.join(sorted(allowed))}."
                f"{closest(key, allowed)}"
            )


def _check_lists(source: str, name: str, sec: dict[str, Any]) -> None:
    """Refuse values by segment that do not fit nseg."""
    nseg = sec["geom"].get("nseg", 1)
    for kind in ("mechs", "ions"):
        for key, values in sec.get(kind, {}).items():
            for parameter, value in values.items():
                if isinstance(value, list) and len(value) != nseg:
                    raise ModelError(
                        f"{source}: {key}.{parameter} of {name!r} has {len(value)} values, and the "
                        f"section {nseg} segments; give the biophysics as many, or one number"
                    )
