"""Mechanisms of several folders, without what is excluded or does not compile."""

from __future__ import annotations

import pickle

import pytest
from test_mechanisms import leak

from wscale import Model
from wscale.errors import CompileError, MechanismError, ModelError
from wscale.mechanisms.folders import prepare_folders
from wscale.mechanisms.library import sources_of
from wscale.model.needs import share_mechanisms
from wscale.simulation.mechanism_checks import check_mechanisms

BROKEN = "NEURON { SUFFIX broken }\nBREAKPOINT { undeclared = 1 }\n"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A cache for all tests, so that what is the same is compiled once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def cache(compiled, monkeypatch):
    monkeypatch.setenv("WSCALE_CACHE", str(compiled))


@pytest.fixture
def folders(tmp_path, cache):
    """Two folders with a mechanism each."""
    made = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / f"{name}.mod").write_text(leak(f"leak{name}"))
        made.append(folder)
    return made


def test_one_sound_folder_is_taken_as_it_is(folders):
    ready = prepare_folders(folders[:1])
    assert (ready.folder, ready.notices) == (str(folders[0]), ())


def test_two_folders_are_compiled_together(folders):
    ready = prepare_folders(folders)
    assert sorted(sources_of(ready.folder)) == ["one.mod", "two.mod"]
    assert ready.searched == tuple(map(str, folders))
    assert prepare_folders(folders) is ready


def test_the_same_file_in_both_folders(folders):
    (folders[1] / "one.mod").write_text(leak("leakone"))
    assert sorted(sources_of(prepare_folders(folders).folder)) == ["one.mod", "two.mod"]
    (folders[1] / "one.mod").write_text(leak("leakother"))
    with pytest.raises(
        MechanismError, match=r"two/one\.mod differs from .*one/one\.mod; .*exclude"
    ):
        prepare_folders(folders)


def test_a_byte_order_mark_is_taken_off(folders):
    """NEURON's compiler refuses such a file."""
    plain = sources_of(folders[0])
    (folders[0] / "one.mod").write_bytes(b"\xef\xbb\xbf" + plain["one.mod"])
    assert sources_of(folders[0]) == plain


@pytest.mark.parametrize("pattern", ["two", "two.mod", "t*"])
def test_excluded_files_are_left_out(folders, pattern):
    ready = prepare_folders(folders, [pattern])
    assert list(sources_of(ready.folder)) == ["one.mod"]
    assert ready.notices == ("two.mod: left out as asked",)


def test_a_pattern_that_no_file_has(folders):
    with pytest.raises(MechanismError, match=r"`mod_exclude='three'`.*one\.mod, two\.mod"):
        prepare_folders(folders, ["three"])


def test_what_does_not_compile_is_left_out_with_its_reason(folders):
    (folders[0] / "broken.mod").write_text(BROKEN)
    ready = prepare_folders(folders[:1])
    assert list(sources_of(ready.folder)) == ["one.mod"]
    [notice] = ready.notices
    assert notice.startswith("broken.mod: left out, since it does not compile: ")
    assert "undeclared" in notice


def test_where_nothing_compiles_it_is_an_error(folders):
    (folders[0] / "one.mod").write_text(BROKEN)
    with pytest.raises(CompileError, match=r"(?s)Cannot compile.*one\.mod") as caught:
        prepare_folders(folders[:1])
    assert list(caught.value.files) == ["one.mod"]
    again = pickle.loads(pickle.dumps(caught.value))  # as it comes from a worker
    assert (str(again), again.files) == (str(caught.value), caught.value.files)


def test_a_folder_that_is_not_there(cache, tmp_path):
    with pytest.raises(MechanismError, match="does not exist"):
        prepare_folders([tmp_path / "none"])


# ---------------------------------------------------------------------- in a model

CFG = """
from netpyne import specs
cfg = specs.SimConfig()
cfg.dt, cfg.duration, cfg.recordStep = 0.05, 250, 0.1
"""
NET = """
from netpyne import specs
netParams = specs.NetParams()
netParams.cellParams["C"] = {
    "secs": {"soma": {"geom": {"L": 20, "diam": 20, "nseg": 1}, "mechs": {"MECH": {"g": 1e-4}}}}
}
netParams.popParams["P"] = {"cellType": "C", "numCells": 1}
netParams.synMechParams["S"] = {"mod": "Exp2Syn", "tau1": 0.5, "tau2": 5, "e": 0}
netParams.stimSourceParams["NetStim1"] = {
    "type": "NetStim", "start": 100, "number": 1, "noise": 0, "interval": 1e9
}
netParams.stimTargetParams["NetStim1->P"] = {
    "source": "NetStim1", "conds": {"pop": "P"}, "sec": "soma", "loc": 0.5, "synMech": "S",
    "weight": 1e-3, "delay": 1
}
"""


def model_folder(tmp_path, mechanism):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "cfg.py").write_text(CFG)
    (folder / "netParams.py").write_text(NET.replace("MECH", mechanism))
    return folder


def test_a_model_does_without_files_that_it_does_not_need(folders, tmp_path):
    (folders[1] / "broken.mod").write_text(BROKEN)
    folder = model_folder(tmp_path, "leakone")
    assert Model.from_folder(folder, mod=folders).notices == ()
    model = Model.from_folder(folder, mod=folders, mod_all=True)
    assert [text.split(":")[0] for text in model.notices] == ["broken.mod"]


def test_a_needed_file_that_does_not_compile_is_named_with_the_reason(folders, tmp_path):
    (folders[1] / "broken.mod").write_text(BROKEN)
    model = Model.from_folder(model_folder(tmp_path, "broken"), mod=folders[1:])
    for check in (lambda: share_mechanisms([model]), lambda: check_mechanisms(model)):
        with pytest.raises(
            ModelError,
            match=r"(?s)not found: broken \(needed by soma\)\. Searched: .*two and .*undeclared",
        ):
            check()
