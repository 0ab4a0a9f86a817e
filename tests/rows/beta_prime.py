"""BetaPrime."""

import numpy as np
from mpmath import mp
from scipy import special, stats

from tests.row import Family


def _masses(x, a, b):
    z, w = x / (1 + x), 1 / (1 + x)
    return mp.betainc(a, b, 0, z, regularized=True), mp.betainc(b, a, 0, w, regularized=True)


def _log_density(x, a, b):
    log_beta = mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)
    return (a - 1) * mp.log(x) - (a + b) * mp.log1p(x) - log_beta


def _mean_log(concentration1, concentration0):
    return mp.digamma(concentration1) - mp.digamma(concentration0)


def _cdf(x, concentration1, concentration0):
    """From the smaller of z and 1 - z."""
    x = np.asarray(x, dtype=np.float64)
    upper = special.betainc(concentration0, concentration1, 1.0 / (1.0 + x))
    return np.where(x > 1.0, 1.0 - upper, special.betainc(concentration1, concentration0, x / (1.0 + x)))


ROW = Family(
    "BetaPrime",
    points=({"concentration1": 2.5, "concentration0": 4.0}, {"concentration1": 0.5, "concentration0": 1.5}),
    scipy=stats.betaprime,
    cdf=_cdf,
    hard=(
        {"concentration1": 0.01, "concentration0": 0.02},
        {"concentration1": 1e4, "concentration0": 2.0},
        {"concentration1": 2.0, "concentration0": 1e4},
    ),
    expectations={"log x": _mean_log},
    small=("log x", _mean_log, {"concentration1": 0.01, "concentration0": 0.005}),
    tails=({"concentration1": 2.5, "concentration0": 4.0}, (2.0**-20, 0.25, 3.0, 2.0**12)),
    clamped=("low", "high"),
    truncations=(({"concentration1": 2.5, "concentration0": 4.0}, 0.25, 2.0),),
    masses=_masses,
    log_density=_log_density,
    apart="shared/test_rows.py",
)
