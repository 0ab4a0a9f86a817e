"""Pareto."""

import numpy as np
from mpmath import mp
from scipy import stats

from tests.row import Family


def _mean_log(scale, alpha):
    return mp.log(scale) + 1 / mp.mpf(alpha)


HERE = {"scale": 1.5, "alpha": 2.5}

ROW = Family(
    "Pareto",
    points=({"scale": 0.5, "alpha": 2.5}, {"scale": 1.5, "alpha": 0.5}),
    ends=(-np.inf, np.inf),
    scipy=lambda scale, alpha: stats.pareto(alpha, scale=scale),
    cdf=lambda x, scale, alpha: -np.expm1(-alpha * np.log(np.maximum(x, scale) / scale)),
    hard=({"scale": 3.0, "alpha": 0.02}, {"scale": 1.0, "alpha": 50.0}),
    expectations={"log x": _mean_log},
    small=("log x", _mean_log, {"scale": 2.0, "alpha": 0.01}),
    tails=(HERE, (1.5 + 2.0**-20, 2.0, 64.0, 2.0**20)),
    clamped=("high",),
    truncations=((HERE, 2.0, 5.0), (HERE, 19.5, None, 19.51, 100.0, 5000.0), (HERE, None, 3.0, 1.51, 2.9)),
    narrow=((HERE, 2.0, 2.000002),),
    masses=lambda x, scale, alpha: (1 - (scale / x) ** alpha, (scale / x) ** alpha),
    log_density=lambda x, scale, alpha: mp.log(alpha) + alpha * mp.log(scale) - (alpha + 1) * mp.log(x),
    apart="shared/test_rows.py",
)
