"""AsymmetricLaplaceQuantile."""

import numpy as np
from mpmath import mp
from scipy import stats

from tests.row import Family


def _masses(x, q, loc, scale):
    y = (x - loc) / scale
    tail = q * mp.exp((1 - q) * y) if y < 0 else (1 - q) * mp.exp(-q * y)
    return (tail, 1 - tail) if y < 0 else (1 - tail, tail)


def _log_density(x, q, loc, scale):
    y = (x - loc) / scale
    return ((1 - q) * y if y < 0 else -q * y) + mp.log(q * (1 - q) / scale)


def _scipy(quantile, loc, scale):
    """By SciPy's asymmetry."""
    kappa = (quantile / (1.0 - quantile)) ** 0.5
    return stats.laplace_asymmetric(kappa, loc, scale * kappa / quantile)


def _mean(quantile, loc, scale):
    return loc + scale * (1 / mp.mpf(quantile) - 1 / (1 - mp.mpf(quantile)))


def _square(quantile, loc, scale):
    q = mp.mpf(quantile)
    return _mean(quantile, loc, scale) ** 2 + scale**2 * (q**-2 + (1 - q) ** -2)


HERE = {"quantile": 0.3, "loc": 0.5, "scale": 2.0}

ROW = Family(
    "AsymmetricLaplaceQuantile",
    points=({"quantile": 0.3, "loc": 0.5, "scale": 2.0}, {"quantile": 0.75, "loc": -1.0, "scale": 0.25}),
    ends=(-np.inf, np.inf),
    scipy=_scipy,
    cdf=lambda x, quantile, loc, scale: _scipy(quantile, loc, scale).cdf(x),
    hard=({"quantile": 1e-4, "loc": 0.0, "scale": 1.0},),
    expectations={"x": _mean, "x**2": _square},
    tails=({"quantile": 0.3, "loc": 0.5, "scale": 2.0}, (-160.0, -2.0, 0.25, 3.0, 100.0)),
    masses=_masses,
    log_density=_log_density,
    ranges={"quantile": lambda rng, count: rng.uniform(0.01, 0.99, count)},
    truncations=(
        (HERE, -3.0, 4.0),
        (HERE, None, -20.0, -20.01, -21.0),
        (HERE, 0.499999, 0.500001, 0.4999996, 0.5, 0.5000008),
    ),
    apart="shared/test_rows.py",
)
