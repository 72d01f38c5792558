"""What a search is: all that decides the outcomes of a cell's sites."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from wscale._version import __version__
from wscale.results.provenance import content_hashes
from wscale.search.cell import SearchCell

__all__ = ["run_identity"]


def run_identity(method: str, setting: Any, cell: SearchCell) -> dict[str, Any]:
    """Return all that decides the outcomes of a cell, as JSON holds it."""
    identity = {
        "method": method,
        "cell": cell.model.cell,
        "sha256": content_hashes(cell.model),
        "cfg": cell.model.cfg,
        "sites": [f"{site.sec}({site.loc!r})" for site in cell.sites],
        "targets_mV": list(cell.targets_mV),
        "protocol": asdict(cell.protocol),
        **asdict(setting),
        "versions": {
            "wscale": __version__,
            **{package: version(package) for package in ("netpyne", "neuron", "numpy", "scipy")},
            "machine": platform.machine(),
        },
    }
    plain: dict[str, Any] = json.loads(json.dumps(identity))
    return plain
