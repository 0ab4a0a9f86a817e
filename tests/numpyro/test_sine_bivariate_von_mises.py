"""SineBivariateVonMises: partials, normaliser and draws at all concentrations, gradients of expectations, errors."""

import functools
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as host
import pytest

import numpyro_irg.distributions as dist
from irg_kernels import sine_bivariate_von_mises as kernel
from numpyro_irg import implicit_gradients, implicit_twin
from numpyro_irg.attach import EXACT
from tests import torus
from tests.laws import LEAST_P_VALUE, STANDARD_ERRORS, p_value, standardised

points = pytest.mark.parametrize("point", torus.POINTS, ids=str)
FUNCTIONS = (lambda u, v: np.cos(u), lambda u, v: np.cos(v), lambda u, v: np.sin(u) * np.sin(v))


@functools.cache
def evaluated(precision):
    @jax.jit
    def found(u, *params):
        reach = kernel.frame(EXACT, *params)
        return kernel.partials(EXACT, u, *params, *reach), kernel.log_normaliser(EXACT, *params, *reach)

    return found


@points
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 2e-6), ("float64", 1e-12)])
def test_partials_and_normaliser(point, precision, tolerance):
    """In k1 relative; in k2 and rho, where they change sign, relative to the largest of the places'."""
    single = tuple(float(np.float32(value)) for value in point)
    truth = torus.marginal(*single)
    u = truth.places(single=True)
    expected = np.array([truth.partials(value) for value in u])
    size = 16
    with jax.enable_x64(precision == "float64"):
        padded = jnp.array([*u, *u[:1] * (size - len(u))], precision)
        params = [jnp.full(size, value, precision) for value in single]
        slopes, log_c = evaluated(precision)(padded, *params)
        slopes, log_c = np.array(slopes, float).T[: len(u)], float(log_c[0])
    unit = np.abs(expected)
    unit[:, 1:] = unit[:, 1:].max(0)
    assert (np.abs(slopes - expected) <= tolerance * unit + 1e-28).all()  # the oracle's digits
    assert abs(log_c - truth.log_normaliser()) <= tolerance * max(1.0, abs(log_c))


@functools.cache
def sampler():
    def drawn(key, *params):
        return dist.SineBivariateVonMises(0.0, 0.0, *params, validate_args=False).sample(key, (10_000,))

    return jax.jit(drawn)


@points
def test_draws(point):
    x = np.array(sampler()(jax.random.key(0), *map(jnp.float32, point)), float)
    assert p_value(np.abs(x[:, 0]), torus.first_cdf(*point)) > LEAST_P_VALUE
    assert abs((x[:, 0] > 0.0).mean() - 0.5) < 4.0 * 0.5 / 100.0
    side, k2 = point[2] * np.sin(x[:, 0]), point[1]
    angle = (x[:, 1] - np.arctan2(side, k2) + np.pi) % (2.0 * np.pi) - np.pi
    with jax.enable_x64(True):
        level = np.array(dist.VonMises(0.0, jnp.array(np.hypot(k2, side))).cdf(jnp.array(angle)))
    assert p_value(level, lambda q: q) > LEAST_P_VALUE


def test_gradients_of_expectations():
    n = 20_000

    def values(params, key):
        x = dist.SineBivariateVonMises(0.3, -2.5, *params, validate_args=False).sample(key)
        u, v = x[:, 0] - 0.3, x[:, 1] + 2.5
        return jnp.stack([jnp.cos(u), jnp.cos(v), jnp.sin(u) * jnp.sin(v)]).sum(1)

    slopes = jax.jit(jax.jacrev(values))
    for point in torus.MODERATE:
        found = slopes(tuple(jnp.full(n, value) for value in point), jax.random.key(1))
        for i, (_, truth) in enumerate(torus.expectations(*point, FUNCTIONS)):
            each = np.stack([np.array(slope[i], float) for slope in found], -1)
            assert (standardised(each, truth, 1e-5) < STANDARD_ERRORS).all()


def test_density():
    """Derivatives of log_prob by those of exact expectations."""
    point = torus.MODERATE[0]
    means = [mean for mean, _ in torus.expectations(*point, FUNCTIONS)]
    with jax.enable_x64(True):

        def log_prob(*params):
            return dist.SineBivariateVonMises(0.3, -2.5, *params).log_prob(jnp.array([0.9, -1.0]))

        slopes = jax.grad(log_prob, argnums=(0, 1, 2))(*map(jnp.float64, point))
    u, v = 0.6, 1.5
    statistics = (np.cos(u), np.cos(v), np.sin(u) * np.sin(v))
    np.testing.assert_allclose(slopes, np.subtract(statistics, means), rtol=1e-12)


def test_shapes_and_copies():
    p = dist.SineBivariateVonMises(jnp.zeros((3, 1)), 0.5, jnp.ones(2), 2.0, weighted_correlation=0.5)
    assert p.batch_shape == (3, 2) and p.event_shape == (2,) and p.has_rsample
    np.testing.assert_allclose(p.correlation, np.full((3, 2), 0.5 * 2.0**0.5), rtol=1e-6)
    key = jax.random.key(0)
    x = p.sample(key, (4,))
    assert x.shape == (4, 3, 2, 2) and (abs(x) <= np.pi).all() and p.log_prob(x).shape == (4, 3, 2)
    wide = p.expand((5, 3, 2))
    assert wide.sample(key).shape == (5, 3, 2, 2) and wide.has_rsample
    leaves, tree = jax.tree.flatten(p)
    again = jax.tree.unflatten(tree, leaves)
    np.testing.assert_array_equal(again.sample(key), p.sample(key))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(p)).sample(key), p.sample(key))


def test_implicit_gradients_and_twin():
    theirs = host.SineBivariateVonMises(0.3, -2.5, 2.0, 3.0, correlation=1.5)
    twin = implicit_twin(theirs)
    assert type(twin) is dist.SineBivariateVonMises
    key = jax.random.key(2)

    def draw(params):
        return dist.SineBivariateVonMises(**params).sample(key)

    params = {name: jnp.asarray(getattr(theirs, name)) for name in theirs.arg_constraints}
    found, carried = implicit_gradients(theirs, draw(params)), jax.jacrev(draw)(params)
    for name in params:
        np.testing.assert_allclose(found[name], carried[name], rtol=2e-5, atol=1e-6)


def test_errors():
    with pytest.raises(ValueError, match="give one of correlation and weighted_correlation"):
        dist.SineBivariateVonMises(0.0, 0.0, 1.0, 1.0)
    with pytest.raises(ValueError, match="cannot be broadcast together"):
        dist.SineBivariateVonMises(jnp.zeros(2), jnp.zeros(3), 1.0, 1.0, 0.5)
    with pytest.raises(ValueError, match="psi_concentration"):
        dist.SineBivariateVonMises(0.0, 0.0, 1.0, -1.0, 0.5, validate_args=True)
    with pytest.raises(ValueError, match="must be finite"):
        dist.SineBivariateVonMises(0.0, 0.0, 1.0, 1.0, jnp.inf, validate_args=True)
