"""The rig: one cell built and settled once, on which synaptic activations are tried.

The only module of the search that runs NEURON. It is given sites and weights and returns responses.
"""

from __future__ import annotations

import contextlib
import copy
import io
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from wscale.checks import STIM, check_mechanisms, check_window
from wscale.epsp import FloatArray, Protocol, Response, measure
from wscale.errors import ModelError, SelectionError, SimulationError, WscaleError
from wscale.mechanisms import import_neuron, load_mechanisms
from wscale.model import Model
from wscale.sites import Site

__all__ = ["Rig", "claim_netpyne", "preflight", "quiet", "release_rig", "rig_for"]


class Rig:
    """A settled cell with a synapse at every site, ready for trials.

    NetPyNE builds the cell and the connections, as it does for the model's own ``init.py``; all
    weights are zero but those of the trial. Each trial starts from the same saved state, so that
    its trace is that of a full run from time 0, and no trial can see another.

    Parameters
    ----------
    model : Model
        What to build.
    sites : sequence of Site
        Where synapses are; trials are possible at these only.
    protocol : Protocol, optional
        How responses are measured.

    Raises
    ------
    MechanismError, ModelError, ConfigError
        Before anything is simulated, where the model cannot be built.
    SimulationError
        NetPyNE already holds a network in this process, or the cell cannot be settled.

    Notes
    -----
    NetPyNE's ``sim`` and NEURON's globals are one per process, so a process has one Rig at a time.
    The state is NEURON's SaveState at the last sample before onset. Every synapse is in place
    before: SaveState cannot restore once a point process was added, removed or moved.

    Examples
    --------
    >>> from wscale import Model, Rig, list_sites
    >>> model = Model.from_folder(".", "PV_simple", {"dt": 0.05})
    >>> with Rig(model, list_sites(model)) as rig:
    ...     [response] = rig.respond([(rig.sites[0], 2e-4)])
    >>> response.status, round(response.epsp_mV, 3)
    ('ok', 0.359)
    """

    def __init__(
        self, model: Model, sites: Sequence[Site], protocol: Protocol | None = None
    ) -> None:
        self.model = model
        self.sites = tuple(sites)
        self.protocol = protocol or Protocol()
        check_window(model, self.protocol)
        unknown = {site.sec for site in self.sites} - model.rule["secs"].keys()
        if unknown:  # NetPyNE would put their synapses on the soma
            raise SelectionError(f"{model.cell} has no sections {sorted(unknown)}")
        problem = preflight(model)
        if problem is not None:
            raise problem
        self._h, self._sim = import_neuron(), claim_netpyne()
        self._globals = _mechanism_globals(self._h)
        self._closed = False
        try:
            with quiet():
                self._build()
                self._settle()
        except BaseException:
            self.close()
            raise

    # ------------------------------------------------------------------ use

    def respond(self, trials: Sequence[tuple[Site, float]]) -> list[Response]:
        """Run trials and measure the somatic response of each.

        Parameters
        ----------
        trials : sequence of (Site, float)
            Site and weight in uS (before ``synMechWeightFactor``, as in ``NetStim1.weight``).

        Returns
        -------
        list of Response
            In the order of the trials. A trial that NEURON cannot finish has status ``failed``.
        """
        responses = []
        for site, weight_uS in trials:
            try:
                t, v = self.trace(site, weight_uS)
            except RuntimeError as error:  # how hoc errors arrive in Python
                responses.append(Response("failed", f"NEURON: {error}"))
                continue
            responses.append(
                measure(
                    t,
                    v,
                    onset_ms=self.model.onset_ms,
                    arrival_ms=self.model.arrival_ms,
                    protocol=self.protocol,
                    drift_mV=self.drift_mV,
                )
            )
        return responses

    def trace(self, site: Site | None, weight_uS: float = 0.0) -> tuple[FloatArray, FloatArray]:
        """Run one trial and return the somatic potential.

        Parameters
        ----------
        site : Site or None
            The activated synapse; None for no activation.
        weight_uS : float
            Its weight, uS.

        Returns
        -------
        t_ms, v_mV : arrays of float, shape (n,)
            From the last sample before onset to the end of the window, every ``cfg.recordStep``.
        """
        if site is not None and site not in self._synapses:
            raise SelectionError(f"{site} is not one of the sites that this Rig was built with")
        self._state.restore()
        self._h.frecord_init()
        if self.model.cfg["cvode_active"]:
            self._sim.cvode.re_init()
        if site is not None:
            # NetCon weights are part of the saved state, so they are set after restoring it
            for netcon, unit_weight in self._synapses[site]:
                netcon.weight[0] = weight_uS * unit_weight
                netcon.event(self.model.arrival_ms)
        if self.model.cfg["cvode_active"]:
            return self._samples_ms.copy(), self._sampled_with_cvode()
        self._sim.pc.psolve(self._samples_ms[-1])
        return self._samples_ms.copy(), self._v.as_numpy()[:: self._stride].copy()

    def transfer_impedances_MOhm(self, frequency_Hz: float) -> dict[Site, float]:
        """Return the transfer impedance from each site to the soma in the settled state, MOhm.

        Parameters
        ----------
        frequency_Hz : float
            Of the sinusoidal current; gates are held, as in NEURON's ``Impedance.compute(f)``.
        """
        self._state.restore()
        impedance = self._h.Impedance()
        impedance.loc(self._soma.x, sec=self._soma.sec)
        impedance.compute(frequency_Hz)
        secs = self._sim.net.cells[0].secs
        return {
            site: float(impedance.transfer(site.loc, sec=secs[site.sec]["hObj"]))
            for site in self.sites
        }

    def _sampled_with_cvode(self) -> FloatArray:
        """Potential at the sample times; CVODE interpolates within its own steps."""
        potentials = [self._soma.v]
        for t in self._samples_ms[1:]:
            self._sim.pc.psolve(t)
            potentials.append(self._soma.v)
        return np.array(potentials)

    def close(self) -> None:
        """Remove the cell and put NEURON's globals back; the Rig cannot be used afterwards."""
        if self._closed:
            return
        self._closed = True
        for name in ("_state", "_synapses", "_soma", "_v"):
            if hasattr(self, name):
                delattr(self, name)
        with quiet():
            self._sim.clearAll()
        self._sim.fih = []
        for setter in self._globals:
            setter()

    def __enter__(self) -> Rig:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------------ set-up

    def _build(self) -> None:
        from netpyne import specs

        sim, model = self._sim, self.model
        net = copy.deepcopy(model.net)
        template = net["stimTargetParams"].pop(model.stim_target_label)
        for number, site in enumerate(self.sites):
            net["stimTargetParams"][f"{STIM}->{number}"] = {
                **template,
                "sec": site.sec,
                "loc": site.loc,
                "weight": 1.0,
            }
        cfg = {**copy.deepcopy(model.cfg), **_SILENT}
        try:
            sim.create(specs.NetParams(net), specs.SimConfig(cfg))
        except Exception as error:
            raise ModelError(
                f"NetPyNE could not build {model.cell}: {type(error).__name__}: {error}"
            ) from error
        (cell,) = sim.net.cells
        if cell.tags.get("label") != [model.cell]:
            raise ModelError(
                f"the population is built by cell rule {cell.tags.get('label')}, not by "
                f"{model.cell!r}; give it cellType {model.cell!r} and the rule no conds"
            )
        self._synapses: dict[Site, list[tuple[Any, float]]] = {site: [] for site in self.sites}
        by_place = {(site.sec, site.loc): site for site in self.sites}
        for conn in cell.conns:
            if conn["preLabel"] == STIM:
                site = by_place[conn["sec"], conn["loc"]]
                self._synapses[site].append((conn["hObj"], float(conn["hObj"].weight[0])))
                conn["hObj"].weight[0] = 0.0
        if any(len(netcons) != len(model.syn_mechs) for netcons in self._synapses.values()):
            raise ModelError(
                f"NetPyNE did not make one connection for each of {model.syn_mechs} at every site; "
                "leave cfg.addSynMechs, createPyStruct and createNEURONObj at True"
            )
        for stim in cell.stims:
            if stim["source"] == STIM:
                stim["hObj"].number = 0  # activations come from the trials
        self._soma = cell.secs[model.soma]["hObj"](0.5)
        self._v = self._h.Vector().record(self._soma._ref_v)

    def _settle(self) -> None:
        model, step = self.model, self.model.record_step_ms
        self._stride = round(step / model.dt_ms)
        first = int(np.ceil(model.onset_ms / step - 1e-9)) - 1
        last = int(np.ceil((model.onset_ms + self.protocol.window_ms) / step - 1e-9))
        self._samples_ms: FloatArray = step * np.arange(first, last + 1, dtype=np.float64)
        self._sim.preRun()
        self._h.finitialize(float(self._sim.cfg.hParams["v_init"]))  # as sim.runSim does
        self._sim.pc.psolve(self._samples_ms[0])
        self._state = self._h.SaveState()
        self._state.save()
        _, v = self.trace(None)
        deviation = v - v[0]
        self.drift_mV = float(deviation[np.argmax(np.abs(deviation))])


# ---------------------------------------------------------------------- one Rig per worker

_current: Rig | None = None


def rig_for(model: Model, sites: Sequence[Site], protocol: Protocol) -> Rig:
    """Return this process's Rig for a model; build it where the last one was another.

    A worker calls this for every task, so that it builds and settles a cell once.
    """
    global _current
    if (
        _current is not None
        and _current.model.content_hash == model.content_hash
        and _current.sites == tuple(sites)
        and _current.protocol == protocol
    ):
        return _current
    release_rig()
    _current = Rig(model, sites, protocol)
    return _current


def release_rig() -> None:
    """Close this process's Rig, where there is one."""
    global _current
    if _current is not None:
        _current.close()
        _current = None


def claim_netpyne() -> Any:
    """Import ``netpyne.sim``, and refuse to replace a network that it holds.

    Raises
    ------
    SimulationError
        NetPyNE holds a network in this process.
    """
    import_neuron()
    from netpyne import sim

    if hasattr(sim, "net"):
        raise SimulationError(
            "NetPyNE already holds a network in this process, which would be replaced; use two or "
            "more jobs, or call netpyne.sim.clearAll() first"
        )
    return sim


def preflight(model: Model) -> WscaleError | None:
    """Load a model's mechanisms and look for what the cell needs; return what is wrong.

    Runs in a worker before any simulation; an error is returned, not raised, so that it arrives
    with its own type and message.
    """
    try:
        if model.mod is not None:
            load_mechanisms(model.mod)
        check_mechanisms(model)
    except WscaleError as error:
        return error
    return None


# ---------------------------------------------------------------------- helpers

# What NetPyNE need not record, print, plot or save in a Rig
_SILENT: dict[str, Any] = {
    "analysis": {},
    "printPopAvgRates": False,
    "printRunTime": False,
    "progressBar": 0,
    "recordCells": [],
    "recordDipole": False,
    "recordLFP": [],
    "recordTraces": {},
    "timing": False,
    "verbose": False,
}


def _mechanism_globals(h: Any) -> list[Callable[[], None]]:
    """Return setters that put NEURON's global variables back to their present values."""
    names = ["celsius", "clamp_resist", "dt", "secondorder", "tstop", "v_init"]
    for kind in (0, 1):
        types, text = h.MechanismType(kind), h.ref("")
        for i in range(int(types.count())):
            types.select(i)
            types.selected(text)
            standard = h.MechanismStandard(text[0], -1)
            for j in range(int(standard.count())):
                if standard.name(text, j) == 1:
                    names.append(text[0])
    return [partial(setattr, h, name, getattr(h, name)) for name in names if hasattr(h, name)]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what NetPyNE prints off the screen, but show it where it fails."""
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            yield
    except Exception as error:
        said = printed.getvalue().strip().splitlines()[-5:]
        if said:
            error.add_note("NetPyNE printed:\n" + "\n".join(said))
        raise
