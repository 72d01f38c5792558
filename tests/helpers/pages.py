"""Run the code blocks of README.md, docs/ and examples/, page by page, as a reader would.

Every ```bash and ```python block runs, in order, in a folder with the files of a clone. HTML
comments, which readers do not see, give instructions:

- ``<!-- not run: reason -->``: the next block cannot run here;
- ``<!-- exit code: 1 -->``: the next bash block ends with this exit code.

A block with a ``title="file"`` is written to that file before anything runs. A ```text block after
a block that runs is its expected output; ``...`` stands for anything.

Commands without ``--jobs`` use "all cores": two for README.md, one for the other pages. batchtk is
hidden, since NetPyNE then imports optuna and scikit-learn too, and readers have none of them.
"""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from helpers import REPO

__all__ = ["PAGES", "Block", "blocks_of", "clone", "work_through"]

PAGES = (
    REPO / "README.md",
    *sorted((REPO / "docs").rglob("*.md")),
    *sorted((REPO / "examples").rglob("*.md")),
)
RUN = ("bash", "python")
CLONED = ("cells", "mod", "cfg.py", "netParams.py", "init.py", "M1_grid_search.py")

_FENCE = re.compile(
    r"(?P<marks>(?:^ *<!--(?:(?!-->).)*-->\s*?\n\s*)*)"
    r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```\s*?$",
    re.S | re.M,
)
_MARK = re.compile(r"<!-- (not run|exit code): (.+?) -->", re.S)
_TITLE = re.compile(r'title="([^"]+)"')
_PROMISES = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    line: int
    language: str
    title: str
    text: str
    not_run: str
    code: int

    @property
    def runs(self) -> bool:
        return self.language in RUN and not self.title and not self.not_run


def blocks_of(page: Path) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    text = page.read_text()
    found = []
    for fence in _FENCE.finditer(text):
        marks = dict(_MARK.findall(fence["marks"]))
        language, _, more = fence["info"].strip().partition(" ")
        title = _TITLE.search(more)
        indent = len(fence["indent"])
        lines = fence["text"].splitlines(keepends=True)
        found.append(
            Block(
                line=text.count("\n", 0, fence.start("info")) + 1,
                language=language,
                title=title[1] if title else "",
                text="".join(line[indent:] or "\n" for line in lines),
                not_run=" ".join(marks.get("not run", "").split()),
                code=int(marks.get("exit code", "0")),
            )
        )
    return found


def clone(folder: Path) -> None:
    """Copy the files of a clone that pages use into a folder, without the package."""
    for name in CLONED:
        copy = shutil.copytree if (REPO / name).is_dir() else shutil.copy
        copy(REPO / name, folder / name)


def work_through(page: Path, folder: Path) -> int:
    """Write a page's files, run its blocks in a folder, and return the number of blocks run."""
    clone(folder)
    blocks, ran = blocks_of(page), 0
    for block in blocks:
        if block.title:
            file = folder / block.title
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text)
    said: str | None = None
    with _environment(page) as environment:
        for block in blocks:
            where = f"{page.name}:{block.line}"
            if block.runs:
                said, ran = _run(block, folder, environment, where), ran + 1
            elif block.language == "text" and said is not None:
                told = doctest.OutputChecker().check_output(block.text, said, _PROMISES)
                assert told, f"{where} shows\n{block.text}\nbut there is\n{said}"
            if not block.runs:
                said = None
    return ran


@contextmanager
def _environment(page: Path) -> Iterator[dict[str, str]]:
    """Yield the environment of a reader who has followed the README and installed no extras."""
    with tempfile.TemporaryDirectory() as without:
        (Path(without) / "batchtk.py").write_text("raise ImportError('of the extra bench')\n")
        yield {
            **os.environ,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONPATH": os.pathsep.join([without, os.environ.get("PYTHONPATH", "")]).rstrip(":"),
            "COLUMNS": "200",
            "LOKY_MAX_CPU_COUNT": "2" if page == PAGES[0] else "1",
            "MPLBACKEND": "Agg",
        }


def _run(block: Block, folder: Path, environment: Mapping[str, str], where: str) -> str:
    """Run a block with bash or Python; return its output."""
    shell = ["bash", "-e", "-u", "-o", "pipefail", "-c", block.text]
    done = subprocess.run(
        shell if block.language == "bash" else [sys.executable, "-c", block.text],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == block.code, f"{where}: exit code {done.returncode}\n{done.stdout}"
    return done.stdout
