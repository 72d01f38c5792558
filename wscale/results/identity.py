"""What a run is: all that decides the outcomes of a cell's sites, and how two runs differ.

The first line of a journal holds it; a run with another identity is refused there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from wscale.errors import ConfigError, option

__all__ = ["differences", "refuse_other"]

# At most so many differences of two runs are told
_TOLD = 5


def refuse_other(header: Mapping[str, Any], identity: Mapping[str, Any], path: Path) -> None:
    """Raise ConfigError with the differences where a journal is that of another run."""
    there = {key: header.get(key) for key in identity}
    here = dict(identity)
    if there["sha256"] == here["sha256"]:
        del there["cfg"], here["cfg"]  # they differ in nothing that is simulated
    found = list(differences(there, here))
    if found:
        told = "; ".join(found[:_TOLD])
        more = f"; and {len(found) - _TOLD} more" if len(found) > _TOLD else ""
        raise ConfigError(
            f"{path} is of another run: {told}{more}. Choose another folder with "
            f"{option('out')}, or begin anew with {option('fresh', True)}"
        )


def differences(there: Any, here: Any, name: str = "") -> Iterator[str]:
    """Say in what two structures of plain data differ, entry by entry.

    Examples
    --------
    >>> list(differences({"cfg": {"dt": 0.05, "seed": 1}}, {"cfg": {"dt": 0.025, "seed": 1}}))
    ['cfg.dt is 0.05 there, 0.025 here']
    """
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        for key in dict.fromkeys([*there, *here]):
            yield from differences(there.get(key), here.get(key), f"{name}.{key}".removeprefix("."))
    elif json.dumps(there) != json.dumps(here):  # not by value: NaN is not NaN
        if name.startswith("sha256."):
            yield f"the content of the {name.removeprefix('sha256.')} has changed"
        elif isinstance(there, list) and isinstance(here, list) and len(there) + len(here) > 8:
            yield f"{name} is another list (of {len(there)} there, of {len(here)} here)"
        else:
            yield f"{name} is {_short(there)} there, {_short(here)} here"


def _short(value: Any) -> str:
    text = "none" if value is None else json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
