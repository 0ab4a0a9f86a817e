"""NormalInverseGaussian."""

import functools

import numpy as np
from mpmath import mp
from scipy import special, stats

from tests.row import Family


def _masses(x, mu, delta, alpha, beta):
    """A mixture of normal distributions over log V, by the trapezoidal rule on the line, whose integrand is entire in a
    strip of half width pi / 2; 70 digits are enough for every difference that is taken of such masses."""
    with mp.workdps(min(mp.dps, 70)):
        y, a, b = (x - mu) / delta, alpha * delta, beta * delta
        g = mp.sqrt((a - b) * (a + b))
        q = mp.sqrt(1 + y * y)
        step = min(mp.mpf("0.06"), mp.mpf("0.4") / mp.sqrt(1 + a * q))
        far = 2 * (mp.dps + 5) * mp.ln10 + 2 * a * q
        low, high = -mp.log(far), mp.log(far) - 2 * mp.log(g)
        below = y < b / g
        total = mp.zero
        for j in range(int(low / step), int(high / step) + 1):
            v = mp.exp(j * step)
            root = mp.sqrt(v)
            z = (b * v - y) / root if below else (y - b * v) / root
            total += mp.exp(g - (1 / v + g * g * v) / 2) / root * mp.erfc(z / mp.sqrt(2))
        mass = total * step / mp.sqrt(8 * mp.pi)
        return (mass, 1 - mass) if below else (1 - mass, mass)


@functools.cache
def _cosines(digits):
    """(step, cosh of its multiples) of the trapezoidal rule for K_1(z), the integral of exp(-z cosh(t)) cosh(t)."""
    step = mp.pi**2 / (digits * mp.ln10 + 5)
    return step, [mp.cosh(j * step) for j in range(int((mp.log(digits) + 10) / step))]


def _k1(z):
    step, cosines = _cosines(mp.dps)
    total, least = mp.exp(-z) / 2, mp.eps * mp.exp(-z)
    for cosine in cosines[1:]:
        part = mp.exp(-z * cosine) * cosine
        total += part
        if part < least:
            break
    return step * total


def _log_density(x, mu, delta, alpha, beta):
    q = mp.sqrt(delta**2 + (x - mu) ** 2)
    gamma = mp.sqrt((alpha - beta) * (alpha + beta))
    return mp.log(alpha * delta / mp.pi) + delta * gamma + beta * (x - mu) + mp.log(_k1(alpha * q) / q)


def _scipy(loc, scale, tailweight, skewness):
    return stats.norminvgauss(tailweight * scale, skewness * scale, loc=loc, scale=scale)


def _cdf(x, loc, scale, tailweight, skewness):
    """By the trapezoidal rule in arcsinh(y), off by 1e-7."""
    w, a, b = np.linspace(-12.0, 12.0, 24_001), tailweight * scale, skewness * scale
    q = np.cosh(w)
    density = a / np.pi * special.k1e(a * q) * np.exp(np.sqrt(a * a - b * b) + b * np.sinh(w) - a * q)
    mass = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]))]) * (w[1] - w[0])
    return np.interp(np.arcsinh((np.asarray(x, dtype=np.float64) - loc) / scale), w, mass)


def _mean(loc, scale, tailweight, skewness):
    return loc + scale * skewness / mp.sqrt(mp.mpf(tailweight) ** 2 - mp.mpf(skewness) ** 2)


def _square(loc, scale, tailweight, skewness):
    gamma = mp.sqrt(mp.mpf(tailweight) ** 2 - mp.mpf(skewness) ** 2)
    return _mean(loc, scale, tailweight, skewness) ** 2 + scale * mp.mpf(tailweight) ** 2 / gamma**3


ROW = Family(
    "NormalInverseGaussian",
    points=({"loc": 0.5, "scale": 2.0, "tailweight": 1.5, "skewness": -0.5},),
    ends=(-np.inf, np.inf),
    scipy=_scipy,
    cdf=_cdf,
    expectations={"x": _mean, "x**2": _square},
    tails=({"loc": 0.5, "scale": 2.0, "tailweight": 1.5, "skewness": -0.5}, (-16.0, -2.0, 0.25, 2.0, 12.0)),
    truncations=(
        ({"loc": 0.5, "scale": 2.0, "tailweight": 1.5, "skewness": -0.5}, -1.0, 3.0),
        ({"loc": 0.5, "scale": 2.0, "tailweight": 1.5, "skewness": -0.5}, None, -30.0, -31.0, -35.0),
        ({"loc": 0.0, "scale": 1.0, "tailweight": 0.001, "skewness": 0.0}, -1.0, 50.0),
        ({"loc": 1.0, "scale": 1.0, "tailweight": 2.0, "skewness": 1.95}, 5.0, 5.001),
    ),
    narrow=(({"loc": 0.5, "scale": 2.0, "tailweight": 1.5, "skewness": -0.5}, 1.0, 1.000002),),
    masses=_masses,
    log_density=_log_density,
    ranges={
        "loc": lambda rng, count: rng.choice([-1, 1], count) * 10 ** rng.uniform(-3, 0, count),
        "scale": lambda rng, count: 10 ** rng.uniform(-1, 0.7, count),
        "tailweight": lambda rng, count: 10 ** rng.uniform(-0.3, 0.7, count),
        "skewness": lambda rng, count: rng.uniform(-0.45, 0.45, count),
    },
    through_zero=("scale", "tailweight"),
    apart="shared/test_rows.py",
)
