"""Which worker does what, with real worker processes that die, hang, fail and forget."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from wscale import Protocol, list_sites, worker
from wscale.errors import SimulationError
from wscale.parallel.limits import Limits, timed
from wscale.parallel.pool import LocalBackend, run_tasks
from wscale.parallel.sandbox import Slot, WorkerDied, _close_all
from wscale.search.search import Cell, Search, one_by_one, run


@dataclass(frozen=True)
class Part:
    """What is known of a site: how it went, and which sites were before it."""

    index: int
    said: str = "ok"
    before: tuple[int, ...] = ()
    pid: int = 0


@dataclass(frozen=True)
class Setting:
    """Which sites do what, and a folder for marks of what has been done."""

    bad: dict[int, str]
    scratch: str = ""


def search_sites(cell, indices, before, setting):
    """Do what the setting says at each site (in a worker)."""
    parts = []
    for index in indices:
        misbehave(setting.bad.get(index, ""), setting)
        known = tuple(part.index for part in (*before, *parts))
        parts.append(Part(index, before=known, pid=os.getpid()))
    return parts


def misbehave(how, setting):
    if how.endswith(" once"):
        mark = Path(setting.scratch) / how
        if mark.exists():
            return
        mark.touch()
    kind = how.removesuffix(" once")
    if kind == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif kind == "segfault":
        ctypes.string_at(0)
    elif kind == "exit":
        os._exit(3)
    elif kind == "memory":
        raise MemoryError
    elif kind == "error":
        raise ValueError("no such thing")
    elif kind == "for ever":
        with timed():
            time.sleep(3600)
    elif kind == "forget":
        worker._held = None
    elif kind == "slow":
        time.sleep(0.3)


def failed_part(cell, index, setting, reason):
    return Part(index, reason)


def search_of(cells, setting, chains=None):
    """Return a search of cells; without chains, each site is one."""
    return Search(
        method="test",
        cells=tuple(cells),
        setting=setting,
        function=search_sites,
        failed=failed_part,
        chains=one_by_one if chains is None else lambda cell: chains,
        trials_per_site=1000,
        join=lambda cell, parts: parts,
        part=Part,
    )


def searched(cells, setting, chains, backend):
    """Run a search, and return the parts of each cell."""
    return run(search_of(cells, setting, chains), backend)


@pytest.fixture(scope="module")
def cell(load):
    """A small cell that is said to have twelve sites."""
    model = load("PV_simple", dt=0.05)
    return Cell(model, list_sites(model) * 6, (0.5,) * 12, Protocol())


@pytest.fixture(scope="module")
def backend():
    return LocalBackend(2, Limits(trial_timeout_s=0.8))


ALONE = [(index,) for index in range(12)]


REASONS = {
    "segfault": "segmentation fault (SIGSEGV)",
    "memory": "out of memory",
    "error": "ValueError: no such thing, twice",
    "for ever": "--trial-timeout",
}


def test_sites_that_end_their_workers_cost_themselves_only(cell, backend):
    bad = dict(zip(range(1, 9, 2), REASONS, strict=True))
    [parts] = searched([cell], Setting(bad), ALONE, backend)
    assert [part.index for part in parts] == list(range(12))
    assert [part.index for part in parts if part.said != "ok"] == list(bad)
    for index, how in bad.items():
        assert REASONS[how] in parts[index].said
        assert parts[index].said.endswith("twice")


def test_what_happens_once_costs_nothing(cell, backend, tmp_path):
    bad = {1: "killed once", 6: "error once", 9: "forget once", 11: "segfault once"}
    [parts] = searched([cell], Setting(bad, str(tmp_path)), ALONE, backend)
    assert {mark.name for mark in tmp_path.iterdir()} == set(bad.values())
    assert [part.said for part in parts] == ["ok"] * 12


def test_a_worker_that_always_loses_its_cell_does_not_stop_the_search(cell, backend):
    [parts] = searched([cell], Setting(dict.fromkeys(range(12), "forget")), ALONE, backend)
    assert [part.said for part in parts] == ["ok"] * 12


def test_chains_keep_their_order_around_a_death_and_after_a_failed_site(cell, backend, tmp_path):
    chains = [(0, 1, 2, 3, 4, 5, 6), (7, 8, 9), (10,), (11,)]
    bad = {2: "error", 5: "killed once", 8: "segfault"}
    [parts] = searched([cell], Setting(bad, str(tmp_path)), chains, backend)
    assert [part.index for part in parts if part.said != "ok"] == [2, 8]
    for chain in chains:
        for place, index in enumerate(chain):
            if parts[index].said == "ok":
                assert parts[index].before == chain[:place]


def test_other_cells_go_on_where_one_cannot_be_made_ready(cell, backend, load):
    other = load("SOM_simple", dt=0.05)
    broken = Cell(other, tuple(list_sites(other)) * 6, cell.targets_mV, Protocol(window_ms=1e9))
    first, second = searched([broken, cell], Setting({}), ALONE, backend)
    assert all(part.said.startswith("ConfigError: ") for part in first)
    assert len(first) == 12
    assert [part.said for part in second] == ["ok"] * 12


class Unready(LocalBackend):
    """Workers, some of which are killed whenever they make a cell ready."""

    def __init__(self, jobs, deadly):
        super().__init__(jobs)
        self.deadly, self.preparations = set(deadly), 0

    def submit(self, name, function, /, *args, fresh=False):
        if function is worker.prepare:
            self.preparations += 1
            if name in self.deadly:
                return super().submit(name, misbehave, "killed", None)
        return super().submit(name, function, *args, fresh=fresh)


def test_a_cell_that_no_worker_can_make_ready_is_given_up(cell):
    backend = Unready(2, deadly="01")
    [parts] = searched([cell], Setting({}), ALONE, backend)
    assert all("while the cell was made ready: " in part.said for part in parts)
    assert all("killed (SIGKILL)" in part.said for part in parts)
    assert backend.preparations <= 8


def test_a_cell_that_one_worker_cannot_make_ready_is_searched_by_the_others(cell):
    slow = dict.fromkeys(range(12), "slow")
    backend = Unready(2, deadly="0")
    [parts] = searched([cell], Setting(slow), ALONE, backend)
    assert [part.said for part in parts] == ["ok"] * 12
    assert backend.preparations <= 6


def test_workers_end_where_what_is_done_with_the_parts_fails(cell, backend):
    seen = []

    def fails(part):
        seen.append(part.pid)
        raise OSError("no place to keep it")

    search = search_of([cell], Setting(dict.fromkeys(range(1, 12), "slow")), ALONE)
    with pytest.raises(OSError, match="no place"):
        run(search, backend, on_result=fails)
    with pytest.raises(ProcessLookupError):
        os.kill(seen[0], 0)


def test_several_cells_are_put_together_whole_and_each_as_soon_as_it_is(load, backend):
    cells = []
    for label in ("IT2_reduced", "PV_simple", "SOM_simple"):
        model = load(label, dt=0.05)
        sites = list_sites(model)
        cells.append(Cell(model, sites, (0.5,) * len(sites), Protocol()))
    finished = []
    results = run(search_of(cells, Setting({})), backend, on_cell=finished.append)
    assert [len(parts) for parts in results] == [len(cell.sites) for cell in cells]
    assert len(finished) == 3
    assert all(parts in results for parts in finished)


# ---------------------------------------------------------------------- tasks, and slots


def killed_unless(mark):
    if not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def test_a_task_whose_worker_is_killed_is_run_again(tmp_path):
    tasks = [str(tmp_path / name) for name in "ab"]
    assert list(run_tasks(killed_unless, tasks, LocalBackend(2))) == ["done", "done"]


def end_itself(_):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_task_that_always_ends_its_worker_is_an_error_in_words():
    with pytest.raises(SimulationError, match=r"a worker could not do its work: .*SIGKILL"):
        list(run_tasks(end_itself, [1], LocalBackend(2)))


@pytest.fixture
def slot():
    slot = Slot()
    yield slot
    slot.close()


def large(size):
    return b"x" * size


def test_large_answers_arrive_and_a_worker_killed_in_the_midst_of_one_is_no_hang(slot):
    assert len(slot.submit(large, 50_000_000).result()) == 50_000_000
    for wait_s in (0.0, 0.01, 0.05):
        pid = slot.submit(os.getpid).result(timeout=60)
        answer = slot.submit(large, 200_000_000)
        time.sleep(wait_s)
        os.kill(pid, signal.SIGKILL)
        died = answer.exception(timeout=60)
        assert died is None or "SIGKILL" in str(died)


def test_errors_come_back_as_what_they_are_and_others_in_words(slot):
    with pytest.raises(ValueError, match="invalid literal") as caught:
        slot.submit(int, "x").result()
    assert "In a worker process:" in caught.value.__notes__[0]
    with pytest.raises(RuntimeError, match="SystemExit: 3"):
        slot.submit(exit, 3).result()
    with pytest.raises((RuntimeError, TypeError), match="pickle"):
        slot.submit(open, os.devnull).result()
    assert slot.submit(abs, -1).result() == 1


def test_a_slot_that_is_closed_ends_its_call_and_takes_no_other(slot):
    pid = slot.submit(os.getpid).result()
    answer = slot.submit(time.sleep, 3600)
    slot.close()
    with pytest.raises(WorkerDied):
        answer.result(timeout=60)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(WorkerDied, match="stopped"):
        slot.submit(abs, -1).result(timeout=60)


def test_slots_closed_while_they_start_leave_nothing(slot):
    for wait_s in (0.0, 0.01, 0.2):
        one = Slot()
        answer = one.submit(os.getpid)
        time.sleep(wait_s)
        one.close()
        with pytest.raises((WorkerDied, ProcessLookupError)):
            os.kill(answer.result(timeout=60), 0)


def test_a_worker_that_has_ended_for_idleness_is_started_again(slot):
    slot.submit(
        exec, "import wscale.parallel.sandbox; wscale.parallel.sandbox._IDLE_s = 0.05"
    ).result()
    first = slot.submit(os.getpid).result()
    for wait_s in (0.05, 0.049, 0.051):  # at the same moment as a call, too
        time.sleep(wait_s)
        slot.submit(
            exec, "import wscale.parallel.sandbox; wscale.parallel.sandbox._IDLE_s = 0.05"
        ).result(timeout=60)
    assert slot.submit(os.getpid).result() != first


def test_a_fork_has_workers_of_its_own_and_leaves_those_of_others(backend):
    pid = backend.submit("0", os.getpid).result()
    fork = os.fork()
    if fork == 0:
        code = 1
        try:
            answer = LocalBackend(1).submit("0", os.getpid).result(timeout=60)
            code = 0 if answer != pid else 2
            _close_all()  # as at the end of a process
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]) == 0
    assert backend.submit("0", os.getpid).result() == pid


def test_nested_limits_of_time_do_not_end_each_other():
    from wscale.parallel import limits

    limits.impose(Limits(trial_timeout_s=100.0))
    try:
        with timed(preparation=True):
            outer = limits._deadline.value
            with timed():
                assert limits._deadline.value < outer
            assert limits._deadline.value == outer
        assert limits._deadline.value == 0
    finally:
        limits._limits = None
