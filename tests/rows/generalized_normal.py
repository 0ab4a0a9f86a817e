"""GeneralizedNormal."""

import numpy as np
from mpmath import mp
from scipy import stats

from tests.row import Family


def _masses(x, p, loc, scale):
    y = (x - loc) / scale
    tail = mp.gammainc(1 / p, abs(y) ** p, mp.inf, regularized=True) / 2
    return (tail, 1 - tail) if y < 0 else (1 - tail, tail)


def _log_density(x, p, loc, scale):
    return mp.log(p / (2 * scale)) - mp.loggamma(1 / p) - abs((x - loc) / scale) ** p


def _square(power, loc, scale):
    a = 1 / mp.mpf(power)
    return loc**2 + scale**2 * mp.gamma(3 * a) / mp.gamma(a)


ROW = Family(
    "GeneralizedNormal",
    points=({"power": 1.5, "loc": 0.5, "scale": 2.0}, {"power": 4.0, "loc": -1.0, "scale": 0.25}),
    ends=(-np.inf, np.inf),
    scipy=lambda power, loc, scale: stats.gennorm(power, loc, scale),
    cdf=lambda x, power, loc, scale: stats.gennorm.cdf(x, power, loc, scale),
    hard=({"power": 0.4, "loc": 0.0, "scale": 1.0}, {"power": 50.0, "loc": 0.0, "scale": 1.0}),
    expectations={"x": lambda power, loc, scale: loc + 0 * power * scale, "x**2": _square},
    tails=({"power": 1.5, "loc": 0.5, "scale": 2.0}, (-40.0, -2.0, 0.25, 3.0, 40.0)),
    masses=_masses,
    rounded_twice=True,
    log_density=_log_density,
    ranges={
        "power": lambda rng, count: 10 ** rng.uniform(-0.5, 1.5, count),
        "scale": lambda rng, count: 10 ** rng.uniform(-3, 3, count),
        "loc": lambda rng, count: rng.choice([-1, 1], count) * 10 ** rng.uniform(-3, 3, count),
    },
    apart="shared/test_rows.py",
)
