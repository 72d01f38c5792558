"""Models on their way to workers that may not share this machine's files.

A model names the folder of its mechanisms. A parcel holds their sources too: where the folder is
not there, or holds something else, they are written to the cache there, and the model names that.
Its content hashes are those of content, so no number depends on it.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields
from typing import Any

from wscale.errors import MechanismError
from wscale.mechanisms.folders import gather
from wscale.mechanisms.library import sources_of
from wscale.model.model import Model

__all__ = ["pack", "unpack"]


def pack(value: Any) -> bytes:
    """Pickle something; the models in it with the sources of their mechanisms."""
    stream = io.BytesIO()
    _Packer(stream, pickle.HIGHEST_PROTOCOL).dump(value)
    return stream.getvalue()


def unpack(parcel: bytes) -> Any:
    """Return what was packed by this process's own main process, or by a worker of it.

    Raises
    ------
    MechanismError
        Mechanisms came along and cannot be written to the cache.
    """
    return pickle.loads(parcel)


class _Packer(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        if type(value) is not Model or value.mod is None:
            return NotImplemented
        content = {field.name: getattr(value, field.name) for field in fields(value)}
        return _arrived, (content, _sources(value.mod))


def _sources(folder: str) -> dict[str, bytes]:
    """Return a folder's sources; none where there are none, so that who loads it says why."""
    with suppress(MechanismError):
        return sources_of(folder)
    return {}


def _arrived(content: Mapping[str, Any], sources: dict[str, bytes]) -> Model:
    model = Model(**content)
    if sources and _sources(content["mod"]) != sources:
        return Model(**{**content, "mod": str(gather(sources))})
    return model
