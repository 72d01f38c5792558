"""A Dask cluster of real processes on the loopback interface, for tests."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

WAIT_S = 300  # on a busy machine


def until(condition: Callable[[], object]) -> None:
    """Wait until a condition is true; fail after ``WAIT_S`` seconds."""
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


class Cluster:
    """A scheduler and its workers, each a process without a nanny."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "scheduler.json"
        self.workers: list[subprocess.Popen[bytes]] = []
        self.scheduler = self._start("scheduler", "--port", "0", "--scheduler-file", self.file)
        until(self.file.exists)

    def _start(
        self, program: str, *options: object, variables: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        number = len(list(self.folder.glob("*.log")))
        with (self.folder / f"{program}{number}.log").open("wb") as log:
            return subprocess.Popen(
                [
                    *(sys.executable, "-m", "distributed.cli.dask_" + program),
                    *("--host", "127.0.0.1", "--no-dashboard", *map(str, options)),
                ],
                cwd=self.folder,
                env={**os.environ, **(variables or {})},
                stdout=log,
                stderr=log,
            )

    def add_worker(self, *options: object, **variables: str) -> subprocess.Popen[bytes]:
        """Start a worker; it is ready a few seconds later."""
        connection = ("--scheduler-file", self.file, "--nthreads", "1", "--no-nanny")
        self.workers.append(self._start("worker", *connection, *options, variables=variables))
        return self.workers[-1]

    def stop(self) -> None:
        """Terminate the workers, then the scheduler; kill those that do not end."""
        for processes in (self.workers, [self.scheduler]):
            for process in processes:
                process.terminate()
            for process in processes:
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


@contextmanager
def dask_cluster(folder: Path, workers: int = 0) -> Iterator[Cluster]:
    """Start a cluster in a folder, and end all of its processes."""
    cluster = Cluster(folder)
    try:
        for _ in range(workers):
            cluster.add_worker()
        yield cluster
    finally:
        cluster.stop()
