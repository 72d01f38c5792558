"""A search from settings to files: what it starts, what it keeps, and what it says of itself."""

from __future__ import annotations

import json
import threading

import pytest
from helpers import REPO

from wscale import Model, inspect_cell, solve
from wscale.calibrate.job import Listener, calibrate
from wscale.calibrate.reading import load_models
from wscale.calibrate.settings import SearchSettings
from wscale.calibrate.writer import ResultsFolder
from wscale.cli.calibration import calibrate_and_print
from wscale.errors import ConfigError, ModelError
from wscale.parallel import chains
from wscale.parallel.pool import LocalBackend, number_of_jobs
from wscale.parallel.sandbox import Limits, Sandbox
from wscale.results.journal import Journals
from wscale.scaffold.new import new_folder


def settings_of(*cells, **others):
    others = {"cfg": {"dt": 0.05}, **others}
    return SearchSettings.make(folder=str(REPO), cells=list(cells), **others)


# ---------------------------------------------------------------------- what is started


def test_no_more_workers_are_started_than_there_are_sites(load, monkeypatch):
    started = []

    class Counted(Sandbox):
        def __init__(self):
            super().__init__()
            started.append(self)

    monkeypatch.setattr(chains, "_idle", [])
    monkeypatch.setattr(chains, "Sandbox", Counted)
    [result] = solve(load("PV_simple"), n_jobs=8)
    assert len(result.solutions) == 2
    assert 1 <= len(started) <= 2


def test_more_processes_than_the_machine_bears_are_refused():
    cores = number_of_jobs(-1)
    assert number_of_jobs(8 * cores) == 8 * cores
    with pytest.raises(ConfigError, match=f"n_jobs = 100000 would exhaust .* at most {8 * cores} "):
        number_of_jobs(100_000)


def test_too_little_memory_for_any_worker_is_refused():
    with pytest.raises(ConfigError, match=r"memory_GiB = 0\.01 is too little .* 0\.5 GiB"):
        Limits(memory_GiB=0.01)


def test_a_cell_that_cannot_be_read_ends_the_reading_of_those_that_wait(monkeypatch):
    monkeypatch.setattr(
        "wscale.calibrate.reading.number_of_jobs", lambda jobs: 1
    )  # so that others do wait
    raised = []

    def read():
        try:
            load_models(settings_of("NOPE", "PV_simple", "SOM_simple"))
        except ModelError as error:
            raised.append(str(error))

    reading = threading.Thread(target=read, daemon=True)
    reading.start()
    reading.join(120)
    assert not reading.is_alive()
    assert "NOPE" in raised[0]


KX = """
NEURON { SUFFIX kx  USEION k READ ek WRITE ik  RANGE g }
UNITS { (mV) = (millivolt)  (mA) = (milliamp)  (S) = (siemens) }
PARAMETER { g = 0.001 (S/cm2) }
ASSIGNED { v (mV)  ek (mV)  ik (mA/cm2) }
BREAKPOINT { ik = g * (v - ek) }
"""


def test_models_with_other_mechanisms_are_searched_one_after_another(load, tmp_path):
    folder = new_folder(tmp_path / "leaky")
    (folder / "mod").mkdir()
    (folder / "mod" / "kx.mod").write_text(KX)
    cell = folder / "cells" / "MyCell.json"
    rule = json.loads(cell.read_text())
    rule["secs"]["soma"]["mechs"]["kx"] = {"g": 1e-4}
    cell.write_text(json.dumps(rule))
    model, other = load("PV_simple"), Model.from_folder(folder)
    assert inspect_cell(other, n_jobs=1).fit
    first, _, again = (solve(each, n_jobs=1)[0].table() for each in (model, other, model))
    assert again.weight_norm == first.weight_norm


# ---------------------------------------------------------------------- what is kept


def test_a_run_that_is_refused_before_any_site_binds_nobody(tmp_path):
    typo = {"": {"synMechs": {"exc": {"mod": "Exp2Sin"}}}}
    with pytest.raises(ModelError, match="Exp2Sin"):
        calibrate(settings_of("PV_simple", synapses=typo), tmp_path, method="norm")
    right = {"": {"synMechs": {"exc": {"mod": "Exp2Syn", "tau1": 0.5, "tau2": 5, "e": 0}}}}
    settings = settings_of("PV_simple", synapses=right)
    assert calibrate(settings, tmp_path, method="norm", n_jobs=1).passed
    with pytest.raises(ConfigError, match="is of another run"):  # now there is something to keep
        calibrate(settings_of("PV_simple"), tmp_path, method="norm", n_jobs=1)


def test_results_say_until_the_end_which_cells_are_not_finished(load, tmp_path):
    models = [load("PV_simple"), load("SOM_simple")]
    for part in ("weightNorm", "grid_batch"):
        (tmp_path / part).mkdir()

    def kept_of(*wanted, broken=False):
        with (
            Journals(tmp_path) as journals,
            ResultsFolder(tmp_path, LocalBackend(1), [model.cell for model in models]) as kept,
        ):
            for result in solve(
                [m for m in models if m.cell in wanted], journals=journals, n_jobs=1
            ):
                kept.write(result, settings_of(*wanted), ["wscale"])
                last = json.loads((tmp_path / "results.json").read_text())["last_run"]
                assert last["finished"] is None
            if broken:
                raise KeyboardInterrupt
        return json.loads((tmp_path / "results.json").read_text())

    with pytest.raises(KeyboardInterrupt):
        kept_of("PV_simple", broken=True)
    content = json.loads((tmp_path / "results.json").read_text())
    assert content["wscale_results"] == 1
    assert list(content["cells"]) == ["PV_simple"]
    assert content["last_run"]["unfinished"] == ["SOM_simple"]
    assert content["last_run"]["finished"] is None
    content = kept_of("PV_simple", "SOM_simple")
    assert content["last_run"]["unfinished"] == []
    assert content["last_run"]["finished"] is not None


def test_what_the_weights_belong_to_is_in_the_provenance(tmp_path):
    settings = settings_of("PV_simple", cfg={"dt": 0.05, "hParams.celsius": 30})
    assert calibrate(settings, tmp_path, method="norm", n_jobs=1).passed
    origin = json.loads((tmp_path / "weightNorm" / "PV_simple_weightNorm.json").read_text())
    said = origin["provenance"]["protocol"]
    model = Model.from_folder(REPO, "PV_simple")
    assert said["synMechs"] == {name: model.net["synMechParams"][name] for name in ("AMPA", "NMDA")}
    assert said["weightFactors"] == [0.5, 0.5]
    assert (said["celsius_degC"], said["dt_ms"], said["delay_ms"]) == (30, 0.05, 1.0)


class Heard(Listener):
    """Keeps what it was told, in order."""

    def __init__(self):
        self.events = []

    def __getattribute__(self, name):
        if name != "events" and hasattr(Listener, name) and not name.startswith("_"):
            return lambda *given: self.events.append((name, *given))
        return super().__getattribute__(name)


def test_a_job_prints_nothing_and_tells_its_listener(tmp_path, capfd):
    heard = Heard()
    settings = settings_of("PV_simple")
    options = {"method": "norm", "n_jobs": 1, "verified": True, "traces": True}
    done = calibrate(settings, tmp_path, listener=heard, **options)
    names = [name for name, *_ in heard.events]
    phases = ["reading", "search_started", "search_done", "tracing", "verifying"]
    assert [name for name in names if name in phases] == phases
    assert (names.count("searched"), names.count("found"), names.count("cell_done")) == (2, 0, 1)
    assert done.passed
    assert done.trials == sum(
        given[0].trials for name, *given in heard.events if name == "searched"
    )
    assert (done.found, done.traced > 0) == (0, True)
    assert list(done.verifications) == ["PV_simple"]
    assert repr(done) == f"<Calibration of 1 cell in {tmp_path}: {done.trials} trials, passed>"
    again = calibrate(settings, tmp_path, method="norm", n_jobs=1)
    assert (again.trials, again.found, again.passed) == (0, 2, True)
    assert capfd.readouterr() == ("", "")


def test_a_search_that_calibrates_nothing_has_not_passed(tmp_path, capsys):
    settings = settings_of("PV_simple", weights_uS=[1e-6, 2e-6])
    assert not calibrate_and_print(settings, tmp_path, n_jobs=1)
    assert "no segment is calibrated, figure" in " ".join(capsys.readouterr().out.split())
