"""The journal: what is finished stays finished, and a continued run is the run itself."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wscale import Journals, Model, grid, solve
from wscale.calibrate.settings import SearchSettings
from wscale.calibrate.writer import ResultsFolder
from wscale.errors import ConfigError
from wscale.measurement.epsp import Response
from wscale.measurement.solution import Solution
from wscale.model.sites import Site
from wscale.parallel.pool import LocalBackend
from wscale.results.journal import Journal
from wscale.results.run_lock import run_lock
from wscale.search.grid import SiteResult, plan_grid
from wscale.search.search import run
from wscale.search.targeted import plan_solve

WEIGHTS = (1e-4, 4e-4, 8e-4)


class Counting(LocalBackend):
    """Workers whose calls are counted."""

    calls = 0

    def search(self, *args):
        self.calls += 1
        return super().search(*args)

    def map(self, *args):
        self.calls += 1
        return super().map(*args)


@pytest.fixture(scope="module")
def model(load):
    """Four sites in three sections, one of which has two."""
    small = load("IT2_reduced", dt=0.05)
    rule = json.loads(json.dumps(small.rule))
    rule["secs"]["Bdend"]["geom"]["nseg"] = 3
    net = {**small.net, "cellParams": {small.cell: rule}}
    return replace(small, net=net)


SECTIONS = ("soma", "Bdend", "Adend1")
PLANS = {
    "grid": lambda model: plan_grid(model, WEIGHTS, sections=SECTIONS),
    "norm": lambda model: plan_solve(model, sections=SECTIONS),
}


def search_in(folder, plan, backend=None, stop_after=None, **options):
    """Run a search with a journal, and write its tables; ends after some sites as Ctrl-C does."""
    backend = backend or Counting(2)
    arrived = []

    def on_result(part):
        arrived.append(part.index)
        if len(arrived) == stop_after:
            raise KeyboardInterrupt

    settings = SearchSettings.make(folder=".")
    for name in ("weightNorm", "grid_batch"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    with Journals(folder, command=["wscale"], **options) as journals:
        results = run(plan, backend, journals=journals, on_result=on_result)
        with ResultsFolder(folder, backend, [cell.model.label for cell in plan.cells]) as kept:
            for result in results:
                kept.write(result, settings, journals.command(result.model.label))
    return arrived


def tables(folder):
    found = [*folder.glob("weightNorm/*"), *folder.glob("grid_batch/*")]
    return {file.name: file.read_bytes() for file in found}


@pytest.fixture(scope="module", params=["grid", "norm"])
def whole(request, model, tmp_path_factory):
    """A method, its plan, and the folder of a run that nothing interrupted."""
    folder = tmp_path_factory.mktemp(request.param)
    plan = PLANS[request.param](model)
    assert search_in(folder, plan) != []
    return request.param, plan, folder


def journal_of(folder):
    [file] = (folder / "journal").glob("*.jsonl")
    return file


def test_every_line_has_its_checksum_and_says_what_is_searched(whole):
    method, plan, folder = whole
    lines = journal_of(folder).read_bytes().splitlines()
    for line in lines:
        crc, _, content = line.partition(b" ")
        assert int(crc, 16) == zlib.crc32(content)
    first, *parts = (json.loads(line[9:]) for line in lines)
    assert first["method"] == method
    assert first["command"] == ["wscale"]
    assert len(first["sites"]) == len(parts) == len(plan.cells[0].sites) == 5
    assert sorted(part["index"] for part in parts) == list(range(5))


def test_a_complete_journal_starts_no_worker(whole):
    _, plan, folder = whole
    expected, backend = tables(folder), Counting(2)
    assert len(expected) == (3 if whole[0] == "grid" else 2)
    assert search_in(folder, plan, backend) == []
    assert backend.calls == 0
    assert tables(folder) == expected


@pytest.mark.parametrize("sites", [1, 3])
def test_an_interrupted_run_is_continued_to_the_same_bytes(whole, sites, tmp_path):
    _, plan, folder = whole
    with pytest.raises(KeyboardInterrupt):
        search_in(tmp_path, plan, stop_after=sites)
    assert tables(tmp_path) == {}
    kept = len(journal_of(tmp_path).read_bytes().splitlines()) - 1
    assert sites <= kept < 5
    assert len(search_in(tmp_path, plan)) == 5 - kept
    assert tables(tmp_path) == tables(folder)


def test_a_norm_search_goes_on_within_a_section(model, tmp_path):
    plan = plan_solve(model, sections="Bdend")
    search_in(tmp_path / "whole", plan)
    lines = journal_of(tmp_path / "whole").read_bytes().splitlines(keepends=True)
    assert [json.loads(line[9:])["index"] for line in lines[1:]] == [0, 1, 2]
    for kept in (0, 1, 2):
        folder = tmp_path / str(kept)
        (folder / "journal").mkdir(parents=True)
        (folder / "journal" / "IT2_reduced.jsonl").write_bytes(b"".join(lines[: kept + 1]))
        assert search_in(folder, plan) == list(range(kept, 3))
        assert tables(folder) == tables(tmp_path / "whole")


# ---------------------------------------------------------------------- damage


@pytest.fixture(scope="module")
def identity():
    return {"method": "grid", "sha256": {"cell": "abc"}, "cfg": {}}


numbers = st.floats(allow_nan=True, allow_infinity=True)
optional = st.none() | numbers
responses = st.builds(Response, st.sampled_from(["ok", "failed"]), st.text(), *[optional] * 6)
solutions = st.builds(
    Solution, st.sampled_from(["ok", "failed"]), numbers, optional, optional, optional, st.text(),
    st.integers(0, 9),
)  # fmt: skip
site_results = st.builds(
    SiteResult,
    st.text(),
    st.integers(0, 99),
    st.builds(Site, st.text(), numbers, st.integers(0, 9), numbers),
    st.lists(numbers, max_size=3).map(tuple),
    st.lists(responses, max_size=3).map(tuple),
    solutions,
    numbers,
)


def same(one, other):
    """Equal to the last bit, NaN included."""
    return type(one) is type(other) and repr(one) == repr(other)


def some_parts():
    for index in range(4):
        site = Site("dend", 0.1 + index / 7, index, 12.3 / (index + 1))
        response = Response("ok", "", -70.1, math.pi / (index + 1), 0.1, 0.2, 0.3, None)
        solution = Solution("ok", 0.5, 1e-4 / 3, 0.5, 0.7, "", 2)
        yield SiteResult("cell", index, site, (1e-4,), (response,), solution, 0.01)


@given(part=site_results)
def test_every_outcome_comes_back_bit_for_bit(tmp_path_factory, identity, part):
    path = tmp_path_factory.mktemp("one") / "cell.jsonl"
    with Journal(path, SiteResult, identity, []) as journal:
        journal.add(part)
    with Journal(path, SiteResult, identity, []) as again:
        [found] = again.parts.values()
    assert same(found, part)


@pytest.fixture(scope="module")
def written(tmp_path_factory, identity):
    """The bytes of a small journal, and its parts."""
    path, parts = tmp_path_factory.mktemp("written") / "cell.jsonl", list(some_parts())
    with Journal(path, SiteResult, identity, ["cmd"]) as journal:
        for part in parts:
            journal.add(part)
    return path.read_bytes(), parts


def continued(path, identity, parts):
    """Open a journal, add what it has not, and open it once more; return what it had first."""
    with Journal(path, SiteResult, identity, ["cmd"]) as journal:
        found = dict(journal.parts)
        for part in parts:
            if part.index not in found:
                journal.add(part)
    with Journal(path, SiteResult, identity, ["cmd"]) as journal:
        assert sorted(journal.parts.items()) == [(part.index, part) for part in parts]
    return found


@given(data=st.data())
def test_a_journal_cut_at_any_byte_keeps_its_whole_lines(tmp_path_factory, identity, written, data):
    content, parts = written
    end = data.draw(st.integers(0, len(content)))
    zeros = data.draw(st.sampled_from([0, 1, 4096]))  # as some file systems leave after a crash
    path = tmp_path_factory.mktemp("cut") / "cell.jsonl"
    path.write_bytes(content[:end] + bytes(zeros))
    found = continued(path, identity, parts)
    whole = max(content[:end].count(b"\n") - 1, 0)
    assert [found[index] for index in sorted(found)] == parts[:whole]


@given(data=st.data())
def test_any_changed_byte_costs_its_lines_and_a_changed_header_is_refused(
    tmp_path_factory, identity, written, data
):
    content, parts = written
    place = data.draw(st.integers(0, len(content) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda value: value != content[place]))
    path = tmp_path_factory.mktemp("flip") / "cell.jsonl"
    path.write_bytes(content[:place] + bytes([value]) + content[place + 1 :])
    if place <= content.index(b"\n"):
        with pytest.raises(
            ConfigError, match="first line is damaged; begin anew with `fresh=True`"
        ):
            Journal(path, SiteResult, identity, [])
        return
    found = continued(path, identity, parts)
    assert len(found) >= len(parts) - 2  # a line, or two where the end of the first is lost
    assert all(part == parts[index] for index, part in found.items())


def test_the_last_of_two_lines_for_a_site_holds(tmp_path, identity):
    first, *_ = some_parts()
    second = replace(first, solution=replace(first.solution, weight_uS=0.25))
    path = tmp_path / "cell.jsonl"
    with Journal(path, SiteResult, identity, []) as journal:
        journal.add(first)
        journal.add(second)
    with Journal(path, SiteResult, identity, []) as journal:
        assert journal.parts == {0: second}


def test_a_journal_that_is_removed_during_the_run_is_an_error_at_the_next_site(tmp_path, identity):
    path = tmp_path / "cell.jsonl"
    first, second, *_ = some_parts()
    with Journal(path, SiteResult, identity, []) as journal:
        journal.add(first)
        path.unlink()
        with pytest.raises(ConfigError, match="it was removed during the run"):
            journal.add(second)


# ---------------------------------------------------------------------- another run


CHANGES = {
    "settings": (lambda model: plan_grid(model, (*WEIGHTS, 1e-3)), "weights_uS is"),
    "target": (lambda model: plan_grid(model, WEIGHTS, targets=0.4), "targets_mV is"),
    "sites": (lambda model: plan_grid(model, WEIGHTS, sections="soma"), "sites is"),
    "method": (plan_solve, 'method is "grid" there, "norm" here'),
    "cfg": (
        lambda model: plan_grid(replace(model, cfg={**model.cfg, "dt": 0.025}), WEIGHTS),
        "cfg.dt is 0.05 there, 0.025 here",
    ),
}


@pytest.fixture(scope="module")
def begun(load, tmp_path_factory):
    """A cell, and a folder with its journal."""
    folder, model = tmp_path_factory.mktemp("begun"), load("PV_simple", dt=0.05)
    with Journals(folder, command=["first"]) as journals:
        grid(model, WEIGHTS, n_jobs=2, journals=journals)
    return model, folder


@pytest.mark.parametrize("change", CHANGES)
def test_another_run_in_the_same_folder_is_refused_with_the_difference(begun, change):
    model, folder = begun
    plan, difference = CHANGES[change]
    before = journal_of(folder).read_bytes()
    with Journals(folder) as journals:
        with pytest.raises(ConfigError, match="is of another run: ") as refused:
            run(plan(model), LocalBackend(1), journals=journals)
        search = plan(model)
        with pytest.raises(ConfigError, match="is of another run: "):
            journals.check(model.label, search.identity(search.cells[0]))
    assert difference in str(refused.value)
    assert "`out`" in str(refused.value)
    assert "`fresh=True`" in str(refused.value)
    assert journal_of(folder).read_bytes() == before


def test_a_changed_cell_file_or_mechanism_is_named(begun, repo, tmp_path):
    model, folder = begun
    for name in ("cfg.py", "netParams.py", "cells/PV_simple.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text((repo / name).read_text())
    (tmp_path / "mod").mkdir()
    for file in (repo / "mod").glob("*.mod"):
        (tmp_path / "mod" / file.name).write_text(file.read_text())

    def check(model):
        search = plan_grid(model, WEIGHTS)
        with Journals(folder) as journals:
            journals.check(model.label, search.identity(search.cells[0]))

    def read_again():
        return Model.from_folder(tmp_path, "PV_simple", {"dt": 0.05}, [str(repo / "mod")])

    check(read_again())  # the same content elsewhere is the same run
    check(replace(model, mod=str(tmp_path / "mod")))
    cell = tmp_path / "cells" / "PV_simple.json"
    content = json.loads(cell.read_text())
    (content.get("secs") or next(iter(content.values()))["secs"])["soma"]["geom"]["L"] += 1.0
    cell.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match="the content of the cell has changed"):
        check(read_again())
    with (tmp_path / "mod" / "hd.mod").open("a") as stream:
        stream.write(": changed")
    with pytest.raises(ConfigError, match="the content of the mechanisms has changed"):
        check(replace(model, mod=str(tmp_path / "mod")))


def test_another_version_is_refused(begun, tmp_path):
    model, folder = begun
    lines = journal_of(folder).read_bytes().splitlines(keepends=True)
    first = json.loads(lines[0][9:])
    first["versions"]["neuron"] = "7.8"
    content = json.dumps(first).encode()
    (tmp_path / "journal").mkdir()
    own = tmp_path / "journal" / "PV_simple.jsonl"
    own.write_bytes(b"%08x %s\n" % (zlib.crc32(content), content) + b"".join(lines[1:]))
    with Journals(tmp_path) as journals, pytest.raises(ConfigError) as refused:
        grid(model, WEIGHTS, n_jobs=1, journals=journals)
    assert 'versions.neuron is "7.8" there' in str(refused.value)


def test_fresh_begins_anew_and_keeps_what_there_was(begun, tmp_path):
    model, folder = begun
    (tmp_path / "journal").mkdir()
    path = tmp_path / "journal" / "PV_simple.jsonl"
    before = journal_of(folder).read_bytes()
    path.write_bytes(before)
    with Journals(tmp_path, fresh=True) as journals:
        [result] = solve(model, n_jobs=2, journals=journals)
        solve(model, n_jobs=2, journals=journals)  # the same run: nothing is lost, nothing begun
        with pytest.raises(ConfigError, match="another run"):
            grid(model, WEIGHTS, n_jobs=2, journals=journals)
    assert (tmp_path / "journal" / "PV_simple.jsonl.previous").read_bytes() == before
    assert path.read_bytes().count(b"\n") == 1 + len(result.solutions)


def test_failed_sites_are_kept_and_tried_again_on_request(begun, tmp_path):
    model, folder = begun
    (tmp_path / "journal").mkdir()
    path = tmp_path / "journal" / "PV_simple.jsonl"
    plan = plan_grid(model, WEIGHTS)
    failed = plan.failed(plan.cells[0], 1, plan.setting, "its process ended")
    path.write_bytes(journal_of(folder).read_bytes())
    identity = plan.identity(plan.cells[0])
    label = plan.cells[0].model.label
    with Journals(tmp_path) as journals, journals.open(label, identity, plan.part) as journal:
        journal.add(failed)
    backend = Counting(2)
    assert search_in(tmp_path, plan, backend) == []
    assert backend.calls == 0
    assert json.loads((tmp_path / "results.json").read_text())["cells"]["PV_simple"]["counts"] == {
        "failed": 1,
        "ok": 1,
    }
    assert search_in(tmp_path, plan, retry_failed=True) == [1]
    assert search_in(tmp_path, plan, retry_failed=True) == []
    counts = json.loads((tmp_path / "results.json").read_text())["cells"]["PV_simple"]["counts"]
    assert counts == {"ok": 2}


# ---------------------------------------------------------------------- the lock

HOLD = """
import sys, time
from pathlib import Path
from wscale.results.run_lock import run_lock
with run_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_second_run_is_refused_while_the_first_lives_and_a_dead_one_is_no_hindrance(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(ConfigError, match=f"in use by another run .process {holder.pid} on "):
        Journals(tmp_path).__enter__()
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert str(holder.pid) in (tmp_path / ".run.json").read_text()  # it could not tidy up
    with Journals(tmp_path):
        assert str(os.getpid()) in (tmp_path / ".run.json").read_text()
        with pytest.raises(ConfigError, match="in use by another run"):
            Journals(tmp_path).__enter__()
    with run_lock(tmp_path):
        pass


def test_without_the_systems_locks_the_holders_process_decides(tmp_path):
    from wscale.results.run_lock import _lives, _start_of

    here = {"pid": os.getpid(), "host": os.uname().nodename, "started": _start_of(os.getpid())}
    assert _lives(here)
    assert not _lives({**here, "started": "1"})  # its number is another process's by now
    assert _lives({**here, "host": "elsewhere"})
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert not _lives({**here, "pid": ended.pid})
    for damaged in ({}, {"host": here["host"]}, {**here, "pid": "x"}, {**here, "pid": -(2**70)}):
        assert not _lives(damaged)
