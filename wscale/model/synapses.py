"""Which synapses are activated: those of the model folder, or groups given from outside."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

from wscale._util.formulas import check_formula
from wscale._util.json_files import read_json
from wscale._util.plain import is_number, short
from wscale.errors import ConfigError, closest
from wscale.model.model import Model
from wscale.model.weight_unit import KEY, check_unit

__all__ = ["SynapseGroup", "parse_synmechs", "read_groups", "with_synapses"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_KEYS = ("synMechs", "weightFactors", "target_mV")


@dataclass(frozen=True)
class SynapseGroup:
    """Synapses that one activation reaches together, and perhaps a target of their own.

    Parameters
    ----------
    name : str
        Names the table: ``<cell>_<name>_weightNorm``; empty: ``<cell>_weightNorm``.
    syn_mechs : mapping
        Label -> NetPyNE ``synMechParams`` entry; None: the model's own entry of that label.
    weight_factors : tuple of float, optional
        The share of the weight that each gets (``synMechWeightFactor``); without, each gets all.
    target_mV : float or mapping, optional
        The group's target, as in the settings of a search; IPSPs negative.

    Raises
    ------
    ConfigError
        A name that cannot be part of a file name, no synapses, or factors that do not fit them.

    Examples
    --------
    >>> SynapseGroup("exc", {"AMPA": None, "NMDA": None}, (0.5, 0.5)).name
    'exc'
    """

    name: str
    syn_mechs: Mapping[str, Mapping[str, Any] | None]
    weight_factors: tuple[float, ...] | None = None
    target_mV: float | dict[str, float] | None = field(default=None)

    def __post_init__(self) -> None:
        where = f"synapse group {self.name!r}" if self.name else "the synapses"
        if self.name and not _NAME.fullmatch(self.name):
            raise ConfigError(
                f"synapse group {self.name!r}: letters, digits, _ and - only, since it is part of "
                "the table's file name"
            )
        if not self.syn_mechs:
            raise ConfigError(f"{where}: no synMechs; name one or more")
        for label, entry in self.syn_mechs.items():
            if entry is not None and not isinstance(entry.get("mod"), str):
                raise ConfigError(
                    f"synMech {label!r}: mod = {entry.get('mod')!r} must name its point process, "
                    "such as Exp2Syn"
                )
            for key, value in (entry or {}).items():
                if key == KEY:
                    check_unit(f"synMech {label!r}", value)
                    continue
                what = f"synMech {label!r}: {key}"
                if isinstance(value, str) and key != "mod":  # NetPyNE evaluates it
                    check_formula(what, value, error=ConfigError)
                elif key != "mod" and not is_number(value):
                    raise ConfigError(f"{what} = {short(value)} must be a finite number")
        factors = self.weight_factors
        if factors is not None and not (all(0 <= f < inf for f in factors) and any(factors)):
            raise ConfigError(
                f"{where}: weight factors {list(factors)} must be finite and "
                "not negative, and one at least positive; they are shares of the weight"
            )
        if factors is not None and len(factors) != len(self.syn_mechs):
            raise ConfigError(
                f"{where}: {len(factors)} weight factors for the synMechs "
                f"{list(self.syn_mechs)}; give one for each"
            )


def parse_synmechs(texts: Iterable[str]) -> dict[str, dict[str, Any] | None]:
    """Read ``NAME=MOD,param=value,...``; ``NAME`` alone is the model's own synMech.

    Parameters
    ----------
    texts : iterable of str
        One a synMech.

    Returns
    -------
    dict
        Label -> NetPyNE ``synMechParams`` entry, or None.

    Raises
    ------
    ConfigError
        A text of another form, a value that is no number, or a name twice.

    Examples
    --------
    >>> parse_synmechs(["GABA=Exp2Syn,tau1=0.07,tau2=18.2,e=-80", "NMDA"])
    {'GABA': {'mod': 'Exp2Syn', 'tau1': 0.07, 'tau2': 18.2, 'e': -80.0}, 'NMDA': None}
    """
    found: dict[str, dict[str, Any] | None] = {}
    for text in texts:
        name, equals, rest = (part.strip() for part in text.partition("="))
        mod, *parameters = (part.strip() for part in rest.split(","))
        pairs = [tuple(part.split("=")) for part in parameters]
        wrong = "," in name or any(len(pair) != 2 for pair in pairs)
        if not name or (equals and not mod) or wrong:
            start = name.partition(",")[0]
            lacking = f" (NAME= is missing: {start}={start},... will do)" if "," in name else ""
            raise ConfigError(
                f"synMech {text!r} is not NAME=MOD,param=value,...{lacking}; write for example "
                "GABA=Exp2Syn,tau1=0.07,tau2=18.2,e=-80, or AMPA for the model's own"
            )
        if name in found:
            raise ConfigError(f"synMech {name!r} is given twice; name each once")
        try:
            values = {
                key.strip(): value.strip() if key.strip() == KEY else float(value)
                for key, value in pairs
            }
            if not all(is_number(value) or key == KEY for key, value in values.items()):
                raise ValueError(values)
        except ValueError:
            raise ConfigError(
                f"synMech {text!r}: parameters must be finite numbers (ms, mV, uS as in its NMODL "
                "file)"
            ) from None
        found[name] = {"mod": mod, **values} if equals else None
    return found


def read_groups(path: str | Path) -> dict[str, dict[str, Any]]:
    """Read a JSON file of synapse groups: name -> synMechs, weightFactors, target_mV.

    Raises
    ------
    ConfigError
        No such file, not JSON, or not of that form.
    """
    content = read_json(path, "synapses file")
    if not isinstance(content, dict) or not all(isinstance(g, dict) for g in content.values()):
        raise ConfigError(f"synapses file {path} must map group names to {{{', '.join(_KEYS)}}}")
    if not content:
        raise ConfigError(f"synapses file {path} has no groups")
    for name, group in content.items():
        _check_group(f"synapses file {path}: group {name!r}", group)
    return content


def _check_group(where: str, group: Mapping[str, Any]) -> None:
    """Refuse a group of another form, in words that say what is expected."""
    for key in group:
        if key not in _KEYS:
            raise ConfigError(
                f"{where} has the unknown key {key!r}; allowed are {', '.join(_KEYS)}."
                f"{closest(key, _KEYS)}"
            )
    mechs, factors, target = (group.get(key) for key in _KEYS)
    if not isinstance(mechs, dict) or not all(isinstance(e, dict | None) for e in mechs.values()):
        given = f"synMechs = {short(mechs)}" if "synMechs" in group else "synMechs is missing"
        raise ConfigError(
            f'{where}: {given}; needed is {{"NAME": {{"mod": "Exp2Syn", "tau1": 0.07, ...}}}}, or '
            '{"NAME": null} for one of the model'
        )
    if factors is not None and not (isinstance(factors, list) and all(map(is_number, factors))):
        raise ConfigError(
            f"{where}: weightFactors = {short(factors)}; needed is a list of numbers, one for each "
            "synMech, such as [0.5, 0.5]"
        )
    values = list(target.values()) if isinstance(target, dict) else [target]
    if target is not None and not all(map(is_number, values)):
        raise ConfigError(
            f"{where}: target_mV = {short(target)}; needed is a number of mV, such as 0.5 (with a "
            'point, without quotes), or {"default": 0.5, "PLACE": 1.0}'
        )


def with_synapses(model: Model, group: SynapseGroup) -> Model:
    """Return a model whose NetStim1 activates a group of synapses.

    Parameters
    ----------
    model : Model
        Its cell, configuration, and NetStim1's time, delay and weight stay.
    group : SynapseGroup
        What is activated.

    Returns
    -------
    Model
        Checked as one from a folder is; ``label`` is the cell's with the group's name.

    Raises
    ------
    ConfigError, ModelError
        A synMech that the model has not, or a network that cannot be calibrated.

    Examples
    --------
    >>> model = Model.from_folder(".", "PV_simple", {"dt": 0.05})
    >>> inhibited = with_synapses(model, SynapseGroup("inh", {"GABA": None}))
    >>> inhibited.syn_mechs, inhibited.label
    (['GABA'], 'PV_simple_inh')
    """
    net = deepcopy(model.net)
    known = net["synMechParams"]
    for label, entry in group.syn_mechs.items():
        if entry is not None:
            known[label] = dict(entry)
        elif label not in known:
            raise ConfigError(
                f"synMech {label!r} is none of the model's ({', '.join(sorted(known))}); give its "
                f"point process: {label}=MOD,param=value,..."
            )
    target = net["stimTargetParams"][model.stim_target_label]
    target["synMech"] = list(group.syn_mechs)
    target.pop("synMechWeightFactor", None)
    if group.weight_factors is not None and len(group.syn_mechs) > 1:
        target["synMechWeightFactor"] = list(group.weight_factors)
    return model.with_net(net, group.name)
