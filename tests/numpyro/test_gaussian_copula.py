"""Gaussian copulas: exact gradients in correlation and marginals, density against the multivariate normal's, tails."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as host
import pytest
from mpmath import mp
from scipy import stats

import numpyro_irg.distributions as dist
from numpyro_irg import implicit_twin
from tests.checks import LEAST_P_VALUE, STANDARD_ERRORS, p_value, standardised

N, KEY = 20_000, jax.random.key(0)


def factor_of(rho):
    zero, one = 0.0 * rho, 1.0 + 0.0 * rho
    return jnp.stack([jnp.stack([one, zero], -1), jnp.stack([rho, jnp.sqrt(1.0 - rho * rho)], -1)], -2)


def test_exact_for_normal_marginals():
    """E[x1 x2] = rho scale1 scale2, whose derivatives are known; of one draw x2's second derivative too."""

    def draw(rho, scale):
        return dist.GaussianCopula(host.Normal(0.0, scale), correlation_cholesky=factor_of(rho)).sample(KEY)

    def second(rho):
        return jax.hessian(lambda r: draw(r, jnp.ones(2))[1])(rho)

    scale = jnp.broadcast_to(jnp.array([2.0, 0.5]), (N, 2))
    by_rho, by_scale = jax.jit(jax.grad(lambda *p: draw(*p).prod(-1).sum(), (0, 1)))(jnp.full((N,), 0.6), scale)
    assert standardised(np.asarray(by_rho), np.array(1.0), 1e-5) < STANDARD_ERRORS
    assert (standardised(np.asarray(by_scale), np.array([0.3, 1.2]), 1e-5) < STANDARD_ERRORS).all()
    z = jax.random.normal(KEY, (2,))
    np.testing.assert_allclose(jax.jit(second)(0.6), -z[1] * (1.0 - 0.36) ** -1.5, rtol=1e-4)


def test_exact_for_gamma_marginals():
    """E[log x] = psi(a) - log b, in float32; the marginals are Gamma's."""

    def draw(a, rho):
        return dist.GaussianCopula(host.Gamma(a, 2.0), correlation_cholesky=factor_of(rho)).sample(KEY)

    shapes = (0.25, 4.0)
    a = jnp.broadcast_to(jnp.array(shapes), (N, 2))
    (_, x), slope = jax.jit(jax.value_and_grad(lambda a: (jnp.log(x := draw(a, -0.5)).sum(), x), has_aux=True))(a)
    truth = np.array([float(mp.psi(1, v)) for v in shapes])
    assert (standardised(np.asarray(slope), truth, 1e-5) < STANDARD_ERRORS).all()
    for i, v in enumerate(shapes):
        assert p_value(np.asarray(x)[:, i], stats.gamma(v, scale=0.5).cdf) > LEAST_P_VALUE


def test_density_far_out():
    """Of normal marginals the multivariate normal's, at 12 sigma too, where the masses round to 0 and 1."""
    value = jnp.array([[0.5, -0.25], [12.0, 9.0], [-12.0, -9.0], [3.0, -6.0]])

    @jax.jit
    def density(rho):
        return dist.GaussianCopula(host.Normal(jnp.zeros(2), 1.0), correlation_cholesky=factor_of(rho)).log_prob(value)

    truth = stats.multivariate_normal([0.0, 0.0], [[1.0, 0.6], [0.6, 1.0]]).logpdf(np.asarray(value))
    # z from its log-tail to eps, and a quadratic form of z of some 144
    np.testing.assert_allclose(density(0.6), truth, rtol=1e-5, atol=1e-5)


def test_tails_in_float32(monkeypatch):
    """A draw 6 sigma out keeps its quantile: of an exponential marginal x = -log P(Z > z)."""
    z = np.array([[6.0, -6.0], [0.0, 5.0]])
    noise = jnp.asarray(np.linalg.solve(np.asarray(factor_of(jnp.asarray(0.5))), z.T).T, jnp.float32)
    monkeypatch.setattr("numpyro_irg.distributions.gaussian_copula.jax.random.normal", lambda *_: noise)
    law = dist.GaussianCopula(host.Exponential(jnp.ones(2)), correlation_cholesky=factor_of(jnp.asarray(0.5)))
    # z carries a few roundings of its own, each worth |z| eps of the tail's logarithm
    np.testing.assert_allclose(law.sample(KEY, (2,)), -stats.norm.logsf(z), rtol=2e-5)


def test_betas_twins_and_shapes():
    matrix = jnp.array([[1.0, 0.3], [0.3, 1.0]])
    stock = host.GaussianCopulaBeta(jnp.array([0.5, 3.0]), jnp.array([2.0, 2.0]), matrix)
    twin = implicit_twin(stock)
    assert type(twin) is dist.GaussianCopulaBeta and isinstance(twin.marginal_dist, dist.Beta)
    x = jax.jit(lambda: twin.expand((3,)).sample(KEY, (N // 4,)))()
    assert x.shape == (N // 4, 3, 2)
    for i, v in enumerate((0.5, 3.0)):
        assert p_value(np.asarray(x)[..., i].ravel(), stats.beta(v, 2.0).cdf) > LEAST_P_VALUE
    np.testing.assert_allclose(jax.jit(twin.log_prob)(x[:50, 0]), stock.log_prob(x[:50, 0]), rtol=1e-3, atol=1e-3)
    assert type(implicit_twin(host.GaussianCopula(host.Normal(jnp.zeros(2)), matrix))) is dist.GaussianCopula


class NoCdf(host.Normal):
    cdf = host.Distribution.cdf


def test_errors():
    with pytest.raises(ValueError, match="must be a univariate law with a cdf, got NoCdf"):
        dist.GaussianCopula(NoCdf(jnp.ones(2), 1.0), jnp.eye(2))
    with pytest.raises(ValueError, match="key must be a JAX random key"):
        dist.GaussianCopula(host.Normal(jnp.zeros(2)), jnp.eye(2)).sample(None)
