"""A model folder to begin with, which runs as it is."""

from __future__ import annotations

import json

import pytest
from inside import wscale

from wscale import Model, list_sites, solve, verify
from wscale.cells import CellFile
from wscale.errors import ConfigError
from wscale.new import new_folder


def test_it_can_be_calibrated(tmp_path):
    model = Model.from_folder(new_folder(tmp_path / "mine"), overrides={"dt": 0.05})
    assert model.cell == "MyCell"
    [result] = solve(model, targets=0.5, jobs=2)
    assert result.table().counts == {"ok": len(list_sites(model))}
    [check] = verify([(model, result.table())], jobs=2)
    assert check.passed


def test_the_command_with_a_cell_and_its_mechanisms(tmp_path, repo):
    given = ["--cell-file", str(repo / "cells" / "PV_simple.json"), "--mod", str(repo / "mod")]
    done = wscale("new", "mine", *given, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "wscale norm mine" in done.stdout
    model = Model.from_folder(tmp_path / "mine")
    own = json.loads((repo / "cells" / "PV_simple.json").read_text())
    assert model.rule["secs"].keys() == own["secs"].keys()
    assert (tmp_path / "mine" / "mod" / "hd.mod").is_file()


def test_nothing_is_written_over(tmp_path):
    (tmp_path / "there").write_text("")
    for folder in (tmp_path, tmp_path / "there"):
        with pytest.raises(ConfigError, match="is there already and not empty"):
            new_folder(folder)


def test_a_label_that_is_no_name(tmp_path):
    with pytest.raises(ConfigError, match=r"label 'my cell'.*rename the file"):
        new_folder(tmp_path / "mine", CellFile("my cell.json"))
    assert not (tmp_path / "mine").exists()
