"""Workers that are jobs of a cluster's queue, through dask-jobqueue."""

from __future__ import annotations

import logging
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from wscale._util.cache import cache_folder
from wscale.errors import ConfigError, SimulationError, option
from wscale.parallel.dask_backend import DaskBackend
from wscale.parallel.sandbox import Limits

__all__ = ["job_queue"]

# By kind: dask-jobqueue's class, the command that asks for a job, its answer if the job has gone
_KINDS = {
    "slurm": ("SLURMCluster", "squeue --noheader --format=%T --jobs", r"|.*Invalid job id.*"),
    "pbs": ("PBSCluster", "qstat", r".*(Unknown Job|has finished).*"),
    "sge": ("SGECluster", "qstat -j", r".*do not exist.*"),
    "lsf": ("LSFCluster", "bjobs -noheader -o stat", r".*(EXIT|DONE|not found).*"),
}
# Memory of a job without a memory limit, and what its Dask worker needs in addition, GiB
_MEMORY_GiB, _DASK_GiB = 2.0, 0.5
# A job ends by itself when its scheduler has been gone for this time, s
_ORPHAN_s = 60
# How often lost jobs are replaced, and how long the queue may take to answer, s
_TEND_s, _ANSWER_s = 5.0, 60.0
# How long logs of failed runs are kept, s
_OLD_s = 30 * 86400.0
# How many jobs may end before their workers have come; characters shown of the last one's log
_MOST_FAILED, _TOLD = 3, 1500
_REFUSALS = (RuntimeError, OSError, ValueError)

_logger = logging.getLogger(__name__)


@contextmanager
def job_queue(
    kind: str,
    limits: Limits,
    workers: int | None,
    queue: str | None,
    walltime: str | None,
    job_extra: Sequence[str],
    interface: str | None,
) -> Iterator[DaskBackend]:
    """Submit jobs, one worker each, and cancel them at the end; lost ones are submitted again.

    The Dask scheduler is in this process. It listens on the loopback interface, or on the one that
    is given, and speaks TLS with certificates that are made for this run.

    Parameters
    ----------
    kind, limits, workers, queue, walltime, job_extra, interface
        As for :func:`wscale.parallel.cluster.cluster_backend`.

    Raises
    ------
    ConfigError
        No number of jobs, an unknown interface, or a queue that refuses jobs.
    """
    if workers is None or workers < 1:
        raise ConfigError(
            f"{option('backend', kind)} needs {option('workers')}: how many jobs, 1 or more"
        )
    import dask
    import dask_jobqueue
    from distributed.utils import get_ip_interface

    own = dask.config.get(f"jobqueue.{kind}", {})
    interface = interface or own.get("interface")
    try:
        if interface is not None:
            get_ip_interface(interface)  # type: ignore[no-untyped-call]
    except ValueError as error:
        raise ConfigError(f"{option('interface', interface)}: {error}") from error
    make = getattr(dask_jobqueue, _KINDS[kind][0])
    if shutil.which(program := shlex.split(make.job_cls.submit_command)[0]) is None:
        raise ConfigError(f"{kind} is not on this machine, or not in PATH: there is no {program}")
    folder = _folder(kind)
    keeping = {"distributed.deploy.lost-worker-timeout": f"{_TEND_s:g}s"}
    try:
        with dask.config.set(keeping):
            given = {"queue": queue, "walltime": walltime, "job_extra_directives": list(job_extra)}
            options = {
                **_options(limits, folder, interface, own),
                **{name: value for name, value in given.items() if value},
            }
            try:
                cluster = make(**options)
            except _REFUSALS as error:
                raise ConfigError(f"no scheduler for the jobs of {kind}: {error}") from error
            jobs = _Jobs(kind, cluster, workers, folder)
            try:
                jobs.submit()
                threading.Thread(target=jobs.tend, daemon=True, name="wscale-jobs").start()
                with DaskBackend(
                    cluster, limits, worker_timeout_s=None, check=jobs.check
                ) as backend:
                    yield backend
            finally:
                jobs.end()
    except SimulationError:
        raise  # the logs may say why
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)


def _folder(kind: str) -> Path:
    """Make a folder for certificates and logs, which the jobs see too."""
    try:
        folder = cache_folder("jobs") / f"{kind}-{uuid.uuid4().hex[:12]}"
        folder.mkdir(parents=True, mode=0o700)
        for old in folder.parent.iterdir():
            if time.time() - old.stat().st_mtime > _OLD_s:
                shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise ConfigError(
            f"the jobs' certificates and logs cannot be kept: {error}; set WSCALE_CACHE to a "
            "folder that can be written here and seen by the jobs"
        ) from error
    return folder


def _options(
    limits: Limits, folder: Path, interface: str | None, own: dict[str, Any]
) -> dict[str, Any]:
    """Return dask-jobqueue's options; without an interface, only this machine is reached.

    ``own`` are those of the user's Dask configuration.
    """
    from distributed.security import Security

    security = Security.temporary()  # type: ignore[no-untyped-call]
    for name in ("tls_ca_file", "tls_worker_cert", "tls_worker_key"):  # jobs read them from files
        (folder / name).write_text(getattr(security, name))
        setattr(security, name, str(folder / name))
    place = {"host": "127.0.0.1"} if interface is None else {"interface": interface}
    dashboard = "127.0.0.1:0"  # Dask serves some pages even without a dashboard
    scheduler = {"dashboard": False, "dashboard_address": dashboard, **place}
    cache = os.environ.get("WSCALE_CACHE")  # not all queues pass variables on
    exports = [] if cache is None else [f"export WSCALE_CACHE={shlex.quote(cache)}"]
    return {
        "cores": 1,
        "processes": 1,
        "memory": f"{(limits.memory_GiB or _MEMORY_GiB) + _DASK_GiB:g}GiB",
        "job_name": "wscale",
        "nanny": False,  # a worker that ends is a job that ends
        "security": security,
        "log_directory": str(folder),
        "death_timeout": _ORPHAN_s,
        "python": shlex.quote(sys.executable),
        "scheduler_options": {**scheduler, **(own.get("scheduler-options") or {})},
        "worker_extra_args": [
            *("--no-dashboard", "--dashboard-address", dashboard),
            *(["--host", "127.0.0.1"] if interface is None else []),
        ],
        "job_script_prologue": [*(own.get("job-script-prologue") or ()), *exports],
        **({} if interface is None else {"interface": interface}),
    }


class _Jobs:
    """The jobs of a run."""

    def __init__(self, kind: str, cluster: Any, number: int, folder: Path) -> None:
        self._kind, self._cluster, self._number, self._folder = kind, cluster, number, folder
        self._came: set[str] = set()  # those whose workers came
        self._failed = 0
        self._ended = threading.Event()

    def submit(self) -> None:
        """Submit them.

        Raises
        ------
        ConfigError
            With what the queue said.
        """
        try:
            self._as_asked()
        except _REFUSALS as error:
            raise ConfigError(
                f"{self._kind} does not take the job: {_said(error)}; see {option('queue')}, "
                f"{option('walltime')}, {option('memory_GiB')} and {option('job_extra')}"
            ) from error

    def tend(self) -> None:
        """Replace jobs that are lost (in its own thread)."""
        told = False
        while not self._ended.wait(_TEND_s) and self._failed <= _MOST_FAILED:
            try:
                workers = self._cluster.scheduler_info["workers"].values()
                self._came |= {one["name"] for one in workers}
                if not self._came and not told:
                    told = True
                    _logger.warning(
                        "the logs of the jobs of %s are in %s", self._kind, self._folder
                    )
                for name, job in list(self._cluster.workers.items()):
                    if name not in self._came and self._has_gone(job.job_id):
                        self._failed += 1
                        self._forget(name)
                self._as_asked()
            except Exception as error:
                if not self._ended.is_set():
                    _logger.warning("%s does not take a job now: %s", self._kind, _said(error))

    def check(self) -> None:
        """Raise SimulationError if several have ended before their workers came."""
        if self._failed > _MOST_FAILED:
            raise SimulationError(
                f"{self._failed} jobs of {self._kind} ended before their workers came. "
                f"{self._last_words()}Where jobs run on other machines than this one, give "
                f"{option('interface')}. Finished sites are in the journal"
            )

    def end(self) -> None:
        """Cancel them all."""
        self._ended.set()
        self._forget_refused()
        with suppress(Exception):  # at exit, Dask tries once more
            self._cluster.close(timeout=_ANSWER_s)

    def _as_asked(self) -> None:
        """Submit jobs until there are as many as were asked for."""

        async def scale() -> None:
            self._cluster.scale(jobs=self._number)
            await self._cluster  # raises if a job is refused

        self._forget_refused()
        talkative = logging.getLogger("tornado.application")  # would log the same at length
        talkative.disabled = True
        try:
            self._cluster.sync(scale)
        finally:
            talkative.disabled = False

    def _forget_refused(self) -> None:
        for name, job in list(self._cluster.workers.items()):
            if job.job_id is None:
                self._forget(name)

    def _forget(self, name: str) -> None:
        from distributed import Status

        self._cluster.workers.pop(name).status = Status.closed

    def _has_gone(self, job_id: str) -> bool:
        _, ask, gone = _KINDS[self._kind]
        try:
            said = subprocess.run(
                [*shlex.split(ask), job_id],
                capture_output=True,
                text=True,
                timeout=_ANSWER_s,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        return re.fullmatch(gone, (said.stdout + said.stderr).strip(), re.DOTALL) is not None

    def _last_words(self) -> str:
        logs = [path for path in self._folder.iterdir() if not path.name.startswith("tls_")]
        for log in sorted(logs, key=lambda path: path.stat().st_mtime, reverse=True):
            if end := log.read_text(errors="replace")[-_TOLD:]:
                return f"The end of {log}:\n{end}\n"
        return ""


def _said(error: Exception) -> str:
    """Return what a submission command printed on stderr, if dask-jobqueue quotes it."""
    text = str(error)
    _, found, stderr = text.partition("stderr:\n")
    return " ".join((stderr if found and stderr.strip() else text).split())
