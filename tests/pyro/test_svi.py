"""Pyro's SVI with our guides: unbiased ELBO gradients, and training that ends at the exact posterior."""

import numpy as np
import pyro
import pytest
import torch
from pyro.infer import SVI, Trace_ELBO
from pyro.optim import ClippedAdam
from torch.distributions import constraints

import pyro_irg.distributions as dist
from tests.checks import STANDARD_ERRORS, standardised
from tests.conjugate import CONJUGATES, PRECISION

conjugates = pytest.mark.parametrize("conjugate", CONJUGATES, ids=str)


@pytest.fixture(autouse=True)
def fresh():
    pyro.clear_param_store()
    pyro.set_rng_seed(6)


def model_and_guide(conjugate):
    data = torch.tensor(conjugate.data)
    likelihoods = {
        "von Mises": lambda x: dist.VonMises(x, PRECISION),
        "Beta-Bernoulli": dist.Bernoulli,
        "Gamma-Poisson": dist.Poisson,
    }

    def model():
        prior = {name: torch.tensor(value) for name, value in conjugate.prior.items()}
        x = pyro.sample("x", getattr(dist, conjugate.family)(**prior))
        if conjugate.family == "Dirichlet":
            pyro.sample("y", dist.Multinomial(int(data.sum()), x), obs=data)
            return
        with pyro.plate("data", len(data)):
            pyro.sample("y", likelihoods[conjugate.name](x), obs=data)

    def guide():
        params = {
            name: pyro.param(
                name,
                torch.tensor(value),
                constraint=constraints.real if name in conjugate.free else constraints.positive,
            )
            for name, value in conjugate.guide.items()
        }
        pyro.sample("x", getattr(dist, conjugate.family)(**params))

    return model, guide


def svi_of(conjugate, optimizer, particles):
    loss = Trace_ELBO(num_particles=particles, vectorize_particles=True, max_plate_nesting=1)
    return SVI(*model_and_guide(conjugate), optimizer, loss)


@conjugates
def test_gradient_is_unbiased(conjugate):
    """The mean of 500 gradients of 200 particles each, from the part of `SVI.step` that comes before the optimizer."""
    svi = svi_of(conjugate, ClippedAdam({"lr": 0.0}), particles=200)
    found = {name: [] for name in conjugate.guide}
    for _ in range(500):
        svi.loss_and_grads(svi.model, svi.guide)
        for name in found:
            leaf = pyro.get_param_store()._params[name]
            found[name].append(-leaf.grad.double().numpy())
            leaf.grad = None
    for name, truth in conjugate.gradient().items():
        assert (standardised(np.array(found[name]), truth, rtol=2e-5) < STANDARD_ERRORS).all(), name


@conjugates
def test_training(conjugate):
    """500 steps: what is left of KL(guide, posterior) is under 1e-3 nats, where a standard deviation is off by 3 %."""
    svi = svi_of(conjugate, ClippedAdam({"lr": 0.2, "lrd": 0.99}), particles=100)
    losses = [svi.step() for _ in range(500)]
    assert np.isfinite(losses).all() and conjugate.gap(conjugate.guide) > 0.5
    found = {name: pyro.param(name).tolist() for name in conjugate.guide}
    assert 0.0 <= conjugate.gap(found) < 1e-3, found
