"""SineBivariateVonMises: partials, normalizer and draws at all concentrations, gradients of expectations, errors."""

import functools
import pickle

import numpy as np
import pytest

from irg_kernels.families import sine_bivariate_von_mises as kernel
from tests import torus
from tests.checks import assert_distributed, assert_unbiased
from tests.rows.sine_bivariate_von_mises import ANGLES

precisions = pytest.mark.parametrize(("precision", "tolerance"), [("float64", 1e-12), ("float32", 2e-6)])
FUNCTIONS = (lambda u, v: np.cos(u), lambda u, v: np.cos(v), lambda u, v: np.sin(u) * np.sin(v))
LOC = (0.3, -2.5)


def of(adapter, point, shape=()):
    """Its parameters, for every draw of `shape`."""
    return adapter.arrays(dict(zip(ANGLES, (*LOC, *point), strict=True)), shape)


def slopes_along(u, v):
    """d f / d(u, v) of each of FUNCTIONS."""
    return (-np.sin(u), 0.0), (0.0, -np.sin(v)), (np.cos(u) * np.sin(v), np.sin(u) * np.cos(v))


@precisions
def test_partials_and_normalizer(adapter, precision, tolerance):
    """Relative, but near where the derivatives in k2 and rho change sign, relative to 3 % of their largest.

    In NumPyro's float32 those of k2 and rho are relative to the largest of the distribution's places.
    """
    number, u, params, expected = torus.table()

    def evaluate(xp, u, *params):
        frame = kernel.frame(xp, *params)
        return *kernel.partials(xp, u, *params, *frame), kernel.log_normalizer(xp, *params, *frame)

    with adapter.precision(precision):
        found = adapter.native(evaluate, *map(adapter.array, (u, *params.T)))
    *slopes, log_c = map(adapter.numpy, found)
    unit = torus.slope_units(number, expected, 0.03)
    if adapter.name == "numpyro" and precision == "float32":
        unit = np.stack([unit[:, 0], *torus.slope_units(number, expected, 1.0).T[1:]], -1)
    error = np.abs(np.stack(slopes, -1) - expected) / (unit + 1e-16)  # the oracle's digits
    worst = error.max(1).argmax()
    assert error.max() <= tolerance, f"{error[worst]} at {params[worst]}, {u[worst]}"
    truth = np.array([row["log_normalizer"] for row in torus.rows()])[number]
    np.testing.assert_array_less(np.abs(log_c - truth), tolerance * np.maximum(1.0, np.abs(truth)))


def test_log_prob_everywhere(adapter):
    """At a point near the mode, at all concentrations."""
    truth = np.array([row["log_normalizer"] for row in torus.rows()])
    k1, k2, rho = np.array(torus.POINTS).T
    u, v = 1e-3, -2e-3
    with adapter.precision("float64"):
        zero, *params = map(adapter.array, (0.0, k1, k2, rho))
        d = adapter.dist.SineBivariateVonMises(zero, zero, *params)
        found = adapter.numpy(adapter.jit(d.log_prob)(adapter.array([u, v])))
    plain = k1 * np.cos(u) + k2 * np.cos(v) + rho * np.sin(u) * np.sin(v) - truth
    np.testing.assert_array_less(np.abs(found - plain), 1e-15 * np.maximum(10.0, 5.0 * (k1 + k2 + abs(rho))))


@functools.cache
def sampler(adapter):
    def draw(params, key):
        return adapter.detached_draw(adapter.dist.SineBivariateVonMises(0.0, 0.0, *params), key, (10_000,))

    return adapter.jit(draw)


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_draws(adapter, precision):
    if not adapter.eager and precision == "float64":
        pytest.skip("another compilation of the same arithmetic")
    with adapter.precision(precision):
        params = list(map(adapter.array, np.array(torus.POINTS).T))
        x = adapter.numpy(sampler(adapter)(params, adapter.key(0)))
    assert (np.abs((x[..., 0] > 0.0).mean(0) - 0.5) < 4.0 * 0.5 / 100.0).all() and (
        np.abs(x) <= np.float32(np.pi)
    ).all()
    _, k2, rho = np.array(torus.POINTS).T
    side = rho * np.sin(x[..., 0])
    angle = (x[..., 1] - np.arctan2(side, k2) + np.pi) % (2.0 * np.pi) - np.pi
    with adapter.precision("float64"):
        given = functools.partial(adapter.dist.VonMises, adapter.array(0.0), validate_args=False)
        level = adapter.jit(lambda k, x: given(k).cdf(x))(*map(adapter.array, (np.hypot(k2, side), angle)))
    for i, row in enumerate(torus.rows()):
        assert_distributed(np.abs(x[:, i, 0]), torus.first_cdf(row), message=row["point"])
        assert_distributed(adapter.numpy(level)[:, i], lambda q: q, message=row["point"])


@functools.cache
def drawn_slopes(adapter):
    def draw(params, key):
        x = adapter.draw(adapter.dist.SineBivariateVonMises(**params, validate_args=False), key)
        return {"x": x, "u": x[..., 0], "v": x[..., 1]}

    @adapter.jit
    def evaluate(params, key):
        found, slopes = adapter.value_and_slopes(draw)(params, key)
        d = adapter.dist.SineBivariateVonMises(**params, validate_args=False)
        return found["x"], slopes, adapter.irg.implicit_gradients(d, found["x"])

    return evaluate


@pytest.mark.parametrize("point", [*torus.MODERATE, (0.7, 0.4, -2.5)], ids=str)
def test_gradients(adapter, point):
    """Of expectations against quadrature; and what a draw carries is what `implicit_gradients` gives."""
    x, slopes, gradients = drawn_slopes(adapter)(of(adapter, point, (10_000,)), adapter.key(1))
    by_u, by_v = (np.stack([adapter.numpy(slopes[c][name]) for name in ANGLES], -1) for c in "uv")
    assert (by_u[:, 0] == 1.0).all() and (by_u[:, 1] == 0.0).all() and (by_v[:, :2] == [0.0, 1.0]).all()
    u, v = np.moveaxis(adapter.numpy(x) - LOC, -1, 0)[..., None]
    for (du, dv), (_, truth) in zip(slopes_along(u, v), torus.expectations(*point, FUNCTIONS), strict=True):
        assert_unbiased((du * by_u + dv * by_v)[:, 2:], truth, 1e-5)
    both = np.stack([by_u, by_v], -1)
    for i, name in enumerate(ANGLES):
        # the value's own rounding moves the two apart
        np.testing.assert_allclose(adapter.numpy(gradients[name]), both[:, i], rtol=2e-5, atol=5e-5)


def test_implicit_gradients_in_float64(adapter):
    if not adapter.eager:
        pytest.skip("another compilation of the same arithmetic")
    with adapter.precision("float64"):
        _, slopes, gradients = drawn_slopes(adapter)(of(adapter, (2.0, 3.0, 1.5), (5,)), adapter.key(2))
    for name in ANGLES:
        both = np.stack([adapter.numpy(slopes[c][name]) for c in "uv"], -1)
        np.testing.assert_allclose(adapter.numpy(gradients[name]), both, rtol=1e-11, atol=1e-13)


def test_elbo(adapter):
    """A plate of one guide many times over: the mean of the gradient under Trace_ELBO against quadrature."""
    n, (k1, k2, rho) = 4000, torus.MODERATE[0]
    params = of(adapter, torus.MODERATE[0], (n,))

    def model():
        with adapter.plate("n", n):
            angles = adapter.host.VonMises(adapter.array(LOC), adapter.array([1.0, 2.0]))
            adapter.sample("x", angles.to_event(1))

    def guide():
        found = {name: adapter.param(name, value) for name, value in params.items()}
        with adapter.plate("n", n):
            adapter.sample("x", adapter.dist.SineBivariateVonMises(**found))

    ((_, slopes),) = adapter.loss_and_slopes(model, guide, params, seeds=[3])

    def integrand(u, v):
        return (1.0 - k1) * np.cos(u) + (2.0 - k2) * np.cos(v) - rho * np.sin(u) * np.sin(v)

    ((_, truth),) = torus.expectations(k1, k2, rho, [integrand])
    assert_unbiased(-np.stack([slopes[name] for name in ANGLES[2:]], -1), truth, 1e-5)


def test_density(adapter):
    """Derivatives of log_prob by those of exact expectations, and the host's values."""
    point, names = torus.MODERATE[0], (*ANGLES[2:], "value")
    with adapter.precision("float64"):
        params = {**of(adapter, point), "value": adapter.array([0.9, -1.0])}

        def log_prob(params):
            angles = {name: params[name] for name in ANGLES}
            return adapter.dist.SineBivariateVonMises(**angles, validate_args=False).log_prob(params["value"])

        found, slopes = adapter.jit(adapter.value_and_slopes(log_prob))(params)
        theirs = adapter.host.SineBivariateVonMises(**{name: params[name] for name in ANGLES})
        expected = adapter.numpy(theirs.log_prob(params["value"]))
    (u, v), (k1, k2, rho) = (0.6, 1.5), point
    by_params = [f(u, v) - mean for f, (mean, _) in zip(FUNCTIONS, torus.expectations(*point, FUNCTIONS), strict=True)]
    by_value = sum(k * np.array(slope) for k, slope in zip((k1, k2, rho), slopes_along(u, v), strict=True))
    for name, truth in zip(names, (*by_params, by_value), strict=True):
        np.testing.assert_allclose(adapter.numpy(slopes[name]), truth, rtol=1e-12, err_msg=name)
    np.testing.assert_allclose(adapter.numpy(found), expected, rtol=1e-5, atol=1e-6)


def test_shapes_and_copies(adapter):
    dist, array, key = adapter.dist, adapter.array, adapter.key(0)

    def shape(d, sample_shape=()):
        return adapter.shapes(lambda key: adapter.draw(d, key, sample_shape), key).shape

    d = dist.SineBivariateVonMises(array(np.zeros((3, 1))), 0.5, array([1.0, 1.0]), 2.0, weighted_correlation=0.5)
    assert d.batch_shape == (3, 2) and d.event_shape == (2,) and d.has_rsample and shape(d, (4,)) == (4, 3, 2, 2)
    np.testing.assert_allclose(adapter.numpy(d.correlation), np.full((3, 2), 0.5 * 2.0**0.5), rtol=1e-6)
    mask = adapter.xp.asarray(np.array([True, False]))
    densities = adapter.jit(lambda x: (d.log_prob(x), d.mask(mask).log_prob(x), d.to_event(1).log_prob(x)))
    value, halves, together = map(adapter.numpy, densities(array(np.ones((4, 3, 2, 2)))))
    assert value.shape == (4, 3, 2) and (halves[..., 1] == 0.0).all()
    np.testing.assert_allclose(halves[..., 0], value[..., 0], rtol=1e-6)
    np.testing.assert_allclose(together, value.sum(-1), rtol=1e-6)
    wide = d.expand((5, 3, 2))
    assert wide.has_rsample and shape(wide, (4,)) == (4, 5, 3, 2, 2)
    for again in (adapter.rebuilt(d), pickle.loads(pickle.dumps(d))):
        assert adapter.program(lambda e=again: {"x": adapter.draw(e, key)}) == adapter.program(
            lambda: {"x": adapter.draw(d, key)}
        )
    rows = adapter.vmap(
        lambda k: adapter.draw(dist.SineBivariateVonMises(0.0, 0.0, k, 2.0, 0.5, validate_args=False), key)
    )
    assert adapter.shapes(rows, array([0.5, 1.0, 3.0])).shape == (3, 2)


def test_twin(adapter):
    theirs = adapter.host.SineBivariateVonMises(**of(adapter, (2.0, 3.0, 1.5), (3,)))
    twin = adapter.irg.implicit_twin(theirs.expand((2, 3)))
    assert type(getattr(twin, "base_dist", twin)) is adapter.dist.SineBivariateVonMises and twin.batch_shape == (2, 3)


def test_errors(adapter):
    make, array = adapter.dist.SineBivariateVonMises, adapter.array
    with pytest.raises(ValueError, match="give one of correlation and weighted_correlation"):
        make(0.0, 0.0, 1.0, 1.0)
    with pytest.raises(ValueError, match="cannot be broadcast together"):
        make(array([0.0] * 2), array([0.0] * 3), 1.0, 1.0, 0.5)
    with pytest.raises(ValueError, match="psi_concentration"):
        make(0.0, 0.0, 1.0, -1.0, 0.5, validate_args=True)
    with pytest.raises(ValueError, match=r"invalid correlation parameter|correlation .* to be finite"):
        make(0.0, 0.0, 1.0, 1.0, array(np.inf), validate_args=True)
