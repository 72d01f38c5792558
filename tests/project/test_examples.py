"""The examples: what they say they show, and that they leave nothing behind."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from helpers import REPO

EXAMPLE = REPO / "examples" / "m1_microcircuit"


def run(cwd: Path, *words: str, folder: Path = EXAMPLE) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-B", str(folder / "run.py"), *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def files() -> set[Path]:
    return {path for path in EXAMPLE.rglob("*") if "__pycache__" not in path.parts}


@pytest.mark.slow
def test_scaled_connections_give_the_intended_epsp_and_others_do_not(tmp_path):
    before = files()
    done = run(tmp_path, "--quick", "--jobs", "2", "--out", "out")
    assert done.returncode == 0, done.stderr
    assert files() == before
    assert {path.name for path in tmp_path.iterdir()} == {"out"}

    epsps = pd.read_csv(tmp_path / "out" / "unitary_epsps.csv")
    pyramidal = epsps[epsps["pop"].isin(["IT5B", "PT5B"])]
    assert list(epsps["pop"].value_counts(sort=False)) == [5, 5, 2, 2]
    assert (epsps["scaled_mV"] / 0.5 - 1).abs().max() < 1e-3
    for _, rows in pyramidal.groupby("pop"):
        assert rows["unscaled_mV"].max() > 2 * rows["unscaled_mV"].min()
        apical = rows[rows["sec"].isin(["soma", "Adend1", "Adend2", "Adend3"])]
        assert apical.sort_values("distance_um")["unscaled_mV"].is_monotonic_decreasing

    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["largest_deviation"] == pytest.approx(
        (epsps["scaled_mV"] / 0.5 - 1).abs().max(), rel=1e-6
    )
    assert summary["synapses"] > 300
    assert summary["largest_weight_error"] < 1e-9
    assert sum(summary["rate_Hz"].values()) > 0
    assert "largest deviation with tables 0.0" in done.stdout
    image = (tmp_path / "out" / "microcircuit.png").read_bytes()
    assert image.startswith(b"\x89PNG")
    assert len(image) < 200_000


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--jobs", "0"], "jobs = 0; allowed are 1, 2, ..."),
        (["--figure", "epsps.pdf"], "must be a file that ends in .png"),
    ],
)
def test_wrong_options_are_refused_in_words(tmp_path, words, message):
    done = run(tmp_path, "--out", "out", *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_copy_says_how_to_find_the_repository(tmp_path):
    folder = tmp_path / "somewhere" / "copy"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("results", "__pycache__"))
    done = run(tmp_path, folder=folder)
    assert done.returncode == 2
    assert f"cfg.repository = {str(tmp_path)!r} has no folder cells/" in done.stderr
    assert "cfg.py" in done.stderr
