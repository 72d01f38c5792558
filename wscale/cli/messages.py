"""What the commands for tables say of their outcomes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from wscale._util.text import many
from wscale.cli.output import say
from wscale.measurement.solution import percent

if TYPE_CHECKING:
    import pandas as pd

    from wscale.tables.compare import Comparison
    from wscale.verification.audit import Audit
    from wscale.verification.origin import TableOrigin
    from wscale.verification.verify import Verification

__all__ = ["say_audit", "say_comparison", "say_origin", "say_verification"]

_MOST_LINES = 20
_MOST_MISREAD = 5


def say_origin(origin: TableOrigin) -> None:
    """Say which target the entries are held against, and what else the table was made with."""
    say(f"{origin.table.cell}: {origin.target}")
    for difference in origin.made_with:
        say(f"notice: the table was made with {difference}")
    command = origin.table.provenance.get("command")
    if origin.made_with and command:
        say(f"notice: it was made by: {command}")


def say_verification(check: Verification, origin: TableOrigin) -> None:
    """Say which entries do not give their target in a network."""
    promised = check.promised
    missed = promised[~promised["met"]]
    say(
        f"{check.cell}: {len(promised) - len(missed)} of {many(len(promised), 'entry')} "
        f"{'gives its' if len(promised) == 1 else 'give their'} target within "
        f"{percent(check.tolerance)}; largest error {check.largest_error:.2e}",
    )
    order = missed["error"].abs().fillna(float("inf")).sort_values(ascending=False, kind="stable")
    for _, row in missed.loc[order.index[:_MOST_LINES]].iterrows():
        why = "" if row["status"] == "ok" else f" ({row['status']})"
        if row["clipped"]:
            why += "; NetPyNE clips the entry"
        gives = "no EPSP" if math.isnan(row["error"]) else f"{row['epsp_mV']:.4g} mV"
        say(f"  {row['sec']}[{row['segment']}]: {gives} instead of {row['target_mV']:g} mV{why}")
    _say_more(len(missed))
    if len(missed) == len(promised) > 0 and not origin.made_with:
        say(
            "  no entry gives its target: was the table made with this cell, these synapses "
            "(--synmech, --synapses) and this configuration (--cfg)?"
        )
    others = len(check.frame) - len(promised)
    if others:
        what = "promises nothing: it is" if others == 1 else "promise nothing: they are"
        say(f"  {many(others, 'entry')} {what} not calibrated")
    misread = check.misread
    if len(misread):
        say(
            "  NetPyNE reads another segment's entry at the centre of "
            f"{many(len(misread), 'segment')} (Python rounds halves to even); worst effects:",
        )
        effect = (misread["centre_epsp_mV"] / misread["target_mV"] - 1).abs()
        for index in effect.sort_values(ascending=False).index[:_MOST_MISREAD]:
            row = misread.loc[index]
            say(
                f"    {row['sec']}[{row['segment']}]: reads entry {row['centre_reads']}, gives "
                f"{row['centre_epsp_mV']:.4g} mV instead of {row['target_mV']:g} mV",
            )


def say_audit(result: Audit, label: str, dt_ms: float) -> None:
    """Report which entries of a table miss their target, and why."""
    entries = many(len(result.frame), "entry")
    say(f"{label}, dt {dt_ms:g} ms, {entries}: {_counts(result.counts)}")
    wrong = result.worst(len(result.frame))
    for row in wrong[:_MOST_LINES].itertuples():
        say(f"  {row.sec}[{row.segment}]: {row.verdict}: {row.why}")
    _say_more(len(wrong))
    if result.without_entries:
        say(f"  no entries, so that NetPyNE does not scale: {', '.join(result.without_entries)}")
    misread = result.misread
    if len(misread):
        say(
            f"  at the centre of {many(len(misread), 'segment')} NetPyNE reads another entry "
            "(Python rounds halves to even):"
        )
        for row in misread[:_MOST_LINES].itertuples():
            say(f"    {row.sec}[{row.segment}]: {row.centre_why}")
        _say_more(len(misread))


def say_comparison(result: Comparison, one: Path, other: Path) -> None:
    """Say where two tables differ."""
    say(
        f"{_counts(result.counts) or 'no entries'}; largest relative difference "
        f"{result.largest_difference:.2e}"
    )
    for file, sections in (
        (one, result.sections_only_one),
        (other, result.sections_only_other),
    ):
        if sections:
            say(f"  only in {file}: {', '.join(sections)}")
    for sec, (mine, theirs) in result.shapes.items():
        say(f"  {sec}: {many(mine, 'entry')}, and {theirs}")
    apart = _apart(result)
    for _, row in apart[:_MOST_LINES].iterrows():
        say(
            f"  {row['sec']}[{row['segment']}]: {_entry(row['one'])} ({row['status_one']}) and "
            f"{_entry(row['other'])} ({row['status_other']}): {row['verdict']}"
        )
    _say_more(len(apart))


def _apart(result: Comparison) -> pd.DataFrame:
    """Return the entries that differ, in sections that both tables have; the largest first."""
    alone = {*result.sections_only_one, *result.sections_only_other}
    apart = result.frame[
        result.frame["verdict"].isin(["differs", "only_one", "only_other"])
        & ~result.frame["sec"].isin(alone)
    ]
    size = apart["difference"].abs().fillna(float("inf"))
    return apart.loc[size.sort_values(ascending=False).index]


def _entry(weight_norm: float) -> str:
    return "no weight" if math.isnan(weight_norm) else f"{weight_norm:.6g} uS/mV"


def _say_more(lines: int) -> None:
    if lines > _MOST_LINES:
        say(f"  and {lines - _MOST_LINES} more; --out FILE.csv has all")


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
