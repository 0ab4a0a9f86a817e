"""Dagum."""

import numpy as np
from mpmath import mp
from scipy import stats

from tests.row import Family


def _masses(x, p, a, b):
    log_lower = -p * mp.log1p((x / b) ** -a)
    return mp.exp(log_lower), -mp.expm1(log_lower)


def _mean_log(concentration, sharpness, scale):
    return mp.log(scale) + (mp.digamma(concentration) + mp.euler) / sharpness


ROW = Family(
    "Dagum",
    points=(
        {"concentration": 2.5, "sharpness": 3.0, "scale": 2.0},
        {"concentration": 0.4, "sharpness": 1.5, "scale": 0.5},
    ),
    scipy=lambda concentration, sharpness, scale: stats.burr(sharpness, concentration, scale=scale),
    cdf=lambda x, concentration, sharpness, scale: np.exp(
        -concentration * np.logaddexp(0.0, -sharpness * np.log(np.maximum(x, 1e-300) / scale))
    ),
    hard=(
        {"concentration": 1.0, "sharpness": 0.02, "scale": 3.0},
        {"concentration": 0.01, "sharpness": 1.0, "scale": 3.0},
        {"concentration": 1e6, "sharpness": 10.0, "scale": 3.0},
    ),
    expectations={"log x": _mean_log},
    small=("log x", _mean_log, {"concentration": 0.5, "sharpness": 0.01, "scale": 2.0}),
    tails=({"concentration": 2.5, "sharpness": 3.0, "scale": 2.0}, (2.0**-9, 0.5, 3.0, 2.0**12)),
    clamped=("low", "high"),
    truncations=(
        ({"concentration": 2.5, "sharpness": 3.0, "scale": 2.0}, 1.5, 4.0),
        ({"concentration": 2.5, "sharpness": 3.0, "scale": 2.0}, 1.5, 4.0, 2.0),
    ),
    masses=_masses,
    log_density=lambda x, p, a, b: mp.log(a * p / x) + a * p * mp.log(x / b) - (p + 1) * mp.log1p((x / b) ** a),
    apart="shared/test_rows.py",
)
