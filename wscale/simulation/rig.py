"""The rig: trials of a synapse on a settled cell, one after another.

It is given sites and weights and returns responses.
"""

from __future__ import annotations

from collections.abc import Sequence

from wscale.errors import CompileError, OtherMechanismsError, SelectionError, WscaleError
from wscale.measurement.epsp import FloatArray, Protocol, Response, mean_response, measure
from wscale.mechanisms.loading import load_needed
from wscale.model.checks import check_window
from wscale.model.model import Model
from wscale.model.needs import check_declared, does_not_compile
from wscale.model.sites import Site
from wscale.parallel.sandbox import timed
from wscale.simulation.function_tables import set_tables
from wscale.simulation.mechanism_checks import check_mechanisms
from wscale.simulation.session import import_netpyne
from wscale.simulation.settled_cell import Impedances, Preparation

__all__ = ["Rig", "load", "preflight", "release_rig", "rig_for"]

# By how much the response must have fallen from its peak before the rest is looked at
_FALL = {"peak": 0.01, "half": 0.5}
# What NEURON says where there is no memory
_NO_MEMORY = ("bad_alloc", "out of memory")
# A trial is looked at first, and then each time that this share more time has passed, ms
_FIRST_LOOK_ms, _LOOKS = 1.0, 1.1


class Rig:
    """A settled cell with a synapse that is moved from site to site, ready for trials.

    NetPyNE builds the cell and the connection, as it does for the model's own ``init.py``. Each
    trial starts from the same saved state, so that its trace is that of a full run from time 0, and
    no trial can see another. A trial ends as soon as its peak is certain (see
    docs/methodology.md).

    Parameters
    ----------
    model : Model
        What to build.
    sites : sequence of Site
        Trials are possible at these only.
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
        self._cell = Preparation(model, self.sites, self.protocol)

    @property
    def drift_mV(self) -> float:
        """Largest change of the somatic potential in the window without activation, mV."""
        return self._cell.drift_mV

    # ------------------------------------------------------------------ use

    def respond(self, trials: Sequence[tuple[Site, float]]) -> list[Response]:
        """Run trials and measure the somatic response of each.

        Parameters
        ----------
        trials : sequence of (Site, float)
            Site and weight in uS (before ``synMechWeightFactor``, as in ``NetStim1.weight``).
            Trials of one site are best next to each other.

        Returns
        -------
        list of Response
            In the order of the trials. A trial that NEURON cannot finish has status ``failed``.

        Raises
        ------
        MemoryError
            There is no memory left; this process can do no other trial either.
        """
        return [self._response(site, weight_uS) for site, weight_uS in trials]

    def _response(self, site: Site, weight_uS: float) -> Response:
        n = self.protocol.trials
        if n == 1:
            return self._once(site, weight_uS, None)
        return mean_response([self._once(site, weight_uS, stream) for stream in range(n)])

    def _once(self, site: Site, weight_uS: float, stream: int | None) -> Response:
        """Run one trial and measure its response."""
        try:
            with timed():
                v, whole = self._until_certain(site, weight_uS, stream)
        except RuntimeError as error:  # how hoc errors arrive in Python
            if any(said in str(error) for said in _NO_MEMORY):  # later trials would fail, too
                raise MemoryError(f"NEURON: {error}") from error
            return Response("failed", f"NEURON: {error}")
        return measure(
            self._cell.samples_ms[: len(v)],
            v,
            onset_ms=self.model.onset_ms,
            arrival_ms=self.model.arrival_ms,
            protocol=self.protocol,
            drift_mV=self.drift_mV,
            whole_window=whole,
        )

    def trace(
        self, site: Site | None, weight_uS: float = 0.0, stream: int | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Run one trial to the end of the window and return the somatic potential.

        Parameters
        ----------
        site : Site or None
            The activated synapse; None for no activation.
        weight_uS : float
            Its weight, uS.
        stream : int, optional
            The random stream of a synapse that releases at random.

        Returns
        -------
        t_ms, v_mV : arrays of float, shape (n,)
            From the last sample before onset to the end of the window, every ``cfg.recordStep``.
        """
        self._cell.activate(site, weight_uS, stream)
        self._cell.integrate(self._cell.samples_ms[-1])
        return self._cell.samples_ms.copy(), self._cell.samples_mV()

    def trace_with_local(
        self, site: Site, weight_uS: float
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Run one trial to the end of the window; return the potential at the soma and the site.

        Parameters
        ----------
        site : Site
            The activated synapse.
        weight_uS : float
            Its weight, uS.

        Returns
        -------
        t_ms, v_mV : arrays of float, shape (n,)
            As :meth:`trace` returns them, bit for bit.
        local_mV : array of float, shape (m,)
            The potential at the site at the last m of these times; the first is the last before the
            activation arrives.
        """
        with timed():
            self._cell.activate(site, weight_uS)
            local = self._cell.integrate_with_local(site)
        t, v = self._cell.samples_ms, self._cell.samples_mV()
        missing = len(t) - len(v)  # CVODE's last sample can be at the end, and not be delivered
        return t[: len(v)].copy(), v, local[: len(local) - missing]

    def rest(self, duration_ms: float) -> None:
        """Integrate the settled cell without any activation, and do nothing else.

        Parameters
        ----------
        duration_ms : float
            How long. From onset to peak, this is the floor of what a trial costs.
        """
        self._cell.rest(duration_ms)

    def impedances_MOhm(self, frequency_Hz: float) -> dict[Site, Impedances]:
        """Return each site's transfer impedance to the soma, and its own, in the settled state.

        Parameters
        ----------
        frequency_Hz : float
            Of the sinusoidal current; gates are held, as in NEURON's ``Impedance.compute(f)``.
        """
        return self._cell.impedances_MOhm(frequency_Hz)

    def close(self) -> None:
        """Remove the cell and put NEURON's globals back; the Rig cannot be used afterwards."""
        self._cell.close()

    def __enter__(self) -> Rig:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _until_certain(
        self, site: Site, weight_uS: float, stream: int | None
    ) -> tuple[FloatArray, bool]:
        """Integrate until the peak is certain; return the samples, and whether to the end.

        The peak is certain when the response has fallen from it, and the rest of the window, run
        ahead in steps that grow, stays below where it has fallen to. Where the rest does not, the
        trial is run again to the end of the window; so are spikes.
        """
        cell, protocol, end_ms = self._cell, self.protocol, self._cell.samples_ms[-1]
        cell.activate(site, weight_uS, stream)
        t, look_ms = self.model.arrival_ms, _FIRST_LOOK_ms
        looks = stream is None and not self.model.cfg["cvode_active"]
        fall = _FALL.get(protocol.until) if looks else None
        while fall is not None and t + look_ms < end_ms:
            cell.integrate(t + look_ms)
            v = cell.samples_mV()
            if v.max() >= protocol.spike_threshold_mV:
                break
            deflection = protocol.polarity * (v[cell.first :] - v[0])
            peak = deflection.max()
            if peak > 0 and deflection[-1] <= (1.0 - fall) * peak:
                if self._stays_below(v[-1]):
                    return v, False
                cell.activate(site, weight_uS)
                break
            look_ms *= _LOOKS
        cell.integrate(end_ms)
        return cell.samples_mV(), True

    def _stays_below(self, v_mV: float) -> bool:
        """Whether the rest of the window, run ahead, stays below a potential and does not spike."""
        ahead_mV = self._cell.run_ahead_mV()
        if ahead_mV is None:
            return False
        below = (self.protocol.polarity * (ahead_mV - v_mV) <= 0).all()
        return bool(below and (ahead_mV < self.protocol.spike_threshold_mV).all())


# ---------------------------------------------------------------------- one Rig per worker

_current: Rig | None = None


def rig_for(model: Model, sites: Sequence[Site], protocol: Protocol) -> Rig:
    """Return this process's Rig for a model; build it where the last one was another.

    A worker calls this for every task, so that it builds a cell once.
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


def load(model: Model) -> None:
    """Import NetPyNE and load a model's mechanisms, which takes no trial's time."""
    import_netpyne()
    if model.mod is not None:
        load_needed(model.mod, model.loaded)
    set_tables(model)


def preflight(model: Model) -> WscaleError | None:
    """Load a model's mechanisms and look for what the cell needs; return what is wrong.

    Runs in a worker before any simulation, which also imports what it will need. An error is
    returned, not raised, so that it arrives with its own type and message.

    Raises
    ------
    OtherMechanismsError
        This process holds those of an earlier model; a worker is then started anew.
    """
    try:
        check_declared(model)  # before NEURON is imported
        load(model)
        check_mechanisms(model)
    except OtherMechanismsError:
        raise
    except CompileError as error:
        return does_not_compile(model, error)
    except WscaleError as error:
        return error
    return None
