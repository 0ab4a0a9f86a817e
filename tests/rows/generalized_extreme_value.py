"""GeneralizedExtremeValue."""

import numpy as np
from mpmath import mp
from scipy import stats

from tests.row import Family


def _masses(x, c, loc, scale):
    e = (1 + c * (x - loc) / scale) ** (-1 / c)
    return mp.exp(-e), -mp.expm1(-e)


def _log_density(x, c, loc, scale):
    g = mp.log1p(c * (x - loc) / scale) / c
    return -(1 + c) * g - mp.exp(-g) - mp.log(scale)


def _mean(concentration, loc, scale):
    return loc + scale * (mp.gamma(1 - concentration) - 1) / concentration


HERE = {"concentration": 0.2, "loc": 0.5, "scale": 2.0}

ROW = Family(
    "GeneralizedExtremeValue",
    points=({"concentration": 0.2, "loc": 0.5, "scale": 2.0}, {"concentration": -0.3, "loc": -1.0, "scale": 0.25}),
    ends=(-np.inf, np.inf),
    scipy=lambda concentration, loc, scale: stats.genextreme(-concentration, loc, scale),
    cdf=lambda x, concentration, loc, scale: stats.genextreme.cdf(x, -concentration, loc, scale),
    hard=({"concentration": 1e-6, "loc": 0.0, "scale": 1.0}, {"concentration": 1.5, "loc": 0.0, "scale": 1.0}),
    expectations={"x": _mean},
    tails=({"concentration": 0.2, "loc": 0.5, "scale": 2.0}, (-5.0, -2.0, 0.25, 3.0, 2.0**20)),
    masses=_masses,
    log_density=_log_density,
    ranges={"concentration": lambda rng, count: rng.choice([-1, 1], count) * 10 ** rng.uniform(-6, 0.3, count)},
    truncations=(
        (HERE, -1.0, 4.0),
        (HERE | {"concentration": -0.3}, -1.0, None, 3.0, 6.5),
        (HERE, 4.0, None, 5.0, 500.0),
        (HERE, 1.0, 1.000002, 1.0000006, 1.000001, 1.0000018),
    ),
    apart="shared/test_rows.py",
)
