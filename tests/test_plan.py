"""How sites are spread over workers: tasks neither tiny nor huge, by the cell alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wscale import Protocol, list_sites
from wscale.plan import Cell, _share, run_cells


@given(
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=60),
    cost=st.integers(1, 5000),
)
def test_every_group_is_in_one_task_and_the_largest_come_first(sizes, cost):
    starts = [sum(sizes[:k]) for k in range(len(sizes))]
    groups = [tuple(range(s, s + n)) for s, n in zip(starts, sizes, strict=True)]
    tasks = _share(groups, cost)
    assert sorted(group for task in tasks for group in task) == groups
    lengths = [sum(len(group) for group in task) for task in tasks]
    assert lengths == sorted(lengths, reverse=True)
    worth = [length * cost >= 2000 for length in lengths]
    assert sum(not enough for enough in worth) <= 1  # only what is left over is small


def where(cell, groups, setting):
    """What a worker was given, for the test below."""
    import os

    return [(cell.model.cell, index, setting, os.getpid()) for group in groups for index in group]


def test_cells_are_put_together_whole_and_each_as_soon_as_it_is(load):
    cells = []
    for label in ("PT5B_hh", "PV_simple", "IT2_reduced"):
        model = load(label, dt=0.05)
        sites = list_sites(model)
        cells.append(Cell(model, sites, (0.5,) * len(sites), Protocol()))
    arrived, finished = [], []
    results = run_cells(
        cells,
        where,
        "setting",
        2,
        groups=lambda cell: [(index,) for index in range(len(cell.sites))],
        trials_per_site=1000,
        join=lambda cell, parts: (cell.model.cell, sorted(index for _, index, *_ in parts)),
        on_result=arrived.append,
        on_cell=finished.append,
    )
    expected = [(cell.model.cell, list(range(len(cell.sites)))) for cell in cells]
    assert results == expected
    assert sorted(finished) == sorted(expected)
    assert len(arrived) == sum(len(cell.sites) for cell in cells)
    assert {setting for _, _, setting, _ in arrived} == {"setting"}
