"""results.json: what a results folder's runs have found, cell by cell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["cells_in", "summary_of"]


def summary_of(folder: Path) -> dict[str, Any]:
    """Return what a results folder's last run says of each of its cells, without its grids."""
    content = json.loads((folder / "results.json").read_text())
    cells = {label: dict(content["cells"][label]) for label in content["last_run"]["cells"]}
    for entry in cells.values():
        entry.pop("best", None)
    return {"folder": str(folder), **content["last_run"], "cells": cells}


def cells_in(path: Path) -> dict[str, Any]:
    """Return the cells of an earlier results.json; none where it is not one."""
    try:
        cells = json.loads(path.read_text())["cells"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return cells if isinstance(cells, dict) else {}
