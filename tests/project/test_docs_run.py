"""What README.md, docs/ and examples/ show is done, page by page, in the order of the page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from helpers import REPO
from helpers.pages import PAGES, RUN, blocks_of, work_through

# How many blocks a page may leave out, each with its reason beside it: installations, servers,
# what another test runs. Whoever adds one says so here too.
NOT_RUN = {
    "README.md": 4,
    "docs/cells_from_modeldb.md": 2,
    "docs/cluster.md": 4,
    "docs/index.md": 1,
    "docs/methodology.md": 1,
    "docs/netpyne_batch.md": 5,
    "docs/performance.md": 1,
    "docs/scaling.md": 1,
    "docs/tutorial.md": 1,
    "examples/m1_microcircuit/README.md": 1,
}
# Languages of blocks that are only shown, or written to a file
SHOWN = ("", "text", "json", "yaml", "hoc")


def name(page: Path) -> str:
    return str(page.relative_to(REPO))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_nothing_is_left_out_without_a_reason(page):
    left_out = [block for block in blocks_of(page) if block.not_run]
    assert len(left_out) == NOT_RUN.get(name(page), 0)
    for block in left_out:
        assert block.language in RUN, f"{name(page)}:{block.line}: nothing to leave out"
        assert len(block.not_run) > 10, f"{name(page)}:{block.line}: {block.not_run} is no reason"
        for test in re.findall(r"tests/[\w/]+\.py", block.not_run):
            assert (REPO / test).is_file(), f"{name(page)}:{block.line}: there is no {test}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_fence_is_seen(page):
    text, blocks = page.read_text(), blocks_of(page)
    assert sum(line.lstrip().startswith("```") for line in text.splitlines()) == 2 * len(blocks)
    for block in blocks:
        assert block.language in (*RUN, *SHOWN), f"{name(page)}:{block.line}: {block.language}?"
    assert text.count("<!-- not run") == sum(bool(block.not_run) for block in blocks)
    assert text.count("<!-- exit code") == sum(block.code != 0 for block in blocks)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_files_of_a_page_are_used(page):
    blocks = blocks_of(page)
    said = "".join(block.text for block in blocks if block.runs or block.title)
    for title in (block.title for block in blocks if block.title):
        assert Path(title).name in said or f"--mod {Path(title).parent}" in said, title


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(block.runs for block in blocks_of(page))], ids=name
)
def test_page_does_what_it_shows(page, tmp_path):
    assert work_through(page, tmp_path) == sum(block.runs for block in blocks_of(page))
