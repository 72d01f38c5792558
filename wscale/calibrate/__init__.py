"""A whole job, from settings to a results folder."""

from typing import TYPE_CHECKING

from wscale._util.lazy import lazy

__all__ = ["SearchSettings", "run_search"]

if TYPE_CHECKING:
    from wscale.calibrate.job import run_search
    from wscale.calibrate.settings import SearchSettings
else:
    __getattr__, __dir__ = lazy(__name__, {"job": "run_search", "settings": "SearchSettings"})
