"""What a single-cell model holds, and what follows from it; plain data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from wscale._util.text import kinds
from wscale.errors import ModelError, option
from wscale.measurement.solution import MAX_WEIGHT_uS, USUAL_WEIGHT_uS
from wscale.mechanisms.declarations import RandomStreams, random_streams
from wscale.mechanisms.library import mechanisms_hash, sources_of
from wscale.model.weight_unit import KEY, WeightUnit, stated_unit

__all__ = ["ALL", "STIM", "DEFAULT_DELAY_ms", "ModelDescription", "soma_of"]

STIM = "NetStim1"
DEFAULT_DELAY_ms = 1.0  # NetPyNE's for stimuli; netParams.defaultDelay is that of connParams
ALL = ("*",)  # of a model's `needs`: all mechanisms, as was asked for

# cfg entries that say where output goes or how much is printed, not what is simulated
_OUTPUT_KEYS = (
    "analysis",
    "backupCfgFile",
    "filename",
    "print",
    "progressBar",
    "save",
    "simLabel",
    "timestampFilename",
    "timing",
    "validateNetParams",
    "verbose",
)


@dataclass(frozen=True)
class ModelDescription:
    """The content of a :class:`wscale.Model`, whose parameters these are; not checked."""

    cell: str
    net: dict[str, Any]
    cfg: dict[str, Any]
    mod: str | None = None
    notices: tuple[str, ...] = ()
    group: str = ""
    searched: tuple[str, ...] = ()
    needs: tuple[str, ...] | None = field(default=None, compare=False)
    measured_unit: WeightUnit | None = field(default=None, compare=False)

    @property
    def loaded(self) -> tuple[str, ...] | None:
        """Names of the mechanisms of ``mod`` to load; None: all that compile."""
        return None if self.needs == ALL else self.needs

    @property
    def label(self) -> str:
        """The cell's label, with the synapse group's name; names files and results."""
        return f"{self.cell}_{self.group}" if self.group else self.cell

    @property
    def rule(self) -> dict[str, Any]:
        """The cell rule: ``secs``, ``secLists``, ``globals``."""
        rule: dict[str, Any] = self.net["cellParams"][self.cell]
        return rule

    @property
    def soma(self) -> str:
        """Name of the section whose centre is the somatic potential."""
        return soma_of(self.rule["secs"], self.cell)

    @property
    def stim_source(self) -> dict[str, Any]:
        """The entry of NetStim1 in ``stimSourceParams``."""
        source: dict[str, Any] = self.net["stimSourceParams"][STIM]
        return source

    @property
    def stim_target_label(self) -> str:
        """Label of the one ``stimTargetParams`` entry that NetStim1 drives."""
        targets: dict[str, Any] = self.net["stimTargetParams"]
        return next(label for label, entry in targets.items() if entry.get("source") == STIM)

    @property
    def stim_target(self) -> dict[str, Any]:
        """The entry of ``stimTargetParams`` that NetStim1 drives."""
        target: dict[str, Any] = self.net["stimTargetParams"][self.stim_target_label]
        return target

    @property
    def syn_mechs(self) -> list[str]:
        """Labels of the synMechs that NetStim1 activates together."""
        labels = self.stim_target.get("synMech")
        return labels if isinstance(labels, list) else [str(labels)]

    @cached_property
    def stated_unit(self) -> WeightUnit | None:
        """The unit of the weight, as settings or NMODL files state it; None: neither does."""
        entries = {label: self.net["synMechParams"][label] for label in self.syn_mechs}
        return stated_unit(entries, self.mod)

    @cached_property
    def weight_unit(self) -> WeightUnit:
        """The unit of the weight: as stated, else as measured, else uS."""
        return self.stated_unit or self.measured_unit or WeightUnit()

    @cached_property
    def random_streams(self) -> dict[str, RandomStreams]:
        """The random streams of the activated synMechs whose NMODL files draw random numbers."""
        if self.mod is None:
            return {}
        sources = sources_of(self.mod)
        found = {
            label: random_streams(sources, self.net["synMechParams"][label]["mod"])
            for label in self.syn_mechs
        }
        return {label: streams for label, streams in found.items() if streams is not None}

    @property
    def own_weight_uS(self) -> float:
        """The weight of NetStim1's connection in the folder, or a usual one, uS."""
        own = self.stim_target.get("weight")
        return USUAL_WEIGHT_uS if own is None else float(own) * self.weight_unit.uS

    def largest_uS(self, max_weight: float | None) -> float:
        """Return the largest plausible weight, uS; ``max_weight`` is in the weight's unit."""
        return MAX_WEIGHT_uS if max_weight is None else max_weight * self.weight_unit.uS

    def netpyne_net(self) -> dict[str, Any]:
        """Return a copy of ``net`` with nothing in it that NetPyNE does not know."""
        net = deepcopy(self.net)
        net["cellParams"][self.cell].pop("tables", None)  # see cells/function_tables.py
        for entry in net["synMechParams"].values():
            entry.pop(KEY, None)
        return net

    @property
    def onset_ms(self) -> float:
        """Time of the presynaptic spike (NetStim1's start), ms."""
        return float(self.stim_source["start"])

    @property
    def arrival_ms(self) -> float:
        """Time at which the spike reaches the synapse (start + delay), ms."""
        return self.onset_ms + float(self.stim_target.get("delay", DEFAULT_DELAY_ms))

    @property
    def dt_ms(self) -> float:
        """Integration time step, ms."""
        return float(self.cfg["dt"])

    @property
    def record_step_ms(self) -> float:
        """Sampling step of the somatic potential, ms."""
        return float(self.cfg["recordStep"])

    # ------------------------------------------------------------------ hashes

    @cached_property
    def cell_hash(self) -> str:
        """SHA-256 of the cell rule."""
        return _digest(self.rule)

    @cached_property
    def config_hash(self) -> str:
        """SHA-256 of configuration and network, without cell rule and output settings."""
        cfg = {key: self.cfg[key] for key in self.cfg if not key.startswith(_OUTPUT_KEYS)}
        net = {key: self.net[key] for key in self.net if key != "cellParams"}
        return _digest([cfg, net])

    @cached_property
    def mechanism_hash(self) -> str:
        """SHA-256 of the NMODL files (empty text where there are none)."""
        return "" if self.mod is None else mechanisms_hash(Path(self.mod))

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of all that decides a simulation's numbers: cell, configuration, mechanisms."""
        others = {k: v for k, v in self.net["cellParams"].items() if k != self.cell}
        return _digest([self.cell_hash, others, self.config_hash, self.mechanism_hash])


def soma_of(secs: Mapping[str, Any], cell: str) -> str:
    """Return the section that is the soma: ``soma``, or the only one whose name starts so."""
    somas = [name for name in secs if name.startswith("soma")]
    if "soma" in somas:
        return "soma"
    if len(somas) != 1:
        named = next((name for name in secs if name.lower().startswith("soma")), "NAME")
        raise ModelError(
            f"cell {cell!r} needs one section whose name starts with 'soma', but has "
            f"{somas or 'none'} among {kinds(secs)}; say {option('soma', named)} with "
            f"the {option('cell_file')}, or rename the section that is the soma"
        )
    return somas[0]


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
