"""README, CI and documentation say the same; the site is built without a warning."""

from __future__ import annotations

import ast
import os
import re
import runpy
import subprocess
import sys
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
from helpers import M1_CELLS, REPO

import wscale
from wscale.cli.output import with_options
from wscale.errors import option

README = (REPO / "README.md").read_text()
MAIN_JOB, TESTS = re.findall(r"```bash\n(python3 -m venv .*)\n```", README)
PAGES = [
    file
    for folder in ("", "docs", "cells", "examples")
    for file in (REPO / folder).glob("**/*.md" if folder else "*.md")
]
MESSAGES = re.findall(r"^### `(.+)`$", (REPO / "docs/faq.md").read_text(), re.M)


def test_ci_runs_the_readmes_test_command():
    commands = (REPO / ".ci" / "run").read_text().splitlines()
    everything = TESTS.partition(" && .venv/bin/python")[0].replace("[test]", "[dev]")
    assert commands.index(everything) < commands.index(TESTS)  # so that no test is skipped there


def test_links_lead_somewhere():
    for file in PAGES:
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", file.read_text()):
            assert (file.parent / link).exists(), f"{file.name}: {link}"


@pytest.mark.slow
def test_main_job_runs_all_nine_cells(tmp_path):
    job = MAIN_JOB.split(" && ")[-1].replace(".venv/bin/python", sys.executable)
    done = subprocess.run(
        [*job.split(), "--out", str(tmp_path), "--jobs", "2"],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {path.stem for path in (tmp_path / "grid_batch").iterdir()} == set(M1_CELLS)
    assert len(list((tmp_path / "weightNorm").glob("*.pkl"))) == 9


@cache
def _texts() -> tuple[str, ...]:
    """All texts in wscale's source; ``...`` is what is filled in."""
    found = []
    for file in (REPO / "wscale").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
            elif isinstance(node, ast.JoinedStr):
                found.append("".join(map(_part, node.values)))
    return tuple(found)


def _part(part: ast.expr) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    match part:
        case ast.FormattedValue(value=ast.Call(func=ast.Name(id="option"), args=[name, *value])):
            words = [one.value for one in (name, *value) if isinstance(one, ast.Constant)]
            known = len(words) == 1 + len(value)
            return with_options(option(*words)) if known else "..."
    return "..."


@pytest.mark.parametrize("message", MESSAGES)
def test_message_is_one_of_wscales(message):
    """Each quoted message begins like a text of the source, with the same places filled in."""
    assert any(text.startswith(message.removesuffix("...")) for text in _texts())


def test_figures_are_made_by_the_script_and_shown():
    script = runpy.run_path(str(REPO / "docs/make_figures.py"))
    figures = {file.name for file in (REPO / "docs/images").iterdir()}
    assert figures == {*script["OF_MAIN_JOB"], script["MICROCIRCUIT"]}
    shown = "".join(page.read_text() for page in PAGES)
    assert all(f"images/{figure})" in shown for figure in figures)


def test_there_are_many_messages():
    assert len(set(MESSAGES)) == len(MESSAGES) >= 25


def test_api_has_every_public_name():
    shown = re.findall(r"^::: (wscale[\w.]+)\.(\w+)$", (REPO / "docs/api.md").read_text(), re.M)
    for module, name in shown:
        assert getattr(import_module(module), name) is getattr(wscale, name)
    assert sorted(name for _, name in shown) == sorted({*wscale.__all__} - {"__version__"})


def test_site_is_built_without_warnings_and_needs_no_other(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=REPO,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    sources = {file.stem for file in (REPO / "docs").rglob("*.md")}
    assert sources <= {page.stem for page in pages}
    for page in pages:
        loads = re.findall(
            r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=[\"']?(?:https?:)?//[^>]*",
            page.read_text(),
        )
        assert not [tag for tag in loads if 'rel="canonical"' not in tag], page.name
    assert _is_in_navigation((REPO / "mkdocs.yml").read_text())


def _is_in_navigation(config: str) -> bool:
    """Every page can be reached; mkdocs only mentions those that cannot."""
    docs = REPO / "docs"
    pages = {str(Path(file).relative_to(docs)) for file in docs.rglob("*.md")}
    return all(re.search(rf": {re.escape(page)}$", config, re.M) for page in pages)
