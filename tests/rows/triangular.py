"""Triangular."""

import numpy as np
from mpmath import mp
from scipy import stats

from tests.row import Family


def _masses(x, low, high, peak):
    if x < peak:
        lower = (x - low) ** 2 / ((high - low) * (peak - low))
        return lower, 1 - lower
    upper = (high - x) ** 2 / ((high - low) * (high - peak))
    return 1 - upper, upper


def _log_density(x, low, high, peak):
    share = (x - low) / (peak - low) if x < peak else (high - x) / (high - peak)
    return mp.log(2 * share / (high - low))


def _square(low, high, peak):
    return (low**2 + high**2 + peak**2 + low * high + low * peak + high * peak) / mp.mpf(6)


# but for the names of the ends
HERE = {"least": 0.5, "most": 4.0, "peak": 1.5}

ROW = Family(
    "Triangular",
    points=({"low": 0.5, "high": 4.0, "peak": 1.5}, {"low": -1.0, "high": 1.0, "peak": 0.75}),
    ends=(-np.inf, np.inf),
    scipy=lambda low, high, peak: stats.triang((peak - low) / (high - low), low, high - low),
    cdf=lambda x, low, high, peak: stats.triang.cdf(x, (peak - low) / (high - low), low, high - low),
    hard=({"low": 0.0, "high": 1.0, "peak": 1.0}, {"low": 0.0, "high": 1.0, "peak": 0.0}),
    expectations={"x": lambda low, high, peak: (low + high + peak) / mp.mpf(3), "x**2": _square},
    tails=({"low": 0.5, "high": 4.0, "peak": 1.5}, (0.5 + 2.0**-20, 1.0, 2.0, 3.875)),
    masses=_masses,
    log_density=_log_density,
    ranges={
        "low": lambda rng, count: -(10 ** rng.uniform(-2, 3, count)),
        "high": lambda rng, count: 10 ** rng.uniform(-2, 3, count),
        "peak": lambda rng, count: rng.uniform(-1e-3, 1e-3, count),
    },
    truncations=(
        (HERE, 1.0, 3.0),
        (HERE, 1.0, 3.0, HERE["peak"]),
        (HERE, 2.0, None, 2.01, 3.9),
        (HERE, None, 2.5, 0.75, 1.75),
        (HERE, 1.499999, 1.500001, 1.4999996, 1.5000008),
        ({**HERE, "least": 0.0}, None, 1e-15, 2.5e-16, 5e-16),
    ),
    apart="shared/test_rows.py",
)
