"""Measuring a response: analytic traces, statuses and what float noise in the times may not do."""

from __future__ import annotations

from itertools import accumulate, repeat

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import lambertw

from wscale import Rig, list_sites
from wscale.cells.cell_file import CellRule
from wscale.errors import ConfigError
from wscale.measurement.epsp import Protocol, Response, measure

ONSET, ARRIVAL, END, STEP = 700.0, 701.0, 800.0, 0.1
NO_SPIKES = {"spike_threshold_mV": 1e6}

CLOCKS = {
    "multiples": lambda n, step: step * np.arange(n),
    "running sums": lambda n, step: np.array(list(accumulate(repeat(step, n - 1), initial=0.0))),
    "linspace": lambda n, step: np.linspace(0.0, (n - 1) * step, n),
}


def times(step=STEP, start=690.0, stop=END, clock="multiples"):
    return CLOCKS[clock](round(stop / step) + 1, step)[round(start / step) :]


T = times()


def alpha(t, tau=5.0, amplitude=0.5, rest=-80.0):
    """Return an alpha function that starts at the arrival and peaks ``tau`` later."""
    s = np.clip(t - ARRIVAL, 0.0, None) / tau
    return rest + amplitude * s * np.exp(1.0 - s)


def crossing(fraction, tau, *, falling=False):
    """Time after the arrival at which an alpha function passes a fraction of its peak."""
    return -tau * float(lambertw(-fraction / np.e, -1 if falling else 0).real)


def respond(t, v, drift_mV=0.0, **protocol):
    protocol = Protocol(**protocol)
    return measure(t, v, onset_ms=ONSET, arrival_ms=ARRIVAL, protocol=protocol, drift_mV=drift_mV)


def ramp(slope=0.01, rest=-80.0):
    return rest + slope * np.clip(T - ARRIVAL, 0.0, None)


# ---------------------------------------------------------------------- the numbers


@pytest.fixture(params=[1, -1], ids=["EPSP", "IPSP"])
def polarity(request):
    return request.param


@pytest.fixture(params=[2.0, 5.3, 20.0], ids="tau={}".format)
def tau(request):
    return request.param


@pytest.fixture
def measured(polarity, tau):
    return respond(T, alpha(T, tau, polarity * 0.5), polarity=polarity)


def test_amplitude_is_that_of_the_alpha_function(measured, polarity, tau):
    # the sample next to the peak is at most half a step away
    assert measured.epsp_mV == pytest.approx(polarity * 0.5, rel=(STEP / 2 / tau) ** 2 / 2 + 1e-12)


def test_time_to_peak_counts_from_the_arrival(measured, tau):
    assert measured.time_to_peak_ms == pytest.approx(tau, abs=STEP / 2 + 1e-9)


def test_latency_is_the_10_percent_crossing_after_the_arrival(measured, tau):
    assert measured.latency_ms == pytest.approx(crossing(0.1, tau), abs=0.05 * STEP)


def test_rise_time_is_from_20_to_80_percent(measured, tau):
    expected = crossing(0.8, tau) - crossing(0.2, tau)
    assert measured.rise_time_ms == pytest.approx(expected, abs=0.05 * STEP)


def test_half_width_is_the_time_above_one_half(measured, tau):
    expected = crossing(0.5, tau, falling=True) - crossing(0.5, tau)
    assert measured.half_width_ms == pytest.approx(expected, abs=0.05 * STEP)


def test_arrival_is_the_onset_where_it_is_not_given():
    v = alpha(T)
    late, early = respond(T, v), measure(T, v, onset_ms=ONSET)
    assert early.time_to_peak_ms == late.time_to_peak_ms + (ARRIVAL - ONSET)


def test_half_width_is_none_where_the_response_stays_above_one_half():
    response = respond(T, alpha(T, tau=60.0))
    assert (response.status, response.half_width_ms) == ("ok", None)


@pytest.mark.parametrize("polarity", [1, -1])
def test_response_of_the_other_sign_has_no_amplitude_and_no_times(polarity):
    response = respond(T, alpha(T, amplitude=-polarity * 0.5), polarity=polarity)
    assert response.epsp_mV == 0.0
    assert response.latency_ms is response.time_to_peak_ms is response.rise_time_ms is None


def test_row_has_status_and_all_quantities():
    response = respond(T, alpha(T))
    row = response.as_row()
    assert row["status"] == "ok"
    assert Response(**row) == response


# ---------------------------------------------------------------------- which samples count


@pytest.fixture(params=list(CLOCKS))
def clock(request):
    return request.param


@pytest.fixture(params=[0.025, 0.05, 0.1], ids="step={}".format)
def step(request):
    return request.param


def test_baseline_is_the_last_sample_strictly_before_onset(clock, step):
    t = times(step, clock=clock)
    v = -80.0 + np.arange(len(t)) * 1e-4
    assert respond(t, v).baseline_mV == v[round((ONSET - 690.0) / step) - 1]


def test_baseline_between_samples_is_the_one_before():
    response = measure(T, -80.0 + np.arange(len(T)) * 1e-4, onset_ms=700.05)
    assert response.baseline_mV == pytest.approx(-80.0 + 100e-4, abs=1e-12)


@pytest.mark.parametrize(
    ("time_ms", "counts"),
    [
        pytest.param(ONSET, False, id="onset"),
        pytest.param(ONSET + STEP, True, id="first after onset"),
        pytest.param(END, True, id="end of window"),
        pytest.param(END + STEP, False, id="first after window"),
    ],
)
def test_window_is_open_at_onset_and_closed_at_its_end(time_ms, counts, clock):
    t = times(stop=END + 1.0, clock=clock)
    v = np.full(len(t), -80.0)
    v[round((time_ms - 690.0) / STEP)] += 1.0
    assert respond(t, v).epsp_mV == (1.0 if counts else 0.0)


@pytest.mark.parametrize(
    ("start", "stop"),
    [
        pytest.param(ONSET, END, id="begins at onset"),
        pytest.param(ONSET + 10, END, id="begins after onset"),
        pytest.param(690.0, END - 1, id="ends within the window"),
        pytest.param(600.0, 690.0, id="ends before onset"),
    ],
)
def test_trace_that_does_not_cover_the_measurement_is_refused(start, stop):
    t = times(start=start, stop=stop)
    with pytest.raises(ConfigError, match=r"trace covers .* needs samples from before onset_ms"):
        respond(t, np.full(len(t), -80.0))


def test_empty_trace_is_refused():
    with pytest.raises(ConfigError):
        respond(np.array([]), np.array([]))


def test_window_shorter_than_a_sampling_step_is_refused():
    with pytest.raises(ConfigError):
        respond(T, alpha(T), window_ms=STEP / 2)


# ---------------------------------------------------------------------- status


def with_nan(v):
    return np.where(np.arange(len(v)) == len(v) // 2, np.nan, v)


RISING_SPIKE = ramp(slope=1.0)  # spikes, and still rises at the end


@pytest.mark.parametrize(
    ("v", "drift_mV", "status", "reason"),
    [
        pytest.param(alpha(T), 0.0, "ok", "", id="ok"),
        pytest.param(alpha(T, amplitude=100.0), 0.0, "spike", "reaches 20 mV", id="spike"),
        pytest.param(alpha(T), 0.05, "drift", "changes by 0.05 mV", id="drift"),
        pytest.param(alpha(T), -0.05, "drift", "changes by -0.05 mV", id="downward drift"),
        pytest.param(ramp(), 0.0, "edge", "still rising at the end", id="edge"),
        pytest.param(with_nan(alpha(T)), 0.0, "failed", "not finite", id="failed"),
        pytest.param(with_nan(RISING_SPIKE), 0.05, "failed", "", id="failed before drift"),
        pytest.param(RISING_SPIKE, 0.05, "drift", "", id="drift before spike"),
        pytest.param(RISING_SPIKE, 0.0, "spike", "", id="spike before edge"),
        pytest.param(np.full(len(T), -80.0), 0.0, "ok", "", id="no response"),
    ],
)
def test_status_is_the_first_that_applies(v, drift_mV, status, reason):
    response = respond(T, v, drift_mV, drift_tolerance_mV=0.01)
    assert response.status == status
    assert reason in response.reason
    assert response.ok == (status == "ok") == (not response.reason)


@pytest.mark.parametrize(
    ("peak_mV", "status"), [(-20.0, "spike"), (np.nextafter(-20.0, -21.0), "ok")]
)
def test_spike_threshold_itself_is_a_spike(peak_mV, status):
    v = np.full(len(T), -80.0)
    v[len(v) // 2] = peak_mV
    assert respond(T, v, spike_threshold_mV=-20.0).status == status


def test_spike_within_an_ipsp_window_is_a_spike():
    v = alpha(T, amplitude=-0.5) + alpha(T, tau=50.0, amplitude=100.0, rest=0.0)
    assert respond(T, v, polarity=-1).status == "spike"


def test_soma_above_threshold_before_onset_is_a_spike():
    v = np.where(T < ONSET, 0.0, -80.0)
    assert respond(T, v, polarity=-1).status == "spike"


@pytest.mark.parametrize(("drift_mV", "status"), [(0.01, "ok"), (0.0100001, "drift")])
def test_drift_tolerance_itself_is_allowed(drift_mV, status):
    assert respond(T, alpha(T), drift_mV, drift_tolerance_mV=0.01).status == status


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", [99, 101, -1], ids=["baseline", "first sample", "last sample"])
def test_sample_that_is_not_finite_fails_without_numbers(value, where):
    v = alpha(T)
    v[where] = value
    response = respond(T, v)
    assert response == Response("failed", response.reason)


@pytest.mark.parametrize("where", [0, 100], ids=["before baseline", "at onset"])
def test_sample_that_is_not_measured_may_be_anything(where):
    v = alpha(T)
    v[where] = np.nan
    assert respond(T, v) == respond(T, alpha(T))


def test_edge_keeps_its_amplitude_for_the_record():
    assert respond(T, ramp()).epsp_mV == pytest.approx(0.01 * (END - ARRIVAL), rel=1e-9)


def test_peak_at_the_last_sample_but_one_is_no_edge():
    v = ramp()
    v[-1] = v[-3]
    assert respond(T, v).status == "ok"


def test_plateau_that_reaches_the_end_is_no_edge():
    assert respond(T, np.minimum(ramp(), -79.5)).status == "ok"


@pytest.mark.parametrize(
    ("settings", "named"),
    [({"window_ms": value}, "window_ms") for value in (0.0, -1.0, np.inf, np.nan)]
    + [({"polarity": value}, "polarity") for value in (0, 2, 0.5)]
    + [({"drift_tolerance_mV": value}, "drift_tolerance_mV") for value in (0.0, -0.1, np.nan)],
    ids=str,
)
def test_protocol_refuses_what_cannot_be_measured_with(settings, named):
    with pytest.raises(ConfigError, match=rf"^{named} = .* must be "):
        Protocol(**settings)


def test_protocol_refuses_a_spike_threshold_that_is_not_a_number():
    with pytest.raises(ConfigError, match="spike_threshold_mV"):
        Protocol(spike_threshold_mV=np.nan)


def test_drift_that_is_not_a_number_is_not_ok():
    assert not respond(T, alpha(T), np.nan).ok


# ---------------------------------------------------------------------- laws


QUANTITIES = ("latency_ms", "time_to_peak_ms", "rise_time_ms", "half_width_ms")


def quantities(response):
    return [getattr(response, name) for name in QUANTITIES]


@given(offset=st.floats(-50.0, 50.0), tau=st.floats(1.0, 30.0), amplitude=st.floats(0.01, 20.0))
def test_amplitude_does_not_depend_on_the_resting_potential(offset, tau, amplitude):
    v = alpha(T, tau, amplitude)
    shifted = respond(T, v + offset, **NO_SPIKES)
    assert shifted.epsp_mV == pytest.approx(respond(T, v, **NO_SPIKES).epsp_mV, abs=1e-12)


@given(factor=st.floats(0.01, 100.0), tau=st.floats(1.0, 30.0))
def test_amplitude_scales_with_the_response_and_times_do_not(factor, tau):
    one = respond(T, alpha(T, tau, 0.5, rest=0.0), **NO_SPIKES)
    many = respond(T, alpha(T, tau, 0.5 * factor, rest=0.0), **NO_SPIKES)
    assert many.epsp_mV == pytest.approx(factor * one.epsp_mV, rel=1e-12)
    assert quantities(many) == pytest.approx(quantities(one), abs=1e-9)


COARSE = times(step=5.0)
potentials = st.lists(st.floats(-100.0, -60.0), min_size=len(COARSE), max_size=len(COARSE)).map(
    np.array
)


@given(v=potentials)
def test_amplitude_is_maximum_minus_baseline_of_any_trace(v):
    baseline = v[(COARSE < ONSET).sum() - 1]
    after = [x for x, t in zip(v, COARSE, strict=True) if ONSET < t <= END]
    response = respond(COARSE, v)
    assert (response.baseline_mV, response.epsp_mV) == (baseline, max(after) - baseline)


@given(v=potentials)
def test_ipsp_is_the_mirrored_epsp(v):
    up = respond(COARSE, v, **NO_SPIKES)
    down = respond(COARSE, -v, polarity=-1, **NO_SPIKES)
    assert down.epsp_mV == -up.epsp_mV
    assert quantities(down) == quantities(up)
    assert down.status == up.status


@given(v=potentials)
def test_rise_and_half_width_of_any_trace_are_not_negative(v):
    response = respond(COARSE, v, **NO_SPIKES)
    assert (response.rise_time_ms or 0.0) >= 0.0
    assert (response.half_width_ms or 0.0) >= 0.0


# ---------------------------------------------------------------------- the cell's own doings


@pytest.mark.parametrize(
    ("times_ms", "words"), [((720.0,), "1 spike there"), ((705.0, 750.0), "2 spikes there")]
)
def test_a_cell_that_fires_on_its_own_is_said_to(times_ms, words):
    v = np.full(len(T), -70.0)
    for time_ms in times_ms:
        v += 90.0 * np.exp(-(((T - time_ms) / 1.0) ** 2))
    response = respond(T, v, drift_mV=90.0)
    assert response.status == "drift"
    assert response.reason.startswith("the cell fires on its own: without stimulation")
    assert words in response.reason


def test_a_cell_that_drifts_and_does_not_fire_is_not_said_to_fire():
    assert "fires" not in respond(T, alpha(T), drift_mV=3.0).reason


@pytest.mark.parametrize("polarity", [1, -1])
def test_a_response_of_the_other_sign_alone_is_named(polarity):
    v = alpha(T, amplitude=-0.5 * polarity)
    response = respond(T, v, polarity=polarity)
    assert (response.status, response.epsp_mV) == ("ok", pytest.approx(0.0, abs=1e-12))
    assert response.reason == "the synapse moves the soma the other way from its rest, -80 mV"
    assert respond(T, v, drift_mV=0.6, polarity=polarity, drift_tolerance_mV=1.0).reason == ""
    assert respond(T, v, polarity=-polarity).reason == ""


def test_an_epsp_before_a_deeper_undershoot_is_an_epsp():
    v = alpha(T, tau=2.0, amplitude=1.0) + alpha(T, tau=25.0, amplitude=-6.0, rest=0.0)
    response = respond(T, v)
    assert response.epsp_mV > 0.02
    assert response.reason == ""


@pytest.mark.usefixtures("own_process_rig")
def test_a_cell_of_hodgkin_and_huxley_that_fires_on_its_own(load):
    geom = {"L": 20.0, "diam": 20.0, "nseg": 1, "Ra": 100.0, "cm": 1.0}
    soma = {"geom": geom, "mechs": {"hh": {"gl": 3e-4, "el": -10.0}}}
    base = load("PV_simple", dt=0.05, **{"hParams.celsius": 6.3})
    model = base.with_cell("odd", CellRule({"secs": {"soma": soma}}, (), "odd"))
    with Rig(model, list_sites(model)) as rig:
        [response] = rig.respond([(rig.sites[0], 1e-6)])
        _, v = rig.trace(None)
    spikes = int(np.count_nonzero((v[1:] >= -20.0) & (v[:-1] < -20.0)))
    assert spikes > 1
    assert "the cell fires on its own" in response.reason
    assert f"it has {spikes} spikes there" in response.reason
