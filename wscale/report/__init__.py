"""One HTML page for a results folder, which needs nothing beside it.

:mod:`~wscale.report.content` reads the folder, :mod:`~wscale.report.words` says what is in it,
:mod:`~wscale.report.pictures` draws, :mod:`~wscale.report.page` puts the page together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from wscale._util.files import make_folder, write_atomically
from wscale._util.json_files import user_path
from wscale.errors import ConfigError, option

__all__ = ["write_report"]


def write_report(
    folder: str | Path,
    out: str | Path | None = None,
    cells: Sequence[str] = (),
    *,
    on_cell: Callable[[str], None] | None = None,
) -> Path:
    """Write the report of a results folder: one HTML page, figures and all.

    Parameters
    ----------
    folder : path
        The results folder.
    out : path, optional
        The page; by default ``report.html`` in the folder.
    cells : sequence of str
        Labels as in results.json (with a synapse group's name); none: all cells.
    on_cell : callable, optional
        Called with the label of each cell before its figures are drawn.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    WscaleError
        No results folder, a damaged file, an unknown cell, or a page that cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from wscale.calibrate.job import calibrate
    >>> from wscale.calibrate.settings import SearchSettings
    >>> settings = SearchSettings.make(cells=["PV_simple"], cfg={"dt": 0.05})
    >>> folder = tempfile.mkdtemp()
    >>> _ = calibrate(settings, folder, method="norm", n_jobs=1)
    >>> write_report(folder).name
    'report.html'
    """
    from wscale.report.content import read_report
    from wscale.report.page import render

    if out is not None and not str(out):
        raise ConfigError(f"{option('out')} is ''; name a file, or leave it out")
    report = read_report(folder, cells)
    path = user_path(folder) / "report.html" if out is None else user_path(out)
    if path.is_dir():
        raise ConfigError(
            f"{option('out')} {path} is a folder; name a file, such as {path / 'report.html'}"
        )
    make_folder(path.parent)
    write_atomically(path, render(report, on_cell).encode())
    return path
