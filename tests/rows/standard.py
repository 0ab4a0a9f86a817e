"""The hosts' own classes in closed form, of which the kernels have records."""

import functools
import math

from mpmath import mp
from scipy import stats

from tests.row import Family

Row = functools.partial(Family, hosts=True, apart="kernels/test_families.py")
LOC_SCALE = {"loc": 0.5, "scale": 2.0}
UNIT = {"loc": 0.0, "scale": 1.0}
TWO = {"scale": 2.0}
EVEN = {"least": 0.5, "most": 4.0}


def normal(x, loc, scale):
    """log p"""
    return -(((x - loc) / scale) ** 2) / 2 - mp.log(2 * mp.pi) / 2 - mp.log(scale)


def _both(lower):
    return lambda x, *params: (mass := lower(x, *params), 1 - mass)


def _laplace(x, loc, scale):
    tail = mp.exp(-abs(x - loc) / scale) / 2
    return (tail, 1 - tail) if x < loc else (1 - tail, tail)


def _logistic(x, loc, scale):
    """log p"""
    y = abs(x - loc) / scale
    return -y - 2 * mp.log1p(mp.exp(-y)) - mp.log(scale)


def _gumbel(x, loc, scale):
    """log p"""
    y = (x - loc) / scale
    return -y - mp.exp(-y) - mp.log(scale)


ROWS = (
    Row(
        "Normal",
        scipy=stats.norm,
        tails=(LOC_SCALE, (-20.0, -2.0, 0.25, 3.0, 24.0)),
        masses=lambda x, loc, scale: (mp.ncdf((x - loc) / scale), mp.ncdf((loc - x) / scale)),
        log_density=normal,
        # two-sided, one-sided, in both tails, at 0, 5, 13 and 38 sigma; everything; a millionth of sigma
        truncations=(
            (LOC_SCALE, -1.0, 2.0),
            (UNIT, -6.0, 7.0, -4.5, 0.25, 5.5),
            (UNIT, 0.0, None, 0.01, 1.5, 4.0),
            (UNIT, 5.0, 6.0),
            (LOC_SCALE, None, -9.5, -9.6, -10.5),
            (UNIT, 13.0, 14.0),
            (UNIT, -14.0, -13.0),
            (UNIT, 13.0, None, 13.01, 13.25),
            (UNIT, 38.0, None, 38.01, 38.125),
            (UNIT, 38.0, 38.5, 38.01, 38.125),
            (UNIT, None, -38.0, -38.01, -38.125),
            (UNIT, -5e-7, 5e-7),
            ({"loc": 0.0, "scale": 1e6}, 1.0, 2.0),
            (UNIT, None, 1.0, -4.0, 0.5, 0.96875),
        ),
    ),
    Row(
        "LogNormal",
        scipy=lambda loc, scale: stats.lognorm(scale, scale=math.exp(loc)),
        tails=(LOC_SCALE, (2.0**-20, 0.5, 2.0**20)),
        masses=lambda x, loc, scale: (mp.ncdf((mp.log(x) - loc) / scale), mp.ncdf((loc - mp.log(x)) / scale)),
        log_density=lambda x, loc, scale: normal(mp.log(x), loc, scale) - mp.log(x),
        rounded_twice=True,
        # x is to stay in the range of its dtype
        ranges={
            "loc": lambda rng, count: rng.uniform(-20, 20, count),
            "scale": lambda rng, count: 10 ** rng.uniform(-6, 0.5, count),
        },
        truncations=((LOC_SCALE, 0.5, 3.0),),
        narrow=((LOC_SCALE, 1.0, 1.000002),),
    ),
    Row(
        "Cauchy",
        scipy=stats.cauchy,
        tails=(LOC_SCALE, (-(2.0**30), -6.0, 0.25, 9.0, 2.0**30)),
        masses=_both(lambda x, loc, scale: mp.mpf(1) / 2 + mp.atan((x - loc) / scale) / mp.pi),
        log_density=lambda x, loc, scale: -mp.log(mp.pi * scale) - mp.log1p(((x - loc) / scale) ** 2),
        truncations=((UNIT, 10.0, 20.0), (LOC_SCALE, -1.0, None, 3.0)),
        narrow=((UNIT, 0.5, 0.500001),),
    ),
    Row(
        "Laplace",
        scipy=stats.laplace,
        tails=(LOC_SCALE, (-160.0, -2.0, 0.25, 3.0, 160.0)),
        masses=_laplace,
        log_density=lambda x, loc, scale: -abs(x - loc) / scale - mp.log(2 * scale),
        truncations=(
            (LOC_SCALE, -1.0, 2.0),
            (LOC_SCALE, -11.5, 14.5, -9.0, 0.5, 9.0),
            (LOC_SCALE, 26.5, None, 26.51, 28.0),
            (LOC_SCALE, None, -25.5, -25.51, -27.0),
        ),
        narrow=((LOC_SCALE, 1.0, 1.000002), (LOC_SCALE, 0.499999, 0.500001)),
    ),
    Row(
        "Logistic",
        scipy=stats.logistic,
        tails=(LOC_SCALE, (-160.0, -2.0, 0.25, 3.0, 160.0)),
        masses=_both(lambda x, loc, scale: 1 / (1 + mp.exp(-(x - loc) / scale))),
        log_density=_logistic,
        truncations=(
            (LOC_SCALE, -1.0, 2.0),
            (LOC_SCALE, -11.5, 14.5, -9.0, 0.5, 9.0),
            (LOC_SCALE, 26.5, None, 26.51, 28.0),
            (LOC_SCALE, None, -25.5, -25.51, -27.0),
        ),
        narrow=((LOC_SCALE, 1.0, 1.000002),),
    ),
    Row(
        "Gumbel",
        scipy=stats.gumbel_r,
        tails=(LOC_SCALE, (-8.0, -2.0, 0.75, 3.0, 160.0)),
        masses=_both(lambda x, loc, scale: mp.exp(-mp.exp(-(x - loc) / scale))),
        log_density=_gumbel,
        truncations=(
            (LOC_SCALE, -1.0, 2.0),
            (LOC_SCALE, 26.5, None, 26.51, 28.0),
            (LOC_SCALE, None, -5.5, -5.51, -5.75),
            (LOC_SCALE, None, -25.5, -25.500002),
        ),
        narrow=((LOC_SCALE, 1.0, 1.000002),),
    ),
    Row(
        "Exponential",
        scipy=lambda rate: stats.expon(scale=1.0 / rate),
        tails=({"rate": 1.5}, (2.0**-40, 0.5, 3.0, 60.0)),
        masses=lambda x, rate: (-mp.expm1(-rate * x), mp.exp(-rate * x)),
        log_density=lambda x, rate: mp.log(rate) - rate * x,
        truncations=(({"rate": 1.5}, 0.5, 2.0), ({"rate": 1.5}, 40.0, None, 40.01, 41.0)),
        narrow=(({"rate": 1.5}, 1.0, 1.000001),),
    ),
    Row(
        "HalfNormal",
        scipy=lambda scale: stats.halfnorm(scale=scale),
        tails=(TWO, (2.0**-40, 0.5, 3.0, 24.0)),
        masses=_both(lambda x, scale: mp.erf(x / (scale * mp.sqrt(2)))),
        log_density=lambda x, scale: normal(x, 0, scale) + mp.log(2),
        truncations=((TWO, 0.5, 3.0), (TWO, 26.0, None, 26.01, 26.5), (TWO, None, 1.0, 1e-4, 0.8)),
        narrow=((TWO, 1.0, 1.000002),),
    ),
    Row(
        "HalfCauchy",
        scipy=lambda scale: stats.halfcauchy(scale=scale),
        tails=(TWO, (2.0**-40, 0.5, 3.0, 2.0**30)),
        masses=_both(lambda x, scale: 2 * mp.atan(x / scale) / mp.pi),
        log_density=lambda x, scale: mp.log(2 / (mp.pi * scale)) - mp.log1p((x / scale) ** 2),
        truncations=((TWO, 0.5, 3.0), (TWO, 26.0, None, 26.01, 100.0, 5000.0), (TWO, None, 1.0, 1e-4, 0.8)),
        narrow=((TWO, 1.0, 1.000002),),
    ),
    Row(
        "Uniform",
        scipy=lambda low, high: stats.uniform(low, high - low),
        tails=({"low": 0.5, "high": 4.0}, (0.5 + 2.0**-20, 1.0, 3.875)),
        masses=_both(lambda x, least, most: (x - least) / (most - least)),
        log_density=lambda x, low, high: -mp.log(high - low),
        ranges={
            "low": lambda rng, count: rng.choice([-1, 0, 1], count) * 10 ** rng.uniform(-6, 3, count),
            "high": lambda rng, count: 10 ** rng.uniform(3.1, 8, count),
        },
        truncations=((EVEN, 1.0, 3.0), (EVEN, None, 3.0, 0.51, 2.9), (EVEN, 1.0, None, 1.01, 3.9)),
        narrow=((EVEN, 1.0, 1.000002),),
    ),
)
