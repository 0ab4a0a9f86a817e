"""Both tails of each family on every backend, against mpmath."""

import functools

import numpy as np
import pytest
from mpmath import mp

from irg_kernels.families import von_mises
from tests.cases import CASES as EVERY_CASE
from tests.kernels.backends import QUICK
from tests.rows.von_mises import tails_on_circle

quick = pytest.mark.parametrize("backend", QUICK, ids=str)


CASES = {case.family: case for case in EVERY_CASE}

# Relative error of the smaller tail.  float64: 5e-13 is measured (the rules' own 3e-13; cancellation at 1e6).  float32:
# 5e-6 is measured (the logarithm of a tail of 1e-12 is 28, of which one rounding is 1.7e-6 of the tail).
TAIL = {"float64": 2e-12, "float32": 8e-6}


def logs_of_tails(tails, x, params):
    """(log lower, log upper, density), floats, where cancellation of 60 digits does no harm."""
    with mp.workdps(120):
        lower, upper, density = tails(mp.mpf(float(x)), *(mp.mpf(float(p)) for p in params))
        return float(mp.log(lower)), float(mp.log(upper)), float(density)


@functools.cache
def points(family, precision):
    """30 points of references.json with the logarithms of their tails and their densities."""
    case = CASES[family]
    found = case.points(case.log_tails[0], precision)
    at = found.at
    keep = np.ones(len(at), dtype=bool)
    if family == "student_t":
        keep = np.abs(at) < 8.0
        keep &= (at < 2.0) | (found.params[0] < 100.0)
        at = -np.exp(np.clip(at, -80.0, 80.0)).astype(precision).astype(np.float64)
    if family == "von_mises":  # beyond, the oracle's series cancels; the tail itself underflows
        keep = found.params[0] * (1.0 - np.cos(at)) < 40.0
        keep &= found.params[0] <= 1e4
    chosen = np.random.default_rng(7).permutation(np.flatnonzero(keep))[:30]
    at, params = at[chosen], found.params[:, chosen]
    truth = [logs_of_tails(case.tails, x, p) for x, p in zip(at, params.T)]
    return at, params, np.array(truth).T


@quick
@pytest.mark.parametrize("family", CASES)
def test_tails(family, backend):
    at, params, (lower, upper, density) = points(family, backend.precision)
    tails = CASES[family].log_tails[1]

    def smaller(xp, *args):
        return xp.minimum(*tails(xp, *args))

    truth = np.minimum(lower, upper)
    error = np.abs(backend.values(smaller, at, *params) - truth)
    # in float32 arithmetic Beta's z and 1 - z are rounded: two roundings' worth
    rounding = 2.0 * backend.eps * np.maximum(np.abs(at), 1.0) * density * np.exp(-truth)
    allowed = TAIL[backend.precision] + rounding * (family == "beta" and not backend.xp.has_guard_digits)
    worst = np.argmax(error / allowed)
    assert error[worst] <= allowed[worst], (at[worst], params[:, worst], error[worst])


SHAPES = np.array([0.05, 0.2, 0.2496, 0.2504, 0.4, 0.486, 0.4996, 0.7])
SMALL_SHAPES = {
    "gamma": [(s * (a + 0.4), a) for a in SHAPES for s in (0.5, 0.9, 0.999, 1.01)],
    # the logit of about s times the mean, and for 1 - z
    "beta": [
        (sign * (np.log(s * a / b)), *((a, b) if sign > 0 else (b, a)))
        for a in SHAPES
        for b in (2.0, 30.0, 2000.0)
        for s in (0.5, 1.5)
        for sign in (1.0, -1.0)
    ],
}


@quick
@pytest.mark.parametrize("family", SMALL_SHAPES)
def test_tails_of_small_shapes(family, backend):
    """Next to where one tail is taken for the other, and one way to it for the other."""
    at, *params = np.array(SMALL_SHAPES[family]).astype(backend.precision).astype(float).T
    tails, exact = CASES[family].log_tails[1], CASES[family].tails
    truth = np.array([logs_of_tails(exact, x, p)[:2] for x, *p in zip(at, *params, strict=True)])
    found = backend.values(lambda xp, *args: xp.minimum(*tails(xp, *args)), at, *params)
    error = np.abs(found - truth.min(1))
    allowed = (3e-14 if backend.precision == "float64" else 1.5e-6) * np.maximum(1.0, np.abs(at))
    worst = np.argmax(error / allowed)
    assert error[worst] <= allowed[worst], (SMALL_SHAPES[family][worst], error[worst])


@quick
def test_von_mises_wraps(backend):
    """Measured from -pi for any location; to absolute accuracy, for two masses are subtracted."""
    x, mu, kappa = (c.ravel() for c in np.meshgrid([-3.0, -1.0, 0.5, 3.125], [-3.0, -1.0, 2.5], [0.25, 4.0, 50.0]))
    truth = [logs_of_tails(tails_on_circle, a, p) for a, *p in zip(x, mu, kappa)]
    for k in (0, 1):
        found = backend.values(lambda xp, *a, k=k: xp.exp(von_mises.log_tails(xp, *a)[k]), x, mu, kappa)
        np.testing.assert_allclose(found, np.exp(np.array(truth)[:, k]), atol=16 * backend.eps, rtol=16 * backend.eps)
