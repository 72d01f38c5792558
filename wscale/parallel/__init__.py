"""Sandboxes for code that may crash, and back ends that share out work; nothing about cells."""

from typing import TYPE_CHECKING

from wscale._util.lazy import lazy

__all__ = ["Backend", "Chain", "Limits", "LocalBackend", "Sandbox", "SandboxDied"]

if TYPE_CHECKING:
    from wscale.parallel.chains import Backend, Chain
    from wscale.parallel.pool import LocalBackend
    from wscale.parallel.sandbox import Limits, Sandbox, SandboxDied
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "chains": "Backend Chain",
            "pool": "LocalBackend",
            "sandbox": "Limits Sandbox SandboxDied",
        },
    )
