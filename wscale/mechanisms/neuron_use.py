"""Whether code has used NEURON, and so may need mechanisms: seen while it runs."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["watch_neuron"]


_IMPORTS_NEURON = re.compile(r"\b(?:from|import)\s+neuron\b|load_mechanisms")


def watch_neuron() -> Callable[[], bool]:
    """Return a function that says whether code which was run since then has used NEURON."""
    import netpyne.conversion
    from netpyne import specs  # noqa: F401  # with all that it imports

    before, imported = set(sys.modules), []

    def noted(name: str) -> Callable[..., Any]:
        original = getattr(netpyne.conversion, name)

        def note(*args: Any, **kwargs: Any) -> Any:
            imported.append(name)
            return original(*args, **kwargs)

        return note

    for name in vars(netpyne.conversion).copy():
        if name.startswith("importCell"):
            setattr(netpyne.conversion, name, noted(name))

    def uses_neuron() -> bool:
        from neuron import h

        new = [sys.modules[name] for name in set(sys.modules) - before if name in sys.modules]
        files = {str(getattr(module, "__file__", None) or "") for module in new}
        code = [Path(file) for file in files if file.endswith(".py")]
        return (
            bool(imported)
            or any(True for _ in h.allsec())
            or any(_IMPORTS_NEURON.search(file.read_text("latin-1")) for file in code)
        )

    return uses_neuron
