"""The preparation: one cell in NetPyNE, settled, with a synapse that is moved from site to site.

What the Rig's trials start from; of a search, only this and building.py run NEURON.
"""

from __future__ import annotations

import hashlib
import logging
import math
import platform
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wscale.errors import ModelError, SelectionError, SimulationError, option
from wscale.measurement.epsp import FloatArray, Protocol
from wscale.mechanisms.loading import available_mechanisms, import_neuron, texts_of_mechanisms
from wscale.mechanisms.nmodl import draws_random
from wscale.model.model import Model
from wscale.model.needs import user_in_words, users_of
from wscale.model.sites import Site
from wscale.simulation.build import build_cell, is_movable
from wscale.simulation.sampling import Sampling
from wscale.simulation.session import (
    ASSIGNED,
    STATE,
    claim_netpyne,
    clear_netpyne,
    keep_globals,
    quiet,
    range_variables,
)
from wscale.simulation.settled_cache import Notes, is_settled, settled_state

__all__ = ["Impedances", "Preparation", "settled_before"]

# Where the synapse is while the cell settles: the centre of the soma
_HOME = 0.5
# To be changed with what a settled state and its notes hold
_FORMAT = "4"
# Whether the saved state is all there is: a strong activation, how long, and when the cell is
# looked at after the state was restored
_STRONG_uS, _DISTURBED_ms, _MOMENT_ms = 0.05, 10.0, 1.0
# Steps of zero length in which mechanisms recompute what only their DERIVATIVE sets
_REFRESHING, _NO_TIME_ms = 3, 1e-30
# How a trial gets to the settled state, the cheapest first: from NEURON's SaveState; from that,
# with the variables that it leaves out recomputed; from time 0
_WAYS = ("restore", "refresh", "run")
# Run ahead, so many steps at a time are this share of the time since the activation
_AHEAD_STEPS, _AHEAD_STRIDE = 10, 0.1


_logger = logging.getLogger(__name__)


class Impedances(NamedTuple):
    """Impedances of a site, MOhm."""

    transfer: float
    input: float


class Preparation:
    """A cell that NetPyNE built, settled and saved, with one movable synapse.

    Parameters
    ----------
    model : Model
        What to build; its mechanisms are loaded.
    sites : sequence of Site
        Where the synapse can be.
    protocol : Protocol
        Gives the window.

    Attributes
    ----------
    samples_ms : array of float, shape (n,)
        From the last sample before onset to the end of the window, every ``cfg.recordStep``.
    first : int
        Index of the first sample after onset.
    drift_mV : float
        Largest change of the somatic potential in the window without activation, mV.

    Raises
    ------
    ModelError
        NetPyNE cannot build the cell.
    SimulationError
        NetPyNE already holds a network in this process.

    Notes
    -----
    The state is NEURON's SaveState at the last sample before the activation arrives. SaveState
    cannot restore once a point process was moved, so the state is saved anew after each move.

    A synapse that does not rest (without activation its states change, or it carries current) is
    not moved in a settled cell: the cell is settled with it at each site. Where parameters or
    weights of synapses depend on the place, and with CVODE, NetPyNE makes one at every site, and
    none is moved.

    SaveState leaves out ASSIGNED variables. Where a cell does not go on from it as it did without,
    variables that only a DERIVATIVE sets are recomputed after restoring, by steps of zero length;
    where that is not enough, trials run from time 0.
    """

    def __init__(self, model: Model, sites: Sequence[Site], protocol: Protocol) -> None:
        self._model, self._sites, self._protocol = model, tuple(sites), protocol
        self._known = frozenset(sites)
        self._h, self._sim = import_neuron(), claim_netpyne()
        self._put_back = keep_globals(self._h)
        self._closed = False
        self._movable = is_movable(model)
        self._sampling = Sampling.of(model, protocol)
        self.samples_ms, self.first = self._sampling.times_ms, self._sampling.first
        self._at: Site | None = None
        self._way = _WAYS[0]
        try:
            with quiet():
                self._build()
                self._settle_or_load()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Remove the cell and put NEURON's globals back; the Rig cannot be used afterwards."""
        if self._closed:
            return
        self._closed = True
        for name in ("_state", "_netcons", "_soma", "_v"):
            if hasattr(self, name):
                delattr(self, name)
        clear_netpyne(self._sim)
        self._put_back()

    # ------------------------------------------------------------------ a trial

    def activate(
        self, site: Site | None = None, weight_uS: float = 0.0, stream: int | None = None
    ) -> None:
        """Restore the settled state, with the synapse at a site, and send it the activation.

        Parameters
        ----------
        site : Site or None
            Where the synapse is; None: there is no activation.
        weight_uS : float
            Its weight, uS.
        stream : int, optional
            Number of the random streams that the synapse's mechanisms draw from; None: they go on.
        """
        if site is not None:
            self._place(site)
        self._start()
        if site is None:
            return
        if stream is not None:
            self._set_streams(site, stream)
        # NetCon weights are part of the saved state, so they are set after restoring it
        for netcon, unit_weight in self._netcons[site if not self._movable else None]:
            netcon.weight[0] = self._model.weight_unit.of(weight_uS) * unit_weight
            netcon.event(self._model.arrival_ms)

    def _set_streams(self, site: Site, stream: int) -> None:
        synapses = (
            netcon.syn() for netcon, _ in self._netcons[site if not self._movable else None]
        )
        for number, (label, synapse) in enumerate(
            zip(self._model.syn_mechs, synapses, strict=True), start=1
        ):
            streams = self._model.random_streams.get(label)
            if streams is None:
                continue
            for k, variable in enumerate(streams.variables, start=1):
                random = getattr(synapse, variable)
                random.set_ids(stream, number, k)
                random.set_seq(0)
            if streams.setter:
                getattr(synapse, streams.setter)(*(stream + 1, number, 1)[: streams.ids])

    def integrate(self, t_ms: float) -> None:
        """Integrate to a time, ms."""
        self._sim.pc.psolve(t_ms)

    def integrate_with_local(self, site: Site) -> FloatArray:
        """Integrate to the end of the window, and return the potential at a site on the way, mV.

        The first sample is the last before the activation arrives; the others follow those of
        ``samples_ms``. The potential is read between steps, so that nothing is added to the
        simulation, and the somatic samples stay what they are.
        """
        segment = self._sec(site.sec)(site.loc)
        local = [float(segment.v)]
        for t in self.samples_ms[self._sampling.settled :]:
            self.integrate(t)
            local.append(float(segment.v))
        return np.array(local, dtype=np.float64)

    def rest(self, duration_ms: float) -> None:
        """Integrate the settled cell without any activation for a time, ms."""
        self.activate()
        self.integrate(self._h.t + duration_ms)

    def samples_mV(self) -> FloatArray:
        """Return the potential at the sample times so far."""
        return np.concatenate((self._before_mV, self._recorded_mV()))

    def _recorded_mV(self) -> FloatArray:
        """Return the samples after the saved state."""
        run: FloatArray = self._v.as_numpy()
        stride = self._sampling.stride
        return run if self._model.cfg["cvode_active"] else run[stride::stride]

    def run_ahead_mV(self) -> FloatArray | None:
        """Run to the end of the window in steps that grow, and return the potential, mV.

        Cheap and coarse: it says whether anything is still to come, not how much. The trial cannot
        be continued. None: NEURON could not do it.
        """
        h, run, t = self._h, len(self._v), float(self._h.t)
        end_ms, arrival_ms = float(self.samples_ms[-1]), self._model.arrival_ms
        try:
            while t < end_ms - 1e-6:
                stride = _AHEAD_STRIDE * (t - arrival_ms)
                steps = min(_AHEAD_STEPS, math.ceil((end_ms - t) / stride))
                h.dt = min(stride, (end_ms - t) / steps)
                for _ in range(steps):
                    h.fadvance()
                t += steps * h.dt
        except RuntimeError:
            return None
        finally:
            h.dt = self._model.dt_ms
        ahead: FloatArray = self._v.as_numpy()[run:]
        return ahead

    def impedances_MOhm(self, frequency_Hz: float) -> dict[Site, Impedances]:
        """Return each site's transfer impedance to the soma, and its own, in the settled state.

        Parameters
        ----------
        frequency_Hz : float
            Of the sinusoidal current; gates are held, as in NEURON's ``Impedance.compute(f)``.
        """
        self._start()
        impedance = self._h.Impedance()
        impedance.loc(self._soma.x, sec=self._soma.sec)
        impedance.compute(frequency_Hz)
        return {
            site: Impedances(
                transfer=float(impedance.transfer(site.loc, sec=self._sec(site.sec))),
                input=float(impedance.input(site.loc, sec=self._sec(site.sec))),
            )
            for site in self._sites
        }

    def _start(self) -> None:
        """Go to the settled state."""
        if self._way == "run":
            self._initialise()
            for t in self.samples_ms[: self._sampling.settled]:
                self._sim.pc.psolve(t)
            self._h.frecord_init()
            return
        self._state.restore()
        if self._way == "refresh":
            self._refresh()
            self._state.restore()
        if self._model.cfg["cvode_active"]:
            self._sim.cvode.re_init()
        else:
            self._h.frecord_init()

    def _refresh(self) -> None:
        """Let mechanisms recompute what only their DERIVATIVE sets, at unchanged potentials."""
        self._h.dt = _NO_TIME_ms
        try:
            for _ in range(_REFRESHING):
                self._h.fadvance()
        finally:
            self._h.dt = self._model.dt_ms

    def _place(self, site: Site) -> None:
        """Move the synapse to a site, in the settled cell."""
        if site not in self._known:
            raise SelectionError(f"{site} is not one of the sites that this Rig was built with")
        if not self._movable or site == self._at:
            return
        self._at = None
        saved = self._inert and self._way != "run"
        if saved:
            self._state.restore()
        for netcon, _ in self._netcons[None]:
            netcon.syn().loc(self._sec(site.sec)(site.loc))
        if saved:
            self._sim.pc.psolve(self._h.t)  # no step, but NEURON gets its structures in order
            self._save()
        elif not self._inert:
            self._take(self._settle())
        self._at = site

    # ------------------------------------------------------------------ set-up

    def _build(self) -> None:
        places: dict[Site | None, tuple[str, float]] = {None: (self._model.soma, _HOME)}
        if not self._movable:
            places = {site: (site.sec, site.loc) for site in self._sites}
        self._netcons = build_cell(self._sim, self._model, places)
        self._soma = self._sec(self._model.soma)(0.5)
        if self._model.cfg["cvode_active"]:
            self._times = self._h.Vector(self.samples_ms[self._sampling.settled :])
            self._v = self._h.Vector().record(self._soma._ref_v, self._times)
        else:
            self._v = self._h.Vector().record(self._soma._ref_v)

    def _settle_or_load(self) -> None:
        self._sim.preRun()
        self._initialise()
        key = _settled_key(self._model, self._sites, self._protocol)
        notes, file = settled_state(key, self._settle, self._write)
        if file is not None:
            self._read(file)
        self._take(notes)
        if self._way == "run":
            _logger.warning(
                "%s: NEURON's SaveState does not hold all of this cell's state, so each trial runs "
                "from time 0, which takes some %d times as long",
                self._model.cell,
                round(self._model.onset_ms / self._protocol.window_ms) + 1,
            )
        if self._inert:
            return
        if self._movable:
            _logger.warning(
                "%s: a synapse of %s does not rest, so the cell is settled with it at each site, "
                "which takes long",
                self._model.cell,
                self._model.syn_mechs,
            )
        else:
            raise SimulationError(
                f"{self._model.syn_mechs} are active without any activation, so that synapses at "
                f"all sites together are not what one of them is; verify the table "
                f"with {option('full_runs', True)}"
            )

    def _initialise(self) -> None:
        self._h.finitialize(float(self._sim.cfg.hParams["v_init"]))  # as sim.runSim does

    def _settle(self) -> Notes:
        """Run the cell from time 0 to the saved state, and on to see whether it drifts."""
        for self._way in _WAYS:
            notes = self._settle_for(self._way)
            if notes["restores"]:
                break
        return notes

    def _settle_for(self, way: str) -> Notes:
        """Settle the cell, and see whether it gets to that state in one way."""
        self._initialise()
        synapses = [netcon.syn() for netcons in self._netcons.values() for netcon, _ in netcons]
        initial = range_variables(self._h, synapses, STATE)
        before = []
        for t in self.samples_ms[: self._sampling.settled]:
            self._sim.pc.psolve(t)
            before.append(float(self._soma.v))
        self._save()
        states = range_variables(self._h, synapses, STATE)
        assigned = range_variables(self._h, synapses, ASSIGNED)
        currents = [value for name, value in assigned if name.startswith("i")]
        same = self._model.cfg["cvode_active"] or self._restores()
        self._start()
        self._sim.pc.psolve(self.samples_ms[-1])
        deviation = np.concatenate((before, self._recorded_mV())) - before[0]
        return {
            "before_mV": before,
            "drift_mV": float(deviation[np.argmax(np.abs(deviation))]),
            "inert": states == initial and not any(currents),
            "restores": bool(same),
            "way": way,
        }

    def _take(self, notes: Notes) -> None:
        self._before_mV = np.array(notes["before_mV"], dtype=np.float64)
        self.drift_mV = float(notes["drift_mV"])
        self._inert = bool(notes["inert"])
        self._way = str(notes["way"])
        if not notes["restores"]:
            raise ModelError(
                f"{self._model.cell}: from time 0 the cell does not run twice the same, so that a "
                f"trial would depend on those before it: {self._why_not_twice()}"
            )

    def _why_not_twice(self) -> str:
        texts = texts_of_mechanisms()
        for mechanism, users in users_of(self._model).items():
            if draws_random(texts[mechanism]):
                return (
                    f"{mechanism} ({user_in_words(users[0])}) draws random numbers; leave it out, "
                    "or its noise at 0"
                )
        return "a mechanism draws random numbers, or keeps a variable that its INITIAL does not set"

    def _restores(self) -> bool:
        """Whether the cell gets to the settled state, also after a strong activation.

        It is in that state now, and what it does next is compared.
        """
        next_mV = self._moment_mV()
        if not np.array_equal(self._shortly_after(), next_mV, equal_nan=True):
            return False
        self._start()
        for netcon, unit_weight in next(iter(self._netcons.values())):
            netcon.weight[0] = self._model.weight_unit.of(_STRONG_uS) * unit_weight
            netcon.event(self._model.arrival_ms)
        with suppress(RuntimeError):
            self._sim.pc.psolve(self._model.arrival_ms + _DISTURBED_ms)
        return np.array_equal(self._shortly_after(), next_mV, equal_nan=True)

    def _shortly_after(self) -> FloatArray:
        """Return all potentials a moment after the settled state, mV."""
        self._start()
        return self._moment_mV()

    def _moment_mV(self) -> FloatArray:
        """Run on for a moment, and return all potentials, mV."""
        self._sim.pc.psolve(self._h.t + _MOMENT_ms)
        return np.array([float(segment.v) for sec in self._h.allsec() for segment in sec])

    def _save(self) -> None:
        self._state = self._h.SaveState()
        self._state.save()

    def _write(self, path: Path) -> None:
        file = self._h.File()
        file.wopen(str(path))
        self._state.fwrite(file)

    def _read(self, path: Path) -> None:
        file = self._h.File()
        file.ropen(str(path))
        self._state = self._h.SaveState()
        self._state.fread(file)

    def _sec(self, name: str) -> Any:
        return self._sim.net.cells[0].secs[name]["hObj"]


def settled_before(model: Model, sites: Sequence[Site], protocol: Protocol) -> bool:
    """Whether some process has settled this cell; its mechanisms are loaded in this one."""
    return is_settled(_settled_key(model, sites, protocol))


def _settled_key(model: Model, sites: Sequence[Site], protocol: Protocol) -> str:
    """Return the digest of all that decides a settled state and what is measured with it."""
    parts = [_FORMAT, model.content_hash, repr(protocol.window_ms)]
    parts += [platform.machine(), version("neuron"), version("netpyne")]
    if not is_movable(model):
        parts += [f"{site.sec} {site.loc!r}" for site in sites]
    # The mechanisms' order gives the numbers by which the file knows them
    return hashlib.sha256("\n".join([*parts, *available_mechanisms()]).encode()).hexdigest()
