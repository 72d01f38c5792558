"""Spreading tasks over processes: the same function and the same numbers for any number of jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import joblib

from wscale.errors import ConfigError

__all__ = ["number_of_jobs", "run_tasks"]

Task = TypeVar("Task")
Result = TypeVar("Result")


def number_of_jobs(jobs: int = -1) -> int:
    """Return the number of processes that a ``jobs`` setting stands for on this machine.

    Parameters
    ----------
    jobs : int
        A positive number; -1: all cores this process may use, -2: all but one, and so on.

    Raises
    ------
    ConfigError
        ``jobs`` is 0 or not a whole number.

    Examples
    --------
    >>> number_of_jobs(3)
    3
    """
    if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs == 0:
        raise ConfigError(
            f"jobs = {jobs!r}; allowed are 1, 2, ... or -1 for all cores, -2 for all but one"
        )
    return int(joblib.effective_n_jobs(jobs))


def run_tasks(
    function: Callable[[Task], Result], tasks: Iterable[Task], jobs: int = -1
) -> Iterator[Result]:
    """Run a function on every task and yield the results as they finish, in any order.

    Parameters
    ----------
    function : callable
        Takes a task; both can be pickled. It runs in worker processes (loky), or in this process
        where there is one job.
    tasks : iterable
        What to do.
    jobs : int
        Number of processes, see :func:`number_of_jobs`.

    Yields
    ------
    Result
        What the function returned.

    Examples
    --------
    >>> sorted(run_tasks(abs, [-2, 1, -3], jobs=1))
    [1, 2, 3]
    """
    parallel = joblib.Parallel(
        n_jobs=number_of_jobs(jobs),
        backend="loky",
        return_as="generator_unordered",
        batch_size=1,
        pre_dispatch="2*n_jobs",
    )
    yield from parallel(joblib.delayed(function)(task) for task in tasks)
