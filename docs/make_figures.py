"""Make the figures of the documentation, docs/images/, from the repository alone.

    python docs/make_figures.py [FIGURE ...]

Without names all of them; it takes some two minutes, most of it the main job.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"

# Figure -> what it is in the results folder of the main job, or of `wscale plot` on that
OF_MAIN_JOB = {
    "m1.png": "search",
    "pt5b_epsp_weight.png": "PT5B_reduced_epsp_weight",
    "pt5b_before_after.png": "PT5B_reduced_before_after",
}
MICROCIRCUIT = "microcircuit.png"


def run(*command: str) -> None:
    """Run a Python program of the repository."""
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True)


def of_main_job(names: list[str], results: Path) -> None:
    """Run the main job and draw its figures."""
    run("M1_grid_search.py", "--out", str(results))
    run("-m", "wscale", "plot", str(results), "--cell", "PT5B_reduced")
    for name in names:
        shutil.copy(results / "figures" / f"{OF_MAIN_JOB[name]}.png", IMAGES / name)


def microcircuit(results: Path) -> None:
    """Run the example network, which draws its figure itself."""
    figure = str(IMAGES / MICROCIRCUIT)
    run("examples/m1_microcircuit/run.py", "--out", str(results), "--figure", figure)


def main() -> None:
    """Make the figures that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    known = [*OF_MAIN_JOB, MICROCIRCUIT]
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=", ".join(known))
    wanted = parser.parse_args().figures or known
    if unknown := sorted({*wanted} - {*known}):
        parser.error(f"no such figure: {', '.join(unknown)}; there are {', '.join(known)}")
    with tempfile.TemporaryDirectory() as temporary:
        if names := [name for name in wanted if name in OF_MAIN_JOB]:
            of_main_job(names, Path(temporary, "m1"))
        if MICROCIRCUIT in wanted:
            microcircuit(Path(temporary, "microcircuit"))
    print("\n".join(f"docs/images/{name}" for name in wanted))


if __name__ == "__main__":
    main()
