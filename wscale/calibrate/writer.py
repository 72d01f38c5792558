"""What a search leaves in a results folder: table, grid and check of each cell, results.json."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from wscale._util.files import make_folder, write_atomically
from wscale.calibrate.settings import SearchSettings
from wscale.errors import TableError, WscaleError
from wscale.parallel.chains import Backend
from wscale.results.manifest import cells_in
from wscale.results.morphology import Shape
from wscale.results.provenance import provenance
from wscale.results.traces import Traces
from wscale.search.grid import GridResult
from wscale.search.targeted import SolveResult
from wscale.search.traced import Profile
from wscale.verification.verify import Verification

__all__ = ["ResultsFolder"]

_FORMAT = 1
# results.json holds all cells, so it is rewritten after this time, s, and at the end only
_REST_s = 10.0


class ResultsFolder:
    """The files of a results folder, written cell by cell; a context manager.

    Parameters
    ----------
    folder : Path
        It exists, with the folders for tables and grids in it. Cells of earlier runs stay in
        results.json.
    workers : Backend
        For the number of workers in results.json.
    labels : sequence of str
        The cells of this run. Until it is over, results.json says which of them are not finished.
    start : float, optional
        When the run began, by ``time.perf_counter``; default: now.
    """

    def __init__(
        self, folder: Path, workers: Backend, labels: Sequence[str], start: float | None = None
    ) -> None:
        self._folder, self._jobs, self._labels = folder, workers.n_workers, tuple(labels)
        self._start = time.perf_counter() if start is None else start
        self._earlier = cells_in(folder / "results.json")
        self._entries: dict[str, dict[str, Any]] = {}
        self._written_at = -math.inf

    def __enter__(self) -> ResultsFolder:
        if self._earlier:
            self._write_summary()
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        with nullcontext() if failure is None else suppress(WscaleError):
            self._write_summary(over=failure is None)

    def has_pickle(self, label: str) -> bool:
        """Whether a cell of this run has a table that NetPyNE can load."""
        return self._entries[label]["files"]["weightNorm_pkl"] is not None

    def write(
        self, result: GridResult | SolveResult, settings: SearchSettings, command: Sequence[str]
    ) -> None:
        """Write a cell's table and grid, and results.json if it was not written lately."""
        self._entries[result.model.label] = self._write_cell(result, settings, command)
        if time.perf_counter() - self._written_at >= _REST_s:
            self._write_summary()

    def write_verification(self, label: str, check: Verification) -> None:
        """Write what a cell's table gives in a network."""
        entry = self._entries[label]
        path = make_folder(self._folder / "verification") / f"{label}.csv"
        write_atomically(path, check.frame.to_csv(index=False).encode())
        entry["files"]["verification"] = str(path.relative_to(self._folder))
        entry["verified"] = {
            "passed": check.passed,
            "largest_error": None if np.isnan(check.largest_error) else check.largest_error,
            "misread_centres": len(check.misread),
        }

    def has_traces(self, label: str, identity: str) -> bool:
        """Whether a cell's traces, made of the same, are there from an earlier run."""
        found = Traces.identity(self._traces(label)) == identity
        if found:
            self._name_traces(label)
        return found

    def write_traces(self, profile: Profile, identity: str) -> None:
        """Write a cell's traces; ``identity`` says what they were made of."""
        label = profile.model.label
        make_folder(self._folder / "traces")
        profile.traces.write(self._traces(label), identity)
        self._name_traces(label)

    def _traces(self, label: str) -> Path:
        return self._folder / "traces" / f"{label}.npz"

    def _name_traces(self, label: str) -> None:
        path = self._traces(label).relative_to(self._folder)
        self._entries[label]["files"]["traces"] = str(path)

    def _write_cell(
        self, result: GridResult | SolveResult, settings: SearchSettings, command: Sequence[str]
    ) -> dict[str, Any]:
        cell, folder = result.model.label, self._folder
        origin = provenance(result.model, command)
        table = result.table(origin)
        json_file = folder / "weightNorm" / f"{cell}_weightNorm.json"
        table.write_json(json_file)
        pkl_file = json_file.with_suffix(".pkl")
        why_not = None
        try:
            table.write_pickle(pkl_file)
        except TableError as error:
            pkl_file.unlink(missing_ok=True)  # one of an earlier run
            why_not = str(error)
        files = {
            "weightNorm_json": str(json_file.relative_to(folder)),
            "weightNorm_pkl": None if why_not else str(pkl_file.relative_to(folder)),
            "shape": f"cells/{cell}.json",
        }
        Shape.of(result.model).write(make_folder(folder / "cells") / f"{cell}.json")
        losses: dict[str, Any] = {}
        if isinstance(result, GridResult):
            csv = folder / "grid_batch" / f"{cell}.csv"
            write_atomically(csv, result.frame.to_csv(index=False).encode())
            files["grid"] = str(csv.relative_to(folder))
            best, loss = result.best.drop(columns="cell"), result.loss_mV2
            losses = {
                "loss_mV2": None if np.isnan(loss) else loss,
                "best": best.to_dict(orient="records"),
            }
        return {
            "counts": table.counts,
            **losses,
            "trials": result.trials,
            "worker_seconds": round(result.seconds, 3),
            "files": files,
            "no_pkl_because": why_not,
            "notices": list(result.model.notices),
            "settings": settings.model_dump(mode="json"),
            "provenance": origin,
        }

    def _write_summary(self, over: bool = False) -> None:
        wall_s = time.perf_counter() - self._start
        done = [label for label in self._labels if label in self._entries]
        content = {
            "wscale_results": _FORMAT,
            "cells": {**self._earlier, **{label: self._entries[label] for label in done}},
            "last_run": {
                "cells": done,
                "unfinished": [label for label in self._labels if label not in self._entries],
                "wall_seconds": round(wall_s, 3),
                "jobs": self._jobs,
                "finished": datetime.now(UTC).isoformat(timespec="seconds") if over else None,
            },
        }
        encoded = json.dumps(content, indent=1, allow_nan=False).encode()
        write_atomically(self._folder / "results.json", encoded)
        self._written_at = time.perf_counter()
