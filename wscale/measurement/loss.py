"""How far measured EPSPs are from their targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["best_on_grid", "loss_mV2", "summed_loss_mV2"]


def loss_mV2(epsp_mV: ArrayLike, target_mV: ArrayLike) -> NDArray[np.float64]:
    """Return the squared error of EPSPs, mV^2 (NaN where there is no EPSP).

    Examples
    --------
    >>> loss_mV2([0.4, 0.5], 0.5).round(4)
    array([0.01, 0.  ])
    """
    difference = np.asarray(epsp_mV, dtype=float) - np.asarray(target_mV, dtype=float)
    squared: NDArray[np.float64] = np.square(difference)
    return squared


def best_on_grid(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the grid point with the least loss of each site, among those with status ok.

    Parameters
    ----------
    frame : DataFrame
        As :attr:`wscale.GridResult.frame`: one row a site and weight.

    Returns
    -------
    DataFrame
        One row a site that has an ok point; columns cell, sec, loc, weight_uS, epsp_mV, loss_mV2.
    """
    ok = frame[frame["status"] == "ok"].reset_index(drop=True)
    best = ok.loc[ok.groupby(["cell", "sec", "loc"], sort=False)["loss_mV2"].idxmin()]
    return best[["cell", "sec", "loc", "weight_uS", "epsp_mV", "loss_mV2"]].reset_index(drop=True)


def summed_loss_mV2(frame: pd.DataFrame) -> float:
    """Return the loss of a cell: its sites' least losses on the grid, added up, mV^2.

    NaN where no site has a grid point with status ok.
    """
    return float(best_on_grid(frame)["loss_mV2"].sum(min_count=1))
