"""What a search says at its end."""

from __future__ import annotations

import dataclasses
import io
import json

from helpers.inside import wscale
from rich.console import Console

from wscale import grid
from wscale.cli.summary import print_summary


def test_of_many_sites_with_one_status_a_few_are_told_and_the_others_counted(load):
    model = load("PT5B_hh")
    [result] = grid(model, [1e-6, 2e-6], sections="dendrite", n_jobs=1)
    assert set(result.table().status["dendrite"]) == {"above_grid"}
    screen = io.StringIO()
    print_summary([result], {}, Console(file=screen, width=80))
    lines = screen.getvalue().splitlines()
    count = len(result.solutions)
    assert count > 6
    assert lines[1].split()[:4] == ["PT5B_hh", str(result.trials), str(count), "above_grid"]
    told = [line for line in lines if line.startswith("PT5B_hh dendrite(")]
    assert len(told) == 5
    assert all("add larger weights" in line for line in told)
    assert lines[-1].startswith(f"PT5B_hh: {count - 5} more sites are above_grid; ")


def printed(result):
    screen = io.StringIO()
    print_summary([result], {}, Console(file=screen, width=80))
    return screen.getvalue().splitlines()


def test_weights_that_look_like_nS_are_asked_about_once_a_cell(load):
    """0.02 to 0.1 nS, given without the unit."""
    model = load("PV_simple", dt=0.05)
    asked = [line for line in printed(grid(model, [0.02, 0.1], n_jobs=1)[0]) if "nS?" in line]
    assert len(asked) == 1
    assert asked[0].startswith("PV_simple: at all sites the smallest weight, 0.02 uS, ")
    assert "--weights" in asked[0]
    [little] = grid(model, [4e-4, 1e-3], targets=0.1, n_jobs=1)  # below the grid, but not far
    assert set(little.table().counts) == {"below_grid"}
    assert not [line for line in printed(little) if "nS?" in line]


def test_one_more_site_is_one(load):
    [result] = grid(load("PT5B_hh"), [1e-6, 2e-6], sections="dendrite", n_jobs=1)
    six = dataclasses.replace(result, results=result.results[:6])
    assert "PT5B_hh: 1 more site is above_grid; the table's .json file" in printed(six)[-1]


def test_a_table_without_the_soma_is_told_as_no_pkl(tmp_path):
    """NetPyNE would print an error, load nothing, and go on."""
    out = tmp_path / "out"
    options = ("--cell", "PV_simple", "--cfg", "dt=0.05", "--sections", "dend", "--jobs", 1)
    done = wscale("norm", ".", *options, "--out", out)
    assert done.returncode == 0  # all that was asked for is calibrated
    [line] = [line for line in done.stdout.splitlines() if "no .pkl" in line]
    assert "only tables with a section that starts with 'soma'" in line
    assert "include the soma in --sections" in line
    assert [file.suffix for file in (out / "weightNorm").iterdir()] == [".json"]
    reason = json.loads((out / "results.json").read_text())["cells"]["PV_simple"]
    assert "only tables with a section" in reason["no_pkl_because"]
