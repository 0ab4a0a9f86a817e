"""Weibull."""

import numpy as np
from mpmath import mp
from scipy import stats

from tests.row import Family


def _masses(x, scale, concentration):
    e = (x / scale) ** concentration
    return -mp.expm1(-e), mp.exp(-e)


def _mean_log(scale, concentration):
    return mp.log(scale) - mp.euler / concentration


HERE = {"scale": 2.0, "concentration": 1.5}

ROW = Family(
    "Weibull",
    points=({"scale": 2.0, "concentration": 1.5}, {"scale": 0.5, "concentration": 0.5}),
    scipy=lambda scale, concentration: stats.weibull_min(concentration, scale=scale),
    cdf=lambda x, scale, concentration: -np.expm1(-((x / scale) ** concentration)),
    hard=({"scale": 3.0, "concentration": 0.02}, {"scale": 1.0, "concentration": 50.0}),
    expectations={"log x": _mean_log},
    small=(
        "log x",
        lambda scale, concentration: mp.log(scale) - mp.euler / concentration,
        {"scale": 2.0, "concentration": 0.01},
    ),
    tails=(HERE, (2.0**-20, 0.5, 3.0, 40.0)),
    clamped=("low", "high"),
    truncations=(
        (HERE, 0.5, 3.0),
        (HERE, 26.0, None, 26.01, 26.5),
        ({"scale": 2.0, "concentration": 0.5}, None, 1.0, 1e-4, 0.1, 0.8),
    ),
    narrow=((HERE, 1.0, 1.000002),),
    masses=_masses,
    log_density=lambda x, scale, k: mp.log(k / scale) + (k - 1) * mp.log(x / scale) - (x / scale) ** k,
    apart="shared/test_rows.py",
)
