"""SineBivariateVonMises: partials, normalizer and draws at all concentrations, gradients of expectations, errors."""

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as host
import pytest
from numpyro.infer import Trace_ELBO

import numpyro_irg.distributions as dist
from irg_kernels.families import sine_bivariate_von_mises as kernel
from numpyro_irg import implicit_gradients, implicit_twin
from numpyro_irg.attach import NATIVE
from tests import torus
from tests.checks import LEAST_P_VALUE, STANDARD_ERRORS, p_value, standardised

FUNCTIONS = (lambda u, v: np.cos(u), lambda u, v: np.cos(v), lambda u, v: np.sin(u) * np.sin(v))


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 2e-6), ("float64", 1e-12)])
def test_partials_and_normaliser(precision, tolerance):
    """In float32 k1's are relative; k2's and rho's, which change sign, relative to the largest of the law's places.

    In float64 all are relative, but near such a change relative to 3 % of the largest.
    """
    number, u, params, expected = torus.table()

    @jax.jit
    def evaluated(u, *params):
        reach = kernel.frame(NATIVE, *params)
        return kernel.partials(NATIVE, u, *params, *reach), kernel.log_normalizer(NATIVE, *params, *reach)

    with jax.enable_x64(precision == "float64"):
        slopes, log_c = evaluated(jnp.array(u, precision), *jnp.array(params.T, precision))
    unit = torus.slope_units(number, expected, 0.03)
    if precision == "float32":
        unit = np.stack([unit[:, 0], *torus.slope_units(number, expected, 1.0).T[1:]], -1)
    error = np.abs(np.array(slopes, float).T - expected) / (unit + 1e-16)  # the oracle's digits
    worst = error.max(1).argmax()
    assert error.max() <= tolerance, f"{error[worst]} at {params[worst]}, {u[worst]}"
    truth = np.array([row["log_normalizer"] for row in torus.rows()])[number]
    np.testing.assert_array_less(np.abs(np.array(log_c, float) - truth), tolerance * np.maximum(1.0, np.abs(truth)))


@jax.jit
def drawn(p, key):
    return p.sample(key, (10_000,))


def laws():
    return dist.SineBivariateVonMises(0.0, 0.0, *jnp.array(torus.POINTS, "float32").T)


def test_draws():
    x = np.array(drawn(laws(), jax.random.key(0)), float)
    assert (np.abs((x[..., 0] > 0.0).mean(0) - 0.5) < 4.0 * 0.5 / 100.0).all()
    _, k2, rho = np.array(torus.POINTS).T
    side = rho * np.sin(x[..., 0])
    angle = (x[..., 1] - np.arctan2(side, k2) + np.pi) % (2.0 * np.pi) - np.pi
    with jax.enable_x64(True):
        level = jax.jit(lambda concentration, x: dist.VonMises(0.0, concentration, validate_args=False).cdf(x))(
            np.hypot(k2, side), angle
        )
    for i, row in enumerate(torus.rows()):
        assert p_value(np.abs(x[:, i, 0]), torus.first_cdf(row)) > LEAST_P_VALUE, row["point"]
        assert p_value(np.array(level[:, i]), lambda q: q) > LEAST_P_VALUE, row["point"]


def test_gradients():
    """Of expectations against quadrature; and what a draw carries is what `implicit_gradients` gives."""
    n, names = 10_000, ("phi_loc", "psi_loc", "phi_concentration", "psi_concentration", "correlation")
    constants = np.array([(0.3, -2.5, *point) for point in torus.MODERATE]).T
    params = {name: jnp.full((n, 2), value, jnp.float32) for name, value in zip(names, constants, strict=True)}

    def total(params):
        x = dist.SineBivariateVonMises(**params, validate_args=False).sample(jax.random.key(1))
        return x.sum((0, 1)), x

    by_u_and_v, x = jax.jit(jax.jacrev(total, has_aux=True))(params)
    by_u, by_v = (np.stack([np.array(by_u_and_v[name][j], float) for name in names], -1) for j in (0, 1))
    u, v = np.moveaxis(np.array(x, float) - [0.3, -2.5], -1, 0)[..., None]
    chain = ((-np.sin(u), 0.0), (0.0, -np.sin(v)), (np.cos(u) * np.sin(v), np.sin(u) * np.cos(v)))
    for i, point in enumerate(torus.MODERATE):
        for (du, dv), (_, truth) in zip(chain, torus.expectations(*point, FUNCTIONS), strict=True):
            each = (du * by_u + dv * by_v)[:, i, 2:]
            assert (standardised(each, truth, 1e-5) < STANDARD_ERRORS).all()

    few = {name: value[:5] for name, value in params.items()}
    found = jax.jit(lambda params, x: implicit_gradients(host.SineBivariateVonMises(**params), x))(few, x[:5])
    for i, name in enumerate(names):
        np.testing.assert_allclose(found[name], np.stack([by_u, by_v], -1)[:5, :, i], rtol=2e-5, atol=2e-6)


def test_elbo():
    """A plate of one guide many times over: the mean of the gradient under Trace_ELBO against quadrature."""
    n, (k1, k2, rho) = 4000, torus.MODERATE[0]

    def model(params):
        with numpyro.plate("n", n):
            numpyro.sample("x", host.VonMises(jnp.array([0.3, -2.5]), jnp.array([1.0, 2.0])).to_event(1))

    def guide(params):
        with numpyro.plate("n", n):
            numpyro.sample("x", dist.SineBivariateVonMises(0.3, -2.5, *params))

    def loss(params):
        return Trace_ELBO().loss(jax.random.key(3), {}, model, guide, params)

    found = jax.jit(jax.grad(loss))(tuple(jnp.full(n, value) for value in (k1, k2, rho)))

    def integrand(u, v):
        return (1.0 - k1) * np.cos(u) + (2.0 - k2) * np.cos(v) - rho * np.sin(u) * np.sin(v)

    ((_, truth),) = torus.expectations(k1, k2, rho, [integrand])
    assert (standardised(-np.stack(found, -1).astype(float), truth, 1e-5) < STANDARD_ERRORS).all()


def test_density():
    """Derivatives of log_prob by those of exact expectations."""
    point = torus.MODERATE[0]
    means = [mean for mean, _ in torus.expectations(*point, FUNCTIONS)]

    def log_prob(*params):
        law = dist.SineBivariateVonMises(0.3, -2.5, *params, validate_args=False)
        return law.log_prob(jnp.array([0.9, -1.0])).sum()

    with jax.enable_x64(True):
        slopes = jax.jit(jax.grad(log_prob, argnums=(0, 1, 2)))(*(jnp.full(3, value) for value in point))
    u, v = 0.6, 1.5
    statistics = (np.cos(u), np.cos(v), np.sin(u) * np.sin(v))
    np.testing.assert_allclose(np.array(slopes), np.tile(np.subtract(statistics, means)[:, None], 3), rtol=1e-12)


def test_shapes():
    p = dist.SineBivariateVonMises(jnp.zeros((3, 1)), 0.5, jnp.ones(2), 2.0, weighted_correlation=0.5)
    assert p.batch_shape == (3, 2) and p.event_shape == (2,) and p.has_rsample
    np.testing.assert_allclose(p.correlation, np.full((3, 2), 0.5 * 2.0**0.5), rtol=1e-6)
    x = jnp.ones((4, 3, 2, 2))
    halves = p.mask(jnp.array([True, False])).to_event(1)
    value, masked = jax.jit(lambda x: (p.log_prob(x), halves.log_prob(x)))(x)
    assert value.shape == (4, 3, 2)
    np.testing.assert_allclose(masked, value[..., 0], rtol=1e-6)
    wide = p.expand((5, 3, 2))
    assert jax.eval_shape(lambda: wide.sample(jax.random.key(0), (4,))).shape == (4, 5, 3, 2, 2) and wide.has_rsample


def test_copies():
    """Flattened and built again, pickled: the same draws, inside [-pi, pi]."""
    p, key = laws(), jax.random.key(0)
    leaves, tree = jax.tree.flatten(p)
    x = drawn(p, key)
    assert (abs(x) <= np.pi).all()
    for copy in (jax.tree.unflatten(tree, leaves), pickle.loads(pickle.dumps(p))):
        np.testing.assert_array_equal(drawn(copy, key), x)


def test_vmap():
    def one(k, key):
        p = dist.SineBivariateVonMises(0.0, 0.0, k, 2.0, 0.5, validate_args=False)
        return p.sample(key), p.log_prob(jnp.array([0.3, -1.0]))

    k = jnp.array([0.5, 1.0, 3.0])
    x, log_prob = jax.jit(jax.vmap(one))(k, jax.random.split(jax.random.key(0), 3))
    assert x.shape == (3, 2) and len(np.unique(x)) == 6
    theirs = host.SineBivariateVonMises(0.0, 0.0, k, 2.0, correlation=0.5)
    np.testing.assert_allclose(log_prob, theirs.log_prob(jnp.array([0.3, -1.0])), rtol=1e-5)


def test_twin():
    theirs = host.SineBivariateVonMises(0.3, -2.5, 2.0, 3.0, correlation=1.5)
    assert type(implicit_twin(theirs)) is dist.SineBivariateVonMises


def test_errors():
    with pytest.raises(ValueError, match="give one of correlation and weighted_correlation"):
        dist.SineBivariateVonMises(0.0, 0.0, 1.0, 1.0)
    with pytest.raises(ValueError, match="cannot be broadcast together"):
        dist.SineBivariateVonMises(jnp.zeros(2), jnp.zeros(3), 1.0, 1.0, 0.5)
    with pytest.raises(ValueError, match="psi_concentration"):
        dist.SineBivariateVonMises(0.0, 0.0, 1.0, -1.0, 0.5, validate_args=True)
    with pytest.raises(ValueError, match="invalid correlation parameter"):
        dist.SineBivariateVonMises(0.0, 0.0, 1.0, 1.0, jnp.inf, validate_args=True)
