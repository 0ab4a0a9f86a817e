"""GeneralizedInverseGaussian."""

import numpy as np
from mpmath import mp
from scipy import special, stats

from tests.row import Family


def outwards(exponent, sign, width):
    """int exp(exponent(sign v)) dv from 0 on, of an exponent that falls ever faster: by Gauss and Legendre in ever
    longer pieces; 75 digits are enough for every difference that is taken of such masses."""
    with mp.workdps(min(mp.dps, 75)):
        ends, top = [mp.zero], exponent(mp.zero)
        while exponent(sign * ends[-1]) - top > -mp.dps * mp.ln10 - 10:
            ends.append(max(ends[-1] + width, mp.mpf(1.5) * ends[-1]))
        part = mp.quad(lambda v: mp.exp(exponent(sign * v) - top), ends, method="gauss-legendre", maxdegree=6)
        return part * mp.exp(top)


def _masses(x, p, b, scale):
    """In log y, from y outwards."""
    t = mp.log(x / scale)
    total, below = 2 * mp.besselk(p, b), t < mp.asinh(p / b)
    width = min(1 / mp.sqrt(mp.sqrt(p * p + b * b)), mp.one)
    mass = outwards(lambda v: p * (t + v) - b * mp.cosh(t + v), -1 if below else 1, width) / total
    return (mass, 1 - mass) if below else (1 - mass, mass)


def _log_density(x, p, b, scale):
    y = x / scale
    return (p - 1) * mp.log(y) - b * (y + 1 / y) / 2 - mp.log(2 * mp.besselk(p, b)) - mp.log(scale)


def _scipy(p, b, scale):
    return stats.geninvgauss(p, b, scale=scale)


def _cdf(x, p, b, scale):
    """By the trapezoidal rule in log y, off by 1e-7."""
    t = np.linspace(-12.0, 12.0, 24_001)
    density = np.exp(p * t - b * np.cosh(t)) / (2.0 * special.kv(p, b))
    mass = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]))]) * (t[1] - t[0])
    return np.interp(np.log(np.asarray(x, dtype=np.float64)) - np.log(scale), t, mass)


def _power(k):
    return lambda p, b, scale: scale**k * mp.besselk(p + k, b) / mp.besselk(p, b)


ROW = Family(
    "GeneralizedInverseGaussian",
    points=({"p": 2.0, "b": 0.3, "scale": 0.5},),
    scipy=_scipy,
    cdf=_cdf,
    expectations={"x": _power(1), "x**2": _power(2), "1/x": lambda p, b, scale: _power(1)(-p, b, 1 / scale)},
    tails=({"p": -0.5, "b": 1.5, "scale": 2.0}, (0.125, 0.75, 2.0, 8.0, 64.0)),
    truncations=(({"p": -0.5, "b": 1.5, "scale": 2.0}, 0.5, 3.0),),
    clamped=("low", "high"),
    masses=_masses,
    rounded_twice=True,
    log_density=_log_density,
    ranges={
        "p": lambda rng, count: rng.choice([-1, 1], count) * 10 ** rng.uniform(-2, 1.5, count),
        "b": lambda rng, count: 10 ** rng.uniform(-2, 1.5, count),
        "scale": lambda rng, count: 10 ** rng.uniform(-6, 6, count),
    },
    through_zero=("b",),
    apart="shared/test_rows.py",
)
