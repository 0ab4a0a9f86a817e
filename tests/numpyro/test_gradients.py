"""`implicit_gradients`, and that draws carry them: against SciPy's quantiles and against exact expectations."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as host
import pytest
from scipy.special import polygamma

import numpyro_irg.distributions as dist
from numpyro_irg import implicit_gradients
from tests.laws import (
    LAWS,
    POINTS,
    SMALL,
    STANDARD_ERRORS,
    UNIVARIATE,
    along_quantile,
    exact_gradient,
    functions_of,
    standardised,
)
from tests.numpyro.draws import arrays, numpy, observed

LEVELS = np.array([0.01, 0.2, 0.45, 0.8, 0.99])

# How far a slope may be off in float32: the partials are good to 2e-6, and the draw is rounded.
NATIVE = 2e-5

univariate = pytest.mark.parametrize("law", UNIVARIATE, ids=str)


def vector(values):
    return jnp.asarray(values, dtype=jnp.float64)


# ------------------------------------------------------------------------------------------------- implicit_gradients


@univariate
def test_against_scipy(law):
    """Differences of SciPy's quantile function; and the gradient g is differentiable, d**2x / dtheta**2 being
    dg/dtheta + g dg/dx."""

    @jax.jit
    def evaluate(found, x):
        def first(found, x):
            return implicit_gradients(getattr(dist, law.name)(**found), x)

        def second(name):
            g = first(found, x)[name]
            return jax.jvp(lambda p, x: first({**found, name: p}, x)[name], (found[name], x), (jnp.ones_like(x), g))[1]

        return first(found, x), {name: second(name) for name in found}

    with jax.enable_x64(True):
        for params in law.points:
            x = law.ppf(LEVELS, **params)
            first, second = evaluate(arrays(params, "float64", x.shape), vector(x))
            assert first.keys() == params.keys()
            for name in params:
                truth, curve = along_quantile(law, x, params, name)
                np.testing.assert_allclose(first[name], truth, rtol=1e-8, atol=1e-8 * np.abs(truth).max())
                np.testing.assert_allclose(second[name], curve, rtol=1e-6, atol=1e-6 * max(np.abs(curve).max(), 0.1))


@pytest.mark.parametrize("law", [law for law in LAWS if hasattr(host, law.name)], ids=str)
def test_hosts_class(law):
    """The same program as for our class."""
    found = arrays(law.points[0])
    ours, theirs = (
        str(jax.make_jaxpr(lambda x, cls=cls: implicit_gradients(cls(**found), x))(jnp.full(3, 1 / 3)))
        for cls in (getattr(dist, law.name), getattr(host, law.name))
    )
    assert ours == theirs


def test_dirichlet():
    """The Jacobian [..., i, j] = dx_i / dalpha_j: that of draws, with the marginal Betas' slopes on its diagonal, and
    columns that sum to 0 because x stays on the simplex."""

    @jax.jit
    def evaluate(concentration):
        draw = lambda concentration: dist.Dirichlet(concentration).sample(jax.random.key(2), (4,))  # noqa: E731
        x = draw(concentration)
        rest = concentration.sum(-1, keepdims=True) - concentration
        return (
            implicit_gradients(dist.Dirichlet(concentration), x)["concentration"],
            implicit_gradients(dist.Beta(concentration, rest), x)["concentration1"],
            jax.jacrev(draw)(concentration),
            jax.jacfwd(draw)(concentration),
        )

    with jax.enable_x64(True):
        found, beta, *jacobians = evaluate(vector([[0.6, 2.0, 1.5], [8.0, 3.0, 5.0]]))
        assert found.shape == (4, 2, 3, 3)
        np.testing.assert_allclose(found.sum(-2), 0.0, atol=1e-12)
        np.testing.assert_allclose(jnp.diagonal(found, axis1=-2, axis2=-1), beta, rtol=1e-10)
        for jacobian in jacobians:
            for member in (0, 1):
                np.testing.assert_allclose(jacobian[:, member, :, member], found[:, member], rtol=1e-10, atol=1e-14)
                np.testing.assert_array_equal(jacobian[:, member, :, 1 - member], 0.0)


@pytest.mark.parametrize("module", [dist, host], ids=["ours", "host"])
def test_inside_wrappers(module):
    """Independent, expand and mask, also one in another: the same program as without them."""
    a, x = jnp.array([0.5, 2.0]), jnp.array([[0.3, 1.0], [2.0, 0.1], [0.01, 5.0]])
    program = lambda d: str(jax.make_jaxpr(lambda x: implicit_gradients(d, x))(x))  # noqa: E731
    plain = program(module.Gamma(a, 2.0))
    for wrapped in [
        module.Gamma(a, 2.0).to_event(1),
        module.Gamma(a, 2.0).expand([3, 2]),
        module.Gamma(a, 2.0).mask(jnp.array([True, False])),
        module.Gamma(a, 2.0).expand_by([3]).mask(False).to_event(1),
        module.Gamma(a, 2.0).to_event(1).expand([3]).mask(jnp.array(True)),
    ]:
        assert program(wrapped) == plain


def test_shapes():
    """Value and distribution broadcast; a single value meets every member of a batch."""
    d = dist.StudentT(jnp.array([1.0, 5.0]), 0.0, jnp.array([[1.0], [2.0], [4.0]]))
    for value, shape in [((), (3, 2)), ((4, 1, 1), (4, 3, 2)), ((3, 1), (3, 2))]:
        for slope in jax.eval_shape(implicit_gradients, d, jnp.zeros(value)).values():
            assert slope.shape == shape
    assert jax.eval_shape(implicit_gradients, dist.Gamma(2, 1), 2)["concentration"].dtype == jnp.float32
    assert jax.eval_shape(implicit_gradients, dist.Gamma(2.0, 1.0), jnp.zeros(0))["concentration"].shape == (0,)
    with pytest.raises(ValueError, match=r"value of shape \(4,\) does not broadcast with the shape \(3, 2\)"):
        implicit_gradients(d, jnp.ones(4))


@pytest.mark.parametrize(
    ("law", "value"), [(law, v) for law in LAWS for v in law.outside], ids=lambda v: str(v).replace(" ", "")
)
def test_outside_the_support(law, value):
    d = getattr(dist, law.name)(**arrays(law.points[0]))
    with pytest.raises(ValueError, match=rf"value .* must lie inside the support .* of {law.name}, but found"):
        implicit_gradients(d, jnp.array(value))


@pytest.mark.parametrize("infinite", [jnp.inf, -jnp.inf, jnp.nan])
def test_not_finite(infinite):
    with pytest.raises(ValueError, match="must lie inside the support"):
        implicit_gradients(dist.StudentT(2.0), jnp.array([0.0, infinite]))


@pytest.mark.parametrize("name", ["Poisson", "TransformedDistribution"])
def test_unknown(name):
    d = {
        "Poisson": lambda: host.Poisson(3.0),
        "TransformedDistribution": lambda: host.TransformedDistribution(
            dist.Beta(2.0, 1.0), host.transforms.AffineTransform(0.0, 2.0)
        ),
    }[name]()
    with pytest.raises(NotImplementedError, match=f"implicit_gradients does not take {name};"):
        implicit_gradients(d, jnp.array(1.0))


# ------------------------------------------------------------------------------------------------------------- draws


def run(law, params, key=2):
    """100,000 draws in float32."""
    return observed(law)(jax.random.key(key), arrays(params, shape=(100_000,)))


@univariate
def test_draws_carry_the_implicit_gradients(law):
    """In float32; `test_transformations.py` has float64."""
    for params in law.points:
        _, slopes, gradients = run(law, params)
        for name, truth in gradients.items():
            # the draw at which both are taken is rounded, which costs a few digits where loc or 1 - x cancels
            atol = NATIVE * np.median(np.abs(truth))
            np.testing.assert_allclose(slopes["x"][name], truth, rtol=NATIVE, atol=atol)


@pytest.mark.parametrize(("law", "params"), POINTS.values(), ids=POINTS)
def test_unbiased(law, params):
    """The pathwise gradient of E[f(x)], for every f with an exact expectation."""
    _, slopes, _ = run(law, params)
    for name, expectation in law.expectations.items():
        truth = exact_gradient(expectation, params)
        for parameter in params:
            distance = standardised(numpy(slopes[name][parameter]), truth[parameter], NATIVE)
            assert (distance < STANDARD_ERRORS).all(), (name, parameter)


@pytest.mark.parametrize("law", SMALL.values(), ids=str)
def test_unbiased_where_draws_leave_the_range(law):
    """E[log x] where most draws are held at an end of float32: their relative slopes are those of the true draw."""
    name, expectation, params = law.small
    _, slopes, _ = run(law, params)
    truth = exact_gradient(expectation, params)
    for parameter in params.keys() - {"loc"}:
        slope = numpy(slopes[name][parameter])
        assert np.isfinite(slope).all()
        assert (standardised(slope, truth[parameter], NATIVE) < STANDARD_ERRORS).all(), parameter


@pytest.mark.parametrize("concentration", [0.01, 0.001])
@pytest.mark.parametrize("name", ["Gamma", "LogGamma"])
def test_trigamma(name, concentration):
    """E[d log z / da] = trigamma(a) within 3 % in float32."""
    _, slopes, _ = run(SMALL[name], {"concentration": concentration, "rate": 1.0})
    slope = slopes["x" if name == "LogGamma" else "log x"]["concentration"]
    np.testing.assert_allclose(numpy(slope).mean(), polygamma(1, concentration), rtol=0.03)


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_gradients_at_hard_points(law):
    """In float32 never NaN, and infinite only where the slope, at most 1e6 |x|, exceeds the largest number."""
    for params in law.hard:
        if law.name == "Dirichlet" and len(params["concentration"]) != 3:
            continue  # another shape is another compilation
        x, slopes, _ = run(law, params)
        for parameter, slope in slopes[functions_of(law)[0]].items():
            assert not np.isnan(slope).any(), (params, parameter)
        for parameter, slope in slopes.get("x", {}).items():
            assert not np.isnan(slope).any(), (params, parameter)
            if params.get("rate", 1.0) > 1e-4:
                assert (np.isfinite(slope) | (np.abs(x) > 1e32)).all(), (params, parameter)


@pytest.mark.parametrize("shapes", [(0.3, 0.3, 1.89), (1.0, 1.0, 1.68), (5.0, 5.0, 1.71)], ids=str)
def test_variance_of_beta(shapes):
    """The gradient in a of E[z**2]: NumPyro's own, of two normalised Gammas, has that many times our variance."""
    a, b, ratio = shapes
    _, slopes, _ = run(SMALL["Beta"], {"concentration1": a, "concentration0": b})
    stock = stock_beta()(jax.random.key(3), *arrays({"a": a, "b": b}, shape=(100_000,)).values())
    ours = numpy(slopes["x**2"]["concentration1"])
    np.testing.assert_allclose(numpy(stock).var() / ours.var(), ratio, rtol=0.1)


@functools.cache
def stock_beta():
    return jax.jit(jax.grad(lambda key, a, b: jnp.square(host.Beta(a, b).sample(key)).sum(), argnums=1))
