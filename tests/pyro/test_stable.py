"""Pyro's own Stable, which this package passes on: its draws are reparameterized in every parameter, next to 1 too."""

import numpy as np
import pyro
import pytest
import torch
from mpmath import mp

from pyro_irg import distributions as dist
from tests.checks import assert_unbiased, exact_gradient


@pytest.mark.parametrize("stability", [0.5, 0.995, 1.0, 1.5, 1.9])
def test_gradients_of_an_exact_expectation(stability):
    """E[cos x] = exp(-scale**stability) cos(loc) of a symmetric one, its characteristic function."""
    pyro.set_rng_seed(0)
    params = {"stability": stability, "scale": 0.8, "loc": 0.5}
    leaves = {
        name: torch.full((40_000,), value, dtype=torch.float64, requires_grad=True) for name, value in params.items()
    }
    x = dist.Stable(leaves["stability"], 0.0, leaves["scale"], leaves["loc"]).rsample()
    slopes = torch.autograd.grad(x.cos().sum(), list(leaves.values()))
    exact = exact_gradient(lambda stability, scale, loc: mp.exp(-(scale**stability)) * mp.cos(loc), params)
    for (name, truth), slope in zip(exact.items(), slopes, strict=True):
        assert_unbiased(slope.numpy().astype(np.float64), truth, 1e-4, name)
