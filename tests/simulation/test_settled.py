"""The settled state: one file a cell and configuration, the same numbers with and without it."""

from __future__ import annotations

import dataclasses
import logging
import os
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import pytest
from helpers.full_runs import equals_full_runs

from wscale import Protocol, Rig, list_sites
from wscale.simulation.settled_cache import is_settled, settled_state

MECHANISM_CACHE = Path(os.environ.get("WSCALE_CACHE") or "~/.cache/wscale").expanduser()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of settled states; compiled mechanisms stay."""
    (MECHANISM_CACHE / "mechanisms").mkdir(parents=True, exist_ok=True)
    (tmp_path / "mechanisms").symlink_to(MECHANISM_CACHE / "mechanisms")
    monkeypatch.setenv("WSCALE_CACHE", str(tmp_path))
    return tmp_path / "settled"


def states(cache):
    return sorted(cache.glob("*.state"))


def respond(model, protocol=None):
    sites = list_sites(model)
    with Rig(model, sites, protocol) as rig:
        return rig.respond([(site, weight) for site in sites for weight in (1e-4, 1e-3)])


@pytest.mark.parametrize("cvode", [False, True])
def test_a_state_from_a_file_gives_the_same_responses(load, cache, cvode):
    model = load("PT5B_reduced", dt=0.05, cvode_active=cvode)
    settled_here = respond(model)
    [file] = states(cache)
    written = file.stat().st_mtime_ns
    assert respond(model) == settled_here
    assert [file.stat().st_mtime_ns] == [written]
    assert {response.status for response in settled_here} == {"ok"}


def test_another_configuration_is_another_state(load, cache):
    respond(load("PV_simple", dt=0.05))
    respond(load("PV_simple", dt=0.1))
    respond(load("SOM_simple", dt=0.05))
    respond(load("PV_simple", dt=0.05), Protocol(window_ms=50.0))
    assert len(states(cache)) == 4


@pytest.mark.parametrize("damage", [b"", b"no state", None])
def test_a_damaged_state_is_made_anew(load, cache, damage):
    model = load("PV_simple", dt=0.05)
    before = respond(model)
    [file] = states(cache)
    whole = file.read_bytes()
    file.write_bytes(whole[:-8] if damage is None else damage)
    assert respond(model) == before
    assert len(file.read_bytes()) == len(whole)


def test_damaged_notes_are_made_anew(load, cache):
    model = load("PV_simple", dt=0.05)
    before = respond(model)
    [notes] = cache.glob("*.json")
    notes.write_text("[]")
    assert respond(model) == before
    assert notes.read_text().startswith("{")


def test_without_a_cache_the_search_goes_on(load, tmp_path, monkeypatch, caplog):
    model = load("PV_simple", dt=0.05)
    with Rig(model, list_sites(model)):
        pass  # the mechanisms are loaded
    before = respond(model)
    blocked = tmp_path / "file"
    blocked.touch()
    monkeypatch.setattr("wscale.simulation.settled_cache.cache_folder", lambda kind: blocked / kind)
    with caplog.at_level(logging.WARNING):
        assert respond(model) == before
    assert "settled state cannot be cached" in caplog.text


def test_a_state_that_cannot_be_written_is_a_warning(cache, caplog):
    def full_disk(path):
        path.write_bytes(b"a part")
        raise OSError(28, "No space left on device")

    with caplog.at_level(logging.WARNING):
        assert settled_state("key", lambda: {"a": 1}, full_disk) == ({"a": 1}, None)
    assert "No space left" in caplog.text
    assert not states(cache)
    assert not is_settled("key")
    assert [path.name for path in cache.iterdir()] == ["key.lock"]


def test_many_processes_settle_once(cache):
    code = f"""
import os, time
from pathlib import Path
from wscale.simulation.settled_cache import settled_state
def settle():
    with open({str(cache.parent / "log")!r}, "a") as log:
        log.write("settled ")
    time.sleep(0.5)
    return {{"value": 1.5}}
notes, file = settled_state("key", settle, lambda path: path.write_bytes(b"state"))
print(notes, file is None)
"""
    workers = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    said = sorted(worker.communicate(timeout=60)[0].strip() for worker in workers)
    assert said == ["{'value': 1.5} False"] * 3 + ["{'value': 1.5} True"]
    assert (cache.parent / "log").read_text() == "settled "


# ---------------------------------------------------------------------- synapses that differ


def test_parameters_that_depend_on_the_place(load):
    """NetPyNE evaluates functions in synMechParams at each synapse."""
    model = load("PT5B_reduced", dt=0.05)
    model = dataclasses.replace(model, net=deepcopy(model.net))
    plain = equals_full_runs(model)
    model.net["synMechParams"]["AMPA"]["tau2"] = "5.3 + 0.01 * post_dist_path"
    near, far = equals_full_runs(model)
    assert near.epsp_mV == plain[0].epsp_mV
    assert far.epsp_mV > 1.02 * plain[1].epsp_mV


RESTLESS = """
NEURON {
    POINT_PROCESS RestlessSyn
    NONSPECIFIC_CURRENT i
    RANGE tau, e, i, tonic
}
UNITS { (nA) = (nanoamp) (mV) = (millivolt) (uS) = (microsiemens) }
PARAMETER { tau = 5 (ms) e = 0 (mV) tonic = 1e-4 (uS) }
ASSIGNED { v (mV) i (nA) }
STATE { g (uS) ready }
INITIAL { g = 0 ready = 0 }
BREAKPOINT {
    SOLVE relax METHOD cnexp
    i = (g + tonic) * (v - e)
}
DERIVATIVE relax {
    g' = -g / tau
    ready' = (1 / (1 + exp(-(v + 70) / 5)) - ready) / 200
}
NET_RECEIVE (weight (uS)) { g = g + weight * ready }
"""


@pytest.mark.slow
def test_a_synapse_that_does_not_rest_is_settled_at_each_site(tmp_path, repo):
    """A tonic current, and a state that follows the local potential; in a process of its own."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "restless.mod").write_text(RESTLESS)
    (folder / "hd.mod").write_bytes((repo / "mod" / "hd.mod").read_bytes())
    code = f"""
import dataclasses, sys
sys.path[:0] = [{str(repo)!r}, {str(repo / "tests")!r}]
from wscale import Model
from helpers.full_runs import equals_full_runs
model = Model.from_folder({str(repo)!r}, "PT5B_hh", {{"dt": 0.05}}, {str(folder)!r})
target = model.stim_target
target.update(synMech=["Restless"])
target.pop("synMechWeightFactor", None)
model.net["synMechParams"] = {{"Restless": {{"mod": "RestlessSyn", "e": 0.0}}}}
near, far = equals_full_runs(model)
print(near.status, far.status, near.baseline_mV != far.baseline_mV)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.stdout.split() == ["ok", "ok", "True"], done.stderr


LATE = """
NEURON {
    SUFFIX late
    NONSPECIFIC_CURRENT i
    RANGE g, i
}
UNITS { (mA) = (milliamp) (mV) = (millivolt) (S) = (siemens) }
PARAMETER { g = 1e-4 (S/cm2) }
ASSIGNED { v (mV) i (mA/cm2) open }
STATE { m }
INITIAL { rates() m = open }
BREAKPOINT {
    SOLVE follow METHOD cnexp
    %s
    i = g * open * m * (v + 60)
}
DERIVATIVE follow {
    rates()
    m' = (open - m) / 3
}
PROCEDURE rates() { open = 1 / (1 + exp(-(v + 60) / 8)) }
"""


@pytest.mark.parametrize("mended", [False, True], ids=["late", "mended"])
def test_a_mechanism_whose_values_a_saved_state_does_not_hold(tmp_path, repo, mended):
    """Its current takes an ASSIGNED variable that only its DERIVATIVE sets: SaveState lacks it."""
    (tmp_path / "mod").mkdir()
    (tmp_path / "mod" / "late.mod").write_text(LATE % ("rates()" if mended else ""))
    (tmp_path / "mod" / "hd.mod").write_bytes((repo / "mod" / "hd.mod").read_bytes())
    code = f"""
import sys
sys.path[:0] = [{str(repo)!r}, {str(repo / "tests")!r}]
from helpers.full_runs import equals_full_runs
from wscale import Model
model = Model.from_folder({str(repo)!r}, "PT5B_hh", {{"dt": 0.05}}, {str(tmp_path / "mod")!r})
model.net["stimTargetParams"][model.stim_target_label].update(synMech="S", synMechWeightFactor=[1])
model.net["synMechParams"] = {{"S": {{"mod": "Exp2Syn", "tau2": 5, "e": 0}}}}
for sec in model.rule["secs"].values():
    sec["mechs"]["late"] = {{"g": 1e-4}}
print(*(response.status for response in equals_full_runs(model)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "WSCALE_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout.split() == ["ok", "ok"], done.stderr
