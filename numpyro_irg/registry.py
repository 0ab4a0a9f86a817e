"""Which of NumPyro's distributions have an implicit twin, and three ways to put the twins in their place."""

from __future__ import annotations

import numpyro.distributions as host

from irg_kernels.adapter.twins import Twins

# the host's wrappers, and the attributes in which they hold distributions
TWINS = Twins(
    host,
    host.Distribution,
    {
        host.Independent: ("base_dist",),
        host.ExpandedDistribution: ("base_dist",),
        host.MaskedDistribution: ("base_dist",),
        host.TransformedDistribution: ("base_dist",),
        host.MixtureSameFamily: ("_component_distribution",),
        host.MixtureGeneral: ("_component_distributions",),
    },
)

implicit_twin, implicit_twin_of, implicit_twins = TWINS.implicit_twin, TWINS.implicit_twin_of, TWINS.implicit_twins
register, registered, unregister = TWINS.register, TWINS.registered, TWINS.unregister
