"""ExponentiallyModifiedGaussian."""

import numpy as np
from mpmath import mp
from scipy import stats

from tests.row import Family


def _masses(x, loc, scale, rate):
    y, k = (x - loc) / scale, rate * scale
    more = mp.exp(k * k / 2 - k * y) * mp.erfc((k - y) / mp.sqrt(2)) / 2
    return mp.erfc(-y / mp.sqrt(2)) / 2 - more, mp.erfc(y / mp.sqrt(2)) / 2 + more


def _log_density(x, loc, scale, rate):
    y, k = (x - loc) / scale, rate * scale
    return mp.log(rate) + k * k / 2 - k * y + mp.log(mp.erfc((k - y) / mp.sqrt(2)) / 2)


def _scipy(loc, scale, rate):
    return stats.exponnorm(1.0 / (rate * scale), loc, scale)


HERE = {"loc": 0.5, "scale": 2.0, "rate": 1.5}

ROW = Family(
    "ExponentiallyModifiedGaussian",
    points=({"loc": 0.5, "scale": 2.0, "rate": 1.5}, {"loc": -1.0, "scale": 0.25, "rate": 0.5}),
    ends=(-np.inf, np.inf),
    scipy=_scipy,
    cdf=lambda x, loc, scale, rate: _scipy(loc, scale, rate).cdf(x),
    hard=({"loc": 0.0, "scale": 1.0, "rate": 1e-4}, {"loc": 0.0, "scale": 1.0, "rate": 50.0}),
    expectations={
        "x": lambda loc, scale, rate: loc + 1 / rate + 0 * scale,
        "x**2": lambda loc, scale, rate: (loc + 1 / rate) ** 2 + scale**2 + rate**-2,
    },
    tails=({"loc": 0.5, "scale": 2.0, "rate": 1.5}, (-20.0, -2.0, 0.25, 3.0, 40.0)),
    masses=_masses,
    log_density=_log_density,
    ranges={
        "scale": lambda rng, count: 10 ** rng.uniform(-3, 3, count),
        "loc": lambda rng, count: rng.choice([-1, 1], count) * 10 ** rng.uniform(-3, 3, count),
        "rate": lambda rng, count: 10 ** rng.uniform(-3, 3, count),
    },
    truncations=((HERE, -3.0, 4.0), (HERE, 5.0, None, 5.5, 9.0)),
    apart="shared/test_rows.py",
)
