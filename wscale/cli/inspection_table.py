"""An inspection, printed."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from wscale._util.text import kinds, many
from wscale.cli.output import with_options
from wscale.inspection.inspect import Inspection, SectionInfo

__all__ = ["print_inspection"]

# Up to so many sections are printed one by one; more are put together by name
_ROWS = 30


def print_inspection(inspection: Inspection, console: Console) -> None:
    """Print an inspection, readable in 80 columns.

    Parameters
    ----------
    inspection : Inspection
        What to print.
    console : rich.console.Console
        Where to.
    """
    i, d = inspection, inspection.dynamics

    def say(name: str, *values: object) -> None:
        text = "; ".join(str(value) for value in values if value not in (None, ""))
        grid.add_row(name, text or "none")

    console.print(_section_table(i))
    grid = Table.grid(padding=(0, 2))
    parts = f"{many(len(i.sections), 'section')}, {many(i.segments, 'segment')}"
    say("cell", f"{i.cell}: {parts}")
    left_out = f"left out as axon: {kinds(i.left_out)}" if i.left_out else ""
    say("sites", f"{i.sites} of {many(i.segments, 'segment')}", left_out)
    for name, members in i.section_lists.items():
        if members:  # NetPyNE adds empty ones when it imports a cell
            say(f"list {name}", many(len(members), "section"))
    say("mechanisms", ", ".join(f"{name} ({n})" for name, n in i.mechanisms.items()))
    say("synapse", ", ".join(f"{label} ({mod})" for label, mod in i.syn_mechs.items()))
    say("weight in", i.weight_unit)
    if i.globals:  # NetPyNE takes cfg.hParams before these
        listed = ", ".join(f"{name} {value}" for name, value in i.globals.items())
        say("globals", f"{listed} (of the cell rule, where cfg.hParams has no other)")
    say("simulated", f"{i.celsius_degC} degC, from {i.v_init_mV} mV, dt {i.dt_ms:g} ms")
    say("measured", f"onset {i.onset_ms:g} ms, window {i.window_ms:g} ms")
    if d is not None:
        say("drift", _shown(d.drift_mV, ".2g", "mV within the window"), many(d.spikes, "spike"))
        say("input resistance", _shown(d.input_resistance_MOhm, ".4g", "MOhm at the soma"))
        say("time constant", _shown(d.time_constant_ms, ".3g", "ms at the soma"))
        seconds = f"building {d.build_s:.2g} s, settling {d.settling_s:.2g} s"
        say("took", f"{seconds}, a trial {1000 * d.trial_s:.3g} ms")
    if i.grid_s is not None and i.targeted_s is not None:
        least, most = (f"{seconds:.0f}" for seconds in i.targeted_s)
        workers, span = many(i.jobs, "worker"), least if least == most else f"{least} to {most}"
        say("grid, estimated", f"{i.grid_s:.0f} s ({many(i.weights, 'weight')}, {workers})")
        say("norm, estimated", f"{span} s ({workers})")
    for notice in i.notices:
        say("notice", with_options(notice))
    for message in i.validation or ("nothing to complain about",):
        say("NetPyNE", message)
    say("status", i.status)
    console.print(grid, markup=False)


def _section_table(inspection: Inspection) -> Table:
    families: dict[str, list[SectionInfo]] = {}
    for section in inspection.sections:
        name = section.name
        if len(inspection.sections) > _ROWS:
            name = re.sub(r"_?\d+\]?$", "", name) + (" *" if re.search(r"\d\]?$", name) else "")
        families.setdefault(name, []).append(section)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for number, column in enumerate(
        ("section", "nseg", "length um", "from soma um", "mechanisms", "rest mV")
    ):
        left, wraps = number in (0, 4), number == 4
        table.add_column(column, justify="left" if left else "right", no_wrap=not wraps)
    for name, family in families.items():
        size = f" ({len(family)})" if len(family) > 1 else ""
        used = dict.fromkeys(mech for section in family for mech in section.mechanisms)
        table.add_row(
            name + size,
            str(sum(section.nseg for section in family)),
            _range((section.length_um for section in family), ".1f"),
            _range((x for s in family for x in (s.nearest_um, s.farthest_um)), ".1f"),
            ", ".join(used),
            _range((section.rest_mV for section in family), ".2f"),
        )
    return table


def _shown(value: float | None, form: str, unit: str) -> str:
    return "not measured" if value is None else f"{format(value, form)} {unit}"


def _range(values: Iterable[float | None], form: str) -> str:
    known = [value for value in values if value is not None]
    low, high = (format(f(known, default=0.0), form) for f in (min, max))
    return ("-" if not known else low) if low == high else f"{low} .. {high}"
