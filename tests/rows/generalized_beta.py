"""GeneralizedBeta."""

from mpmath import mp
from scipy import special

from tests.row import Family


def _masses(x, a, b, s, p):
    log_z = p * mp.log(x / s)
    z, w = mp.exp(log_z), -mp.expm1(log_z)
    return mp.betainc(a, b, 0, z, regularized=True), mp.betainc(b, a, 0, w, regularized=True)


def _log_density(x, a, b, s, p):
    log_z = p * mp.log(x / s)
    log_beta = mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)
    return mp.log(p / x) + a * log_z + (b - 1) * mp.log(-mp.expm1(log_z)) - log_beta


def _mean_log(concentration1, concentration0, scale, power):
    return mp.log(scale) + (mp.digamma(concentration1) - mp.digamma(concentration1 + concentration0)) / power


ROW = Family(
    "GeneralizedBeta",
    points=(
        {"concentration1": 2.5, "concentration0": 4.0, "scale": 2.0, "power": 1.5},
        {"concentration1": 0.6, "concentration0": 1.5, "scale": 0.5, "power": 3.0},
    ),
    cdf=lambda x, concentration1, concentration0, scale, power: special.betainc(
        concentration1, concentration0, (x / scale) ** power
    ),
    hard=(
        {"concentration1": 0.01, "concentration0": 2.0, "scale": 2.0, "power": 1.0},
        {"concentration1": 1e4, "concentration0": 300.0, "scale": 1.0, "power": 0.5},
        {"concentration1": 2.0, "concentration0": 1e4, "scale": 1e6, "power": 0.1},
    ),
    expectations={"log x": _mean_log},
    small=("log x", _mean_log, {"concentration1": 0.1, "concentration0": 2.0, "scale": 2.0, "power": 0.02}),
    tails=(
        {"concentration1": 2.5, "concentration0": 4.0, "scale": 2.0, "power": 1.5},
        (2.0**-20, 0.25, 1.0, 1.9375),
    ),
    clamped=("low",),
    truncations=(
        ({"concentration1": 2.5, "concentration0": 0.7, "scale": 2.0, "power": 1.5}, 0.5, 1.75, 0.6, 1.25, 1.7),
        ({"concentration1": 0.25, "concentration0": 4.0, "scale": 0.5, "power": 8.0}, None, 0.375, 0.25, 0.3, 0.37),
    ),
    masses=_masses,
    log_density=_log_density,
    apart="shared/test_rows.py",
)
