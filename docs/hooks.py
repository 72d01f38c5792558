"""What mkdocs does for these pages besides: pages from outside docs/, names in docstrings."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"

# Files of the repository that belong to the site, under other names
OUTSIDE = {
    "cells.md": "cells/README.md",
    "PT5B_pyramid.py": "cells/PT5B_pyramid.py",
    "microcircuit.md": "examples/m1_microcircuit/README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
}
_LINK = re.compile(r"\]\(([^)#:\s]+)((?:#[^)\s]*)?)\)")
_ROLE = re.compile(r":(?:class|func|meth|mod|data|attr):<code>~?([\w.]+)</code>")


def on_files(files: Files, config: Any) -> Files:
    """Add the files from outside docs/."""
    for name, path in OUTSIDE.items():
        files.append(File.generated(config, name, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links that lead to a file in a clone lead to where it is in the site."""
    here = page.file.src_uri
    folder = (ROOT / OUTSIDE[here]).parent if here in OUTSIDE else (DOCS / here).parent
    places = {(ROOT / path).resolve(): name for name, path in OUTSIDE.items()}

    def link(found: re.Match[str]) -> str:
        target = (folder / found[1]).resolve()
        if target.is_relative_to(DOCS):
            place = str(target.relative_to(DOCS))
        elif target in places:
            place = places[target]
        else:
            return found[0]  # mkdocs says that there is no such page
        return f"]({os.path.relpath(place, Path(here).parent)}{found[2]})"

    return _LINK.sub(link, markdown)


def on_page_content(html: str, page: Any, **_: Any) -> str:
    """Make links of Sphinx's roles in docstrings, where the page has what they name."""

    def link(found: re.Match[str]) -> str:
        name = found[1].rpartition(".")[2]
        targets = re.findall(rf'<h\d id="([\w.]+\.{name})"', html)
        code = f"<code>{found[1]}</code>"
        return f'<a href="#{targets[0]}">{code}</a>' if targets else code

    return _ROLE.sub(link, html) if page.file.src_uri == "api.md" else html
