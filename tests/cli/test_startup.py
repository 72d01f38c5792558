"""What is imported, and what is not, before it is needed; each in a process of its own."""

from __future__ import annotations

import ast
import os
import subprocess
import sys

import pytest
from helpers import REPO

import wscale

HEAVY = {"matplotlib", "netpyne", "neuron", "pandas", "pydantic", "scipy"}


def imported(code: str, **variables: str) -> tuple[set[str], str]:
    """Return the top-level modules that code imports, and what it prints."""
    last = "import atexit, sys; atexit.register(lambda: print('', *sys.modules, file=sys.stderr))"
    done = subprocess.run(
        [sys.executable, "-c", f"{last}\n{code}"],
        env={**os.environ, **variables},
        cwd=REPO,
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.split(".")[0] for name in done.stderr.split()}, done.stdout


def of_command(*words: str) -> str:
    return f"import sys; sys.argv = {['wscale', *words]}; from wscale.cli.app import main; main()"


def test_the_package_imports_nothing_heavy():
    modules, _ = imported("import wscale; dir(wscale)")
    assert not modules & {*HEAVY, "joblib", "loky", "numpy", "rich", "typer"}


@pytest.mark.parametrize("words", [("--version",), ("--help",)], ids="".join)
def test_version_and_help_import_nothing_heavy(words):
    modules, said = imported(of_command(*words))
    assert not modules & {*HEAVY, "markdown_it", "numpy"}
    assert "wscale" in said


@pytest.mark.parametrize(("typed", "offered"), [("wscale no", "norm"), ("wscale --v", "--version")])
def test_completion_of_commands_imports_nothing_heavy(typed, offered):
    words = {"COMP_WORDS": typed, "COMP_CWORD": "1", "_WSCALE_COMPLETE": "complete_bash"}
    modules, said = imported(of_command(), **words)
    assert said.split() == [offered]
    assert not modules & {*HEAVY, "numpy", "rich"}


@pytest.mark.parametrize("name", ["Model", "Targets", "Protocol", "list_sites", "grid", "verify"])
def test_a_name_brings_only_what_it_needs(name):
    modules, _ = imported(f"from wscale import {name}")
    assert not modules & HEAVY


def test_names_for_checkers_and_at_run_time_are_the_same():
    tree = ast.parse((REPO / "wscale" / "__init__.py").read_text())
    [block] = [
        node
        for node in tree.body
        if isinstance(node, ast.If)
        and "CHECKING" in ast.unparse(node.test)
        and not isinstance(node.test, ast.UnaryOp)
    ]
    stated = {
        (name.name, of.module)
        for of in block.body
        if isinstance(of, ast.ImportFrom)
        for name in of.names
    }
    assert stated == {*wscale._HOME.items()}
    assert sorted({"__version__", *wscale._HOME}) == wscale.__all__
    assert {*wscale.__all__} <= {*dir(wscale)}


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'wscale' has no attribute 'gird'"):
        wscale.gird  # noqa: B018
