"""GeneralizedGamma."""

from mpmath import mp
from scipy import special, stats

from tests.row import Family


def _masses(x, a, scale, p):
    z = (x / scale) ** p
    return mp.gammainc(a, 0, z, regularized=True), mp.gammainc(a, z, mp.inf, regularized=True)


def _log_density(x, a, scale, p):
    y = x / scale
    return mp.log(p / scale) + (a * p - 1) * mp.log(y) - y**p - mp.loggamma(a)


def _mean_log(concentration, scale, power):
    return mp.log(scale) + mp.digamma(concentration) / power


ROW = Family(
    "GeneralizedGamma",
    points=(
        {"concentration": 2.5, "scale": 2.0, "power": 1.5},
        {"concentration": 0.6, "scale": 0.5, "power": 3.0},
    ),
    scipy=lambda concentration, scale, power: stats.gengamma(concentration, power, scale=scale),
    cdf=lambda x, concentration, scale, power: special.gammainc(concentration, (x / scale) ** power),
    hard=(
        {"concentration": 0.01, "scale": 2.0, "power": 1.0},
        {"concentration": 1e4, "scale": 2.0, "power": 0.5},
        {"concentration": 2.0, "scale": 1.0, "power": 0.02},
    ),
    expectations={"log x": _mean_log},
    small=("log x", _mean_log, {"concentration": 0.1, "scale": 2.0, "power": 0.02}),
    tails=({"concentration": 2.5, "scale": 2.0, "power": 1.5}, (2.0**-20, 0.5, 3.0, 30.0)),
    clamped=("low", "high"),
    truncations=(({"concentration": 2.5, "scale": 2.0, "power": 1.5}, 1.0, 5.0),),
    masses=_masses,
    log_density=_log_density,
    ranges={
        "concentration": lambda rng, count: 10 ** rng.uniform(-3, 3, count),
        "power": lambda rng, count: 10 ** rng.uniform(-1, 1, count),
    },
    apart="shared/test_rows.py",
)
