"""Truncated distributions that are narrower than their dtype's numbers lie apart at the bound, and very wide ones."""

import numpy as np
import pytest
from mpmath import mp

from tests.adapters import over
from tests.families import BY_NAME
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


# so far out that the density at the mode, of which a score's integral is a difference, is 1e7 times the one there
FAR = {
    p.base: p
    for p in (
        point("StudentT", {"df": 1.0, "loc": 0.5, "scale": 2.0}, None, 1e7, 3e4, 2e6),
        point("Levy", {"loc": -1.0, "scale": 0.25}, None, 1e12, 3e5, 2e8),
        point("GeneralizedExtremeValue", {"concentration": 1.5, "loc": 0.5, "scale": 2.0}, None, 1e10, 3e5, 2e8),
        point("JohnsonSU", {"skewness": 0.0, "tailweight": 0.5, "loc": 0.5, "scale": 2.0}, None, 1e7, 3e5, 4e6),
        point("SkewNormal", {"skewness": -50.0, "loc": 0.5, "scale": 2.0}, None, 0.5625, -1.0, 0.25),
    )
}


@pytest.mark.parametrize("precision", ["float64", "float32"])
@over(FAR, "p", when=lambda adapter, p: adapter.eager or p.base != "JohnsonSU")
def test_far_out_in_a_tail(adapter, p, precision):
    """The derivative in the location had no digits; a skew normal's density was 3 % off in NumPyro's float32."""
    check(adapter, [p], precision, target(adapter, p.base, precision))


# shapes, x: where x**a is 1 / (1 + b), once taken for the mode's, far from it; and next to 1, where log x is little
# beside the way to the mode
POWERS = (
    (0.02, 1.0, 2.0**-50),
    (0.02, 0.75, 2.0**-40),
    (0.05, 1.5, 1e-6),
    (0.02, 3.0, 1e-20),
    (1.0, 0.02, 1 - 2.0**-24),
)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_small_powers_of_kumaraswamy(adapter, precision):
    """The mass on one side was off by up to 1e-2, in float64 too."""
    a, b, x = (np.array(values, precision) for values in zip(*POWERS, strict=True))
    with adapter.precision(precision):
        log_density = adapter.jit(
            lambda a, b, x: adapter.dist.Truncated(adapter.dist.Kumaraswamy(a, b), high=0.9999999).log_prob(x)
        )
        found = adapter.numpy(log_density(*map(adapter.array, (a, b, np.minimum(x, 0.9999998)))))
    row, high = BY_NAME["Kumaraswamy"], mp.mpf(float(np.dtype(precision).type(0.9999999)))
    for k, params in enumerate(zip(a, b, strict=True)):
        at = mp.mpf(float(np.minimum(x, np.dtype(precision).type(0.9999998))[k]))
        params = [mp.mpf(float(p)) for p in params]
        with mp.workdps(40):
            expected = float(row.log_density(at, *params) - mp.log(row.masses(high, *params)[0]))
        assert abs(found[k] - expected) <= (2e-6 if precision == "float32" else 1e-13) * (1.0 + abs(expected))


def test_a_square_out_of_range(adapter):
    """Of x = 1e32 in float32: the way to the bound was NaN."""
    base = adapter.dist.GeneralizedExtremeValue(adapter.array(0.0), 1.0, 1.5)
    found = adapter.numpy(adapter.dist.Truncated(base, high=2.5e32).log_prob(adapter.array(1e32)))
    g = np.log1p(1.5e32) / 1.5  # whose density is that of the whole, for no mass is cut off
    np.testing.assert_allclose(found, -2.5 * g - np.exp(-g), rtol=1e-6)
