"""The command line and the main job, as a user calls them: files, exit codes, messages."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from helpers import REPO
from helpers.inside import wscale
from typer.testing import CliRunner

from wscale.cli.app import app

TABLE = "a table that can be read"


def run(*words: object, cwd=REPO) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, words)], cwd=cwd, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What ``python M1_grid_search.py --cells PV_simple,PT5B_reduced`` leaves behind."""
    out = tmp_path_factory.mktemp("m1") / "results"
    done = run("M1_grid_search.py", "--cells", "PV_simple,PT5B_reduced", "--jobs", 2, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "5 ok" in done.stdout  # two of them beyond the reference grid
    return out


def test_main_job_writes_its_files(results):
    files = {str(path.relative_to(results)) for path in results.rglob("*") if path.is_file()}
    assert files == {
        ".lock",
        "cells/PT5B_reduced.json",
        "cells/PV_simple.json",
        "figures/search.png",
        "grid_batch/PT5B_reduced.csv",
        "grid_batch/PV_simple.csv",
        "journal/PT5B_reduced.jsonl",
        "journal/PV_simple.jsonl",
        "results.json",
        "traces/PT5B_reduced.npz",
        "traces/PV_simple.npz",
        "verification/PT5B_reduced.csv",
        "verification/PV_simple.csv",
        "weightNorm/PT5B_reduced_weightNorm.json",
        "weightNorm/PT5B_reduced_weightNorm.pkl",
        "weightNorm/PV_simple_weightNorm.json",
        "weightNorm/PV_simple_weightNorm.pkl",
    }
    assert (results / "figures" / "search.png").read_bytes().startswith(b"\x89PNG")
    frame = pd.read_csv(results / "grid_batch" / "PV_simple.csv")
    assert len(frame) == 2 * 19
    assert set(frame["status"]) == {"ok"}


def test_summary_names_what_was_made_and_with_what(results):
    cells = json.loads((results / "results.json").read_text())["cells"]
    assert cells["PV_simple"]["counts"] == {"ok": 2}
    assert cells["PT5B_reduced"]["counts"] == {"ok": 5}
    assert cells["PV_simple"]["verified"]["passed"] is True
    assert cells["PV_simple"]["verified"]["largest_error"] < 1e-3
    assert len(cells["PV_simple"]["best"]) == 2
    provenance = cells["PV_simple"]["provenance"]
    assert set(provenance["sha256"]) == {"cell", "mechanisms", "configuration"}
    assert all(len(digest) == 64 for digest in provenance["sha256"].values())
    assert provenance["versions"].keys() >= {"wscale", "neuron", "netpyne", "numpy"}
    assert provenance["command"].startswith("python M1_grid_search.py --cells PV_simple")


def test_table_files_agree(results):
    table = json.loads((results / "weightNorm" / "PT5B_reduced_weightNorm.json").read_text())
    content = (results / "weightNorm" / "PT5B_reduced_weightNorm.pkl").read_bytes()
    loaded = pickle.loads(content)
    assert table["target_mV"] == 0.5
    assert loaded == table["weightNorm"]
    assert loaded["Adend3"] == [table["cap"]]
    for sec in loaded:
        assert table["status"][sec] == ["ok"]
        assert all(abs(r) < 1e-3 for r in table["residual"][sec])


def test_netpyne_loads_the_table(results):
    code = f"""
from netpyne import specs
net = specs.NetParams()
net.loadCellParams("PV_simple", "cells/PV_simple.json")
net.addCellParamsWeightNorm("PV_simple", r"{results}/weightNorm/PV_simple_weightNorm.pkl")
print(net.cellParams["PV_simple"]["secs"]["dend"]["weightNorm"])
"""
    done = run("-c", code)
    assert float(done.stdout.splitlines()[-1].strip("[]")) == pytest.approx(5.6e-4, rel=1e-2)


def test_another_run_keeps_the_other_cells(results):
    done = wscale(
        *("grid", ".", "--cell", "PV_simple", "--weights", "1e-4,4e-4,8e-4"),
        *("--sections", "soma,dend", "--target", "0.4", "--target", "dend=0.3"),
        *("--cfg", "dt=0.05", "--out", results, "--jobs", 2, "--fresh"),
    )
    assert done.returncode == 0, done.stderr
    cells = json.loads((results / "results.json").read_text())["cells"]
    assert cells["PT5B_reduced"]["counts"] == {"ok": 5}
    assert cells["PV_simple"]["trials"] == 8
    table = json.loads((results / "weightNorm" / "PV_simple_weightNorm.json").read_text())
    assert table["target_mV"] == {"soma": [0.4], "dend": [0.3]}


def test_verify_passes_the_table_and_fails_a_wrong_one(tmp_path):
    of_cell = (".", "--cell", "PT5B_reduced", "--cfg", "dt=0.05", "-j", 2)
    found = wscale("norm", *of_cell, "--max-weight", 1e-3, "--out", tmp_path / "norm")
    assert "2 of 5 entries are not calibrated and hold that of the next" in found.stdout
    words = ("verify", *of_cell)
    table = tmp_path / "norm" / "weightNorm" / "PT5B_reduced_weightNorm.json"
    sound = wscale(*words, "--table", table, "--out", tmp_path / "entries.csv")
    assert sound.returncode == 0, sound.stderr
    assert "3 of 3 entries give their target" in sound.stdout
    assert "2 entries promise nothing" in sound.stdout
    assert len(pd.read_csv(tmp_path / "entries.csv")) == 5
    alone = shutil.copy(table.with_suffix(".pkl"), tmp_path)  # without the .json that says more
    bare = wscale(*words, "--table", alone)  # the stand-ins are given, and are wrong
    assert bare.returncode == 1
    assert "3 of 5 entries give their target" in bare.stdout
    assert "Adend3[0]: 0.1" in bare.stdout


def test_verify_says_when_the_table_is_of_another_configuration(results):
    table = results / "weightNorm" / "PT5B_reduced_weightNorm.json"
    words = ("verify", ".", "--cell", "PT5B_reduced", "--table", table, "-j", 2)
    same = wscale(*words, "--cfg", "dt=0.05")
    other = wscale(*words, "--cfg", "dt=0.05", "--cfg", "hParams.celsius=30")
    assert "another configuration" not in same.stdout
    assert "made with another configuration" in other.stdout
    assert (same.returncode, other.returncode) == (0, 1)


def test_settings_from_a_file(tmp_path):
    config = tmp_path / "search.json"
    config.write_text(
        json.dumps(
            {
                "cells": ["PV_simple"],
                "weights_uS": [1e-4, 4e-4],
                "sections": ["soma"],
                "cfg": {"dt": 0.1},
            }
        )
    )
    for done in (
        run("M1_grid_search.py", "--config", config, "--out", tmp_path / "a", "--jobs", 1),
        wscale("grid", ".", "--config", config, "--out", tmp_path / "b", "--jobs", 1),
    ):
        assert done.returncode == 0, done.stderr
    a, b = (pd.read_csv(tmp_path / name / "grid_batch" / "PV_simple.csv") for name in "ab")
    pd.testing.assert_frame_equal(a, b)


def test_norm_writes_a_table_without_a_grid(tmp_path):
    done = wscale(
        *("norm", ".", "--cell", "PT5B_reduced", "--cfg", "dt=0.05", "--verify"),
        *("--out", tmp_path, "--jobs", 2),
    )
    assert done.returncode == 0, done.stderr
    entry = json.loads((tmp_path / "results.json").read_text())["cells"]["PT5B_reduced"]
    assert entry["counts"] == {"ok": 5}
    assert entry["trials"] < 20
    assert entry["verified"]["passed"] is True
    assert entry["files"].keys() == {"weightNorm_json", "weightNorm_pkl", "shape", "verification"}
    assert not (tmp_path / "grid_batch").exists()
    assert (tmp_path / "figures" / "search.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["grid", "nowhere"], "nowhere is not a model folder: it has no cfg.py"),
        (["grid", ".", "--cell", "PV_simpel"], "cfg.cell = 'PV_simpel': no such file"),
        (["grid", ".", "--cfg", "durration=1"], "no 'durration'. Did you mean 'duration'?"),
        (["grid", ".", "--cfg", "dt=fast"], "cfg.dt = 'fast': a number is needed"),
        (["grid", ".", "--cfg", "dt=0.03"], "recordStep = 0.1 ms must be a whole multiple"),
        (["grid", ".", "--sections", "Adned1"], "Did you mean 'Adend1'"),
        (["grid", ".", "--locations", "0,0.5"], "location 0.0 is not inside a section"),
        (["grid", ".", "--weights", "1:2"], "neither start:stop:count nor a list"),
        (["grid", ".", "--weights", "2e-4,1e-4"], "ascending"),
        (["grid", ".", "--target", "half"], "'half' is not a number of mV"),
        (["grid", ".", "--interpolation", "cubic"], "monotone or linear"),
        (["grid", ".", "--window", "500"], "ends at 1200 ms"),
        (["grid", ".", "--jobs", "0"], "jobs = 0"),
        (["norm", ".", "--tolerance", "2"], "tolerance = 2.0"),
        (["grid", ".", "--config", "nofile.json"], "there is no settings file nofile.json"),
        (["grid", ".", "--out", "README.md/results"], "cannot be made"),
        (["verify", ".", "--table", "no.pkl"], "there is no table no.pkl"),
        (["verify", ".", "--table", TABLE, "--tolerance", "-1"], "tolerance = -1.0 must be"),
        (["verify", ".", "--table", TABLE, "--target", "0"], "target_mV = 0.0 mV; a target must"),
        (["verify", ".", "--table", TABLE, "--window", "0"], "window_ms = 0.0 must be positive"),
        (["norm", ".", "--mod", "nowhere"], "nowhere does not exist"),
        (["norm", ".", "--exclude", "nosuch"], "'nosuch' is no section"),
        (["verify", ".", "--table", "setup.cfg"], "cannot be read as a weightNorm table"),
    ],
    ids=lambda value: "-".join(value[-2:]) if isinstance(value, list) else "",
)
def test_wrong_input_is_one_clear_message(words, message, tmp_path):
    if TABLE in words:
        words = [tmp_path / "a.json" if word == TABLE else word for word in words]
        (tmp_path / "a.json").write_text('{"soma": [0.001]}')
    out = [] if words[0] == "verify" or "--out" in words else ["--out", tmp_path / "results"]
    done = wscale(*words, *out)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_version_and_help():
    assert run("-m", "wscale", "--version").stdout.startswith("wscale 0.")
    help_text = wscale("grid", "--help").stdout
    assert "--weights" in help_text
    assert "mV" in help_text


def test_audit_and_compare_say_what_is_wrong(repo, tmp_path):
    """A table with an entry 30 % too large, and one that is infinite."""
    right = {"soma": [5.593e-4], "dend": [5.610e-4]}
    wrong = {"soma": [5.593e-4 * 1.3], "dend": [float("inf")]}
    files = []
    for name, table in (("right", right), ("wrong", wrong)):
        files.append(tmp_path / f"{name}.pkl")
        files[-1].write_bytes(pickle.dumps(table, protocol=2))
    options = ["--cell", "PV_simple", "--cfg", "dt=0.05", "--jobs", "2"]
    runner = CliRunner()
    sound = runner.invoke(app, ["audit", str(repo), "--table", str(files[0]), *options])
    assert sound.exit_code == 0, sound.output
    assert "PV_simple, dt 0.05 ms, 2 entries: 2 ok" in sound.output
    csv = tmp_path / "audit.csv"
    unsound = runner.invoke(
        app, ["audit", str(repo), "--table", str(files[1]), *options, "--out", str(csv)]
    )
    assert unsound.exit_code == 1
    assert "soma[0]: misses: gives 0.6" in unsound.output
    assert "dend[0]: not_finite" in unsound.output
    assert "right is 0.00056" in unsound.output
    assert len(csv.read_text().splitlines()) == 3

    assert runner.invoke(app, ["compare", str(files[0]), str(files[0])]).exit_code == 0
    apart = runner.invoke(app, ["compare", str(files[0]), str(files[1])])
    assert apart.exit_code == 1
    assert "1 differs" in apart.output
    assert "only_one" in apart.output


HOC = """
begintemplate Stick
public soma, dend
create soma, dend
proc init() {
    create soma, dend
    soma { L = 20 diam = 20 insert pas e_pas = -70 g_pas = 1e-4 }
    dend { L = 200 diam = 2 nseg = 3 insert pas e_pas = -70 g_pas = 1e-4 }
    connect dend(0), soma(1)
}
endtemplate Stick
"""


def test_a_hoc_cell_takes_the_folders_place(repo, tmp_path):
    file = tmp_path / "stick.hoc"
    file.write_text(HOC)
    out = tmp_path / "results"
    options = [str(repo), "--cell-file", str(file), "--cfg", "dt=0.05", "--jobs", "2"]
    runner = CliRunner()
    done = runner.invoke(app, ["norm", *options, "--out", str(out), "--verify"])
    assert done.exit_code == 0, done.output
    [cell] = json.loads((out / "results.json").read_text())["cells"].values()
    assert cell["counts"] == {"ok": 4}
    assert cell["verified"]["passed"]
    seen = runner.invoke(app, ["inspect", *options, "--json"])
    assert seen.exit_code == 0, seen.output
    found = json.loads(seen.stdout)
    assert found["fit"]
    assert [section["name"] for section in found["sections"]] == ["soma", "dend"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--cell-class", "Stick"], "say how a cell_file is read"),
        (["--cell-file", "none.json"], "there is no file none.json"),
        (["--cell-file", "a.hoc", "--cell", "A", "--cell", "B"], "give one label"),
        (["--cell-file", "a.py", "--cell-args", "{"], "is not JSON"),
        (["--cell-file", "a.py", "--cell-args", "3"], "must be a JSON list, or an object"),
    ],
)
def test_unusable_cell_files(repo, tmp_path, options, message):
    done = CliRunner().invoke(app, ["norm", str(repo), *options, "--out", str(tmp_path)])
    assert message in str(done.exception)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("wscale au", ["audit"]),
        ("wscale plot results --figure m", ["morphology"]),
        ("wscale norm . --backend s", ["slurm", "sge"]),
        ("wscale grid . --retry", ["--retry-failed"]),
    ],
)
def test_the_shell_completes(typed, offered):
    words = {"COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1)}
    done = subprocess.run(
        [Path(sys.executable).with_name("wscale")],
        env={**os.environ, **words, "_WSCALE_COMPLETE": "complete_bash"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == offered
