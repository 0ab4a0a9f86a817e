"""Every name of the `Namespace` protocol on both sides of the seam, against the standard library, NumPy and mpmath."""

import functools
import math
from functools import partial

import jax
import numpy as np
import pytest
import torch
from mpmath import mp

import numpyro_irg.xp
import pyro_irg.xp
import pyro_irg.xp64
import pyro_irg.xp_numpy
import pyro_irg.xp_numpy64
import pyro_irg.xp_numpy_tame
from irg_kernels.namespace import Namespace
from irg_kernels.numerics.quadrature import gauss_legendre
from tests.kernels.backends import BACKENDS, NUMPY, Backend

NAMES = {name for name in Namespace.__dict__ if not name.startswith("_")} | set(Namespace.__annotations__)
NAMES -= {name for name in NAMES if name in vars(type(Namespace))}  # what the protocol class itself brings

ALL = np.concatenate([-np.geomspace(1e-6, 80.0, 25), [0.0], np.geomspace(1e-6, 80.0, 25)])
POSITIVE = np.geomspace(1e-30, 1e30, 61)
EVERY_SIZE = np.concatenate([-np.geomspace(1e-37, 3e38, 76), [0.0], np.geomspace(1e-37, 3e38, 76)])
FAR_BELOW = np.concatenate([-np.geomspace(1e-3, 1e4, 71), np.linspace(-7.0, 5.0, 49)])
INTERVAL = np.linspace(-1.0, 1.0, 41)


def log_ndtr(x):
    return mp.log(mp.ncdf(x)) if x < 0 else mp.log1p(-mp.ncdf(-x))


def ndtri(q):
    """By Newton's method on log Phi, from the leading term of the tail."""
    x = -mp.sqrt(-2 * mp.log(2 * q))
    for _ in range(12):
        x += mp.log(q / mp.ncdf(x)) * mp.ncdf(x) / mp.npdf(x)
    return x


# name -> (exact function, points, error allowed in eps).  Vectorised elementary functions are good to 1 or 2 eps.
ELEMENTARY = {
    "exp": (mp.exp, ALL, 4),
    "expm1": (mp.expm1, ALL, 4),
    "log": (mp.log, POSITIVE, 4),
    "log1p": (
        mp.log1p,
        np.concatenate([[-0.999, -0.5, -1e-3, -1e-20, 0.0], POSITIVE]),
        4,
    ),  # but XLA, -.414 to -.366: 119
    "sqrt": (mp.sqrt, np.concatenate([[0.0], POSITIVE]), 1),
    "sin": (mp.sin, np.linspace(-4.0, 4.0, 33), 4),
    "cos": (mp.cos, np.linspace(-4.0, 4.0, 33), 4),
    "arcsin": (mp.asin, INTERVAL, 4),
    "arcsinh": (mp.asinh, EVERY_SIZE, 4),
    "abs": (abs, ALL, 0),
    "sigmoid": (lambda x: 1 / (1 + mp.exp(-x)), ALL, 4),
    "softplus": (lambda x: mp.log1p(mp.exp(x)), ALL, 4),
    # JAX's float32 digamma is off by some eps of its terms, psi(x) itself being small near its zero at 1.46
    "digamma": (mp.digamma, np.geomspace(1e-6, 1e6, 49), 20),
    # JAX's is a difference of terms of size 8, and 0.1 itself at 2.2
    "lgamma": (mp.loggamma, np.concatenate([np.geomspace(1e-6, 0.9, 20), np.geomspace(2.2, 1e6, 29)]), 100),
    "i0e": (lambda x: mp.besseli(0, x) * mp.exp(-abs(x)), ALL, 8),
    "i1e": (lambda x: mp.besseli(1, x) * mp.exp(-abs(x)), ALL, 8),
    "erf": (mp.erf, ALL, 8),
    # where it is small, the rounding of x**2 inside counts: x**2 / 2 eps at the most
    "erfc": (mp.erfc, np.linspace(-9.0, 9.0, 46), 50),
    "log_ndtr": (log_ndtr, FAR_BELOW, 20),
    "ndtri": (ndtri, np.concatenate([np.geomspace(2e-38, 0.4, 60), 0.5 - np.geomspace(1e-6, 0.1, 20)]), 4),
}

backends = pytest.mark.parametrize("backend", (*BACKENDS, *NUMPY), ids=str)


@functools.cache
def exact(function, points, precision):
    """Points rounded to the precision, function there; at 60 digits, for 1 - x**2 K cancels at 1e4."""
    points = np.array(points).astype(precision).astype(np.float64)
    with mp.workdps(60):
        return points, np.array([float(mp.re(function(mp.mpf(x)))) for x in points])


@backends
@pytest.mark.parametrize("name", ELEMENTARY)
def test_elementary(name, backend):
    function, points, allowed = ELEMENTARY[name]
    points, truth = exact(function, tuple(points), backend.precision)
    values = backend.values(lambda xp, x: getattr(xp, name)(x), points)
    np.testing.assert_allclose(values, truth, rtol=allowed * backend.eps, atol=backend.tiny)


# name -> (first derivative, second derivative, points, error of each allowed in eps)
DERIVATIVES = {
    "arcsinh": (lambda x: 1 / mp.sqrt(1 + x * x), lambda x: -x / mp.sqrt(1 + x * x) ** 3, EVERY_SIZE, 4, 8),
    # next to the cut, at -6 or -4, the rounding of x / sqrt(2) counts x**2 / 2 = 18 units, and 1/36 is left of both
    # terms of the second
    "log_ndtr": (
        lambda x: mp.npdf(x) / mp.ncdf(x),
        lambda x: -mp.npdf(x) / mp.ncdf(x) * (x + mp.npdf(x) / mp.ncdf(x)),
        FAR_BELOW,
        30,
        200,
    ),
}


@backends
@pytest.mark.parametrize("name", DERIVATIVES)
def test_derivatives(name, backend):
    """Of first and second order, at every size of the argument."""
    *orders, at, first, second = DERIVATIVES[name]
    (points, *_), truth = zip(*(exact(f, tuple(at), backend.precision) for f in orders), strict=True)

    def sloped(xp, x):
        # the derivative by the library's own autodiff, so that it can be differentiated again
        if isinstance(x, torch.Tensor):
            x = x if x.requires_grad else x.clone().requires_grad_()
            return torch.autograd.grad(getattr(xp, name)(x).sum(), x, create_graph=True)[0]
        return jax.vmap(jax.grad(partial(getattr(xp, name))))(x)

    values, (slopes,) = backend.values_and_slopes(sloped, points)
    np.testing.assert_allclose(values, truth[0], rtol=first * backend.eps, atol=backend.tiny)
    np.testing.assert_allclose(slopes, truth[1], rtol=second * backend.eps, atol=backend.tiny)


def check_sigmoid_and_softplus_tails(backend: Backend):
    """Neither overflows, nor loses the small tail."""
    x = np.array([-1e4, -50.0, 50.0, 1e4])
    np.testing.assert_allclose(
        backend.values(lambda xp, x: xp.sigmoid(x), x), [0, math.exp(-50), 1, 1], 4 * backend.eps
    )
    softplus = backend.values(lambda xp, x: xp.softplus(x), x)
    np.testing.assert_allclose(softplus, [0, math.exp(-50), 50, 1e4], 4 * backend.eps)
    slopes = backend.slopes(lambda xp, x: xp.softplus(x), x)[0]
    np.testing.assert_allclose(slopes, [0, math.exp(-50), 1, 1], 4 * backend.eps)


def check_where(backend: Backend):
    """Python scalars in either place follow the dtype."""
    x, y = np.array([-1.0, 2.0, 0.5]), np.array([3.0, 4.0, 5.0])
    same = partial(np.testing.assert_array_equal)

    def chosen(xp, x, y):
        return tuple(xp.where(x > 0.0, *pair) for pair in ((x, y), (x, 7.0), (7.0, y)))

    for values, wanted in zip(
        backend.values(chosen, x, y), ([3.0, 2.0, 0.5], [7.0, 2.0, 0.5], [3.0, 7.0, 7.0]), strict=True
    ):
        same(values, wanted)
    same(backend.slopes(lambda xp, x, y: xp.where(x > 0.0, x, y), x, y), [[0, 1, 1], [1, 0, 0]])


def check_extremes(backend: Backend, name, function):
    x, y = np.array([-1.0, 2.0, 0.5]), np.array([3.0, -4.0, 0.25])

    def extremes(function, x, y):
        return tuple(function(*pair) for pair in ((x, y), (x, 1.0), (1.0, y)))

    found = backend.values(lambda xp, x, y: extremes(getattr(xp, name), x, y), x, y)
    for values, wanted in zip(found, extremes(function, x, y), strict=True):
        np.testing.assert_array_equal(values, wanted)


def check_arctan2(backend: Backend):
    """The angle of (x, y), that of a small one to all its digits."""
    y, x = np.array([1.0, 1.0, -1.0, 1e-20, 0.3]), np.array([1e20, -2.0, -2.0, 3.0, 0.4])
    values = backend.values(lambda xp, *a: xp.arctan2(*a), y, x)
    np.testing.assert_allclose(values, np.arctan2(y, x), rtol=4 * backend.eps)


def check_copysign(backend: Backend):
    """The size of the first with the sign of the second, that of a zero too; the slope is that of the size."""
    x, y = np.array([1.5, 1.5, -2.0, -2.0, 3.0, 3.0]), np.array([2.0, -2.0, 1e-30, -1e-30, 0.0, -0.0])
    np.testing.assert_array_equal(backend.values(lambda xp, *a: xp.copysign(*a), x, y), np.copysign(x, y))
    slopes = backend.slopes(lambda xp, x, y: xp.copysign(x, y), x, y)
    np.testing.assert_array_equal(slopes[0], np.sign(x) * np.copysign(1.0, y))
    np.testing.assert_array_equal(slopes[1], 0.0)


def check_indicator(backend: Backend):
    x = np.array([-1.0, 2.0, 0.5])
    np.testing.assert_array_equal(backend.values(lambda xp, x: xp.indicator(x > 0.0, like=x), x), [0.0, 1.0, 1.0])


def check_reduction(backend: Backend, name, function):
    x = np.arange(24.0).reshape(2, 3, 4) % 7.0
    options = [{"axis": axis, "keepdims": keepdims} for axis in (0, 1, 2, -1) for keepdims in (False, True)]
    options.append({"axis": 1})
    values = backend.values(lambda xp, x: tuple(getattr(xp, name)(x, **option) for option in options), x)
    for value, option in zip(values, options, strict=True):
        np.testing.assert_array_equal(value, function(x, **option))


def check_clip(backend: Backend):
    x = np.array([-3.0, -1.0, -0.5, 0.5, 2.0, 4.0, np.inf])
    np.testing.assert_array_equal(backend.values(lambda xp, x: xp.clip(x, -1.0, 2.0), x), np.clip(x, -1.0, 2.0))
    slopes = backend.slopes(lambda xp, x: xp.clip(x, -1.0, 2.0), x)[0]
    np.testing.assert_array_equal(slopes, [0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0])


def check_round(backend: Backend):
    x = np.array([-2.5, -1.5, -0.4, 0.5, 1.5, 2.6, 1e6])
    np.testing.assert_array_equal(backend.values(lambda xp, x: xp.round(x), x), [-2.0, -2.0, 0.0, 0.0, 2.0, 3.0, 1e6])
    np.testing.assert_array_equal(backend.slopes(lambda xp, x: x * xp.round(x), x)[0], np.round(x))


def check_log_softmax(backend: Backend):
    """Along the last axis, also of what overflows."""
    x = np.array([[0.5, -1.0, 2.0], [1e4, 1e4 - 1.0, -1e4]])
    below = x - x.max(axis=-1, keepdims=True)
    exact = below - np.log(np.exp(below).sum(axis=-1, keepdims=True))
    np.testing.assert_allclose(backend.values(lambda xp, x: xp.log_softmax(x), x), exact, rtol=8 * backend.eps)
    slopes = backend.slopes(lambda xp, x: xp.log_softmax(x), x)[0]
    np.testing.assert_allclose(slopes, 1.0 - 3.0 * np.exp(exact), rtol=8 * backend.eps, atol=8 * backend.eps)


def check_stack(backend: Backend):  # and concatenate and sort
    x, y = np.arange(6.0).reshape(2, 3), -np.arange(6.0).reshape(2, 3)
    axes = (0, 1, 2, -1)
    *values, of_list, joined, ascending = backend.values(
        lambda xp, *a: (*(xp.stack(a, axis=i) for i in axes), xp.stack(list(a)), xp.concatenate(a), xp.sort(a[1])), x, y
    )
    np.testing.assert_array_equal(ascending, y[::-1])
    for value, axis in zip((*values, of_list), (*axes, 0), strict=True):
        np.testing.assert_array_equal(value, np.stack([x, y], axis=axis))
    np.testing.assert_array_equal(joined, np.concatenate([x, y]))


def check_matmul(backend: Backend):
    x, y = np.arange(12.0).reshape(2, 2, 3), np.arange(6.0).reshape(3, 2)
    np.testing.assert_array_equal(backend.values(lambda xp, *a: xp.matmul(*a), x, y), x @ y)


def check_stop_gradient(backend: Backend):
    x = np.array([1.5, -2.0])
    np.testing.assert_array_equal(backend.values(lambda xp, x: xp.stop_gradient(x), x), x)
    np.testing.assert_array_equal(backend.slopes(lambda xp, x: x * xp.stop_gradient(x), x)[0], x)


def check_finfo(backend: Backend):
    """That of the answer: float32's where float64 arithmetic serves a float32 answer."""
    limits = np.finfo(backend.precision)
    with backend.session():
        found = backend.xp.finfo(backend.array(np.ones(2)))
    for field in ("eps", "tiny", "max"):
        assert float(getattr(found, field)) == float(getattr(limits, field))


def check_constant(backend: Backend):
    values = (0.1, 2.0, -1e-20)
    found = backend.values(lambda xp, x: xp.constant(values, like=x), np.ones((2, 2)))
    np.testing.assert_array_equal(found, np.array(values).astype(backend.precision))


def check_has_guard_digits(backend: Backend):
    with backend.session():
        digits = np.asarray(backend.array(np.ones(1))).dtype.itemsize
    assert backend.xp.has_guard_digits is (digits > np.dtype(backend.precision).itemsize)


def check_integrate(backend: Backend):
    """Values and slopes, by two rules at once; in any shape, and of more elements than torch takes in one group."""
    nodes, weights = gauss_legendre(12)

    def integrals(xp, x):
        return tuple(xp.integrate(lambda u: xp.exp(-x * u), nodes, weights, (1.0,) * len(nodes), like=x))

    for shape in ((), (3, 2), (0,), (2, 0), (20_000,)):
        x = 0.5 + np.arange(math.prod(shape), dtype=np.float64).reshape(shape) % 4.0
        by_the_rule, unweighted = backend.values(integrals, x)
        np.testing.assert_allclose(by_the_rule, -np.expm1(-x) / x, rtol=8 * backend.eps)
        expected = np.sum(np.exp(-np.multiply.outer(nodes, x)), axis=0)
        np.testing.assert_allclose(unweighted, expected, rtol=8 * backend.eps)
    slopes = backend.slopes(lambda xp, x: integrals(xp, x)[0], x)[0]
    np.testing.assert_allclose(slopes, (np.exp(-x) * (1.0 + x) - 1.0) / x**2, rtol=16 * backend.eps)


def check_converge(backend: Backend):
    """Until all are done, or as often as allowed."""
    x = np.array([1.0, 5.0, 3.0])

    def halved(xp, x, most):
        return xp.converge(lambda s: (0.5 * s[0], s[1] + 1.0), (x, 0.0 * x), lambda s: s[0] < 1.0, most)[1]

    all_done, twice = backend.values(lambda xp, x: (halved(xp, x, 10), halved(xp, x, 2)), x)
    np.testing.assert_array_equal(all_done, 3.0)
    np.testing.assert_array_equal(twice, 2.0)


def check_frexp(backend: Backend):
    """x = m 2**n exactly, without derivative."""
    x = np.geomspace(1e-30, 1e30, 61).astype(backend.precision).astype(np.float64)
    mantissa, exponent = backend.values(lambda xp, x: tuple(xp.frexp(x)), x)
    assert np.all((mantissa >= 0.5) & (mantissa < 1.0))
    np.testing.assert_array_equal(mantissa * 2.0**exponent, x)
    np.testing.assert_array_equal(backend.slopes(lambda xp, x: x * xp.frexp(x)[0], x)[0], mantissa)


def check_addcmul(backend: Backend):
    x, y, z = np.array([-1.0, 2.0]), np.array([3.0, -4.0]), np.array([0.5, 0.25])
    added, subtracted = backend.values(lambda xp, *a: (xp.addcmul(*a), xp.addcmul(*a, -2.0)), x, y, z)
    np.testing.assert_array_equal(added, x + y * z)
    np.testing.assert_array_equal(subtracted, x - 2.0 * y * z)
    slopes = backend.slopes(lambda xp, *a: xp.addcmul(*a, -2.0), x, y, z)
    np.testing.assert_array_equal(slopes, [[1.0, 1.0], -2.0 * z, -2.0 * y])


def check_bivariate(backend: Backend):
    """In any shape; so are the derivatives."""
    table, x, y = ((1.0, -2.0, 0.5), (0.0, 3.0, -1.0)), np.array([[-0.5, 0.0, 2.0]]), np.array([[0.25, -1.0, 0.0]])
    found = backend.values(lambda xp, *a: xp.bivariate(table, *a), x, y)
    np.testing.assert_allclose(found, np.polynomial.polynomial.polyval2d(x, y, np.array(table)), rtol=4 * backend.eps)
    by_x, by_y = backend.slopes(lambda xp, *a: xp.bivariate(table, *a), x, y)
    np.testing.assert_allclose(by_x, 3.0 * y - y * y, rtol=4 * backend.eps)
    np.testing.assert_allclose(by_y, -2.0 + y + x * (3.0 - 2.0 * y), rtol=4 * backend.eps)


def check_blend(backend: Backend):
    """Exact at both ends, also of what differs in size; the gradient goes to the one chosen."""
    x, y, weight = np.array([0.1, 0.1, 1e30, 1e-30]), np.array([0.3, 0.3, 1e-30, 1e30]), np.array([0.0, 1.0, 1.0, 0.0])
    x, y = (column.astype(backend.precision).astype(np.float64) for column in (x, y))
    np.testing.assert_array_equal(
        backend.values(lambda xp, *a: xp.blend(*a), x, y, weight), np.where(weight > 0.5, y, x)
    )
    slopes = backend.slopes(lambda xp, x, y: xp.blend(x, y, xp.indicator(x > 1.0, like=x)), x, y)
    np.testing.assert_array_equal(slopes, [x <= 1.0, x > 1.0])


CHECKS = {
    "sigmoid": check_sigmoid_and_softplus_tails,
    "softplus": check_sigmoid_and_softplus_tails,
    "where": check_where,
    "minimum": partial(check_extremes, name="minimum", function=np.minimum),
    "maximum": partial(check_extremes, name="maximum", function=np.maximum),
    "bivariate": check_bivariate,
    "blend": check_blend,
    "arctan2": check_arctan2,
    "copysign": check_copysign,
    "addcmul": check_addcmul,
    "indicator": check_indicator,
    "sum": partial(check_reduction, name="sum", function=np.sum),
    "max": partial(check_reduction, name="max", function=np.max),
    "clip": check_clip,
    "round": check_round,
    "log_softmax": check_log_softmax,
    **dict.fromkeys(("concatenate", "sort", "stack"), check_stack),
    "matmul": check_matmul,
    "stop_gradient": check_stop_gradient,
    "finfo": check_finfo,
    "frexp": check_frexp,
    "constant": check_constant,
    "has_guard_digits": check_has_guard_digits,
    "integrate": check_integrate,
    "converge": check_converge,
}


@backends
@pytest.mark.parametrize("name", CHECKS)
def test_the_rest(name, backend):
    CHECKS[name](backend)


def test_every_name_is_tested():
    tested = ELEMENTARY.keys() | CHECKS.keys()
    assert tested == NAMES, f"without a test: {sorted(NAMES - tested)}; not in the protocol: {sorted(tested - NAMES)}"


@pytest.mark.parametrize("module", [pyro_irg.xp, numpyro_irg.xp], ids=lambda module: module.__name__)
def test_modules_list_the_protocol(module):
    assert set(module.__all__) == NAMES
    assert sorted(module.__all__) == module.__all__


MODULES = [
    pyro_irg.xp, pyro_irg.xp64, pyro_irg.xp_numpy, pyro_irg.xp_numpy64, pyro_irg.xp_numpy_tame, numpyro_irg.xp,
]  # fmt: skip


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_modules_have_the_protocol(module):
    assert not {name for name in NAMES if not hasattr(module, name)}


@backends
@pytest.mark.parametrize("name", sorted(NAMES & (ELEMENTARY.keys() | {"minimum", "maximum"})))
def test_dtypes(name, backend):
    """What goes in comes out, Python scalars notwithstanding."""
    others = () if name in ELEMENTARY else (0.5,)
    x = np.array([0.25, 0.5])
    found = backend.dtype_of(lambda xp, x: getattr(xp, name)(x, *others), x)
    assert found == backend.dtype_of(lambda xp, x: x, x)


# Names that no elementwise call of one array covers, each as a function of (xp, array of shape (3,)).
ON_VECTORS = {
    "where": lambda xp, x: xp.where(x > 0.4, x, 2.0 * x),
    "minimum": lambda xp, x: xp.minimum(x, 1.0 - x),
    "maximum": lambda xp, x: xp.maximum(x, 1.0 - x),
    "bivariate": lambda xp, x: xp.bivariate(((1.0, 2.0), (3.0, -1.0)), x, x * x),
    "blend": lambda xp, x: xp.blend(x, 2.0 * x, xp.indicator(x > 0.4, like=x)),
    "arctan2": lambda xp, x: xp.arctan2(x, 1.0 - 2.0 * x),
    "copysign": lambda xp, x: xp.copysign(x, x - 0.4),
    "addcmul": lambda xp, x: xp.addcmul(x, x, 1.0 + x, -2.0),
    "indicator": lambda xp, x: x * xp.indicator(x > 0.4, like=x),
    "sum": lambda xp, x: xp.sum(x * x, axis=0),
    "max": lambda xp, x: xp.max(x * x, axis=0, keepdims=True),
    "sort": lambda xp, x: xp.sort(x * (1.0 - x)),
    "clip": lambda xp, x: xp.clip(x, 0.25, 0.6),
    "round": lambda xp, x: x * xp.round(4.0 * x),
    "log_softmax": lambda xp, x: xp.log_softmax(x),
    "concatenate": lambda xp, x: xp.concatenate([x, x * x]),
    "stack": lambda xp, x: xp.stack([x, x * x], axis=1),
    "matmul": lambda xp, x: xp.matmul(x.reshape((3, 1)), x.reshape((1, 3))),
    "stop_gradient": lambda xp, x: x * xp.stop_gradient(x),
    "finfo": lambda xp, x: x * float(xp.finfo(x).eps),
    "frexp": lambda xp, x: x * xp.frexp(x)[0],
    "constant": lambda xp, x: x * xp.constant((1.0, 2.0, 3.0), like=x),
    "has_guard_digits": lambda xp, x: 2.0 * x if xp.has_guard_digits else x,
    "integrate": lambda xp, x: xp.integrate(lambda u: xp.exp(-x * u), *gauss_legendre(3), like=x)[0],
    "converge": lambda xp, x: x * xp.converge(
        lambda s: (0.5 * s[0], s[1] + 1.0), (xp.stop_gradient(x), 0.0 * x), lambda s: s[0] < 0.1, 3
    )[0],
}  # fmt: skip


@pytest.mark.parametrize("backend", BACKENDS, ids=str)
@pytest.mark.parametrize("name", sorted(NAMES))
def test_vmap(name, backend):
    """Rows side by side are as each alone, in value and gradient, without a warning of the library's."""
    function = ON_VECTORS.get(name) or (lambda xp, x: getattr(xp, name)(x))
    x = np.array([[0.1, 0.3, 0.5], [0.2, 0.7, 0.9]])
    vmap, grad = (jax.vmap, jax.grad) if backend.xp is numpyro_irg.xp else (torch.func.vmap, torch.func.grad)

    def total(xp, x):
        return function(xp, x).sum()

    each = (function, total, lambda xp, x: grad(partial(total, xp))(x))

    def together_and_alone(xp, x):
        rows = [tuple(f(xp, row) for f in each) for row in x]
        return tuple(vmap(partial(f, xp))(x) for f in each), *rows

    together, *rows = backend.values(together_and_alone, x)
    for values, *alone in zip(together, *rows, strict=True):
        np.testing.assert_allclose(values, np.stack(alone), rtol=8 * backend.eps)
