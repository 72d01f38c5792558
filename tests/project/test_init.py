"""init.py: one trial the NetPyNE way, and what it refuses."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import REPO

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
    assert (folder / "results/init/trial_traces.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("NetStim1.wieght=1", "cfg has no 'NetStim1.wieght'. Did you mean 'weight'?"),
        (
            "NetStim1.sec=Adend4",
            "NetStim1.sec = 'Adend4': PT5B_reduced has no such section; it has soma, ",
        ),
        ("NetStim1.sec=[]", "NetStim1.sec = []: PT5B_reduced has no such section"),
    ],
)
def test_wrong_input_is_said_in_words(folder, word, message):
    done = run(folder, word)
    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr
