"""PERT."""

import numpy as np
from mpmath import mp
from scipy import special, stats

from tests.row import Family


def _beta(low, peak, high, temperature):
    unit = temperature / (high - low)
    return 1 + unit * (peak - low), 1 + unit * (high - peak)


def _masses(x, low, peak, high, temperature):
    a, b = _beta(low, peak, high, temperature)
    z, w = (x - low) / (high - low), (high - x) / (high - low)
    return mp.betainc(a, b, 0, z, regularized=True), mp.betainc(b, a, 0, w, regularized=True)


def _log_density(x, low, peak, high, temperature):
    a, b = _beta(low, peak, high, temperature)
    z, w = (x - low) / (high - low), (high - x) / (high - low)
    return (a - 1) * mp.log(z) + (b - 1) * mp.log(w) - mp.log(mp.beta(a, b) * (high - low))


def _scipy(low, peak, high, temperature):
    return stats.beta(*_beta(low, peak, high, temperature), low, high - low)


def _mean(low, peak, high, temperature):
    return (low + high + temperature * peak) / (2 + mp.mpf(temperature))


def _square(low, peak, high, temperature):
    a, b = _beta(low, peak, high, mp.mpf(temperature))
    variance = (high - low) ** 2 * a * b / ((a + b) ** 2 * (a + b + 1))
    return _mean(low, peak, high, temperature) ** 2 + variance


def _cdf(x, low, peak, high, temperature):
    a, b = _beta(low, peak, high, temperature)
    return special.betainc(a, b, (np.asarray(x, dtype=np.float64) - low) / (high - low))


# but for the names of the ends
HERE = {"least": 0.5, "peak": 1.5, "most": 4.0, "temperature": 4.0}

ROW = Family(
    "PERT",
    points=(
        {"low": 0.5, "peak": 1.5, "high": 4.0, "temperature": 4.0},
        {"low": -1.0, "peak": 0.75, "high": 1.0, "temperature": 1.5},
    ),
    ends=(-np.inf, np.inf),
    scipy=_scipy,
    cdf=_cdf,
    expectations={"x": _mean, "x**2": _square},
    tails=({"low": 0.5, "peak": 1.5, "high": 4.0, "temperature": 4.0}, (0.5 + 2.0**-12, 1.0, 2.0, 3.875)),
    masses=_masses,
    log_density=_log_density,
    ranges={
        "low": lambda rng, count: -np.exp2(rng.integers(-2, 4, count)),
        "high": lambda rng, count: np.exp2(rng.integers(-2, 4, count)),
        "peak": lambda rng, count: rng.choice([-0.125, 0.0, 0.0625], count),
        "temperature": lambda rng, count: 10 ** rng.uniform(-1, 1, count),
    },
    # as at 2.06, 1.03 and 1.30 for the first of the points above: each of two terms has its own digits
    through_zero=("low", "high", "temperature"),
    truncations=(
        (HERE, 1.0, 3.0, 1.125, 1.75, 2.875),
        (HERE, None, 1.0, 0.53125, 0.75, 0.9),
        (HERE, 1.0, 1.000002, 1.0000006, 1.000001, 1.0000018),
    ),
    apart="shared/test_rows.py",
)
