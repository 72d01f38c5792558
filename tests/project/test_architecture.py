"""The layers of the packages, as far as import-linter cannot see them (pyproject.toml)."""

from __future__ import annotations

import importlib
import pkgutil
import re
import subprocess
import sys
import tomllib

import pytest
from helpers import REPO

import wscale

PACKAGES = sorted(module.name for module in pkgutil.iter_modules(wscale.__path__) if module.ispkg)
CONTRACTS = tomllib.loads((REPO / "pyproject.toml").read_text())["tool"]["importlinter"][
    "contracts"
]
[WITHOUT_NEURON] = [
    contract["source_modules"]
    for contract in CONTRACTS
    if "neuron" in contract.get("forbidden_modules", ())
]


def test_importing_what_runs_no_neuron_loads_none():
    code = f"""
import importlib, pkgutil, sys
for name in {WITHOUT_NEURON!r}:
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, name + "."):
        importlib.import_module(module.name)
print(sorted({{"neuron", "hoc", "netpyne"}} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_has_the_names_that_it_lists(name):
    package = importlib.import_module(f"wscale.{name}")
    for noun in getattr(package, "__all__", ()):
        found = getattr(package, noun)
        assert found.__module__.startswith(package.__name__)
        assert noun in dir(package)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = package.nothing


def test_the_page_draws_the_layers_that_are_checked():
    [layers] = [contract["layers"] for contract in CONTRACTS if contract["type"] == "layers"]
    drawn = re.search(r"```text\n(cli .*?)```", (REPO / "docs/architecture.md").read_text(), re.S)
    assert [line.split("  ")[0] for line in drawn[1].splitlines()] == layers
