"""Gaussian copulas: exact gradients in correlation and marginals, density against the multivariate normal's, tails."""

import math

import numpy as np
import pytest
from mpmath import mp
from scipy import stats

from tests.checks import assert_distributed, assert_unbiased

N = 20_000
SHAPES = (0.25, 4.0)


def factor_of(adapter, rho):
    """The Cholesky factor of the correlation matrix."""
    zero, one, stack = 0.0 * rho, 1.0 + 0.0 * rho, adapter.xp.stack
    return stack([stack([one, zero], -1), stack([rho, (1.0 - rho * rho) ** 0.5], -1)], -2)


def copula(adapter, marginal, rho):
    return adapter.dist.GaussianCopula(marginal, correlation_cholesky=factor_of(adapter, rho))


def test_exact_for_normal_marginals(adapter):
    """E[x1 x2] = rho scale1 scale2, whose derivatives are known."""

    def draw(params):
        d = copula(adapter, adapter.host.Normal(0.0 * params["scale"], params["scale"]), params["rho"])
        return adapter.draw(d, adapter.key(0)).prod(-1)

    params = adapter.arrays({"rho": 0.6, "scale": (2.0, 0.5)}, (N,))
    found = adapter.jit(adapter.slopes(draw))(params)
    assert_unbiased(adapter.numpy(found["rho"]), 1.0, 1e-5)
    assert_unbiased(adapter.numpy(found["scale"]), [0.3, 1.2], 1e-5)


def test_second_derivative_in_the_correlation(adapter):
    """x2 = rho z1 + sqrt(1 - rho**2) z2 for normal marginals: differentiated twice."""
    with adapter.precision("float64"):
        rho, normals = adapter.array(0.6), adapter.dist.Normal(adapter.array([0.0, 0.0]), 1.0)

        def draw(rho):
            return adapter.draw(copula(adapter, normals, rho), adapter.key(3))

        x1, x2 = adapter.numpy(draw(rho))
        z2 = (x2 - 0.6 * x1) / 0.8
        second = adapter.numpy(adapter.jit(adapter.second_slope(lambda rho: draw(rho)[1]))(rho))
    np.testing.assert_allclose(second, -z2 * (1.0 - 0.36) ** -1.5, rtol=1e-10)


@pytest.mark.parametrize("ranks", [False, True])
def test_exact_for_gamma_marginals(adapter, ranks):
    """E[log x] = psi(a) - log b, the marginals are Gamma's; of ranks Spearman's correlation, 6/pi asin(rho/2)."""
    if ranks and not adapter.eager:
        pytest.skip("the same quantiles, and slow to compile")

    def draw(params):
        marginal = adapter.host.Gamma(params["a"], 2.0)
        x = adapter.draw(copula(adapter, marginal, params["rho"]), adapter.key(1))
        found = {"x": x, "log x": adapter.xp.log(x)}
        if ranks:  # differentiably: 12 E[F1(x1) F2(x2)] - 3
            found["ranks"] = 12.0 * adapter.dist.Gamma(adapter.array(SHAPES), 2.0).cdf(x).prod(-1)
        return found

    params = adapter.arrays({"a": SHAPES, "rho": -0.5}, (N,))
    found, slopes = adapter.jit(adapter.value_and_slopes(draw))(params)
    assert_unbiased(adapter.numpy(slopes["log x"]["a"]), [float(mp.psi(1, v)) for v in SHAPES], 1e-5)
    for i, v in enumerate(SHAPES):
        assert_distributed(adapter.numpy(found["x"])[:, i], stats.gamma(v, scale=0.5).cdf)
    if ranks:
        assert_unbiased(adapter.numpy(slopes["ranks"]["rho"]), 6.0 / math.pi / math.sqrt(4.0 - 0.25), 1e-4)


@pytest.mark.parametrize(("precision", "tolerance"), [("float64", 1e-12), ("float32", 1e-5)])
def test_density_far_out(adapter, precision, tolerance):
    """Of normal marginals the multivariate normal's, at 12 sigma too, where the masses round to 0 and 1."""
    value = np.array([[0.5, -0.25], [12.0, 9.0], [-12.0, -9.0], [3.0, -6.0]])
    with adapter.precision(precision):
        zeros = adapter.array([0.0, 0.0])

        def density(rho):
            return copula(adapter, adapter.dist.Normal(zeros, 1.0), rho).log_prob(adapter.array(value))

        found, slope = adapter.jit(adapter.value_and_slopes(density))(adapter.array(0.6))
    truth = stats.multivariate_normal([0.0, 0.0], [[1.0, 0.6], [0.6, 1.0]]).logpdf(value)
    # z from its log-tail to eps, and a quadratic form of z of some 144
    np.testing.assert_allclose(adapter.numpy(found), truth, rtol=tolerance, atol=1e-5)
    assert np.isfinite(adapter.numpy(slope))


def test_tails_in_float32(adapter, monkeypatch):
    """A draw 6 sigma out keeps its quantile: of an exponential marginal x = -log P(Z > z)."""
    z, rho = np.array([[6.0, -6.0], [0.0, 5.0]]), adapter.array(0.5)
    factor = adapter.numpy(factor_of(adapter, rho))
    adapter.fix_noise(monkeypatch, np.linalg.solve(factor, z.T).T)
    d = copula(adapter, adapter.dist.Exponential(adapter.array([1.0, 1.0])), rho)
    x = adapter.numpy(adapter.draw(d, adapter.key(0), (2,)))
    # z carries a few roundings of its own, each worth |z| eps of the tail's logarithm
    np.testing.assert_allclose(x, -stats.norm.logsf(z), rtol=2e-5)


def test_betas(adapter):
    a, matrix = adapter.array([0.5, 3.0]), adapter.array([[1.0, 0.3], [0.3, 1.0]])
    d = adapter.dist.GaussianCopulaBeta(a, adapter.array([2.0, 2.0]), correlation_matrix=matrix)
    np.testing.assert_allclose(adapter.numpy(d.correlation_matrix), adapter.numpy(matrix), rtol=1e-6)
    x = adapter.jit(lambda key: adapter.draw(d.expand((3,)), key, (N // 4,)))(adapter.key(2))
    assert x.shape == (N // 4, 3, 2)
    for i, v in enumerate((0.5, 3.0)):
        assert_distributed(adapter.numpy(x)[..., i].ravel(), stats.beta(v, 2.0).cdf)
    assert adapter.jit(d.log_prob)(x[:50]).shape == (50, 3)

    if hasattr(adapter.host, "GaussianCopulaBeta"):
        stock = adapter.host.GaussianCopulaBeta(a, adapter.array([2.0, 2.0]), matrix)
        twin = adapter.irg.implicit_twin(stock)
        assert type(twin) is type(d) and isinstance(twin.marginal_dist, adapter.dist.Beta)
        found = (adapter.numpy(adapter.jit(e.log_prob)(x[:50, 0])) for e in (d, stock))
        np.testing.assert_allclose(*found, rtol=1e-3, atol=1e-3)


def test_expanded_betas_know_their_concentrations(adapter):
    a, b = adapter.array([0.5, 3.0]), adapter.array([2.0, 2.0])
    d = adapter.dist.GaussianCopulaBeta(a, b, correlation_matrix=adapter.array([[1.0, -0.5], [-0.5, 1.0]]))
    wider = d.expand((3,))
    for fn in (d, getattr(wider, "base_dist", wider)):  # NumPyro's are wrapped
        assert np.array_equal(adapter.numpy(fn.concentration1), [0.5, 3.0])
        assert np.array_equal(adapter.numpy(fn.concentration0), [2.0, 2.0])


def test_errors(adapter):
    dist, a, eye = adapter.dist, adapter.array, adapter.array(np.eye(2))
    pair = dist.Normal(a([0.0, 0.0]), 1.0)
    if adapter.name == "numpyro":  # the other errors are the host's
        with pytest.raises(ValueError, match=r"must be a univariate .* with a cdf, got TruncatedPolyaGamma"):
            dist.GaussianCopula(dist.TruncatedPolyaGamma((2,)), eye)
        with pytest.raises(ValueError, match="key must be a JAX random key"):
            dist.GaussianCopula(pair, eye).sample(None)
        return
    with pytest.raises(ValueError, match=r"must be a univariate .* with a cdf, got Dirichlet"):
        dist.GaussianCopula(dist.Dirichlet(a([1.0, 1.0])), eye)
    with pytest.raises(ValueError, match="give one of correlation_matrix and correlation_cholesky"):
        dist.GaussianCopula(pair)
    with pytest.raises(ValueError, match=r"does not couple marginals of batch shape \(3,\)"):
        dist.GaussianCopula(dist.Normal(a([0.0] * 3), 1.0), eye)
    with pytest.raises(ValueError, match="ones on its diagonal"):
        dist.GaussianCopula(pair, 2.0 * eye)


def test_marginals_without_a_quantile_of_their_own(adapter):
    """Expanded, masked, and a mixture, which in the hosts have no `icdf`."""
    dist, u = adapter.dist, adapter.array([0.3, 0.8])
    plain = dist.Gamma(adapter.array([2.0, 2.0]), adapter.array(1.5))
    expected = adapter.numpy(adapter.irg.from_uniform(copula(adapter, plain, adapter.array(0.4)), u))
    for marginal in (dist.Gamma(2.0, 1.5).expand((2,)), plain.mask(False), adapter.host.Gamma(2.0, 1.5).expand((2,))):
        found = adapter.irg.from_uniform(copula(adapter, marginal, adapter.array(0.4)), u)
        np.testing.assert_allclose(adapter.numpy(found), expected, rtol=1e-6)
    logits = adapter.array([[0.0, 1.0], [1.0, 0.0]])
    mixed = dist.MixtureSameFamily(
        adapter.host.Categorical(logits=logits), dist.Gamma(adapter.array([[2.0, 5.0]] * 2), 1.0)
    )
    x = adapter.numpy(adapter.irg.from_uniform(copula(adapter, mixed, adapter.array(0.0)), u))
    weights = np.exp(adapter.numpy(logits)) / np.exp(adapter.numpy(logits)).sum(-1, keepdims=True)
    masses = (weights * stats.gamma([2.0, 5.0]).cdf(x[:, None])).sum(-1)
    np.testing.assert_allclose(masses, adapter.numpy(u), rtol=2e-6)
