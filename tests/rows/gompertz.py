"""Gompertz."""

import numpy as np
from mpmath import mp
from scipy import stats

from tests.row import Family


def _masses(x, concentration, rate):
    e = concentration * mp.expm1(rate * x)
    return -mp.expm1(-e), mp.exp(-e)


ROW = Family(
    "Gompertz",
    points=({"concentration": 0.5, "rate": 2.0}, {"concentration": 3.0, "rate": 0.25}),
    scipy=lambda concentration, rate: stats.gompertz(concentration, scale=1.0 / rate),
    cdf=lambda x, concentration, rate: -np.expm1(-concentration * np.expm1(rate * x)),
    hard=({"concentration": 1e-6, "rate": 1.0}, {"concentration": 1e6, "rate": 1e-3}),
    expectations={"x": lambda concentration, rate: mp.exp(concentration) * mp.e1(concentration) / rate},
    tails=({"concentration": 0.5, "rate": 2.0}, (2.0**-20, 0.25, 1.0, 2.5)),
    truncations=(({"concentration": 0.5, "rate": 2.0}, 0.25, 1.0),),
    masses=_masses,
    rounded_twice=True,
    log_density=lambda x, c, r: mp.log(c * r) + r * x - c * mp.expm1(r * x),
    apart="shared/test_rows.py",
)
