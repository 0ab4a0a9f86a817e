"""SkewLogistic."""

import numpy as np
from mpmath import mp
from scipy import stats

from tests.row import Family


def _masses(x, asymmetry, loc, scale):
    log_lower = -asymmetry * mp.log1p(mp.exp(-(x - loc) / scale))
    return mp.exp(log_lower), -mp.expm1(log_lower)


def _log_density(x, asymmetry, loc, scale):
    y = (x - loc) / scale
    return mp.log(asymmetry / scale) - y - (asymmetry + 1) * mp.log1p(mp.exp(-y))


ROW = Family(
    "SkewLogistic",
    points=({"asymmetry": 2.5, "loc": 0.5, "scale": 2.0}, {"asymmetry": 0.3, "loc": -1.0, "scale": 0.25}),
    scipy=lambda asymmetry, loc, scale: stats.genlogistic(asymmetry, loc, scale),
    cdf=lambda x, asymmetry, loc, scale: np.exp(-asymmetry * np.logaddexp(0.0, -(x - loc) / scale)),
    hard=({"asymmetry": 1e-6, "loc": 0.0, "scale": 1.0}, {"asymmetry": 1e6, "loc": 0.0, "scale": 1.0}),
    expectations={"x": lambda asymmetry, loc, scale: loc + scale * (mp.digamma(asymmetry) + mp.euler)},
    tails=({"asymmetry": 2.5, "loc": 0.5, "scale": 2.0}, (-60.0, -2.0, 0.25, 3.0, 160.0)),
    masses=_masses,
    log_density=_log_density,
    ranges={"asymmetry": lambda rng, count: 10 ** rng.uniform(-6, 4, count)},  # beyond, the rounding of y shows
    apart="shared/test_rows.py",
)
