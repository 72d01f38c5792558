"""joblib in front: the user's parallel_config holds, and the numbers are the same."""

from __future__ import annotations

import joblib
import pytest

from wscale import audit, grid, solve, verify
from wscale.errors import ConfigError
from wscale.parallel.pool import LocalBackend, number_of_jobs

WEIGHTS_uS = [1e-4, 3e-4, 9e-4]


@pytest.fixture(scope="module")
def model(load):
    return load("PV_simple", dt=0.05)


def all_of(model, **how):
    """Grid, targeted search, verification and audit of a cell."""
    [of_grid], [solved] = grid(model, WEIGHTS_uS, **how), solve(model, **how)
    [check] = verify([(model, solved.table())], **how)
    return of_grid, solved, check, audit(model, of_grid.table(), **how)


@pytest.fixture(scope="module")
def here(model):
    return all_of(model, n_jobs=1)


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_the_tables_are_the_same_in_a_parallel_config(backend, model, here):
    with joblib.parallel_config(backend=backend, n_jobs=2):
        of_grid, solved, check, audited = all_of(model)
    assert of_grid.solutions == here[0].solutions
    assert of_grid.frame.equals(here[0].frame)
    assert solved.solutions == here[1].solutions
    assert solved.table().as_json() == here[1].table().as_json()
    assert check.frame.equals(here[2].frame)
    assert audited.frame.equals(here[3].frame)


def test_the_number_of_workers_is_that_of_the_config_unless_given(monkeypatch):
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "2")
    assert number_of_jobs() == number_of_jobs(-1) == 2
    assert number_of_jobs(-2) == 1
    with joblib.parallel_config(n_jobs=3):
        assert number_of_jobs() == 3
        assert number_of_jobs(1) == 1
        assert LocalBackend().n_workers == 3
    for n_jobs in (0, True, 1.5, "2", 17):
        with pytest.raises(ConfigError, match="n_jobs = "):
            number_of_jobs(n_jobs)
