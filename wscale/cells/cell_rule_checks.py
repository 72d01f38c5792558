"""What the sections of a cell rule must be: a tree, of possible geometry and parameters."""

from __future__ import annotations

from typing import Any

from wscale._util.plain import is_number, short, some
from wscale.errors import ModelError, closest

__all__ = ["check_rule", "check_sections", "parent_of"]

_MOST_SEGMENTS = 32767
_PARTS = ("geom", "topol", "mechs", "ions", "pointps")


def check_sections(source: str, secs: dict[str, Any]) -> None:
    """Raise ModelError unless every section is a dictionary of dictionaries."""
    for name, sec in secs.items():
        where = f"{source}: section {name!r}"
        if not isinstance(sec, dict) or not all(isinstance(sec.get(p, {}), dict) for p in _PARTS):
            raise ModelError(
                f"{where} must be a dictionary of the dictionaries {', '.join(_PARTS)}"
            )
        for kind in ("mechs", "ions", "pointps"):
            for key, entry in sec.get(kind, {}).items():
                if not isinstance(entry, dict):
                    raise ModelError(f"{source}: {kind}.{key} of {name!r} must be a dictionary")


def check_rule(source: str, secs: dict[str, Any]) -> None:
    """Raise ModelError unless sections are a tree of possible geometry and parameters.

    Parameters
    ----------
    source : str
        What messages call the cell.
    secs : dict
        The sections of the rule, plain.
    """
    for name, sec in secs.items():
        where = f"{source}: section {name!r}"
        if not name or not name.isprintable():
            raise ModelError(f"{where}: a section's name must be text that can be printed")
        _check_geometry(where, sec.get("geom", {}))
        _check_parameters(where, sec)
        _refuse_artificial(source, name, sec)
        topol = sec.get("topol", {})
        parent = topol.get("parentSec")
        if topol and parent is None:
            raise ModelError(
                f"{where} has a topol without parentSec; name the parent, or leave topol empty "
                "for the root"
            )
        if parent is not None and (not isinstance(parent, str) or parent not in secs):
            raise ModelError(
                f"{where} has the parent {parent!r}, which is no section ({some(secs)})."
                f"{closest(str(parent), secs)}"
            )
        for key in ("parentX", "childX"):
            if not is_number(topol.get(key, 0)) or not 0 <= topol.get(key, 0) <= 1:
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


def _refuse_artificial(source: str, name: str, sec: dict[str, Any]) -> None:
    for label, point in sec.get("pointps", {}).items():
        if "vref" in point:
            raise ModelError(
                f"{source} is artificial: its voltage is {point['vref']!r} of the point process "
                f"{label} in {name!r}, not the section's, so a synapse on the section has no EPSP "
                "there; take a version that uses the section's voltage"
            )


def _check_geometry(where: str, geom: dict[str, Any]) -> None:
    for key in ("L", "diam", "Ra", "cm", "nseg"):
        value = geom.get(key, 1)
        if isinstance(value, str) and key not in ("L", "nseg"):
            continue  # a function in words, which NetPyNE evaluates
        whole = key != "nseg" or (is_number(value) and value == int(value))
        if not is_number(value) or value < 0 or (value == 0 and key != "cm") or not whole:
            kind = "whole and positive" if key == "nseg" else "positive"
            raise ModelError(f"{where}: {key} = {value!r} must be {kind}")
        if key == "nseg" and value > _MOST_SEGMENTS:
            raise ModelError(f"{where}: nseg = {value!r} is more than NEURON's {_MOST_SEGMENTS}")
    points = geom.get("pt3d", [])
    sound = isinstance(points, list) and all(
        isinstance(point, list) and len(point) == 4 and all(map(is_number, point))
        for point in points
    )
    if not sound or any(point[3] < 0 for point in points):
        raise ModelError(
            f"{where}: pt3d must be a list of [x, y, z, diameter], finite, the diameters positive"
        )
    if points and (
        all(point[:3] == points[0][:3] for point in points) or not any(p[3] for p in points)
    ):
        raise ModelError(f"{where}: pt3d has no length or no diameter; give two different points")


def _check_parameters(where: str, sec: dict[str, Any]) -> None:
    """Refuse values that are no numbers, or by segment and not one for each."""
    nseg = sec.get("geom", {}).get("nseg", 1)
    if not is_number(sec.get("vinit", 0)):
        raise ModelError(f"{where}: vinit = {sec['vinit']!r} must be a number of mV")
    for kind in ("mechs", "ions", "pointps"):
        for name, entry in sec.get(kind, {}).items():
            for key, value in entry.items():
                what = f"{where}: {kind}.{name}.{key}"
                values = value if isinstance(value, list) else [value]
                if not all(isinstance(one, str | bool) or is_number(one) for one in values):
                    raise ModelError(f"{what} = {short(value)} must be a finite number")
                if kind != "pointps" and isinstance(value, list) and len(value) not in (1, nseg):
                    raise ModelError(
                        f"{what} has {len(value)} values, and the section {nseg} segments; give "
                        "as many, or one number"
                    )


def parent_of(secs: dict[str, Any], name: str) -> str | None:
    """Return the name of a section's parent; None for a root."""
    parent: str | None = secs[name].get("topol", {}).get("parentSec")
    return parent
