"""NetPyNE's own grid search, ``netpyne.batchtools``, over this repository's init.py.

One process a grid point, as batchtools does it. Needs ``pip install 'wscale[bench]'``.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from wscale.errors import ConfigError, SimulationError

REPO = Path(__file__).resolve().parents[1]
PACKAGES = ("batchtk", "optuna", "ray", "sklearn")
VARIED = ("NetStim1.sec", "NetStim1.loc", "NetStim1.weight")
# Ray on this machine only: on the loopback interface, and without sending statistics
RAY_ENVIRONMENT = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}


def batchtools_grid(
    cell: str,
    sections: Sequence[str],
    weights_uS: Sequence[float],
    *,
    cfg: Mapping[str, object],
    workers: int,
    locs: Sequence[float] = (0.5,),
) -> tuple[float, list[dict[str, Any]], int]:
    """Run batchtools' grid search over section x location x weight; print nothing.

    It runs in a fresh process.

    Parameters
    ----------
    cell : str
        Its label; the model folder is this repository.
    sections : sequence of str
        Values of ``NetStim1.sec``; init.py gives no result for a section that the cell has not.
    weights_uS : sequence of float
        Values of ``NetStim1.weight``, uS.
    cfg : mapping
        Changes of cfg that all grid points share: dotted key -> value.
    workers : int
        Number of grid points that run at a time.
    locs : sequence of float
        Values of ``NetStim1.loc``, the same in all sections.

    Returns
    -------
    wall_s : float
        Of the call of ``netpyne.batchtools.search.search``, with the start of Ray, s.
    points : list of dict
        sec, loc, weight_uS, epsp_mV of each grid point, weights of a place next to each other;
        epsp_mV is None where a grid point gave no result.
    failed : int
        Number of grid points that gave no result.

    Raises
    ------
    ConfigError
        The packages that batchtools needs are not installed.
    SimulationError
        The search did not come to its end.
    """
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"netpyne.batchtools needs packages that are not installed ({', '.join(missing)}): "
            "pip install 'wscale[bench]'"
        )
    params: dict[str, list[Any]] = {
        "cell": [cell],
        "NetStim1.sec": list(sections),
        "NetStim1.loc": [float(loc) for loc in locs],
        "NetStim1.weight": [float(weight) for weight in weights_uS],
        "analysis": [{}],  # no figures
        **{key: [value] for key, value in cfg.items()},
    }
    # Ray's sockets lie in this folder, and a socket's path has some hundred characters at most
    with tempfile.TemporaryDirectory(prefix="wscale-batchtools-", dir="/tmp") as folder:
        task = json.dumps({"folder": folder, "params": params, "workers": workers})
        with subprocess.Popen(
            [sys.executable, "-m", "benchmarks.batchtools"],
            cwd=REPO,
            env=os.environ | RAY_ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                _, stderr = process.communicate(task)
            finally:
                process.terminate()  # only where we are interrupted; it then shuts Ray down
                process.wait()
        outcome = Path(folder, "outcome.json")
        if not outcome.is_file():
            said = stderr.strip().splitlines() or [f"exit code {process.returncode}"]
            raise SimulationError(f"netpyne.batchtools did not finish: {said[-1]}")
        wall_s, rows = json.loads(outcome.read_text())
    epsps_mV = {tuple(place): epsp for *place, epsp in rows}
    points = [
        {"sec": sec, "loc": loc, "weight_uS": weight, "epsp_mV": epsps_mV.get((sec, loc, weight))}
        for sec, loc, weight in product(*(params[key] for key in VARIED))
    ]
    return wall_s, points, sum(point["epsp_mV"] is None for point in points)


def search_in(folder: str, params: dict[str, list[Any]], workers: int) -> None:
    """Run the search, all files in a folder; leave wall time and EPSPs in its outcome.json."""
    import ray
    from netpyne.batchtools.search import search

    start = time.perf_counter()
    try:
        with contextlib.chdir(folder):  # where batchtools leaves grid.csv
            study = search(
                job_type="sh",
                comm_type="socket",
                run_config={"command": f"{sys.executable} init.py"},
                params=params,
                algorithm="grid",
                label="grid",
                output_path=f"{folder}/batch",
                checkpoint_path=f"{folder}/checkpoint",
                max_concurrent=workers,
                metric="epsp_mV",
                ray_config={
                    "num_cpus": workers,
                    "include_dashboard": False,
                    "log_to_driver": False,
                    "_temp_dir": f"{folder}/ray",
                },
                remote_dir=str(REPO),  # where the jobs run
                advanced_logging=False,
            )
        wall_s = time.perf_counter() - start
    finally:
        ray.shutdown()
    # the metrics of the results have all digits, the data frame of the study has not
    metrics = [result.metrics or {} for result in study.results]
    rows = [
        [*(row["config"][key] for key in VARIED), row["epsp_mV"]]
        for row in metrics
        if "epsp_mV" in row
    ]
    Path(folder, "outcome.json").write_text(json.dumps((wall_s, rows)))


if __name__ == "__main__":
    search_in(**json.load(sys.stdin))
