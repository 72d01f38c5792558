"""Finding a Dask scheduler, and whether its workers compute what this process would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from wscale.errors import ConfigError

__all__ = ["VERSIONS", "CONNECT_s", "connected", "differences"]

CONNECT_s = 10.0
# What must be the same everywhere for numbers to be; evaluated by workers without any of wscale
_PACKAGES = ("wscale", "neuron", "netpyne", "numpy", "scipy")
VERSIONS = f"""(lambda found, sys, platform: {{
    "python": "%d.%d" % sys.version_info[:2],
    "machine": platform.machine(),
    **{{name: next((one.version for one in found(name=name)), None) for name in {_PACKAGES}}}
}})(__import__("importlib.metadata").metadata.distributions, __import__("sys"),
    __import__("platform"))"""


def connected(scheduler: Any) -> Any:
    """Return a client of the scheduler at an address, of a scheduler file or of a cluster."""
    from distributed import Client

    if isinstance(scheduler, str | Path):
        scheduler = _address(str(scheduler))
    try:
        return Client(  # type: ignore[no-untyped-call]
            scheduler, timeout=CONNECT_s, set_as_default=False, name="wscale"
        )
    except (OSError, TimeoutError, ValueError, TypeError, RuntimeError) as error:
        raise ConfigError(
            f"no Dask scheduler answers at {scheduler}: {error}; is it running, does this machine "
            "reach it, and is it one with or without TLS as the address says?"
        ) from error


def _address(scheduler: str) -> str:
    """Return the address that was given, or that a scheduler file holds."""
    if "://" in scheduler:
        return scheduler
    file = Path(scheduler).expanduser()
    try:
        address = json.loads(file.read_text())["address"]
    except FileNotFoundError:
        raise ConfigError(
            f"--scheduler {scheduler!r} is neither an address, such as tcp://127.0.0.1:8786, nor a "
            "file that there is"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{file} is not the scheduler file of a Dask scheduler: {error!r}"
        ) from error
    return str(address)


def differences(there: dict[str, str | None]) -> str:
    """Say what of a worker's versions is not as here; nothing where all is."""
    here = eval(VERSIONS)
    told = [
        f"has no {name}" if there[name] is None else f"has {name} {there[name]}, and not {version}"
        for name, version in here.items()
        if there[name] != version
    ]
    if not told:
        return ""
    return (
        f"{', '.join(told)}: the numbers might not be the same. Install the same versions in the "
        "Python of the workers as here"
    )
