"""When the somatic potential is looked at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wscale.measurement.epsp import FloatArray, Protocol
from wscale.model.model import Model

__all__ = ["Sampling"]


@dataclass(frozen=True)
class Sampling:
    """Sample times of a trial, every ``cfg.recordStep``, and the state that it starts from.

    Parameters
    ----------
    times_ms : array of float, shape (n,)
        From the last sample before onset to the end of the window.
    first : int
        Index of the first sample after onset.
    settled : int
        Number of samples up to the saved state, which is the last before the activation arrives.
    stride : int
        Time steps from sample to sample.

    Examples
    --------
    >>> sampling = Sampling.of(Model.from_folder(".", "PV_simple"), Protocol(window_ms=100))
    >>> sampling.times_ms[[0, sampling.first]].tolist(), sampling.settled, sampling.stride
    ([699.9000000000001, 700.1], 11, 4)
    """

    times_ms: FloatArray
    first: int
    settled: int
    stride: int

    @classmethod
    def of(cls, model: Model, protocol: Protocol) -> Sampling:
        """Return the sampling of a model's trials in a protocol's window."""
        step = model.record_step_ms
        begin = int(np.ceil(model.onset_ms / step - 1e-9)) - 1
        end = int(np.ceil((model.onset_ms + protocol.window_ms) / step - 1e-9))
        saved = max(begin, int(np.ceil(model.arrival_ms / step - 1e-9)) - 1)
        times_ms: FloatArray = step * np.arange(begin, end + 1, dtype=np.float64)
        first = 1 + int(np.searchsorted(times_ms[1:], model.onset_ms + 1e-6))
        return cls(times_ms, first, saved - begin + 1, round(step / model.dt_ms))
