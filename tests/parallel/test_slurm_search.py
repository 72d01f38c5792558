"""Searches whose workers are jobs of a real SLURM: the same numbers, and no job is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from ipaddress import ip_address
from pathlib import Path

import pytest
from helpers import inside
from helpers.dask_cluster import until
from helpers.slurm.cluster import NoSlurmError, processes_of, single_node_slurm

from wscale import grid
from wscale.errors import ConfigError, SimulationError
from wscale.parallel.cluster import cluster_backend
from wscale.parallel.sandbox import Limits

pytest.importorskip("dask_jobqueue", reason="needs the extra 'cluster'")

pytestmark = [pytest.mark.slow, pytest.mark.slurm]

WEIGHTS_uS = [1e-4, 3e-4, 9e-4]
JOBS = {"workers": 2, "queue": "test", "walltime": "00:10:00"}


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    try:
        with (
            single_node_slurm(tmp_path_factory.mktemp("slurm")) as node,
            pytest.MonkeyPatch.context() as patch,
        ):
            for name, value in node.environment.items():
                patch.setenv(name, value)
            yield node
    except NoSlurmError as reason:
        pytest.skip(str(reason))


def jobs_of(node) -> list[str]:
    """Return the ids of jobs that are not about to end."""
    states = "PENDING,RUNNING,CONFIGURING,SUSPENDED"
    return node.run("squeue", "--noheader", "--format=%i", f"--states={states}").split()


def words(method: str, repo, out) -> list[str]:
    return [method, str(repo), "--cell", "PT5B_reduced", "--cfg", "dt=0.05", "--out", str(out)]


def command(method: str, repo, out, *options: object) -> list[str]:
    where = ("--backend", "slurm", "--workers", 2, "--queue", "test", "--walltime", "00:10:00")
    search = words(method, repo, out)
    return [sys.executable, "-m", "wscale", *search, *map(str, (*where, *options))]


def test_the_command_gives_the_same_table(node, repo, tmp_path):
    subprocess.run(
        command("norm", repo, tmp_path / "there"), check=True, capture_output=True, timeout=120
    )
    assert jobs_of(node) == []
    assert inside.wscale(*words("norm", repo, tmp_path / "here"), "--jobs", 1).returncode == 0
    name = "weightNorm/PT5B_reduced_weightNorm.pkl"
    assert (tmp_path / "there" / name).read_bytes() == (tmp_path / "here" / name).read_bytes()


def test_a_cancelled_job_costs_nothing_and_is_made_good(node, load):
    psutil = pytest.importorskip("psutil")
    model = load("PT5B_reduced", dt=0.05)
    with cluster_backend("slurm", Limits(), **JOBS) as backend:
        until(lambda: backend.n_workers == 2)
        commands = [Path(f"/proc/{pid}/cmdline").read_text() for pid in processes_of(node.folder)]
        of_workers = [words for words in commands if "distributed.cli.dask_worker" in words]
        assert len(of_workers) == 2
        assert all("\0tls://127.0.0.1:" in words for words in of_workers)
        listening = {
            connection.laddr.ip
            for pid in (os.getpid(), *processes_of(node.folder))
            for connection in psutil.Process(pid).net_connections()
            if connection.status == psutil.CONN_LISTEN
        }
        assert listening
        assert all(ip_address(ip).is_loopback for ip in listening)
        cancelled = []

        def cancel(_):
            if not cancelled:
                cancelled.append(jobs_of(node)[0])
                node.run("scancel", cancelled[0])

        [there] = grid(model, WEIGHTS_uS, backend=backend, on_result=cancel)
        until(lambda: backend.n_workers == 2)  # another job
        assert cancelled[0] not in jobs_of(node)
    assert jobs_of(node) == []
    [here] = grid(model, WEIGHTS_uS, n_jobs=2)
    assert there.solutions == here.solutions


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_run_leaves_no_job(how, node, repo, tmp_path):
    journal = tmp_path / "out" / "journal" / "PT5B_reduced.jsonl"
    options = ("--weights", "1e-5:1e-2:400")
    with subprocess.Popen(
        command("grid", repo, tmp_path / "out", *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell may ignore it
    ) as run:
        until(lambda: journal.exists() and journal.read_bytes().count(b"\n") > 1)
        assert jobs_of(node)
        run.send_signal(how)
        said, _ = run.communicate(timeout=60)
    assert run.returncode == 128 + how
    assert "the same command continues" in " ".join(said.split())
    assert jobs_of(node) == []


def test_what_the_queue_says_is_told(node):
    with (
        pytest.raises(ConfigError, match=r"slurm does not take the job: .*invalid partition"),
        cluster_backend("slurm", Limits(), workers=1, queue="nonsense"),
    ):
        pass
    assert jobs_of(node) == []


def test_jobs_that_end_before_they_come_end_the_search(node, tmp_path, monkeypatch):
    import dask

    monkeypatch.setenv("WSCALE_CACHE", str(tmp_path))  # the logs are kept there
    broken = {"jobqueue.slurm.job-script-prologue": ["echo no such module >&2", "exit 3"]}
    with (
        dask.config.set(broken),
        pytest.raises(SimulationError, match=r"(?s)jobs of slurm ended.*no such module"),
        cluster_backend("slurm", Limits(), **JOBS) as backend,
    ):
        backend.map(abs, [-1])
    assert jobs_of(node) == []
