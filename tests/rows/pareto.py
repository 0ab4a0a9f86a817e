"""Pareto."""

import numpy as np
from mpmath import mp
from scipy import stats

from tests.row import Family


def _mean_log(scale, alpha):
    return mp.log(scale) + 1 / mp.mpf(alpha)


ROW = Family(
    "Pareto",
    points=({"scale": 0.5, "alpha": 2.5}, {"scale": 1.5, "alpha": 0.5}),
    ends=(-np.inf, np.inf),
    scipy=lambda scale, alpha: stats.pareto(alpha, scale=scale),
    cdf=lambda x, scale, alpha: -np.expm1(-alpha * np.log(np.maximum(x, scale) / scale)),
    hard=({"scale": 3.0, "alpha": 0.02}, {"scale": 1.0, "alpha": 50.0}),
    expectations={"log x": _mean_log},
    small=("log x", _mean_log, {"scale": 2.0, "alpha": 0.01}),
    tails=({"scale": 1.5, "alpha": 2.5}, (1.5 + 2.0**-20, 2.0, 64.0, 2.0**20)),
    clamped=("high",),
    masses=lambda x, scale, alpha: (1 - (scale / x) ** alpha, (scale / x) ** alpha),
    log_density=lambda x, scale, alpha: mp.log(alpha) + alpha * mp.log(scale) - (alpha + 1) * mp.log(x),
    apart="shared/test_rows.py",
)
