"""Levy."""

import numpy as np
from mpmath import mp
from scipy import special, stats

from tests.row import Family


def _masses(x, loc, scale):
    root = mp.sqrt(scale / (2 * (x - loc)))
    return mp.erfc(root), mp.erf(root)


HERE = {"loc": 0.5, "scale": 2.0}

ROW = Family(
    "Levy",
    points=({"loc": 0.5, "scale": 2.0}, {"loc": -1.0, "scale": 0.25}),
    scipy=lambda loc, scale: stats.levy(loc, scale),
    cdf=lambda x, loc, scale: special.erfc(np.sqrt(0.5 * scale / (x - loc))),
    hard=({"loc": 0.0, "scale": 1e-6}, {"loc": 0.0, "scale": 1e8}),
    expectations={
        "cos x": lambda loc, scale: mp.exp(-mp.sqrt(scale)) * mp.cos(loc + mp.sqrt(scale)),
        "sin x": lambda loc, scale: mp.exp(-mp.sqrt(scale)) * mp.sin(loc + mp.sqrt(scale)),
    },
    tails=({"loc": 0.5, "scale": 2.0}, (0.5 + 2.0**-5, 1.0, 4.0, 2.0**20)),
    masses=_masses,
    log_density=lambda x, loc, scale: (mp.log(scale / (2 * mp.pi)) - scale / (x - loc) - 3 * mp.log(x - loc)) / 2,
    truncations=(
        (HERE, 0.75, 9.0),
        (HERE, None, 2.0, 0.625, 1.0, 1.9),
        (HERE, 4.0, None, 5.0, 500.0),
        (HERE, 1.0, 1.000002, 1.0000006, 1.000001, 1.0000018),
    ),
    apart="shared/test_rows.py",
)
