"""Files of a results folder: written whole or not at all, with their provenance."""

from __future__ import annotations

import contextlib
import logging
import os
import platform
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from wscale._version import __version__
from wscale.errors import ConfigError
from wscale.model import Model

__all__ = ["content_hashes", "make_folder", "protocol_of", "provenance", "write_atomically"]

_logger = logging.getLogger(__name__)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    Parameters
    ----------
    path : Path
        The file; its folder must exist. Where it is a link, the file that it leads to is written.
    content : bytes
        All of it.

    Raises
    ------
    ConfigError
        The folder is not writable, the disk is full, or the path is a folder, pipe or device.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise ConfigError(
            f"{path} cannot be written: it is a pipe or device, not a file; give another name"
        )
    temporary: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            temporary = Path(file.name)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        temporary = None
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}; choose another folder with --out or make "
            "room"
        ) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()
    _logger.info("%s: %d bytes", path, len(content))


def make_folder(path: Path) -> Path:
    """Create a folder for results, with a clear error where that is not possible."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"results folder {path} cannot be made: {error.strerror}; choose another with --out"
        ) from error
    return path


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


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
