"""What a search says at its end."""

from __future__ import annotations

import io

from rich.console import Console

from wscale import grid
from wscale.summary import print_summary


def test_of_many_sites_with_one_status_a_few_are_told_and_the_others_counted(load):
    model = load("PT5B_hh")
    [result] = grid(model, [1e-6, 2e-6], sections="dendrite", jobs=1)
    assert set(result.table().status["dendrite"]) == {"above_grid"}
    screen = io.StringIO()
    print_summary([result], {}, Console(file=screen, width=80))
    lines = screen.getvalue().splitlines()
    count = len(result.solutions)
    assert count > 6
    assert lines[1].split()[:4] == ["PT5B_hh", str(result.trials), str(count), "above_grid"]
    told = [line for line in lines if line.startswith("PT5B_hh dendrite(")]
    assert len(told) == 5
    assert all("add larger weights" in line for line in told)
    assert lines[-1].startswith(f"PT5B_hh: {count - 5} more sites are above_grid; ")
