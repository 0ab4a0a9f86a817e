"""cdf, icdf, entropy and moments: against SciPy, at the ends, in second order, under jit and vmap."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy import stats

import numpyro_irg.distributions as dist
from tests.laws import LAWS, UNIVARIATE, along_quantile
from tests.numpyro.draws import arrays, precision_of

laws = pytest.mark.parametrize("law", UNIVARIATE, ids=str)
Q = np.array([1e-6, 0.02, 0.3, 0.5, 0.8, 0.999])


def from_minus_pi(law, params):
    """P(-pi < X < x) where the law's own distribution function is measured from the location."""
    if law.name != "VonMises":
        return lambda x: law.cdf(x, **params)
    mu, kappa = params["loc"], params["concentration"]
    start = stats.vonmises.cdf(-math.pi - mu, kappa)
    return lambda x: stats.vonmises.cdf(x - mu, kappa) - start


@functools.cache
def both(name):
    """(q, parameters) -> the quantile and the probability of it, compiled once."""

    @jax.jit
    def evaluate(q, found):
        d = getattr(dist, name)(**found)
        x = d.icdf(q)
        return x, d.cdf(x)

    return evaluate


@laws
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_values(law, precision):
    """cdf is SciPy's, and icdf its inverse."""
    # SciPy's von Mises has 1e-9.  In float32 x is rounded, and near -pi the mass before it has an absolute error alone.
    rtol, atol = {"float64": (1e-9, 1e-9), "float32": (2e-5, 2e-7)}[precision]
    for params in law.points:
        with precision_of(precision):
            q = jnp.asarray(Q, precision)
            x, value = both(law.name)(q, arrays(params, precision))
        assert x.dtype == value.dtype == precision
        np.testing.assert_allclose(value, q, rtol=rtol, atol=atol)
        exact = from_minus_pi(law, params)(np.asarray(x, dtype=np.float64))
        np.testing.assert_allclose(exact, np.asarray(q, dtype=np.float64), rtol=rtol, atol=atol)


@pytest.mark.parametrize("law", [law for law in UNIVARIATE if law.name != "VonMises"], ids=str)
def test_slopes_of_the_quantile(law):
    """By each parameter against differences of SciPy's ppf, which holds the quantile; the cdf's follow, as -p dx."""
    cls, params = getattr(dist, law.name), law.points[0]

    @jax.jit
    def slopes(q, found):
        x, pull = jax.vjp(lambda found: cls(**found).icdf(q), found)
        return x, pull(jnp.ones_like(x))[0]

    with jax.enable_x64(True):
        x, found = slopes(jnp.array([0.1, 0.5, 0.8]), arrays(params, "float64", (3,)))
    for name in params:
        first, _ = along_quantile(law, np.asarray(x), params, name)
        np.testing.assert_allclose(found[name], first, rtol=1e-6, atol=1e-7)


@pytest.mark.slow
@laws
def test_derivatives(law):
    """Of cdf and icdf by value and parameters, and of second order, against differences of their own values."""
    cls, params = getattr(dist, law.name), law.points[0]
    with jax.enable_x64(True):
        leaves = tuple(jnp.asarray(v) for v in params.values())
        q = jnp.asarray(0.3)
        cdf, icdf = jax.jit(lambda v, *p: cls(*p).cdf(v)), jax.jit(lambda v, *p: cls(*p).icdf(v))
        for function, at in [(cdf, icdf(q, *leaves)), (icdf, q)]:
            check_grads(function, (at, *leaves), order=2, modes=["rev"], rtol=1e-5, atol=1e-6)


@laws
def test_ends(law):
    """0 and 1 are the ends of the support, and back."""
    x, value = both(law.name)(jnp.array([0.0, 1.0]), arrays(law.points[0]))
    ends = {"Beta": (0.0, 1.0), "LogGamma": (-math.inf, math.inf), "StudentT": (-math.inf, math.inf)}
    np.testing.assert_allclose(x, {**ends, "VonMises": (-math.pi, math.pi)}.get(law.name, (0.0, math.inf)), rtol=1e-7)
    np.testing.assert_array_equal(value, [0.0, 1.0])


@laws
def test_validation(law):
    d = getattr(dist, law.name)(**arrays(law.points[0]), validate_args=True)
    for q in (-0.1, 1.5, math.nan):
        with pytest.raises(ValueError, match=rf"{law.name}: quantile .* must lie in \[0, 1\], but found"):
            d.icdf(q)
    for x in (*law.outside, math.nan):
        with pytest.raises(ValueError, match=rf"{law.name}: value .* must lie in \[.*\], but found"):
            d.cdf(x)


@laws
def test_shapes_and_transformations(law):
    cls, q = getattr(dist, law.name), jnp.array([0.25, 0.5, 0.75])
    d = cls(**arrays(law.points[1], shape=(4, 1)))
    x = jax.eval_shape(d.icdf, q)
    assert x.shape == jax.eval_shape(d.cdf, x).shape == (4, 3) and jax.eval_shape(d.entropy).shape == (4, 1)
    each = jax.vmap(both(law.name), in_axes=(0, None))
    x, value = each(q, arrays(law.points[1]))
    np.testing.assert_allclose(value, q, rtol=2e-5)


SCIPY = {
    "Gamma": lambda a, b: stats.gamma(a, scale=1 / b),
    "LogGamma": lambda a, b: stats.loggamma(a, loc=-math.log(b)),
    "InverseGamma": lambda a, b: stats.invgamma(a, scale=b),
    "Beta": stats.beta,
    "StudentT": stats.t,
    "VonMises": lambda mu, kappa: stats.vonmises(kappa, loc=mu),
}


@pytest.mark.parametrize("name", SCIPY)
def test_entropy_is_scipys(name):
    """From tiny parameters to large ones, where the textbook's formula cancels in float32."""
    entropy = jax.jit(lambda *p: getattr(dist, name)(*p).entropy())
    for p in [(0.5, 2.0), (3.0, 0.7), (20.0, 5.0), (0.01, 0.3), (200.0, 300.0)]:
        p = (0.5, p[0]) if name == "VonMises" else (p[0], 0.5, p[1]) if name == "StudentT" else p
        np.testing.assert_allclose(entropy(*p), SCIPY[name](*p).entropy(), rtol=2e-6, atol=2e-6)


def test_entropy_of_dirichlet():
    (law,) = (law for law in LAWS if law.name == "Dirichlet")
    for params in law.points:
        expected = stats.dirichlet(params["concentration"]).entropy()
        np.testing.assert_allclose(dist.Dirichlet(**arrays(params)).entropy(), expected, rtol=2e-6, atol=2e-6)


def test_moments():
    """Infinite where they are, without a NaN in the gradient; the circular variance of a needle."""
    a = jnp.array([0.5, 1.0, 2.0, 3.0])
    np.testing.assert_allclose(dist.InverseGamma(a, 2.0).mean, [math.inf, math.inf, 2.0, 1.0])
    np.testing.assert_allclose(dist.InverseGamma(a, 2.0).variance, [math.inf, math.inf, math.inf, 1.0])
    for cls in (lambda a: dist.InverseGamma(a, 2.0), lambda a: dist.StudentT(a)):
        assert np.isfinite(jax.vmap(jax.grad(lambda a, cls=cls: cls(a).variance))(a)).all()
    kappa = jnp.array([1e-30, 1e-3, 2.0, 1e4, 1e8])
    truth = [1.0, 0.9995000000625, 0.30222534203599975, 5.000125015636e-05, 5.0000000125e-09]
    np.testing.assert_allclose(dist.VonMises(0.0, kappa).variance, truth, rtol=1e-6)


def test_quantiles_of_a_nearly_uniform_von_mises():
    """Newton's method started past pi once, and stayed there: the angles of small masses were the ends."""
    kappa, q = np.float32([[0.01], [0.2], [0.28], [0.5]]), np.float32([0.001, 0.03, 0.05, 0.06, 0.1, 0.95])
    np.testing.assert_allclose(dist.VonMises(0.0, jnp.array(kappa)).icdf(q), stats.vonmises.ppf(q, kappa), rtol=2e-6)
