"""Nakagami."""

from mpmath import mp
from scipy import special, stats

from tests.row import Family


def _masses(x, m, spread):
    z = m * x * x / spread
    return mp.gammainc(m, 0, z, regularized=True), mp.gammainc(m, z, mp.inf, regularized=True)


def _log_density(x, m, spread):
    return mp.log(2) + m * mp.log(m / spread) - mp.loggamma(m) + (2 * m - 1) * mp.log(x) - m * x * x / spread


def _mean_log(concentration, spread):
    return (mp.digamma(concentration) + mp.log(spread) - mp.log(concentration)) / 2


ROW = Family(
    "Nakagami",
    points=({"concentration": 2.5, "spread": 2.0}, {"concentration": 0.6, "spread": 0.5}),
    scipy=lambda concentration, spread: stats.nakagami(concentration, scale=spread**0.5),
    cdf=lambda x, concentration, spread: special.gammainc(concentration, concentration * (x / spread**0.5) ** 2),
    hard=({"concentration": 0.01, "spread": 1e8},),
    expectations={"x**2": lambda concentration, spread: spread + 0 * concentration, "log x": _mean_log},
    small=("log x", _mean_log, {"concentration": 0.003, "spread": 2.0}),
    tails=({"concentration": 2.5, "spread": 2.0}, (2.0**-20, 0.5, 3.0, 6.0)),
    truncations=(({"concentration": 2.5, "spread": 2.0}, 0.5, 3.0),),
    clamped=("low", "high"),
    masses=_masses,
    log_density=_log_density,
    ranges={
        "concentration": lambda rng, count: 10 ** rng.uniform(-2, 1, count),
        "spread": lambda rng, count: 10 ** rng.uniform(-6, 6, count),
    },
    apart="shared/test_rows.py",
)
