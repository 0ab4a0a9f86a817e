"""`ImplicitDensity` in Pyro: ends of the support that move, samplers of the user's, pickles."""

import pickle

import pyro.distributions as host
import torch
from pyro.distributions import constraints

import pyro_irg.distributions as dist
from pyro_irg.distributions.fixed_quantile import at_fixed_quantile
from tests import densities


def test_one_sampler():
    density = densities.DENSITIES[0]
    leaves = {k: torch.tensor(v, dtype=torch.float64).requires_grad_() for k, v in density.params.items()}
    d = dist.ImplicitDensity(
        lambda x, **p: density.log_density(torch, x, **p),
        constraints.positive,
        lambda shape, a, b: torch.full(shape, 1.0),
        **leaves,
    )
    (slope,) = torch.autograd.grad(d.rsample(), leaves["a"])
    assert abs(slope.item() - densities.partials(density, 1.0)["a"]) < 1e-11


def test_ends_of_the_support_move():
    """A density between a parameter and 1: the ends are differentiated as well."""
    low = torch.tensor(-1.0, dtype=torch.float64, requires_grad=True)
    d = dist.ImplicitDensity(lambda x: 0.0 * x, constraints.interval(low, 1.0))
    (slope,) = torch.autograd.grad(at_fixed_quantile(d, torch.tensor(0.5, dtype=torch.float64)), low)
    assert abs(slope.item() - 0.25) < 1e-12  # x = low + u (1 - low)


def test_support_and_pickles():
    d = dist.Implicit(host.Gamma(1.0, 1.0))
    assert d.support is constraints.nonnegative
    pickle.loads(pickle.dumps(d)).rsample()
