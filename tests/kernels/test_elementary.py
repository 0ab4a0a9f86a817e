"""The functions in which nothing cancels, against mpmath."""

import numpy as np
import pytest
from mpmath import mp

from irg_kernels.numerics.elementary import digamma_minus_log, digamma_terms, expm1mx, horner, log1pmx_near_0
from tests.kernels.backends import QUICK

NATIVE = [backend for backend in QUICK if not backend.xp.has_guard_digits]
FLOAT64 = [backend for backend in QUICK if backend.xp.has_guard_digits]
native = pytest.mark.parametrize("backend", NATIVE, ids=str)
float64 = pytest.mark.parametrize("backend", FLOAT64, ids=str)

# what expm1mx and its derivative may be off by, in eps
ROUNDINGS = {"float32": 8, "float64": 32}

SIZES = np.concatenate([10.0 ** np.arange(-30.0, -2.0), np.geomspace(0.01, 1.0, 400)])


def exact(function, points, precision):
    """function of the points rounded to the precision, as float64, at 60 digits."""
    with mp.workdps(60):
        return np.array([float(function(mp.mpf(float(x)))) for x in points.astype(precision)])


@native
def test_expm1mx(backend):
    """exp(t) - 1 - t on both sides, within the radius of the series, past it and far out.

    Some roundings, and past the radius (1 + s + h) expm1(r) - r cancels: two-fold in float32 (measured 6 eps), ten-fold
    in float64 with its smaller radius (25 eps).  A result below the least normal number may be flushed to 0.
    """
    t = np.concatenate([SIZES, -SIZES, np.linspace(-50.0, 30.0, 161)])
    values = backend.values(expm1mx, t)
    truth = exact(lambda t: mp.expm1(t) - t, t, backend.precision)
    np.testing.assert_allclose(values, truth, rtol=ROUNDINGS[backend.precision] * backend.eps, atol=backend.tiny)


@float64
def test_expm1mx_with_guard_digits(backend):
    """The plain formula: its absolute error is some eps of float64, or of the result."""
    t = np.concatenate([SIZES, -SIZES, np.linspace(-50.0, 30.0, 161)])
    truth = exact(lambda t: mp.expm1(t) - t, t, "float32")
    eps = float(np.finfo(np.float64).eps)
    np.testing.assert_allclose(backend.values(expm1mx, t), truth, rtol=backend.eps, atol=2 * eps)


@native
def test_log1pmx(backend):
    """t - log1p(t) to a few eps within the radius; whoever calls has another form outside."""
    t = np.concatenate([SIZES, -SIZES[SIZES < 1.0]])
    near = backend.values(lambda xp, t: xp.indicator(log1pmx_near_0(xp, t)[0], like=t), t) > 0.5
    values = backend.values(lambda xp, t: -log1pmx_near_0(xp, t)[1], t)
    truth = exact(lambda t: t - mp.log1p(t), t, backend.precision)
    assert np.all(near[np.abs(t) < 0.1]) and not np.any(near[np.abs(t) > 0.3])
    np.testing.assert_allclose(values[near], truth[near], rtol=4 * backend.eps, atol=backend.tiny)
    assert np.all(values[~near] == 0.0)  # finite, and without influence on a gradient


@pytest.mark.parametrize("backend", QUICK, ids=str)
@pytest.mark.parametrize("function", [expm1mx, lambda xp, t: -log1pmx_near_0(xp, t)[1]], ids=["exp", "log1p"])
def test_slopes(backend, function):
    """d/dt: exp(t) - 1 and t / (1 + t); near 0 the error is some eps of t."""
    t = np.concatenate([[0.0], SIZES[SIZES < 0.1], -SIZES[SIZES < 0.1]])
    slopes = backend.slopes(function, t)[0]
    slope = np.expm1 if function is expm1mx else lambda t: t / (1.0 + t)
    expected = slope(t.astype(backend.precision).astype(np.float64))
    # the plain formula of guard digits leaves some eps of float64
    spare = 4 * np.finfo(np.float64).eps if backend.xp.has_guard_digits else 0.0
    np.testing.assert_allclose(
        slopes, expected, rtol=ROUNDINGS[backend.precision] * backend.eps, atol=backend.tiny + spare
    )


@pytest.mark.parametrize("backend", QUICK, ids=str)
def test_digamma_minus_log(backend):
    """Relative to 1/x, the size of both it and its rounding: small x by the native digamma, large x by the series."""
    start, _ = digamma_terms(backend.xp, backend_like(backend))
    x = np.concatenate([np.geomspace(1e-6, 1e12, 200), start * (1.0 + np.linspace(-1e-3, 1e-3, 41))])
    truth = exact(lambda x: mp.digamma(x) - mp.log(x), x, backend.precision)
    errors = np.abs(backend.values(digamma_minus_log, x) / truth - 1.0)
    # below the start it is a difference: psi and log are up to 2.3 in float64 and 1.4 in float32, where it is 1/20 and
    # 1/8, and the native float32 digamma is off by some eps itself
    assert np.max(errors[x >= start]) <= 4 * backend.eps
    assert np.max(errors[x < start]) <= 100 * backend.eps


def backend_like(backend):
    with backend.session():
        return backend.array(np.ones(1))


@pytest.mark.parametrize("backend", QUICK, ids=str)
def test_horner(backend):
    x = np.array([-2.0, 0.0, 0.5])
    values = backend.values(lambda xp, x: horner(x, (1.0, -3.0, 0.25)), x)
    np.testing.assert_array_equal(values, 1.0 - 3.0 * x + 0.25 * x * x)
