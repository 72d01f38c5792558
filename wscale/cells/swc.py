"""What NEURON makes of an SWC file where the file does not say it: loose pieces, and the soma."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["swc_notices", "swc_text"]

_NAMES = {1: "soma", 2: "axon", 3: "dend", 4: "apic"}  # of sections, by SWC type, as NetPyNE's


def swc_text(file: Path) -> str:
    """Return an SWC file's text, without the byte-order mark that some programs begin it with."""
    return file.read_bytes().decode("utf-8-sig", "replace")


def swc_notices(h: Any, file: str, rule: dict[str, Any], soma_um2: list[float]) -> list[str]:
    """Return what a user should know of the sections that NEURON has made of an SWC file.

    Parameters
    ----------
    h : HocObject
        NEURON.
    file : str
        The file.
    rule : dict
        The cell rule that NetPyNE's import made of it.
    soma_um2 : list of float
        The area of each section of type soma, um2.
    """
    h.load_file("import3d.hoc")
    reader = h.Import3d_SWC_read()
    reader.quiet = 1
    reader.input(file)
    sections = h.Import3d_GUI(reader, 0).swc.sections
    counts, loose, points = dict.fromkeys(_NAMES, 0), [], 0
    for index in range(int(sections.count())):
        section = sections.object(index)
        kind, first = int(section.type), int(section.id)
        own = f"{_NAMES[kind]}_{counts[kind]}"
        counts[kind] += 1
        points += int(section.raw.ncol() - (section.first or index > 0)) if kind == 1 else 0
        if index > 0 and reader.pid.x[first] < 0:
            loose.append((f"{reader.id.x[first]:g}", own, section.first))
    return [*_loose_pieces(rule, loose), *_soma(rule, points, soma_um2)]


def _loose_pieces(rule: dict[str, Any], loose: list[tuple[str, str, float]]) -> list[str]:
    notices = []
    for point, own, apart in loose:
        topol = rule["secs"][own]["topol"]
        how = "without a cable between them" if apart else "by a cable from the file's first point"
        notices.append(
            f"point {point} has no parent; NEURON connects its section {own} to "
            f"{topol['parentSec']}({topol['parentX']:g}), {how}: give the point a parent, or leave "
            "this piece out"
        )
    return notices


def _soma(rule: dict[str, Any], points: int, areas_um2: list[float]) -> list[str]:
    """Say what became of a soma of several points, which may have been meant as an outline."""
    if points < 3 and len(areas_um2) < 2:
        return []
    made = []
    for index, area_um2 in enumerate(areas_um2):
        geom = rule["secs"][f"soma_{index}"]["geom"]
        made.append(
            f"soma_{index} has L {geom['L']:.4g} um, diam {geom['diam']:.4g} um and an area of "
            f"{area_um2:.4g} um2"
        )
    return [
        f"NEURON takes the {points} points of the soma for cross-sections along a cable: "
        f"{'; '.join(made)}. If they are an outline, give the soma as one point with its radius"
    ]
