"""Where a synapse can be: sections, locations, segments and their distance from the soma."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import pairwise
from math import dist
from typing import Any, Literal

from wscale.errors import SelectionError, closest
from wscale.model.model import Model

__all__ = [
    "Locations",
    "Site",
    "is_axon",
    "list_sites",
    "number_of_segments",
    "select_sections",
]

Locations = Literal["every", "middle"] | Sequence[float]

# Sections left out by default: axons, and the names that models give to parts of them
_AXON = re.compile(r"axon|^ais|^iseg|^hill|^myelin|^node", re.IGNORECASE)


@dataclass(frozen=True, order=True)
class Site:
    """One place for a synapse.

    Parameters
    ----------
    sec : str
        Section name.
    loc : float
        Normalised location in the section, strictly between 0 and 1.
    segment : int
        Index of the segment that holds it, ``floor(loc * nseg)``.
    distance_um : float
        Path distance from the centre of the soma, um.

    Examples
    --------
    >>> str(Site("Adend1", 0.5, 0, 68.1))
    'Adend1(0.5)'
    """

    sec: str
    loc: float
    segment: int
    distance_um: float

    def __str__(self) -> str:
        return f"{self.sec}({self.loc:.6g})"


def is_axon(sec: str) -> bool:
    """Say whether a section's name is that of an axon or of a part of one.

    Examples
    --------
    >>> [sec for sec in ("soma", "axon_1", "myelin", "apic") if is_axon(sec)]
    ['axon_1', 'myelin']
    """
    return _AXON.search(sec) is not None


def number_of_segments(model: Model, sec: str) -> int:
    """Return nseg of a section of the model's cell rule (1 where the rule does not say)."""
    return int(model.rule["secs"][sec].get("geom", {}).get("nseg", 1))


def select_sections(
    model: Model, sections: str | Sequence[str] | None = None, exclude: Sequence[str] = ()
) -> list[str]:
    """Return the sections that a selection names, in the order of the cell rule.

    Parameters
    ----------
    model : Model
        The cell.
    sections : str or sequence of str, optional
        Section names, names of the rule's section lists (``spiny``, ``apicdend``), or shell
        patterns (``Adend*``); default: all sections but axons.
    exclude : sequence of str
        Names, lists or patterns to leave out.

    Raises
    ------
    SelectionError
        A name that is none of these (with the closest match), or nothing selected.
    """
    names = list(model.rule["secs"])
    if sections is None:
        chosen = {name for name in names if not is_axon(name)}
    else:
        wanted = [sections] if isinstance(sections, str) else list(sections)
        chosen = {name for entry in wanted for name in _matching(model, entry)}
    chosen -= {name for entry in exclude for name in _matching(model, entry)}
    if not chosen & set(names):
        raise SelectionError(
            f"{model.cell}: no section selected by sections = {sections!r}, exclude = "
            f"{list(exclude)!r}; the cell has {', '.join(names[:12])}"
        )
    return [name for name in names if name in chosen]


def _matching(model: Model, entry: str) -> list[str]:
    secs, lists = model.rule["secs"], model.rule.get("secLists", {})
    if entry in secs:
        return [entry]
    if entry in lists:
        return list(lists[entry])
    matches = [name for name in secs if fnmatchcase(name, entry)]
    if not matches:
        raise SelectionError(
            f"{model.cell}: {entry!r} is no section, section list or matching pattern; sections: "
            f"{', '.join(list(secs)[:12])}; section lists: {', '.join(lists) or 'none'}."
            f"{closest(entry, [*secs, *lists])}"
        )
    return matches


def list_sites(
    model: Model,
    sections: str | Sequence[str] | None = None,
    locations: Locations = "every",
    exclude: Sequence[str] = (),
) -> tuple[Site, ...]:
    """Return the sites of a selection of sections and locations.

    Parameters
    ----------
    model : Model
        The cell.
    sections : str or sequence of str, optional
        Names, section lists or patterns; default: all sections but axons.
    locations : {"every", "middle"} or sequence of float
        ``every``: the centre of each segment; ``middle``: loc 0.5 of each section; or numbers
        strictly between 0 and 1 (the ends 0 and 1 are nodes without membrane, no segments).
    exclude : sequence of str
        Names, lists or patterns to leave out.

    Returns
    -------
    tuple of Site
        In the order of the rule's sections and of the locations.

    Raises
    ------
    SelectionError
        An unknown section or a location that is not inside a section.

    Examples
    --------
    >>> from wscale import Model
    >>> model = Model.from_folder(".", "PT5B_reduced")
    >>> [str(site) for site in list_sites(model, "apicdend", exclude=["Adend3"])]
    ['Adend1(0.5)', 'Adend2(0.5)']
    """
    named = isinstance(locations, str)
    if locations not in ("every", "middle") if named else not isinstance(locations, Iterable):
        raise SelectionError(
            f"locations = {locations!r}; allowed are 'every', 'middle' or a list of numbers "
            "between 0 and 1"
        )
    sites = []
    for sec in select_sections(model, sections, exclude):
        nseg = number_of_segments(model, sec)
        if named and locations == "every":
            locs = [(i + 0.5) / nseg for i in range(nseg)]
        elif named:
            locs = [0.5]
        else:
            locs = check_locations(locations)
        sites += [
            Site(sec, loc, int(loc * nseg), path_distance_um(model, sec, loc)) for loc in locs
        ]
    return tuple(sites)


def check_locations(locations: Iterable[float | str]) -> list[float]:
    """Return locations as numbers, or raise SelectionError."""
    numbers: list[float] = []
    for loc in locations:
        try:
            number = float(loc)
        except (TypeError, ValueError):
            number = float("nan")
        if not 0 < number < 1:
            raise SelectionError(
                f"location {loc!r} is not inside a section; locations are numbers strictly between "
                "0 and 1, with a decimal point (0,5 are two numbers), or 'every' or 'middle'"
            )
        if number in numbers:
            raise SelectionError(f"location {loc!r} is given twice; name each location once")
        numbers.append(number)
    if not numbers:
        raise SelectionError("locations is empty; give 'every', 'middle' or numbers")
    return numbers


# ---------------------------------------------------------------------- distance


def path_distance_um(model: Model, sec: str, loc: float) -> float:
    """Return the path distance from the centre of the soma to a location, um.

    Along the sections' lengths, from the rule's geometry alone; at segment centres the same as
    NEURON's ``h.distance(soma(0.5), sec(loc))``, which moves other locations to the nearest node.

    Raises
    ------
    SelectionError
        The section does not connect to the soma.
    """
    here, soma = _path_to_root(model, sec, loc), _path_to_root(model, model.soma, 0.5)
    shared = {name for name, _ in here} & {name for name, _ in soma}
    if not shared:
        raise SelectionError(
            f"{model.cell}: section {sec!r} is not connected to {model.soma!r}; check its topol"
        )
    # Up each path to the first section that both have in common, then along that section
    total, ends = 0.0, []
    for path in (here, soma):
        for name, x in path:
            if name in shared:
                ends.append((name, x))
                break
            total += _length_um(model, name) * abs(x - _child_x(model, name))
    (name, x_here), (_, x_soma) = ends
    return total + _length_um(model, name) * abs(x_here - x_soma)


def segments_towards_soma(model: Model, sec: str, segment: int) -> Iterator[tuple[str, int]]:
    """Yield section and segment of what lies between a segment and the soma, the next first.

    The soma's own segments come last; a segment of the soma has none before it.

    Examples
    --------
    >>> from wscale import Model
    >>> model = Model.from_folder(".", "PT5B_reduced")
    >>> list(segments_towards_soma(model, "Adend2", 0))
    [('Adend1', 0), ('soma', 0)]
    """
    start = (segment + 0.5) / number_of_segments(model, sec)
    here, soma = _path_to_root(model, sec, start), _path_to_root(model, model.soma, 0.5)
    shared = {name for name, _ in here} & {name for name, _ in soma}
    legs: list[tuple[str, float, float]] = []  # sections, from where to where
    for name, x in here:
        if name in shared:
            break
        legs.append((name, x, _child_x(model, name)))
    down = [(name, _child_x(model, name), x) for name, x in soma if name not in shared]
    meeting = next((name for name, _ in here if name in shared), None)
    if meeting is not None:
        legs.append((meeting, dict(here)[meeting], dict(soma)[meeting]))
    for name, x, end in [*legs, *reversed(down)]:
        nseg = number_of_segments(model, name)
        first, last = (min(int(at * nseg), nseg - 1) for at in (x, end))
        step = 1 if last >= first else -1
        for k in range(first, last + step, step):
            if (name, k) != (sec, segment):
                yield name, k


def _child_x(model: Model, sec: str) -> float:
    return float(model.rule["secs"][sec].get("topol", {}).get("childX", 0.0))


def _path_to_root(model: Model, sec: str, loc: float) -> list[tuple[str, float]]:
    """Sections from ``sec`` to the root, each with the location at which the path enters it."""
    secs: Mapping[str, Any] = model.rule["secs"]
    path = [(sec, loc)]
    while topol := secs[path[-1][0]].get("topol"):
        parent = topol["parentSec"]
        if parent not in secs or any(parent == name for name, _ in path):
            raise SelectionError(
                f"{model.cell}: topol of section {path[-1][0]!r} names parent {parent!r}, which "
                + ("is missing" if parent not in secs else "closes a loop")
            )
        path.append((parent, float(topol.get("parentX", 1.0))))
    return path


@lru_cache(maxsize=4096)
def _polyline_length(points: tuple[tuple[float, ...], ...]) -> float:
    return sum(dist(a[:3], b[:3]) for a, b in pairwise(points))


def _length_um(model: Model, sec: str) -> float:
    geom = model.rule["secs"][sec].get("geom", {})
    if geom.get("pt3d"):  # 3D points override L
        return _polyline_length(tuple(tuple(point) for point in geom["pt3d"]))
    return float(geom.get("L", 100.0))  # NEURON's default length
