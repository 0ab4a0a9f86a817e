"""SkewNormal."""

import numpy as np
from mpmath import mp
from scipy import special, stats

from tests.row import Family


def _owens_t(h, a):
    """By its power series in a (Owen 1956), whose terms are as large as exp(a**2 h**2 / 2)."""
    x = h * h / 2
    count = int(3 * x * (1 + a * a)) + 2 * mp.dps + 20
    with mp.extradps(int(a * a * h * h / 4) + 20):
        term, terms = mp.exp(-x), []  # exp(-x) x**j / j!
        for j in range(count):
            terms.append(term)
            term *= x / (j + 1)
        rest, total = term, mp.zero
        for j in range(count - 1, -1, -1):
            total = rest / (2 * j + 1) - a * a * total
            rest += terms[j]
        return (mp.atan(a) - a * total) / (2 * mp.pi)


def _masses(x, alpha, loc, scale):
    y = (x - loc) / scale
    with mp.extradps(int(y * y * (1 + alpha * alpha) / 4) + 20):
        t = 2 * _owens_t(y, alpha)
        return mp.ncdf(y) - t, mp.ncdf(-y) + t


def _log_density(x, alpha, loc, scale):
    y = (x - loc) / scale
    return -y * y / 2 - mp.log(2 * mp.pi) / 2 + mp.log(mp.erfc(-alpha * y / mp.sqrt(2))) - mp.log(scale)


def _cdf(x, skewness, loc, scale):
    y = (np.asarray(x, dtype=np.float64) - loc) / scale
    return special.ndtr(y) - 2.0 * special.owens_t(y, skewness)


def _mean(skewness, loc, scale):
    return loc + scale * mp.sqrt(2 / mp.pi) * skewness / mp.sqrt(1 + mp.mpf(skewness) ** 2)


HERE = {"skewness": 3.0, "loc": 0.5, "scale": 2.0}

ROW = Family(
    "SkewNormal",
    points=({"skewness": 3.0, "loc": 0.5, "scale": 2.0}, {"skewness": -0.5, "loc": -1.0, "scale": 0.25}),
    ends=(-np.inf, np.inf),
    scipy=lambda skewness, loc, scale: stats.skewnorm(skewness, loc, scale),
    cdf=_cdf,
    hard=({"skewness": -1e3, "loc": 0.0, "scale": 1.0},),
    expectations={
        "x": _mean,
        "x**2": lambda skewness, loc, scale: 2 * loc * _mean(skewness, loc, scale) - loc**2 + scale**2,
    },
    tails=({"skewness": 3.0, "loc": 0.5, "scale": 2.0}, (-4.0, -1.5, 0.25, 3.0, 15.0)),
    masses=_masses,
    log_density=_log_density,
    ranges={
        "skewness": lambda rng, count: rng.choice([-1, 1], count) * 10 ** rng.uniform(-2, -0.5, count),
        "scale": lambda rng, count: 10 ** rng.uniform(-3, 3, count),
        "loc": lambda rng, count: rng.choice([-1, 1], count) * 10 ** rng.uniform(-3, 3, count),
    },
    truncations=(
        (HERE, -0.5, 3.0),
        (HERE, None, -1.0, -2.0, -1.25),
        (HERE, 1.0, 1.000002, 1.0000006, 1.000001, 1.0000018),
    ),
    apart="shared/test_rows.py",
)
