"""LogGamma, the logarithm of a Gamma number."""

import math

import numpy as np
from mpmath import mp
from scipy import special, stats

from tests.row import Family
from tests.rows import gamma

ROW = Family(
    "LogGamma",
    points=({"concentration": 0.5, "rate": 2.0}, {"concentration": 7.5, "rate": 0.25}),
    outside=(math.nan,),
    ends=(-math.inf, math.inf),
    scipy=lambda concentration, rate: stats.loggamma(concentration, loc=-math.log(rate)),
    entropies=gamma.entropies("concentration", "rate"),
    cdf=lambda x, concentration, rate: gamma.log_gamma_tails(x, concentration, rate)[0],
    ppf=lambda u, concentration, rate: np.log(special.gammaincinv(concentration, u) / rate),
    tails=({"concentration": 2.5, "rate": 1.5}, (-60.0, -1.0, 0.5, 2.0, 4.5)),
    hard=tuple({"concentration": a, "rate": b} for a, b in [(1e-3, 1.0), (1e-6, 1.0), (1.0, 1e3), (1e6, 1.0)]),
    expectations={
        "x": gamma.MOMENTS["log x"],
        "x**2": lambda concentration, rate: mp.psi(1, concentration) + gamma.MOMENTS["log x"](concentration, rate) ** 2,
        "exp x": lambda concentration, rate: concentration / rate,
    },
    small=("x", gamma.MOMENTS["log x"], {"concentration": 0.001, "rate": 2.0}),
    masses=lambda x, concentration, rate: gamma.masses(mp.exp(x), concentration, rate),
    log_density=lambda x, a, rate: a * mp.log(rate) - mp.loggamma(a) + a * x - rate * mp.exp(x),
    truncations=(
        ({"concentration": 0.3, "rate": 2.0}, -8.0, 1.0),
        ({"concentration": 4.0, "rate": 0.5}, None, -4.0, -4.25, -6.0),
    ),
    narrow=(({"concentration": 4.0, "rate": 0.5}, 1.0, 1.000001),),
)
