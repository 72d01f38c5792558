"""NMODL: what files declare, compiling, the cached library, several folders, loading."""

from typing import TYPE_CHECKING

from wscale._util.lazy import lazy

__all__ = ["ModFolders", "load_mechanisms", "prepare_folders"]

if TYPE_CHECKING:
    from wscale.mechanisms.folders import (
        ModFolders,
        prepare_folders,
    )
    from wscale.mechanisms.loading import load_mechanisms
else:
    __getattr__, __dir__ = lazy(
        __name__, {"folders": "ModFolders prepare_folders", "loading": "load_mechanisms"}
    )
