"""What the tests share: the repository's models, read once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

from M1_grid_search import CELLS as M1_CELLS
from wscale import Model

__all__ = ["M1_CELLS", "REPO"]

REPO = Path(__file__).resolve().parents[1]

# No time limit for an example on a busy machine; in CI the same examples at every run
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


@cache
def _load(cell: str, overrides: tuple[tuple[str, object], ...]) -> Model:
    return Model.from_folder(REPO, cell, dict(overrides))


@pytest.fixture(scope="session")
def load() -> Callable[..., Model]:
    """Read a cell of the repository's model folder: ``load("PV_simple", dt=0.05)``."""
    return lambda cell, **overrides: _load(cell, tuple(overrides.items()))


@pytest.fixture(scope="session")
def repo() -> Path:
    return REPO


@pytest.fixture
def own_process_rig() -> Iterator[None]:
    """Leave no Rig behind in the process that runs the tests."""
    from wscale.rig import release_rig

    yield
    release_rig()
