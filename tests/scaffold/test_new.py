"""A model folder to begin with, which runs as it is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.inside import wscale

from wscale import Model, list_sites, solve, verify
from wscale.cells.cell_file import CellFile
from wscale.errors import ConfigError, MechanismError, ModelError
from wscale.model.synapses import SynapseGroup, with_synapses
from wscale.scaffold.new import new_folder


def test_it_can_be_calibrated(tmp_path):
    model = Model.from_folder(new_folder(tmp_path / "mine"), overrides={"dt": 0.05})
    assert model.cell == "MyCell"
    [result] = solve(model, targets=0.5, n_jobs=2)
    assert result.table().counts == {"ok": len(list_sites(model))}
    [check] = verify([(model, result.table())], n_jobs=2)
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
    with pytest.raises(ConfigError, match=r"label '\+'.*must have letters, digits and _; rename"):
        new_folder(tmp_path / "mine", CellFile("+.json"))
    assert not (tmp_path / "mine").exists()


def test_a_name_that_begins_with_a_digit(tmp_path, repo):
    rule = (repo / "wscale" / "scaffold" / "template" / "cells" / "MyCell.json").read_text()
    (tmp_path / "472_cell.json").write_text(rule)
    done = wscale("new", "mine", "--cell-file", "472_cell.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "'472_cell' is called cell_472_cell in the folder" in done.stdout
    assert Model.from_folder(tmp_path / "mine").cell == "cell_472_cell"


def test_a_name_becomes_a_label_and_commands_are_quoted(tmp_path, repo):
    rule = (repo / "wscale" / "scaffold" / "template" / "cells" / "MyCell.json").read_text()
    (tmp_path / "my-cell.json").write_text(rule)
    done = wscale("new", "my ö", "--cell-file", "my-cell.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "'my-cell' is called my_cell in the folder" in done.stdout
    assert "wscale norm 'my ö' --out 'my ö_results'" in done.stdout
    assert "34 degC from -70 mV: change hParams in its cfg.py" in done.stdout
    assert Model.from_folder(tmp_path / "my ö").cell == "my_cell"


HOC = """celsius = 6.3
v_init = -65
create Soma, dend
connect dend(0), Soma(1)
forall { insert pas  insert leaky }
"""
LEAKY = """NEURON { SUFFIX leaky NONSPECIFIC_CURRENT i RANGE g }
PARAMETER { g = 1e-6 (S/cm2) }
ASSIGNED { v (millivolt) i (milliamp/cm2) }
BREAKPOINT { i = g * (v + 65) }
"""


@pytest.fixture
def hoc(tmp_path):
    """A cell of hoc, its NMODL beside it, and a file there that does not compile."""
    (tmp_path / "mod").mkdir()
    (tmp_path / "mod" / "leaky.mod").write_text(LEAKY)
    (tmp_path / "mod" / "wrong.mod").write_text(LEAKY.replace("leaky", "wrong").replace("*", "* *"))
    (tmp_path / "cell.hoc").write_text(HOC)
    return tmp_path


def test_what_fails_leaves_nothing_and_the_corrected_command_works(hoc):
    """NMODL, temperature and initial potential come from where the cell's file has them."""
    given = ["new", "mine", "--cell-file", "cell.hoc"]
    done = wscale(*given, cwd=hoc)
    assert (done.returncode, done.stdout) == (2, "")
    assert "say --soma Soma with the --cell-file" in done.stderr
    assert not (hoc / "mine").exists()
    done = wscale(*given, "--soma", "Soma", cwd=hoc)
    assert done.returncode == 0, done.stderr
    assert "wrong.mod" not in done.stdout
    assert f"mod/ has copies of the NMODL files of {hoc / 'mod'}" in done.stdout
    assert "celsius = 6.3 and v_init = -65 are the cell's own" in done.stdout
    assert {file.name for file in (hoc / "mine" / "mod").iterdir()} == {"leaky.mod", "wrong.mod"}
    model = Model.from_folder(hoc / "mine", overrides={"hParams.v_init": -70})
    assert model.cfg["hParams"] == {"celsius": 6.3, "v_init": -70}
    assert not any("vinit" in sec for sec in model.rule["secs"].values())
    inspect = [sys.executable, "-m", "wscale", "inspect", "mine", "--json"]
    done = subprocess.run(inspect, cwd=hoc, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["celsius_degC"] == 6.3


def test_a_cell_that_lacks_mechanisms_is_refused(hoc):
    rule = {"secs": {"soma": {"geom": {"nseg": 1}, "mechs": {"nosuch": {}, "leaky": {}}}}}
    (hoc / "cell.json").write_text(json.dumps(rule))
    with pytest.raises(ModelError, match=r"mechanisms not found: nosuch .*their folder with `mod`"):
        new_folder(hoc / "mine", CellFile(str(hoc / "cell.json")), hoc / "mod")
    assert not (hoc / "mine").exists()


def test_a_cell_whose_first_trial_fails_is_refused(tmp_path):
    """Nothing is left, as where mechanisms are not there."""
    geom = {"L": 20.0, "diam": 20.0, "nseg": 1}
    soma = {"geom": geom, "mechs": {"pas": {"g": 1e300, "e": 1e308}}}
    (tmp_path / "cell.json").write_text(json.dumps({"secs": {"soma": soma}}))
    done = wscale("new", "mine", "--cell-file", "cell.json", cwd=tmp_path)
    assert done.returncode == 2
    assert "ModelError: cell cannot be calibrated: " in done.stderr
    assert "not finite" in done.stderr
    assert not (tmp_path / "mine").exists()


def test_several_folders_of_nmodl(hoc, repo):
    other = hoc / "other"
    other.mkdir()
    (other / "leaky.mod").write_text(LEAKY.replace("1e-6", "2e-6"))
    cell = CellFile(str(repo / "cells" / "PV_simple.json"))
    with pytest.raises(MechanismError, match=r"leaky\.mod differs from .*leaky\.mod"):
        new_folder(hoc / "mine", cell, [hoc / "mod", other])
    new_folder(hoc / "mine", cell, [hoc / "mod", repo / "mod"])
    names = {file.name for file in (hoc / "mine" / "mod").iterdir()}
    assert names == {
        "leaky.mod",
        "wrong.mod",
        *(file.name for file in (repo / "mod").glob("*.mod")),
    }


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"model folder .*mine cannot be made: Not a directory"):
        new_folder(tmp_path / "file" / "mine")


def test_a_cell_of_a_saved_network_with_its_synapses(tmp_path):
    """What netParams.save writes; the synapses can be calibrated, those of others are named."""
    from netpyne import specs

    net = specs.NetParams()
    soma = {"geom": {"L": 20, "diam": 20, "nseg": 1}, "mechs": {"pas": {"e": -70}}}
    net.cellParams["PYR"] = {"secs": {"soma": soma}, "conds": {"cellType": "P"}}
    net.cellParams["FS"] = {"secs": {"soma": soma}}
    net.popParams["E"] = {"cellType": "P", "numCells": 40}
    net.synMechParams["AMPA"] = {"mod": "Exp2Syn", "tau1": 0.05, "tau2": 5.3, "e": 0}
    net.synMechParams["NMDA"] = {"mod": "nosuch", "tau1": 2}
    net.save(str(tmp_path / "net.json"))
    given = ["--cell-file", "net.json", "--cell-class", "PYR"]
    done = wscale("new", "mine", *given, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "mechanisms not found: nosuch (needed by synMech NMDA)" in said
    assert "the network's synapses too (AMPA, NMDA): --synmech NAME activates them" in said
    model = Model.from_folder(tmp_path / "mine")
    [result] = solve(with_synapses(model, SynapseGroup("", {"AMPA": None})), n_jobs=2)
    assert result.table().counts == {"ok": 1}


def test_nmodl_beside_a_cell_file_serves_where_it_takes_the_folders_place(hoc):
    """As it does for ``wscale new``: what the import needs, the simulation needs too."""
    cell = CellFile(str(hoc / "cell.hoc"), soma="Soma")
    model = Model.from_folder(new_folder(hoc / "mine"), cell_file=cell)
    assert model.mod is not None
    assert {file.name for file in Path(model.mod).iterdir()} == {"leaky.mod", "wrong.mod"}
    said = " ".join(model.notices)
    assert "wrong.mod" not in said
    assert "comes with celsius = 6.3 degC, and is simulated with cfg.hParams: 34" in said
