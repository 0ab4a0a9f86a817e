"""Truncated normal distributions: draws and moments far out and in narrow intervals, quantiles next to a bound."""

import math

import numpy as np
import pytest
from mpmath import mp

from tests.checks import assert_distributed


def test_draws_and_moments_of_the_normal(adapter):
    """Of 13 and 38 sigma, of a millionth of one: u is uniform; the moments are those of the quantiles."""
    low = np.array([13.0, 38.0, -math.inf, -5e-7, -6.0, -1.0])
    high = np.array([14.0, math.inf, -38.0, 5e-7, 7.0, 2.0])

    def evaluate(key, low, high):
        q = adapter.dist.TruncatedNormal(adapter.array(0.0), 1.0, low=low, high=high)
        x = adapter.detached_draw(q, key, (2000,))
        levels = adapter.array((np.arange(2000)[:, None] + 0.5) / 2000)
        return x, adapter.contains(q.support, x), q.cdf(x), q.icdf(levels), q.mean, q.variance

    found = adapter.compile(evaluate, adapter.key(0), adapter.array(low), adapter.array(high))
    x, inside, u, quantiles, mean, variance = map(adapter.numpy, found)
    assert inside.all() and np.isfinite(x).all()
    for i in range(len(low)):
        assert_distributed(u[:, i], lambda u: u)
        np.testing.assert_allclose(mean[i], quantiles[:, i].mean(), atol=1e-2 * quantiles[:, i].std())
        np.testing.assert_allclose(variance[i], quantiles[:, i].var(), rtol=2e-2)
    dist = adapter.dist
    assert math.isnan(dist.TruncatedCauchy(low=0.0).mean)
    with pytest.raises(NotImplementedError, match="Truncated: mean and variance are known for Normal and Cauchy"):
        _ = dist.Truncated(dist.Gamma(adapter.array(1.0), 1.0), 0.5).mean


NEXT_TO_BOUNDS = np.array(  # loc, scale, low, high
    [[0.7, 1.3, 0.0, 9.0], [-3.0, 1.0, 0.0, 4.0], [0.5, 0.1, 0.0, 1.0], [2.0, 0.7, 1e-3, 1.0], [0.0, 1.0, -4.0, 0.0]]
)


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_quantiles_next_to_a_bound(adapter, precision):
    """To some units of the scale, and so many digits of the distance from the bound."""
    with adapter.precision(precision):
        levels = adapter.numpy(adapter.array([2.0**-24, 1e-4, 0.003, 0.01, 0.1, 0.5, 0.9, 0.99, 1.0 - 2.0**-12]))
        loc, scale, low, high = (adapter.array(column) for column in NEXT_TO_BOUNDS.T)

        def quantiles(levels, loc, scale, low, high):
            return adapter.dist.TruncatedNormal(loc, scale, low=low, high=high).icdf(levels)

        q = adapter.array(np.broadcast_to(levels[:, None], (len(levels), len(loc))))
        found = adapter.numpy(adapter.compile(quantiles, q, loc, scale, low, high))
        rows = np.stack([adapter.numpy(column) for column in (loc, scale, low, high)], -1).astype(float)
    exact = np.array([[float(normal_quantile(u, *row)) for row in rows] for u in levels.astype(float)])
    eps, error = np.finfo(precision).eps, np.abs(found - exact)
    assert (error <= 6.0 * eps * (np.abs(rows[:, 0]) + rows[:, 1])).all()
    digits, distance = 2e-5 if precision == "float32" else 1e-12, np.minimum(exact - rows[:, 2], rows[:, 3] - exact)
    assert (error <= digits * distance + eps * np.abs(exact)).all()


def normal_quantile(u, loc, scale, low, high):
    """By bisection of the distribution function between bounds."""
    below, above = (mp.mpf(end) for end in (low, high))
    with mp.workdps(40):
        at_low, at_high = (mp.ncdf(end, loc, scale) for end in (below, above))
        for _ in range(100):
            middle = (below + above) / 2
            lower = mp.ncdf(middle, loc, scale) < at_low + u * (at_high - at_low)
            below, above = (middle, above) if lower else (below, middle)
    return below
