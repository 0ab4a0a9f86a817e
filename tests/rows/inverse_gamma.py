"""InverseGamma, one over a Gamma number."""

import numpy as np
from mpmath import mp
from scipy import special, stats

from tests.row import Family
from tests.rows import gamma


def _mean_log(concentration, rate):
    return mp.log(rate) - mp.psi(0, concentration)


ROW = Family(
    "InverseGamma",
    points=({"concentration": 6.0, "rate": 2.0}, {"concentration": 20.0, "rate": 0.25}),
    outside=(-1.0,),
    scipy=lambda concentration, rate: stats.invgamma(concentration, scale=rate),
    entropies=gamma.entropies("concentration", "rate"),
    cdf=lambda x, concentration, rate: gamma.log_gamma_tails(-np.log(x), concentration, rate)[1],
    ppf=lambda u, concentration, rate: rate / special.gammainccinv(concentration, u),
    tails=({"concentration": 2.5, "rate": 1.5}, (2.0**-7, 0.25, 1.0, 64.0, 2.0**50)),
    hard=tuple({"concentration": a, "rate": b} for a, b in [(1e-2, 1.0), (0.02, 1e-30), (1.0, 1e-3), (1e4, 1.0)]),
    expectations={
        "x": lambda concentration, rate: rate / (concentration - 1),
        "1/x": lambda concentration, rate: concentration / rate,
        "log x": _mean_log,
    },
    small=("log x", _mean_log, {"concentration": 0.001, "rate": 2.0}),
    masses=lambda x, concentration, rate: gamma.masses(1 / x, concentration, rate)[::-1],
    log_density=lambda x, a, rate: gamma.log_density(1 / x, a, rate) - 2 * mp.log(x),
    clamped=("low", "high"),
    truncations=(({"concentration": 2.5, "rate": 1.5}, 0.2, 1.0),),
    narrow=(({"concentration": 2.5, "rate": 1.5}, 0.5, 0.500001),),
)
