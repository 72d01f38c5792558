"""Commands speak to people, to machines, or hardly; what goes wrong is always said."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest
from helpers import inside

pytestmark = pytest.mark.slow

COMMON = ["--cell", "PV_simple", "--cfg", "dt=0.05"]


def wscale(repo, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "wscale", *map(str, arguments)],
        cwd=repo,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def results(repo, tmp_path_factory):
    """Return a results folder, and what the search that made it said with --json."""
    folder = tmp_path_factory.mktemp("results")
    done = wscale(repo, "norm", ".", *COMMON, "--jobs", 1, "--out", folder, "--json", "-v")
    assert done.returncode == 0, done.stderr
    return folder, done


def test_a_search_for_machines(results):
    folder, done = results
    said = json.loads(done.stdout)
    assert said["passed"] is True
    assert said["folder"] == str(folder)
    assert said["cells"]["PV_simple"]["counts"] == {"ok": 2}
    assert "PV_simple" in done.stderr  # the table for people
    assert "wscale.search.search: norm: 0 sites are there" in done.stderr  # -v
    assert "INFO" not in done.stderr  # of workers


def test_tables_for_machines(results, repo):
    table = results[0] / "weightNorm" / "PV_simple_weightNorm.pkl"
    for command in ("verify", "audit"):
        done = wscale(repo, command, ".", *COMMON, "--jobs", 1, "--table", table, "--json")
        said = json.loads(done.stdout)
        assert done.returncode == 0
        assert said["passed"] is True
        assert [entry["sec"] for entry in said["entries"]] == ["soma", "dend"]
    said = json.loads(inside.wscale("compare", table, table, "--json").stdout)
    assert said["counts"] == {"equal": 2}


@pytest.mark.parametrize("command", ["plot", "report"])
def test_what_is_written_is_said_where_asked(results, repo, tmp_path, command):
    out = tmp_path / "written"
    quiet = inside.wscale(command, results[0], "--out", out)
    more = wscale(repo, command, results[0], "--out", out, "-v")
    assert (quiet.returncode, more.returncode) == (0, 0)
    assert "wscale._util.files" not in quiet.stderr
    assert f"wscale._util.files: {out}" in more.stderr


def test_quiet_says_errors_only(results):
    folder, _ = results
    again = inside.wscale("norm", ".", *COMMON, "--out", folder, "--quiet")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    wrong = inside.wscale("norm", ".", *COMMON, "--out", folder, "--quiet", "--tolerance", 0.01)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "is of another run: tolerance is 0.001 there, 0.01 here" in wrong.stderr


def test_pictures_and_pages_for_machines(results, tmp_path):
    folder, _ = results
    drawn = json.loads(inside.wscale("plot", folder, "--out", tmp_path, "--json").stdout)
    assert [str(path) for path in sorted(tmp_path.iterdir())] == sorted(drawn["files"])
    assert any("grid" in reason for reason in drawn["left_out"])
    page = tmp_path / "page.html"
    said = json.loads(inside.wscale("report", folder, "--out", page, "--json").stdout)
    assert said == {"file": str(page)}
    assert page.is_file()


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (("inspect", ".", "--cell", "PV_simpel"), "ModelError"),
        (("norm", ".", "--tolerance", "-1"), "ConfigError"),
        (("plot", "nowhere"), "ConfigError"),
    ],
)
def test_what_goes_wrong_is_said_to_machines_too(words, kind):
    done = inside.wscale(*words, "--json")
    error = json.loads(done.stdout)["error"]
    assert done.returncode == 2
    assert error["type"] == kind
    assert f"{kind}: {error['message']}" in done.stderr


def test_an_interrupted_command_says_so(repo):
    running = subprocess.Popen(
        [sys.executable, "-m", "wscale", "inspect", ".", "--cell", "PT5B_pyramid", "--json"],
        cwd=repo,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(3)  # it takes longer than this to settle the cell
    running.send_signal(signal.SIGINT)
    said, told = running.communicate(timeout=60)
    assert running.returncode == 130
    assert json.loads(said)["error"]["type"] == "Interrupted"
    assert "Interrupted: files already written are whole" in told
