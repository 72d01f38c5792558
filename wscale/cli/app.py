"""The command line: what ``wscale`` runs, and how it ends."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Annotated

import typer

from wscale._version import __version__
from wscale.cli.inspect import inspect_command
from wscale.cli.new import new_command
from wscale.cli.output import fail
from wscale.cli.plot import plot_command
from wscale.cli.report import report_command
from wscale.cli.search import grid_command, norm_command
from wscale.cli.tables import audit_command, compare_command, verify_command
from wscale.errors import WscaleError

__all__ = ["app", "fail_in_words", "main"]

app = typer.Typer(
    name="wscale",
    help="Calibrate the synapses of NetPyNE cells: verified weightNorm tables from target EPSPs.",
    epilog="Exit codes: 0 all is well; 1 a site failed, a cell has no calibrated segment, an entry "
    "misses its target, tables differ or a cell is unfit; 2 unusable input; 130 interrupted; 143 "
    "terminated.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(f"wscale {__version__}")
        raise typer.Exit


for name, command in (
    ("new", new_command),
    ("inspect", inspect_command),
    ("norm", norm_command),
    ("grid", grid_command),
    ("verify", verify_command),
    ("audit", audit_command),
    ("compare", compare_command),
    ("plot", plot_command),
    ("report", report_command),
):
    app.command(name=name)(command)


def main() -> None:
    """Entry point of the ``wscale`` command."""
    sys.exit(fail_in_words(app))


# A signal that comes so long after the first, s, ends the process without any tidying
_PATIENCE_s = 5.0
_asked_at: float | None = None


def _end(number: int, _: object) -> None:
    """End tidily on Ctrl-C, and on SIGTERM, as a cluster sends it before its time limit."""
    global _asked_at
    if _asked_at is None:
        _asked_at = time.monotonic()
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)
    if time.monotonic() - _asked_at > _PATIENCE_s:
        os._exit(128 + number)
    os.write(2, f"\nending; asked again after {_PATIENCE_s:g} s it ends at once\n".encode())


def fail_in_words(program: Callable[[], int | None]) -> int | None:
    """Run a program; what wscale cannot work with becomes words on stderr and exit code 2."""
    global _asked_at
    _asked_at = None
    signal.signal(signal.SIGTERM, _end)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as nohup and scripts want it
        signal.signal(signal.SIGINT, _end)
    try:
        return program()
    except WscaleError as error:
        fail(type(error).__name__, str(error))
        return 2
    except KeyboardInterrupt:
        return _interrupted()
    except SystemExit as end:
        if end.code == 128 + signal.SIGINT:  # Typer has caught KeyboardInterrupt
            return _interrupted()
        raise


def _interrupted() -> int:
    fail("Interrupted", "files already written are whole")
    return 128 + signal.SIGINT
