"""The benchmarks measure what they say; their figures are checked for sense, not for speed."""

from __future__ import annotations

import dataclasses

import pytest

from benchmarks import searches
from benchmarks.__main__ import TRIALS, WORKERS, cells_of, machine, write_page
from benchmarks.trials import cvode_trials, finer, rig_trials
from wscale import list_sites


def test_trials_and_their_floor(load):
    model = load("PV_simple")
    figures = rig_trials(model, repeats=2)
    assert figures["segments"] == 2
    assert figures["multiple_of_floor"] == pytest.approx(figures["trial_s"] / figures["floor_s"])
    assert figures["multiple_of_floor"] > 1.0
    assert cvode_trials(model)["largest_error"] < 0.05


def test_finer_cells_have_more_segments(load):
    model = load("PT5B_reduced")
    assert len(list_sites(finer(model, 4))) == 4 * len(list_sites(model))
    assert dataclasses.asdict(finer(model, 1)) == dataclasses.asdict(model)


@pytest.mark.slow
def test_a_search_in_a_process_of_its_own():
    with searches.nothing_settled():
        found = searches.run("PV_simple", "norm", 2)
    assert (found["sites"], found["ok"]) == (2, 2)
    assert found["core_s"] > 0 < found["wall_s"]
    assert 50 < found["worker_MiB"] < 2000


def test_tables_in_the_page(tmp_path):
    row = {"cell": "C", "workers": 2, "wall_s": 1.25, "efficiency": 0.9, "core_s": 2.0}
    row["worker_MiB"] = 200.4
    assert cells_of(row, WORKERS) == ["C", "2", "1.2", "0.90", "2.0", "200"]
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- benchmarks begin -->\nold\n<!-- benchmarks end -->\nz\n")
    for _ in range(2):
        write_page(page, str(machine()["cores"]), [("Workers", [row], WORKERS)])
    text = page.read_text()
    assert text.startswith("a\n")
    assert text.endswith("\nz\n")
    assert "old" not in text
    assert text.count("| C | 2 | 1.2 |") == 1
    row = {key: 1234.5 for _, key, _ in TRIALS if key.endswith("_ms")}
    row |= {"cell": "C", "segments": 5, "times_a": 97.24, "multiple_of_floor": 1.156}
    row |= {"largest_error": 0.0123}
    assert cells_of(row, TRIALS)[2:5] == ["1,234", "1,234", "97.2"]
