"""FisherSnedecor."""

import numpy as np
from mpmath import mp
from scipy import special, stats

from tests.row import Family


def _masses(x, df1, df2):
    total = df1 * x + df2
    z, w = df1 * x / total, df2 / total
    return (
        mp.betainc(df1 / 2, df2 / 2, 0, z, regularized=True),
        mp.betainc(df2 / 2, df1 / 2, 0, w, regularized=True),
    )


def _log_density(x, df1, df2):
    a, b = df1 / 2, df2 / 2
    log_beta = mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)
    return a * mp.log(df1 / df2) + (a - 1) * mp.log(x) - (a + b) * mp.log1p(df1 * x / df2) - log_beta


def _mean_log(df1, df2):
    return mp.digamma(mp.mpf(df1) / 2) - mp.digamma(mp.mpf(df2) / 2) + mp.log(df2) - mp.log(df1)


def _cdf(x, df1, df2):
    """From the smaller of z and 1 - z."""
    y = np.minimum(np.asarray(x, dtype=np.float64), 1e300) * (df1 / df2)
    upper = special.betainc(df2 / 2, df1 / 2, 1.0 / (1.0 + y))
    return np.where(y > 1.0, 1.0 - upper, special.betainc(df1 / 2, df2 / 2, y / (1.0 + y)))


HERE = {"df1": 5.0, "df2": 9.0}

ROW = Family(
    "FisherSnedecor",
    points=({"df1": 5.0, "df2": 9.0}, {"df1": 1.0, "df2": 30.0}),
    scipy=stats.f,
    cdf=_cdf,
    expectations={"log x": _mean_log},
    small=("log x", _mean_log, {"df1": 0.02, "df2": 0.01}),
    tails=({"df1": 5.0, "df2": 9.0}, (2.0**-20, 0.25, 3.0, 2.0**12)),
    clamped=("low", "high"),
    masses=_masses,
    log_density=_log_density,
    ranges={
        "df1": lambda rng, count: 10 ** rng.uniform(-2, 1.5, count),
        "df2": lambda rng, count: 10 ** rng.uniform(0.5, 1.5, count),
    },
    truncations=(
        (HERE, 0.25, 2.0, 0.2578125, 0.75, 1.625),
        (HERE, 6.0, None, 6.5, 50.0),
        (HERE, 1.0, 1.000002, 1.0000006, 1.000001, 1.0000018),
    ),
    apart="shared/test_rows.py",
)
