"""HalfStudentT."""

import numpy as np
from mpmath import mp
from scipy import special

from tests.row import Family


def _masses(x, df, scale):
    q = (x / scale) ** 2 / df
    half = mp.mpf(1) / 2
    ends = ((0, q / (1 + q)), (half, df / 2)), ((0, 1 / (1 + q)), (df / 2, half))
    return tuple(mp.betainc(*shapes, *end, regularized=True) for end, shapes in ends)


def _log_density(x, df, scale):
    t, half = x / scale, (df + 1) / 2
    constant = mp.loggamma(half) - mp.loggamma(df / 2) - mp.log(mp.pi * df) / 2 + mp.log(2)
    return constant - half * mp.log1p(t * t / df) - mp.log(scale)


def _cdf(x, df, scale):
    """From the smaller of z and 1 - z, z = q / (1 + q)."""
    q = np.square(np.minimum(np.asarray(x, dtype=np.float64), 1e150) / scale) / df
    upper = special.betainc(0.5 * df, 0.5, 1.0 / (1.0 + q))
    return np.where(q > 1.0, 1.0 - upper, special.betainc(0.5, 0.5 * df, q / (1.0 + q)))


def _mean_log(df, scale):
    return mp.log(scale) + (mp.log(df) + mp.psi(0, mp.mpf(0.5)) - mp.psi(0, mp.mpf(df) / 2)) / 2


HERE = {"df": 5.0, "scale": 2.0}

ROW = Family(
    "HalfStudentT",
    points=({"df": 5.0, "scale": 2.0}, {"df": 1.5, "scale": 0.25}),
    cdf=_cdf,
    hard=({"df": 0.05, "scale": 1.0}, {"df": 1e8, "scale": 1.0}),
    expectations={"log x": _mean_log},
    small=("log x", _mean_log, {"df": 0.05, "scale": 2.0}),
    tails=({"df": 5.0, "scale": 2.0}, (2.0**-20, 0.25, 3.0, 2.0**20)),
    clamped=("low", "high"),
    masses=_masses,
    rounded_twice=True,
    log_density=_log_density,
    truncations=(
        (HERE, 0.5, 3.0),
        (HERE, 8.0, None, 8.5, 100.0),
        (HERE, 1.0, 1.000002, 1.0000006, 1.000001, 1.0000018),
    ),
    apart="shared/test_rows.py",
)
