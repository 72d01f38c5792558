"""What a table was made with: command, content hashes and versions."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version

import pytest

from wscale import __version__
from wscale.results.provenance import provenance


@pytest.fixture
def model(load):
    return replace(load("PV_simple"), mod=None)


def test_provenance_has_the_command(model):
    assert provenance(model, ["wscale", "grid", "."])["command"] == "wscale grid ."


def test_provenance_has_the_hashes_of_the_model(model):
    assert provenance(model, [])["sha256"] == {
        "cell": model.cell_hash,
        "mechanisms": "",
        "configuration": model.config_hash,
    }


def test_provenance_has_the_versions_that_decide_the_numbers(model):
    versions = provenance(model, [])["versions"]
    assert versions["wscale"] == __version__
    assert {name: versions[name] for name in ("neuron", "netpyne", "numpy", "scipy")} == {
        name: version(name) for name in ("neuron", "netpyne", "numpy", "scipy")
    }
