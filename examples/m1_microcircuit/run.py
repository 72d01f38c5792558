"""A small motor cortex network whose connections give the EPSP that is asked for, anywhere.

    python examples/m1_microcircuit/run.py [--out FOLDER] [--figure FILE] [--jobs N] [--quick]

Makes the weightNorm tables where they are not there yet, builds the network with them and without,
measures unitary EPSPs at every place of one cell of each type, and draws what it found. Exit code
1: an EPSP of the network with tables misses its target by more than 0.2 %.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any

import network
import pandas as pd
from figure import draw

from wscale import Journals, Model, Response, Site, SolveResult, solve
from wscale._util.files import make_folder, write_atomically
from wscale.cli.app import fail_in_words
from wscale.errors import ConfigError, SimulationError
from wscale.mechanisms.loading import import_neuron
from wscale.model.sites import number_of_segments
from wscale.parallel.pool import number_of_jobs
from wscale.results.provenance import provenance
from wscale.tables.weightnorm import read_out_loc

HERE = Path(__file__).resolve().parent
# How far an EPSP of the network may be from what was asked for; the tables keep to a tenth of it
ALLOWED = 2e-3
TOLERANCE = 2e-4
QUICK = {
    "numCells": {"IT5B": 3, "PT5B": 3, "PV": 2, "SOM": 2},
    "activity_ms": 200.0,
}


def main() -> int:
    """Make tables, networks, figure and summary; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE / "results", help="results folder")
    parser.add_argument("--figure", type=Path, help="PNG (default: microcircuit.png in --out)")
    parser.add_argument("--jobs", type=int, default=-1, help="processes (default: all cores)")
    parser.add_argument("--quick", action="store_true", help="ten cells, 200 ms of activity")
    parser.add_argument("--fresh", action="store_true", help="make the tables anew")
    args = parser.parse_args()

    start = time.perf_counter()
    jobs = number_of_jobs(args.jobs)
    out = make_folder(args.out.expanduser().absolute())
    figure = (args.figure or out / "microcircuit.png").expanduser().absolute()
    if figure.suffix != ".png" or figure.is_dir():
        raise ConfigError(f"--figure {figure} must be a file that ends in .png")
    make_folder(figure.parent)
    import_neuron()  # without its notice on displays
    from cfg import cfg

    results = make_tables(cfg, out, jobs, fresh=args.fresh)
    print(f"tables in {out / 'weightNorm'}; networks ...", flush=True)

    changes = {"tables": str(out / "weightNorm"), **(QUICK if args.quick else {})}
    scaled, unscaled, activity = run_networks(results, changes, jobs)
    epsps = side_by_side(results, scaled, unscaled)
    draw(epsps, activity, cfg.probe_mV, figure)
    write_atomically(out / "unitary_epsps.csv", epsps.to_csv(index=False).encode())
    summary = summarise(epsps, activity, cfg.probe_mV)
    write_atomically(out / "summary.json", json.dumps(summary, indent=1).encode())
    print_summary(summary, epsps)
    print(f"figure {figure}, numbers in {out}; {time.perf_counter() - start:.0f} s")
    return 0 if summary["largest_deviation"] <= ALLOWED else 1


# ---------------------------------------------------------------------- tables


def make_tables(cfg: Any, out: Path, jobs: int, *, fresh: bool) -> dict[str, SolveResult]:
    """Calibrate the cells; what an earlier run has finished is taken from its journal.

    Returns
    -------
    dict
        Population -> the result of its cell's search.
    """
    if not Path(cfg.repository, "cells").is_dir():
        raise ConfigError(
            f"cfg.repository = {cfg.repository!r} has no folder cells/; set it, in {HERE}/cfg.py, "
            "to the folder of wscale's repository"
        )
    protocol = {
        "dt": cfg.dt,
        "NetStim1.start": cfg.onset_ms,
        "NetStim1.delay": cfg.probeDelay_ms,
        **{f"hParams.{name}": value for name, value in cfg.hParams.items()},
    }
    with ThreadPoolExecutor(jobs) as pool:  # each is read in a process of its own
        models = list(
            pool.map(
                lambda cell: Model.from_folder(cfg.repository, cell, protocol), cfg.cells.values()
            )
        )
    with Journals(out, fresh=fresh, command=["python", *sys.argv]) as journals:
        results = solve(
            models, targets=cfg.probe_mV, tolerance=TOLERANCE, n_jobs=jobs, journals=journals
        )
        folder = make_folder(out / "weightNorm")
        for result in results:
            label = result.model.label
            table = result.table(provenance(result.model, journals.command(label)))
            table.write_json(folder / f"{label}_weightNorm.json")
            table.write_pickle(folder / f"{label}_weightNorm.pkl")
    return dict(zip(cfg.cells, results, strict=True))


# ---------------------------------------------------------------------- networks


def run_networks(
    results: dict[str, SolveResult], changes: dict[str, Any], jobs: int
) -> tuple[Any, Any, Any]:
    """Probe the network with tables and without, and run it with its background.

    NetPyNE holds one network a process, so each has a process of its own.
    """
    places = {
        pop: [place_of(result.model, site) for site, _ in result.solutions]
        for pop, result in results.items()
    }
    context = get_context("spawn")
    with ProcessPoolExecutor(min(jobs, 3), mp_context=context, max_tasks_per_child=1) as pool:
        running = [
            pool.submit(network.activity, changes),
            pool.submit(network.probe, {**changes, "places": places}),
            pool.submit(network.probe, {**changes, "places": places, "scaled": False}),
        ]
        try:
            activity, scaled, unscaled = (one.result() for one in running)
        except BrokenProcessPool as error:
            raise SimulationError(
                "the process of a network ended early, perhaps for lack of memory; try --jobs 1"
            ) from error
        except BaseException:  # interrupted: do not wait for the others
            for child in active_children():
                child.terminate()
            raise
    return scaled, unscaled, activity


def place_of(model: Model, site: Site) -> tuple[str, float]:
    """Return section and location; there, NetPyNE reads the table entry of the site's segment."""
    return site.sec, read_out_loc(site.segment, number_of_segments(model, site.sec))


# ---------------------------------------------------------------------- what was found


def side_by_side(
    results: dict[str, SolveResult],
    scaled: dict[str, list[Response]],
    unscaled: dict[str, list[Response]],
) -> pd.DataFrame:
    """Return one row a place, with the EPSPs that were measured in the two networks, mV."""
    rows = []
    for pop, result in results.items():
        pairs = zip(result.solutions, scaled[pop], unscaled[pop], strict=True)
        for (site, solution), with_table, without in pairs:
            for response in (with_table, without):
                if not response.ok:
                    raise SimulationError(
                        f"{pop} {site}: the response is {response.status} ({response.reason}); "
                        "choose a smaller cfg.probe_mV"
                    )
            rows.append(
                {
                    "pop": pop,
                    "cell": result.model.cell,
                    "sec": site.sec,
                    "parent": result.model.rule["secs"][site.sec].get("topol", {}).get("parentSec"),
                    "segment": site.segment,
                    "distance_um": site.distance_um,
                    "weightNorm_uS_per_mV": solution.weight_norm,
                    "scaled_mV": with_table.epsp_mV,
                    "unscaled_mV": without.epsp_mV,
                }
            )
    return pd.DataFrame(rows)


def summarise(epsps: pd.DataFrame, activity: dict[str, Any], intended_mV: float) -> dict[str, Any]:
    """Return the figures that matter, plain."""
    seconds = activity["duration_ms"] / 1000.0
    pops = epsps.groupby("pop", sort=False)
    return {
        "intended_mV": intended_mV,
        "largest_deviation": float((epsps["scaled_mV"] / intended_mV - 1.0).abs().max()),
        "scaled_mV": {pop: list(rows["scaled_mV"].agg(["min", "max"])) for pop, rows in pops},
        "unscaled_mV": {pop: list(rows["unscaled_mV"].agg(["min", "max"])) for pop, rows in pops},
        "synapses": activity["synapses"],
        "largest_weight_error": activity["largest_weight_error"],
        "rate_Hz": {
            pop: sum(gid in gids for gid in activity["cells"]) / len(gids) / seconds
            for pop, gids in activity["gids"].items()
        },
    }


def print_summary(summary: dict[str, Any], epsps: pd.DataFrame) -> None:
    """Say what was found."""
    places = epsps["pop"].value_counts()
    print(f"{'':6}{'places':>7}{'with tables (mV)':>21}{'one weight (mV)':>19}{'rate (Hz)':>11}")
    for pop, (low, high) in summary["unscaled_mV"].items():
        least, most = summary["scaled_mV"][pop]
        print(
            f"{pop:6}{places[pop]:>7}{least:>12.4f} - {most:.4f}{low:>10.3f} - {high:.3f}"
            f"{summary['rate_Hz'][pop]:>11.1f}"
        )
    print(
        f"intended {summary['intended_mV']:g} mV; largest deviation with tables "
        f"{100 * summary['largest_deviation']:.3f} % (allowed: {100 * ALLOWED:g} %)"
    )
    print(
        f"{summary['synapses']} synapses of the network have the weight that was meant, to "
        f"{summary['largest_weight_error']:.0e}"
    )


if __name__ == "__main__":
    sys.exit(fail_in_words(main))
