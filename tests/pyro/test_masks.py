"""Pyro's `obs_mask`: what is missing of an observed site is a latent."""

import math

import pyro
import pytest
import torch
from scipy import stats

import pyro_irg.distributions as dist
from tests.adapters import pyro as adapter
from tests.shared.test_masks import GUIDES, Y, assert_mean_weight

DATA = torch.tensor(Y, dtype=torch.float32)


def some_missing(x):
    """x_i ~ N(0, 1), u_i ~ N(x_i, 1) = 1."""
    mask = ~x.isnan()
    with pyro.plate("data", len(x)):
        x = pyro.sample("x", dist.Normal(0.0, 1.0), obs=torch.nan_to_num(x), obs_mask=mask)
        pyro.sample("u", dist.Normal(x, 1.0), obs=torch.ones(4))


def evidence():
    x = Y[~DATA.isnan().numpy()]
    seen = stats.norm.logpdf(x) + stats.norm(x).logpdf(1.0)
    return seen.sum() + stats.norm(0.0, math.sqrt(2.0)).logpdf(1.0)


@pytest.mark.parametrize("make", GUIDES)
def test_elbo_stays_below_the_evidence(make):
    pyro.set_rng_seed(0)
    guide = GUIDES[make](adapter, some_missing)
    params = adapter.fitted(some_missing, guide, DATA, steps=60, rate=0.05)
    weights = adapter.log_weights(some_missing, guide, params, DATA, num_samples=4000, batch_size=4000)
    assert_mean_weight(weights, evidence())
