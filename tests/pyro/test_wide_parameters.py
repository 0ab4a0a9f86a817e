"""Families by Bessel functions from 1e-3 to 1e6 in every parameter: a draw's level is uniform, and nothing breaks."""

import itertools

import numpy as np
import pytest
import torch

from pyro_irg import distributions as dist

WIDE = (1e-3, 1.0, 1e6)
GRIDS = {
    "Rice": list(itertools.product((0.0, *WIDE), WIDE)),
    "NoncentralChi2": list(itertools.product((1.0, 1e3, 1e6), WIDE)),
    "GeneralizedInverseGaussian": list(itertools.product((-1e6, -1.0, 1e-3, 1e6), WIDE, (1e3,))),
    "NormalInverseGaussian": [(0.0, s, t, b * t) for s in WIDE for t in WIDE for b in (-0.999, 0.5)],
}
DRAWS = 60


@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", GRIDS)
def test_wide_parameters(name, precision):
    torch.manual_seed(1)
    columns = torch.tensor(GRIDS[name], dtype=precision).T
    params = [column[:, None].expand(-1, DRAWS).clone().requires_grad_() for column in columns]
    d = getattr(dist, name)(*params)
    x = d.rsample()
    slopes = torch.autograd.grad(x.sum(), params)
    log_p = d.log_prob(x.detach())
    scores = torch.autograd.grad(log_p.sum(), params)
    level = d.log_cdf(x.detach()).exp()
    for found in (x, log_p, level, *slopes, *scores):
        assert torch.isfinite(found).all()
    # the standard error of a mean of uniform numbers is sqrt(1 / 12 / DRAWS)
    distance = np.abs(level.detach().double().mean(-1).numpy() - 0.5) * np.sqrt(12 * DRAWS)
    assert (distance < 4.5).all(), [(GRIDS[name][i], distance[i]) for i in np.flatnonzero(distance >= 4.5)]
