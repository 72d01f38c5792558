"""A soak: runs that are killed at random moments, continued, and compared with one that is not.

    python -m benchmarks.soak [--kills 50] [--workers 20] [--servers 6] [--seed 1] [--jobs 2]

``wscale grid`` and ``wscale norm`` over some reduced cells are each run to the end once. Then their
main process alone is killed (SIGKILL) again and again, each time within the time that is left, and
the same command started once more, until the kills are done and the tables are there. Last, single
workers of both are killed while they search, and the process from which workers are forked: those
that run go on, and later ones are forked from another. All tables must be those of the first runs,
byte for byte, and no process of a killed run may be left.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

__all__ = ["CELLS", "kill_main", "kill_processes", "living", "tables", "whole_run"]

REPO = Path(__file__).resolve().parents[1]
CELLS = ("PV_simple", "IT2_reduced", "PT5B_reduced", "CT6_reduced")
MARK = "WSCALE_RUN_MARK"
# How long processes may take to be gone, s
_GONE_s = 10.0


def tables(out: Path) -> dict[str, bytes]:
    """Return the tables of a results folder, by name, without half-written ones."""
    found = [*out.glob("weightNorm/*"), *out.glob("grid_batch/*.csv")]
    whole = [file for file in sorted(found) if not file.name.startswith(".")]
    return {str(file.relative_to(out)): file.read_bytes() for file in whole}


def living(mark: str) -> list[int]:
    """Return the processes that have a mark in their environment (Linux)."""
    found, wanted = [], f"{MARK}={mark}".encode()
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                if wanted in (process / "environ").read_bytes().split(b"\0"):
                    found.append(int(process.name))
            except OSError:  # it has ended, or belongs to somebody else
                continue
    return found


def _forked(mark: str, main: int) -> dict[str, list[int]]:
    """Return a run's workers, and the servers that they are forked from (Linux).

    Both have the server's command line; the server is a child of the main process.
    """
    found: dict[str, list[int]] = {"worker": [], "server": []}
    for pid in living(mark):
        process = Path(f"/proc/{pid}")
        with contextlib.suppress(OSError, IndexError):  # it has ended
            if b"multiprocessing.forkserver" in (process / "cmdline").read_bytes():
                state, parent = (process / "stat").read_text().rpartition(")")[2].split()[:2]
                if state != "Z":
                    found["server" if int(parent) == main else "worker"].append(pid)
    return found


def _started(command: list[str], out: Path, mark: str) -> subprocess.Popen[bytes]:
    # The command is part of a table's provenance: it is the same in all folders
    return subprocess.Popen(
        [sys.executable, "-m", "wscale", *command, "--out", "."],
        cwd=out,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env={**os.environ, MARK: mark},
    )


def _all_gone(mark: str) -> float:
    """Return how long it takes until no process of a run is left, s."""
    start = time.monotonic()
    while left := living(mark):
        waited = time.monotonic() - start
        assert waited < _GONE_s, f"processes {left} are left {waited:.0f} s after the run's end"
        time.sleep(0.01)
    return time.monotonic() - start


def command_of(method: str, jobs: int, cells: tuple[str, ...] = CELLS) -> list[str]:
    """Return the arguments of a search."""
    chosen = [word for cell in cells for word in ("--cell", cell)]
    # The time step is small, so that there is something to interrupt
    return [method, str(REPO), *chosen, "--jobs", str(jobs), "--cfg", "dt=0.005"]


def whole_run(command: list[str], out: Path) -> float:
    """Run a search to its end, and return how long it took, s."""
    out.mkdir()
    mark, start = uuid.uuid4().hex, time.monotonic()
    code = _started(command, out, mark).wait()
    assert code == 0, f"exit code {code}"
    _all_gone(mark)
    return time.monotonic() - start


def kill_main(
    command: list[str], root: Path, kills: int, whole_s: float, dice: random.Random
) -> tuple[list[Path], int, float]:
    """Kill the main process of a search at random moments, until it is finished all the same.

    Returns
    -------
    folders : list of Path
        Of the searches, each of them finished; the last one was begun before the last kill.
    starts : int
        How often the command was started in all.
    slowest_s : float
        Longest time until all processes of a killed run were gone, s.
    """
    folders: list[Path] = []
    killed, starts, slowest_s, finished = 0, 0, 0.0, True
    while killed < kills or not finished:
        if finished:
            folders.append(root / f"killed{len(folders)}")
            folders[-1].mkdir()
        mark = uuid.uuid4().hex
        run = _started(command, folders[-1], mark)
        starts += 1
        try:
            code = run.wait(dice.uniform(0.0, whole_s) if killed < kills else None)
            assert code == 0, f"exit code {code} of a run that was not killed"
            finished = True
        except subprocess.TimeoutExpired:
            os.kill(run.pid, signal.SIGKILL)
            run.wait()
            killed, finished = killed + 1, False
        slowest_s = max(slowest_s, _all_gone(mark))
    return folders, starts, slowest_s


def kill_processes(
    kind: str, command: list[str], out: Path, pause_s: float, dice: random.Random
) -> int:
    """Kill a "worker" now and then, or the "server" once, while a search runs; return how many.

    A process whose server is killed twice while it starts cannot be started.
    """
    out.mkdir()
    mark, killed = uuid.uuid4().hex, 0
    run = _started(command, out, mark)
    while True:
        try:
            once = killed > 0 and kind == "server"
            code = run.wait(None if once else pause_s * dice.uniform(0.5, 1.5))
        except subprocess.TimeoutExpired:
            if found := _forked(mark, run.pid)[kind]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(dice.choice(found), signal.SIGKILL)
                    killed += 1
            continue
        assert code == 0, f"exit code {code}"
        _all_gone(mark)
        return killed


def main() -> None:
    """Run the soak and print its figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="of the main process")
    parser.add_argument("--workers", type=int, default=20, help="kills of workers")
    parser.add_argument("--servers", type=int, default=6, help="kills of what they are forked from")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    dice = random.Random(args.seed)
    with tempfile.TemporaryDirectory(prefix="wscale-soak-") as scratch:
        for method in ("grid", "norm"):
            command, root = command_of(method, args.jobs), Path(scratch) / method
            root.mkdir()
            whole_s = whole_run(command, root / "whole")
            expected = tables(root / "whole")
            kills = -(-args.kills // 2)
            folders, starts, slowest_s = kill_main(command, root, kills, whole_s, dice)
            for folder in folders:
                assert tables(folder) == expected, f"tables in {folder.name} differ"
            print(
                f"{method}: {whole_s:.1f} s uninterrupted; main process killed {kills} times in "
                f"{starts} starts of {len(folders)} searches; workers gone after {slowest_s:.2f} s "
                f"at most; {len(expected)} tables identical each time",
                flush=True,
            )
            for kind, wanted in (("worker", args.workers), ("server", args.servers)):
                killed = runs = 0
                while killed < -(-wanted // 2):
                    runs += 1
                    out = root / f"{kind}{runs}"
                    killed += kill_processes(kind, command, out, whole_s / 2, dice)
                    assert tables(out) == expected, f"tables in {out.name} differ"
                print(
                    f"{method}: {killed} {kind}s killed in {runs} runs; tables identical",
                    flush=True,
                )


if __name__ == "__main__":
    main()
