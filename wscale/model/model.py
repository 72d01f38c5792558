"""A single-cell NetPyNE model as plain data: what is simulated, without a simulator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from wscale._util.plain import choose_cell, some, to_plain
from wscale.cells.cell_file import CellFile, CellRule
from wscale.cells.cell_rule_checks import check_rule, check_sections
from wscale.errors import MechanismError
from wscale.mechanisms.folders import choose_folders, gather, prepare_folders
from wscale.mechanisms.library import sources_of
from wscale.model.checks import check_configuration, check_network, check_shape
from wscale.model.description import ALL, ModelDescription
from wscale.model.folder import read_folder
from wscale.model.notices import model_notices, unused_globals

__all__ = ["Model"]


@dataclass(frozen=True)
class Model(ModelDescription):
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
    needs : tuple of str or None
        Which mechanisms of ``mod`` are compiled and loaded; None: all that compile. It does not
        belong to the content. See :func:`wscale.model.needs.share_mechanisms`.
    measured_unit : WeightUnit or None
        The unit of the weight where neither settings nor NMODL files state it, see
        :mod:`wscale.simulation.weight_scale`.

    Examples
    --------
    >>> model = Model.from_folder(".", "PV_simple", {"dt": 0.05})
    >>> model.soma, model.dt_ms, model.onset_ms, model.syn_mechs
    ('soma', 0.05, 700.0, ['AMPA', 'NMDA'])
    """

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the model with the sources of its mechanisms, for workers without the folder."""
        content = {field.name: getattr(self, field.name) for field in fields(self)}
        return _arrived, (type(self), content, {} if self.mod is None else _sources(self.mod))

    @classmethod
    def from_folder(
        cls,
        folder: str | Path,
        cell: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        mod: str | Path | Sequence[str | Path] | None = None,
        mod_exclude: Sequence[str] = (),
        cell_file: CellFile | None = None,
        *,
        mod_all: bool = False,
        recompile: bool = False,
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
            Files there to leave out: names or shell-style patterns.
        cell_file : CellFile, optional
            A cell that takes the place of the folder's, under the label ``cell``; how many rules
            the folder has does not matter then.
        mod_all : bool
            Compile all NMODL files; one that does not compile is left out with a notice. By
            default only those are compiled that the cell and its synapses need, once it is
            simulated; or all, if the folder's code uses NEURON itself.
        recompile : bool
            Try again what did not compile in an earlier run.

        Raises
        ------
        ModelError, ConfigError, MechanismError
            With the file, the value and the remedy.
        """
        given, replaced = dict(overrides or {}), cell_file is not None
        own = None if replaced else cell
        content = read_folder(
            folder,
            own,
            given,
            mod,
            mod_exclude,
            replaced=replaced,
            mod_all=mod_all,
            recompile=recompile,
        )
        label, net, cfg, lib = (content[part] for part in ("cell", "net", "cfg", "mod"))
        searched = tuple(content["searched"])
        if cell_file is not None:
            beside = Path(cell_file.path).expanduser().parent / "mod"
            if recompile and lib is None and beside.is_dir():
                choose_folders([beside], recompile=True)
            bare = cls(cell or cell_file.label, net, cfg, lib, searched=searched)
            model = bare.with_cell(bare.cell, cell_file.read(lib), mod_all=mod_all)
        else:
            model = replace(cls._checked(label, net, cfg, lib), searched=searched)
        notices = tuple(dict.fromkeys((*content["notices"], *model.notices)))
        return replace(model, notices=notices, needs=ALL if mod_all else None)

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
        cls,
        cell: str,
        net: dict[str, Any],
        cfg: dict[str, Any],
        mod: str | None,
        *,
        rule_checked: bool = False,
    ) -> Model:
        notices = []
        check_shape(cell, net)
        secs = net["cellParams"][cell]["secs"]
        if not rule_checked:
            check_sections(f"cell {cell!r}", secs)
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
        scale = net.get("scaleConnWeightNetStims", 1)
        if scale != 1:  # which is the activation here, and nothing in a network's connections
            net["scaleConnWeightNetStims"] = 1
            notices.append(
                f"{cell}: netParams.scaleConnWeightNetStims = {scale} is taken as 1, since the "
                "connections of a network, for which the table is made, are not scaled by it"
            )
        model = cls(cell, net, cfg, mod)
        check_network(model)
        if not rule_checked:
            check_rule(f"cell {cell!r}", secs)
        check_configuration(model)
        return replace(model, notices=(*notices, *model_notices(model)))

    def with_net(self, net: dict[str, Any], group: str = "") -> Model:
        """Return this model with another network description, checked; its synapse group's name."""
        same_cell = net.get("cellParams") == self.net["cellParams"]
        return self._changed(net, group, rule_checked=same_cell)

    def _changed(self, net: dict[str, Any], group: str, *, rule_checked: bool) -> Model:
        changed = self._checked(self.cell, net, self.cfg, self.mod, rule_checked=rule_checked)
        notices = tuple(dict.fromkeys(self.notices + changed.notices))
        return replace(
            changed,
            notices=notices,
            group=group,
            searched=self.searched,
            needs=ALL if self.needs == ALL else None,
        )

    def with_cell(self, label: str, cell: CellRule, *, mod_all: bool = False) -> Model:
        """Return this model with another cell in its place, under a label; checked.

        Parameters
        ----------
        label : str
            Label of the cell.
        cell : CellRule
            What :func:`wscale.read_cell` returns.
        mod_all : bool
            Compile all NMODL files that the cell brings, see :meth:`from_folder`.
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
            prepared = (prepare_folders if mod_all else choose_folders)(folders)
            own = replace(own, mod=prepared.folder, searched=(*self.searched, cell.mod))
            left_out = prepared.notices
        changed = own._changed(net, self.group, rule_checked=cell.is_as_read)
        unused = unused_globals(changed)
        notices = dict.fromkeys((*cell.notices, *left_out, *changed.notices, *unused))
        return replace(changed, notices=tuple(notices))


def _sources(folder: str) -> dict[str, bytes]:
    """Return a folder's sources; none if there are none, so that loading it says why."""
    with suppress(MechanismError):
        return sources_of(folder)
    return {}


def _arrived(kind: type[Model], content: Mapping[str, Any], sources: dict[str, bytes]) -> Model:
    """Return a model that was pickled; its mechanisms are in the cache if they are not here."""
    if sources and _sources(content["mod"]) != sources:
        return kind(**{**content, "mod": str(gather(sources))})
    return kind(**content)
