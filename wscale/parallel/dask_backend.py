"""Searches on a Dask cluster: this process gives each worker its sites, one after another.

A Dask worker holds no NEURON. It passes sites on to sandboxes, as this machine's pool does, so a
crash or a limit is the outcome of one site, and the Dask worker lives on.
"""

from __future__ import annotations

import json
import logging
import math
import multiprocessing
import pickle
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from wscale.errors import ConfigError, OtherMechanismsError, SimulationError, option
from wscale.parallel.chains import Chain, Sandboxes, run_chain
from wscale.parallel.sandbox import Limits, SandboxDied

__all__ = ["DaskBackend"]

# A site on which this many workers were lost is given up
LOSSES = 3
# How long a scheduler and the first workers may take to answer, and the workers to end a run, s
_CONNECT_s, _END_s = 10.0, 1.0
# How often the list of workers is updated, and when a wait for workers is reported, s
_LOOK_s, _TOLD_AFTER_s = 0.5, 5.0
# Target time between a worker's answers, s: it searches several quick sites before it answers
_ANSWER_s = 0.5
# Versions that decide the numbers; evaluated by workers without importing wscale
_VERSIONS = """(lambda found, sys, platform: {
    "python": "%d.%d" % sys.version_info[:2],
    "machine": platform.machine(),
    **{name: next((one.version for one in found(name=name)), None)
       for name in ("wscale", "neuron", "netpyne", "numpy", "scipy")}
})(__import__("importlib.metadata").metadata.distributions, __import__("sys"),
    __import__("platform"))"""
_FINISHED = "finished sites are in the journal: when {}, the same command continues"

_logger = logging.getLogger(__name__)


@dataclass(eq=False)
class _Batch:
    """What is left of a batch of chains of one cell."""

    chains: deque[Chain]
    size: int = 1  # how many sites a worker searches before it answers
    losses: int = 0

    def next(self) -> list[Chain]:
        """Return the chains to search next."""
        left, chains = self.size, []
        for chain in self.chains:
            if left > 0:
                chains.append(replace(chain, packed=b"", indices=chain.indices[:left]))
                left -= len(chain.indices)
        return chains

    def take(self, outcomes: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """Yield the outcomes of the next sites, and drop these."""
        self.losses = 0
        for outcome in outcomes:
            chain = self.chains.popleft()
            if rest := chain.indices[1:]:
                before = (*chain.before, outcome)
                self.chains.appendleft(replace(chain, indices=rest, before=before))
            yield chain.number, outcome

    def lose(self, reason: str) -> Iterator[tuple[int, Any]]:
        """Count the loss of a worker; yield the outcome of a site that is given up."""
        self.size, self.losses = 1, self.losses + 1
        _logger.info("%s", reason)
        if self.losses >= LOSSES:
            chain = self.chains[0]
            why = f"{reason}; {LOSSES} workers were lost on it"
            yield from self.take([pickle.loads(chain.packed).failed(chain.indices[0], why)])


@dataclass(frozen=True)
class _Calls:
    """Calls of a function as :class:`wscale.parallel.chains.Work`: an error is an outcome."""

    function: Callable[[Any], Any]
    tasks: tuple[Any, ...]

    def prepare(self) -> None:
        """Nothing is needed."""

    def search(self, index: int, _: object) -> tuple[Exception | None, Any]:
        """Call the function (in a sandbox)."""
        try:
            return None, self.function(self.tasks[index])
        except (MemoryError, OtherMechanismsError):  # of this process
            raise
        except Exception as error:
            return error, None

    def failed(self, _: int, reason: str) -> tuple[Exception, None]:
        """Return the error of a call that ended its processes."""
        return SimulationError(f"a worker could not do its work: {reason}"), None


class DaskBackend:
    """The workers of a Dask cluster; a context manager.

    Each thread of a Dask worker counts as one worker, and has its own process for NEURON.

    Parameters
    ----------
    scheduler : str, path, distributed cluster or distributed.Client
        The scheduler's address, its scheduler file, a cluster object of Dask, or a client, which
        stays open.
    limits : Limits, optional
        What a worker may use.
    worker_timeout_s : float or None
        How long there may be no worker at all, s. None: without limit.
    check : callable, optional
        Called every half second during a search, to raise what went wrong with the cluster.

    Raises
    ------
    ConfigError
        The scheduler cannot be reached, or a worker has other versions than this process.

    Examples
    --------
    >>> from distributed import LocalCluster
    >>> with LocalCluster(1, threads_per_worker=2, dashboard_address="127.0.0.1:0") as cluster:
    ...     with DaskBackend(cluster) as backend:
    ...         backend.map(abs, [-3, 2])
    [3, 2]
    """

    def __init__(
        self,
        scheduler: Any,
        limits: Limits | None = None,
        *,
        worker_timeout_s: float | None = 60.0,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        from distributed import Client

        self.limits = limits or Limits()
        self._timeout_s, self._check = worker_timeout_s, check
        self._own = not isinstance(scheduler, Client)
        self._client: Any = _client(scheduler) if self._own else scheduler
        self._where = self._client.scheduler.address
        self._run = uuid.uuid4().hex
        self._asked: dict[str, Any] = {}  # futures of versions, by the worker's address
        self._threads: dict[str, int] = {}  # of the workers that may be used
        self._begun = self._used = self._told = False  # _used: there are processes of the run
        self._seen = time.monotonic()  # when there was a worker
        try:
            self._look()
            while any(self._asked.values()) and time.monotonic() < self._seen + _CONNECT_s:
                time.sleep(_LOOK_s / 10)
                self._look()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> DaskBackend:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def n_workers(self) -> int:
        """Number of workers now."""
        self._look()
        return sum(self._threads.values())

    def search(
        self, batches: Sequence[Sequence[Chain]], idle: Callable[[], None] = lambda: None
    ) -> Generator[tuple[int, Any], None, None]:
        """Search chains, see :meth:`wscale.parallel.chains.Backend.search`."""
        waiting = deque(_Batch(deque(batch)) for batch in batches if batch)
        running: dict[Any, tuple[_Batch, str]] = {}  # by future; and on which worker
        packed: dict[tuple[str, str], Any] = {}  # futures of cells, by worker and key
        arrived: SimpleQueue[Any] = SimpleQueue()
        self._seen, looked = time.monotonic(), -math.inf

        def start(batch: _Batch, address: str) -> None:
            cell = address, batch.chains[0].key
            if cell not in packed:
                packed[cell] = self._submit(address, bytes, batch.chains[0].packed)
            asked = pickle.dumps(batch.next())
            future = self._submit(address, _search, self._run, self.limits, asked, packed[cell])
            running[future] = batch, address
            self._begun = self._used = True
            future.add_done_callback(arrived.put)

        def lose(future: Any, why: object = "") -> Iterator[tuple[int, Any]]:
            batch, address = running.pop(future)
            packed.pop((address, batch.chains[0].key), None)
            yield from batch.lose(f"the worker {address} went away {why}".rstrip())
            if batch.chains:
                waiting.appendleft(batch)

        try:
            while waiting or running:
                idle()
                if time.monotonic() - looked > _LOOK_s:
                    self._look()
                    self._check_patience()
                    self._check()
                    looked = time.monotonic()
                    gone = {k for k in packed if k[0] not in self._threads}
                    lost = [
                        one for one, (_, where) in running.items() if where not in self._threads
                    ]
                    with self._speaking():
                        self._client.cancel([*lost, *(packed.pop(k) for k in gone)])
                    for future in lost:
                        yield from lose(future)
                busy = Counter(address for _, address in running.values())
                for address, threads in self._threads.items():
                    for _ in range(min(threads - busy[address], len(waiting))):
                        start(waiting.popleft(), address)
                try:
                    future = arrived.get(timeout=_LOOK_s)
                    if future not in running:  # it was lost
                        continue
                    outcomes, seconds = future.result(timeout=_LOOK_s)
                except Empty:
                    continue
                except TimeoutError:  # it comes, or its worker is lost
                    arrived.put(future)
                except Exception as error:
                    self._look()  # is the scheduler there?
                    yield from lose(future, error)
                else:
                    batch, address = running.pop(future)
                    found = list(batch.take(outcomes))
                    batch.size = max(1, min(2 * batch.size, int(batch.size * _ANSWER_s / seconds)))
                    if batch.chains and address in self._threads:
                        start(batch, address)
                    elif batch.chains:
                        waiting.appendleft(batch)
                    yield from found
        except BaseException:
            self._stop(list(running))
            raise

    def map(self, function: Callable[[Any], Any], tasks: Sequence[Any]) -> list[Any]:
        """Call a function on each task, see :meth:`wscale.parallel.chains.Backend.map`."""
        packed, key = pickle.dumps(_Calls(function, tuple(tasks))), uuid.uuid4().hex
        results = {}
        calls = [[Chain(k, key, packed, (k,))] for k in range(len(tasks))]
        with closing(self.search(calls)) as answers:
            for k, (error, result) in answers:
                if error is not None:
                    raise error
                results[k] = result
        return [result for _, result in sorted(results.items())]

    def close(self) -> None:
        """Leave the cluster, and no process on it."""
        self._stop([])
        if self._own:
            with suppress(Exception):  # whatever the state of the cluster
                self._client.close(timeout=_CONNECT_s)

    def _submit(self, address: str, function: Callable[..., Any], *args: Any) -> Any:
        with self._speaking():
            return self._client.submit(
                function,
                *args,
                key=f"wscale-{uuid.uuid4().hex}",
                workers=[address],
                allow_other_workers=False,
                pure=False,
            )

    def _look(self) -> None:
        """Update the list of workers, and ask new ones for their versions."""
        with self._speaking():
            if self._client.status != "running":
                raise OSError("the connection is closed")
            there: dict[str, int] = dict(self._client.nthreads())
        for address in self._asked.keys() - there.keys():
            del self._asked[address]
            self._threads.pop(address, None)
        for address in there.keys() - self._asked.keys():
            self._asked[address] = self._submit(address, eval, _VERSIONS)
        for address in [one for one, future in self._asked.items() if future and future.done()]:
            future, self._asked[address] = self._asked[address], None
            try:
                text = _differences(future.result(timeout=_CONNECT_s))
            except Exception as error:  # it has gone, perhaps
                text = f"cannot be asked for its versions ({error})"
            else:
                if text and not self._begun:
                    raise ConfigError(f"worker {address} {text}")
            if text:
                _logger.warning("worker %s %s; it gets no work", address, text)
            else:
                self._threads[address] = there[address]

    def _check_patience(self) -> None:
        """Raise an error if there has been no worker for too long."""
        if self._threads:
            self._seen, self._told = time.monotonic(), False
        waited_s = time.monotonic() - self._seen
        if self._timeout_s is not None and waited_s > self._timeout_s:
            raise SimulationError(
                f"the cluster at {self._where} has had no worker for {self._timeout_s:g} s; "
                + _FINISHED.format("there are workers")
            )
        if waited_s > _TOLD_AFTER_s and not self._told:
            _logger.warning("waiting for workers at %s", self._where)
            self._told = True

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        """Raise one error if the scheduler is gone, whatever Dask raises."""
        try:
            yield
        except Exception as error:
            raise SimulationError(
                f"the scheduler at {self._where} is gone ({error or type(error).__name__}); "
                + _FINISHED.format("it runs again")
            ) from error

    def _stop(self, futures: list[Any]) -> None:
        """End all calls at once, and the processes that they are in."""
        run, self._run = self._run, uuid.uuid4().hex
        used, self._used = self._used, False

        def end() -> None:
            with suppress(Exception):  # whatever the state of the cluster
                self._client.run(_end, run, workers=list(self._threads), on_error="ignore")
                self._client.cancel(futures)

        if used and self._threads and self._client.status == "running":
            ending = threading.Thread(target=end, daemon=True)  # a worker may not answer
            ending.start()
            ending.join(_END_s)


def _client(scheduler: Any) -> Any:
    """Return a client of the scheduler at an address, of a scheduler file or of a cluster."""
    from distributed import Client

    if isinstance(scheduler, str | Path) and "://" not in str(scheduler):
        file = Path(scheduler).expanduser()
        try:
            scheduler = str(json.loads(file.read_text())["address"])
        except FileNotFoundError:
            raise ConfigError(
                f"{option('scheduler', str(scheduler))} is neither an address, such as "
                "tcp://127.0.0.1:8786, nor a file that there is"
            ) from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"{file} is not the scheduler file of a Dask scheduler: {error!r}"
            ) from error
    try:
        return Client(  # type: ignore[no-untyped-call]
            scheduler, timeout=_CONNECT_s, set_as_default=False, name="wscale"
        )
    except (OSError, TimeoutError, ValueError, TypeError, RuntimeError) as error:
        raise ConfigError(
            f"no Dask scheduler answers at {scheduler}: {error}; is it running, does this machine "
            "reach it, and is it one with or without TLS as the address says?"
        ) from error


def _differences(there: dict[str, str | None]) -> str:
    """Return how a worker's versions differ from those here; empty if they do not."""
    here = eval(_VERSIONS)
    told = [
        f"has no {name}" if there[name] is None else f"has {name} {there[name]}, and not {version}"
        for name, version in here.items()
        if there[name] != version
    ]
    if not told:
        return ""
    return (
        f"{', '.join(told)}: the numbers might not be the same. Install the same versions in the "
        "Python of the workers as here"
    )


# ---------------------------------------------------------------------- in a Dask worker

# By run and worker: runs share no process, since NEURON cannot unload mechanisms
_runs: dict[tuple[str, str], Sandboxes] = {}
_ended: set[str | None] = set()
_addresses: set[str] = set()
_lock = threading.Lock()


def _search(run: str, limits: Limits, asked: bytes, packed: bytes) -> tuple[list[Any], float]:
    """Search chains; return the outcomes of their sites, and the time that it took, s."""
    start, sandboxes = time.monotonic(), _sandboxes(run, limits)
    found: list[tuple[int, Any]] = []
    for chain in pickle.loads(asked):
        run_chain(replace(chain, packed=packed), sandboxes, found.append)
    return [outcome for _, outcome in found], time.monotonic() - start


def _sandboxes(run: str, limits: Limits) -> Sandboxes:
    """Return the sandboxes of a run at this Dask worker."""
    from distributed import WorkerPlugin, get_worker

    class End(WorkerPlugin):
        def teardown(self, worker: object) -> None:
            _end(None, address)

    here: Any = get_worker()
    address = here.address
    with _lock:
        if run in _ended:  # the run ended before this call began
            raise SandboxDied("stopped")
        if address not in _addresses:
            multiprocessing.current_process().daemon = False  # a nanny's: it may have children
            here.loop.add_callback(here.plugin_add, End(), "wscale")
            _addresses.add(address)
        return _runs.setdefault((run, address), Sandboxes(limits, idle=[]))


def _end(run: str | None, address: str | None = None) -> None:
    """End the processes of a run, or of all runs at a worker, at once."""
    with _lock:
        _ended.update({run} - {None})
        keys = [key for key in _runs if run in (None, key[0]) and address in (None, key[1])]
        ending = [_runs.pop(key) for key in keys]
    for sandboxes in ending:
        sandboxes.stop()
