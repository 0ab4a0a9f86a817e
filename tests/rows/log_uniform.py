"""LogUniform."""

import numpy as np
from mpmath import mp
from scipy import stats

from tests.row import Family


def _mean_log(low, high):
    return (mp.log(low) + mp.log(high)) / 2


def _masses(x, low, high):
    share = mp.log(x / low) / mp.log(high / low)
    return share, 1 - share


ROW = Family(
    "LogUniform",
    points=({"low": 0.5, "high": 4.0}, {"low": 1.0, "high": 1.5}),
    scipy=stats.loguniform,
    cdf=lambda x, low, high: np.log(x / low) / np.log(high / low),
    hard=({"low": 1e-18, "high": 1e18}, {"low": 1.0, "high": 1.001}),
    expectations={"log x": _mean_log},
    small=("log x", _mean_log, {"low": 1e-18, "high": 1e18}),
    tails=({"low": 0.5, "high": 4.0}, (0.5 + 2.0**-20, 1.0, 3.875)),
    masses=_masses,
    log_density=lambda x, low, high: -mp.log(x) - mp.log(mp.log(high / low)),
    ranges={
        "low": lambda rng, count: 10 ** rng.uniform(-6, 0, count),
        "high": lambda rng, count: 10 ** rng.uniform(0.1, 8, count),
    },
    apart="shared/test_rows.py",
)
