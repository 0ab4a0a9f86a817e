"""Truncated distributions that are narrower than their dtype's numbers lie apart at the bound, and very wide ones."""

import numpy as np
import pytest
from mpmath import mp

from tests.adapters import over
from tests.shared.test_truncated import check, target
from tests.truncation import point

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


# most of their mass lies where x, or its distance from an end, is e^(-1e9) to e^(1e12)
WIDE = {
    p.base: p
    for p in (
        point("Gamma", {"concentration": 1e-9, "rate": 2.0}, None, 1.0, 0.25, 0.875),
        point("Beta", {"concentration1": 2.0, "concentration0": 1e-12}, 0.25, None, 0.5, 0.96875),
        point("AffineBeta", {"concentration1": 1e-9, "concentration0": 0.5, "loc": -1.0, "scale": 2.0}, None, 0.5, 0.0),
        point("StudentT", {"df": 1e-6, "loc": 0.5, "scale": 2.0}, 1.0, None, 1.5, 16.0),
        point("Pareto", {"scale": 1.0, "alpha": 1e-10}, 1.5, None, 2.0, 4096.0),
    )
}


@pytest.mark.parametrize("precision", ["float64", "float32"])
@over(WIDE, "p", when=lambda adapter, p: adapter.eager or p.base in ("Gamma", "StudentT"))
def test_tails_that_hardly_fall(adapter, p, precision):
    """Their masses were cut off after 1e8 e-folds or fewer: densities were off by e^2 at 1e-9 and by e^9 at 1e-12."""
    check(adapter, [p], precision, target(adapter, p.base, precision), open_ends=False)
