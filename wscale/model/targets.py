"""Target EPSPs: one for all sites, or others for cells, sections and sites."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wscale.errors import SelectionError, closest
from wscale.measurement.epsp import Polarity
from wscale.model.model import Model
from wscale.model.sites import Site

__all__ = ["Targets"]


@dataclass(frozen=True)
class Targets:
    """Target EPSPs, mV: one for all, or others for cells, sections and sites.

    The most specific entry counts: site before section before cell before default. Negative targets
    are IPSPs; all targets of a search have one sign.

    Parameters
    ----------
    default_mV : float
        The target where nothing more specific is given, mV.
    by_place_mV : mapping
        Other targets by name: a cell label, a section, or a site such as ``Adend3(0.5)``; a
        section or site of one cell only is written ``PT5B_reduced/Adend3``.

    Raises
    ------
    SelectionError
        A target that is zero or not finite, or targets of both signs.

    Examples
    --------
    >>> targets = Targets(0.5, {"PV_simple": 1.0, "Adend3": 0.25})
    >>> targets.at("IT2_reduced", Site("Adend3", 0.5, 0, 243.5))
    0.25
    >>> targets.at("PV_simple", Site("dend", 0.5, 0, 35.5))
    1.0
    """

    default_mV: float = 0.5
    by_place_mV: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        named = {"target_mV": self.default_mV, **self.by_place_mV}
        for name, value in named.items():
            if not np.isfinite(value) or value == 0:
                raise SelectionError(
                    f"target {name} = {value!r} mV; a target must be a finite number, positive for "
                    "an EPSP and negative for an IPSP (0.5 is usual)"
                )
        if len({np.sign(value) for value in named.values()}) > 1:
            raise SelectionError(
                f"targets of both signs ({named}); search EPSPs and IPSPs in two runs"
            )

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Targets:
        """Read targets from text: ``0.5`` (default), ``Adend3=0.25``, ``PV_simple=1``.

        Examples
        --------
        >>> Targets.parse(["0.5", "Adend3=0.25"]).by_place_mV
        {'Adend3': 0.25}
        """
        default, places = 0.5, {}
        for text in texts:
            place, equals, number = text.rpartition("=")
            try:
                value = float(number)
            except ValueError:
                raise SelectionError(
                    f"target {text!r} is not a number of mV nor PLACE=number; write for example "
                    "0.5 or Adend3=0.25"
                ) from None
            if equals and not place.strip():
                raise SelectionError(f"target {text!r} names no place before '='")
            if place:
                places[place.strip()] = value
            else:
                default = value
        return cls(default, places)

    @property
    def polarity(self) -> Polarity:
        """1 for EPSPs, -1 for IPSPs."""
        return 1 if self.default_mV > 0 else -1

    def at(self, cell: str, site: Site) -> float:
        """Return the target at a site of a cell, mV."""
        for place in (str(site), site.sec):
            for name in (f"{cell}/{place}", place):
                if name in self.by_place_mV:
                    return float(self.by_place_mV[name])
        return float(self.by_place_mV.get(cell, self.default_mV))

    def check(self, models_and_sites: Iterable[tuple[Model, Iterable[Site]]]) -> None:
        """Raise SelectionError where a named place is in none of the searched cells."""
        known: set[str] = set()
        for model, sites in models_and_sites:
            places = {place for site in sites for place in (str(site), site.sec)}
            known |= {model.cell} | places | {f"{model.cell}/{place}" for place in places}
        for name in self.by_place_mV:
            if name not in known:
                raise SelectionError(
                    f"target {name!r} names no searched cell, section or site."
                    f"{closest(name, known)}"
                )

    def plain(self) -> Any:
        """Return the targets for a file: a number, or a number and the places that differ."""
        if not self.by_place_mV:
            return self.default_mV
        return {"default": self.default_mV, **self.by_place_mV}
