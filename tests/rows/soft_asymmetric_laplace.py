"""SoftAsymmetricLaplace."""

import numpy as np
from mpmath import mp
from scipy import stats

from tests.row import Family
from tests.rows import exponentially_modified_gaussian as one_sided


def _sides(function, x, k, s, loc, scale):
    """Of the normal number plus an exponential one, and of the mirror image of that less another."""
    y = (x - loc) / scale
    return function(y, 0, s, k), function(-y, 0, s, 1 / k)


def _masses(x, k, s, loc, scale):
    right, left = _sides(one_sided.ROW.masses, x, k, s, loc, scale)
    return tuple((a + k * k * b) / (1 + k * k) for a, b in zip(right, left[::-1], strict=True))


def _log_density(x, k, s, loc, scale):
    right, left = _sides(one_sided.ROW.log_density, x, k, s, loc, scale)
    return mp.log((mp.exp(right) + k * k * mp.exp(left)) / (scale * (1 + k * k)))


def _cdf(x, asymmetry, softness, loc, scale):
    y, k = (np.asarray(x, dtype=np.float64) - loc) / scale, asymmetry
    right = stats.exponnorm.cdf(y, 1.0 / (k * softness), 0.0, softness)
    left = stats.exponnorm.sf(-y, k / softness, 0.0, softness)
    return (right + k * k * left) / (1.0 + k * k)


def _mean(asymmetry, softness, loc, scale):
    return loc + scale * (1 / asymmetry - asymmetry) + 0 * softness


def _square(asymmetry, softness, loc, scale):
    spread = asymmetry**-2 + asymmetry**2 + softness**2
    return _mean(asymmetry, softness, loc, scale) ** 2 + scale**2 * spread


POINT = {"asymmetry": 1.5, "softness": 0.7, "loc": 0.5, "scale": 2.0}

ROW = Family(
    "SoftAsymmetricLaplace",
    points=(POINT, {"asymmetry": 0.5, "softness": 2.0, "loc": -1.0, "scale": 0.25}),
    ends=(-np.inf, np.inf),
    cdf=_cdf,
    expectations={"x": _mean, "x**2": _square},
    tails=(POINT, (-40.0, -3.0, 0.25, 3.0, 40.0)),
    masses=_masses,
    log_density=_log_density,
    ranges={
        "asymmetry": lambda rng, count: 10 ** rng.uniform(-0.2, 0.2, count),
        "softness": lambda rng, count: 10 ** rng.uniform(-0.4, 0.2, count),
        "scale": lambda rng, count: 10 ** rng.uniform(-3, 3, count),
        "loc": lambda rng, count: rng.choice([-1, 1], count) * 10 ** rng.uniform(-3, 3, count),
    },
    truncations=(
        (POINT, -1.0, 2.0),
        (POINT, 3.0, None, 3.5, 9.0),
        (POINT, None, -2.0, -2.25, -6.0),
        (POINT, 1.0, 1.000002, 1.0000006, 1.000001, 1.0000018),
        ({"asymmetry": 0.625, "softness": 1.0, "loc": 0.0, "scale": 1.0}, -1.0, 2.0, -0.75, 0.25, 1.5),
    ),
    apart="shared/test_rows.py",
)
