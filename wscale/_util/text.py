"""Names for people: many sections by kind, and labels made of the names of files."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["kinds", "label_of", "many"]

_NUMBERED = re.compile(r"(|.*?\D)(0|[1-9]\d*)(\]?)")


def kinds(names: Iterable[str], most: int = 8) -> str:
    """Name many sections for a message, those that differ only in a number together.

    Parameters
    ----------
    names : iterable of str
        Section names.
    most : int
        How many entries are shown at most.

    Examples
    --------
    >>> kinds(["soma", *(f"dend_{i}" for i in range(35)), "apic[0]", "apic[1]", "apic[3]"])
    'soma, dend_0..34, apic[0..1], apic[3]'
    """
    listed = list(names)
    found: dict[tuple[str, ...], list[int]] = {}
    for name in listed:
        match = _NUMBERED.fullmatch(name)
        if match is None:
            found.setdefault((name,), [])
        else:
            found.setdefault((match[1], match[3]), []).append(int(match[2]))
    entries = [entry for ends, numbers in found.items() for entry in _runs(ends, numbers)]
    more = f", ... ({len(listed)} in all)" if len(entries) > most else ""
    return ", ".join(entries[:most]) + more


def _runs(ends: tuple[str, ...], numbers: list[int]) -> list[str]:
    """Return ``start0..3end`` for each run of numbers; the name where there are none."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    shown = [f"{run[0]}..{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs]
    return [number.join(ends) for number in shown] or [ends[0]]


def label_of(name: str) -> str:
    """Return a label, of letters, digits and _, for the name of a file.

    Examples
    --------
    >>> label_of("my-cell"), label_of("3cell"), label_of("L5 (a)")
    ('my_cell', '3cell', 'L5_a')
    """
    return re.sub(r"\W+", "_", name).strip("_")


def many(count: int, what: str) -> str:
    """Return a number of things, in words.

    Examples
    --------
    >>> many(1, "spike"), many(0, "spike"), many(2, "entry")
    ('1 spike', '0 spikes', '2 entries')
    """
    plural = f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
    return f"{count} {what if count == 1 else plural}"
