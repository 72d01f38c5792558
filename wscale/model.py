"""A single-cell NetPyNE model as plain data: what is simulated, without a simulator."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from wscale.errors import ConfigError, ModelError, closest
from wscale.folder import read_folder
from wscale.mechanisms import mechanisms_hash

__all__ = ["Model"]

STIM = "NetStim1"

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
class Model:
    """One cell with its synapses and configuration, as dictionaries, lists, numbers and text.

    Build it with :meth:`from_folder` or :meth:`from_netpyne`; both check it. A Model can be
    pickled, sent to a worker and hashed; it never holds an object of NEURON or NetPyNE.

    Parameters
    ----------
    cell : str
        Label of the cell rule in ``net["cellParams"]``.
    net : dict
        The content of a NetPyNE ``NetParams``, plain.
    cfg : dict
        The content of a NetPyNE ``SimConfig``, plain.
    mod : str or None
        Folder of the NMODL mechanisms that the model needs (None: NEURON's own suffice).
    notices : tuple of str
        What was changed or left out when the model was read, for the user to see.
    """

    cell: str
    net: dict[str, Any]
    cfg: dict[str, Any]
    mod: str | None = None
    notices: tuple[str, ...] = ()

    @classmethod
    def from_folder(
        cls,
        folder: str | Path,
        cell: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        mod: str | Path | None = None,
    ) -> Model:
        """Read a model folder: a ``cfg.py`` and a ``netParams.py`` in NetPyNE's conventions.

        The folder's code runs in a process of its own, with the folder as working directory.

        Parameters
        ----------
        folder : path
            Holds cfg.py (with ``cfg``), netParams.py (with ``netParams``) and perhaps mod/.
        cell : str, optional
            Sets ``cfg.cell`` where cfg.py has it, and names the cell rule; may be left out when
            the folder has one cell rule or a ``cfg.cell``.
        overrides : mapping, optional
            Dotted cfg keys and their values, set after cfg.py and before netParams.py runs.
        mod : path, optional
            NMODL folder; by default the folder's ``mod``, where it exists.

        Raises
        ------
        ModelError, ConfigError, MechanismError
            With the file, the value and the remedy.
        """
        content = read_folder(folder, cell, dict(overrides or {}), mod)
        return cls._checked(content["cell"], content["net"], content["cfg"], content["mod"])

    @classmethod
    def from_netpyne(
        cls, netParams: Any, cfg: Any, cell: str | None = None, mod: str | Path | None = None
    ) -> Model:
        """Take a ``NetParams`` and a ``SimConfig`` object as they stand.

        Parameters
        ----------
        netParams : netpyne.specs.NetParams
            With one population of one cell, and ``NetStim1`` connected to it.
        cfg : netpyne.specs.SimConfig
            The simulation configuration.
        cell : str, optional
            Label of the cell rule; may be left out when there is one.
        mod : path, optional
            NMODL folder.
        """
        net, settings = to_plain(vars(netParams), "netParams"), to_plain(vars(cfg), "cfg")
        label = choose_cell(cell or settings.get("cell"), net["cellParams"])
        return cls._checked(label, net, settings, None if mod is None else str(Path(mod).resolve()))

    @classmethod
    def _checked(
        cls, cell: str, net: dict[str, Any], cfg: dict[str, Any], mod: str | None
    ) -> Model:
        notices = []
        secs = net["cellParams"][cell].get("secs", {})
        scaled = [sec for sec in secs.values() if sec.pop("weightNorm", None) is not None]
        if scaled:
            notices.append(f"{cell}: stored weightNorm removed from {len(scaled)} sections")
        model = cls(cell, net, cfg, mod)
        model._check_network()
        model._check_configuration()
        factors = model.stim_target.get("synMechWeightFactor")
        if len(model.syn_mechs) == 1 and factors not in (None, [1], [1.0]):
            notices.append(
                f"{cell}: synMechWeightFactor = {factors} has no effect, since NetPyNE applies it "
                "only to several synMechs; the weight is that of the one synMech"
            )
        return replace(model, notices=tuple(notices))

    # ------------------------------------------------------------------ what it holds

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

    @property
    def onset_ms(self) -> float:
        """Time of the presynaptic spike (NetStim1's start), ms."""
        return float(self.stim_source["start"])

    @property
    def arrival_ms(self) -> float:
        """Time at which the spike reaches the synapse (start + delay), ms."""
        return self.onset_ms + float(self.stim_target.get("delay", self.net["defaultDelay"]))

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

    # ------------------------------------------------------------------ checks

    def _check_network(self) -> None:
        _ = self.soma
        pops = self.net["popParams"]
        sizes = {name: pop.get("numCells", 1) for name, pop in pops.items()}
        if list(sizes.values()) != [1]:
            raise ModelError(
                f"the model must have one population of one cell, but popParams gives {sizes}; "
                "leave only the calibrated cell, with numCells = 1"
            )
        targets = [
            label
            for label, target in self.net["stimTargetParams"].items()
            if target.get("source") == STIM
        ]
        if STIM not in self.net["stimSourceParams"] or len(targets) != 1:
            raise ModelError(
                f"netParams must have stimSourceParams[{STIM!r}] and exactly one stimTargetParams "
                f"entry with source {STIM!r}, but the sources are "
                f"{sorted(self.net['stimSourceParams'])} and the targets {targets}"
            )
        source = self.stim_source
        if (source.get("type"), source.get("number", 1e9), source.get("noise", 0)) != (
            "NetStim",
            1,
            0,
        ):
            raise ModelError(
                f"{STIM} must be a NetStim with number 1 and noise 0 (one activation at a known "
                f"time), but is {source}"
            )
        self._check_target()

    def _check_target(self) -> None:
        target, known = self.stim_target, self.net["synMechParams"]
        for key, kind in (("weight", "number of uS"), ("loc", "number"), ("delay", "number of ms")):
            if not isinstance(target.get(key, 1.0), int | float):
                raise ModelError(
                    f"{key} = {target[key]!r} of {STIM}'s target must be one {kind}; the parts of "
                    "several synMechs go into synMechWeightFactor"
                )
        factors = target.get("synMechWeightFactor")
        if len(self.syn_mechs) > 1 and factors is not None and len(factors) != len(self.syn_mechs):
            raise ModelError(
                f"synMechWeightFactor = {factors} of {STIM}'s target must have one factor for each "
                f"of its synMechs {self.syn_mechs}"
            )
        for key in ("synsPerConn", "synMechLocFactor", "synMechDelayFactor"):
            if target.get(key, 1) != 1:
                raise ModelError(
                    f"{key} = {target[key]!r} of {STIM}'s target: one activation at one place is "
                    f"calibrated; leave {key} out"
                )
        for label in self.syn_mechs:
            if label not in known:
                raise ModelError(
                    f"synMech {label!r} of {STIM} is not in synMechParams ({sorted(known)})."
                    f"{closest(label, known)}"
                )
        if self.arrival_ms < self.onset_ms or self.onset_ms <= 0:
            raise ModelError(
                f"{STIM}: start = {self.onset_ms:g} ms must be positive and delay must not be "
                f"negative ({self.arrival_ms - self.onset_ms:g} ms)"
            )

    def _check_configuration(self) -> None:
        if self.cfg.get("coreneuron"):
            raise ConfigError("cfg.coreneuron is True; the search runs in NEURON: set it to False")
        dt, step = self.cfg["dt"], self.cfg["recordStep"]
        if not dt > 0:
            raise ConfigError(f"cfg.dt = {dt!r} ms must be positive; 0.025 is usual")
        stride = step / dt
        if not step > 0 or (not self.cfg["cvode_active"] and not _is_whole(stride)):
            raise ConfigError(
                f"cfg.recordStep = {step!r} ms must be a whole multiple of cfg.dt = {dt!r} ms; "
                f"{max(1, round(stride)) * dt:g} is one"
            )


# ---------------------------------------------------------------------- helpers


def soma_of(secs: Mapping[str, Any], cell: str) -> str:
    """Return the section that is the soma: ``soma``, or the only one whose name starts so."""
    somas = [name for name in secs if name.startswith("soma")]
    if "soma" in somas:
        return "soma"
    if len(somas) != 1:
        raise ModelError(
            f"cell {cell!r} needs one section whose name starts with 'soma', but has "
            f"{somas or 'none'} among {_some(secs)}; rename the section that is the soma"
        )
    return somas[0]


def choose_cell(cell: str | None, cell_params: Mapping[str, Any]) -> str:
    """Return the label of the cell rule meant: the one named, or the only one there is."""
    if cell is None:
        if len(cell_params) == 1:
            return str(next(iter(cell_params)))
        raise ModelError(
            f"the model has {len(cell_params)} cell rules ({_some(cell_params)}); say which with "
            "--cell LABEL"
        )
    if cell not in cell_params:
        raise ModelError(
            f"netParams.cellParams has no cell rule {cell!r} (it has {_some(cell_params)})."
            f"{closest(cell, cell_params)}"
        )
    return cell


def to_plain(value: Any, path: str) -> Any:
    """Copy a NetPyNE structure as dictionaries, lists, numbers and text.

    Parameters
    ----------
    value : object
        Dictionaries of any kind, sequences, NumPy arrays and numbers, text, None.
    path : str
        Where the value stands, for messages.

    Raises
    ------
    ModelError
        Something else is in there, such as an object of NEURON.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, np.generic | np.ndarray):
        return to_plain(value.tolist(), path)
    if isinstance(value, int | float):
        return value
    if isinstance(value, Mapping):
        return {
            str(key): to_plain(entry, f"{path}.{key}")
            for key, entry in value.items()
            if not str(key).startswith("_")
        }
    if isinstance(value, Sequence | Iterable):
        return [to_plain(entry, f"{path}[{i}]") for i, entry in enumerate(value)]
    raise ModelError(
        f"{path} is a {type(value).__name__}; a model may hold only dictionaries, lists, numbers "
        "and text"
    )


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _is_whole(ratio: float) -> bool:
    return round(ratio) >= 1 and abs(ratio - round(ratio)) < 1e-6 * ratio


def _some(names: Iterable[str], most: int = 8) -> str:
    listed = list(names)
    more = f", ... ({len(listed)} in all)" if len(listed) > most else ""
    return ", ".join(repr(name) for name in listed[:most]) + more
