"""Workers on a Dask cluster. What is decided about sites is decided in wscale.parallel.chains."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from wscale.errors import ConfigError, SimulationError
from wscale.parallel import daskworker
from wscale.parallel.daskconnect import VERSIONS, CONNECT_s, connected, differences
from wscale.parallel.limits import Limits
from wscale.parallel.parcel import pack, unpack
from wscale.parallel.pool import WorkerLost
from wscale.parallel.sandbox import WorkerDied

__all__ = ["DaskBackend"]

# How often it is looked who is there, and how long a scheduler or worker may take to answer, s
_LOOK_s, _ANSWER_s = 0.5, 60.0
# A wait for workers that takes so long is told, s
_TOLD_AFTER_s = 5.0

_logger = logging.getLogger(__name__)


@dataclass(eq=False)
class _Call:
    """What a worker is on."""

    address: str
    outcome: Future[Any]
    following: asyncio.Task[None] | None = None

    def ends(self, error: Exception) -> None:
        """Give it up, and let Dask forget it."""
        if not self.outcome.done():
            self.outcome.set_exception(error)
        if self.following is not None:
            self.following.cancel()


class DaskBackend:
    """The workers of a Dask cluster; a context manager.

    Each thread of a Dask worker stands for one worker, ``<address>#<number>``, with a process of
    its own, in which NEURON runs.

    Parameters
    ----------
    scheduler : str, path or distributed cluster
        The scheduler's address, its scheduler file, or a cluster object of Dask.
    limits : Limits, optional
        What a worker may use.
    worker_timeout_s : float or None
        How long there may be no worker at all, s. None: without limit.
    tend : callable, optional
        A coroutine function that is called now and then in the cluster's event loop.

    Raises
    ------
    ConfigError
        The scheduler cannot be reached, or a worker has other versions than this process.

    Examples
    --------
    >>> from distributed import LocalCluster
    >>> with LocalCluster(1, threads_per_worker=2, dashboard_address="127.0.0.1:0") as cluster:
    ...     with DaskBackend(cluster) as backend:
    ...         backend.submit(backend.workers()[0], abs, -3).result()
    3
    """

    def __init__(
        self,
        scheduler: Any,
        limits: Limits | None = None,
        *,
        worker_timeout_s: float | None = 60.0,
        tend: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.call_s = 2e-3
        self._timeout_s, self._tend = worker_timeout_s, tend
        self._client = connected(scheduler)
        self._where = self._client.scheduler.address
        self._loop = self._client.loop.asyncio_loop
        self._run = uuid.uuid4().hex
        self._names: list[str] = []
        self._threads: dict[str, int] = {}  # of the Dask workers that were found to be sound
        self._refused: dict[str, str] = {}
        self._looking: dict[str, asyncio.Task[None]] = {}
        self._calls: set[_Call] = set()
        self._numbers = 0
        self._problem: SimulationError | None = None
        self._used = self._told = False
        self._none_since = time.monotonic()
        self._watcher: Future[None] | None = None
        try:
            self._wait_for(self._begin(), _ANSWER_s)
            self._raise_refusal()
            self._watcher = asyncio.run_coroutine_threadsafe(self._watch(), self._loop)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> DaskBackend:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def workers(self) -> list[str]:
        """Return the names of the workers that there are now.

        Raises
        ------
        SimulationError
            The scheduler is gone, or there has been no worker for too long.
        ConfigError
            The first workers that came have other versions than this process.
        """
        if self._problem is not None:
            raise self._problem
        if not self._names:
            if not self._used:
                self._raise_refusal()
            self._wait_told(time.monotonic() - self._none_since)
        return self._names

    def submit(
        self, worker: str, function: Callable[..., Any], /, *args: Any, fresh: bool = False
    ) -> Future[Any]:
        """Call a function in a worker, see :class:`wscale.parallel.pool.Backend`."""
        self._used = True
        address, _, number = worker.rpartition("#")
        call = _Call(address, Future())
        doing = self._follow(call, int(number), pack((function, args)), fresh)
        asyncio.run_coroutine_threadsafe(doing, self._loop)
        return call.outcome

    def stop(self) -> None:
        """End all calls at once, and the processes that they are in."""
        with suppress(Exception):  # whatever the state of the cluster, this is the end
            self._wait_for(self._stop(), CONNECT_s)

    def close(self) -> None:
        """Leave the cluster."""
        self.stop()
        if self._watcher is not None:
            self._watcher.cancel()
        with suppress(Exception):
            self._client.close(timeout=CONNECT_s)

    def _wait_for(self, doing: Coroutine[Any, Any, None], seconds: float) -> None:
        asyncio.run_coroutine_threadsafe(asyncio.wait_for(doing, seconds), self._loop).result()

    def _raise_refusal(self) -> None:
        for text in self._refused.values():
            raise ConfigError(text)

    def _wait_told(self, waited_s: float) -> None:
        if self._timeout_s is not None and waited_s > self._timeout_s:
            raise SimulationError(
                f"the cluster at {self._where} has had no worker for {self._timeout_s:g} s; "
                "finished sites are in the journal: when there are workers, the same command "
                "continues"
            )
        if waited_s > _TOLD_AFTER_s and not self._told:
            _logger.warning("waiting for workers at %s", self._where)
            self._told = True

    # ------------------------------------------------------------------ in the event loop

    async def _begin(self) -> None:
        try:
            await self._look()
        except OSError as error:
            raise ConfigError(f"the scheduler at {self._where} does not answer: {error}") from error
        if self._looking:
            await asyncio.wait(self._looking.values(), timeout=CONNECT_s)

    async def _watch(self) -> None:
        tending: asyncio.Future[object] | None = None
        while self._problem is None:
            await asyncio.sleep(_LOOK_s)
            try:
                if self._client.status != "running":
                    raise OSError("the connection is closed")
                await asyncio.wait_for(self._look(), _ANSWER_s)
                if tending is not None and tending.done():
                    tending.result()
                if self._tend is not None and (tending is None or tending.done()):
                    tending = asyncio.ensure_future(self._tend())
            except SimulationError as error:
                self._give_up(error)
            except Exception as error:  # Dask has many ways to say that a scheduler is gone
                self._give_up(
                    SimulationError(
                        f"the scheduler at {self._where} is gone ({error or type(error).__name__});"
                        " finished sites are in the journal: when it runs again, the same command "
                        "continues"
                    )
                )

    def _give_up(self, problem: SimulationError) -> None:
        self._problem = problem
        for call in list(self._calls):
            call.ends(WorkerLost(str(problem)))

    async def _look(self) -> None:
        """Find out who is there, who is new and who has gone."""
        threads: dict[str, int] = dict(await self._client.nthreads())
        for address in self._looking.keys() - threads.keys():
            self._looking.pop(address).cancel()
            self._threads.pop(address, None)
            self._refused.pop(address, None)
            for call in list(self._calls):
                if call.address == address:
                    call.ends(WorkerLost(f"the worker {address} went away"))
        for address in threads.keys() - self._looking.keys():
            examining = self._examine(address, threads[address])
            self._looking[address] = asyncio.create_task(examining)
        self._list()

    def _list(self) -> None:
        self._names = [
            f"{address}#{number}"
            for address, threads in list(self._threads.items())
            for number in range(threads)
        ]
        if self._names:
            self._none_since, self._told = time.monotonic(), False

    async def _examine(self, address: str, threads: int) -> None:
        """Take a worker that has our versions; refuse any other."""
        try:
            answers = await self._client.run(eval, VERSIONS, workers=[address], on_error="return")
            there = answers.get(address)
        except Exception as error:
            there = error
        if isinstance(there, OSError):  # it has gone again, or is asked once more
            self._looking.pop(address, None)
            return
        asked = isinstance(there, dict)
        text = differences(there) if asked else f"cannot be asked for its versions: {there}"
        if text:
            self._refused[address] = f"worker {address} {text}"
            if self._used:
                _logger.warning("worker %s %s; it gets no work", address, text)
        else:
            self._threads[address] = threads
            self._list()

    async def _follow(self, call: _Call, number: int, parcel: bytes, fresh: bool) -> None:
        self._calls.add(call)
        call.following = asyncio.current_task()
        self._numbers += 1
        try:
            if self._problem is not None or call.address not in self._threads:
                raise OSError("it is not there any more")
            future = self._client.submit(
                daskworker.call,
                self._run,
                number,
                parcel,
                fresh,
                key=f"wscale-{self._run}-{self._numbers}",
                workers=[call.address],
                allow_other_workers=False,
                pure=False,
                retries=0,
            )
            answer, error = await future
            if error is None:
                call.outcome.set_result(unpack(answer))
            else:
                call.ends(error)
        except (CancelledError, asyncio.CancelledError, OSError) as why:
            call.ends(WorkerLost(f"the worker {call.address} went away: {why}"))
        except Exception as why:
            call.ends(why)
        finally:
            call.following = None
            self._calls.discard(call)

    async def _stop(self) -> None:
        for call in list(self._calls):
            call.ends(WorkerDied("stopped"))
        if self._problem is None and self._used and self._threads:
            ended, self._run = self._run, uuid.uuid4().hex
            await self._client.run(
                daskworker.close, ended, workers=list(self._threads), on_error="ignore"
            )
