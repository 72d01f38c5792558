"""The unit of a synapse's weight: what a number in a NetCon means."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from wscale.errors import MechanismError, ModelError, closest
from wscale.mechanisms.declarations import declared_weight
from wscale.mechanisms.library import sources_of

__all__ = ["KEY", "UNITS", "WeightUnit", "check_unit", "stated_unit"]

# Of a synMechParams entry; NetPyNE does not know it
KEY = "weight_unit"
# A current is taken as the conductance that gives it at this driving force, mV
DRIVING_FORCE_mV = 70.0
# What one of each is, uS
UNITS = {
    "uS": 1.0,
    "nS": 1e-3,
    "pS": 1e-6,
    "mS": 1e3,
    "S": 1e6,
    "nA": 1.0 / DRIVING_FORCE_mV,
    "pA": 1e-3 / DRIVING_FORCE_mV,
}
_WRITTEN = {
    "umho": "uS",
    "micromho": "uS",
    "microsiemens": "uS",
    "microsiemen": "uS",
    "nmho": "nS",
    "nanosiemens": "nS",
    "picosiemens": "pS",
    "mmho": "mS",
    "millisiemens": "mS",
    "mho": "S",
    "siemens": "S",
    "nanoamp": "nA",
    "picoamp": "pA",
}
_BUILT_IN = {"ExpSyn": "uS", "Exp2Syn": "uS"}


class WeightUnit(NamedTuple):
    """What a weight of 1 is.

    Parameters
    ----------
    name : str
        ``uS``, ``nS``, ...; empty for a factor, which has no unit.
    uS : float
        The peak conductance that a weight of 1 stands for, uS; of a synapse that injects a current,
        the conductance that gives it at 70 mV of driving force.
    source : str
        Who says so: the NMODL file, the settings, or a measurement.

    Examples
    --------
    >>> unit = WeightUnit("nS", 1e-3, "NET_RECEIVE")
    >>> unit.per_mV, unit.column, unit.of(5e-4)
    ('nS/mV', 'weightNorm_nS_per_mV', 0.5)
    >>> WeightUnit("", 1e-3, "measured").words
    'factors of 1 nS'
    """

    name: str = "uS"
    uS: float = 1.0
    source: str = "default"

    @property
    def per_mV(self) -> str:
        """Unit of a weightNorm, for people."""
        return f"{self.name or '1'}/mV"

    @property
    def column(self) -> str:
        """Name of a column of weightNorms."""
        return f"weightNorm_{self.name}_per_mV" if self.name else "weightNorm_per_mV"

    @property
    def nS(self) -> float:
        """What a weight of 1 is, nS."""
        return 1e3 * self.uS

    @property
    def words(self) -> str:
        """The unit in words."""
        return self.name or f"factors of {self.nS:.3g} nS"

    def of(self, weight_uS: float) -> float:
        """Return the number that stands for a conductance in a NetCon."""
        return weight_uS / self.uS

    def amount(self, weight_uS: float) -> str:
        """Return a conductance for a message, as the number in a NetCon with its unit."""
        number = f"{self.of(weight_uS):g}"
        return f"{number} {self.name}" if self.name else f"{number} ({1e3 * weight_uS:g} nS)"


def check_unit(what: str, value: Any) -> None:
    """Raise ModelError unless a value names a unit of weights."""
    if value not in UNITS:
        raise ModelError(
            f"{what}: {KEY} = {value!r} must be one of {', '.join(UNITS)}; leave it out to take "
            f"what its NMODL file declares or what is measured.{closest(str(value), UNITS)}"
        )


def stated_unit(syn_mechs: Mapping[str, Mapping[str, Any]], mod: str | None) -> WeightUnit | None:
    """Return the unit of a group's weight, as settings or files state it; None: to be measured.

    Parameters
    ----------
    syn_mechs : mapping
        Label -> ``synMechParams`` entry of the synapses that are activated together, which get
        their shares of one weight; the first that states a unit decides.
    mod : str or None
        Folder of their NMODL files.
    """
    for entry in syn_mechs.values():
        if KEY in entry:
            return WeightUnit(entry[KEY], UNITS[entry[KEY]], "weight_unit")
        declared = _declared(str(entry["mod"]), mod)
        if declared in UNITS:
            return WeightUnit(declared, UNITS[declared], f"NET_RECEIVE of {entry['mod']}")
    return None


def _declared(mechanism: str, mod: str | None) -> str:
    """Return the unit that a mechanism's NET_RECEIVE declares; empty if it declares none."""
    if mechanism in _BUILT_IN:
        return _BUILT_IN[mechanism]
    text = ""
    if mod is not None:
        with suppress(MechanismError):  # there is only a compiled library
            text = declared_weight(sources_of(mod), mechanism)
    return _WRITTEN.get(text, text)
