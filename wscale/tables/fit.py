"""Whether a table fits a cell, and where its entries are measured."""

from __future__ import annotations

from wscale.errors import TableError
from wscale.model.model import Model
from wscale.model.sites import Site, number_of_segments, path_distance_um
from wscale.tables.weightnorm import WeightNormTable, read_out_loc

__all__ = ["check_fit", "places_of"]


def places_of(model: Model, sec: str, segment: int) -> tuple[Site, Site]:
    """Where NetPyNE reads a segment's own entry, and the segment's centre."""
    nseg = number_of_segments(model, sec)
    own, centre = read_out_loc(segment, nseg), (segment + 0.5) / nseg
    return (
        Site(sec, own, segment, path_distance_um(model, sec, own)),
        Site(sec, centre, segment, path_distance_um(model, sec, centre)),
    )


def check_fit(model: Model, table: WeightNormTable) -> None:
    """Raise TableError where a table has other sections or segments than the cell."""
    for sec, values in table.weight_norm.items():
        if sec not in model.rule["secs"]:
            raise TableError(f"the table has section {sec!r}, which cell {model.cell!r} has not")
        nseg = number_of_segments(model, sec)
        if len(values) != nseg:
            raise TableError(
                f"the table has {len(values)} entries for {sec!r}, but the section has nseg = "
                f"{nseg} in cell {model.cell!r}; make the table with the same discretisation"
            )
