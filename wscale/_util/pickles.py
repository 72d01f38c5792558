"""Pickles read as plain data: containers, numbers and text, and nothing that runs code.

What a pickle names is never imported. The few names that sound files hold (NumPy's numbers and
arrays, NetPyNE's dictionaries) stand for harmless classes of this module; any other is refused.
"""

from __future__ import annotations

import io
import pickle
import re
import struct
from typing import Any, ClassVar

import numpy as np

__all__ = ["load_plain"]

_MOST = 10_000_000  # entries; a detailed cell has some ten thousand


def load_plain(content: bytes) -> Any:
    """Return what a pickle holds, as containers, numbers and text.

    Pickles of Python 2 are read too (their text as Latin 1). NumPy's arrays become lists and its
    numbers Python's; NetPyNE's dictionaries become dictionaries.

    Parameters
    ----------
    content : bytes
        The file.

    Raises
    ------
    pickle.UnpicklingError
        It is damaged, or names something else, such as a function that it would call.

    Examples
    --------
    >>> load_plain(pickle.dumps({"soma": np.arange(2.0)}))
    {'soma': [0.0, 1.0]}
    >>> load_plain(pickle.dumps(print))
    Traceback (most recent call last):
    _pickle.UnpicklingError: it holds an object of builtins.print; only plain lists and numbers ...
    """
    try:
        return _loaded(content)
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # what is damaged raises nearly anything
        raise pickle.UnpicklingError(
            f"it is damaged, or no pickle ({type(error).__name__}: {error})"
        ) from error


def _loaded(content: bytes) -> Any:
    data = _PlainUnpickler(content).load()
    if _entries(data, {}) > _MOST:
        raise pickle.UnpicklingError(f"it holds more than {_MOST:,} entries, most of them repeated")
    return data


def _entries(value: Any, known: dict[int, int]) -> int:
    """Count what a value holds once it is copied, where a small file can repeat a list at will."""
    if not isinstance(value, dict | list | tuple | set | frozenset):
        return 1
    if id(value) not in known:
        known[id(value)] = 1  # while it is counted, for a list in itself
        parts = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_entries(part, known) for part in parts)
    return known[id(value)]


class _Dict(dict[Any, Any]):
    """Stands for the dictionaries of NetPyNE and of the collections module."""

    def __setstate__(self, state: Any) -> None:
        self.update(_mapping(state))


class _Type:
    """Stands for numpy.dtype, and admits types of numbers only: no pointers, no fields."""

    def __init__(self, code: str, *_: Any) -> None:
        if not re.fullmatch(r"[<>=|]?(b1|[iu][1248]|f[248])", code):
            raise pickle.UnpicklingError(f"it holds NumPy data of type {code!r}, not numbers")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        if state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


class _Array(list[Any]):
    """Stands for numpy.ndarray: a list, filled from the raw numbers."""

    def __init__(self, *_: Any) -> None:
        super().__init__()

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, by_columns, raw = state
        self[:] = _numbers(raw, kind, shape, "F" if by_columns else "C")


class _Scalar:
    """Stands for the function that makes a number of NumPy: it becomes one of Python."""

    def __new__(cls, kind: Any, raw: Any) -> Any:
        [number] = _numbers(raw, kind, (1,), "C")
        return number

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("it changes a number")


class _FromBuffer(_Scalar):
    """Stands for the function that makes an array of protocol 5."""

    def __new__(cls, raw: Any, kind: Any, shape: Any, order: Any, *_: Any) -> Any:
        return _numbers(raw, kind, shape, str(order))


class _Encode(_Scalar):
    """Stands for _codecs.encode, which writes bytes as text in protocols 0 to 2."""

    def __new__(cls, text: Any, encoding: Any = "") -> Any:
        if encoding not in ("latin1", "latin-1"):
            raise pickle.UnpicklingError(f"it holds bytes in the encoding {encoding!r}")
        return str(text).encode("latin1")


class _Reconstructor(_Scalar):
    """Stands for copyreg._reconstructor, which makes dictionaries in protocols 0 and 1."""

    def __new__(cls, kind: Any, _: Any, state: Any) -> Any:
        if kind is not _Dict:
            raise pickle.UnpicklingError("it holds an object that is no dictionary")
        return _Dict(_mapping(state))


def _mapping(state: Any) -> Any:
    if state is not None and not isinstance(state, dict):
        raise pickle.UnpicklingError("it holds a dictionary with a state that is none")
    return state or {}


def _numbers(raw: Any, kind: Any, shape: Any, order: str) -> Any:
    """Return raw bytes (text in Python 2) as a list of numbers, nested by shape."""
    if not isinstance(kind, _Type) or not shape:
        raise pickle.UnpicklingError("it holds NumPy data that is no array of numbers")
    data = raw.encode("latin1") if isinstance(raw, str) else raw
    if not data:
        return []
    flat = np.frombuffer(data, kind.dtype)
    return flat.reshape(shape, order="F" if order == "F" else "C").tolist()


_NUMPY: dict[str, dict[str, type]] = {
    "multiarray": {"_reconstruct": _Array, "scalar": _Scalar},
    "numeric": {"_frombuffer": _FromBuffer},
}
_NETPYNE = ("netpyne.specs", "netpyne.specs.dicts", "netpyne.specs.netParams")
_STAND_INS: dict[tuple[str, str], type] = {
    ("_codecs", "encode"): _Encode,
    ("collections", "OrderedDict"): _Dict,
    ("numpy", "dtype"): _Type,
    ("numpy", "ndarray"): _Array,
    **{
        (f"numpy.{core}.{module}", name): stand_in
        for core in ("core", "_core")
        for module, names in _NUMPY.items()
        for name, stand_in in names.items()
    },
    **{(module, name): _Dict for module in _NETPYNE for name in ("Dict", "ODict", "CellParams")},
    **{(module, "_reconstructor"): _Reconstructor for module in ("copyreg", "copy_reg")},
    **{
        (module, kind.__name__): _Dict if kind is dict else kind
        for module in ("builtins", "__builtin__")
        for kind in (dict, set, frozenset)
    },
}


class _PlainUnpickler(pickle._Unpickler):
    """The unpickler in Python: that in C would trust sizes that a damaged file states."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content), encoding="latin1")
        self.size = len(content)

    def load_bytearray8(self) -> None:
        [size] = struct.unpack("<Q", self.read(8))  # type: ignore[attr-defined]
        if size > self.size:
            raise pickle.UnpicklingError("pickle data was truncated")
        self.append(bytearray(self.read(size)))  # type: ignore[attr-defined]

    dispatch: ClassVar[dict[int, Any]] = {
        **pickle._Unpickler.dispatch,
        pickle.BYTEARRAY8[0]: load_bytearray8,
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _STAND_INS:
            return _STAND_INS[module, name]
        raise pickle.UnpicklingError(
            f"it holds an object of {module}.{name}; only plain lists and numbers are read"
        )
