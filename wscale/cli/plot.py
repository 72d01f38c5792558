"""The command ``wscale plot``."""

from __future__ import annotations

from typing import Any

from wscale.calibrate.options import CELLS_OF_RESULTS, FIGURE, FORMAT, OUT_FIGURES, OUTPUT, RESULTS
from wscale.cli.output import console, print_json, say

__all__ = ["PLOT", "plot_command"]

PLOT = (RESULTS, CELLS_OF_RESULTS, FIGURE, FORMAT, OUT_FIGURES, *OUTPUT)


def plot_command(options: dict[str, Any]) -> None:
    """Draw figures of a results folder, without simulating.

    Example: wscale plot results --cell PV_simple --figure morphology --format png,svg
    """
    from wscale.plots.drawing import draw

    with console().status("drawing") as status:
        drawn = draw(
            options["results"],
            options["cells"] or (),
            options["figures"] or (),
            formats=[kind.strip() for kind in options["formats"].split(",") if kind.strip()],
            out=options["out"],
            on_cell=lambda label: status.update(f"drawing {label}"),
        )
    for reason in drawn.left_out:
        say(f"notice: no {reason}")
    if drawn.not_finished:
        say(f"notice: {drawn.not_finished}")
    folders = dict.fromkeys(str(file.parent) for file in drawn.files)
    count = len(drawn.files)
    say(f"{count} figure{'' if count == 1 else 's'} in {', '.join(folders) or 'no folder'}")
    print_json(
        {
            "files": list(drawn.files),
            "left_out": list(drawn.left_out),
            "not_finished": drawn.not_finished or None,
        }
    )
