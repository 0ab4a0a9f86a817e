"""LowerTruncatedPowerLaw."""

import numpy as np
from mpmath import mp
from scipy import stats

from tests.row import Family


def _mean_log(alpha, low):
    return mp.log(low) - 1 / (1 + mp.mpf(alpha))


def _masses(x, alpha, low):
    upper = (low / x) ** (-1 - alpha)
    return 1 - upper, upper


ROW = Family(
    "LowerTruncatedPowerLaw",
    points=({"alpha": -3.5, "low": 0.5}, {"alpha": -1.5, "low": 1.5}),
    ends=(-np.inf, np.inf),
    scipy=lambda alpha, low: stats.pareto(-1.0 - alpha, scale=low),
    cdf=lambda x, alpha, low: -np.expm1((1.0 + alpha) * np.log(np.maximum(x, low) / low)),
    hard=({"alpha": -1.015625, "low": 3.0}, {"alpha": -50.0, "low": 1.0}),
    expectations={"log x": _mean_log},
    small=("log x", _mean_log, {"alpha": -1.015625, "low": 2.0}),
    tails=({"alpha": -3.5, "low": 1.5}, (1.5 + 2.0**-20, 2.0, 64.0, 2.0**20)),
    clamped=("high",),
    masses=_masses,
    log_density=lambda x, alpha, low: mp.log((-1 - alpha) / low) + alpha * mp.log(x / low),
    ranges={"alpha": lambda rng, count: -1.0 - 10 ** rng.uniform(-1, 3, count)},
    apart="shared/test_rows.py",
)
