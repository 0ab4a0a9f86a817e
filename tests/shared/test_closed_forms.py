"""cdf, icdf, log-tails, entropy and moments: against SciPy and mpmath, at the ends, in second order, transformed."""

import functools
import math

import numpy as np
import pytest
from mpmath import mp
from scipy import integrate, stats

from tests.adapters import compiled, over
from tests.checks import along_quantile
from tests.families import FAMILIES, UNIVARIATE

univariate = over(UNIVARIATE)
but_von_mises = over([family for family in UNIVARIATE if family.name != "VonMises"])
precisions = pytest.mark.parametrize("precision", ["float64", "float32"])
Q = np.array([1e-6, 0.02, 0.3, 0.5, 0.8, 0.999])


def from_minus_pi(family, params):
    """P(-pi < X < x) where the family's own distribution function is measured from the location."""
    if family.name != "VonMises":
        return lambda x: family.cdf(x, **params)
    mu, kappa = params["loc"], params["concentration"]
    start = stats.vonmises.cdf(-math.pi - mu, kappa)
    return lambda x: stats.vonmises.cdf(x - mu, kappa) - start


@functools.cache
def both(adapter, name):
    """(q, parameters) -> the quantile and the probability of it, compiled once."""

    def evaluate(q, params):
        d = getattr(adapter.dist, name)(**params)
        x = d.icdf(q)
        return x, d.cdf(x)

    return adapter.jit(evaluate)


@univariate
@precisions
def test_values(adapter, family, precision):
    """cdf is SciPy's, and icdf its inverse."""
    # SciPy's von Mises has 1e-9.  In float32 x is rounded, and near -pi the mass before it has an absolute error alone.
    rtol, atol = {"float64": (1e-9, 1e-9), "float32": (2e-5, 2e-7)}[precision]
    for params in family.points:
        with adapter.precision(precision):
            x, value = both(adapter, family.name)(adapter.array(Q), adapter.arrays(params))
        assert adapter.dtype_of(x) == adapter.dtype_of(value) == precision
        q = Q.astype(precision).astype(float)
        np.testing.assert_allclose(adapter.numpy(value), q, rtol=rtol, atol=atol)
        np.testing.assert_allclose(from_minus_pi(family, params)(adapter.numpy(x)), q, rtol=rtol, atol=atol)


@but_von_mises
def test_slopes_of_the_quantile(adapter, family):
    """By each parameter against differences of SciPy's ppf, which holds the quantile; the cdf's follow, as -p dx.

    SciPy's ppf of a VonMises is measured from the location; `test_derivatives` has it.
    """
    slopes = adapter.jit(
        adapter.value_and_slopes(lambda params, q: getattr(adapter.dist, family.name)(**params).icdf(q))
    )
    for params in family.points:
        with adapter.precision("float64"):
            x, found = slopes(adapter.arrays(params, (3,)), adapter.array([0.1, 0.5, 0.8]))
        for name in params:
            first, _ = along_quantile(family, adapter.numpy(x), params, name)
            np.testing.assert_allclose(adapter.numpy(found[name]), first, rtol=1e-6, atol=1e-7)


@over(UNIVARIATE, slow=compiled)
def test_derivatives(adapter, family):
    """Of cdf and icdf by value and parameters, and of second order, against differences of their own values and slopes:
    of all points, each moved in each argument, in one call."""
    cls, points = getattr(adapter.dist, family.name), family.points
    orders = {name: adapter.to_second_order(lambda v, *p, name=name: getattr(cls(*p), name)(v)) for name in CURVES}
    starts = {
        "cdf": np.array([[family.ppf(0.3, **p), *p.values()] for p in points]).T,
        "icdf": np.array([[0.3, *p.values()] for p in points]).T,
    }
    moved = {name: around(start) for name, start in starts.items()}
    with adapter.precision("float64"):
        rows = {name: [adapter.array(row) for row in rows] for name, (rows, _) in moved.items()}
        found = adapter.jit(lambda rows: {name: f(*rows[name]) for name, f in orders.items()})(rows)
    for name, (_, steps) in moved.items():
        value, gradient, hessian = map(adapter.numpy, found[name])
        for i, step in enumerate(steps):
            for of, slope in ((value, gradient[0, ..., i]), (gradient, hessian[0, ..., i, :])):
                step = step.reshape(-1, *[1] * (slope.ndim - 1))
                difference = (of[1 + 2 * i] - of[2 + 2 * i]) / (2.0 * step)
                np.testing.assert_allclose(slope, difference, rtol=1e-5, atol=1e-6, err_msg=name)


CURVES = ("cdf", "icdf")


def around(start):
    """(each row, points along the last axis, with that point first and each argument moved up and down; the steps)."""
    steps = 1e-4 * np.abs(start) + 1e-5
    moves = [np.zeros_like(start)]
    for i in range(len(start)):
        move = np.zeros_like(start)
        move[i] = steps[i]
        moves += [move, -move]
    return np.stack([start + move for move in moves], 1), steps


@univariate
def test_ends(adapter, family):
    """0 and 1 are the ends of the support, and back; beyond them, without validation, nothing more is added."""
    params = adapter.arrays(family.points[0])
    x, value = map(adapter.numpy, both(adapter, family.name)(adapter.array([0.0, 1.0]), params))
    np.testing.assert_allclose(x, family.ends, rtol=1e-7)
    np.testing.assert_array_equal(value, [0.0, 1.0])
    low, high = family.ends
    if math.isfinite(low) and adapter.eager:
        free = getattr(adapter.dist, family.name)(**params, validate_args=False)
        value, slope = adapter.value_and_slopes(free.cdf)(adapter.array([low - 1.0, high + 1.0]))
        np.testing.assert_array_equal(adapter.numpy(value), [0.0, 1.0])
        np.testing.assert_array_equal(adapter.numpy(slope), 0.0)


@univariate
def test_validation(adapter, family):
    d = getattr(adapter.dist, family.name)(**adapter.arrays(family.points[0]), validate_args=True)
    for q in (-0.1, 1.5, math.nan):
        with pytest.raises(ValueError, match=rf"{family.name}: quantile .* must lie in \[0, 1\], but found"):
            d.icdf(q)
    for x in (*family.outside, math.nan):
        with pytest.raises(ValueError, match=rf"{family.name}: value .* must lie in \[.*\], but found"):
            d.cdf(x)


@univariate
def test_shapes_and_vmap(adapter, family):
    q = adapter.array([0.25, 0.5, 0.75])
    d = getattr(adapter.dist, family.name)(**adapter.arrays(family.points[1], (4, 1)))
    x = adapter.shapes(d.icdf, q)
    assert x.shape == adapter.shapes(d.cdf, x).shape == (4, 3)
    if adapter.name == "pyro":  # NumPyro's ExpandedDistribution has no cdf
        assert d.expand((4, 3)).cdf(x).shape == (4, 3)
    assert adapter.shapes(d.entropy).shape == d.batch_shape == (4, 1)
    _, value = adapter.vmap(both(adapter, family.name), (0, None))(q, adapter.arrays(family.points[1]))
    np.testing.assert_allclose(adapter.numpy(value), adapter.numpy(q), rtol=2e-5)


# ------------------------------------------------------------------------------------------------------ log_cdf, log_sf


@over([family for family in UNIVARIATE if family.tails])
@precisions
def test_log_tails(adapter, family, precision):
    """Against mpmath, out to where the masses underflow."""
    params, values = family.tails
    rtol = {"float32": 2e-6, "float64": 1e-12}[precision]
    # that of a von Mises's larger mass is right in absolute terms
    atol = rtol if family.name == "VonMises" else float(np.finfo(precision).tiny)
    truth = zip(*(family.log_masses(x, params) for x in values), strict=True)
    with adapter.precision(precision):
        d = getattr(adapter.dist, family.name)(**adapter.arrays(params))
        both = adapter.jit(lambda x: (d.log_cdf(x), d.log_sf(x)))(adapter.array(values))
        for found, exact in zip(both, truth, strict=True):
            assert adapter.dtype_of(found) == precision
            np.testing.assert_allclose(adapter.numpy(found), exact, rtol=rtol, atol=atol)


# -------------------------------------------------------------------------------------------------- entropy and moments


@over([family for family in FAMILIES if family.scipy])
@precisions
def test_entropy_is_scipys(adapter, family, precision):
    """From tiny parameters to large ones, where the textbook's formula cancels in float32."""
    rtol = {"float64": 1e-9, "float32": 2e-6}[precision]  # SciPy's own digits in float64
    entropy = adapter.jit(lambda params: getattr(adapter.dist, family.name)(**params).entropy())
    with adapter.precision(precision):
        for params in (*family.points, *family.entropies):
            found = adapter.numpy(entropy(adapter.arrays(params)))
            exact = {name: np.asarray(v, dtype=precision).astype(float) for name, v in params.items()}
            np.testing.assert_allclose(found, family.scipy(*exact.values()).entropy(), rtol=rtol, atol=rtol)


@over(UNIVARIATE, when=lambda adapter, _: adapter.eager)
def test_entropy_by_quadrature(adapter, family):
    """Of -p log p over the quantiles."""
    nodes = np.linspace(0.0, 1.0, 2003)[1:-1]
    for params in family.points:
        with adapter.precision("float64"):
            d = getattr(adapter.dist, family.name)(**adapter.arrays(params))
            log_p = adapter.numpy(d.log_prob(d.icdf(adapter.array(nodes))))
        expected = integrate.trapezoid(-log_p, nodes) / (nodes[-1] - nodes[0])
        # the quadrature leaves out an end's -log p, of some 1e-2
        np.testing.assert_allclose(adapter.numpy(d.entropy()), expected, atol=0.03)


def test_moments(adapter):
    """Infinite where they are, without a NaN in the gradient; the circular variance of a needle."""
    a, dist = adapter.array([0.5, 1.0, 2.0, 3.0]), adapter.dist
    inf = math.inf
    truth = {"mean": [inf, inf, 2.0, 1.0], "variance": [inf, inf, inf, 1.0]}
    for moment, expected in truth.items():
        value, slope = adapter.value_and_slopes(lambda a, moment=moment: getattr(dist.InverseGamma(a, 2.0), moment))(a)
        np.testing.assert_allclose(adapter.numpy(value), expected)
        assert np.isfinite(adapter.numpy(slope)).all()
    assert np.isfinite(adapter.numpy(adapter.slopes(lambda a: dist.StudentT(a).variance)(a))).all()
    kappa = adapter.array([1e-30, 1e-3, 2.0, 1e4, 1e8])
    truth = [1.0, 0.9995000000625, 0.30222534203599975, 5.000125015636e-05, 5.0000000125e-09]
    np.testing.assert_allclose(adapter.numpy(dist.VonMises(0.0, kappa).variance), truth, rtol=1e-6)


def test_quantiles_of_a_nearly_uniform_von_mises(adapter):
    """Newton's method started past pi once, and stayed there: the angles of small masses were the ends."""
    kappa, q = np.float32([[0.01], [0.2], [0.28], [0.5]]), np.float32([0.001, 0.03, 0.05, 0.06, 0.1, 0.95])
    found = adapter.dist.VonMises(0.0, adapter.array(kappa)).icdf(adapter.array(q))
    np.testing.assert_allclose(adapter.numpy(found), stats.vonmises.ppf(q, kappa), rtol=2e-6)


# name -> parameters where a moment's mass lies far beyond the density's, or the two terms of a variance agree; the mean
# of x**n
MOMENTS = {
    "Kumaraswamy": (
        [[0.25, 0.5], [32.0, 8192.0], [1024.0, 0.25], [0.5, 64.0], [2.0, 5.0]],
        lambda n, a, b: b * mp.beta(1 + n / a, b),
    ),
    "GeneralizedInverseGaussian": (
        [[-1.625, 0.0078125, 2.0], [-2.5, 0.125, 1.0], [-40.0, 0.5, 1.0], [0.5, 0.25, 3.0], [3.0, 400.0, 0.5]],
        lambda n, p, b, scale: scale**n * mp.besselk(p + n, b) / mp.besselk(p, b),
    ),
}


@pytest.mark.parametrize("name", MOMENTS)
def test_moments_that_cancel_or_lie_far_out(adapter, name):
    """(A variance by the difference of its two terms has no digit left in the second row.)"""
    params, moment = MOMENTS[name]
    d = getattr(adapter.dist, name)(*map(adapter.array, np.array(params).T))
    with mp.workdps(40):
        mean, square = ([moment(n, *map(mp.mpf, row)) for row in params] for n in (1, 2))
        variance = [float(s - m * m) for m, s in zip(mean, square, strict=True)]
    np.testing.assert_allclose(adapter.numpy(d.mean), np.array(mean, float), rtol=2e-6)
    np.testing.assert_allclose(adapter.numpy(d.variance), variance, rtol=1e-5)
