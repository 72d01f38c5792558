"""Runs that are interrupted, killed or starved, and mechanisms that misbehave."""

from __future__ import annotations

import csv
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
from helpers.running import Run, living, make_faulty_model, wait_for

from benchmarks.soak import command_of, kill_main, tables, whole_run
from wscale.cli.output import with_options
from wscale.mechanisms.library import compile_mechanisms

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="processes are found by Linux's /proc"
)
SITES = 9
QUICK = ("--weights", "2e-5:8e-4:5", "--window", "60", "--target", "0.1", "--jobs", "2")
SLOW = ("--weights", "2e-5:8e-4:10", *QUICK[2:], "--cfg", "kind=2")
ALONE = (*SLOW, "--jobs", "1")  # where one worker says it all


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """A model folder whose synapse misbehaves at one site, and its compiled mechanism."""
    model = make_faulty_model(tmp_path_factory.mktemp("faulty") / "model")
    compile_mechanisms(model / "mod")
    return model


@pytest.fixture
def begin(faulty, tmp_path):
    """Start a search in ``tmp_path / "out"``; what is left of it at the end is killed."""
    runs = []

    def start(*arguments, method="grid", out=tmp_path / "out", **options):
        log = tmp_path / f"log{len(runs)}"
        runs.append(Run(method, faulty, *arguments, "--out", out, log=log, **options))
        return runs[-1]

    yield start
    for run in runs:
        for process in living(run.mark):
            os.kill(process, signal.SIGKILL)


def journal(out):
    """Return the sites in a journal, all of whose lines must be whole."""
    lines = (out / "journal" / "Small.jsonl").read_bytes().splitlines(keepends=True)
    for line in lines:
        crc, _, content = line.partition(b" ")
        assert line.endswith(b"\n")
        assert int(crc, 16) == zlib.crc32(content.rstrip(b"\n"))
    return [json.loads(line[9:]) for line in lines[1:]]


def some_sites_in(out, many=1):
    def are_there():
        file = out / "journal" / "Small.jsonl"
        return file.exists() and file.read_bytes().count(b"\n") > many

    return are_there


def continues(begin, out, *arguments):
    """Run the same command again: it searches what is missing, and nothing else."""
    before = len(journal(out))
    assert 0 < before < SITES
    run = begin(*arguments, out=out)
    assert run.end() == 0
    assert f"{before} sites were there already" in run.said
    assert len(journal(out)) == SITES
    with (out / "grid_batch" / "Small.csv").open() as table:
        assert {row["status"] for row in csv.DictReader(table)} == {"ok"}


# ---------------------------------------------------------------------- mechanisms


REASONS = {
    "crash": "segmentation fault (SIGSEGV) in NEURON or a mechanism, twice",
    "loop": "a trial took longer than `trial_timeout_s` allows, twice",
    "devour": "out of memory (that of the machine, or `memory_GiB`), twice",
}


def test_a_mechanism_that_ends_its_process_costs_the_site(begin, tmp_path):
    run = begin(*QUICK, "--trial-timeout", 4, "--memory-limit", 0.7, "--cfg", "kind=1")
    assert run.end() == 1
    parts = {part["site"]["sec"]: part["solution"] for part in journal(tmp_path / "out")}
    for sec, reason in REASONS.items():
        assert parts[sec]["status"] == "failed"
        assert reason in parts[sec]["reason"]
        shown = with_options(parts[sec]["reason"])
        assert "`" not in shown
        assert f"{sec}(0.5): failed, {shown}" in run.said
    table = json.loads((tmp_path / "out" / "weightNorm" / "Small_weightNorm.json").read_text())
    assert table["status"] == {
        "soma": ["ok"], "good": ["ok"] * 5, "crash": ["failed"], "loop": ["failed"],
        "devour": ["failed"],
    }  # fmt: skip


# ---------------------------------------------------------------------- signals


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"]
)
def test_a_signal_ends_a_run_tidily_and_the_same_command_continues(begin, tmp_path, number, code):
    run, out = begin(*SLOW), tmp_path / "out"
    wait_for(some_sites_in(out), "site in the journal")
    run.signal(number)
    run.signal(number)  # an impatient user, or cluster
    assert run.end(10) == code
    assert "the same command continues from there" in run.said
    assert f"{len(journal(out))} finished sites" in run.said
    assert "Traceback" not in run.said
    if number == signal.SIGINT:
        continues(begin, out, *SLOW)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_cells_are_read_ends_the_processes_that_read_them(begin, tmp_path, number):
    run = begin(*SLOW)
    wait_for(lambda: len(living(run.mark)) > 1, "process that reads the cell")
    run.signal(number)
    assert run.end(10) == 128 + number
    assert "the same command continues from there" in run.said


def test_workers_end_with_a_main_process_that_is_killed(begin, tmp_path):
    run, out = begin(*SLOW), tmp_path / "out"
    wait_for(some_sites_in(out), "site in the journal")
    assert len(living(run.mark)) > 2
    run.process.kill()
    assert run.end(10) == -signal.SIGKILL
    assert len(journal(out)) > 0


def test_a_second_run_is_refused_while_the_first_lives(begin, tmp_path):
    run, lock = begin(*SLOW), tmp_path / "out" / ".run.json"
    wait_for(lambda: lock.exists() and lock.read_text(), "lock")
    second = begin(*SLOW)
    assert second.end() == 2
    assert f"in use by another run (process {run.process.pid} on " in second.said


def test_what_compiles_ends_with_a_main_process_that_is_killed(tmp_path):
    model = make_faulty_model(tmp_path / "model")
    mod = model / "mod" / "Faulty.mod"
    mod.write_text(mod.read_text() + f": {tmp_path}, which no cache knows\n")
    run = Run("grid", model, *QUICK, "--out", tmp_path / "out", log=tmp_path / "log")

    def compiles():
        names = []
        for pid in living(run.mark):
            try:
                names.append(Path(f"/proc/{pid}/comm").read_text().strip())
            except OSError:
                continue
        return {"make", "cc1plus"} & set(names)

    wait_for(compiles, "compiler")
    run.process.kill()
    assert run.end(10) == -signal.SIGKILL


# ---------------------------------------------------------------------- disks


def test_a_folder_that_is_removed_during_the_run_is_an_error_in_words(begin, tmp_path):
    run, out = begin(*ALONE), tmp_path / "out"
    wait_for(some_sites_in(out), "site in the journal")
    shutil.rmtree(out)
    assert run.end() == 2
    assert "cannot be written: it was removed during the run" in run.said
    assert "Traceback" not in run.said


def small_files():
    """Let no file of this process grow beyond 7 kB, as on a disk that is nearly full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (7_000, 7_000))


def test_a_journal_that_cannot_grow_any_more_is_whole(begin, tmp_path):
    run, out = begin(*ALONE, preexec_fn=small_files), tmp_path / "out"
    assert run.end() == 2
    assert "cannot be written: File too large; the sites that are in it are safe" in run.said
    assert "Traceback" not in run.said
    assert 0 < len(journal(out)) < SITES


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("file systems cannot be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_is_full_is_an_error_in_words_and_the_journal_is_whole(begin, small_disk):
    out = small_disk / "out"
    run = begin(*ALONE, out=out)
    wait_for(some_sites_in(out), "site in the journal")
    filler = small_disk / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as stream:
        while True:
            stream.write(bytes(512))
    assert run.end() == 2
    assert "cannot be written: No space left on device; the sites that are in it are safe" in (
        run.said
    )
    assert "Traceback" not in run.said
    assert 0 < len(journal(out)) < SITES


def test_a_disk_that_is_made_read_only_during_the_run_is_an_error_in_words(begin, tmp_path):
    run, out = begin(*ALONE), tmp_path / "out"
    wait_for(some_sites_in(out), "site in the journal")
    file = out / "journal" / "Small.jsonl"
    command = shutil.which("chattr")
    if not command or subprocess.run([command, "+i", file], capture_output=True).returncode != 0:
        pytest.skip("files cannot be made immutable here")
    try:
        assert run.end() == 2
        assert "cannot be written: Operation not permitted; the sites that are in it" in run.said
    finally:
        subprocess.run([command, "-i", file], check=True)
    assert 0 < len(journal(out)) < SITES


# ---------------------------------------------------------------------- a short soak


@pytest.mark.slow
def test_tables_are_the_same_bytes_however_often_a_run_is_killed(tmp_path):
    """``python -m benchmarks.soak`` is the long one."""
    command, dice = command_of("norm", 2, ("IT2_reduced",)), random.Random()
    whole_s = whole_run(command, tmp_path / "whole")
    expected = tables(tmp_path / "whole")
    assert len(expected) == 2
    folders, *_ = kill_main(command, tmp_path, 5, whole_s, dice)
    assert all(tables(folder) == expected for folder in folders)
