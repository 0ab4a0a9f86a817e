"""Which of Pyro's distributions have an implicit twin, and three ways to put the twins in their place."""

from __future__ import annotations

import pyro.distributions as host
import torch
from pyro.distributions.torch_distribution import ExpandedDistribution

from irg_kernels.adapter.twins import Twins

# the host's wrappers, and the attributes in which they hold distributions
TWINS = Twins(
    host,
    torch.distributions.Distribution,
    {
        torch.distributions.Independent: ("base_dist",),
        ExpandedDistribution: ("base_dist",),
        host.MaskedDistribution: ("base_dist",),
        torch.distributions.TransformedDistribution: ("base_dist",),
        torch.distributions.MixtureSameFamily: ("_component_distribution",),
        host.MaskedMixture: ("component0", "component1"),
    },
    {
        **dict.fromkeys(
            (host.RelaxedBernoulliStraightThrough, host.RelaxedOneHotCategoricalStraightThrough),
            "that of the draws before they were rounded (straight-through), which is biased",
        ),
        host.Rejector: "which lacks the score of acceptance, that Trace_ELBO alone adds",
    },
)

implicit_twin, implicit_twin_of, implicit_twins = TWINS.implicit_twin, TWINS.implicit_twin_of, TWINS.implicit_twins
register, registered, unregister = TWINS.register, TWINS.registered, TWINS.unregister
