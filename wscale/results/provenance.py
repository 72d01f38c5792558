"""Where a table comes from: versions, content hashes, synapses and simulation conditions."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from wscale._version import __version__
from wscale.model.model import Model

__all__ = ["content_hashes", "protocol_of", "provenance"]


def provenance(model: Model, command: Sequence[str]) -> dict[str, Any]:
    """Return what a table was made with: versions, content hashes, command."""
    packages = ("neuron", "netpyne", "numpy", "scipy")
    return {
        "command": " ".join(command),
        "versions": {
            "wscale": __version__,
            "python": platform.python_version(),
            **{package: version(package) for package in packages},
        },
        "machine": platform.machine(),
        "sha256": content_hashes(model),
        "protocol": protocol_of(model),
    }


def protocol_of(model: Model) -> dict[str, Any]:
    """Return what a table's weights belong to: synapses, and how the cell was simulated.

    Examples
    --------
    >>> found = protocol_of(Model.from_folder(".", "PV_simple"))
    >>> found["synMechs"]["AMPA"], found["weightFactors"], found["celsius_degC"]
    ({'mod': 'MyExp2SynBB', 'tau1': 0.05, 'tau2': 5.3, 'e': 0}, [0.5, 0.5], 34.0)
    """
    conditions, labels = model.cfg["hParams"], model.syn_mechs
    factors = model.stim_target.get("synMechWeightFactor") if len(labels) > 1 else None
    return {
        "synMechs": {label: model.net["synMechParams"][label] for label in labels},
        "weightFactors": list(factors or [1.0] * len(labels)),
        "celsius_degC": conditions.get("celsius"),
        "v_init_mV": conditions.get("v_init"),
        "dt_ms": model.dt_ms,
        "onset_ms": model.onset_ms,
        "delay_ms": model.arrival_ms - model.onset_ms,
    }


def content_hashes(model: Model) -> dict[str, str]:
    """Return the SHA-256 of what decides a model's numbers, by name."""
    return {
        "cell": model.cell_hash,
        "mechanisms": model.mechanism_hash,
        "configuration": model.config_hash,
    }
