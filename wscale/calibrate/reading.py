"""The cells of a job, read from its model folder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from wscale.model.model import Model
from wscale.parallel.pool import number_of_jobs
from wscale.parallel.sandbox import close_all

if TYPE_CHECKING:
    from wscale.calibrate.settings import SearchSettings

__all__ = ["load_models"]

# How often processes that read cells are looked for while they are ended, s
_AGAIN_s = 0.05


def load_models(settings: SearchSettings) -> list[Model]:
    """Read the settings' cells from the model folder, several at a time."""
    cells: Sequence[str | None] = settings.cells or [None]
    own_cell = settings.own_cell
    how: dict[str, Any] = {
        name: True for name in ("mod_all", "recompile") if getattr(settings, name)
    }

    def load(cell: str | None) -> Model:
        folders = settings.mod, settings.mod_exclude
        return Model.from_folder(settings.folder, cell, settings.cfg, *folders, own_cell, **how)

    with ThreadPoolExecutor(max_workers=number_of_jobs(-1)) as pool:
        loading = [pool.submit(load, cell) for cell in cells]
        try:
            return [model.result() for model in loading]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            while not all(model.done() for model in loading):  # one may have been about to start
                close_all()
                time.sleep(_AGAIN_s)
            raise
