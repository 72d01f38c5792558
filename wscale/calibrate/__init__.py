"""A whole job, from settings to a results folder."""

from typing import TYPE_CHECKING

from wscale._util.lazy import lazy

__all__ = ["Calibration", "Listener", "SearchSettings", "calibrate"]

if TYPE_CHECKING:
    from wscale.calibrate.job import Calibration, Listener, calibrate
    from wscale.calibrate.settings import SearchSettings
else:
    __getattr__, __dir__ = lazy(
        __name__, {"job": "Calibration Listener calibrate", "settings": "SearchSettings"}
    )
