"""What files alone show to be wrong is refused before the folder's code runs or NMODL compiles."""

from __future__ import annotations

import json

import pytest
from helpers import REPO
from typer.testing import CliRunner

from wscale.calibrate.reading import check_files, load_models
from wscale.calibrate.settings import SearchSettings
from wscale.cli.app import app
from wscale.errors import MechanismError, ModelError, SelectionError

RULE = {"secs": {"soma": {"geom": {"L": 20, "diam": 20}, "mechs": {"pas": {}}}}}
TEMPLATE = "begintemplate Stick\nproc init() { }\nendtemplate Stick\n"
FILES = {
    "two.json": json.dumps({"PV": RULE, "SOM": RULE}),
    "cells.py": "class Ball:\n    pass\n",
    "stick.hoc": TEMPLATE,
}


@pytest.fixture(autouse=True)
def nothing_runs(monkeypatch):
    """Whoever reads a folder, and so starts NEURON, fails the test."""

    def refuse(*_, **__):
        raise AssertionError("the model folder was read")

    monkeypatch.setattr("wscale.model.model.read_folder", refuse)
    monkeypatch.setattr("wscale.mechanisms.folders.library_of", refuse)


@pytest.fixture
def files(tmp_path):
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    return tmp_path


def settings_of(**settings):
    return SearchSettings.make(**{"folder": str(REPO), **settings})


def synapses_of(mod, **parameters):
    return {"": {"synMechs": {"exc": {"mod": mod, **parameters}}}}


@pytest.mark.parametrize(
    ("name", "cell_class", "message"),
    [
        ("none.json", None, r"there is no file .*none\.json"),
        ("cell.txt", None, r"cells are read from .* not from '\.txt'"),
        ("two.json", None, r"holds 2 cells \('PV', 'SOM'\); name one: `cell_class`"),
        ("two.json", "PVx", r"no cell 'PVx' .*Did you mean 'PV'"),
        ("cells.py", "Bal", r"no class or function 'Bal' .*Did you mean 'Ball'"),
        ("stick.hoc", "Stik", r"no template or procedure 'Stik' .*Did you mean 'Stick'"),
    ],
)
def test_a_label_that_the_cell_file_has_not(files, name, cell_class, message):
    settings = settings_of(cell_file=str(files / name), cell_class=cell_class)
    with pytest.raises(ModelError, match=message):
        load_models(settings)


@pytest.mark.parametrize("locations", [[0.0], [0.5, 1.5], [0.5, 0.5], []])
def test_locations_outside_sections(locations):
    with pytest.raises(SelectionError, match="location"):
        load_models(settings_of(locations=locations))


def test_a_synapse_whose_nmodl_is_nowhere():
    with pytest.raises(
        ModelError,
        match=r"mechanisms not found: Exp2Sin \(needed by synMech exc\)\. Searched: .*/mod and "
        r"NEURON's own; .* with `mod`\. Did you mean 'Exp2Syn'",
    ):
        load_models(settings_of(synapses=synapses_of("Exp2Sin")))


@pytest.mark.parametrize("mod", ["nowhere", "docs"])
def test_an_nmodl_folder_that_is_none(mod):
    with pytest.raises(MechanismError, match=rf"{mod} (does not exist|has no \.mod files)"):
        load_models(settings_of(mod=mod, synapses=synapses_of("Exp2Sin")))


def test_a_folder_without_nmodl(files):
    (files / "cfg.py").touch()
    with pytest.raises(ModelError, match=r"Exp2Sin .*Searched: no NMODL folder and NEURON's own"):
        load_models(settings_of(folder=str(files), synapses=synapses_of("Exp2Sin")))


def test_what_may_be_right_is_not_refused(files):
    for mod in ("Exp2Syn", "ExpSyn", "AlphaSynapse", "MyExp2SynBB", "MyExp2SynNMDABB"):
        check_files(settings_of(synapses=synapses_of(mod)))
    (files / "mod").mkdir()
    (files / "mod" / "own.mod").write_text("NEURON { POINT_PROCESS Own }")
    settings = settings_of(cell_file=str(files / "stick.hoc"), synapses=synapses_of("Own"))
    check_files(settings)
    check_files(settings_of(cell_file=str(files / "two.json"), cell_class="SOM"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["verify", "--table", "none.pkl"], "there is no table none.pkl"),
        (["verify", "--table", "TABLE", "--tolerance", "2"], "tolerance = 2.0 must be"),
        (["verify", "--table", "TABLE", "--target", "0"], "target_mV = 0.0 mV"),
        (["verify", "--table", "TABLE", "--window", "0"], "window_ms = 0.0 must be"),
        (["audit", "--table", "TABLE", "--jobs", "0"], "jobs = 0"),
        (["inspect", "--window", "-1"], "window_ms = -1.0 must be"),
        (["norm", "--locations", "0,0.5"], "location 0.0 is not inside"),
        (["norm", "--synmech", "x=Exp2Sin,e=0"], "Exp2Sin (needed by synMech x)"),
    ],
)
def test_commands_look_at_options_and_files_first(tmp_path, words, message):
    table = tmp_path / "a.json"
    table.write_text('{"soma": [0.001]}')
    command, *options = [str(table) if word == "TABLE" else word for word in words]
    out = ["--out", str(tmp_path / "results")] if command == "norm" else []
    done = CliRunner().invoke(app, [command, str(REPO), *options, *out])
    assert message in str(done.exception)


@pytest.mark.parametrize("flag", ["mod_all", "recompile"])
def test_how_nmodl_is_compiled_is_passed_on(monkeypatch, flag):
    given = []

    def from_folder(*_, **how):
        given.append(how)
        return "a model"

    monkeypatch.setattr("wscale.calibrate.reading.Model.from_folder", from_folder)
    assert load_models(settings_of(cells=["PV_simple"], **{flag: True})) == ["a model"]
    assert load_models(settings_of(cells=["PV_simple"])) == ["a model"]
    assert given == [{flag: True}, {}]
    assert flag not in settings_of(**{flag: True}).model_dump()  # it changes no result
