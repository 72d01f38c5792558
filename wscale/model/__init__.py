"""The single-cell model as plain data: sites, targets, synapses and checks."""

from typing import TYPE_CHECKING

from wscale._util.lazy import lazy

__all__ = ["Model", "Site", "SynapseGroup", "Targets", "list_sites", "with_synapses"]

if TYPE_CHECKING:
    from wscale.model.model import Model
    from wscale.model.sites import Site, list_sites
    from wscale.model.synapses import SynapseGroup, with_synapses
    from wscale.model.targets import Targets
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "model": "Model",
            "sites": "Site list_sites",
            "synapses": "SynapseGroup with_synapses",
            "targets": "Targets",
        },
    )
