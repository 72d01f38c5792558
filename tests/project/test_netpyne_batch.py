"""NetPyNE's Batch and batchtools on the model folder, as docs/netpyne_batch.md shows them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from ctypes.util import find_library
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import pytest
from helpers import REPO

from wscale import Rig, list_sites

SCRIPTS = re.findall(r"```python\n(.*?)```", (REPO / "docs/netpyne_batch.md").read_text(), re.S)
# Half of the page's grid: each point costs a process that imports NetPyNE
CELL, SECTIONS, LOCS, WEIGHTS = "PT5B_hh", ("dendrite",), (0.25, 0.5), (1e-4, 2e-4)
PARTS = ("cfg.py", "netParams.py", "init.py", "cells", "mod")

# Batch starts the nrniv that it finds
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def script(word: str) -> str:
    """Return the one script of the page that has this word."""
    [found] = [code for code in SCRIPTS if word in code]
    return found.replace('["soma", "dendrite"]', str(list(SECTIONS)))


def run(folder: Path, code: str, *launcher: str, **env: str) -> str:
    """Run a script in a folder, and return what it printed."""
    (folder / "script.py").write_text(code)
    done = subprocess.run(
        [*(launcher or [sys.executable]), "script.py"],
        cwd=folder,
        env={**os.environ, "PATH": PATH, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    (folder / "script.py").unlink()
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the model folder, as a user has it."""
    for name in PARTS:
        (shutil.copytree if (REPO / name).is_dir() else shutil.copy)(REPO / name, tmp_path / name)
    return tmp_path


@pytest.fixture(scope="module")
def epsps(load) -> dict[tuple[str, float, float], float]:
    """The Rig's EPSPs of the page's grid, mV."""
    model = load(CELL, dt=0.05)
    trials = list(product(list_sites(model, SECTIONS, LOCS), WEIGHTS))
    with Rig(model, [site for site, _ in trials]) as rig:
        responses = rig.respond(trials)
    return {
        (site.sec, site.loc, weight): response.epsp_mV
        for (site, weight), response in zip(trials, responses, strict=True)
    }


def check(results: Path, epsps: dict[tuple[str, float, float], float]) -> None:
    rows = [json.loads(file.read_text()) for file in results.glob("*_response.json")]
    found = {(row["sec"], row["loc"], row["weight"]): row["epsp_mV"] for row in rows}
    said = "".join(file.read_text()[-500:] for file in results.glob("*.err"))
    assert found == pytest.approx(epsps, rel=0, abs=1e-6), said
    assert {row["status"] for row in rows} == {"ok"}
    # the dendrite has several segments, so that its EPSPs show the location
    assert abs(found["dendrite", 0.25, 1e-4] - found["dendrite", 0.5, 1e-4]) > 1e-3


@pytest.mark.slow
def test_batch_gets_the_epsps_of_the_rig(folder, epsps):
    run(folder, script("mpi_bulletin"))
    results = folder / "results/batch"
    check(results, epsps)
    assert {path.name for path in folder.iterdir()} - {"__pycache__"} == {*PARTS, "results"}
    assert list((folder / "results").iterdir()) == [results]
    for file in results.glob("*.err"):
        assert not re.search("error|can't|could not", file.read_text(), re.IGNORECASE)

    printed = run(folder, script("wscale import"))
    pairs = re.findall(r" uS: (\S+) mV, wscale's (\S+) mV", printed)
    assert sorted(float(batch) for batch, _ in pairs) == pytest.approx(
        sorted(epsps.values()), rel=0, abs=1e-6
    )
    assert all(float(batch) == pytest.approx(float(rig), abs=1e-6) for batch, rig in pairs)

    # started again, it leaves what has a result as it is
    before = {file: file.stat().st_mtime_ns for file in results.glob("*_response.json")}
    assert run(folder, script("mpi_bulletin")).count("Skipping job") == len(epsps)
    assert {file: file.stat().st_mtime_ns for file in before} == before


def test_groups_figures_and_an_unknown_section(folder, load):
    code = """
from netpyne.batch import Batch
sec, loc = ("NetStim1", "sec"), ("NetStim1", "loc")
batch = Batch(
    params={sec: ["dend", "dent"], loc: [0.25, 0.5], ("NetStim1", "weight"): [2e-4]},
    groupedParams=[sec, loc],
    initCfg={"cell": "PV_simple", "dt": 0.05},
)
batch.batchLabel, batch.saveFolder, batch.method = "pairs", "out", "grid"
batch.runCfg = {"type": "mpi_bulletin"}
batch.run()
"""
    run(folder, code)
    assert not (folder / "results").exists()
    [file] = folder.glob("out/*_response.json")
    row = json.loads(file.read_text())
    assert (row["sec"], row["loc"], row["weight"]) == ("dend", 0.25, 2e-4)
    model = load("PV_simple", dt=0.05)
    [site] = list_sites(model, "dend")
    with Rig(model, [site]) as rig:
        [response] = rig.respond([(site, 2e-4)])
    assert row["epsp_mV"] == pytest.approx(response.epsp_mV, rel=0, abs=1e-6)
    [figure] = folder.glob("out/*.png")
    assert figure.name == file.name.replace("_response.json", "_traces.png")
    [failed] = [path for path in folder.glob("out/*.err") if path.stem not in file.name]
    assert "PV_simple has no such section; it has soma, axon, dend. Did" in failed.read_text()


# ---------------------------------------------------------------------- MPI


@pytest.fixture(scope="module")
def mpi() -> dict[str, str]:
    """The environment in which NEURON runs under mpirun."""
    if find_spec("batchtk") is not None:
        pytest.skip("batchtk is installed: NetPyNE then starts MPI as it is imported, and hangs")
    if shutil.which("mpirun") is None:
        pytest.skip("there is no mpirun (Debian: openmpi-bin)")
    env = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    env["OMPI_MCA_rmaps_base_oversubscribe"] = "1"  # more processes than cores are allowed
    library = find_library("mpi")
    if library is not None and "MPI_LIB_NRN_PATH" not in os.environ:
        env["MPI_LIB_NRN_PATH"] = library
    with tempfile.TemporaryDirectory() as folder:
        code = "from neuron import h\nprint('hosts', int(h.ParallelContext().nhost()))\nh.quit()"
        launcher = ["mpirun", "-n", "2", "nrniv", "-python", "-mpi"]
        try:
            printed = run(Path(folder), code, *launcher, **env)
        except AssertionError:
            pytest.skip("NEURON does not run under mpirun: no MPI library? (MPI_LIB_NRN_PATH)")
    if "hosts 2" not in printed:
        pytest.skip("NEURON has no MPI: nhost is 1 under mpirun -n 2")
    return env


@pytest.mark.slow
@pytest.mark.parametrize("cores", [1, 2])
def test_mpi_direct(folder, epsps, mpi, cores):
    direct = script("mpi_direct").replace("}", f', "cores": {cores}}}')
    code, count = re.subn(r"batch\.runCfg = .*\n", direct, script("mpi_bulletin"))
    assert count == 1
    run(folder, code, **mpi)
    check(folder / "results/batch", epsps)
    for file in folder.glob("results/batch/*.err"):
        assert "mpirun" not in file.read_text()  # which complains of processes that end badly


@pytest.mark.slow
def test_mpi_bulletin_under_mpi(folder, epsps, mpi):
    launcher = ["mpirun", "--bind-to", "none", "-n", "3", "nrniv", "-python", "-mpi"]
    printed = run(folder, script("mpi_bulletin"), *launcher, **mpi)
    assert {int(rank) for rank in re.findall(r"Job in rank id:\s+(\d)", printed)} == {1, 2}
    check(folder / "results/batch", epsps)


# ---------------------------------------------------------------------- batchtools


@pytest.mark.slow
def test_batchtools_gets_the_epsps_of_the_rig(folder, epsps):
    pytest.importorskip("batchtk", reason="needs the extra 'bench'")
    pytest.importorskip("ray", reason="needs the extra 'bench'")
    # a socket's path has some hundred characters at most
    with tempfile.TemporaryDirectory(prefix="wscale-", dir="/tmp") as ray:
        run(folder, script("batchtools.search"), RAY_TMPDIR=ray, RAY_USAGE_STATS_ENABLED="0")
    check(folder / "results/batchtools", epsps)
    assert len((folder / "grid.csv").read_text().splitlines()) == 1 + len(epsps)
