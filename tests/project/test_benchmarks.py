"""The benchmarks measure what they say; their figures are checked for sense, not for speed."""

from __future__ import annotations

import dataclasses
import json
import random
import sys

import pytest
from rich.console import Console

from benchmarks import dispatch, searches, startup
from benchmarks.__main__ import TRIALS, WORKERS
from benchmarks.page import cells_of, check_page, machine, write_page
from benchmarks.processes import REPO, run_counted
from benchmarks.soak import kill_processes, tables, whole_run
from benchmarks.trials import cvode_trials, finer, rig_trials
from wscale import LocalBackend, list_sites, solve
from wscale.errors import ConfigError
from wscale.mechanisms.library import compile_mechanisms

linux = pytest.mark.skipif(sys.platform != "linux", reason="subreapers and /proc are Linux's")


def test_trials_and_their_floor(load):
    model = load("PV_simple")
    figures = rig_trials(model, repeats=2)
    assert figures["segments"] == 2
    assert figures["multiple_of_floor"] == pytest.approx(figures["trial_s"] / figures["floor_s"])
    assert figures["multiple_of_floor"] > 1.0
    assert cvode_trials(model)["largest_error"] < 0.05


def test_finer_cells_have_more_segments(load):
    model = load("PT5B_reduced")
    assert len(list_sites(finer(model, 4))) == 4 * len(list_sites(model))
    assert dataclasses.asdict(finer(model, 1)) == dataclasses.asdict(model)


@pytest.mark.slow
def test_a_search_in_a_process_of_its_own():
    with searches.nothing_settled():
        found = searches.run("PV_simple", "norm", 2)
    assert (found["sites"], found["ok"]) == (2, 2)
    assert found["core_s"] > found["worker_s"] > 0
    assert 50 < found["largest_MiB"] < 2000


# A command that spends BUSY s of CPU time in itself, in an orphan, in a process that is killed and
# not waited for, and in a child of that one, which outlives it
BUSY = 0.1
SPENDS = """
import os, signal, sys, time

def spend():
    while time.process_time() < float(sys.argv[1]):
        pass

def child(do):
    pid = os.fork()
    if pid == 0:
        do()
        os._exit(0)
    return pid

def stay():
    child(lambda: (os.read(go, 1), spend()))
    spend()
    os.write(spent, b"x")
    time.sleep(600)

go, told = os.pipe()
wait, spent = os.pipe()
os.waitpid(child(lambda: child(spend)), 0)
killed = child(stay)
os.read(wait, 1)
os.kill(killed, signal.SIGKILL)
os.write(told, b"x")
spend()
"""


@linux
def test_the_time_of_all_processes_is_counted():
    found = run_counted([sys.executable, "-c", SPENDS, str(BUSY)])
    assert found["cpu_s"] > 3.9 * BUSY
    with pytest.raises(RuntimeError, match=r"exit code 3 of [^\n]*\nsaid"):
        run_counted([sys.executable, "-c", "import sys; print('said'); sys.exit(3)"])


@linux
def test_startup_compares_checkouts():
    commands = {"bare Python": startup.COMMANDS["bare Python"]}
    [row] = startup.rows_of(startup.medians([REPO, REPO], commands, 1, Console(quiet=True)))
    assert row["times_cpu"] == row["cpu_before_s"] / row["cpu_s"]
    assert len(cells_of(row, startup.COMPARED)) == len(startup.COMPARED)


@linux
def test_a_forked_sandbox_costs_less_than_an_import_of_netpyne():
    forked = startup.forked_sandboxes(3)
    imported = run_counted([sys.executable, *startup.COMMANDS[startup.NETPYNE]])
    assert 0 < forked["cpu_s"] < 0.5 * imported["cpu_s"]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["grid", "secant"])
def test_loops_over_netpyne_find_the_same_table(method, load):
    library = str(compile_mechanisms(REPO / "mod"))
    done = run_counted([sys.executable, "-m", "benchmarks.loops", method, "PV_simple", library])
    found = json.loads(done["stdout"].splitlines()[-1])
    [result] = solve(load("PV_simple"), n_jobs=1)
    for site, solution in result.solutions:
        [weight] = found["table"][site.sec]
        assert weight == pytest.approx(solution.weight_norm, rel=3e-3)
    assert found["trials"] == 38 if method == "grid" else found["trials"] < 8


def test_sites_that_do_nothing_are_all_handed_out(load):
    found = dispatch.measured(LocalBackend(1), load("PV_simple"), 20)
    assert all(value > 0 for value in found.values())


def test_the_calculation_adds_up():
    of = {"server_s": 2.0, "fork_s": 0.1, "build_s": 0.5, "settle_s": 6.0, "site_s": 0.12}
    rows = dispatch.calculated({**of, "segments": 100}, 1e-3, 60, 200, 10)
    assert [row["wall_min"] for row in rows] == pytest.approx([0.05, 4.8, 1.0, 12.0, 1.2, 0.2])


@linux
@pytest.mark.slow
def test_tables_are_the_same_when_the_server_is_killed(tmp_path):
    command = ["norm", str(REPO), "--cell", "PV_simple", "--jobs", "2", "--cfg", "dt=0.005"]
    whole_s, dice = whole_run(command, tmp_path / "whole"), random.Random(1)
    kill_processes("server", command, tmp_path / "killed", whole_s / 3, dice)
    assert tables(tmp_path / "killed") == tables(tmp_path / "whole")


def test_tables_in_the_page(tmp_path):
    row = {"cell": "C", "workers": 2, "wall_s": 1.25, "efficiency": 0.9, "core_s": 2.0}
    row["largest_MiB"] = 200.4
    assert cells_of(row, WORKERS) == ["C", "2", "1.2", "0.90", "2.0", "200"]
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- benchmarks begin -->\nold\n<!-- benchmarks end -->\nz\n")
    for _ in range(2):
        write_page(page, "benchmarks", str(machine()["cores"]), [("Workers", [row], WORKERS)])
    check_page(page, "benchmarks")
    with pytest.raises(ConfigError, match="<!-- scaling begin -->"):
        check_page(page, "scaling")
    text = page.read_text()
    assert text.startswith("a\n")
    assert text.endswith("\nz\n")
    assert "old" not in text
    assert text.count("| C | 2 | 1.2 |") == 1
    row = {key: 1234.5 for _, key, _ in TRIALS if key.endswith("_ms")}
    row |= {"cell": "C", "segments": 5, "times_a": 97.24, "multiple_of_floor": 1.156}
    row |= {"largest_error": 0.0123}
    assert cells_of(row, TRIALS)[2:5] == ["1,234", "1,234", "97.2"]
