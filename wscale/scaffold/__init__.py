"""A new model folder."""

from typing import TYPE_CHECKING

from wscale._util.lazy import lazy

__all__ = ["new_folder"]

if TYPE_CHECKING:
    from wscale.scaffold.new import new_folder
else:
    __getattr__, __dir__ = lazy(__name__, {"new": "new_folder"})
