"""Mechanisms: compiled once per content, loaded once per process, and clear about what is wrong.

Real compiles throughout. Whatever loads NEURON runs in a process of its own.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from wscale.errors import MechanismError
from wscale.mechanisms.library import compile_mechanisms, mechanisms_hash

ROOT = Path(__file__).parents[2]
ARCH = platform.machine()
LEAK = """\
NEURON {
    SUFFIX NAME
    NONSPECIFIC_CURRENT i
    RANGE g, e
}
PARAMETER {
    g = 0.001 (S/cm2)
    e = -70 (mV)
}
ASSIGNED {
    v (mV)
    i (mA/cm2)
}
BREAKPOINT {
    i = g * (v - e)
}
"""


def leak(name: str) -> str:
    return LEAK.replace("NAME", name)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WSCALE_CACHE", "XDG_CACHE_HOME", "NRN_NMODL_PATH", "CXX", "CC"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def mod(tmp_path: Path) -> Path:
    """A folder with one small mechanism."""
    folder = tmp_path / "mod"
    folder.mkdir()
    (folder / "leak.mod").write_text(leak("leaktest"))
    return folder


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that holds the library of the folder ``mod``."""
    base = tmp_path_factory.mktemp("warm")
    (base / "mod").mkdir()
    (base / "mod" / "leak.mod").write_text(leak("leaktest"))
    compile_mechanisms(base / "mod", cache=base / "cache")
    return base / "cache"


def start(code: str, cwd: Path, **env: str) -> subprocess.Popen[str]:
    head = "import sys\nfrom wscale.errors import MechanismError\n"
    head += "from wscale.mechanisms.library import compile_mechanisms, mechanisms_hash\n"
    head += "from wscale.mechanisms.loading import *\n"
    return subprocess.Popen(
        [sys.executable, "-c", head + textwrap.dedent(code)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(code: str, cwd: Path, **env: str) -> str:
    """Run code in a fresh process that must survive; return what it printed."""
    process = start(code, cwd, **env)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    return out.strip()


def refused(call: str, cwd: Path, **env: str) -> str:
    """Return the message of the MechanismError that a call must raise in a fresh process."""
    return run(
        f"""
        try:
            {call}
        except MechanismError as error:
            print(error)
        else:
            sys.exit("not refused")
        """,
        cwd,
        **env,
    )


def compiler(path: Path, script: str) -> str:
    """Write a C++ compiler that runs a script and then the real one."""
    real = shutil.which("g++") or shutil.which("c++")
    path.write_text(f'#!/bin/sh\n{script}\nexec "{real}" "$@"\n')
    path.chmod(0o755)
    return str(path)


def compile_by_hand(folder: Path) -> Path:
    """Do what users do: nrnivmodl in the folder."""
    nrnivmodl = Path(sys.executable).parent / "nrnivmodl"
    subprocess.run([sys.executable, nrnivmodl, "."], cwd=folder, capture_output=True, check=True)
    (library,) = (folder / ARCH).glob("libnrnmech.*")
    return library


def entries(cache: Path) -> list[Path]:
    return [path for path in cache.iterdir() if path.name not in ("failed", "locks")]


# ---- Compiling once ------------------------------------------------------------------------------


def test_first_use_compiles_and_second_does_not(mod: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("WSCALE_CACHE", str(tmp_path / "my cache"))  # a space: make must cope
    elsewhere = [d for d in os.environ["PATH"].split(":") if not Path(d, "nrnivmodl").exists()]
    monkeypatch.setenv("PATH", ":".join(elsewhere))  # the virtual environment is not activated
    library = compile_mechanisms(mod)
    assert library.is_relative_to(tmp_path / "my cache" / "mechanisms")
    assert [path.name for path in mod.iterdir()] == ["leak.mod"]
    assert entries(tmp_path / "my cache" / "mechanisms") == [library.parents[1]]
    assert not [*library.parent.glob("*.o"), *library.parent.glob("*.cpp")]
    before = library.stat()

    monkeypatch.setenv("CXX", "/nonexistent/c++")  # a compile would fail
    assert compile_mechanisms(str(mod)) == library
    assert library.stat().st_mtime_ns == before.st_mtime_ns
    assert library.stat().st_ino == before.st_ino


def test_same_content_elsewhere_is_not_compiled_again(mod: Path, warm: Path, monkeypatch) -> None:
    monkeypatch.setenv("CXX", "/nonexistent/c++")
    (mod / "README.txt").write_text("not a source")
    assert compile_mechanisms(mod, cache=warm).is_relative_to(warm)


@pytest.mark.parametrize(
    ("file", "text"),
    [("leak.mod", leak("leaktest") + ": edited\n"), ("new.inc", ": new\n"), ("new.h", "// new\n")],
)
def test_changed_content_is_compiled(mod: Path, warm: Path, monkeypatch, file, text) -> None:
    monkeypatch.setenv("CXX", "/nonexistent/c++")
    compile_mechanisms(mod, cache=warm)
    (mod / file).write_text(text)
    with pytest.raises(MechanismError, match=r"/nonexistent/c\+\+ not found"):
        compile_mechanisms(mod, cache=warm)


def test_flags_give_another_library_and_reach_the_compiler(mod: Path, warm: Path) -> None:
    plain = compile_mechanisms(mod, cache=warm)
    (mod / "leak.mod").write_text(leak("leaktest"))
    other = compile_mechanisms(mod, cache=warm, flags=["-incflags", "-g"])
    assert other != plain
    assert b".debug_info" in other.read_bytes()
    assert b".debug_info" not in plain.read_bytes()
    with pytest.raises(MechanismError, match="must be a list"):
        compile_mechanisms(mod, cache=warm, flags="-incflags -g")


def test_an_entry_without_its_library_is_compiled_again(mod: Path, tmp_path: Path) -> None:
    library = compile_mechanisms(mod, cache=tmp_path / "cache")
    library.unlink()
    assert compile_mechanisms(mod, cache=tmp_path / "cache") == library
    assert library.is_file()


def test_hash_is_of_names_and_contents(mod: Path, tmp_path: Path) -> None:
    first = mechanisms_hash(mod)
    shutil.copytree(mod, tmp_path / "copy")
    (mod / "notes.txt").write_text("not a source")
    assert mechanisms_hash(mod) == mechanisms_hash(tmp_path / "copy") == first
    (mod / "leak.mod").rename(mod / "other.mod")
    renamed = mechanisms_hash(mod)
    (mod / "other.mod").write_text(leak("leaktest") + " ")
    edited = mechanisms_hash(mod)
    (mod / "a.inc").write_text("")
    assert len({first, renamed, edited, mechanisms_hash(mod)}) == 4


# ---- Several processes, and interrupted ones -----------------------------------------------------


def test_processes_at_once_compile_once(mod: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    cxx = compiler(tmp_path / "cxx", f'echo "$@" >> "{log}"; sleep 0.3')
    cache = tmp_path / "cache"
    code = "print(load_mechanisms('mod')); assert 'leaktest' in available_mechanisms()"
    processes = [start(code, tmp_path, WSCALE_CACHE=str(cache), CXX=cxx) for _ in range(3)]
    printed = {process.communicate(timeout=600)[0].strip() for process in processes}
    assert [process.returncode for process in processes] == [0, 0, 0]
    (library,) = printed
    assert entries(cache / "mechanisms") == [Path(library).parents[1]]
    assert log.read_text().count("leak.cpp") == 1


def test_a_killed_compile_leaves_nothing_that_is_used(mod: Path, tmp_path: Path) -> None:
    # The compiler hangs on the last step (`special`), when the library is there but not complete
    hang = f'case "$*" in *nrnmain.cpp*) touch "{tmp_path}/hangs"; sleep 30;; esac'
    env = {"WSCALE_CACHE": str(tmp_path / "cache"), "CXX": compiler(tmp_path / "cxx", hang)}
    cache = tmp_path / "cache" / "mechanisms"
    process = start("compile_mechanisms('mod')", tmp_path, **env)
    try:
        deadline = time.monotonic() + 600
        while not (tmp_path / "hangs").exists():
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.02)
        process.kill()
        process.wait()
        assert [path.name.split("-")[0] for path in entries(cache)] == ["build"]

        library = compile_mechanisms(mod, cache=cache)  # whatever the killed one's make does
    finally:
        with contextlib.suppress(ProcessLookupError):  # make ends with who started it
            os.killpg(process.pid, signal.SIGKILL)
    assert entries(cache) == [library.parents[1]]
    assert run(f"load_mechanisms({str(library)!r}); print('leaktest' in available_mechanisms())",
               tmp_path) == "True"  # fmt: skip


# ---- Files that do not compile, tools that are missing -------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ("i = g *", "i = = 3", 15, "Illegal expression"),
        ("i = g *", "i = nosuch *", 15, "'nosuch' was not declared"),
        ("BREAKPOINT", "VERBATIM\nint k = absent(3);\nENDVERBATIM\nBREAKPOINT", 15, "'absent'"),
        ("PARAMETER", 'INCLUDE "absent.inc"\nPARAMETER', 6, "Couldn't open absent.inc"),
        ("PARAMETER", "TITLE caf\xe9\nPARAMETER", 6, "Non-Ascii"),
    ],
    ids=["nocmodl", "c++", "verbatim", "include", "ascii"],
)
def test_a_wrong_file_is_named_with_line_and_reason(
    mod: Path, tmp_path: Path, old: str, new: str, line: int, reason: str
) -> None:
    (mod / "bad.mod").write_text(leak("bad").replace(old, new), encoding="latin-1")
    with pytest.raises(MechanismError) as caught:
        compile_mechanisms(mod, cache=tmp_path / "cache")
    message = str(caught.value)
    assert str(mod) in message
    assert f"bad.mod, line {line}: " in message
    assert reason in message
    assert "leak.mod" not in message
    assert entries(tmp_path / "cache") == []


@pytest.mark.parametrize("name", ["PATH", "CXX"])
def test_a_missing_compiler_is_told_with_its_remedy(mod: Path, tmp_path: Path, monkeypatch, name):
    monkeypatch.setenv(name, str(tmp_path / "nothing"))
    with pytest.raises(MechanismError, match=r"not found.*apt install g\+\+.*xcode-select"):
        compile_mechanisms(mod, cache=tmp_path / "cache")


def test_a_compiler_that_does_not_work_is_quoted(mod: Path, tmp_path: Path, monkeypatch) -> None:
    cxx = compiler(tmp_path / "cxx", "echo 'no licence for this compiler'; exit 1")
    monkeypatch.setenv("CXX", cxx)
    with pytest.raises(MechanismError, match=r"(?s)apt install.*no licence for this compiler"):
        compile_mechanisms(mod, cache=tmp_path / "cache")


def test_two_files_with_one_name(mod: Path, tmp_path: Path) -> None:
    comment = "COMMENT\nNEURON { SUFFIX old }\nENDCOMMENT\n"
    (mod / "other.mod").write_text(comment + leak("leaktest"))
    with pytest.raises(MechanismError, match=r"leak\.mod and other\.mod both define .* leaktest"):
        compile_mechanisms(mod, cache=tmp_path / "cache")


def test_functions_without_a_mechanism_are_no_duplicates(tmp_path: Path) -> None:
    for name in ("one", "two"):
        text = f"NEURON {{ SUFFIX nothing }}\nFUNCTION {name}() {{ {name} = 1 }}\n"
        (tmp_path / f"{name}.mod").write_text(text)
    env = {"WSCALE_CACHE": str(tmp_path / "cache")}
    run("load_mechanisms('.'); load_mechanisms('.')", tmp_path, **env)


def test_folders_without_mechanisms(mod: Path, tmp_path: Path) -> None:
    for function in (compile_mechanisms, mechanisms_hash):
        with pytest.raises(MechanismError, match=r"absent does not exist; expected a folder of"):
            function(tmp_path / "absent")
        with pytest.raises(MechanismError, match=r"leak\.mod is a file; expected a folder of"):
            function(mod / "leak.mod")
        with pytest.raises(MechanismError, match=r"no \.mod files .* Did you mean its folder mod"):
            function(tmp_path)


def test_a_cache_that_cannot_be_written(mod: Path, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WSCALE_CACHE", str(tmp_path / "file"))
    with pytest.raises(MechanismError, match=r"Cannot keep .*file.* Set WSCALE_CACHE to a folder"):
        compile_mechanisms(mod)


# ---- Libraries that the user compiled ------------------------------------------------------------


def test_a_folder_that_the_user_compiled_is_used_as_it_is(mod: Path, warm: Path) -> None:
    library = compile_by_hand(mod)
    for given in (mod, library.parent, library):
        assert compile_mechanisms(given, cache=warm) == library
    later = library.stat().st_mtime + 10
    os.utime(mod / "leak.mod", (later, later))  # a source that is newer
    assert compile_mechanisms(mod, cache=warm).is_relative_to(warm)
    assert compile_mechanisms(library.parent, cache=warm) == library  # no source beside it

    os.utime(mod / "leak.mod", (0, 0))
    assert compile_mechanisms(mod, cache=warm) == library
    (mod / "more.mod").write_text(leak("more"))
    os.utime(mod / "more.mod", (0, 0))  # a source that is old, but not in the library
    assert compile_mechanisms(mod, cache=warm).is_relative_to(warm)


def other_neuron(folder: Path, version: str) -> Path:
    """Link a library, the way nrnivmodl does, with a NEURON of another environment."""
    site = folder / "venv" / "lib" / "python3" / "site-packages"
    (site / "neuron" / ".data" / "lib").mkdir(parents=True)
    (site / f"neuron-{version}.dist-info").mkdir()
    metadata = f"Metadata-Version: 2.1\nName: NEURON\nVersion: {version}\n"
    (site / f"neuron-{version}.dist-info" / "METADATA").write_text(metadata)
    (folder / ARCH).mkdir()
    library = folder / ARCH / "libnrnmech.so"
    source = folder / "mod_func.c"
    source.write_text("void of_neuron_8(void); void modl_reg(void) { of_neuron_8(); }\n")
    path = f"-Wl,-rpath,{site}/neuron/.data/lib"
    subprocess.run(["cc", "-shared", "-fPIC", path, "-o", library, source], check=True)
    return library


def test_a_library_of_another_neuron_version(mod: Path, tmp_path: Path, warm: Path) -> None:
    library = other_neuron(tmp_path, "8.2.6")
    for given in (tmp_path, library.parent, library):
        with pytest.raises(MechanismError, match=r"compiled for NEURON 8\.2\.6, and this is NEUR"):
            compile_mechanisms(given, cache=warm)
    library.parent.rename(mod / ARCH)  # beside its sources: these are compiled
    assert compile_mechanisms(mod, cache=warm).is_relative_to(warm)


def test_a_library_of_a_neuron_that_is_gone(tmp_path: Path) -> None:
    library = other_neuron(tmp_path, "8.2.6")
    shutil.rmtree(tmp_path / "venv")
    (tmp_path / "cwd").mkdir()
    said = refused(f"load_mechanisms({str(library)!r})", tmp_path / "cwd")
    assert "of_neuron_8" in said
    assert "another version of NEURON" in said


# ---- Loading -------------------------------------------------------------------------------------


def test_loading_is_silent_and_idempotent(mod: Path, tmp_path: Path, warm: Path) -> None:
    out = run(
        f"""
        assert "neuron" not in sys.modules, "importing wscale.mechanisms.loading imports neuron"
        first = load_mechanisms("mod", cache={str(warm)!r})
        assert load_mechanisms("mod", cache={str(warm)!r}) == first
        assert load_mechanisms(first) == first
        assert {{"leaktest", "hh", "IClamp", "NetStim"}} <= set(available_mechanisms())
        from neuron import h
        h.Section(name="soma").insert("leaktest")
        print(first)
        """,
        tmp_path,
    )
    assert out == str(compile_mechanisms(mod, cache=warm))


def test_only_the_mechanisms_of_neuron_before_loading(tmp_path: Path) -> None:
    assert run("print('leaktest' in available_mechanisms())", tmp_path) == "False"
    assert run("print('Exp2Syn' in available_mechanisms())", tmp_path) == "True"


def test_a_second_set_is_refused(mod: Path, tmp_path: Path, warm: Path) -> None:
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / "b.mod").write_text(leak("second"))
    env = {"WSCALE_CACHE": str(tmp_path / "cache")}
    load = f"load_mechanisms('mod', cache={str(warm)!r}); "
    said = refused(load + "load_mechanisms('second')", tmp_path, **env)
    assert "second: this process has loaded those of mod" in said
    assert "fresh process" in said
    (tmp_path / "second" / "b.mod").write_text(leak("leaktest").replace("0.001", "0.002"))
    assert "fresh process" in refused(load + "load_mechanisms('second')", tmp_path, **env)


def test_a_name_of_neuron_itself_is_refused(mod: Path, tmp_path: Path) -> None:
    (mod / "leak.mod").write_text(leak("hh"))
    said = refused("load_mechanisms('mod')", tmp_path, WSCALE_CACHE=str(tmp_path / "cache"))
    assert "of its own named hh" in said


def test_mechanisms_that_neuron_loaded_by_itself(mod: Path, tmp_path: Path, warm: Path) -> None:
    # nrnivmodl run in the folder where Python starts: NEURON loads its result at import
    here = tmp_path / "here"
    (mod / "leak.mod").write_text('INCLUDE "half.inc"\n' + leak("leaktest"))
    (mod / "half.inc").write_text("FUNCTION half(x) { half = x / 2 }\n")
    shutil.copytree(mod, here)
    compile_by_hand(here)
    call = f"load_mechanisms({str(mod)!r}, cache={str(warm)!r})"
    assert run(f"print({call})", here) == str(compile_mechanisms(mod, cache=warm))

    env = {"WSCALE_CACHE": str(tmp_path / "cache")}
    (mod / "leak.mod").write_text(leak("leaktest").replace("-70", "-65"))
    for call in (f"load_mechanisms({str(mod)!r})", f"import neuron; load_mechanisms({str(mod)!r})"):
        said = refused(call, here, **env)
        assert f"leaktest (compiled from {here})" in said
        assert f"now in {here}" in said
        assert "remove that folder, or run elsewhere" in said
    assert run(f"print(load_mechanisms({str(mod)!r}))", tmp_path, **env).startswith(str(tmp_path))
