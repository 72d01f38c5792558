"""The page: a Jinja2 template that escapes all that comes from data, with its style and script."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from wscale._version import __version__
from wscale.plots.style import BLUE, STATUS
from wscale.report import words
from wscale.report.content import CellReport, Report
from wscale.report.pictures import Picture, draw_pictures

__all__ = ["render"]

_ASSETS = Path(__file__).parent / "assets"
_WORST = 5
# Up to so many entries of a cell are seen at a glance, without tables of the worst and of statuses
_FEW_ROWS = 10

# The markers of the figures, as characters
_SIGNS = {
    "o": "●",
    "D": "◆",
    "d": "♦",
    "p": "⬟",
    "^": "▲",
    "X": "✖",
    "s": "■",
    "v": "▼",
    "*": "★",
    "P": "✚",
    ">": "▶",
    "x": "×",
    "|": "┃",
}
_BADGES = {"ok": ("o", BLUE), **STATUS}


@dataclass(frozen=True)
class Badge:
    """How a status is shown: a class of the style sheet, and a sign beside its name."""

    kind: str
    sign: str


@dataclass(frozen=True)
class File:
    """A file of the results folder; ``bytes`` is None where it is missing."""

    path: str
    content: str
    bytes: int | None

    @property
    def size(self) -> str:
        """In words."""
        return "missing" if self.bytes is None else f"{self.bytes / 1000:.1f} kB"


_FILES = {
    "weightNorm_pkl": "table for NetPyNE: {section: [float, ...]}, weights per mV",
    "weightNorm_json": "the table with status, residual and measured response of every entry",
    "grid": "every grid point: weight, response, times, loss, status",
    "verification": "what a NetPyNE network that loads the table gives, segment by segment",
    "traces": "somatic traces and amplitudes at the synapse",
    "shape": "sections, how they connect, and their 3D points",
}


def render(report: Report, on_cell: Callable[[str], None] | None = None) -> str:
    """Return the HTML page of a report.

    Parameters
    ----------
    report : Report
        What was read from a results folder.
    on_cell : callable, optional
        Called with the label of each cell before its figures are drawn.
    """
    style, script = _asset("style.css") + _badge_style(), _asset("tables.js")
    environment = Environment(
        loader=FileSystemLoader(_ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def pictures(cell: CellReport) -> list[Picture]:
        if on_cell is not None:
            on_cell(cell.label)
        return draw_pictures(cell.results)

    page = environment.get_template("report.html").render(
        report=report,
        title=words.title(report),
        date=_date(report),
        summary=words.summary(report),
        words=words,
        badge=_badge,
        pictures=pictures,
        files=lambda cell: _files(report.folder, cell),
        loading=_loading(report),
        home=report.folder.resolve().name,
        most_worst=_WORST,
        few=_FEW_ROWS,
        style=Markup(style),  # wscale's own
        script=Markup(script),
        policy=_policy(style, script),
        version=__version__,
    )
    return page + "\n"


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """Return the content security policy: nothing is loaded, and nothing else runs."""
    hashes = [
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for text in (style, script)
    ]
    return (
        f"default-src 'none'; img-src data:; style-src {hashes[0]}; script-src {hashes[1]}; "
        "base-uri 'none'; form-action 'none'"
    )


def _badge(status: str) -> Badge:
    if status not in _BADGES:
        return Badge("other", "●")
    return Badge(status, _SIGNS[_BADGES[status][0]])


def _badge_style() -> str:
    """Return the colours of the statuses, which are those of the figures."""
    return "".join(f".s-{name} {{ color: {c}; }}\n" for name, (_, c) in _BADGES.items())


def _date(report: Report) -> str:
    """Return when the run ended, as a reader writes it; as it stands where it is no ISO date."""
    if report.last_run is None or report.last_run.finished is None:
        return ""
    found = re.fullmatch(r"(\S{10})T(\d\d:\d\d)(?::\d\d)?\+00:00", report.last_run.finished)
    return f"{found[1]}, {found[2]} UTC" if found else report.last_run.finished


def _files(folder: Path, cell: CellReport) -> list[File]:
    found = []
    for name, path in cell.record.files.items():
        if path is None:
            continue
        try:
            size = (folder / path).stat().st_size
        except (OSError, ValueError):
            size = None
        found.append(File(path, _FILES.get(name, name), size))
    return found


def _loading(report: Report) -> str:
    """Return the lines of netParams.py that load the tables; a rule's further ones as comments."""
    home = report.folder.resolve().name
    lines: list[str] = []
    rules: set[str] = set()
    for cell in report.cells:
        path = cell.record.files.get("weightNorm_pkl")
        if path is not None:
            label, place = (json.dumps(text) for text in (cell.table.cell, f"{home}/{path}"))
            line = f"netParams.addCellParamsWeightNorm({label}, {place})"
            lines.append(f"# or: {line}" if cell.table.cell in rules else line)
            rules.add(cell.table.cell)
    return "\n".join(lines)
