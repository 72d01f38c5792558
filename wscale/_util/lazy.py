"""Names of a package that are imported when they are first used (PEP 562)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["lazy"]


def lazy(
    package: str, names: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` for a package.

    Type checkers do not see these names: import them in a branch for ``TYPE_CHECKING`` too.

    Parameters
    ----------
    package : str
        Name of the package.
    names : mapping
        Module below the package -> names to import from it, separated by spaces.

    Examples
    --------
    >>> get, _ = lazy("wscale", {"model.sites": "Site list_sites"})
    >>> get("Site").__module__
    'wscale.model.sites'
    """
    homes = {name: f"{package}.{module}" for module in names for name in names[module].split()}

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(import_module(homes[name]), name)
        setattr(sys.modules[package], name, found)
        return found

    return get, lambda: sorted({*vars(sys.modules[package]), *homes})
