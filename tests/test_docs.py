"""README and CI say the same, and what the README shows runs."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from conftest import M1_CELLS, REPO

README = (REPO / "README.md").read_text()
MAIN_JOB, TESTS = re.findall(r"```bash\n(python3 -m venv .*)\n```", README)


def test_ci_runs_the_readmes_test_command():
    assert TESTS in (REPO / ".ci" / "run").read_text().splitlines()


def test_links_lead_somewhere():
    for file in (REPO / "README.md", *(REPO / "docs").glob("*.md"), REPO / "cells" / "README.md"):
        for link in re.findall(r"\]\(([^)#:]+)\)", file.read_text()):
            assert (file.parent / link).exists(), f"{file.name}: {link}"


@pytest.mark.slow
def test_main_job_runs_all_nine_cells(tmp_path):
    job = MAIN_JOB.split(" && ")[-1].replace(".venv/bin/python", sys.executable)
    done = subprocess.run(
        [*job.split(), "--out", str(tmp_path), "--jobs", "2"],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {path.stem for path in (tmp_path / "grid_batch").iterdir()} == set(M1_CELLS)
    assert len(list((tmp_path / "weightNorm").glob("*.pkl"))) == 9


def test_python_example_runs():
    [code] = [c for c in re.findall(r"```python\n(.*?)```", README, re.S) if "import Model" in c]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "'soma': [0.00055" in done.stdout
