"""What the sections of a cell rule must be: a tree, of possible geometry."""

from __future__ import annotations

from math import inf
from typing import Any

from wscale.errors import ModelError, closest
from wscale.plain import some

__all__ = ["check_rule", "parent_of"]

_MOST_SEGMENTS = 32767


def check_rule(source: str, secs: dict[str, Any]) -> None:
    """Raise ModelError unless sections are a tree of possible geometry.

    Parameters
    ----------
    source : str
        What messages call the cell.
    secs : dict
        The sections of the rule, plain.
    """
    for name, sec in secs.items():
        where = f"{source}: section {name!r}"
        _check_geometry(where, sec.get("geom", {}))
        topol = sec.get("topol", {})
        parent = topol.get("parentSec")
        if parent is not None and (not isinstance(parent, str) or parent not in secs):
            raise ModelError(
                f"{where} has the parent {parent!r}, which is no section ({some(secs)})."
                f"{closest(str(parent), secs)}"
            )
        for key in ("parentX", "childX"):
            if not _is_number(topol.get(key, 0)) or not 0 <= topol.get(key, 0) <= 1:
                raise ModelError(f"{where}: {key} = {topol[key]!r} must be between 0 and 1")
    rooted: set[str] = set()
    for name in secs:
        path: list[str] = []
        above: str | None = name
        while above is not None and above not in rooted:
            if above in path:
                raise ModelError(
                    f"{source}: the sections {' -> '.join([*path, above])} are each other's "
                    "parents; a cell is a tree"
                )
            path.append(above)
            above = parent_of(secs, above)
        rooted.update(path)


def _check_geometry(where: str, geom: dict[str, Any]) -> None:
    for key in ("L", "diam", "Ra", "cm", "nseg"):
        value = geom.get(key, 1)
        if isinstance(value, str):  # a function in words, which NetPyNE evaluates
            continue
        whole = key != "nseg" or (_is_number(value) and value == int(value))
        if not _is_number(value) or value < 0 or (value == 0 and key != "cm") or not whole:
            kind = "whole and positive" if key == "nseg" else "positive"
            raise ModelError(f"{where}: {key} = {value!r} must be {kind}")
        if key == "nseg" and value > _MOST_SEGMENTS:
            raise ModelError(f"{where}: nseg = {value!r} is more than NEURON's {_MOST_SEGMENTS}")
    points = geom.get("pt3d", [])
    sound = isinstance(points, list) and all(
        isinstance(point, list) and len(point) == 4 and all(map(_is_number, point))
        for point in points
    )
    if not sound or any(point[3] < 0 for point in points):
        raise ModelError(
            f"{where}: pt3d must be a list of [x, y, z, diameter], finite, the diameters positive"
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -inf < value < inf


def parent_of(secs: dict[str, Any], name: str) -> str | None:
    """Return the name of a section's parent; None for a root."""
    parent: str | None = secs[name].get("topol", {}).get("parentSec")
    return parent
