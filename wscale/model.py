"""A single-cell NetPyNE model as plain data: what is simulated, without a simulator."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from wscale.cells import CellFile, CellRule
from wscale.checks import STIM, check_configuration, check_network, check_shape
from wscale.errors import ModelError
from wscale.folder import read_folder
from wscale.library import mechanisms_hash
from wscale.modfolders import prepare_folders
from wscale.naming import kinds
from wscale.plain import choose_cell, some, to_plain
from wscale.remarks import remarks, unused_globals
from wscale.rules import check_rule

__all__ = ["Model"]

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
    pickled and sent to a worker, has content hashes, and never holds an object of NEURON or
    NetPyNE.

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
    group : str
        Name of the synapse group, where there are several.
    searched : tuple of str
        The NMODL folders that were given, for messages.

    Examples
    --------
    >>> model = Model.from_folder(".", "PV_simple", {"dt": 0.05})
    >>> model.soma, model.dt_ms, model.onset_ms, model.syn_mechs
    ('soma', 0.05, 700.0, ['AMPA', 'NMDA'])
    """

    cell: str
    net: dict[str, Any]
    cfg: dict[str, Any]
    mod: str | None = None
    notices: tuple[str, ...] = ()
    group: str = ""
    searched: tuple[str, ...] = ()

    @classmethod
    def from_folder(
        cls,
        folder: str | Path,
        cell: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        mod: str | Path | Sequence[str | Path] | None = None,
        mod_exclude: Sequence[str] = (),
        cell_file: CellFile | None = None,
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
        mod : path or sequence of path, optional
            NMODL folders; by default the folder's ``mod``, where it exists.
        mod_exclude : sequence of str
            Files there to leave out: names or shell-style patterns. A file that does not compile
            is left out with a notice.
        cell_file : CellFile, optional
            A cell that takes the place of the folder's, under the label ``cell``; how many rules
            the folder has does not matter then.

        Raises
        ------
        ModelError, ConfigError, MechanismError
            With the file, the value and the remedy.
        """
        given, replaced = dict(overrides or {}), cell_file is not None
        own = None if replaced else cell
        content = read_folder(folder, own, given, mod, mod_exclude, replaced=replaced)
        label, net, cfg, lib = (content[part] for part in ("cell", "net", "cfg", "mod"))
        searched = tuple(content["searched"])
        if cell_file is not None:
            bare = cls(cell or cell_file.label, net, cfg, lib, searched=searched)
            model = bare.with_cell(bare.cell, cell_file.read(lib))
        else:
            model = replace(cls._checked(label, net, cfg, lib), searched=searched)
        notices = dict.fromkeys((*content["notices"], *model.notices))
        return replace(model, notices=tuple(notices))

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
        check_shape(cell, net)
        secs = net["cellParams"][cell]["secs"]
        scaled = [sec for sec in secs.values() if sec.pop("weightNorm", None) is not None]
        if scaled:
            notices.append(f"{cell}: stored weightNorm removed from {len(scaled)} sections")
        silent = [name for name, sec in secs.items() if "nseg" not in sec.get("geom", {})]
        for name in silent:
            secs[name].setdefault("geom", {})["nseg"] = 1  # NEURON's default
        if silent:
            notices.append(
                f"{cell}: no nseg in the geom of {some(silent, 4)}: taken as 1; write it into the "
                "rule, since NetPyNE cannot read a weightNorm without it"
            )
        model = cls(cell, net, cfg, mod)
        check_network(model)
        check_rule(f"cell {cell!r}", secs)
        check_configuration(model)
        return replace(model, notices=(*notices, *remarks(model)))

    def with_net(self, net: dict[str, Any], group: str = "") -> Model:
        """Return this model with another network description, checked; its synapse group's name."""
        changed = self._checked(self.cell, net, self.cfg, self.mod)
        notices = tuple(dict.fromkeys(self.notices + changed.notices))
        return replace(changed, notices=notices, group=group, searched=self.searched)

    def with_cell(self, label: str, cell: CellRule) -> Model:
        """Return this model with another cell in its place, under a label; checked.

        Parameters
        ----------
        label : str
            Label of the cell.
        cell : CellRule
            What :func:`wscale.read_cell` returns.
        """
        net = deepcopy(self.net)
        rule = deepcopy(cell.rule)
        rule.pop("conds", None)  # the population names the rule by its label
        net["cellParams"] = {label: rule}
        check_shape(label, net)
        for pop in net["popParams"].values():
            pop["cellType"] = label
        own = replace(self, cell=label, notices=())
        left_out: tuple[str, ...] = ()
        if cell.mod is not None:
            folders = [cell.mod] if self.mod is None else [self.mod, cell.mod]
            prepared = prepare_folders(folders)
            own = replace(own, mod=prepared.folder, searched=(*self.searched, cell.mod))
            left_out = prepared.notices
        changed = own.with_net(net, self.group)
        unused = unused_globals(changed)
        notices = dict.fromkeys((*cell.notices, *left_out, *changed.notices, *unused))
        return replace(changed, notices=tuple(notices))

    # ------------------------------------------------------------------ what it holds

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

    @property
    def onset_ms(self) -> float:
        """Time of the presynaptic spike (NetStim1's start), ms."""
        return float(self.stim_source["start"])

    @property
    def arrival_ms(self) -> float:
        """Time at which the spike reaches the synapse (start + delay), ms."""
        return self.onset_ms + float(self.stim_target.get("delay", self.net.get("defaultDelay", 1)))

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


# ---------------------------------------------------------------------- helpers


def soma_of(secs: Mapping[str, Any], cell: str) -> str:
    """Return the section that is the soma: ``soma``, or the only one whose name starts so."""
    somas = [name for name in secs if name.startswith("soma")]
    if "soma" in somas:
        return "soma"
    if len(somas) != 1:
        named = next((name for name in secs if name.lower().startswith("soma")), "NAME")
        raise ModelError(
            f"cell {cell!r} needs one section whose name starts with 'soma', but has "
            f"{somas or 'none'} among {kinds(secs)}; say --soma {named} with the --cell-file, or "
            "rename the section that is the soma"
        )
    return somas[0]


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
