"""The file of a cell's traces in a results folder; written and read without a simulator."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from wscale._util.files import write_atomically
from wscale._util.json_files import read_bytes
from wscale.errors import TableError, option
from wscale.measurement.epsp import FloatArray

__all__ = ["Traces"]

_FORMAT = 1
_ANEW = f"give the search's command again with {option('traces', True)}, which writes it anew"


@dataclass(frozen=True)
class Traces:
    """Somatic traces at solved weights, amplitudes at the synapses, and EPSPs at one weight.

    Parameters
    ----------
    arrival_ms : float
        When the spike reaches the synapse, ms.
    t_ms : array of float, shape (n,)
        Sample times, from the last before onset to the end of the window, ms.
    sec, segment : tuple of str, tuple of int, k each
        Where the synapse was, of each trace.
    weight_uS : array of float, shape (k,)
        The solved weight, uS.
    soma_mV : array of float, shape (k, n)
        Somatic potential, mV.
    soma_epsp_mV, local_epsp_mV : arrays of float, shape (k,)
        Amplitude at the soma, from the last sample before onset, and at the synapse, from the last
        sample before the spike arrives; mV, signed.
    fixed_weight_uS : float or None
        One weight that was tried at all sites, uS; None: there are no such trials.
    fixed_sec, fixed_segment, fixed_epsp_mV, fixed_status
        Where, the somatic EPSP (mV; NaN where it failed) and status, m each.
    """

    arrival_ms: float
    t_ms: FloatArray
    sec: tuple[str, ...]
    segment: tuple[int, ...]
    weight_uS: FloatArray
    soma_mV: FloatArray
    soma_epsp_mV: FloatArray
    local_epsp_mV: FloatArray
    fixed_weight_uS: float | None
    fixed_sec: tuple[str, ...]
    fixed_segment: tuple[int, ...]
    fixed_epsp_mV: FloatArray
    fixed_status: tuple[str, ...]

    def write(self, path: Path, identity: str) -> None:
        """Write a NumPy archive, atomically; ``identity`` says what it was made of."""
        arrays = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        if self.fixed_weight_uS is None:
            arrays["fixed_weight_uS"] = np.nan
        for name in _TEXTS:
            arrays[name] = np.array(arrays[name], dtype=np.str_)
        for name in _INDICES:
            arrays[name] = np.array(arrays[name], dtype=np.int64)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, wscale_traces=_FORMAT, identity=identity, **arrays)
        write_atomically(path, buffer.getvalue())

    @classmethod
    def read(cls, path: Path) -> Traces:
        """Read what :meth:`write` wrote.

        Raises
        ------
        TableError
            There is no such file, or it does not hold traces.
        """
        return cls._read(path)[0]

    @staticmethod
    def identity(path: Path) -> str | None:
        """Return what a file was made of; None where there is none that can be used."""
        try:
            return Traces._read(path)[1]
        except TableError:
            return None

    @classmethod
    def _read(cls, path: Path) -> tuple[Traces, str]:
        try:
            content = read_bytes(path, "file of traces", TableError)
        except TableError as error:
            raise TableError(f"{error}; {_ANEW}") from error
        try:
            arrays = _arrays(content, ["identity", *(entry.name for entry in fields(cls))])
            identity = str(arrays.pop("identity"))
            return cls._checked(arrays), identity
        except ValueError as error:
            raise TableError(f"{path} does not hold traces: {error}; {_ANEW}") from error

    @classmethod
    def _checked(cls, given: dict[str, Any]) -> Traces:
        """Return traces of arrays whose shapes fit each other; raise ValueError otherwise."""
        if given["soma_mV"].ndim != 2:
            raise ValueError(f"soma_mV has {given['soma_mV'].ndim} dimensions, not 2")
        k, n = given["soma_mV"].shape
        m = given["fixed_sec"].size
        shapes: dict[str, tuple[int, ...]] = dict.fromkeys(_OF_TRACES, (k,))
        shapes |= dict.fromkeys(_OF_FIXED, (m,))
        shapes |= {"soma_mV": (k, n), "t_ms": (n,), "arrival_ms": (), "fixed_weight_uS": ()}
        for name, shape in shapes.items():
            kinds = "U" if name in _TEXTS else "i" if name in _INDICES else "fi"
            if given[name].shape != shape or given[name].dtype.kind not in kinds:
                raise ValueError(f"{name} has the wrong shape or kind")
            if name in _FINITE and not np.isfinite(given[name]).all():
                raise ValueError(f"{name} is not finite")
        for name in _TEXTS:
            given[name] = tuple(map(str, given[name]))
        for name in _INDICES:
            given[name] = tuple(map(int, given[name]))
        numbers = given.keys() - {*_TEXTS, *_INDICES}
        given |= {name: given[name].astype(np.float64) for name in numbers}
        fixed = float(given["fixed_weight_uS"])
        given["fixed_weight_uS"] = None if np.isnan(fixed) else fixed
        given["arrival_ms"] = float(given["arrival_ms"])
        return cls(**given)


def _arrays(content: bytes, names: Sequence[str]) -> dict[str, Any]:
    """Return arrays of a NumPy archive of this format; raise ValueError where it is none."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            if archive.zip.testzip() is not None:  # NumPy does not look at checksums
                raise ValueError
            missing = [name for name in ("wscale_traces", *names) if name not in archive]
            found = {} if missing else {name: archive[name] for name in names}
            version = None if missing else int(archive["wscale_traces"])
    except Exception as error:  # a damaged archive raises nearly anything, and advises to trust it
        raise ValueError("it is no NumPy archive of arrays") from error
    if missing:
        raise ValueError(f"it has no {missing[0]}")
    if version != _FORMAT:
        raise ValueError("they are not of this version of wscale")
    return found


_TEXTS = ("sec", "fixed_sec", "fixed_status")
_INDICES = ("segment", "fixed_segment")
_FINITE = ("arrival_ms", "t_ms", "weight_uS", "soma_mV", "soma_epsp_mV", "local_epsp_mV")
_OF_TRACES = ("sec", "segment", "weight_uS", "soma_epsp_mV", "local_epsp_mV")
_OF_FIXED = ("fixed_sec", "fixed_segment", "fixed_epsp_mV", "fixed_status")
