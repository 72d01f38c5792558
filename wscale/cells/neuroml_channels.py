"""The channels of a NeuroML2 cell: what NMODL they need, and whether NetPyNE's rule means the same.

NetPyNE's rule has one entry a section and channel, and one reversal potential a section and ion;
jNeuroML's NMODL has the reversal potential of a channel in the file, where it is fixed. What a cell
says beyond that is refused, since it would be simulated otherwise than it stands in the file.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wscale._util.plain import some
from wscale.errors import ModelError

__all__ = [
    "Carried",
    "check_densities",
    "densities_of",
    "intracellular",
    "mechanisms_of",
    "membrane",
]

_KINDS = (
    "channel_densities",
    "channel_density_v_shifts",
    "channel_density_nernsts",
    "channel_density_ghks",
    "channel_density_ghk2s",
    "channel_density_non_uniforms",
    "channel_density_non_uniform_nernsts",
    "channel_density_non_uniform_ghks",
)
_NON_SPECIFIC = "non_specific"
_USEION = re.compile(r"^\s*USEION\s+(\w+)(?:\s+READ\s+([\w, ]+?))?(?:\s+WRITE\s+(\w+))?\s", re.M)
_FORMULA = (ast.Expression, ast.BinOp, ast.UnaryOp, ast.Call, ast.Name, ast.Load, ast.Constant)
_SIGNS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.USub, ast.UAdd)


@dataclass(frozen=True)
class Carried:
    """What an NMODL file of jNeuroML says of a channel's current.

    Parameters
    ----------
    ion : str or None
        The ion that carries it, ``non_specific``, or None for what has no current.
    reads_e : bool
        Whether the reversal potential is the ion's; else it stands in the file.
    gated_by : tuple of str
        The ions whose concentrations inside act on it.
    """

    ion: str | None
    reads_e: bool
    gated_by: tuple[str, ...] = ()

    @classmethod
    def of(cls, text: str) -> Carried:
        """Read the NEURON block of a file."""
        ions = [(i, re.split(r"[,\s]+", read), write) for i, read, write in _USEION.findall(text)]
        gated_by = tuple(ion for ion, read, _ in ions if f"{ion}i" in read)
        for ion, read, write in ions:
            if write == f"i{ion}":
                return cls(ion, f"e{ion}" in read, gated_by)
        return cls(_NON_SPECIFIC if "NONSPECIFIC_CURRENT" in text else None, False, gated_by)


def membrane(cell: Any) -> Any:
    """Return the membrane properties of a cell, empty where it has none."""
    biophysics = cell.biophysical_properties
    found = None if biophysics is None else biophysics.membrane_properties
    return found or importlib.import_module("neuroml").MembraneProperties()


def intracellular(cell: Any) -> Any:
    """Return the intracellular properties of a cell, empty where it has none."""
    biophysics = cell.biophysical_properties
    found = None if biophysics is None else biophysics.intracellular_properties
    return found or importlib.import_module("neuroml").IntracellularProperties()


def densities_of(cell: Any) -> list[Any]:
    """Return the channel densities of all kinds."""
    return [density for kind in _KINDS for density in getattr(membrane(cell), kind)]


def mechanisms_of(document: Any, cell: Any) -> list[str]:
    """Name the channels and concentration models that a cell needs as NMODL."""
    if membrane(cell).channel_populations:
        raise ModelError("<channelPopulation> is not read by NetPyNE; give a channelDensity")
    names = dict.fromkeys(density.ion_channel for density in densities_of(cell))
    if "pas" in names:  # NetPyNE takes NEURON's own
        del names["pas"]
        for part in document.member_data_items_:
            entries = getattr(document, part.get_name(), None)
            for entry in entries if isinstance(entries, list) else ():
                lists = [
                    v for k, v in vars(entry).items() if k.startswith(("gate", "conductance_"))
                ]
                if getattr(entry, "id", None) == "pas" and any(lists):
                    raise ModelError(
                        "the channel 'pas' has gates or a scaling, and NetPyNE takes NEURON's "
                        "passive 'pas' by that name: rename the channel"
                    )
    species = intracellular(cell).species
    return list(names | dict.fromkeys(entry.concentration_model for entry in species))


def check_densities(
    cell: Any, carried: Mapping[str, Carried], groups: Mapping[str, list[str]]
) -> None:
    """Give densities their ions; refuse what NetPyNE's rule, or the NMODL, would say otherwise.

    Parameters
    ----------
    cell : neuroml.Cell
        With groups of whole sections.
    carried : mapping
        What carries the current, for each mechanism of :func:`mechanisms_of`.
    groups : mapping
        The sections of each group.
    """
    pools = set()
    for species in intracellular(cell).species:
        species.ion = species.ion or species.id
        pools |= {(species.ion, sec) for sec in groups[species.segment_groups]}
    present: dict[tuple[str, str], str] = {}
    potentials: dict[str, set[str]] = {}
    for density in densities_of(cell):
        where = f"{type(density).__name__} {density.id!r} of {density.ion_channel!r}"
        if getattr(density, "segments", None) is not None:
            raise ModelError(
                f"{where} is given for one segment, which NetPyNE passes over; give a segmentGroup"
            )
        secs = _sections(where, cell, density, groups)
        for sec in secs:
            if (sec, density.ion_channel) in present:
                raise ModelError(
                    f"{where} is in section {sec!r} once more (see "
                    f"{present[sec, density.ion_channel]!r}), and NetPyNE keeps one density a "
                    "section and channel: give each section one, their sum"
                )
            present[sec, density.ion_channel] = density.id
        _check_ion(where, density, carried)
        fixed = getattr(density, "erev", None)
        kind = carried.get(density.ion_channel, Carried(_NON_SPECIFIC, False))
        if fixed is not None and density.ion != _NON_SPECIFIC:
            potentials.setdefault(density.ion_channel, set()).add(_mV(fixed))
        if len(potentials.get(density.ion_channel, ())) > 1 or kind.reads_e == (fixed is not None):
            raise ModelError(
                f"{where}: the reversal potential of a channel must be one number, or Nernst's, in "
                "the whole cell, as jNeuroML writes it into the NMODL; give a copy of the channel "
                "another id for the other value"
            )
        needed = {*kind.gated_by, *([density.ion] if fixed is None else [])}
        for ion in needed:
            if lacking := [sec for sec in secs if (ion, sec) not in pools]:
                raise ModelError(
                    f"{where} depends on the concentration of {ion}, but no species says what it "
                    f"is in {some(lacking)}; give it there too"
                )


def _sections(where: str, cell: Any, density: Any, groups: Mapping[str, list[str]]) -> list[str]:
    """Return the sections that have a density."""
    if hasattr(density, "segment_groups"):
        if density.cond_density is None:
            raise ModelError(f"{where} has no condDensity; give one number for the group")
        return groups[density.segment_groups]
    found = []
    for parameter in density.variable_parameters:
        _check_formula(where, cell, parameter)
        found += groups[parameter.segment_groups]
    return found


def _check_ion(where: str, density: Any, carried: Mapping[str, Carried]) -> None:
    """Take the ion from the channel: NetPyNE would guess it from its name."""
    name = density.ion_channel
    ion = _NON_SPECIFIC if name == "pas" else carried[name].ion
    if ion is None or (density.ion or ion) != ion:
        raise ModelError(
            f"{where} has the ion {density.ion!r}, and the channel's current is that of {ion!r} "
            "(species): the two must agree"
        )
    density.ion = ion


def _mV(quantity: str) -> str:
    pynml = importlib.import_module("pyneuroml.pynml")
    return f"{pynml.convert_to_units(quantity, 'mV'):.9g}"


def _check_formula(where: str, cell: Any, parameter: Any) -> None:
    """Refuse a formula that is more than one, since it is run, or that starts elsewhere."""
    text = parameter.inhomogeneous_value.value
    try:
        nodes = list(ast.walk(ast.parse(text.strip(), mode="eval")))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ModelError(f"{where}: {text!r} is no formula: {error}") from error
    called = [id(node.func) for node in nodes if isinstance(node, ast.Call)]
    for node in nodes:
        name = node.id if isinstance(node, ast.Name) else "p"
        known = {"exp", "H"} if id(node) in called else {"p"}
        number = not isinstance(node, ast.Constant) or type(node.value) in (int, float)
        if not isinstance(node, (*_FORMULA, *_SIGNS)) or name not in known | {"p"} or not number:
            raise ModelError(
                f"{where}: {text!r} must be a formula of p, numbers, + - * / ( ), exp and H"
            )
    group = parameter.segment_groups
    listed = next(g for g in cell.morphology.segment_groups if g.id == group)
    _, near, _ = cell.get_ordered_segments_in_groups([group], include_path_lengths=True)
    begins = min(near[group].values(), default=0.0)
    for way in listed.inhomogeneous_parameters:
        if way.distal is not None or (way.proximal is not None and begins > 0):
            raise ModelError(
                f"{where}: the distance p of {group!r} is counted from the group's own beginning, "
                f"{begins:.4g} um from the root, or to its end, which NetPyNE does not do; write "
                "the formula for the path length from the root, without <proximal> and <distal>"
            )
