"""What results.json says to figures and report alike: its cells, and how the last run went."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wscale._util.json_files import read_json, user_path
from wscale.errors import ConfigError, option

__all__ = ["ANEW", "Contents", "LastRun", "read_contents"]

ANEW = "give the search's command again, which writes it anew"
_CONTINUES = "give the search's command again, which continues"
_FORMAT = 1  # older files have none


class LastRun(BaseModel):
    """The last run of a search into the folder.

    Parameters
    ----------
    finished : str or None
        When it ended; None: it has not, or was killed.
    unfinished : list of str
        Labels of the cells that it has not done.
    wall_seconds, jobs
        How long it took, s, with how many workers.
    """

    model_config = ConfigDict(allow_inf_nan=False)

    finished: str | None
    unfinished: list[str] = Field(default_factory=list)
    wall_seconds: float
    jobs: int

    @property
    def not_finished(self) -> str:
        """What is not finished, and the remedy; empty where all is."""
        if self.unfinished:
            return f"not finished: {', '.join(self.unfinished)}; {_CONTINUES}"
        if self.finished is None:
            return f"not finished: the last run has not ended; {_CONTINUES}"
        return ""


@dataclass(frozen=True)
class Contents:
    """results.json.

    Parameters
    ----------
    file : Path
        Where it is.
    cells : dict
        Entries by label, not checked.
    last_run : LastRun or None
        Of older files None.
    """

    file: Path
    cells: dict[str, Any]
    last_run: LastRun | None

    @property
    def not_finished(self) -> str:
        """What is not finished, and the remedy; empty where all is."""
        return "" if self.last_run is None else self.last_run.not_finished


def read_contents(folder: str | Path) -> Contents:
    """Read results.json of a results folder.

    Parameters
    ----------
    folder : path
        The results folder.

    Raises
    ------
    ConfigError
        No results folder, or a file that is damaged, or of a newer version of wscale.
    """
    if not str(folder):
        raise ConfigError(f"the results folder is ''; give what {option('out')} of a search named")
    root = user_path(folder)
    if not root.is_dir():
        raise ConfigError(
            f"there is no results folder {root}; give what {option('out')} of a search named"
        )
    file = root / "results.json"
    if not file.exists():
        raise ConfigError(
            f"{root} holds no results.json, so it is no results folder of a search that has "
            f"finished; give what {option('out')} named, or let the search finish"
        )
    try:
        content = read_json(file, "results file")
    except ConfigError as error:
        raise ConfigError(f"{error}; {ANEW}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{file} names no cells; {ANEW}")
    _check_format(file, content.get("wscale_results"))
    last = _last_run(file, content.get("last_run"))
    cells = content.get("cells")
    if not isinstance(cells, dict) or not cells:
        why = (last.not_finished if last else "") or ANEW
        raise ConfigError(f"{file} names no cells; {why}")
    return Contents(file, cells, last)


def _check_format(file: Path, number: Any) -> None:
    if number is None:
        return
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise ConfigError(f"{file} is damaged: its wscale_results is {number!r}; {ANEW}")
    if number > _FORMAT:
        raise ConfigError(
            f"{file} is of a newer version of wscale: its wscale_results is {number}, and this "
            f"version reads {_FORMAT}; update wscale, or search into another folder"
        )


def _last_run(file: Path, value: Any) -> LastRun | None:
    if value is None:
        return None
    try:
        return LastRun.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, ("last_run", *first["loc"])))
        raise ConfigError(f"{file} is damaged at {where}: {first['msg']}; {ANEW}") from error
