"""The weights that wscale solves, simulated in Arbor: ``python -m benchmarks.second_simulator``.

For each tree and each resolution, wscale solves the weight for 0.5 mV at the soma at five places of
every section. Arbor simulates these weights, first with the same time step and compartments, then
with the finest. The first comparison shows what sets the simulators apart, the second also what the
coarse resolution costs. Needs Arbor (extra "test").
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import arbor
import numpy as np
from netpyne import specs
from rich.console import Console

from benchmarks.arbor_cell import Exp2Syn, Place, Run, SwcTree, Tree, epsps_mV
from benchmarks.page import Columns, Rows, about, check_page, print_tables, write_page
from wscale import Model, Protocol, read_cell, solve
from wscale.cli.app import fail_in_words

__all__ = ["TREES", "Comparison", "compare", "from_json", "from_swc", "with_compartments"]

NAME = "second simulator"  # of the tables in a page
TARGET_mV = 0.5
LOCS = (0.1, 0.3, 0.5, 0.7, 0.9)  # centres of segments where nseg is 5 times an odd number
SYNAPSE = Exp2Syn()
RUN = Run(
    dt_ms=0.005, onset_ms=50.0, delay_ms=1.0, window_ms=30.0, sample_ms=0.1,
    v_init_mV=-65.0, celsius=6.3,
)  # fmt: skip
FINEST = (0.005, 2.0)  # time step, ms, and longest compartment, um
RESOLUTIONS = ((0.025, 10.0), (0.025, 2.0), FINEST)

# x, y, z and diameter, um; a parent and where the section is attached to it
POINTS = {
    "soma": [(0, 0, 0, 12), (10, 0, 0, 20), (25, 0, 0, 14)],
    "trunk": [(25, 0, 0, 4.0), (85, 80, 0, 2.8), (85, 110, 40, 1.8)],
    "left": [(85, 110, 40, 1.5), (85, 200, 160, 0.5)],
    "right": [(85, 110, 40, 1.2), (205, 110, 130, 0.9), (205, 110, 230, 0.4)],
    "twig": [(185, 110, 115, 0.9), (185, 160, 115, 0.6)],
    "oblique": [(70, 60, 0, 1.6), (70, 60, 150, 0.7)],
    "basal": [(0, 0, 0, 3.0), (-150, 0, 0, 0.8)],
}
ATTACHED = {
    "trunk": ("soma", 1.0), "left": ("trunk", 1.0), "right": ("trunk", 1.0),
    "twig": ("right", 0.5), "oblique": ("trunk", 0.5), "basal": ("soma", 0.0),
}  # fmt: skip

PAS = {"g": 5e-5, "e": -65.0}
# Hodgkin and Huxley (1952) J Physiol 117:500, at 6.3 degC and with rest at -65 mV
HH = {"gnabar": 0.12, "gkbar": 0.036, "gl": 3e-4, "el": -54.3}
HH_IONS = {"na": {"e": 50.0}, "k": {"e": -77.0}}
NOWHERE: Mapping[str, float] = {}

SWC = """# one point for the soma, two basal dendrites, and a forked apical dendrite
1 1 0 0 0 9 -1
2 3 8 4 0 1.2 1
3 3 50 60 0 0.9 2
4 3 70 150 30 0.4 3
5 3 -6 -7 0 1.0 1
6 3 -80 -90 20 0.3 5
7 4 0 9 0 2.2 1
8 4 0 120 0 1.4 7
9 4 60 200 0 0.7 8
10 4 90 330 -40 0.4 9
11 4 -50 190 60 0.6 8
12 4 -90 260 90 0.3 11
"""


@dataclass(frozen=True)
class Cell:
    """A cell as wscale reads it, and as Arbor does, from the sections with their nseg."""

    rule: dict[str, Any]
    tree: Callable[[Mapping[str, Any]], Tree]


def from_json(folder: Path, hh: Mapping[str, float] = NOWHERE) -> Cell:
    """Write the tapered tree as JSON and read it; ``hh``: density by section."""
    secs = {
        name: {
            "geom": {"pt3d": points, "cm": 1.0, "Ra": 150.0, "nseg": 5},
            "topol": {},
            **membrane(hh.get(name, 0.0)),
        }
        for name, points in POINTS.items()
    }
    for name, (parent, x) in ATTACHED.items():
        secs[name]["topol"] = {"parentSec": parent, "parentX": x, "childX": 0.0}
    file = folder / "tapered.json"
    file.write_text(json.dumps({"secs": secs}))
    return Cell(read_cell(file).rule, Tree)


def from_swc(folder: Path, hh: Mapping[str, float] = NOWHERE) -> Cell:
    """Write the SWC file and read it in both; ``hh``: density by pattern of section names."""
    file = folder / "tree.swc"
    file.write_text(SWC)
    biophysics = {"*": {"geom": {"cm": 1.0, "Ra": 150.0}, **membrane()}}
    biophysics |= {pattern: membrane(density) for pattern, density in hh.items()}
    rule = read_cell(file, biophysics=biophysics, soma="soma_0").rule
    return Cell(rule, partial(SwcTree, file=file))


def membrane(hh: float = 0.0) -> dict[str, Any]:
    """Return mechanisms and ions: a leak, and hh at this multiple of its usual density."""
    if not hh:
        return {"mechs": {"pas": PAS}}
    densities = {name: hh * HH[name] for name in ("gnabar", "gkbar", "gl")}
    return {"mechs": {"pas": PAS, "hh": {**HH, **densities}}, "ions": HH_IONS}


def exact_rates(cell: Cell) -> Cell:
    """Have NEURON's hh calculate its rates, which it interpolates in a table of 1 mV steps."""
    return replace(cell, rule={**cell.rule, "globals": {"usetable_hh": 0}})


# Where a thin dendrite has hh at its full density, 0.5 mV is near the threshold of a local spike
SOME = {"soma": 1.0, "trunk": 1.0, "basal": 1.0}
EVERYWHERE = {name: 1.0 if name == "soma" else 0.1 for name in POINTS}
TREES: dict[str, Callable[[Path], Cell]] = {
    "JSON, passive": from_json,
    "JSON, HH in some sections": lambda folder: exact_rates(from_json(folder, SOME)),
    "JSON, HH everywhere": lambda folder: exact_rates(from_json(folder, EVERYWHERE)),
    "SWC, passive": from_swc,
    "SWC, HH in some sections": lambda folder: exact_rates(
        from_swc(folder, {"soma*": 1.0, "apic*": 0.5})
    ),
    "SWC, HH with NEURON's table": lambda folder: from_swc(folder, {"soma*": 1.0, "apic*": 0.5}),
}


def with_compartments(rule: Mapping[str, Any], longest_um: float) -> dict[str, Any]:
    """Return the rule with nseg 5, 15, 25, ...: compartments of at most this length."""
    finer = deepcopy(dict(rule))
    for sec in finer["secs"].values():
        points = np.array(sec["geom"]["pt3d"])[:, :3]
        length = np.linalg.norm(np.diff(points, axis=0), axis=1).sum()
        fives = int(np.ceil(length / longest_um / 5 - 1e-6))
        sec["geom"]["nseg"] = 5 * (fives + 1 - fives % 2)
    return finer


def model_of(rule: Mapping[str, Any], run: Run) -> Model:
    """The cell with a synapse, for wscale."""
    net, cfg = specs.NetParams(), specs.SimConfig()
    net.cellParams["tree"] = {"conds": {}, **rule}
    net.popParams["cell"] = {"cellType": "tree", "numCells": 1}
    net.synMechParams["syn"] = {"mod": "Exp2Syn", **asdict(SYNAPSE)}
    net.stimSourceParams["NetStim1"] = {
        "type": "NetStim", "start": run.onset_ms, "interval": 1e10, "number": 1, "noise": 0,
    }  # fmt: skip
    net.stimTargetParams["NetStim1->cell"] = {
        "source": "NetStim1", "conds": {"pop": "cell"}, "sec": "soma", "loc": 0.5,
        "synMech": "syn", "weight": 1e-3, "delay": run.delay_ms,
    }  # fmt: skip
    cfg.duration, cfg.dt, cfg.recordStep = run.onset_ms + run.window_ms, run.dt_ms, run.sample_ms
    cfg.hParams = {"celsius": run.celsius, "v_init": run.v_init_mV}
    return Model.from_netpyne(net, cfg)


@dataclass(frozen=True)
class Comparison:
    """The EPSPs, mV, that wscale's weights give."""

    weights_uS: dict[Place, float]
    wscale_mV: dict[Place, float]  # in NEURON, as the search has measured it
    arbor_mV: dict[Place, float]  # in Arbor at the same resolution
    finest_mV: dict[Place, float]  # in Arbor at the finest

    @property
    def largest_difference(self) -> float:
        """Largest relative difference of the simulators at the same weight and resolution."""
        return max(abs(self.arbor_mV[p] / self.wscale_mV[p] - 1) for p in self.arbor_mV)

    @property
    def largest_error(self) -> float:
        """Largest relative deviation from the target in Arbor at the same resolution."""
        return max(abs(epsp / TARGET_mV - 1) for epsp in self.arbor_mV.values())

    @property
    def largest_error_finest(self) -> float:
        """Largest relative deviation from the target in Arbor at the finest resolution."""
        return max(abs(epsp / TARGET_mV - 1) for epsp in self.finest_mV.values())


def compare(
    cell: Cell,
    run: Run,
    longest_um: float,
    locs: Sequence[float] = LOCS,
    finest: tuple[float, float] | None = None,
    n_jobs: int = 1,
) -> Comparison:
    """Solve the weights with wscale and simulate them in Arbor.

    Parameters
    ----------
    cell : Cell
        Its nseg is set.
    run : Run
        The simulation.
    longest_um : float
        Length of the compartments at most.
    locs : sequence of float
        Places of every section: of ``LOCS``.
    finest : (float, float), optional
        Time step (ms) and longest compartment (um) of another simulation in Arbor.
    n_jobs : int
        Workers of wscale.
    """
    own = with_compartments(cell.rule, longest_um)
    [result] = solve(
        model_of(own, run),
        locations=list(locs),
        targets=TARGET_mV,
        tolerance=1e-4,
        protocol=Protocol(run.window_ms),
        n_jobs=n_jobs,
    )
    weights_uS, wscale_mV = {}, {}
    for site, solution in result.solutions:
        assert solution.status == "ok", f"{site}: {solution.status}: {solution.reason}"
        weights_uS[site.sec, site.loc] = solution.weight_uS
        wscale_mV[site.sec, site.loc] = solution.epsp_mV
    arbor_mV = epsps_mV(cell.tree(own["secs"]), SYNAPSE, weights_uS, run)
    finest_mV = arbor_mV
    if finest is not None and finest != (run.dt_ms, longest_um):
        dt_ms, um = finest
        tree = cell.tree(with_compartments(cell.rule, um)["secs"])
        finest_mV = epsps_mV(tree, SYNAPSE, weights_uS, replace(run, dt_ms=dt_ms))
    return Comparison(weights_uS, wscale_mV, arbor_mV, finest_mV)


TREES_TABLE: Columns = (
    ("tree", "tree", ""),
    ("sites", "sites", "d"),
    ("dt, ms", "dt", "g"),
    ("um", "um", "g"),
    ("NEURON, %", "difference", ".4f"),
    ("target, %", "error", ".3f"),
    ("finest, %", "error_finest", ".3f"),
)
SITES_TABLE: Columns = (
    ("site", "site", ""),
    ("weight, nS", "weight", ".5f"),
    ("NEURON, mV", "wscale", ".6f"),
    ("Arbor, mV", "arbor", ".6f"),
    ("at the finest, mV", "finest", ".6f"),
)


def main() -> None:
    """Compare all trees at all resolutions, and print and write the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.second_simulator",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--sites", action="store_true", help="print every site, too")
    parser.add_argument("--jobs", type=int, default=2, help="workers of wscale")
    parser.add_argument("--page", type=Path, help="replace the table of this Markdown page")
    args = parser.parse_args()
    check_page(args.page, NAME)
    say = Console()
    rows: Rows = []
    for tree, read in TREES.items():
        for dt_ms, um in RESOLUTIONS:
            say.print(f"{tree}: {dt_ms:g} ms, {um:g} um", highlight=False)
            with tempfile.TemporaryDirectory() as folder:
                run = replace(RUN, dt_ms=dt_ms)
                found = compare(read(Path(folder)), run, um, finest=FINEST, n_jobs=args.jobs)
            rows.append(
                {
                    "tree": tree,
                    "sites": len(found.weights_uS),
                    "dt": dt_ms,
                    "um": um,
                    "difference": 100 * found.largest_difference,
                    "error": 100 * found.largest_error,
                    "error_finest": 100 * found.largest_error_finest,
                }
            )
            if args.sites:
                print_tables(
                    [(f"{tree}: {dt_ms:g} ms, {um:g} um", of_sites(found), SITES_TABLE)], say
                )
    tables = [("Largest deviation of Arbor from NEURON and from the target", rows, TREES_TABLE)]
    print_tables(tables, say)
    said = f"{about()}, arbor {arbor.__version__}"
    say.print(said, highlight=False, soft_wrap=True)
    if args.page is not None:
        write_page(args.page, NAME, said, tables)


def of_sites(found: Comparison) -> Rows:
    """Return a row for each site."""
    return [
        {
            "site": f"{sec}({loc:g})",
            "weight": 1e3 * weight_uS,
            "wscale": found.wscale_mV[sec, loc],
            "arbor": found.arbor_mV[sec, loc],
            "finest": found.finest_mV[sec, loc],
        }
        for (sec, loc), weight_uS in found.weights_uS.items()
    ]


if __name__ == "__main__":
    sys.exit(fail_in_words(main))
