"""Rayleigh."""

import numpy as np
from mpmath import mp
from scipy import stats

from tests.row import Family


def _masses(x, scale):
    e = (x / scale) ** 2 / 2
    return -mp.expm1(-e), mp.exp(-e)


ROW = Family(
    "Rayleigh",
    points=({"scale": 2.0}, {"scale": 0.5}),
    scipy=lambda scale: stats.rayleigh(scale=scale),
    cdf=lambda x, scale: -np.expm1(-0.5 * (x / scale) ** 2),
    hard=({"scale": 1e-6}, {"scale": 1e8}),
    expectations={"x": lambda scale: scale * mp.sqrt(mp.pi / 2), "x**2": lambda scale: 2 * mp.mpf(scale) ** 2},
    tails=({"scale": 2.0}, (2.0**-20, 0.5, 3.0, 20.0)),
    clamped=("low", "high"),
    masses=_masses,
    log_density=lambda x, scale: mp.log(x / scale**2) - (x / scale) ** 2 / 2,
    apart="shared/test_rows.py",
)
