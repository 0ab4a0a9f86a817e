"""Truncated distributions that are narrower than their dtype's numbers lie apart at the bound."""

import numpy as np
import pytest
from mpmath import mp

# shape, rate and lower bound: of x - low, whose spacing is 16 (float32) or 3e-8 at 2e8, the scale is 1 / rate
NARROW = ((0.01, 1e8, 2e8), (2.0, 1e8, 1.0), (0.01, 1e12, 1e10), (0.5, 1e30, 1e3))


def log_hazard(shape, rate, low):
    """log p(low) - log P(X > low): the upper tail in units of the density at its end."""
    z = mp.mpf(rate) * mp.mpf(low)
    return mp.log(rate) - mp.log(mp.quad(lambda t: mp.exp((shape - 1) * mp.log1p(t / z) - t), [0, 10, 100]))


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_log_density_at_the_bound(adapter, precision):
    """There the density is the hazard of the whole distribution."""
    with adapter.precision(precision):
        log_density = adapter.jit(
            lambda shape, rate, low: adapter.dist.Truncated(adapter.dist.Gamma(shape, rate), low=low).log_prob(low)
        )
        for point in NARROW:
            found = adapter.numpy(log_density(*map(adapter.array, point)))
            rounded = [float(np.dtype(precision).type(value)) for value in point]
            np.testing.assert_allclose(found, float(log_hazard(*rounded)), rtol=8 * np.finfo(precision).eps)
