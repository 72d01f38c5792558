"""Measuring a postsynaptic response: pure functions of time and somatic potential."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from wscale._util.text import many
from wscale.errors import ConfigError

__all__ = ["Polarity", "Protocol", "Response", "Status", "Until", "mean_response", "measure"]

Polarity = Literal[1, -1]
Until = Literal["peak", "half", "window"]
Status = Literal["ok", "spike", "drift", "edge", "failed"]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Protocol:
    """How a response is measured.

    Parameters
    ----------
    window_ms : float
        The extremum is looked for in (onset, onset + window], ms.
    polarity : {1, -1}
        1: EPSP, the maximum; -1: IPSP, the minimum.
    spike_threshold_mV : float
        A response that reaches this potential is a spike, mV.
    drift_tolerance_mV : float
        Largest change of the unstimulated potential in the window that still counts as rest, mV.
    until : {"peak", "half", "window"}
        When a trial ends: as soon as its peak is certain, after it has also fallen to one half (so
        that there is a half-width), or with the window. The EPSP is the same.
    trials : int
        Number of activations that a response is the mean of, with random streams 0, 1, ...; for
        synapses that release at random.

    Examples
    --------
    >>> Protocol(window_ms=50.0).window_ms
    50.0
    """

    window_ms: float = 100.0
    polarity: Polarity = 1
    spike_threshold_mV: float = -20.0
    drift_tolerance_mV: float = 0.02
    until: Until = "peak"
    trials: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.window_ms < np.inf:
            raise ConfigError(f"window_ms = {self.window_ms!r} must be positive; 100 is usual")
        if self.polarity not in (1, -1):
            raise ConfigError(f"polarity = {self.polarity!r} must be 1 (EPSP) or -1 (IPSP)")
        if not np.isfinite(self.spike_threshold_mV):
            raise ConfigError(
                f"spike_threshold_mV = {self.spike_threshold_mV!r} must be a number; -20 is usual"
            )
        if not self.drift_tolerance_mV > 0:
            raise ConfigError(
                f"drift_tolerance_mV = {self.drift_tolerance_mV!r} must be positive; 0.02 is usual"
            )
        if isinstance(self.trials, bool) or not isinstance(self.trials, int) or self.trials < 1:
            raise ConfigError(f"trials = {self.trials!r} must be 1, 2, ...; 100 is usual, if any")
        if self.until not in get_args(Until):
            raise ConfigError(f"until = {self.until!r} must be one of {', '.join(get_args(Until))}")


@dataclass(frozen=True)
class Response:
    """One measured response; a quantity that could not be measured is None.

    Parameters
    ----------
    status : {"ok", "spike", "drift", "edge", "failed"}
        What the numbers are worth; only ``ok`` is an EPSP (see docs/methodology.md).
    reason : str
        Why it is not ok, in words; of an ok one that there is no response of the polarity, but one
        of the other.
    baseline_mV : float or None
        Somatic potential at the last sample before onset, mV.
    epsp_mV : float or None
        Signed amplitude: extremum in the window minus baseline, mV.
    latency_ms : float or None
        From the arrival of the spike at the synapse to 10 % of the amplitude, ms.
    time_to_peak_ms : float or None
        From the arrival of the spike at the synapse to the extremum, ms.
    rise_time_ms : float or None
        From 20 % to 80 % of the amplitude, ms.
    half_width_ms : float or None
        Time above 50 % of the amplitude around the extremum, ms; None where the response does not
        fall to one half within the trial.
    ci95_mV : float or None
        Of a mean over several trials: half the width of the EPSP's 95 % confidence interval, mV.

    Examples
    --------
    >>> Response("spike", "the soma reaches 12 mV").ok
    False
    """

    status: Status
    reason: str = ""
    baseline_mV: float | None = None
    epsp_mV: float | None = None
    latency_ms: float | None = None
    time_to_peak_ms: float | None = None
    rise_time_ms: float | None = None
    half_width_ms: float | None = None
    ci95_mV: float | None = None

    @property
    def ok(self) -> bool:
        """Whether this is a sound EPSP (or IPSP)."""
        return self.status == "ok"

    def as_row(self) -> Mapping[str, Any]:
        """Return the fields as a dictionary, in order."""
        return asdict(self)


def measure(
    t_ms: FloatArray,
    v_mV: FloatArray,
    *,
    onset_ms: float,
    arrival_ms: float | None = None,
    protocol: Protocol | None = None,
    drift_mV: float = 0.0,
    whole_window: bool = True,
) -> Response:
    """Measure the somatic response to one synaptic activation.

    Parameters
    ----------
    t_ms : array of float, shape (n,)
        Sample times, ascending, ms; must reach from before the onset to the end of the window, or
        beyond a certain peak.
    v_mV : array of float, shape (n,)
        Somatic potential, mV.
    onset_ms : float
        Time of the presynaptic spike, ms. The baseline is the last sample before it.
    arrival_ms : float, optional
        Time at which the spike reaches the synapse, ms; default: the onset.
    protocol : Protocol, optional
        Window, polarity and thresholds.
    drift_mV : float
        Largest change of the potential in the window without stimulation, mV.
    whole_window : bool
        False: the trace ends before the window, where its peak is certain.

    Returns
    -------
    Response
        With the first status that applies: ``failed`` (a sample is not finite), ``drift``,
        ``spike``, ``edge`` (extremum at the last sample), ``ok``.

    Raises
    ------
    ConfigError
        The trace does not cover baseline and window.

    Notes
    -----
    ``EPSP = max v over (onset, onset + window] - v just before onset``, the protocol of the M1 and
    A1 models (Dura-Bernal et al. 2023, Cell Reports 42:112574).

    Examples
    --------
    >>> t = np.arange(0.0, 120.0, 0.1)
    >>> s = np.clip(t - 11.0, 0.0, None)
    >>> r = measure(t, -70 + 0.5 * s / 5 * np.exp(1 - s / 5), onset_ms=10.0, arrival_ms=11.0)
    >>> r.status, round(r.epsp_mV, 3), round(r.time_to_peak_ms, 3)
    ('ok', 0.5, 5.0)
    """
    protocol = protocol or Protocol()
    arrival_ms = onset_ms if arrival_ms is None else arrival_ms
    slack = 1e-6  # sample times are sums of time steps
    before = int(np.searchsorted(t_ms, onset_ms - slack)) - 1
    end = int(np.searchsorted(t_ms, onset_ms + protocol.window_ms + slack))
    first = int(np.searchsorted(t_ms, onset_ms + slack))
    needed_ms = onset_ms + (protocol.window_ms - _step(t_ms) if whole_window else 0.0)
    if before < 0 or first >= end or t_ms[-1] < needed_ms - slack:
        covered = f"covers {t_ms[0]:g} to {t_ms[-1]:g} ms" if len(t_ms) else "is empty"
        raise ConfigError(
            f"the trace {covered}, but the measurement needs samples from before onset_ms = "
            f"{onset_ms:g} to {onset_ms + protocol.window_ms:g} ms, with some between"
        )
    baseline = float(v_mV[before])
    t, v = t_ms[first:end], v_mV[first:end]
    if not (np.isfinite(v).all() and np.isfinite(baseline)):
        return Response("failed", "the somatic potential is not finite")

    deflection = protocol.polarity * (v - baseline)
    peak = int(np.argmax(deflection))
    amplitude = float(deflection[peak])
    times = _times(t, deflection, peak, amplitude, arrival_ms)
    highest = max(float(v.max()), baseline)
    status: Status = "ok"
    reason = ""
    if not abs(drift_mV) <= protocol.drift_tolerance_mV:
        status = "drift"
        reason = _drift_in_words(v, baseline, drift_mV, protocol)
    elif highest >= protocol.spike_threshold_mV:
        status = "spike"
        reason = (
            f"the soma reaches {highest:.4g} mV (spike threshold "
            f"{protocol.spike_threshold_mV:g} mV)"
        )
    elif _goes_the_other_way(deflection, amplitude, drift_mV, protocol):
        reason = f"the synapse moves the soma the other way from its rest, {baseline:.4g} mV"
    elif peak == len(v) - 1 and amplitude > 0:
        status = "edge"
        reason = f"still rising at the end of the window ({protocol.window_ms:g} ms)"
    return Response(status, reason, baseline, protocol.polarity * amplitude, *times)


def mean_response(responses: Sequence[Response]) -> Response:
    """Return the mean of the responses to one activation, with different random streams.

    Parameters
    ----------
    responses : sequence of Response
        Two or more.

    Returns
    -------
    Response
        ``epsp_mV`` is the mean amplitude, that of failed releases included; ``ci95_mV`` is from
        Student's t. Times are means over the trials that have them. Where a trial is not ok, its
        status is that of all.

    Examples
    --------
    >>> mean = mean_response([Response("ok", epsp_mV=0.4), Response("ok", epsp_mV=0.6)])
    >>> mean.epsp_mV, round(mean.ci95_mV, 3)
    (0.5, 1.271)
    """
    n = len(responses)
    bad = [response for response in responses if not response.ok or response.epsp_mV is None]
    if bad:
        return replace(bad[0], reason=f"in {len(bad)} of {n} trials: {bad[0].reason}")
    from scipy.stats import t

    def mean(name: str) -> float | None:
        values = [value for one in responses if (value := getattr(one, name)) is not None]
        return float(np.mean(values)) if values else None

    sizes = np.array([response.epsp_mV for response in responses], dtype=np.float64)
    half_width = float(t.ppf(0.975, n - 1) * sizes.std(ddof=1) / np.sqrt(n))
    names = ("baseline_mV", "epsp_mV", "latency_ms", "time_to_peak_ms")
    times = (*names, "rise_time_ms", "half_width_ms")
    other = all(response.reason for response in responses)  # all move the soma the other way
    reason = responses[0].reason if other else ""
    return Response("ok", reason, **{name: mean(name) for name in times}, ci95_mV=half_width)


def _drift_in_words(
    v_mV: FloatArray, baseline_mV: float, drift_mV: float, protocol: Protocol
) -> str:
    """Say how a cell changes without stimulation: that it fires, where it does."""
    threshold_mV = protocol.spike_threshold_mV
    changes = f"without stimulation the soma changes by {drift_mV:.4g} mV within the window"
    if not baseline_mV + max(drift_mV, 0.0) >= threshold_mV:
        return f"{changes} (allowed {protocol.drift_tolerance_mV:g} mV)"
    above = np.concatenate(([baseline_mV], v_mV)) >= threshold_mV
    spikes = int(np.count_nonzero(above[1:] & ~above[:-1]))
    return (
        f"the cell fires on its own: {changes}, past the spike threshold "
        f"({threshold_mV:g} mV); with this weight it has {many(spikes, 'spike')} there"
    )


def _goes_the_other_way(
    deflection: FloatArray, amplitude: float, drift_mV: float, protocol: Protocol
) -> bool:
    """Whether there is nothing of the polarity that was asked for, and more of the other."""
    most = max(10.0 * max(amplitude, 0.0), abs(drift_mV))
    return amplitude <= protocol.drift_tolerance_mV and bool(-deflection.min() > most)


def _times(
    t: FloatArray, deflection: FloatArray, peak: int, amplitude: float, arrival_ms: float
) -> tuple[float | None, float | None, float | None, float | None]:
    """Latency, time to peak, 20-80 % rise time and half-width, ms."""
    if not amplitude > 0:
        return None, None, None, None

    def rising(fraction: float) -> float | None:
        below = np.flatnonzero(deflection[: peak + 1] < fraction * amplitude)
        return None if below.size == 0 else _crossing(t, deflection, int(below[-1]), fraction)

    def falling(fraction: float) -> float | None:
        below = np.flatnonzero(deflection[peak:] < fraction * amplitude)
        return (
            None
            if below.size == 0
            else _crossing(t, deflection, peak + int(below[0]) - 1, fraction)
        )

    def _crossing(t: FloatArray, y: FloatArray, i: int, fraction: float) -> float:
        """Time between samples i and i + 1 at which y passes a fraction of the amplitude."""
        level = fraction * amplitude
        return float(t[i] + (t[i + 1] - t[i]) * (level - y[i]) / (y[i + 1] - y[i]))

    t10, t20, t50, t80 = (rising(fraction) for fraction in (0.1, 0.2, 0.5, 0.8))
    t50_after = falling(0.5)
    return (
        None if t10 is None else t10 - arrival_ms,
        float(t[peak]) - arrival_ms,
        None if t20 is None or t80 is None else t80 - t20,
        None if t50 is None or t50_after is None else t50_after - t50,
    )


def _step(t_ms: FloatArray) -> float:
    return float(t_ms[-1] - t_ms[-2]) if len(t_ms) > 1 else 0.0
