"""ContinuousBernoulli and GeneralizedPareto beside Pyro's own: faults, divergences, transformations, shapes."""

import numpy as np
import pyro.distributions as host
import pytest
import torch
from torch.distributions import kl_divergence

import pyro_irg.distributions as dist
from irg_kernels.numerics.quadrature import gauss_legendre

MAKE = {
    "bernoulli": (lambda d, x, **options: d.ContinuousBernoulli(logits=x, **options), 0.0),
    "pareto": (lambda d, c, **options: d.GeneralizedPareto(0.0, 1.0, c, **options), 0.0),
}


@pytest.mark.parametrize("name", MAKE)
def test_where_the_host_has_no_gradient(name):
    make, at = MAKE[name]
    p = torch.full((1000,), at, requires_grad=True)
    for module in (host, dist):
        slope = torch.autograd.grad(make(module, p).rsample().sum(), p)[0]
        assert (slope == 0.0).all() == (module is host)


def test_divergences_of_the_host():
    """KL against another of its kind and the uniform distribution, from E log p - E log q by quadrature."""
    nodes, weights = (torch.tensor(v, dtype=torch.float64) for v in gauss_legendre(60))
    for a, b in ((0.0, 1e-3), (0.7, -3.0), (-20.0, 5.0)):
        p, q = (dist.ContinuousBernoulli(logits=torch.tensor(v, dtype=torch.float64)) for v in (a, b))
        density = p.log_prob(nodes)
        expected = (weights * density.exp() * (density - q.log_prob(nodes))).sum()
        # the host adds and takes away log(1 - probs), 20 at the most
        torch.testing.assert_close(kl_divergence(p, q), expected, rtol=1e-12, atol=1e-14)
    uniform = dist.Uniform(torch.tensor(-1.0, dtype=torch.float64), 2.0)
    torch.testing.assert_close(kl_divergence(p, uniform), np.log(3.0) - p.entropy())


def test_shapes_and_parameters():
    for name in ("probs", "logits"):
        d = dist.ContinuousBernoulli(**{name: torch.full((3, 1), 0.25)})
        d.mean, d.logits, d.probs  # noqa: B018, the host caches what it computes
        wide = d.expand((3, 4))
        assert type(wide) is dist.ContinuousBernoulli and wide.batch_shape == (3, 4)
        assert wide._param is getattr(wide, name)
        torch.testing.assert_close(wide.log_prob(torch.tensor(0.3)), d.log_prob(torch.tensor(0.3)).expand(3, 4))
    wide = dist.GeneralizedPareto(0.0, 1.0, 0.0).expand((5,))
    assert type(wide) is dist.GeneralizedPareto and wide.sample().unique().numel() == 5


@pytest.mark.parametrize("name", MAKE)
def test_transformations(name):
    make, _ = MAKE[name]
    params = torch.tensor([0.5, 0.3, 0.04], dtype=torch.float64)

    def total(params):
        torch.manual_seed(2)
        return make(dist, params).rsample((5,)).square().sum()

    hessian = torch.func.jacrev(torch.func.jacrev(total))(params)
    torch.testing.assert_close(torch.func.hessian(total)(params), hessian)
    draw = lambda p: make(dist, p, validate_args=False).rsample((4,))  # noqa: E731
    rows = torch.func.vmap(draw, randomness="different")(params)
    assert rows.shape == (3, 4) and len(rows.unique()) == 12
