"""Gaussian copulas: exact gradients in correlation and marginals, density against the multivariate normal's, tails."""

import math

import numpy as np
import pyro.distributions as host
import pytest
import torch
from mpmath import mp
from scipy import stats

import pyro_irg.distributions as dist
from tests.checks import LEAST_P_VALUE, STANDARD_ERRORS, p_value, standardised

N = 20_000


def correlation(value, shape=(), dtype=torch.float64):
    """rho, one for each draw, and its Cholesky factor."""
    rho = torch.full(shape, value, dtype=dtype).requires_grad_()
    zero, one = 0.0 * rho, 1.0 + 0.0 * rho
    rows = [torch.stack([one, zero], -1), torch.stack([rho, (1.0 - rho * rho).sqrt()], -1)]
    return rho, torch.stack(rows, -2)


def test_exact_for_normal_marginals():
    """E[x1 x2] = rho scale1 scale2, whose derivatives are known."""
    torch.manual_seed(0)
    rho, factor = correlation(0.6, (N,))
    scale = torch.tensor([2.0, 0.5], dtype=torch.float64).expand(N, 2).clone().requires_grad_()
    x = dist.GaussianCopula(dist.Normal(0.0, scale), correlation_cholesky=factor).rsample()
    by_rho, by_scale = torch.autograd.grad(x.prod(-1).sum(), (rho, scale))
    assert standardised(by_rho.numpy(), np.array(1.0), 1e-10) < STANDARD_ERRORS
    assert (standardised(by_scale.numpy(), np.array([0.3, 1.2]), 1e-10) < STANDARD_ERRORS).all()


def test_exact_for_gamma_marginals():
    """E[x] = a / b, E[log x] = psi(a) - log b, and Spearman's correlation 6/pi asin(rho/2)."""
    torch.manual_seed(1)
    rho, factor = correlation(-0.5, (N,))
    a = torch.tensor([0.25, 4.0], dtype=torch.float64).expand(N, 2).clone().requires_grad_()
    x = dist.GaussianCopula(host.Gamma(a, 2.0), correlation_cholesky=factor).rsample()
    slope = torch.autograd.grad(x.log().sum(), a, retain_graph=True)[0].numpy()
    truth = np.array([float(mp.psi(1, v)) for v in (0.25, 4.0)])
    assert (standardised(slope, truth, 1e-10) < STANDARD_ERRORS).all()
    for i, v in enumerate((0.25, 4.0)):
        assert p_value(x[:, i].detach().numpy(), stats.gamma(v, scale=0.5).cdf) > LEAST_P_VALUE
    # ranks, differentiably: 12 E[F1(x1) F2(x2)] - 3
    ranks = dist.Gamma(a.detach(), 2.0).cdf(x)
    (by_rho,) = torch.autograd.grad(12.0 * ranks.prod(-1).sum(), rho)
    assert standardised(by_rho.numpy(), np.array(6.0 / math.pi / math.sqrt(4.0 - 0.25)), 1e-9) < STANDARD_ERRORS


@pytest.mark.parametrize(("precision", "tolerance"), [("float64", 1e-12), ("float32", 1e-5)])
def test_density_far_out(precision, tolerance):
    """Of normal marginals the multivariate normal's, at 12 sigma too, where the masses round to 0 and 1."""
    dtype = getattr(torch, precision)
    rho, factor = correlation(0.6, dtype=dtype)
    value = torch.tensor([[0.5, -0.25], [12.0, 9.0], [-12.0, -9.0], [3.0, -6.0]], dtype=dtype)
    found = dist.GaussianCopula(dist.Normal(torch.zeros(2, dtype=dtype), 1.0), correlation_cholesky=factor)
    truth = host.MultivariateNormal(torch.zeros(2).double(), scale_tril=factor.detach().double())
    torch.testing.assert_close(
        found.log_prob(value).double(), truth.log_prob(value.double()), rtol=tolerance, atol=1e-6
    )
    (slope,) = torch.autograd.grad(found.log_prob(value).sum(), rho)
    assert slope.isfinite()


def test_tails_in_float32():
    """A draw 6 sigma out keeps its quantile: of an exponential marginal x = -log P(Z > z)."""
    _, factor = correlation(0.5, dtype=torch.float32)
    z = torch.tensor([[6.0, -6.0], [0.0, 5.0]], dtype=torch.float64)
    law = dist.GaussianCopula(dist.Exponential(torch.ones(2)), correlation_cholesky=factor)
    noise = torch.linalg.solve_triangular(factor.detach().double(), z[..., None], upper=False)[..., 0]
    old, torch.randn = torch.randn, lambda *_, **__: noise
    try:
        x = law.rsample((2,))
    finally:
        torch.randn = old
    truth = -torch.special.log_ndtr(-z)
    torch.testing.assert_close(x.detach().double(), truth, rtol=1e-6, atol=0.0)


def test_betas():
    torch.manual_seed(2)
    rho, factor = correlation(0.3)
    a = torch.tensor([0.5, 3.0], dtype=torch.float64, requires_grad=True)
    law = dist.GaussianCopulaBeta(a, 2.0, correlation_matrix=factor @ factor.mT)
    x = law.rsample((N,))
    torch.testing.assert_close(law.correlation_matrix, factor @ factor.mT)
    for i, v in enumerate((0.5, 3.0)):
        assert p_value(x[:, i].detach().numpy(), stats.beta(v, 2.0).cdf) > LEAST_P_VALUE
    assert law.expand((3,)).rsample((4,)).shape == (4, 3, 2) and law.log_prob(x.detach()).shape == (N,)
    assert all(g.isfinite().all() for g in torch.autograd.grad(x.sum(), (a, rho)))


def test_second_derivative_in_the_correlation():
    """x2 = rho z1 + sqrt(1 - rho**2) z2 for normal marginals: differentiated twice."""
    noise = torch.tensor([0.5, -1.25], dtype=torch.float64)

    def draw(rho):
        factor = torch.stack([torch.stack([rho * 0.0 + 1.0, rho * 0.0]), torch.stack([rho, (1.0 - rho * rho).sqrt()])])
        torch.manual_seed(3)
        return dist.GaussianCopula(dist.Normal(noise * 0.0, 1.0), correlation_cholesky=factor).rsample()

    rho = torch.tensor(0.6, dtype=torch.float64)
    torch.manual_seed(3)
    z2 = torch.randn(2, dtype=torch.float64)[1].item()
    second = torch.autograd.functional.hessian(lambda r: draw(r)[1], rho).item()
    assert abs(second + z2 * (1.0 - 0.36) ** -1.5) < 1e-11


def test_errors():
    eye = torch.eye(2)
    with pytest.raises(ValueError, match="give one of correlation_matrix and correlation_cholesky"):
        dist.GaussianCopula(dist.Normal(torch.zeros(2), 1.0))
    with pytest.raises(ValueError, match="must be a univariate law with a cdf, got Dirichlet"):
        dist.GaussianCopula(dist.Dirichlet(torch.ones(2)), eye)
    with pytest.raises(ValueError, match=r"does not couple marginals of batch shape \(3,\)"):
        dist.GaussianCopula(dist.Normal(torch.zeros(3), 1.0), eye)
    with pytest.raises(ValueError, match="ones on its diagonal"):
        dist.GaussianCopula(dist.Normal(torch.zeros(2), 1.0), 2.0 * eye)
