"""How the commands speak: to people, to machines (--json), hardly (--quiet) or more (--verbose)."""

from __future__ import annotations

import json
import logging
import math
from functools import partial
from typing import Annotated, Any

import pandas as pd
import typer
from rich.console import Console

__all__ = ["AsJson", "Quiet", "Verbose", "console", "fail", "print_json", "say"]

_quiet = _json = False


def _be_quiet(value: bool) -> bool:
    global _quiet
    _quiet = value
    logging.getLogger("wscale.progress").disabled = value
    return value


def _be_for_machines(value: bool) -> bool:
    global _json
    _json = value
    return value


def _be_verbose(value: bool) -> bool:
    if value:
        logging.basicConfig(format="%(name)s: %(message)s")
    logging.getLogger("wscale").setLevel(logging.INFO if value else logging.WARNING)
    return value


_of_output = partial(typer.Option, rich_help_panel="Output")

Quiet = Annotated[
    bool,
    _of_output("--quiet", "-q", help="Print errors only; the exit code tells.", callback=_be_quiet),
]
Verbose = Annotated[
    bool,
    _of_output(
        "--verbose",
        "-v",
        help="Say on stderr what is compiled, found and written, and how workers fare.",
        callback=_be_verbose,
    ),
]
AsJson = Annotated[
    bool,
    _of_output(
        "--json",
        help="Print the outcome as JSON; all else goes to stderr.",
        callback=_be_for_machines,
    ),
]


def console() -> Console:
    """Return where a command speaks to people."""
    return Console(quiet=_quiet, stderr=_json)


def say(text: str) -> None:
    """Print a line as it is: no markup, no wrapping."""
    console().print(text, highlight=False, markup=False, soft_wrap=True)


def fail(kind: str, reason: str) -> None:
    """Say on stderr what went wrong; to machines, on stdout too."""
    Console(stderr=True).print(f"{kind}: {reason}", highlight=False, markup=False, soft_wrap=True)
    print_json({"error": {"type": kind, "message": reason}})


def print_json(outcome: dict[str, Any]) -> None:
    """Print an outcome for machines, where that is asked for; what is no number is null.

    Examples
    --------
    >>> _be_for_machines(True)
    True
    >>> print_json({"error": float("nan"), "entries": pd.DataFrame({"sec": ["soma"]})})
    {
     "error": null,
     "entries": [
      {
       "sec": "soma"
      }
     ]
    }
    >>> _be_for_machines(False)
    False
    """
    if _json:
        print(json.dumps(_plain(outcome), indent=1, allow_nan=False))


def _plain(value: Any) -> Any:
    if isinstance(value, pd.DataFrame):
        return _plain(value.to_dict(orient="records"))
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):  # of NumPy
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | None) else str(value)
