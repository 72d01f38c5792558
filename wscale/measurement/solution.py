"""The weight that gives the target EPSP at one site, and the evidence for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from wscale.measurement.epsp import Response

__all__ = [
    "MAX_WEIGHT_uS",
    "Solution",
    "SolutionStatus",
    "USUAL_WEIGHT_uS",
    "in_uS",
    "no_response",
    "percent",
]

SolutionStatus = Literal[
    "ok",
    "inexact",
    "unreachable",
    "implausible",
    "above_clip",
    "above_grid",
    "below_grid",
    "not_monotone",
    "spike",
    "drift",
    "edge",
    "failed",
]

# A single synapse of more is not plausible: see docs/methodology.md
MAX_WEIGHT_uS = 0.1
# A unitary weight of the models in the literature
USUAL_WEIGHT_uS = 5e-4


@dataclass(frozen=True)
class Solution:
    """The outcome at one site.

    Parameters
    ----------
    status : str
        ``ok``: the target was bracketed, and met at ``weight_uS``; every other status says why
        there is no calibrated weight (see docs/methodology.md).
    target_mV : float
        The target EPSP, mV (negative: IPSP).
    weight_uS : float or None
        The weight that was simulated as the answer, uS; None where the target was not bracketed.
        Of a status other than ok it is what would do, and not what is recommended.
    epsp_mV : float or None
        The response measured at ``weight_uS``, mV.
    largest_epsp_mV : float or None
        The largest sound response that was seen at this site, mV.
    reason : str
        Why the status is not ok, in words.
    trials : int
        Responses measured beyond those of the grid.
    ci95_mV : float or None
        Of a response that is the mean of several trials: half the width of the 95 % confidence
        interval of ``epsp_mV``, mV.
    """

    status: SolutionStatus
    target_mV: float
    weight_uS: float | None = None
    epsp_mV: float | None = None
    largest_epsp_mV: float | None = None
    reason: str = ""
    trials: int = 0
    ci95_mV: float | None = None

    @property
    def weight_norm(self) -> float | None:
        """The weightNorm, uS per mV (magnitude of the target); None unless the status is ok."""
        if self.status != "ok" or self.weight_uS is None:
            return None
        return self.weight_uS / abs(self.target_mV)

    @property
    def residual(self) -> float | None:
        """Relative error of the response at ``weight_uS``: EPSP / target - 1."""
        return None if self.epsp_mV is None else self.epsp_mV / self.target_mV - 1.0


def no_response(response: Response, target_mV: float) -> str:
    """Say that a response is not of the target's sign, and what to do where it is of the other."""
    text = "there is no response of the target's sign"
    if not response.reason:
        return text
    return (
        f"{text}, {target_mV:g} mV: {response.reason}; is a {'nega' if target_mV > 0 else 'posi'}"
        f"tive target meant (--target {-target_mV:g}), or another reversal potential?"
    )


def in_uS(weight_uS: float) -> str:
    """Return a weight for a message, in uS."""
    return f"{weight_uS:g} uS"


def percent(share: float) -> str:
    """Return a share in percent, never so rounded that nothing is left.

    Examples
    --------
    >>> percent(1e-3), percent(-0.02514), percent(1e-9)
    ('0.10%', '-2.51%', '1e-07%')
    """
    return f"{share:.2%}" if abs(share) >= 1e-4 or share == 0 else f"{100 * share:.2g}%"
