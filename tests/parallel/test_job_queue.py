"""Searches whose workers are jobs of PBS, SGE and LSF, as far as their commands go.

The commands are stand-ins that run the submitted script on this machine and know what has ended;
all else is real. tests/parallel/test_slurm_search.py has a real queue.
"""

from __future__ import annotations

import os

import pytest

from wscale import solve
from wscale.parallel.cluster import cluster_backend
from wscale.parallel.sandbox import Limits

pytest.importorskip("dask_jobqueue", reason="needs the extra 'cluster'")

pytestmark = pytest.mark.slow

SUBMIT = """#!/bin/bash
copy=$(mktemp -p "$QUEUE") && cat "${1:-/dev/stdin}" > "$copy"
setsid bash "$copy" > /dev/null 2>&1 < /dev/null &
echo "$!" >> "$QUEUE/submitted"
echo "Job <$!> is submitted to queue <q>."
"""
CANCEL = """#!/bin/bash
echo "$1" >> "$QUEUE/cancelled"
kill -- "-$1"
"""
PROGRAMS = {"pbs": ("qsub", "qdel"), "sge": ("qsub", "qdel"), "lsf": ("bsub", "bkill")}
HEADERS = {
    "pbs": ["#PBS -q q", "#PBS -l walltime=00:10", "#PBS -x"],
    "sge": ["#$ -q q", "#$ -l h_rt=00:10", "#$ -x"],
    "lsf": ["#BSUB -q q", "#BSUB -W 00:10", "#BSUB -x"],
}


@pytest.mark.parametrize("kind", PROGRAMS)
def test_jobs_are_submitted_used_and_cancelled(kind, load, tmp_path, monkeypatch):
    for name, text in zip(PROGRAMS[kind], (SUBMIT, CANCEL), strict=True):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(text)
        program.chmod(0o755)
    (tmp_path / "queue").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("QUEUE", str(tmp_path / "queue"))
    options = {"workers": 2, "queue": "q", "walltime": "00:10", "job_extra": ["-x"]}
    model = load("PV_simple", dt=0.05)
    with cluster_backend(kind, Limits(), **options) as backend:
        [there] = solve(model, backend=backend)
    submitted, cancelled = (
        (tmp_path / "queue" / name).read_text().split() for name in ("submitted", "cancelled")
    )
    assert len(submitted) == 2
    assert sorted(submitted) == sorted(cancelled)
    for script in (tmp_path / "queue").glob("tmp*"):
        lines = script.read_text().splitlines()
        assert all(header in lines for header in HEADERS[kind])
        assert "tls://127.0.0.1:" in lines[-1]
    [here] = solve(model, n_jobs=1)
    assert there.solutions == here.solutions
