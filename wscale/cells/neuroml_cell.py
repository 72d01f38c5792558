"""A cell of libNeuroML as NetPyNE's rule: made fit for NetPyNE's import, then checked after it.

NetPyNE's handler takes groups, ions and places of a NeuroML2 cell in fewer ways than NeuroML2 has
them, and passes over the rest in silence. Here the rest is put into the ways that it takes, or
refused.
"""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Iterator
from typing import Any

from wscale._util.plain import some, to_plain
from wscale.cells.neuroml_channels import (
    Carried,
    check_densities,
    densities_of,
    intracellular,
    membrane,
)
from wscale.errors import ModelError, closest

__all__ = ["make_rule"]

_SECTION = "sao864921383"  # marks a segment group that is one unbranched cable
_ALIAS = "one:"
_POPULATION = "cells"
_ANY_RA_ohm_cm = 100.0


def make_rule(cell: Any, carried: dict[str, Carried]) -> tuple[dict[str, Any], list[str]]:
    """Return the rule that NetPyNE's import makes of a cell, and notices.

    Parameters
    ----------
    cell : neuroml.Cell
        With its morphology; changed here.
    carried : dict
        What carries the current of each channel, by name.
    """
    empty = not densities_of(cell)
    _fill(cell)
    cables = _cables(cell)
    groups = _regroup(cell, cables)
    check_densities(cell, carried, groups)
    specs = importlib.import_module("netpyne.specs")
    builder = importlib.import_module("netpyne.conversion.neuromlFormat").NetPyNEBuilder(
        specs.NetParams(), simConfig=specs.SimConfig()
    )
    places = _round_places(cell, cables)
    notices: list[str] = []
    builder.handle_population(_POPULATION, cell.id, 1, cell)
    rule: dict[str, Any] = to_plain(builder.cellParams[cell.id], "cell")
    lists = rule["secLists"]
    rule["secLists"] = {name: lists[name] for name in lists if not name.startswith(_ALIAS)}
    for name, segments in cables.items():
        sec = rule["secs"][name]
        if name in places:  # NetPyNE takes the end of the segment for that of the section
            _, where = builder._convert_to_nrn_section_location(_POPULATION, *places[name])
            sec["topol"]["parentX"] = where
        sec["geom"]["pt3d"] = _points(name, segments)
        lacking = [key for key in ("cm", "Ra") if key not in sec["geom"]]
        if lacking == ["Ra"] and len(cables) == sec["geom"].get("nseg", 1) == 1 and not empty:
            sec["geom"]["Ra"] = _ANY_RA_ohm_cm
            notices.append(
                f"section {name!r} has no resistivity: Ra is taken as {_ANY_RA_ohm_cm:g} ohm cm, "
                "which has no effect in a cell of one compartment"
            )
        elif lacking and not empty:
            raise ModelError(
                f"section {name!r} has no {some(lacking)}: give specificCapacitance and "
                "resistivity for all segments"
            )
    return rule, notices


# ---------------------------------------------------------------------- morphology


def _fill(cell: Any) -> None:
    """Give segments the names and points that the file leaves to be understood."""
    neuroml = importlib.import_module("neuroml")
    if cell.morphology is None or not cell.morphology.segments:
        raise ModelError(f"cell {cell.id!r} has no morphology, so no sections")
    segments = cell.morphology.segments
    known = {segment.id: segment for segment in segments}
    if len(known) < len(segments):
        raise ModelError(f"cell {cell.id!r} has two segments of one id; ids must differ")
    if flat := [segment.id for segment in segments if not segment.distal]:
        raise ModelError(f"segments {flat[:8]} of cell {cell.id!r} have no distal point")
    roots = [segment.id for segment in segments if not segment.parent]
    orphans = [s.id for s in segments if s.parent and s.parent.segments not in known]
    if len(roots) != 1 or orphans:
        raise ModelError(
            f"cell {cell.id!r} must have one segment without a parent (it has {len(roots)}), and "
            f"parents must be segments (not so for {orphans})"
        )
    names = [segment.name for segment in segments]
    for segment in segments:
        if not segment.name or names.count(segment.name) > 1:
            segment.name = f"{segment.name or 'segment'}_{segment.id}"
        if not segment.proximal and not segment.parent:
            raise ModelError(f"segment {segment.id} of cell {cell.id!r} has no proximal point")
        if not segment.proximal:
            segment.proximal = cell.get_actual_proximal(segment.id)
    root, near, far = known[roots[0]], known[roots[0]].proximal, known[roots[0]].distal
    if (near.x, near.y, near.z) == (far.x, far.y, far.z):  # a sphere: the cylinder of its area
        if near.diameter != far.diameter:
            raise ModelError(f"segment {root.id} of cell {cell.id!r} has no length")
        root.distal = neuroml.Point3DWithDiam(
            x=near.x, y=near.y + near.diameter, z=near.z, diameter=near.diameter
        )
    if cell.biophysical_properties is None:
        cell.biophysical_properties = neuroml.BiophysicalProperties(id="none")
    biophysics = cell.biophysical_properties
    if biophysics.membrane_properties is None:
        biophysics.membrane_properties = neuroml.MembraneProperties()
    if biophysics.intracellular_properties is None:
        biophysics.intracellular_properties = neuroml.IntracellularProperties()


def _cables(cell: Any) -> dict[str, list[Any]]:
    """Return the segments of each section: of each marked group, or of each segment alone."""
    segments = {segment.id: segment for segment in cell.morphology.segments}
    marked = [group for group in cell.morphology.segment_groups if _is_section(group)]
    if not marked:
        return {segment.name: [segment] for segment in segments.values()}
    cables: dict[str, list[Any]] = {}
    owner: dict[int, str] = {}
    for group in marked:
        for index in sorted(cell.get_all_segments_in_group(group)):
            if index in owner:
                raise ModelError(f"segment {index} is in two sections: {owner[index]}, {group.id}")
            owner[index] = group.id
            cables.setdefault(group.id, []).append(segments[index])
    if alone := [index for index in segments if index not in owner]:
        raise ModelError(
            f"segments {alone[:8]} of cell {cell.id!r} are in none of its sections (segment groups "
            f"with neuroLexId {_SECTION}); each segment must be in one"
        )
    for name, chain in cables.items():
        for before, after in itertools.pairwise(chain):
            parent = after.parent
            joined = parent and (parent.segments, float(parent.fraction_along)) == (before.id, 1)
            if not joined or _apart(before.distal, after.proximal) > 1e-3:
                raise ModelError(
                    f"segment {after.id} of section {name!r} does not begin where segment "
                    f"{before.id} ends: a section is a chain of segments, by ascending ids"
                )
    return cables


def _round_places(cell: Any, cables: dict[str, list[Any]]) -> dict[str, tuple[int, float]]:
    """Return the segment and fraction where each section begins; give NetPyNE ends only."""
    places = {}
    by_section = any(map(_is_section, cell.morphology.segment_groups))
    for name, segments in cables.items():
        if parent := segments[0].parent:
            places[name] = parent.segments, float(parent.fraction_along)
            if by_section and places[name][1] not in (0, 1):
                if membrane(cell).channel_density_non_uniforms:
                    raise ModelError(
                        f"section {name!r} begins inside segment {parent.segments}, from where "
                        "NetPyNE reads no density that varies (channelDensityNonUniform)"
                    )
                parent.fraction_along = 1.0
    return places


def _points(name: str, segments: list[Any]) -> list[list[float]]:
    """Return the points of a section, two at one place where the diameter jumps."""
    points: list[list[float]] = []
    for segment in segments:
        for point in (segment.proximal, segment.distal):
            entry = [float(value) for value in (point.x, point.y, point.z, point.diameter)]
            if not points or entry != points[-1]:
                points.append(entry)
    if len(points) < 2:
        raise ModelError(f"section {name!r} has no length")
    return points


def _apart(one: Any, other: Any) -> float:
    return float(max(abs(one.x - other.x), abs(one.y - other.y), abs(one.z - other.z)))


def _is_section(group: Any) -> bool:
    return bool(group.neuro_lex_id == _SECTION)


# ---------------------------------------------------------------------- groups


def _regroup(cell: Any, cables: dict[str, list[Any]]) -> dict[str, list[str]]:
    """Make each group one of whole sections, as NetPyNE takes them; return the sections of each."""
    neuroml = importlib.import_module("neuroml")
    morphology = cell.morphology
    by_section = any(map(_is_section, morphology.segment_groups))
    used = {_group_of(item) for item in _placed(cell)}
    found: dict[str, list[str]] = {"all": list(cables)}
    ids = {name: {segment.id for segment in cables[name]} for name in cables}
    owner = {index: name for name in cables for index in ids[name]}
    kept, aliases = [], {}
    for group in morphology.segment_groups:
        inside = set(cell.get_all_segments_in_group(group))
        touched = dict.fromkeys(owner[index] for index in sorted(inside))
        whole = [name for name in touched if ids[name] <= inside]
        unread = len(whole) < len(touched) or group.paths or group.sub_trees
        if unread and group.id in used:
            raise ModelError(
                f"segment group {group.id!r} has a <path>, a <subTree> or only part of a section, "
                "and biophysics are given for it: give them for whole sections"
            )
        found[group.id] = whole
        if _is_section(group):
            alias = neuroml.SegmentGroup(id=_ALIAS + group.id)
            alias.includes.append(neuroml.Include(segment_groups=group.id))
            alias.inhomogeneous_parameters = group.inhomogeneous_parameters
            group.inhomogeneous_parameters = []
            aliases[group.id] = alias
        elif not unread:
            kept.append((group, inside, whole))
    for item in _placed(cell):
        name = _group_of(item)
        if name not in found:
            raise ModelError(
                f"biophysics are given for the segment group {name!r}, which is not there "
                f"(there are {some(found)}).{closest(name, found)}"
            )
        item.segment_groups = aliases[name].id if name in aliases else name
    for group, inside, whole in kept:
        group.members = [] if by_section else [neuroml.Member(segments=i) for i in sorted(inside)]
        group.includes = [neuroml.Include(segment_groups=name) for name in whole if by_section]
    sections = [group for group in morphology.segment_groups if _is_section(group)]
    plain = [group for group, _, _ in kept]
    morphology.segment_groups = [*sections, *aliases.values(), *plain]
    return found | {alias.id: [name] for name, alias in aliases.items()}


def _placed(cell: Any) -> Iterator[Any]:
    """Yield all that is given for a segment group."""
    for density in densities_of(cell):
        if hasattr(density, "segment_groups"):
            yield density
        yield from density.variable_parameters if hasattr(density, "variable_parameters") else ()
    yield from membrane(cell).specific_capacitances
    yield from membrane(cell).init_memb_potentials
    yield from intracellular(cell).species
    yield from intracellular(cell).resistivities


def _group_of(item: Any) -> str:
    return item.segment_groups or "all"
