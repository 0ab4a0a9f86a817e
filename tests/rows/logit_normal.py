"""LogitNormal."""

import numpy as np
from mpmath import mp
from scipy import special

from tests.row import Family


def _at(x, loc, scale):
    return (mp.log(x / (1 - x)) - loc) / scale


def _masses(x, loc, scale):
    y = _at(x, loc, scale) / mp.sqrt(2)
    return mp.erfc(-y) / 2, mp.erfc(y) / 2


ROW = Family(
    "LogitNormal",
    points=({"loc": 0.5, "scale": 2.0}, {"loc": -1.0, "scale": 0.25}),
    outside=(-0.5, 1.5),
    ends=(0.0, 1.0),
    cdf=lambda x, loc, scale: special.ndtr((np.log(x) - np.log1p(-np.asarray(x, dtype=np.float64)) - loc) / scale),
    hard=({"loc": 0.0, "scale": 50.0}, {"loc": 0.0, "scale": 0.01}),
    tails=({"loc": 0.5, "scale": 2.0}, (2.0**-30, 0.25, 0.5, 0.96875)),
    clamped=("low", "high"),
    masses=_masses,
    log_density=lambda x, loc, scale: (
        -(_at(x, loc, scale) ** 2) / 2 - mp.log(2 * mp.pi) / 2 - mp.log(scale * x * (1 - x))
    ),
    ranges={
        "loc": lambda rng, count: rng.uniform(-5.0, 5.0, count),
        "scale": lambda rng, count: 10 ** rng.uniform(-1, 0.5, count),
    },
    truncations=(({"loc": 0.5, "scale": 2.0}, 0.3, 0.9),),
    apart="shared/test_rows.py",
)
