"""The errors that wscale raises for input and conditions that it cannot work with.

Every message names the parameter or file, the value that was met, what is allowed and the remedy.
All of them are :class:`WscaleError`, so that a caller can catch the family.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

__all__ = [
    "ConfigError",
    "MechanismError",
    "ModelError",
    "OtherMechanismsError",
    "SelectionError",
    "SimulationError",
    "TableError",
    "WscaleError",
    "closest",
    "option",
]


class WscaleError(Exception):
    """Base class of all errors of wscale."""


class ConfigError(WscaleError):
    """A search setting or a cfg override is not usable."""


class ModelError(WscaleError):
    """A model folder, cell rule or network description is not usable."""


class SelectionError(WscaleError):
    """Sections, locations, weights or targets that do not fit the cell."""


class MechanismError(WscaleError):
    """NMODL mechanisms are missing, do not compile or cannot be loaded."""


class CompileError(MechanismError):
    """NMODL files do not compile; ``files`` says which, and why."""

    def __init__(self, message: str, files: dict[str, str] | None = None) -> None:
        super().__init__(message)  # the one argument with which a worker's error is made again
        self.files = files or {}


class OtherMechanismsError(MechanismError):
    """A process holds other mechanisms, of an earlier model; NEURON cannot unload them."""


class SimulationError(WscaleError):
    """A simulation could not be set up or run."""


class TableError(WscaleError):
    """A weightNorm table cannot be read, written or used."""


def closest(name: str, allowed: Iterable[str]) -> str:
    """Return a hint that names the allowed names closest to a mistyped one.

    Parameters
    ----------
    name : str
        What was given.
    allowed : iterable of str
        What could have been meant.

    Returns
    -------
    str
        ``" Did you mean 'duration'?"``, or an empty string where nothing is close.

    Examples
    --------
    >>> closest("durration", ["dt", "duration"])
    " Did you mean 'duration'?"
    >>> closest("xyz", ["dt", "duration"])
    ''
    """
    matches = difflib.get_close_matches(name, list(allowed), n=2, cutoff=0.6)
    if not matches:
        return ""
    return f" Did you mean {' or '.join(repr(match) for match in matches)}?"


def option(name: str, value: Any = ...) -> str:
    """Return a parameter as messages name it: in backticks.

    The command line shows its own option in the place of it, see
    :func:`wscale.cli.output.with_options`; so library code never writes ``--out``.

    Parameters
    ----------
    name : str
        A parameter or setting, one of those in :mod:`wscale.calibrate.options`.
    value : str, number, list or dict, optional
        What it could be set to.

    Examples
    --------
    >>> f"choose another folder with {option('out')}"
    'choose another folder with `out`'
    >>> option("soma", "Soma"), option("cfg", {"dt": 0.05})
    ("`soma='Soma'`", "`cfg={'dt': 0.05}`")
    """
    return f"`{name}`" if value is ... else f"`{name}={value!r}`"
