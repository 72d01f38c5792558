"""Which worker does what, with real worker processes that die, hang, fail and forget."""

from __future__ import annotations

import ctypes
import os
import pickle
import resource
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from wscale import Protocol, list_sites
from wscale.errors import SimulationError
from wscale.parallel import chains, sandbox
from wscale.parallel.pool import LocalBackend
from wscale.parallel.sandbox import Limits, timed
from wscale.search.cell import SearchCell, SiteWork
from wscale.search.search import Search, one_by_one, run


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


def search_site(cell, index, before, setting):
    """Do what the setting says at a site (in a worker)."""
    misbehave(setting.bad.get(index, ""), setting)
    return Part(index, before=tuple(part.index for part in before), pid=os.getpid())


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
        chains._held = None
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
        function=search_site,
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
    return SearchCell(model, list_sites(model) * 6, (0.5,) * 12, Protocol())


@pytest.fixture(scope="module")
def backend():
    return LocalBackend(2, Limits(trial_timeout_s=0.8))


ALONE = [(index,) for index in range(12)]


REASONS = {
    "segfault": "segmentation fault (SIGSEGV)",
    "memory": "out of memory",
    "error": "ValueError: no such thing, twice",
    "for ever": "`trial_timeout_s`",
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
    broken = SearchCell(
        other, tuple(list_sites(other)) * 6, cell.targets_mV, Protocol(window_ms=1e9)
    )
    first, second = searched([broken, cell], Setting({}), ALONE, backend)
    assert all(part.said.startswith("ConfigError: ") for part in first)
    assert len(first) == 12
    assert [part.said for part in second] == ["ok"] * 12


def prepare_or_die(self):
    """Be killed while the cell is made ready, each time or once (in a worker)."""
    with Path(self.setting.scratch, "preparations").open("a") as marks:
        marks.write(".")
    misbehave(self.setting.bad.get("preparing", ""), self.setting)
    return SiteWork.prepare(self)


class Unready(SiteWork):
    """Work whose preparation does what the setting says."""

    prepare = prepare_or_die


@pytest.fixture
def unready(monkeypatch):
    """Let searches prepare their cells in a way that can misbehave."""
    monkeypatch.setattr("wscale.search.search.SiteWork", Unready)


def preparations(folder):
    return len((folder / "preparations").read_text())


def test_a_cell_that_no_worker_can_make_ready_is_given_up(cell, backend, unready, tmp_path):
    setting = Setting({"preparing": "killed"}, str(tmp_path))
    [parts] = searched([cell], setting, ALONE, backend)
    assert all(part.said.startswith("while the cell was made ready: ") for part in parts)
    assert all("killed (SIGKILL)" in part.said for part in parts)
    assert preparations(tmp_path) <= 4  # two workers, twice each


def test_a_cell_that_once_could_not_be_made_ready_is_searched(cell, backend, unready, tmp_path):
    setting = Setting({"preparing": "segfault once"}, str(tmp_path))
    [parts] = searched([cell], setting, ALONE, backend)
    assert [part.said for part in parts] == ["ok"] * 12
    assert preparations(tmp_path) <= 3


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
        cells.append(SearchCell(model, sites, (0.5,) * len(sites), Protocol()))
    finished = []
    results = run(search_of(cells, Setting({})), backend, on_cell=finished.append)
    assert [len(parts) for parts in results] == [len(cell.sites) for cell in cells]
    assert len(finished) == 3
    assert all(parts in results for parts in finished)


# ---------------------------------------------------------------------- tasks


def killed_unless(mark):
    if not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def test_a_task_whose_worker_is_killed_is_run_again(tmp_path):
    tasks = [str(tmp_path / name) for name in "ab"]
    assert LocalBackend(2).map(killed_unless, tasks) == ["done", "done"]


@dataclass(frozen=True)
class Limited:
    """Work that finds out what it may use."""

    def prepare(self):
        return None

    def search(self, index, before):
        return sandbox._limits

    def failed(self, index, reason):
        return reason


def test_a_worker_that_has_a_cell_ready_gets_the_limits_of_the_next_run():
    chain = chains.Chain(0, "a cell", pickle.dumps(Limited()), (0, 1))
    for limits in (Limits(trial_timeout_s=50.0), Limits(trial_timeout_s=60.0)):
        assert list(LocalBackend(1, limits).search([[chain]])) == [(0, limits)] * 2


def data_bytes(_):
    return resource.getrlimit(resource.RLIMIT_DATA)[0]


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory")
def test_a_limit_of_memory_ends_with_its_run():
    usual = LocalBackend(1).map(data_bytes, [0])
    assert LocalBackend(1, Limits(memory_GiB=2)).map(data_bytes, [0]) == [2 << 30]
    assert LocalBackend(1).map(data_bytes, [0]) == usual


def end_itself(_):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_task_that_always_ends_its_worker_is_an_error_in_words():
    with pytest.raises(SimulationError, match=r"a worker could not do its work: .*SIGKILL"):
        LocalBackend(2).map(end_itself, [1])


def test_results_are_in_the_order_of_the_tasks_and_an_error_is_raised():
    assert LocalBackend(2).map(abs, [-3, 1, -2]) == [3, 1, 2]
    with pytest.raises(TypeError, match="bad operand"):
        LocalBackend(2).map(abs, ["x"])
