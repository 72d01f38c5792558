"""Names that are imported when they are first used."""

from __future__ import annotations

import subprocess
import sys

import pytest
from helpers import REPO

import wscale.model
from wscale._util.lazy import lazy


def test_a_package_imports_a_module_when_a_name_of_it_is_used():
    code = """
import sys, wscale.scaffold
assert "wscale.scaffold.new" not in sys.modules
from wscale.scaffold import new_folder
assert new_folder is sys.modules["wscale.scaffold.new"].new_folder
"""
    subprocess.run([sys.executable, "-c", code], cwd=REPO, check=True)


def test_an_unknown_name_is_an_error_and_modules_are_found_as_ever():
    get, _ = lazy("wscale.model", {"sites": "Site"})
    assert get("Site") is wscale.model.Site
    with pytest.raises(AttributeError, match=r"module 'wscale\.model' has no attribute 'Sight'"):
        get("Sight")
    from wscale.model import cfg

    assert cfg.__name__ == "wscale.model.cfg"
