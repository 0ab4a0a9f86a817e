"""MatrixNormal and ZeroSumNormal, which NumPyro has itself: densities, expectations, shapes, errors."""

import math

import numpy as np
import pytest
import torch
from mpmath import mp
from scipy import stats

import pyro_irg.distributions as dist
from tests.adapters import pyro as adapter
from tests.checks import assert_unbiased, exact_gradient
from tests.multivariate import assert_well_behaved

N = 20_000
LOC, ROW, COLUMN = np.array([[0.5, -1.0, 0.0], [0.25, 1.0, 2.0]]), np.array([[1.0, 0.0], [0.5, 0.75]]), np.eye(3)
COLUMN[2, 0], COLUMN[1, 1] = -0.5, 2.0


def test_matrix_normal():
    x = np.array([[0.1, 0.2, 0.3], [-0.4, 0.5, 1.0]])
    torch.manual_seed(0)
    leaves = [torch.tensor(v).expand(N, *v.shape).clone().requires_grad_() for v in (LOC, ROW, COLUMN)]
    d = dist.MatrixNormal(*leaves)
    truth = stats.matrix_normal(LOC, ROW @ ROW.T, COLUMN @ COLUMN.T).logpdf(x)
    np.testing.assert_allclose(d.log_prob(torch.tensor(x))[0].item(), truth, rtol=1e-12)
    weights = np.linspace(-1.0, 1.0, 6).reshape(2, 3)
    z = (torch.tensor(weights) * d.rsample()).sum((-2, -1)).cos()
    slopes = torch.autograd.grad(z.sum(), leaves)

    def expectation(loc, row, column):
        """E[cos(sum of w x)] = exp(-|A' w B|**2 / 2) cos(sum of w M)"""
        a, b, w = mp.matrix(2, 2), mp.matrix(3, 3), mp.matrix(weights.tolist())
        for k in range(4):
            a[k // 2, k % 2] = row[k]
        for k in range(9):
            b[k // 3, k % 3] = column[k]
        turned = a.T * w * b
        spread = mp.fsum(v * v for v in turned)
        return mp.exp(-spread / 2) * mp.cos(mp.fsum(v * m for v, m in zip(w, loc, strict=True)))

    flat = {"loc": tuple(LOC.ravel()), "row": tuple(ROW.ravel()), "column": tuple(COLUMN.ravel())}
    assert_unbiased(z.detach().numpy(), float(expectation(**flat)), 0.0)
    for (name, exact), slope in zip(exact_gradient(expectation, flat).items(), slopes, strict=True):
        assert_unbiased(slope.numpy().reshape(N, -1), exact, 1e-9, name)
    np.testing.assert_allclose(d.variance[0].detach(), np.outer((ROW**2).sum(1), (COLUMN**2).sum(1)), rtol=1e-14)
    assert_well_behaved(adapter, dist.MatrixNormal(*(torch.tensor(v).expand(2, *v.shape) for v in (LOC, ROW, COLUMN))))
    with pytest.raises(ValueError, match=r"scale_tril_row of shape \(3, 3\).*; expected \(..., n, p\), \(..., n, n\)"):
        dist.MatrixNormal(*map(torch.tensor, (LOC, COLUMN, COLUMN)))
    with pytest.raises(ValueError, match="scale_tril_row"):
        dist.MatrixNormal(*map(torch.tensor, (LOC, -ROW, COLUMN)), validate_args=True)


@pytest.mark.parametrize("event", [(2,), (5,), (3, 4)], ids=str)
def test_zero_sum_normal(event):
    """The covariance is that of centred numbers, the density that of as many normal numbers as there is freedom."""
    torch.manual_seed(1)
    scale = torch.full((N,), 1.5, dtype=torch.float64, requires_grad=True)
    d = dist.ZeroSumNormal(scale, event)
    x = d.rsample()
    assert d.support.check(x).all() and not d.support.check(x + 0.1).any() and not d.support.check(x * math.nan).any()
    first = x.flatten(1)[:, 0]
    variance = 2.25 * math.prod(1.0 - 1.0 / n for n in event)
    assert_unbiased((first**2).detach().numpy(), variance, 0.0)
    assert_unbiased(torch.autograd.grad(first.square().sum(), scale)[0].numpy(), 2.0 * variance / 1.5, 1e-9)
    np.testing.assert_allclose(d.variance.detach()[0].flatten()[0], variance, rtol=1e-14)
    bijection = torch.distributions.biject_to(d.support)
    z = torch.randn([3] + [n - 1 for n in event], dtype=torch.float64)
    y = bijection(z)
    assert d.support.check(y).all() and bijection.forward_shape(z.shape) == y.shape == (3, *event)
    torch.testing.assert_close(bijection.inv(y), z, rtol=1e-12, atol=1e-13)
    assert bijection.inverse_shape(y.shape) == z.shape and (bijection.log_abs_det_jacobian(z, y) == 0.0).all()
    plain = torch.distributions.Normal(0.0, 1.5).log_prob(z).flatten(1).sum(-1)
    torch.testing.assert_close(dist.ZeroSumNormal(1.5, event).log_prob(y), plain)
    assert_well_behaved(adapter, dist.ZeroSumNormal(torch.ones(2), event))


def test_zero_sum_errors():
    with pytest.raises(ValueError, match=r"event_shape must have 2 or more along each axis, got \(1,\)"):
        dist.ZeroSumNormal(1.0, (1,))
    with pytest.raises(ValueError, match="scale"):
        dist.ZeroSumNormal(-1.0, (2,), validate_args=True)
    with pytest.raises(ValueError, match="support"):
        dist.ZeroSumNormal(1.0, (2,), validate_args=True).log_prob(torch.tensor([1.0, 1.0]))
