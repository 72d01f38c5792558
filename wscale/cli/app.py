"""The command line: what ``wscale`` runs, and how it ends."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from wscale._version import __version__
from wscale.cli.inspect import INSPECT, inspect_command
from wscale.cli.new import NEW, new_command
from wscale.cli.options import command
from wscale.cli.output import fail
from wscale.cli.plot import PLOT, plot_command
from wscale.cli.report import REPORT, report_command
from wscale.cli.search import GRID, NORM, grid_command, norm_command
from wscale.cli.tables import (
    AUDIT,
    COMPARE,
    VERIFY,
    audit_command,
    compare_command,
    verify_command,
)
from wscale.errors import WscaleError

__all__ = ["app", "fail_in_words", "main"]


class _Root(TyperGroup):
    """All commands, with help and completion that import little.

    Typer's own help imports a Markdown parser, and it reads options with pydantic.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Leave wscale's own options unread while a shell completes."""
        if not ctx.resilient_parsing:
            return super().parse_args(ctx, args)
        params, self.params, self.add_help_option = self.params, [], False
        try:
            return super().parse_args(ctx, args)
        finally:
            self.params, self.add_help_option = params, True

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help as Typer does."""
        from rich.console import Console
        from rich.padding import Padding
        from rich.panel import Panel
        from rich.table import Table
        from rich.text import Text

        options, commands = Table.grid(padding=(0, 2)), Table.grid(padding=(0, 2))
        for option in self.get_params(ctx):
            name, text = option.get_help_record(ctx) or ("", "")
            options.add_row(Text(name, "bold cyan"), Text(text))
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            first = " ".join(((command and command.help) or "").split("\n\n")[0].split())
            commands.add_row(Text(name, "bold cyan"), Text(first))
        console = Console()
        console.print(Padding(Text(self.get_usage(ctx), "bold"), 1))
        console.print(Padding(Text(self.help or ""), (0, 1, 1, 1)))
        for title, table in (("Options", options), ("Commands", commands)):
            console.print(Panel(table, title=title, title_align="left", border_style="dim"))
        console.print(Padding(Text(self.epilog or ""), 1))


app = typer.Typer(
    name="wscale",
    cls=_Root,
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
        _print_version()
        raise typer.Exit


def _print_version() -> None:
    print(f"wscale {__version__}")


for name, function, options in (
    ("new", new_command, NEW),
    ("inspect", inspect_command, INSPECT),
    ("norm", norm_command, NORM),
    ("grid", grid_command, GRID),
    ("verify", verify_command, VERIFY),
    ("audit", audit_command, AUDIT),
    ("compare", compare_command, COMPARE),
    ("plot", plot_command, PLOT),
    ("report", report_command, REPORT),
):
    app.command(name=name)(command(function, options))


def main() -> None:
    """Entry point of the ``wscale`` command."""
    if sys.argv[1:] == ["--version"]:  # without the pydantic with which Typer reads options
        return _print_version()
    sys.exit(fail_in_words(app))


# A signal this long after the first, s, ends the process at once
_PATIENCE_s = 5.0
_asked_at: float | None = None


def _end(number: int, _: object) -> None:
    """Shut down on Ctrl-C, and on SIGTERM, which a cluster sends before its time limit."""
    global _asked_at
    if _asked_at is None:
        _asked_at = time.monotonic()
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)
    if time.monotonic() - _asked_at > _PATIENCE_s:
        os._exit(128 + number)
    again = f"press Ctrl-C again after {_PATIENCE_s:g} s to force quit"
    os.write(2, f"\nshutting down; {again}\n".encode())


def fail_in_words(program: Callable[[], int | None]) -> int | None:
    """Run a program; a WscaleError is printed on stderr and becomes exit code 2."""
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
