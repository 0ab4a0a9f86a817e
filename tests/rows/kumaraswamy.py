"""Kumaraswamy."""

import numpy as np
from mpmath import mp

from tests.row import Family


def _masses(x, a, b):
    log_upper = b * mp.log1p(-(x**a))
    return -mp.expm1(log_upper), mp.exp(log_upper)


def _mean_log(concentration1, concentration0):
    """Of x**a, one minus a power of a uniform number."""
    return -(mp.digamma(concentration0 + 1) + mp.euler) / concentration1


ROW = Family(
    "Kumaraswamy",
    points=({"concentration1": 2.5, "concentration0": 0.7}, {"concentration1": 0.5, "concentration0": 3.0}),
    outside=(-0.5, 1.5),
    ends=(0.0, 1.0),
    cdf=lambda x, concentration1, concentration0: (
        -np.expm1(concentration0 * np.log(-np.expm1(concentration1 * np.log(x))))
    ),
    hard=(
        {"concentration1": 0.01, "concentration0": 1.0},
        {"concentration1": 1.0, "concentration0": 0.01},
        {"concentration1": 0.01, "concentration0": 0.01},
        {"concentration1": 50.0, "concentration0": 1e6},
    ),
    expectations={"log x": _mean_log},
    small=("log x", _mean_log, {"concentration1": 0.01, "concentration0": 0.5}),
    tails=({"concentration1": 2.5, "concentration0": 3.0}, (2.0**-30, 0.25, 0.5, 0.96875)),
    clamped=("low", "high"),
    truncations=(({"concentration1": 2.5, "concentration0": 0.7}, 0.3, 0.9),),
    masses=_masses,
    log_density=lambda x, a, b: mp.log(a * b) + (a - 1) * mp.log(x) + (b - 1) * mp.log1p(-(x**a)),
    apart="shared/test_rows.py",
)
