"""DoublyTruncatedPowerLaw."""

import numpy as np
from mpmath import mp

from tests.row import Family


def _mass(start, end, alpha):
    return (end ** (1 + alpha) - start ** (1 + alpha)) / (1 + alpha)


def _masses(x, alpha, low, high):
    total = _mass(low, high, alpha)
    return _mass(low, x, alpha) / total, _mass(x, high, alpha) / total


def _mean_log(alpha, low, high):
    """Of a continuous Bernoulli number."""
    eta, r = (1 + mp.mpf(alpha)) * mp.log(high / low), mp.log(high / low)
    return mp.log(low) + r * (1 / (1 - mp.exp(-eta)) - 1 / eta)


def _cdf(x, alpha, low, high):
    eta = (1.0 + alpha) * np.log(high / low)
    return np.expm1((1.0 + alpha) * np.log(x / low)) / np.expm1(eta)


ROW = Family(
    "DoublyTruncatedPowerLaw",
    points=({"alpha": -2.5, "low": 0.5, "high": 4.0}, {"alpha": 1.5, "low": 1.0, "high": 3.0}),
    ends=(-np.inf, np.inf),
    cdf=_cdf,
    hard=(
        {"alpha": -1.0 + 2.0**-20, "low": 0.5, "high": 4.0},
        {"alpha": -60.0, "low": 1.0, "high": 8.0},
        {"alpha": 60.0, "low": 1.0, "high": 8.0},
    ),
    expectations={"log x": _mean_log},
    tails=({"alpha": -2.5, "low": 0.5, "high": 4.0}, (0.5 + 2.0**-20, 1.0, 3.875)),
    masses=_masses,
    log_density=lambda x, alpha, low, high: alpha * mp.log(x) - mp.log(_mass(low, high, alpha)),
    ranges={
        "alpha": lambda rng, count: -1.0 + rng.choice([-1, 1], count) * 10 ** rng.uniform(-3, 1, count),
        "low": lambda rng, count: 10 ** rng.uniform(-1, 0, count),
        "high": lambda rng, count: 10 ** rng.uniform(0.1, 1.5, count),
    },
    stricter=("low", "high"),
    apart="shared/test_rows.py",
)
