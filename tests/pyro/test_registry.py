"""Twins of what only Pyro has."""

import pyro.distributions as host
import torch
from pyro.distributions.testing import fakes

from pyro_irg import implicit_twin


def test_refusals_are_left_alone():
    assert implicit_twin(fakes.NonreparameterizedGamma(1.0, 1.0)) is None
    assert implicit_twin(host.Gamma(1.0, 1.0).has_rsample_(False)) is None
    assert implicit_twin(host.Gamma(torch.ones(2), 1.0).has_rsample_(False).to_event(1)) is None


def test_lazily_computed_parameters_do_not_mislead():
    """ContinuousBernoulli caches whichever of probs and logits it was not given."""
    for given in ("probs", "logits"):
        fn = host.ContinuousBernoulli(**{given: torch.tensor([0.25, 0.75])})
        fn.probs, fn.logits  # noqa: B018
        for each in (fn, implicit_twin(fn)):
            assert each._param is vars(each)[given]
