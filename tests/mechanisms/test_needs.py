"""Compiling only what cells need, and what a user learns while it is compiled."""

from __future__ import annotations

import dataclasses
import errno
import fcntl
import json
import signal
import threading
import time
from pathlib import Path

import pytest
from test_folders import BROKEN, model_folder
from test_mechanisms import compiler, leak, run, start

from wscale import Model
from wscale._util.announce import cancel_waits
from wscale._util.cache import locked
from wscale.errors import ModelError
from wscale.mechanisms import compiler as compiler_module
from wscale.mechanisms import failures
from wscale.mechanisms.declarations import BUILT_IN, mentioned_names, needed_files
from wscale.mechanisms.folders import prepare_folders
from wscale.mechanisms.library import compile_mechanisms, library_of
from wscale.mechanisms.nmodl import mechanism_names
from wscale.model.description import ALL
from wscale.model.needs import check_declared, needed_mechanisms, share_mechanisms


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WSCALE_CACHE", str(tmp_path / "cache"))
    for name in ("NRN_NMODL_PATH", "CXX"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def mod(tmp_path):
    """A folder of three mechanisms."""
    folder = tmp_path / "mod"
    folder.mkdir()
    for name in ("one", "two", "three"):
        (folder / f"{name}.mod").write_text(leak(f"leak{name}"))
    return folder


@pytest.fixture
def runs(monkeypatch):
    """The arguments of each run of nrnivmodl."""
    made, original = [], compiler_module._run_nrnivmodl

    def counted(site, build, arguments):
        made.append(arguments)
        return original(site, build, arguments)

    monkeypatch.setattr(compiler_module, "_run_nrnivmodl", counted)
    return made


def names_in(library):
    return sorted(mechanism_names(Path(library).read_bytes()))


# ---------------------------------------------------------------------- what is needed


def test_the_table_of_neurons_own_mechanisms(tmp_path):
    listed = run("import json; print(json.dumps(available_mechanisms()))", tmp_path)
    assert set(json.loads(listed)) == BUILT_IN


def neuron_block(name, more=""):
    return f"NEURON {{ SUFFIX {name} {more} }}\n"


FOLDER = {
    "a.mod": neuron_block("a", "USEION zz READ zzi") + "VERBATIM\nextern double f(double);\n"
    "double g(double x) { return f(x); }\nENDVERBATIM\n",
    "b.mod": 'INCLUDE "shared.inc"\n' + neuron_block("b", "USEION ca READ cai"),
    "c.mod": neuron_block("c", "EXTERNAL count\nUSEION k READ ek"),
    "d.mod": neuron_block("d") + "VERBATIM\ndouble f(double x)\n{ return x; }\nENDVERBATIM\n",
    "e.mod": "NEURON { SUFFIX nothing }\nVERBATIM\nint count = 0, other;\nENDVERBATIM\n"
    "PROCEDURE install() { }\n",
    "f.mod": neuron_block("f", "USEION zz READ zzi VALENCE 1"),
    "g.mod": 'INCLUDE "b.mod"\n: SUFFIX b\n' + neuron_block("g", "POINTER p"),
    "h.mod": '#include "own.h"\n' + neuron_block("h") + "VERBATIM\nstatic double f(double x) {\n"
    "return helper(x); }\nENDVERBATIM\n",
    "i.mod": neuron_block("i", "USEION zz READ zzi VALENCE 1 USEION ca WRITE cai")
    + 'VERBATIM\n#include "own.h"\nENDVERBATIM\nFUNCTION rate(v) { rate = v }\n',
    "j.mod": neuron_block("j") + "VERBATIM\ndouble k() { return rate_i(1) + 1; }\nENDVERBATIM\n",
    "own.h": "double helper(double x) { return x; }",
    "shared.inc": "UNITS { (mV) = (millivolt) }",
}
SOURCES = {name: text.encode() for name, text in FOLDER.items()}


@pytest.mark.parametrize(
    ("needs", "files"),
    [
        (["a"], "a d f"),  # a function of d, and the valence of zz
        (["b"], "b"),
        (["c"], "c e"),  # a variable of e
        (["e"], ""),
        (["g"], "b g"),  # included
        (["h"], "h"),  # its f is its own; helper is in the header
        (["i"], "i"),
        (["j"], "i j"),  # rate_i is a function of i
        (["install"], "e"),
        (["zz_ion"], "f"),
        (["zz_ion", "i"], "i"),
        (["ca_ion"], "b"),
        (["ca_ion", "i"], "i"),
        (["k_ion", "na_ion", "hh", "pas", "nosuch"], ""),
    ],
)
def test_files_that_mechanisms_need(needs, files):
    needed = needed_files(SOURCES, needs)
    assert [name for name in needed if name.endswith(".mod")] == [f"{n}.mod" for n in files.split()]
    assert {"own.h", "shared.inc"} <= needed.keys()


def test_names_that_code_mentions(tmp_path):
    (tmp_path / "cell.hoc").write_text(
        'xopen("parts/more.hoc")\nproc put() { gbar_a = 1 install() }'
    )
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "more.hoc").write_text("forall insert b")
    (tmp_path / "other.hoc").write_text("forall insert d")
    assert mentioned_names(tmp_path / "cell.hoc", SOURCES) == {"a", "b", "install"}
    (tmp_path / "cell.py").write_text("import other")
    (tmp_path / "other.py").write_text("from . import values")
    (tmp_path / "values.json").write_text('{"g": 1}')
    assert mentioned_names(tmp_path / "cell.py", SOURCES) == {"d", "g"}
    assert mentioned_names(tmp_path / "cell.py", SOURCES, "{'kind': 'c'}") == {"c", "d", "g"}


def test_names_that_a_model_needs(repo):
    model = Model.from_folder(repo, "PV_simple")
    needed = needed_mechanisms(model) - BUILT_IN
    secs = model.rule["secs"].values()
    assert needed >= {name for sec in secs for name in sec["mechs"]} - BUILT_IN
    assert needed >= {"MyExp2SynBB", "MyExp2SynNMDABB", "ca_ion", "hi_ion"}
    assert "ih" not in needed
    with_global = dataclasses.replace(model, net=json.loads(json.dumps(model.net)))
    with_global.rule["globals"]["erev_ih"] = -30
    assert "ih" in needed_mechanisms(with_global)


# ---------------------------------------------------------------------- compiling it


def test_only_what_a_model_needs_is_compiled(mod, tmp_path, runs, caplog):
    (mod / "two.mod").write_text(BROKEN)
    model = Model.from_folder(model_folder(tmp_path, "leakone"), mod=mod)
    other = model.with_net(json.loads(json.dumps(model.net).replace("leakone", "leakthree")))
    assert (runs, model.notices, model.needs) == ([], (), None)
    shared = share_mechanisms([model, other])
    assert [m.needs for m in shared] == [("leakone", "leakthree")] * 2
    assert (shared[0] == model, shared[0].mod) == (True, str(mod))
    assert shared[0].content_hash == model.content_hash
    said, *later = caplog.messages
    assert said == f"compiling 2 NMODL files of {mod} ..."
    assert all(text.startswith("compiling, since ") for text in later)
    library = library_of(mod, shared[0].needs).path
    assert names_in(library) == ["leakone", "leakthree"]
    assert library_of(mod, ["pas"]).path is None
    assert len(runs) == 1


def test_a_library_of_all_files_is_taken_where_there_is_one(mod, runs):
    whole = compile_mechanisms(mod)
    assert library_of(mod, ["leakone"]).path == whole
    assert len(runs) == 1


def test_all_files_on_request(mod, tmp_path):
    (mod / "two.mod").write_text(BROKEN)
    model = Model.from_folder(model_folder(tmp_path, "leakone"), mod=mod, mod_all=True)
    assert [text.split(":")[0] for text in model.notices] == ["two.mod"]
    [model] = share_mechanisms([model])
    assert (model.needs, model.loaded) == (ALL, None)
    assert names_in(library_of(model.mod, leave_out=True).path) == ["leakone", "leakthree"]


def test_a_process_with_a_part_takes_no_other(mod, tmp_path):
    run("load_needed('mod', ['leakone', 'leaktwo']); load_needed('mod', ['leaktwo'])", tmp_path)
    said = run(
        """
        load_needed('mod', ['leakone'])
        try:
            load_needed('mod', ['leaktwo'])
        except MechanismError as error:
            print(type(error).__name__)
        """,
        tmp_path,
    )
    assert said == "OtherMechanismsError"


def test_partners_are_what_neuron_needs(tmp_path):
    """NEURON ends without the valence of an ion; a library with an unknown function is not loaded.

    ``f`` is hidden from the search for functions, so that all files are compiled.
    """
    (tmp_path / "mod").mkdir()
    ion = leak("aa").replace("RANGE", "USEION zz READ zzi\n RANGE").replace("v (mV)", "v (mV) zzi")
    for name, text in {
        "a": ion,
        "b": leak("bb") + "VERBATIM\n#define F(x) f##x\nextern double F(un)(double);\n"
        "double b1(double x) { return F(un)(x); }\nENDVERBATIM\n",
        "c": ion.replace("aa", "cc").replace("READ zzi", "READ zzi VALENCE 1"),
        "d": leak("dd") + "VERBATIM\ndouble fun(double x) { return x; }\nENDVERBATIM\n",
    }.items():
        (tmp_path / "mod" / f"{name}.mod").write_text(text)
    load = "load_needed('mod', ['{}']); print(sorted({{'aa', 'bb', 'cc', 'dd'}} & "
    load += "set(available_mechanisms())))"
    assert run(load.format("aa"), tmp_path) == "['aa', 'cc']"
    assert run(load.format("bb"), tmp_path) == "['aa', 'bb', 'cc', 'dd']"


def test_a_folder_whose_code_uses_neuron_has_its_mechanisms(mod, tmp_path, runs):
    folder = model_folder(tmp_path, "leakone")
    (folder / "cell.hoc").write_text("create soma\nsoma { insert leakone }\n")
    net = (folder / "netParams.py").read_text()
    head, tail = net.split('netParams.cellParams["C"]')[0], net[net.index("netParams.popParams") :]
    call = 'netParams.importCellParams("C", "cell.hoc", "", cellInstance=True)\n'
    (folder / "netParams.py").write_text(head + call + tail)
    model = Model.from_folder(folder, mod=mod)
    assert list(model.rule["secs"]["soma"]["mechs"]) == ["leakone"]
    assert len(runs) == 1


# ---------------------------------------------------------------------- what does not compile


def test_what_does_not_compile_is_not_tried_again(mod, tmp_path, runs, monkeypatch):
    (mod / "two.mod").write_text(BROKEN)
    (mod / "three.mod").unlink()
    first = prepare_folders([mod])
    made = len(runs)
    assert made > 0

    def again(**options):
        before = len(runs)
        assert prepare_folders.__globals__["_prepared"].clear() is None  # as in another process
        assert prepare_folders([mod], **options) == first
        return len(runs) - before

    assert again() == 0
    assert again(recompile=True) == made - 1  # the others are compiled
    assert again() == 0
    monkeypatch.setenv("CXX", compiler(tmp_path / "cxx", ""))
    assert again() == made - 1
    assert again() == 0
    (mod / "two.mod").write_text(BROKEN.replace("broken", "other"))
    first = prepare_folders([mod])
    assert len(runs) > made


@pytest.mark.parametrize(
    "said", ["one.cpp:1:1: fatal error: x.o: No space left on device", "a.cpp:1:1: error: no"]
)
def test_failures_that_are_not_the_files_are_not_kept(mod, tmp_path, monkeypatch, said):
    monkeypatch.setenv("CXX", compiler(tmp_path / "cxx", f'echo "{said}" >&2; exit 1'))
    failure = failures.Failure(f":\n  one.mod: {said}", {"one.mod": said})
    (tmp_path / "kept").mkdir()
    failures.keep_failure(tmp_path / "kept", "key", failure, {"one.mod": b""})
    assert failures.known_failure(tmp_path / "kept", "key") is None
    monkeypatch.delenv("CXX")
    failures.keep_failure(tmp_path / "kept", "key", failure, {"one.mod": b""})
    kept = failures.known_failure(tmp_path / "kept", "key")
    assert kept == (None if "space" in said else failure)


def test_a_needed_file_that_does_not_compile(mod, tmp_path, runs):
    (mod / "two.mod").write_text(BROKEN.replace("SUFFIX broken", "SUFFIX leaktwo"))
    model = Model.from_folder(model_folder(tmp_path, "leaktwo"), mod=mod)
    for _ in range(2):
        with pytest.raises(ModelError, match=r"(?s)not found: leaktwo .*two\.mod: left out, since"):
            share_mechanisms([model])
    assert len(runs) == 2  # and alone, for its reason


# ---------------------------------------------------------------------- names


def test_a_mistyped_name_is_refused_before_neuron_is_imported(mod, tmp_path):
    folder = model_folder(tmp_path, "leakone")
    code = f"""
    from wscale import Model
    from wscale.model.needs import share_mechanisms
    from wscale.model.synapses import SynapseGroup, with_synapses
    from wscale.simulation.rig import preflight
    model = Model.from_folder({str(folder)!r}, mod={str(mod)!r})
    model = with_synapses(model, SynapseGroup("x", {{"x": {{"mod": "Exp3Syn"}}}}))
    try:
        share_mechanisms([model])
    except Exception as error:
        print(error)
    print(preflight(model))
    assert "neuron" not in sys.modules
    """
    first, second = run(code, tmp_path).splitlines()
    assert first == second
    assert "mechanisms not found: Exp3Syn (needed by synMech x)" in first
    assert f"Searched: {mod} and NEURON's own" in first


def test_names_are_not_judged_where_neuron_loads_others_by_itself(mod, tmp_path, monkeypatch):
    model = Model.from_folder(model_folder(tmp_path, "leakfour"), mod=mod)
    monkeypatch.setenv("NRN_NMODL_PATH", str(tmp_path))
    check_declared(model)


# ---------------------------------------------------------------------- several runs


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_waits_says_so_and_can_be_ended(mod, tmp_path, number):
    hang = f'case "$*" in *one.cpp*) touch "{tmp_path}/hangs"; exec sleep 600;; esac'
    cxx = compiler(tmp_path / "cxx", hang)
    first = start("load_needed('mod', ['leakone'])", tmp_path, CXX=cxx)
    try:
        while not (tmp_path / "hangs").exists():
            assert first.poll() is None
            time.sleep(0.02)
        assert library_of(mod, ["leaktwo"]).path is not None  # another content: nothing to wait for
        second = start("load_needed('mod', ['leakone'])", tmp_path, CXX=cxx)
        assert "waiting for another run that compiles the same NMODL files" in (
            second.stderr.readline()
        )
        second.send_signal(number)
        second.communicate(timeout=600)
        assert second.returncode == -number
        assert first.poll() is None  # it still holds the lock
        first.send_signal(signal.SIGINT)
        assert "KeyboardInterrupt" in first.communicate(timeout=600)[1]
    finally:
        first.kill()
    left = {path.name.split("-")[0] for path in (tmp_path / "cache" / "mechanisms").iterdir()}
    assert not left & {"build", "failed"}


def test_threads_that_wait_can_be_ended(tmp_path):
    ended = []

    def wait():
        try:
            with locked(tmp_path / "lock"):
                ended.append("held")
        except KeyboardInterrupt:
            ended.append("interrupted")

    with locked(tmp_path / "lock") as held:
        assert held
        thread = threading.Thread(target=wait)
        thread.start()
        while not ended:
            cancel_waits()
            time.sleep(0.02)
        thread.join()
    assert ended == ["interrupted"]


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with locked(tmp_path / "lock") as held:
        assert not held


def test_numbers_do_not_depend_on_the_library(mod, tmp_path):
    folder = model_folder(tmp_path, "leakone")
    net = (folder / "netParams.py").read_text()
    two = net.replace('{"leakone": {"g": 1e-4}}', '{"leakthree": {"g": 3e-5}, "leakone": {}}')
    (folder / "netParams.py").write_text(two)
    code = f"""
    from wscale import Model, Rig, list_sites
    from wscale.model.needs import share_mechanisms
    model = Model.from_folder({str(folder)!r}, mod={str(mod)!r})
    if SHARE:
        [model] = share_mechanisms([model])
    with Rig(model, list_sites(model)) as rig:
        print(rig.respond([(rig.sites[0], 2e-4)]), "leaktwo" in available_mechanisms())
    """
    part = run(code.replace("SHARE", "True"), tmp_path)
    whole = run(code.replace("SHARE", "False"), tmp_path)
    assert part.endswith(" False")
    assert whole == f"{part.removesuffix(' False')} True"
