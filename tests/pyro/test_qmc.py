"""`QMC_ELBO` under Pyro's `AutoNormal`: the gradient against its closed form, and a tenth of the variance."""

import numpy as np
import pyro
import pytest
import torch
from pyro.infer import Trace_ELBO
from pyro.infer.autoguide import AutoNormal
from pyro.infer.autoguide.initialization import init_to_value

import pyro_irg.distributions as dist
from pyro_irg import from_uniform
from pyro_irg.infer import QMC_ELBO
from tests.checks import AUTO_NORMAL, assert_less_noise, auto_normal_slopes

LOC, SCALE = AUTO_NORMAL


def model():
    x = pyro.sample("x", dist.Normal(torch.zeros(2), 1.0).to_event(1))
    pyro.sample("y", dist.Normal(x.sum(-1), 0.5), obs=torch.tensor(1.0))


def gradients(elbo):
    """Minus those of the loss in locations and scales, for each of 60 seeds."""
    pyro.clear_param_store()
    guide = AutoNormal(model, init_loc_fn=init_to_value(values={"x": torch.tensor(LOC)}), init_scale=SCALE)
    guide()
    by_scale = -np.expm1(-SCALE)  # d scale / d unconstrained, of softplus
    found = []
    for seed in range(60):
        pyro.set_rng_seed(seed)
        guide.zero_grad()
        elbo.loss_and_grads(model, guide)
        loc, scale = (-p.grad.numpy().astype(float) for p in guide.parameters())
        found.append([loc, scale / by_scale])
    return np.array(found)


def test_auto_normal():
    independent = gradients(Trace_ELBO(num_particles=64, vectorize_particles=True, max_plate_nesting=0))
    assert_less_noise(independent, gradients(QMC_ELBO(num_particles=64)), auto_normal_slopes())


COMPONENTS = {
    "Gamma": lambda p: dist.Gamma(p[:2].exp(), p[2:4].exp()),
    "Beta": lambda p: dist.Beta(p[:2].exp(), p[2:4].exp()),
    "factorised": lambda p: dist.VonMises(p[:4].reshape(2, 2), p[4:].exp()).to_event(1),
    "transformed": lambda p: dist.LogNormal(p[:2], p[2:4].exp()),
    "elliptical": lambda p: dist.MultivariateNormal(p[:4].reshape(2, 2), p[4:].exp().diag()),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", COMPONENTS)
def test_mixtures_at_fixed_points(name, dtype):
    """Where u has no derivative the draw is found as a value, and moves as any draw does."""
    pyro.set_rng_seed(0)
    params = 0.7 * torch.randn(6, dtype=dtype)
    logits = torch.randn(2, dtype=dtype)

    def draws(u):
        given = logits.clone().requires_grad_(), params.clone().requires_grad_()
        weights = dist.Categorical(logits=given[0])
        x = from_uniform(dist.MixtureSameFamily(weights, COMPONENTS[name](given[1])), u)
        return x.detach(), *torch.autograd.grad((x * torch.arange(1.0, 1.0 + x.numel()).reshape(x.shape)).sum(), given)

    u = torch.rand(7, *((2,) if name in ("factorised", "elliptical") else ()), dtype=dtype)
    for found, wanted in zip(draws(u), draws(u.clone().requires_grad_()), strict=True):
        torch.testing.assert_close(found, wanted, rtol=2e-6 if dtype == torch.float32 else 1e-12, atol=1e-12)


def test_mixtures_between_components():
    """Where there is next to no density float32's quantiles are as precise as those whose u moves."""
    given = torch.tensor([1e-6, 1.0, 1e6]).requires_grad_()
    d = dist.MixtureSameFamily(dist.Categorical(logits=torch.zeros(3)), dist.Exponential(given))
    u = torch.tensor([0.3333 - 1e-4, 0.3333 + 1e-4, 0.6666, 0.6668])
    found, wanted = (from_uniform(d, at) for at in (u, u.clone().requires_grad_()))
    torch.testing.assert_close(found, wanted, rtol=3e-7, atol=0.0)
    slopes = [torch.autograd.grad(x.log().sum(), given)[0] for x in (found, wanted)]
    torch.testing.assert_close(*slopes, rtol=1e-5, atol=0.0)
