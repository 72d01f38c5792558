"""Tables put to the test: in a NetPyNE network, or entry by entry."""

from typing import TYPE_CHECKING

from wscale._util.lazy import lazy

__all__ = ["Audit", "Verification"]

if TYPE_CHECKING:
    from wscale.verification.audit import Audit
    from wscale.verification.verify import Verification
else:
    __getattr__, __dir__ = lazy(__name__, {"audit": "Audit", "verify": "Verification"})
