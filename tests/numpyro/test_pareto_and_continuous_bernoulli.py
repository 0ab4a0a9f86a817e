"""GeneralizedPareto and ContinuousBernoulli, which NumPyro has not: values by SciPy and mpmath, gradients at 0."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from scipy import stats

import numpyro_irg.distributions as dist

SHAPES = [-1.5, -0.3, 0.0, 1e-9, 0.4, 3.0]


@pytest.mark.parametrize("c", SHAPES)
def test_generalized_pareto_is_scipys(c):
    with jax.enable_x64(True):
        d, truth = dist.GeneralizedPareto(1.0, 2.0, c), stats.genpareto(c, 1.0, 2.0)
        q = np.array([1e-6, 0.1, 0.5, 0.9])
        x = truth.ppf(q)
        np.testing.assert_allclose(d.icdf(jnp.asarray(q)), x, rtol=1e-9)
        np.testing.assert_allclose(d.cdf(jnp.asarray(x)), q, rtol=1e-9)
        np.testing.assert_allclose(d.log_sf(jnp.asarray(x)), truth.logsf(x), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(d.log_prob(jnp.asarray(x)), truth.logpdf(x), rtol=1e-9)
        np.testing.assert_allclose(d.entropy(), truth.entropy(), rtol=1e-12)


@pytest.mark.parametrize("c", SHAPES)
def test_generalized_paretos_draws_move_as_their_quantiles(c):
    """x = loc + scale E expm1(c E) / (c E), E an exponential number; the derivative by mpmath."""
    with jax.enable_x64(True):
        key = jax.random.key(0)
        x, slope = jax.jvp(lambda c: dist.GeneralizedPareto(0.0, 1.0, c).sample(key, (5,)), (c,), (1.0,))
        for value, found in zip(np.asarray(x), np.asarray(slope), strict=True):
            e = mp.mpf(value) if c == 0.0 else mp.log1p(mp.mpf(c) * mp.mpf(value)) / mp.mpf(c)
            with mp.workdps(40):
                truth = mp.diff(lambda c, e=e: mp.expm1(c * e) / c if c else e, mp.mpf(c) or mp.mpf("1e-15"))
            np.testing.assert_allclose(found, float(truth), rtol=1e-7)


@pytest.mark.parametrize("logit", [-800.0, -3.0, 0.0, 1e-3, 40.0])
def test_continuous_bernoulli_by_its_normalizer(logit):
    """A = log((exp(t) - 1) / t): log_prob = t x - A, mean = A', log F = log(expm1(t x) / expm1(t))."""
    with jax.enable_x64(True), mp.workdps(500):
        d, x = dist.ContinuousBernoulli(logits=logit), 0.3
        t = mp.mpf(logit)
        a = mp.log(mp.expm1(t) / t) if t else mp.mpf(0)
        np.testing.assert_allclose(d.log_prob(x), float(t * mp.mpf(x) - a), rtol=1e-12, atol=1e-13)
        lower = mp.expm1(t * mp.mpf(x)) / mp.expm1(t) if t else mp.mpf(x)
        np.testing.assert_allclose(d.log_cdf(x), float(mp.log(lower)), rtol=1e-12)
        np.testing.assert_allclose(d.log_sf(x), float(mp.log1p(-lower)), rtol=1e-9)
        np.testing.assert_allclose(d.mean, float(1 / (1 - mp.exp(-t)) - 1 / t) if t else 0.5, rtol=1e-11)


def test_continuous_bernoulli_has_a_gradient_at_one_half():
    key = jax.random.key(0)
    slope = jax.grad(lambda p: dist.ContinuousBernoulli(p).sample(key, (20_000,)).mean())(0.5)
    assert slope == pytest.approx(1.0 / 3.0, rel=0.02)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: dist.ContinuousBernoulli(), "either probs or logits must be given, but not both"),
        (lambda: dist.ContinuousBernoulli(1.5, validate_args=True), r"probs must lie in \[0, 1\], but found"),
        (lambda: dist.GeneralizedPareto(0.0, -1.0, 0.0, validate_args=True), "invalid scale parameter"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()
