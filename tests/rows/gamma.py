"""Gamma: its series, from which LogGamma, InverseGamma and Chi2 have theirs, and its row."""

import math

import numpy as np
from mpmath import mp
from scipy import special, stats

from irg_kernels.families import gamma
from tests.case import QUANTILES, Case, grid, rounded, trigamma
from tests.oracles import settled, solve
from tests.row import Family

# ------------------------------------------------------------------------------------------------- d log z / da


def gamma_partial(a, log_z):
    """d log z / da at a fixed quantile of Gamma(a, 1), as a 1-tuple.

    P(a, z) = z^a e^-z / Gamma(a + 1) * S,  S = sum_n z^n / (a + 1)_n      (DLMF 8.7.1 with 8.2.4 and 8.2.6)
    d log z / da = -(dP/da) / (z p(z)) = -((log z - psi(a + 1)) S + dS/da) / a.
    """
    a, log_z = mp.convert(a), mp.convert(log_z)

    def evaluate():
        total, slope = _gamma_sums(a, mp.exp(log_z))
        return (-((log_z - mp.digamma(a + 1)) * total + slope) / a,)

    return settled(evaluate)


def _gamma_sums(a, z):
    """S and dS/da: each term is the last times z / (a + n); the log-derivative of term n is -sum_j 1 / (a + j)."""
    term, slope = mp.one, mp.zero
    total, slopes, n = mp.one, mp.zero, 0
    while True:
        n += 1
        ratio = z / (a + n)
        term *= ratio
        slope -= 1 / (a + n)
        total += term
        slopes += term * slope
        if ratio < 1 and term * (1 - slope) < mp.eps * (1 - ratio):
            return total, slopes


def gamma_tails(a, log_z):
    """(P, 1 - P, dP / d log z) of Gamma(a, 1) at log z; DLMF 8.7.1, at the working precision."""
    density = mp.exp(a * log_z - mp.exp(log_z) - mp.loggamma(a))
    lower = density / a * _gamma_sums(a, mp.exp(log_z))[0]
    return lower, 1 - lower, density


def gamma_quantile(q, a):
    """log z with P(a, z) = q, to some 10 digits, as a float.

    Newton on the log of the smaller tail: from P ~ z^a / Gamma(a + 1) (DLMF 8.7.1) where z is tiny, else from SciPy.
    """
    start = (math.log(q) + math.lgamma(a + 1)) / a
    if start > -100:
        start = math.log(special.gammaincinv(a, q) if q <= 0.5 else special.gammainccinv(a, 1 - q))
    return solve(lambda log_z: gamma_tails(mp.convert(a), log_z), q, start)


def tails(z, a):
    """P(a, z), 1 - P, and the density."""
    lower, upper, density = gamma_tails(a, mp.log(z))
    return lower, upper, density / z


def _log_tails(xp, z, a):
    return gamma.log_tails(xp, z, a, xp.where(a > 0.0, 1.0, a))


def _units(a):
    return np.sqrt(trigamma(a)), 1 / np.sqrt(trigamma(a))


# ------------------------------------------------------------------------------------------ points of references.json

SHAPES = (1e-6, 1e-3, 0.01, 0.02, 0.3, 0.5, 1.0, 1.5, 2.0, 8.0, 30.0, 100.0, 1e3, 1e4, 65536.0, 1e6)


def _places():
    """From the quantiles; and z = a, z = a (1 +- 1e-8)."""
    for params, float32, q in grid([(a,) for a in SHAPES], QUANTILES):
        (a,) = (rounded(p, float32) for p in params)
        yield params, (a,), _place(gamma_quantile(q, a), float32), float32, q
    for a in SHAPES:
        places = {(rounded(a, True), True), (a, False), (a * (1 + 1e-8), False), (a * (1 - 1e-8), False)}
        for z, float32 in sorted(places):
            yield (a,), (rounded(a, float32),), {"coordinate": "z", "at": z, "z": z}, float32, None


def _place(log_z, float32):
    """The fields of the point near log_z: z itself from 1e-30 up, log z below, where z as a double may be 0."""
    if log_z >= math.log(1e-30):
        z = rounded(math.exp(log_z), float32)
        if z >= 1e-30:
            return {"coordinate": "z", "at": z, "z": z}
    log_z = rounded(log_z, float32)
    return {"coordinate": "log_z", "at": log_z, "z": float(mp.exp(log_z)), "log_z": log_z}


CASE = Case(
    family="gamma",
    distribution="Gamma",
    parameters=("concentration",),
    kernels={"z": (gamma.dz_da,), "log_z": (gamma.dlogz_da,)},
    units=_units,
    oracle=gamma_partial,
    tails=tails,
    log_tails=("z", _log_tails),
    signs=(1,),
    places=_places,
    seconds=({(a,) for a in (1e-3, 0.02, 0.5, 1.0, 2.0, 30.0, 1e3, 1e6)}, {1e-6, 0.3, 0.999}),
    # z near a + 1/2, where one tail takes over from the other
    switches=((0.500002444, 4.9e-6), (0.5014, 0.0028), (0.61, 0.2247), (0.578951, 0.0789514), (361157.7, 722316.1)),
)


# ------------------------------------------------------------------------------------------------- the distribution


def masses(x, concentration, rate):
    ends = ((0, rate * x), (rate * x, mp.inf))
    return tuple(mp.gammainc(concentration, *end, regularized=True) for end in ends)


def log_density(x, a, rate):
    return a * mp.log(rate) - mp.loggamma(a) + (a - 1) * mp.log(x) - rate * x


def log_gamma_tails(x, concentration, rate=1.0):
    """P(log z <= x) and P(log z > x), where z itself may underflow."""
    log_z = np.asarray(x, dtype=np.float64) + math.log(rate)
    edge = -50.0  # below, exp(-z) is 1
    tiny = np.exp(concentration * np.minimum(log_z, edge) - special.gammaln(concentration + 1.0))
    z = np.exp(np.maximum(log_z, edge))
    lower = np.where(log_z < edge, tiny, special.gammainc(concentration, z))
    return lower, np.where(log_z < edge, 1.0 - tiny, special.gammaincc(concentration, z))


def cdf(x, concentration, rate):
    return log_gamma_tails(np.log(x), concentration, rate)[0]


def _divergence(a, b, c, d):
    return c * mp.log(b / d) + mp.loggamma(c) - mp.loggamma(a) + (a - c) * mp.digamma(a) + a * (d / b - 1)


MOMENTS = {
    "x": lambda concentration, rate: concentration / rate,
    "x**2": lambda concentration, rate: concentration * (concentration + 1) / mp.mpf(rate) ** 2,
    "log x": lambda concentration, rate: mp.psi(0, concentration) - mp.log(rate),
}


def entropies(first, second, **fixed):
    """Parameters, the first from tiny to large."""
    pairs = ((0.5, 2.0), (3.0, 0.7), (20.0, 5.0), (0.01, 0.3), (200.0, 300.0))
    return tuple({first: a, **fixed, second: b} for a, b in pairs)


ROW = Family(
    "Gamma",
    points=({"concentration": 0.5, "rate": 2.0}, {"concentration": 7.5, "rate": 0.25}),
    outside=(-1.0,),
    scipy=lambda concentration, rate: stats.gamma(concentration, scale=1.0 / rate),
    entropies=entropies("concentration", "rate"),
    cdf=cdf,
    ppf=lambda u, concentration, rate: special.gammaincinv(concentration, u) / rate,
    tails=({"concentration": 2.5, "rate": 1.5}, (2.0**-60, 0.25, 1.5, 8.0, 120.0)),
    hard=tuple({"concentration": a, "rate": b} for a, b in [(1e-3, 1.0), (0.02, 1e-30), (1.0, 1e3), (1e6, 10.0)]),
    expectations=MOMENTS,
    small=("log x", MOMENTS["log x"], {"concentration": 0.001, "rate": 2.0}),
    divergence=(
        _divergence,
        (
            ((0.5, 2.0), (3.0, 0.25)),
            ((1e-3, 1.0), (1e3, 7.0)),
            ((1e3, 2.0), (1e-3, 1.0)),
            ((2.5, 1.0), (2.5009765625, 1.0)),
            ((1e6, 4.0), (1000000.5, 4.000002)),
            ((0.001, 1.0), (0.0010001, 1.0)),
            ((9.5, 1.0), (10.5, 1.0)),
            ((4.0, 2.0), (4.0000005, 2.0)),
        ),
    ),
    masses=masses,
    log_density=log_density,
    case=CASE,
    clamped=("low", "high"),
    truncations=(
        ({"concentration": 2.5, "rate": 0.5}, 1.0, 6.0),
        ({"concentration": 0.3, "rate": 2.0}, None, 1.0, 1e-4, 0.1, 0.8),
        ({"concentration": 30.0, "rate": 1.0}, 60.0, None, 60.5, 65.0),
    ),
    narrow=(({"concentration": 2.5, "rate": 0.5}, 2.0, 2.000002),),
)
