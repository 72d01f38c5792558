"""Early ending: on all cells and over a wide range of weights it changes no EPSP."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import M1_CELLS

from wscale import Protocol, Rig, grid, list_sites

# From an EPSP of microvolts to more than any synapse has
WEIGHTS_uS = np.geomspace(1e-5, 0.3, 24)
MEASURED = ["epsp_mV", "baseline_mV", "latency_ms", "time_to_peak_ms", "rise_time_ms"]


@pytest.fixture(scope="module")
def searched(load):
    """The same grid with trials that end when their peak is certain, at half, and never early."""
    models = [load(cell, dt=0.05) for cell in (*M1_CELLS, "PT5B_hh")]
    return {
        until: grid(models, WEIGHTS_uS, protocol=Protocol(until=until), n_jobs=2)
        for until in ("peak", "half", "window")
    }


@pytest.mark.slow
@pytest.mark.parametrize("until", ["peak", "half"])
def test_no_epsp_of_the_reduced_cells_changes(searched, until):
    trials = early = 0
    for short, whole in zip(searched[until], searched["window"], strict=True):
        assert (short.frame["status"] == whole.frame["status"]).all()
        np.testing.assert_allclose(
            short.frame[MEASURED], whole.frame[MEASURED], rtol=0, atol=1e-9, equal_nan=True
        )
        trials += len(short.frame)
        early += (short.frame["half_width_ms"].isna() & whole.frame["half_width_ms"].notna()).sum()
    assert trials == 47 * 24
    assert (early > 0.6 * trials) == (until == "peak")  # it does end early


@pytest.mark.slow
def test_half_widths_are_those_of_the_whole_window(searched):
    for half, whole in zip(searched["half"], searched["window"], strict=True):
        np.testing.assert_allclose(
            half.frame["half_width_ms"], whole.frame["half_width_ms"], rtol=0, atol=1e-9
        )


@pytest.mark.slow
def test_no_epsp_of_the_detailed_cell_changes(load):
    model = load("PT5B_pyramid", dt=0.05)
    sites = list_sites(model)[::120]
    weights_uS = np.geomspace(1e-4, 0.1, 4)
    trials = [(site, weight) for site in sites for weight in weights_uS]
    with Rig(model, sites) as rig:
        short = rig.respond(trials)
    with Rig(model, sites, Protocol(until="window")) as rig:
        whole = rig.respond(trials)
    for one, other in zip(short, whole, strict=True):
        assert one.status == other.status
        assert one.epsp_mV == pytest.approx(other.epsp_mV, rel=0, abs=1e-9)


@pytest.mark.slow
def test_no_ipsp_changes(load):
    synapse = {"NetStim1.synMech": ("GABA",), "NetStim1.synMechWeightFactor": (1.0,)}
    models = [load(cell, dt=0.05, **synapse) for cell in ("SOM_simple", "PT5B_reduced")]
    short, whole = (
        grid(models, WEIGHTS_uS, targets=-0.1, protocol=Protocol(until=until), n_jobs=2)
        for until in ("peak", "window")
    )
    for one, other in zip(short, whole, strict=True):
        assert (one.frame["status"] == other.frame["status"]).all()
        np.testing.assert_allclose(one.frame["epsp_mV"], other.frame["epsp_mV"], rtol=0, atol=1e-9)


def test_a_slow_component_that_peaks_later_and_higher_is_not_cut_off(load):
    """In the distal tuft of IT5B the potential falls after AMPA, and NMDA lifts it far higher."""
    model = load("IT5B_reduced", dt=0.05)
    site = list_sites(model, "Adend3")[0]
    with Rig(model, [site]) as rig:
        [response] = rig.respond([(site, 0.04)])
        t, v = rig.trace(site, 0.04)
    rise = v - v[0]
    first = int(np.argmax(np.diff(rise[30:]) < 0)) + 30  # where the potential falls first
    assert t[first] - model.arrival_ms < 25
    assert response.epsp_mV == rise.max() > 5 * rise[first]
