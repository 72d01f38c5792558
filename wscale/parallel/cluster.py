"""Back ends beyond this machine: a Dask cluster, or the job queue of a cluster."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from wscale.errors import ConfigError, closest, option
from wscale.parallel.chains import Backend
from wscale.parallel.dask_backend import DaskBackend
from wscale.parallel.sandbox import Limits

__all__ = ["KINDS", "cluster_backend"]

KINDS = ("dask", "slurm", "pbs", "sge", "lsf")


@contextmanager
def cluster_backend(
    kind: str,
    limits: Limits,
    *,
    scheduler: str | None = None,
    workers: int | None = None,
    queue: str | None = None,
    walltime: str | None = None,
    job_extra: Sequence[str] = (),
    interface: str | None = None,
) -> Iterator[Backend]:
    """Yield workers on a cluster, and leave nothing behind there.

    Parameters
    ----------
    kind : {"dask", "slurm", "pbs", "sge", "lsf"}
        A running Dask cluster, or a job queue, where each worker is a job.
    limits : Limits
        What a worker may use.
    scheduler : str, optional
        Dask: the scheduler's address, or the path of its scheduler file.
    workers : int, optional
        Job queues: number of jobs.
    queue, walltime : str, optional
        Queue or partition for the jobs, and walltime of each.
    job_extra : sequence of str
        Extra directives for the job script.
    interface : str, optional
        Network interface by which jobs reach this machine; by default only jobs on this machine
        can.

    Raises
    ------
    ConfigError
        An unknown kind, an option that is missing or belongs to another kind, missing packages, a
        cluster that cannot be reached or refuses jobs.
    """
    if kind not in KINDS:
        raise ConfigError(
            f"{option('backend', kind)}: allowed are local, {', '.join(KINDS)}."
            f"{closest(kind, KINDS)}"
        )
    _check_installed("distributed" if kind == "dask" else "dask_jobqueue")
    if kind != "dask":
        if scheduler is not None:
            raise ConfigError(
                f"{option('scheduler')} belongs to {option('backend', 'dask')}; {kind} starts its "
                "own"
            )
        from wscale.parallel.job_queue import job_queue

        with job_queue(kind, limits, workers, queue, walltime, job_extra, interface) as backend:
            yield backend
        return
    of_jobs: dict[str, object] = {"workers": workers, "queue": queue, "walltime": walltime}
    of_jobs |= {"job_extra": job_extra, "interface": interface}
    for name, value in of_jobs.items():
        if value:
            raise ConfigError(
                f"{option(name)} belongs to a job queue ({', '.join(KINDS[1:])}); the workers of "
                f"{option('backend', 'dask')} are those that its cluster has"
            )
    if scheduler is None:
        raise ConfigError(
            f"{option('backend', 'dask')} needs {option('scheduler')}: the address that 'dask "
            "scheduler' prints, or the path of the scheduler file that it writes"
        )
    with DaskBackend(scheduler, limits) as backend:
        yield backend


def _check_installed(package: str) -> None:
    ctrl_c = signal.getsignal(signal.SIGINT)
    try:
        __import__(package)
    except ImportError as error:
        raise ConfigError(
            f"a cluster needs packages that are not installed ({error}): "
            "pip install 'wscale[cluster]'"
        ) from error
    if signal.getsignal(signal.SIGINT) is not ctrl_c:  # dask_jobqueue installs its own handler
        signal.signal(signal.SIGINT, ctrl_c)
