"""Searches on a real Dask cluster: the same numbers, whatever happens to its processes."""

from __future__ import annotations

import copy
import math
import os
import pickle
import shutil
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import joblib
import pytest
from helpers import inside
from helpers.dask_cluster import dask_cluster, until

from wscale import Journals, Model, grid, list_sites, solve, verify
from wscale.errors import ConfigError, SimulationError
from wscale.parallel.cluster import cluster_backend
from wscale.parallel.dask_backend import DaskBackend
from wscale.parallel.sandbox import Limits

pytest.importorskip("distributed", reason="needs the extra 'cluster'")

WEIGHTS_uS = [1e-4, 3e-4, 9e-4]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A cluster that no test destroys: two Dask workers, one of them with two threads."""
    with dask_cluster(tmp_path_factory.mktemp("dask"), 1) as cluster:
        cluster.add_worker("--nthreads", 2)
        yield cluster


@pytest.fixture(scope="module")
def backend(cluster):
    with DaskBackend(cluster.file) as backend:
        until(lambda: backend.n_workers == 3)
        yield backend


def pid_of(backend) -> int:
    """Return the process that is idle at the first worker: it leads its own session."""
    [pid] = backend.map(os.getsid, [0])
    return pid


def hang(mark: Path) -> str:
    """Return code that makes a file with the id of its process, and then never ends."""
    return textwrap.dedent(f"""
        import os, time, pathlib
        mark = pathlib.Path({str(mark)!r})
        mark.with_suffix(".new").write_text(str(os.getpid()))
        mark.with_suffix(".new").rename(mark)
        time.sleep(3600)
    """)


def lives(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


# ---------------------------------------------------------------------- the same numbers


@pytest.mark.slow
def test_all_numbers_are_those_of_this_machine(backend, load):
    models = [load("PV_simple", dt=0.05), load("PT5B_reduced", dt=0.05)]
    for one, other in zip(
        grid(models, WEIGHTS_uS, backend=backend),
        grid(models, WEIGHTS_uS, n_jobs=2),
        strict=True,
    ):
        assert one.solutions == other.solutions
        assert one.frame.drop(columns="seconds", errors="ignore").equals(
            other.frame.drop(columns="seconds", errors="ignore")
        )
    there, here = solve(models, backend=backend), solve(models, n_jobs=2)
    assert [one.solutions for one in there] == [one.solutions for one in here]
    tables = [(model, one.table()) for model, one in zip(models, there, strict=True)]
    for one, other in zip(verify(tables, backend=backend), verify(tables, n_jobs=2), strict=True):
        assert one.frame.equals(other.frame)


@pytest.mark.slow
def test_the_command_writes_the_same_files(cluster, backend, repo, tmp_path):
    norm = ("norm", repo, "--cell", "PV_simple", "--cfg", "dt=0.05", "--out")
    assert inside.wscale(*norm, tmp_path / "here", "--jobs", 1).returncode == 0
    subprocess.run(
        [
            *(sys.executable, "-m", "wscale", *norm, tmp_path / "there"),
            *("--backend", "dask", "--scheduler", cluster.file),
        ],
        check=True,
        capture_output=True,
    )
    for name in ("weightNorm/PV_simple_weightNorm.pkl", "journal/PV_simple.jsonl"):
        assert (tmp_path / "there" / name).exists()
    here, there = (
        (tmp_path / out / "weightNorm/PV_simple_weightNorm.pkl").read_bytes()
        for out in ("here", "there")
    )
    assert here == there


def test_mechanisms_come_along_where_their_folder_is_not_there(load, tmp_path, monkeypatch):
    model = load("PV_simple", dt=0.05)
    monkeypatch.setenv("WSCALE_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "mod"
    shutil.copytree(model.mod, folder)
    moved = replace(model, mod=str(folder))
    parcel = pickle.dumps([moved, {"again": moved}])
    one, other = pickle.loads(parcel)
    assert one is other["again"]  # as pickle does
    assert one.mod == str(folder)  # it is there
    (folder / "AMPA_NMDA.mod").unlink(missing_ok=True)
    next(folder.glob("*.mod")).write_text("COMMENT another one ENDCOMMENT")
    arrived = pickle.loads(parcel)[0]
    assert Path(arrived.mod).is_relative_to(tmp_path / "cache")
    assert arrived.content_hash == model.content_hash


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs a path that means another per process")
def test_a_worker_without_the_folder_computes_the_same(backend, load, tmp_path, monkeypatch):
    model = load("SOM_simple", dt=0.05)
    shutil.copytree(model.mod, tmp_path / "mod")
    monkeypatch.chdir(tmp_path)
    elsewhere = replace(model, mod="/proc/self/cwd/mod")
    assert backend.map(os.path.exists, [elsewhere.mod]) == [False]
    [there], [here] = solve(elsewhere, backend=backend), solve(model, n_jobs=1)
    assert there.solutions == here.solutions
    [check] = verify([(elsewhere, there.table())], backend=backend)
    assert check.passed


# ---------------------------------------------------------------------- processes that die


def test_the_death_of_a_process_is_an_outcome_and_the_dask_worker_lives_on(backend):
    first = pid_of(backend)
    with pytest.raises(SimulationError, match=r"a worker could not do its work: .*SIGSEGV"):
        backend.map(signal.raise_signal, [signal.SIGSEGV])
    assert backend.n_workers == 3
    assert pid_of(backend) != first
    assert not lives(first)


CRASHES = """
NEURON {
    POINT_PROCESS CrashSyn
    RANGE tau, e, i, least
    NONSPECIFIC_CURRENT i
}
UNITS { (nA) = (nanoamp) (mV) = (millivolt) (uS) = (microsiemens) }
VERBATIM
#include <stdlib.h>
ENDVERBATIM
PARAMETER { tau = 2 (ms) e = 0 (mV) least = 0 (micron2) }
ASSIGNED { v (mV) i (nA) area (micron2) }
STATE { g (uS) }
INITIAL { g = 0 }
BREAKPOINT {
    SOLVE decay METHOD cnexp
    i = g*(v - e)
}
DERIVATIVE decay { g' = -g/tau }
NET_RECEIVE(weight (uS)) {
    if (area < least) {
        VERBATIM
        abort();
        ENDVERBATIM
    }
    g = g + weight
}
"""


@pytest.mark.slow
def test_a_mechanism_that_crashes_costs_its_sites_and_no_other(cluster, repo, tmp_path):
    shutil.copytree(repo / "mod", tmp_path / "mod")
    (tmp_path / "mod" / "crashsyn.mod").write_text(CRASHES)
    overrides = {"dt": 0.05, "NetStim1.synMech": ["AMPA"], "NetStim1.synMechWeightFactor": [1.0]}
    model = Model.from_folder(repo, "PV_simple", overrides, mod=tmp_path / "mod")
    geoms = {sec: rule["geom"] for sec, rule in model.rule["secs"].items()}
    area_um2 = {sec: math.pi * geom["diam"] * geom["L"] for sec, geom in geoms.items()}
    least = sum(area_um2.values()) / len(area_um2)
    net = copy.deepcopy(model.net)
    net["synMechParams"]["AMPA"] = {"mod": "CrashSyn", "tau": 2.0, "e": 0.0, "least": least}
    model = model.with_net(net)
    crashing = {site for site in list_sites(model) if area_um2[site.sec] < least}
    assert 0 < len(crashing) < len(list_sites(model))
    with DaskBackend(cluster.file) as own:  # and so processes with these mechanisms
        [result] = grid(model, [1e-4, 2e-4], backend=own)
    failed = {site: s.reason for site, s in result.solutions if s.status == "failed"}
    assert failed.keys() == crashing, failed
    assert all("SIGABRT" in reason for reason in failed.values())


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("nanny", [False, True])
def test_nothing_outlives_a_dask_worker(nanny, tmp_path):
    with dask_cluster(tmp_path) as cluster:
        process = cluster.add_worker("--nanny") if nanny else cluster.add_worker()
        with DaskBackend(cluster.file, worker_timeout_s=1.0) as backend:
            until(lambda: backend.n_workers)
            idle = pid_of(backend)
            with ThreadPoolExecutor(1) as thread:
                running = thread.submit(backend.map, exec, [hang(tmp_path / "mark")])
                until((tmp_path / "mark").exists)
                pid = int((tmp_path / "mark").read_text())
                assert lives(pid)
                process.kill()
                with pytest.raises(SimulationError, match=r"no worker for 1 s.*journal"):
                    running.result(60)
            until(lambda: not lives(pid) and not lives(idle))


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_call_that_ends_each_worker_is_given_up_after_three(tmp_path):
    kill_worker = textwrap.dedent("""
        import os, signal, pathlib
        server = pathlib.Path(f"/proc/{os.getppid()}/stat").read_text()
        os.kill(int(server.rpartition(")")[2].split()[1]), signal.SIGKILL)
    """)
    with dask_cluster(tmp_path, 4) as cluster, DaskBackend(cluster.file) as backend:
        until(lambda: backend.n_workers == 4)
        with pytest.raises(SimulationError, match=r"went away.*3 workers were lost on it"):
            backend.map(exec, [kill_worker])
        until(lambda: backend.n_workers == 1)
        assert backend.map(abs, [-1]) == [1]


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_nothing(load, tmp_path):
    models = [load("PT5B_reduced", dt=0.05), load("IT2_reduced", dt=0.05)]  # one for each worker
    with dask_cluster(tmp_path, 2) as cluster, DaskBackend(cluster.file) as backend:
        until(lambda: backend.n_workers == 2)
        seen = []

        def kill_one(part):
            seen.append(part)
            if len(seen) == 1:
                cluster.workers[0].kill()

        there = grid(models, WEIGHTS_uS, backend=backend, on_result=kill_one)
        until(lambda: backend.n_workers == 1)
    here = grid(models, WEIGHTS_uS, n_jobs=2)
    assert [one.solutions for one in there] == [one.solutions for one in here]


@pytest.mark.slow
def test_without_workers_a_search_ends_and_continues_later(load, tmp_path):
    model = load("PT5B_reduced", dt=0.05)
    (tmp_path / "dask").mkdir()
    with dask_cluster(tmp_path / "dask", 2) as cluster:
        first, second = [], []

        def kill_all(part):
            first.append(part.index)
            for process in cluster.workers:
                process.kill()

        with DaskBackend(cluster.file) as backend:
            until(lambda: backend.n_workers == 2)
        with (
            DaskBackend(cluster.file, worker_timeout_s=1.0) as backend,
            Journals(tmp_path / "out") as journals,
            pytest.raises(SimulationError, match=r"no worker for 1 s.*journal"),
        ):
            grid(model, WEIGHTS_uS, backend=backend, journals=journals, on_result=kill_all)
        with DaskBackend(cluster.file) as backend, Journals(tmp_path / "out") as journals:
            assert backend.n_workers == 0
            cluster.add_worker()  # comes when the search waits for it
            [there] = grid(
                model,
                WEIGHTS_uS,
                backend=backend,
                journals=journals,
                on_result=lambda part: second.append(part.index),
            )
    assert sorted(first + second) == list(range(len(list_sites(model))))
    [here] = grid(model, WEIGHTS_uS, n_jobs=2)
    assert there.solutions == here.solutions


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_scheduler_that_goes_away_ends_the_search(how, tmp_path):
    with dask_cluster(tmp_path, 1) as cluster, DaskBackend(cluster.file) as backend:
        until(lambda: backend.n_workers)
        with ThreadPoolExecutor(1) as thread:
            running = thread.submit(backend.map, exec, [hang(tmp_path / "mark")])
            until((tmp_path / "mark").exists)
            cluster.scheduler.send_signal(how)
            with pytest.raises(SimulationError, match=r"scheduler at tcp.*journal"):
                running.result(60)
        with pytest.raises(SimulationError, match="scheduler"):
            backend.map(abs, [-1])


def test_an_error_ends_what_else_runs(cluster, tmp_path):
    mark = tmp_path / "mark"
    fail = f"""
import pathlib, time
while not pathlib.Path({str(mark)!r}).exists():
    time.sleep(0.01)
raise ValueError("no more")
"""
    with DaskBackend(cluster.file) as backend:
        until(lambda: backend.n_workers == 3)
        with pytest.raises(ValueError, match="no more"):
            backend.map(exec, [hang(mark), fail])
        pid = int(mark.read_text())
        until(lambda: not lives(pid))
        assert pid_of(backend) != pid  # it can go on


def test_a_search_that_is_closed_ends_its_processes(cluster, load, tmp_path):
    model = load("PV_simple", dt=0.05)
    with DaskBackend(cluster.file) as backend:
        until(lambda: backend.n_workers == 3)
        idle = pid_of(backend)

        def fail(_):
            raise OSError("no place to keep it")

        with pytest.raises(OSError, match="no place"):
            grid(model, WEIGHTS_uS, backend=backend, on_result=fail)
        until(lambda: not lives(idle))


def test_two_runs_have_processes_of_their_own(cluster):
    with DaskBackend(cluster.file) as one, DaskBackend(cluster.file) as other:
        pids = {pid_of(one), pid_of(other)}
        assert len(pids) == 2
        assert all(map(lives, pids))
    until(lambda: not any(map(lives, pids)))


def test_what_a_call_raises_is_raised_here(backend):
    """Errors of the system too, which Dask has when a worker goes away."""
    with pytest.raises(FileNotFoundError, match="nowhere"):
        backend.map(os.listdir, ["nowhere"])


# ---------------------------------------------------------------------- joblib's configuration


def test_a_configuration_of_joblibs_names_the_cluster(load, tmp_path):
    """A worker that is killed in the midst costs nothing there, too; joblib's own would wait."""
    from distributed import Client

    model = load("PT5B_reduced", dt=0.05)
    seen = []
    with dask_cluster(tmp_path, 2) as cluster, Client(scheduler_file=str(cluster.file)) as client:
        client.wait_for_workers(2)

        def kill_one(part):
            seen.append(part)
            if len(seen) == 1:
                cluster.workers[0].kill()

        with joblib.parallel_config(backend="dask", client=client):
            [there] = grid(model, WEIGHTS_uS, on_result=kill_one)
        assert client.status == "running"  # the user's, who closes it
        until(lambda: len(client.nthreads()) == 1)
    [here] = grid(model, WEIGHTS_uS, n_jobs=2)
    assert len(seen) == len(list_sites(model))
    assert there.solutions == here.solutions
    assert there.frame.drop(columns="seconds", errors="ignore").equals(
        here.frame.drop(columns="seconds", errors="ignore")
    )


# ---------------------------------------------------------------------- who is refused


def pretend(folder: Path, package: str, version: str) -> str:
    """Let pip's records in a folder say that a package has another version."""
    records = folder / f"{package}-{version}.dist-info"
    records.mkdir(parents=True)
    (records / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"
    )
    return os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])


def test_a_worker_with_other_versions_is_refused(tmp_path):
    path = pretend(tmp_path / "other", "neuron", "8.2.6")
    with dask_cluster(tmp_path) as cluster:
        cluster.add_worker(PYTHONPATH=path)
        with (
            pytest.raises(ConfigError, match=r"worker tcp://127.*has neuron 8\.2\.6, and not \d"),
            DaskBackend(cluster.file) as backend,
        ):
            until(lambda: backend.n_workers)


def test_a_late_worker_with_other_versions_gets_no_work(tmp_path, caplog):
    path = pretend(tmp_path / "other", "wscale", "0.0.1")
    with dask_cluster(tmp_path, 1) as cluster, DaskBackend(cluster.file) as backend:
        until(lambda: backend.n_workers)
        assert backend.map(abs, [-1, -2]) == [1, 2]
        cluster.add_worker(PYTHONPATH=path)
        until(lambda: backend.n_workers and "has wscale 0.0.1" in caplog.text)
        assert "gets no work" in caplog.text
        assert backend.n_workers == 1


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("dusk", {}, r"'dusk'`: allowed are local, dask, slurm.*Did you mean 'dask'"),
        ("dask", {}, "needs `scheduler`"),
        (
            "dask",
            {"scheduler": "nowhere.json"},
            "'nowhere.json'` is neither an address.*nor a file",
        ),
        pytest.param(
            "dask",
            {"scheduler": "tcp://127.0.0.1:9"},
            r"no Dask scheduler answers at tcp://127\.0",
            marks=pytest.mark.slow,  # it is asked for ten seconds
        ),
        ("dask", {"scheduler": "tcp://127.0.0.1:9", "queue": "q"}, "`queue` belongs to a job"),
        ("slurm", {}, "`backend='slurm'` needs `workers`"),
        ("pbs", {"workers": 0}, "`backend='pbs'` needs `workers`"),
        ("slurm", {"scheduler": "tcp://127.0.0.1:9"}, "`scheduler` belongs to `backend='dask'`"),
        ("lsf", {"workers": 1, "interface": "ib77"}, "`interface='ib77'`.*lo"),
    ],
)
def test_what_makes_no_cluster(kind, options, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=said), cluster_backend(kind, Limits(), **options):
        pass


@pytest.mark.parametrize(("kind", "program"), [("pbs", "qsub"), ("sge", "qsub"), ("lsf", "bsub")])
def test_a_queue_that_is_not_on_this_machine(kind, program):
    if shutil.which(program):
        pytest.skip(f"there is a {program}")
    options = {"workers": 2, "queue": "q", "walltime": "00:10", "job_extra": ["-x"]}
    with (
        pytest.raises(ConfigError, match=rf"{kind} is not on this machine.*{program}"),
        cluster_backend(kind, Limits(memory_GiB=1.0), **options),
    ):
        pass


def test_a_file_that_is_no_scheduler_file(tmp_path):
    file = tmp_path / "scheduler.json"
    file.write_text('{"workers": {}}')
    with pytest.raises(ConfigError, match="not the scheduler file"), DaskBackend(file):
        pass


def test_the_extra_is_named_where_it_is_missing(tmp_path):
    (tmp_path / "distributed.py").write_text("raise ImportError('no distributed here')")
    done = subprocess.run(
        [sys.executable, "-m", "wscale", "norm", ".", "--backend", "dask", "--scheduler", "a"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "pip install 'wscale[cluster]'" in done.stderr
