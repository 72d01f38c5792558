"""Figures of a results folder, drawn without simulating again.

One module a figure; :func:`draw` is what ``wscale plot`` runs. Matplotlib is loaded by it alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wscale._util.files import make_folder
from wscale._util.json_files import user_path
from wscale.errors import ConfigError, SelectionError, closest, option

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from wscale.results.reader import CellResults

__all__ = ["FIGURES", "FORMATS", "Drawn", "draw"]

FIGURES = ("epsp_weight", "along_tree", "morphology", "heatmap", "traces", "before_after")
FORMATS = ("png", "svg")


@dataclass(frozen=True)
class Drawn:
    """What was drawn.

    Parameters
    ----------
    files : tuple of Path
        The figures.
    left_out : tuple of str
        What could not be drawn, of figures that were not asked for by name, and why.
    not_finished : str
        What the last run has not finished, and what to do; empty where all is there.
    """

    files: tuple[Path, ...]
    left_out: tuple[str, ...]
    not_finished: str = ""


def draw(
    folder: str | Path,
    cells: Sequence[str] = (),
    figures: Sequence[str] = (),
    *,
    formats: Sequence[str] = ("png",),
    out: str | Path | None = None,
    on_cell: Callable[[str], None] | None = None,
) -> Drawn:
    """Draw the figures of a results folder.

    Parameters
    ----------
    folder : path
        The results folder.
    cells : sequence of str
        Labels as in results.json (with a synapse group's name); none: all cells.
    figures : sequence of str
        Of :data:`FIGURES`; none: all for which the folder holds what they need.
    formats : sequence of {"png", "svg"}
        Each figure is written in each of them.
    out : path, optional
        Where to; by default the folder's own ``figures``.
    on_cell : callable, optional
        Called with the label of each cell before it is drawn.

    Returns
    -------
    Drawn
        Files ``<label>_<figure>.<format>``.

    Raises
    ------
    WscaleError
        No results folder, a damaged file, an unknown cell, figure or format, or a figure that was
        asked for by name and needs what the run did not leave.

    Examples
    --------
    >>> import tempfile
    >>> from wscale.calibrate.job import calibrate
    >>> from wscale.calibrate.settings import SearchSettings
    >>> settings = SearchSettings.make(cells=["PV_simple"], cfg={"dt": 0.05})
    >>> folder = tempfile.mkdtemp()
    >>> _ = calibrate(settings, folder, method="norm", n_jobs=1)
    >>> [file.name for file in draw(folder, figures=["along_tree"]).files]
    ['PV_simple_along_tree.png']
    """
    wanted = _chosen("figure", figures, FIGURES) or list(FIGURES)
    kinds = _chosen("format", formats, FORMATS)
    if not kinds:
        raise ConfigError(f"{option('formats')} names no format; allowed are {', '.join(FORMATS)}")
    if out is not None and not str(out):
        raise ConfigError(f"{option('out')} is ''; name a folder, or leave it out")
    from wscale.results.contents import read_contents
    from wscale.results.reader import MissingDataError, read_results

    results = read_results(folder, cells)
    target = make_folder(user_path(folder) / "figures" if out is None else user_path(out))
    files = []
    left_out: dict[tuple[str, str], list[str]] = {}
    for cell in results:
        if on_cell is not None:
            on_cell(cell.label)
        for name in wanted:
            try:
                files += _drawn(cell, name, kinds, target)
            except MissingDataError as reason:
                if figures:
                    raise
                left_out.setdefault((name, str(reason)), []).append(cell.label)
    return Drawn(
        tuple(files),
        tuple(f"{name} of {', '.join(of)}: {why}" for (name, why), of in left_out.items()),
        read_contents(folder).not_finished,
    )


def make(cell: CellResults, name: str) -> Figure:
    """Return one figure of a cell, not yet written.

    Raises
    ------
    MissingDataError
        The run did not leave what it needs.
    """
    from wscale.plots import along_tree, before_after, epsp_weight, heatmap, morphology, traces
    from wscale.plots.style import styled

    makers = {
        "epsp_weight": epsp_weight.make,
        "along_tree": along_tree.make,
        "morphology": morphology.make,
        "heatmap": heatmap.make,
        "traces": traces.make,
        "before_after": before_after.make,
    }
    with styled():
        return makers[name](cell)


def _drawn(cell: CellResults, name: str, formats: Sequence[str], folder: Path) -> list[Path]:
    from wscale.plots.style import write

    figure = make(cell, name)
    paths = [folder / f"{cell.label}_{name}.{kind}" for kind in formats]
    for path, kind in zip(paths, formats, strict=True):
        write(figure, path, kind)
    return paths


def _chosen(what: str, names: Sequence[str], allowed: Sequence[str]) -> list[str]:
    for name in names:
        if name not in allowed:
            error = SelectionError if what == "figure" else ConfigError
            raise error(
                f"{what} {name!r} is none of wscale's; allowed are {', '.join(allowed)}."
                f"{closest(name, allowed)}"
            )
    return list(dict.fromkeys(names))
