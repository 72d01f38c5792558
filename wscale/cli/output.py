"""What the commands print: text for people, JSON (--json), less (--quiet) or more (--verbose)."""

from __future__ import annotations

import ast
import json
import logging
import math
import re
from typing import TYPE_CHECKING, Any

from wscale.calibrate.options import FLAGS

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["console", "fail", "print_json", "say", "speak", "with_options"]

_quiet = _json = False

# A parameter as messages name it: `out`, `soma='Soma'`; see wscale.errors.option
_PARAMETER = re.compile(r"`([A-Za-z_]+)(?:=([^`]*))?`")

# What is wrong with a parameter: "window_ms = 0 must be positive"
_SETTING = re.compile(r"(?:settings: )?([A-Za-z_]+) = ")


def speak(quiet: bool = False, verbose: bool = False, as_json: bool = False) -> None:
    """Set what this process prints from now on."""
    global _quiet, _json
    _quiet, _json = quiet, as_json
    if verbose:
        logging.basicConfig(format="%(name)s: %(message)s")
    logging.getLogger("wscale").setLevel(logging.INFO if verbose else logging.WARNING)
    logging.getLogger("wscale.progress").disabled = quiet


def with_options(message: str) -> str:
    """Return a message with options in place of the parameters that it names.

    Examples
    --------
    >>> with_options("choose another folder with `out`, or say `soma='Soma'`")
    'choose another folder with --out, or say --soma Soma'
    >>> with_options("`cfg={'dt': 0.05}` sets what is in `cfg`")
    '--cfg dt=0.05 sets what is in `cfg`'
    """
    return _PARAMETER.sub(_option, message)


def _option(found: re.Match[str]) -> str:
    flag, text = FLAGS.get(found[1]), found[2]
    if flag is None or (text is None and flag == "--cfg"):  # `cfg` alone is NetPyNE's object
        return found[0]
    if text is None:
        return flag
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return found[0]
    if value is True:
        return flag
    if flag == "--cell-args":
        return f"{flag} '{json.dumps(value)}'"
    if isinstance(value, dict):
        return " ".join(f"{flag} {key}={item}" for key, item in value.items())
    return f"{flag} {','.join(map(str, value)) if isinstance(value, list | tuple) else value}"


def console() -> Console:
    """Return the console for people."""
    from rich.console import Console

    return Console(quiet=_quiet, stderr=_json)


def say(text: str) -> None:
    """Print a line as it is, but with options in place of parameters: no markup, no wrapping."""
    console().print(with_options(text), highlight=False, markup=False, soft_wrap=True)


def fail(kind: str, reason: str) -> None:
    """Print on stderr what went wrong, and with which option; with --json, on stdout too."""
    from rich.console import Console

    reason = with_options(reason)
    flag = FLAGS.get(found[1]) if (found := _SETTING.match(reason)) else None
    if flag is not None and flag not in reason:
        reason += f" ({flag})"
    Console(stderr=True).print(f"{kind}: {reason}", highlight=False, markup=False, soft_wrap=True)
    print_json({"error": {"type": kind, "message": reason}})


def print_json(outcome: dict[str, Any]) -> None:
    """Print an outcome as JSON, if that is asked for; values that are not finite are null.

    Examples
    --------
    >>> import pandas as pd
    >>> speak(as_json=True)
    >>> print_json({"error": float("nan"), "entries": pd.DataFrame({"sec": ["soma"]})})
    {
     "error": null,
     "entries": [
      {
       "sec": "soma"
      }
     ]
    }
    >>> speak()
    """
    if _json:
        print(json.dumps(_plain(outcome), indent=1, allow_nan=False))


def _plain(value: Any) -> Any:
    if hasattr(value, "to_dict"):  # of pandas
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
