"""A chain of conditional laws: gradients of exact expectations, through the earlier coordinates too."""

import numpy as np
import pyro.distributions as host
import pytest
import torch

import pyro_irg.distributions as dist
from tests.checks import STANDARD_ERRORS, standardised


def test_gradient_through_the_chain():
    """x1 ~ Gamma(a, 1), x2 ~ Gamma(s x1, 1): E[x1 x2] = s a (a + 1)."""
    torch.manual_seed(0)
    a, s = (torch.full((20_000,), v, dtype=torch.float64).requires_grad_() for v in (2.5, 1.5))
    law = dist.ConditionalChain([lambda a, s: host.Gamma(a, 1.0), lambda x, a, s: host.Gamma(s * x, 1.0)], a=a, s=s)
    x = law.rsample()
    for slope, truth in zip(torch.autograd.grad(x.prod(-1).sum(), (a, s)), (9.0, 8.75), strict=True):
        assert standardised(slope.numpy(), np.array(truth), 1e-10) < STANDARD_ERRORS
    x = x.detach()
    truth = host.Gamma(a, 1.0).log_prob(x[:, 0]) + host.Gamma(s * x[:, 0], 1.0).log_prob(x[:, 1])
    torch.testing.assert_close(law.log_prob(x), truth)
    assert law.support.check(x).all() and law.expand((2, 20_000)).rsample().shape == (2, 20_000, 2)


def test_supports_that_differ_and_errors():
    law = dist.ConditionalChain([host.Gamma(2.0, 1.0), lambda x: host.Normal(x, 1.0)])
    assert law.support.check(torch.tensor([1.0, -1.0])) and not law.support.check(torch.tensor([-1.0, 1.0]))
    with pytest.raises(ValueError, match="expected a continuous univariate law, got Poisson"):
        dist.ConditionalChain([host.Gamma(2.0, 1.0), host.Poisson])
