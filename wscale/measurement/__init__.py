"""Pure functions of time, potential and weight: EPSPs, the weight for a target, losses."""

from typing import TYPE_CHECKING

from wscale._util.lazy import lazy

__all__ = ["Protocol", "Response", "Solution", "loss_mV2", "measure"]

if TYPE_CHECKING:
    from wscale.measurement.epsp import (
        Protocol,
        Response,
        measure,
    )
    from wscale.measurement.loss import loss_mV2
    from wscale.measurement.solution import Solution
else:
    __getattr__, __dir__ = lazy(
        __name__, {"epsp": "Protocol Response measure", "loss": "loss_mV2", "solution": "Solution"}
    )
