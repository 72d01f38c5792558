"""A results folder in sentences, for somebody who does not know wscale."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from wscale.report.content import CellReport, Network, Report
from wscale.report.records import Protocol

__all__ = [
    "MEANINGS",
    "cell_sentence",
    "counted",
    "digits_text",
    "distance_text",
    "error_text",
    "meaning",
    "network_sentence",
    "number_text",
    "range_text",
    "statuses",
    "summary",
    "title",
]

# One sentence a status; docs/methodology.md has the whole
MEANINGS = {
    "ok": "Simulated weights lie on both sides of the target, and the response simulated at the "
    "weight of the table meets it within the tolerance.",
    "inexact": "Simulated weights lie on both sides of the target, but the response at the solved "
    "weight misses it by more than the tolerance.",
    "above_grid": "The whole grid of weights stays below the target, and a larger weight reaches "
    "it, or a spike: the grid ends too early. A grid of larger weights goes on, or wscale norm.",
    "unreachable": "No weight reaches the target: the synapse saturates.",
    "implausible": "The target needs a larger weight than a single synapse plausibly has "
    "(max_weight).",
    "above_clip": "NetPyNE does not load the entry that gives the target: it clips entries at 1000 "
    "times the soma's.",
    "not_monotone": "The response passes the target only after it has fallen in between: no one "
    "weight can be trusted.",
    "below_grid": "The smallest weight of the grid already exceeds the target.",
    "spike": "Next to the target the soma reaches the spike threshold: that is no EPSP.",
    "drift": "Without any activation the potential at the soma changes: the cell has not settled, "
    "or fires on its own.",
    "edge": "The response is still growing at the end of the measurement window.",
    "failed": "The simulation stopped with an error, or gave a potential that is not finite.",
    "not_measured": "The search had no site in this segment.",
}
_FEW = 3


def meaning(status: str) -> str:
    """Return what a status means."""
    return MEANINGS.get(status, "A status that this version of wscale does not know.")


def counted(count: int, what: str) -> str:
    """Return a number with its noun.

    Examples
    --------
    >>> counted(1, "cell"), counted(9, "cell"), counted(2, "entry")
    ('1 cell', '9 cells', '2 entries')
    """
    if count == 1:
        return f"1 {what}"
    return f"{count} {what[:-1] + 'ies' if what.endswith('y') else what + 's'}"


def number_text(value: float | None, digits: int = 4) -> str:
    """Return a number with so many significant digits; nothing for None."""
    return "" if value is None else f"{value:.{digits}g}"


def digits_text(value: float | None) -> str:
    """Return a number with six digits, zeros and all; nothing for None.

    Examples
    --------
    >>> digits_text(0.5), digits_text(0.0029), digits_text(None)
    ('0.500000', '0.00290000', '')
    """
    return "" if value is None else f"{value:#.6g}"


def distance_text(value: float | None) -> str:
    """Return a distance in um with one decimal; nothing for None."""
    return "" if value is None else f"{value:.1f}"


def error_text(value: float | None) -> str:
    """Return a relative error; nothing for None."""
    if value is None:
        return ""
    return "0" if value == 0 else f"{value:.1e}"


def range_text(values: Iterable[float], unit: str) -> str:
    """Return the smallest and the largest of values, with their unit.

    Examples
    --------
    >>> range_text([0.5], "mV"), range_text([0.5, 0.2], "mV"), range_text([], "mV")
    ('0.5 mV', '0.2 to 0.5 mV', 'none')
    """
    given = [number_text(value) for value in sorted(values)]
    if not given:
        return "none"
    low, high = given[0], given[-1]
    return f"{low} {unit}" if low == high else f"{low} to {high} {unit}"


def statuses(cells: Iterable[CellReport]) -> dict[str, int]:
    """Return how many entries have which status: ok first, then by number."""
    counts = Counter(row.status for cell in cells for row in cell.rows)
    return dict(sorted(counts.items(), key=lambda item: (item[0] != "ok", -item[1], item[0])))


def title(report: Report) -> str:
    """Return the title of the page: the cells."""
    labels = [cell.label for cell in report.cells]
    named = ", ".join(labels[:_FEW])
    return named if len(labels) <= _FEW else f"{named} and {len(labels) - _FEW} more"


def summary(report: Report) -> list[str]:
    """Return the report in a few sentences."""
    cells = report.cells
    return [
        *([f"N{report.not_finished[1:]}."] if report.not_finished else []),
        _counts_sentence(cells),
        _target_sentence(cells),
        *_protocol_sentences(cells),
        *_method_sentences(cells),
        _range_sentence(cells),
        *_uncalibrated_sentences(cells),
        _network_summary(cells),
    ]


def _counts_sentence(cells: Sequence[CellReport]) -> str:
    counts = statuses(cells)
    skipped = counts.pop("not_measured", 0)
    found = ", ".join(f"{count} {status}" for status, count in counts.items())
    sentence = f"{counted(len(cells), 'cell')}, {counted(sum(counts.values()), 'site')}: {found}."
    if skipped:
        sentence += f" {counted(skipped, 'further segment')} not searched."
    return sentence


def _target_sentence(cells: Sequence[CellReport]) -> str:
    targets = {target for cell in cells for target in cell.results.targets_mV}
    kinds = (
        ("EPSP", [target for target in targets if target > 0]),
        ("IPSP", [target for target in targets if target < 0]),
    )
    wanted = [f"{kind} of {range_text(chosen, 'mV')}" for kind, chosen in kinds if chosen]
    return f"Target: a somatic {' or '.join(wanted) or 'EPSP'} for one activation of a synapse."


def _protocol_sentences(cells: Sequence[CellReport]) -> list[str]:
    """Return a sentence for each set of synapses and conditions; none for older files."""
    found: dict[str, list[str]] = {}
    for cell in cells:
        protocol = cell.record.provenance.protocol
        if protocol is not None:
            found.setdefault(_protocol_words(protocol), []).append(cell.label)
    sentences = []
    for words, labels in found.items():
        whose = "" if len(labels) == len(cells) else f" ({', '.join(labels)})"
        if words:
            sentences.append(f"Synapse{whose}: {words}.")
    return sentences


def _protocol_words(protocol: Protocol) -> str:
    factors = protocol.weightFactors or [1.0] * len(protocol.synMechs)
    several = len(protocol.synMechs) > 1
    synapses = []
    for (label, given), factor in zip(protocol.synMechs.items(), factors, strict=False):
        own = [f"{name} = {value}" for name, value in given.items() if name != "mod"]
        share = f", weight factor {number_text(factor)}" if several else ""
        detail = f" ({', '.join(own)})" if own else ""
        synapses.append(f"{label}, {given.get('mod', 'no mod')}{detail}{share}")
    conditions = [
        text
        for text, value in (
            (f"at {number_text(protocol.celsius_degC)} °C", protocol.celsius_degC),
            (f"from {protocol.v_init_mV} mV", protocol.v_init_mV),
            (f"in steps of {number_text(protocol.dt_ms)} ms", protocol.dt_ms),
        )
        if value is not None
    ]
    simulated = [f"simulated {', '.join(conditions)}"] if conditions else []
    return "; ".join([*synapses, *simulated])


def _method_sentences(cells: Sequence[CellReport]) -> list[str]:
    sentences = []
    for of_grid in (True, False):
        chosen = [cell for cell in cells if (cell.results.grid is not None) == of_grid]
        if not chosen:
            continue
        trials = counted(sum(cell.record.trials for cell in chosen), "simulation")
        how = "a targeted search, a few trials a site"
        if of_grid:
            weights = [
                1e3 * w
                for c in chosen
                if c.results.grid is not None
                for w in c.results.grid.weight_uS
            ]
            how = (
                f"a grid of {counted(len(set(weights)), 'weight')} "
                f"({range_text(weights, 'nS')}), interpolated and simulated again"
            )
        whose = "" if len(chosen) == len(cells) else f" ({', '.join(c.label for c in chosen)})"
        sentences.append(f"Method{whose}: {how}; {trials}. Nothing is extrapolated.")
    return sentences


def _range_sentence(cells: Sequence[CellReport]) -> str:
    values = [r.weight_norm for c in cells for r in c.calibrated if r.weight_norm is not None]
    if not values:
        return "No entry is calibrated, so there is no weightNorm."
    worst = max((cell.largest_residual or 0.0 for cell in cells), default=0.0)
    return (
        f"weightNorm of the calibrated entries: {range_text(values, 'nS/mV')}. Each was simulated "
        f"at its weight; the largest deviation from the target is {error_text(worst)} of it."
    )


def _uncalibrated_sentences(cells: Sequence[CellReport]) -> list[str]:
    words = {cell.label: cell.table.uncalibrated_words for cell in cells}
    return [f"{label}: {text}." for label, text in words.items() if text]


def _network_summary(cells: Sequence[CellReport]) -> str:
    checks = [cell.network for cell in cells if cell.network is not None]
    if all(cell.record.no_pkl_because for cell in cells):
        return "There is no table for NetPyNE, so nothing could be verified in a network."
    if not checks:
        return (
            "Not verified in a NetPyNE network: the search's command, given again with --verify, "
            "does that."
        )
    if len(checks) == len(cells):
        whose = "the tables" if len(cells) > 1 else "the table"
    else:
        whose = f"the tables of {len(checks)} of {len(cells)} cells"
    worst = max((check.largest_error or 0.0 for check in checks), default=0.0)
    entries = counted(sum(check.entries for check in checks), "calibrated entry")
    failed = [c.label for c in cells if c.network is not None and not c.network.passed]
    met = sum(check.met for check in checks)
    return (
        f"Verified in a NetPyNE network that loads {whose}: {met} of {entries} give their target "
        f"within the tolerance; largest error {error_text(worst)} of it."
        f"{' See ' + ', '.join(failed) + '.' if failed else ''}"
    )


def cell_sentence(cell: CellReport) -> str:
    """Return one cell in a sentence or two."""
    values = [row.weight_norm for row in cell.calibrated if row.weight_norm is not None]
    counts = ", ".join(f"{count} {status}" for status, count in statuses([cell]).items())
    sections = len({row.sec for row in cell.rows})
    sentence = (
        f"{counted(len(cell.rows), 'entry')} in {counted(sections, 'section')}: {counts}. Target "
        f"{range_text(cell.results.targets_mV, 'mV')}, weightNorm {range_text(values, 'nS/mV')}."
    )
    if cell.largest_residual is not None:
        sentence += f" Largest residual {error_text(cell.largest_residual)}."
    return sentence


def network_sentence(check: Network, tolerance: float) -> str:
    """Return what a cell's table gives in a network."""
    entries = counted(check.entries, "calibrated entry")
    largest = error_text(check.largest_error) or "unknown"
    return (
        "The table was loaded into a NetPyNE network with addCellParamsWeightNorm, and one synapse "
        "a segment was activated with a connection weight of the target. "
        f"{check.met} of {entries} met the target within "
        f"{tolerance:.2g} of it; the largest error is {largest}."
    )
