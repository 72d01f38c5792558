"""What it costs to start: whole commands, side by side with another checkout.

    python -m benchmarks startup [--against FOLDER] [--runs 5] [--pyramid] [--json FILE]
                                 [--page docs/performance.md]

FOLDER is a clone of an earlier commit; its commands run with its own ``.venv`` if it has one, else
with this Python. Each command is run once to warm the cache of its checkout (compiled mechanisms,
settled states), then ``--runs`` times in both checkouts in turn. The medians count. CPU-seconds are
those of all processes, see benchmarks/processes.py; Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.page import Columns, Rows, about, check_page, machine, print_tables, write_page
from benchmarks.processes import REPO, run_counted
from wscale.errors import ConfigError

__all__ = ["COMMANDS", "forked_sandboxes", "main", "medians"]

MAIN_JOB = "python M1_grid_search.py"
PYRAMID = "wscale norm . --cell PT5B_pyramid"
NETPYNE = "import NetPyNE, make a section"
_SECTION = "from netpyne import sim, specs; from neuron import h; h.Section()"
# What is run, by the row's name; OUT is a fresh folder
COMMANDS: Mapping[str, Sequence[str]] = {
    MAIN_JOB: ("M1_grid_search.py", "--out", "OUT"),
    "wscale norm . --cell PV_simple": (
        *("-m", "wscale", "norm", ".", "--cell", "PV_simple", "--out", "OUT"),
    ),
    PYRAMID: ("-m", "wscale", "norm", ".", "--cell", "PT5B_pyramid", "--out", "OUT"),
    "wscale --version": ("-m", "wscale", "--version"),
    "wscale --help": ("-m", "wscale", "--help"),
    "bare Python": ("-c", "pass"),
    NETPYNE: ("-c", _SECTION),
}
COLUMNS: Columns = (
    ("command", "command", ""),
    ("CPU-s", "cpu_s", "3"),
    ("wall, s", "wall_s", "3"),
)
COMPARED: Columns = (
    *COLUMNS,
    ("CPU-s before", "cpu_before_s", "3"),
    ("wall before", "wall_before_s", "3"),
    ("before/now, CPU", "times_cpu", "3"),
    ("before/now, wall", "times_wall", "3"),
)


def run_in(checkout: Path, cache: Path, arguments: Sequence[str]) -> dict[str, float]:
    """Run Python in a checkout, with a fresh results folder; return its CPU and wall time, s."""
    own = checkout / ".venv" / "bin" / "python"
    python = str(own) if own.exists() else sys.executable
    environment = os.environ | {"PYTHONPATH": str(checkout), "WSCALE_CACHE": str(cache)}
    with tempfile.TemporaryDirectory(prefix="wscale-startup-") as out:
        given = [out if word == "OUT" else word for word in arguments]
        found = run_counted([python, *given], cwd=checkout, env=environment)
    return {key: found[key] for key in ("cpu_s", "wall_s")}


def medians(
    checkouts: Sequence[Path], commands: Mapping[str, Sequence[str]], runs: int, say: Console
) -> list[dict[str, Any]]:
    """Run the commands in each checkout in turn.

    Returns
    -------
    list of dict
        One per command: its name and, by checkout, the medians and all runs.
    """
    found = []
    with tempfile.TemporaryDirectory(prefix="wscale-startup-cache-") as folder:
        caches = [Path(folder) / str(number) for number in range(len(checkouts))]
        for name, arguments in commands.items():
            say.print(name, highlight=False)
            all_runs: list[list[dict[str, float]]] = [[] for _ in checkouts]
            for run in range(runs + 1):
                for checkout, cache, here in zip(checkouts, caches, all_runs, strict=True):
                    figures = run_in(checkout, cache, arguments)
                    if run > 0:  # the first one warms the cache
                        here.append(figures)
            found.append(
                {
                    "command": name,
                    "checkouts": [
                        {
                            "cpu_s": statistics.median(run["cpu_s"] for run in here),
                            "wall_s": statistics.median(run["wall_s"] for run in here),
                            "runs": here,
                        }
                        for here in all_runs
                    ],
                }
            )
    return found


def _make_section() -> int:
    from neuron import h

    h.Section()
    return os.getppid()


def forked_sandboxes(count: int) -> dict[str, float]:
    """Measure sandboxes that are forked from the server process, one after another.

    Returns
    -------
    dict
        cpu_s and wall_s of one: of its fork, making a section in it, and its end, in this process,
        the server and the sandbox together.
    """
    from wscale.parallel.sandbox import Sandbox

    def used_s(server: int) -> float:
        text = Path(f"/proc/{server}/stat").read_text().rpartition(")")[2].split()
        ticks = sum(map(int, text[11:15]))  # user and system time, its own and of ended children
        return ticks / os.sysconf("SC_CLK_TCK") + time.process_time()

    with Sandbox() as first:  # starts the server
        server = first.call(_make_section)
        before, start = used_s(server), time.perf_counter()
        for _ in range(count):
            with Sandbox() as sandbox:
                assert sandbox.call(_make_section) == server
        wall_s = time.perf_counter() - start
        return {"cpu_s": (used_s(server) - before) / count, "wall_s": wall_s / count}


def rows_of(found: Sequence[Mapping[str, Any]]) -> Rows:
    """Return the rows of the table."""
    rows = []
    for one in found:
        now, *before = one["checkouts"]
        row = {"command": one["command"], "cpu_s": now["cpu_s"], "wall_s": now["wall_s"]}
        for other in before:
            row |= {"cpu_before_s": other["cpu_s"], "wall_before_s": other["wall_s"]}
            row |= {f"times_{key}": other[f"{key}_s"] / now[f"{key}_s"] for key in ("cpu", "wall")}
        rows.append(row)
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the commands, and print and write the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks startup",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="a clone of another commit")
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each command")
    parser.add_argument("--pyramid", action="store_true", help="with PT5B_pyramid: takes minutes")
    parser.add_argument("--json", type=Path, help="write all runs to this file, too")
    parser.add_argument("--page", type=Path, help="replace the table of this Markdown page")
    args = parser.parse_args(arguments)
    check_page(args.page, "startup")
    if args.against is not None and not (args.against / "M1_grid_search.py").is_file():
        raise ConfigError(f"--against {args.against} must be a clone of this repository")

    say = Console(width=110)
    checkouts = [REPO, *([] if args.against is None else [args.against.resolve()])]
    chosen = {name: words for name, words in COMMANDS.items() if name != PYRAMID or args.pyramid}
    found = medians(checkouts, chosen, args.runs, say)
    forked = forked_sandboxes(20)
    # Before, a worker was a fresh process
    fresh = next(one["checkouts"] for one in found if one["command"] == NETPYNE)
    found.append({"command": "the same in a forked sandbox", "checkouts": [forked, *fresh[1:]]})
    columns = COLUMNS if args.against is None else COMPARED
    tables = [(f"Whole commands, median of {args.runs} runs", rows_of(found), columns)]
    print_tables(tables, say)
    say.print(about(), highlight=False, soft_wrap=True)
    if args.json is not None:
        args.json.write_text(json.dumps({"machine": machine(), "commands": found}, indent=1))
    if args.page is not None:
        write_page(args.page, "startup", about(), tables)
