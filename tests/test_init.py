"""init.py: one trial the NetPyNE way, and the ways NetPyNE's own tools drive it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPO

from wscale import Protocol, Rig, list_sites

TRIAL = ["cell=PT5B_reduced", "NetStim1.sec=Adend2", "NetStim1.weight=1.5e-3", "dt=0.05"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A copy of the model folder, as a user has it."""
    folder = tmp_path_factory.mktemp("model")
    for name in ("cfg.py", "netParams.py", "init.py"):
        shutil.copy(REPO / name, folder)
    for name in ("cells", "mod"):
        shutil.copytree(REPO / name, folder / name)
    return folder


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "init.py", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_prints_what_the_rig_measures(folder, load):
    done = run(folder, *TRIAL)
    assert done.returncode == 0, done.stderr
    result = json.loads((folder / "results/init/trial_response.json").read_text())
    model = load("PT5B_reduced", dt=0.05)
    [site] = list_sites(model, "Adend2")
    with Rig(model, [site], Protocol(until="half")) as rig:
        [response] = rig.respond([(site, 1.5e-3)])
    assert result["epsp_mV"] == response.epsp_mV
    assert result["baseline_mV"] == response.baseline_mV
    for name in ("latency_ms", "time_to_peak_ms", "rise_time_ms", "half_width_ms"):
        assert result[name] == pytest.approx(getattr(response, name), abs=1e-6)
    assert f"EPSP      {response.epsp_mV:.4f} mV" in done.stdout
    assert f"latency   {response.latency_ms:.3f} ms" in done.stdout
    assert (folder / "results/init/trace.png").read_bytes().startswith(b"\x89PNG")


def test_netpyne_batch_drives_it(folder, load):
    """NetPyNE's own grid search over section and weight gets the Rig's EPSPs."""
    code = """
from netpyne import specs
from netpyne.batch import Batch
params = specs.ODict({("NetStim1", "sec"): ["soma", "dend"], ("NetStim1", "weight"): [1e-4, 2e-4]})
initCfg = {"cell": "PV_simple", "dt": 0.05, "analysis": {}}
batch = Batch(params=params, cfgFile="cfg.py", netParamsFile="netParams.py", initCfg=initCfg)
batch.batchLabel, batch.saveFolder, batch.method = "grid", "batch", "grid"
batch.runCfg = {"type": "mpi_bulletin", "script": "init.py", "skip": True}
batch.run()
"""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # nrniv
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    results = [json.loads(file.read_text()) for file in folder.glob("batch/*_response.json")]
    assert len(results) == 4, done.stdout[-2000:] + done.stderr[-2000:]
    model = load("PV_simple", dt=0.05)
    sites = {site.sec: site for site in list_sites(model)}
    with Rig(model, list(sites.values())) as rig:
        for result in results:
            [response] = rig.respond([(sites[result["sec"]], result["weight"])])
            assert result["epsp_mV"] == pytest.approx(response.epsp_mV, abs=1e-9)


def test_wrong_input_is_said_in_words(folder):
    done = run(folder, "NetStim1.wieght=1")
    assert done.returncode != 0
    assert "cfg has no 'NetStim1.wieght'. Did you mean 'weight'?" in done.stderr
