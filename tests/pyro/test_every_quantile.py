"""`from_uniform` of every family of the table: its derivatives are those of differences of draws at the same u.

In eager PyTorch alone: the quantile functions are the same in NumPyro, where each would be compiled.
"""

import numpy as np
import pytest
import torch

import pyro_irg
from pyro_irg import distributions as dist
from tests import families

REFUSED = {"MatrixNormal", "SineBivariateVonMises", "Stable", "StableWithLogProb"}
ROWS = [row for row in families.ROWS if row.points and hasattr(dist, row.name)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_from_uniform(row):
    params = {k: torch.tensor(np.asarray(v, np.float64), requires_grad=True) for k, v in row.points[0].items()}
    make = getattr(dist, row.name)
    u = torch.full(make(**params).shape(), 0.3, dtype=torch.float64)

    def draw(params):
        x = pyro_irg.from_uniform(make(**params, validate_args=False), u)
        return (x * torch.arange(1.0, x.numel() + 1.0, dtype=x.dtype).reshape(x.shape)).sum()

    if row.name in REFUSED:
        with pytest.raises(NotImplementedError, match="no univariate quantile of each coordinate"):
            draw(params)
        return
    slopes = torch.autograd.grad(draw(params), list(params.values()), allow_unused=True, materialize_grads=True)
    for (name, value), slope in zip(params.items(), slopes, strict=True):
        step = 1e-5 * float(value.detach().abs().max() or 1.0)
        one = torch.zeros_like(value)
        one.view(-1)[0] = 1.0
        with torch.no_grad():
            high, low = (draw({**params, name: value + sign * step * one}) for sign in (1.0, -1.0))
        expected = float((high - low) / (2.0 * step))
        assert float((slope * one).sum()) == pytest.approx(expected, rel=1e-5, abs=1e-8), name
