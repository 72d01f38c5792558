"""The main job: weightNorm tables of the nine M1 cell types, with the reference protocol.

    python M1_grid_search.py [--cells PV_simple,IT2_reduced] [--jobs 4] [--out results]
                             [--config search.json] [--fresh] [--retry-failed]

Protocol of the M1 and A1 models (Dura-Bernal et al. 2023, Cell Reports 42:112574): one activation
of AMPA and NMDA together in each segment outside the axon, 19 weights, target 0.5 mV at the soma.
"""

import argparse
import sys
from pathlib import Path

from wscale.calibrate.settings import SearchSettings
from wscale.cli.app import fail_in_words
from wscale.cli.calibration import calibrate_and_print

# Which cells: parameter files in cells/
CELLS = [
    "IT2_reduced",
    "IT4_reduced",
    "IT5A_reduced",
    "IT5B_reduced",
    "PT5B_reduced",
    "IT6_reduced",
    "CT6_reduced",
    "PV_simple",
    "SOM_simple",
]

SETTINGS = {
    "folder": str(Path(__file__).resolve().parent),
    # Where: sections, section lists or patterns (None: all but axons), and locations in them
    "sections": None,
    "locations": "every",  # every segment; or "middle", or numbers such as [0.25, 0.75]
    # How strong (uS), and what is wanted at the soma (mV)
    "weights_uS": "1e-4:1.9e-3:19",
    "target_mV": 0.5,
    # "linear" reproduces the published tables; "monotone" meets the target
    "interpolation": "monotone",
    # Where the grid ends below the target, go on: to the largest plausible weight (uS)
    "extend": True,
    "max_weight": 0.1,
    # When a trial ends: "peak", or "half" so that there are half-widths; the EPSP is the same
    "until": "half",
    # Changes of cfg.py: the published tables were made with this time step (ms)
    "cfg": {"dt": 0.05},
}


def main() -> int:
    """Run the search; return the exit code (0: sound, 1: failed sites or missed targets)."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", help="cell labels with commas (default: the nine M1 cells)")
    parser.add_argument(
        "--jobs", type=int, default=-1, help="worker processes (default: all cores)"
    )
    parser.add_argument("--out", default="results", help="results folder (default: results)")
    parser.add_argument("--config", help="JSON file of settings in place of those in this file")
    parser.add_argument("--fresh", action="store_true", help="begin anew in the results folder")
    parser.add_argument("--retry-failed", action="store_true", help="search failed sites again")
    args = parser.parse_args()

    given = {"cells": args.cells.split(",")} if args.cells else {}
    if args.config:
        settings = SearchSettings.read(args.config, **given)
    else:
        settings = SearchSettings.make(**{"cells": CELLS, **SETTINGS, **given})
    sound = calibrate_and_print(
        settings,
        args.out,
        n_jobs=args.jobs,
        command=["python", *sys.argv],
        verified=True,
        traces=True,
        fresh=args.fresh,
        retry_failed=args.retry_failed,
    )
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(fail_in_words(main))
