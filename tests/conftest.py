"""What the tests share: the repository's models, read once."""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
from helpers import REPO
from hypothesis import settings

from wscale import Model
from wscale._util.cache import locked
from wscale.mechanisms.library import compile_mechanisms

# No time limit for an example on a busy machine; in CI the same examples at every run
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

# Without --jobs a command takes all cores, and several tests run at once: two are "all" here
os.environ.setdefault("LOKY_MAX_CPU_COUNT", "2")


# These files take longest. They come first, so that no process is left alone with one at the end
LONGEST = (
    "project/test_docs_run.py",
    "parallel/test_faults.py",
    "cells/test_neuroml.py",
    "parallel/test_cluster.py",
    "project/test_netpyne_batch.py",
    "parallel/test_slurm_search.py",
    "cli/test_cli.py",
    "parallel/test_chains.py",
    "project/test_batchtools.py",
    "plots/test_figures.py",
    "simulation/test_ending.py",
    "simulation/test_settled.py",
    "search/test_targeted.py",
    "project/test_examples.py",
    "cells/test_imported_cells.py",
    "mechanisms/test_mechanisms.py",
    "parallel/test_slurm_node.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {REPO / "tests" / name: number for number, name in enumerate(LONGEST)}
    for file in place:
        assert file.is_file(), f"LONGEST in {__file__}: there is no {file}"
    items.sort(key=lambda item: place.get(item.path, len(LONGEST)))
    for item in items if find_spec("distributed") is None else ():
        examples = item.dtest.examples if isinstance(item, pytest.DoctestItem) else ()
        if any("from distributed " in example.source for example in examples):
            item.add_marker(pytest.mark.skip("needs the extra 'cluster'"))


@pytest.fixture(scope="session")
def load(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Model]:
    """Read a cell of the repository's model folder: ``load("PV_simple", dt=0.05)``.

    Whichever process of the test run asks first reads it; the others take what it has read.
    """
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "models"
    folder.mkdir(exist_ok=True)

    @cache
    def read(cell: str, overrides: tuple[tuple[str, object], ...]) -> Model:
        file = folder / hashlib.sha256(repr((cell, overrides)).encode()).hexdigest()
        with locked(file.with_suffix(".lock")):
            if not file.exists():
                compile_mechanisms(REPO / "mod")  # once for all cells; else each has its part
                model = Model.from_folder(REPO, cell, dict(overrides))
                part = file.with_suffix(".part")
                part.write_bytes(pickle.dumps(model))
                part.replace(file)
        return pickle.loads(file.read_bytes())

    return lambda cell, **overrides: read(cell, tuple(overrides.items()))


@pytest.fixture(scope="session")
def repo() -> Path:
    return REPO


@pytest.fixture
def own_process_rig() -> Iterator[None]:
    """Leave no Rig behind in the process that runs the tests."""
    from wscale.simulation.rig import release_rig

    yield
    release_rig()
