"""The SLURM that tests start: it runs jobs, is private, and leaves no process behind."""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.slurm.cluster import NoSlurmError, processes_of, single_node_slurm, up

pytestmark = [pytest.mark.slow, pytest.mark.slurm]

WAIT_S = 120


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    try:
        with single_node_slurm(tmp_path_factory.mktemp("slurm")) as node:
            yield node
    except NoSlurmError as reason:
        pytest.skip(str(reason))


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


def submit(node, folder: Path, script: str, *options: str) -> str:
    """Submit a bash script and return the job's id."""
    file = folder / "job.sh"
    file.write_text(f"#!/bin/bash\n{script}\n")
    return node.run("sbatch", "--parsable", f"--chdir={folder}", "--output=job.out", *options, file)


def state(node, job: str) -> str:
    shown = node.run("scontrol", "show", "job", job)
    return re.search(r"JobState=(\w+)", shown)[1]


def listening(pids) -> list[tuple[int, str, int]]:
    """Process, address and port of each TCP socket on which some of these processes listen."""
    owner = {}
    for pid in pids:
        for file in Path(f"/proc/{pid}/fd").iterdir():
            if match := re.fullmatch(r"socket:\[(\d+)\]", str(file.readlink())):
                owner[match[1]] = pid
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in owner:
                address, port = fields[1].split(":")
                words = [bytes.fromhex(address[i : i + 8])[::-1] for i in range(0, len(address), 8)]
                ip = str(ipaddress.ip_address(b"".join(words)))
                found.append((owner[fields[9]], ip, int(port, 16)))
    return found


def test_a_job_runs_on_the_partition_and_writes_a_file(node, tmp_path):
    script = 'echo "$SLURM_JOB_PARTITION $SLURM_CPUS_PER_TASK" > done'
    job = submit(node, tmp_path, script, "--cpus-per-task=1", "--mem=100M")
    until(lambda: state(node, job) == "COMPLETED")
    assert (tmp_path / "done").read_text() == "test 1\n"


def test_a_failing_job_says_so(node, tmp_path):
    job = submit(node, tmp_path, "exit 3")
    until(lambda: state(node, job) == "FAILED")
    assert "ExitCode=3:0" in node.run("scontrol", "show", "job", job)


def test_a_job_is_cancelled_with_all_its_processes(node, tmp_path):
    # The last of them outlives the shell that started it, as a worker that is slow to end does
    script = "srun sleep 1000 & (trap '' TERM; sleep 1000; sleep 1000) & sleep 1000"
    job = submit(node, tmp_path, script)
    until(lambda: [*processes_of(node.folder).values()].count("sleep") == 3)
    assert node.run("squeue", "--noheader", "--format=%i %T") == f"{job} RUNNING"
    node.run("scancel", job)
    until(lambda: not node.run("squeue", "--noheader"))
    assert state(node, job) == "CANCELLED"
    left = processes_of(node.folder).values()
    assert "sleep" not in left
    assert "slurm_script" not in left


def test_a_job_gets_its_signal_before_the_time_limit(node, tmp_path):
    script = "trap 'echo told > told; exit 0' TERM; sleep 1000 & wait"
    told = tmp_path / "told"
    for _ in range(5):  # the signal may come as the job starts, before bash has its trap
        job = submit(node, tmp_path, script, "--time=1", "--signal=B:TERM@60")
        until(lambda job=job: state(node, job) not in {"RUNNING", "PENDING"})
        if told.exists():
            break
    assert told.read_text() == "told\n"
    assert state(node, job) == "COMPLETED"


def test_daemons_and_job_steps_listen_on_loopback_only(node, tmp_path):
    job = submit(node, tmp_path, "srun bash -c 'echo > started; sleep 1000'")
    until((tmp_path / "started").exists)
    names = processes_of(node.folder)
    found = listening(names)
    node.run("scancel", job)
    assert {names[pid] for pid, _, _ in found} == {"slurmctld", "slurmd", "srun"}
    assert {address for _, address, _ in found} == {"127.0.0.1"}


@pytest.mark.usefixtures("node")  # where that cannot be, this cannot
def test_down_leaves_no_process_even_of_jobs_that_do_not_want_to_end(tmp_path):
    with single_node_slurm(tmp_path) as own:
        submit(own, tmp_path, "trap '' TERM; sleep 1000 & while :; do sleep 1; done")
        submit(own, tmp_path, "sleep 1000", "--hold")
        until(lambda: "sleep" in processes_of(tmp_path).values())
        assert {"munged", "slurmctld", "slurmd"} <= {*processes_of(tmp_path).values()}
    assert processes_of(tmp_path) == {}


@pytest.mark.usefixtures("node")
def test_a_start_that_fails_half_way_leaves_no_process(tmp_path):
    with pytest.raises(RuntimeError, match=r"slurmctld .* failed"):
        up(tmp_path, partition="test\nNonsense=1")
    assert (tmp_path / "munge.log").exists()  # munged had been there
    assert processes_of(tmp_path) == {}


def test_a_second_one_in_the_same_folder_is_refused_and_harms_nothing(node):
    with pytest.raises(NoSlurmError, match="there is a SLURM in"):
        up(node.folder)
    assert node.run("sinfo", "--noheader", "--format=%P %T").startswith("test* ")
