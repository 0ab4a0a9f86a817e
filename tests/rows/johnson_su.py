"""JohnsonSU."""

import numpy as np
from mpmath import mp
from scipy import stats

from tests.row import Family


def _at(x, s, t, loc, scale):
    return s + t * mp.asinh((x - loc) / scale)


def _masses(x, *params):
    n = _at(x, *params) / mp.sqrt(2)
    return mp.erfc(-n) / 2, mp.erfc(n) / 2


def _log_density(x, s, t, loc, scale):
    slope = t / (scale * mp.sqrt(1 + ((x - loc) / scale) ** 2))
    return -(_at(x, s, t, loc, scale) ** 2) / 2 - mp.log(2 * mp.pi) / 2 + mp.log(slope)


def _mean(skewness, tailweight, loc, scale):
    return loc - scale * mp.exp(mp.mpf(tailweight) ** -2 / 2) * mp.sinh(skewness / tailweight)


HERE = {"skewness": 0.5, "tailweight": 2.0, "loc": 0.5, "scale": 2.0}

ROW = Family(
    "JohnsonSU",
    points=(
        {"skewness": 0.5, "tailweight": 2.0, "loc": 0.5, "scale": 2.0},
        {"skewness": -1.0, "tailweight": 1.5, "loc": -1.0, "scale": 0.25},
    ),
    ends=(-np.inf, np.inf),
    scipy=lambda skewness, tailweight, loc, scale: stats.johnsonsu(skewness, tailweight, loc, scale),
    cdf=lambda x, skewness, tailweight, loc, scale: stats.johnsonsu.cdf(x, skewness, tailweight, loc, scale),
    hard=({"skewness": 5.0, "tailweight": 0.2, "loc": 0.0, "scale": 1.0},),
    expectations={"x": _mean},
    tails=({"skewness": 0.5, "tailweight": 2.0, "loc": 0.5, "scale": 2.0}, (-(2.0**10), -2.0, 0.25, 3.0, 2.0**10)),
    truncations=(
        (HERE, -1.0, 2.0),
        (HERE, 12.0, None, 12.5, 40.0),
        (HERE, 1.0, 1.000002, 1.0000006, 1.000001, 1.0000018),
    ),
    masses=_masses,
    log_density=_log_density,
    ranges={
        "skewness": lambda rng, count: rng.uniform(-10.0, 10.0, count),
        "tailweight": lambda rng, count: 10 ** rng.uniform(-0.5, 1.0, count),
    },
    apart="shared/test_rows.py",
)
