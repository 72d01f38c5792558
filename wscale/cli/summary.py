"""What a search says when it is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wscale.cli.output import with_options
from wscale.errors import TableError
from wscale.search.grid import GridResult, SiteResult
from wscale.search.targeted import SolveResult
from wscale.verification.verify import Verification

__all__ = ["print_summary"]

# Sites of a cell with the same status that are told one by one
_MOST_TOLD = 5
# Where the smallest weight gives so many times the target, at all sites, its unit is in question
_FAR = 10.0


def print_summary(
    results: Sequence[GridResult | SolveResult],
    verifications: Mapping[str, Verification],
    console: Console,
) -> None:
    """Print a line for each cell, and the sites that are not ok."""
    columns = ("cell", "trials", "outcome", "nS/mV", "residual")
    summary = Table(*columns, box=None, padding=(0, 2, 0, 0))
    if verifications:
        summary.add_column("network")
    for result in results:
        table = result.table()
        values = [
            table.weight_unit.nS * value for _, _, value, _ in table.entries() if value is not None
        ]
        residuals = [abs(r) for row in table.residual.values() for r in row if r is not None]
        row = [
            result.model.label,
            str(result.trials),
            ", ".join(f"{count} {status}" for status, count in table.counts.items()),
            f"{min(values):.4g}-{max(values):.4g}" if values else "none",
            f"{max(residuals):.1e}" if residuals else "",
        ]
        if verifications:
            check = verifications.get(result.model.label)
            row.append("" if check is None else f"{check.largest_error:.1e}")
        summary.add_row(*row)
    for column in summary.columns:
        column.no_wrap = column.header != "outcome"
    console.print(summary)
    for result in results:
        _print_unsolved(result, console)


def _print_unsolved(result: GridResult | SolveResult, console: Console) -> None:
    """Say which sites are not ok, and why; of each status not more than a few."""
    table, label = result.table(), result.model.label
    try:
        table.for_netpyne()
    except TableError as error:
        why = escape(with_options(str(error).removeprefix(f"{table.cell}: ")))
        console.print(f"{label}: [yellow]no .pkl[/], {why}", highlight=False, soft_wrap=True)
    else:
        if words := table.uncalibrated_words:
            console.print(f"{label}: [yellow]{words}[/]", highlight=False, soft_wrap=True)
    reasons = {solution.reason for _, solution in result.solutions}
    if len(reasons) == 1 and all(s.status == "failed" for _, s in result.solutions):
        why = escape(with_options(reasons.pop()))
        console.print(
            f"{label}: all sites [yellow]failed[/], {why}", highlight=False, soft_wrap=True
        )
        return
    told: Counter[str] = Counter()
    for site, solution in result.solutions:
        status = solution.status
        told[status] += 1
        if status != "ok" and told[status] <= _MOST_TOLD:
            console.print(
                f"{result.model.label} {escape(str(site))}: [yellow]{status}[/], "
                f"{escape(with_options(solution.reason))}",
                highlight=False,
                soft_wrap=True,
            )
    if isinstance(result, GridResult) and all(map(_starts_far_above, result.results)):
        first = result.results[0]
        console.print(
            f"{result.model.label}: at all sites the smallest weight, {first.weights_uS[0]:g} uS, "
            f"gives more than {_FAR:g} times the target, or a spike: are these nS? Weights are uS "
            f"(--weights; 1 nS is 1e-3 uS)",
            highlight=False,
            soft_wrap=True,
        )
    for name, count in told.items():
        if name != "ok" and count > _MOST_TOLD:
            more = count - _MOST_TOLD
            console.print(
                f"{result.model.label}: {more} more site{' is' if more == 1 else 's are'} "
                f"[yellow]{name}[/]; "
                "the table's .json file has all reasons",
                highlight=False,
                soft_wrap=True,
            )


def _starts_far_above(site: SiteResult) -> bool:
    """Whether the smallest weight of the grid alone is far too strong for the target."""
    first, target_mV = site.responses[0], site.solution.target_mV
    if first.status == "spike":
        return True
    return site.solution.status == "below_grid" and (first.epsp_mV or 0.0) / target_mV > _FAR
