"""Log-densities in closed form by mpmath, and the ranges of parameters over which the records are held to them."""

import functools
import math
from collections.abc import Callable

import numpy as np
from mpmath import mp

from tests.rows import ROWS


def _gamma(x, a, rate):
    return a * mp.log(rate) - mp.loggamma(a) + (a - 1) * mp.log(x) - rate * x


def _student_t(x, df, loc, scale):
    t = (x - loc) / scale
    half = (df + 1) / 2
    constant = mp.loggamma(half) - mp.loggamma(df / 2) - mp.log(mp.pi * df) / 2
    return constant - half * mp.log1p(t * t / df) - mp.log(scale)


def _von_mises(x, loc, kappa):
    if kappa < 500:
        log_i0e = mp.log(mp.besseli(0, kappa)) - kappa
    else:  # DLMF 10.40.1
        term = total = mp.one
        for n in range(1, 400):
            term *= mp.mpf((2 * n - 1) ** 2) / (8 * kappa * n)
            total += term
            if term < mp.eps:
                break
        log_i0e = mp.log(total) - mp.log(2 * mp.pi * kappa) / 2
    return -2 * kappa * mp.sin((x - loc) / 2) ** 2 - mp.log(2 * mp.pi) - log_i0e


def _normal(x, loc, scale):
    return -(((x - loc) / scale) ** 2) / 2 - mp.log(2 * mp.pi) / 2 - mp.log(scale)


def _logistic(x, loc, scale):
    y = abs(x - loc) / scale
    return -y - 2 * mp.log1p(mp.exp(-y)) - mp.log(scale)


def _gumbel(x, loc, scale):
    y = (x - loc) / scale
    return -y - mp.exp(-y) - mp.log(scale)


def dirichlet(x, alpha):
    """Of x as it stands, whose components may not add up to 1."""
    terms = ((a - 1) * mp.log(c) - mp.loggamma(a) for a, c in zip(alpha, x, strict=True))
    return mp.loggamma(mp.fsum(alpha)) + mp.fsum(terms)


# name of a class -> log p of x and its record's parameters
LOG_DENSITIES: dict[str, Callable] = {
    "Gamma": _gamma,
    "Chi2": lambda x, df: _gamma(x, df / 2, mp.mpf(1) / 2),
    "LogGamma": lambda x, a, rate: a * mp.log(rate) - mp.loggamma(a) + a * x - rate * mp.exp(x),
    "InverseGamma": lambda x, a, rate: _gamma(1 / x, a, rate) - 2 * mp.log(x),
    "Beta": lambda x, a, b: dirichlet((x, 1 - x), (a, b)),
    "StudentT": _student_t,
    "VonMises": _von_mises,
    "ContinuousBernoulli": lambda x, logits: logits * x - mp.log(mp.expm1(logits) / logits),
    "GeneralizedPareto": lambda x, c, loc, scale: -(1 / c + 1) * mp.log1p(c * (x - loc) / scale) - mp.log(scale),
    "Normal": _normal,
    "LogNormal": lambda x, loc, scale: _normal(mp.log(x), loc, scale) - mp.log(x),
    "HalfNormal": lambda x, scale: _normal(x, 0, scale) + mp.log(2),
    "Cauchy": lambda x, loc, scale: -mp.log(mp.pi * scale) - mp.log1p(((x - loc) / scale) ** 2),
    "HalfCauchy": lambda x, scale: mp.log(2 / (mp.pi * scale)) - mp.log1p((x / scale) ** 2),
    "Laplace": lambda x, loc, scale: -abs(x - loc) / scale - mp.log(2 * scale),
    "Logistic": _logistic,
    "Gumbel": _gumbel,
    "Exponential": lambda x, rate: mp.log(rate) - rate * x,
    "Uniform": lambda x, low, high: -mp.log(high - low),
    **{row.name: row.log_density for row in ROWS},
}


def parameters(name: str, constraints: dict[str, str], count: int) -> np.ndarray:
    """Random ones, one row for each: 1e-6 to 1e8 where positive, the same with either sign or 0 where a location."""
    rng = np.random.default_rng(11)
    special = {
        ("VonMises", "loc"): lambda: rng.uniform(-math.pi, math.pi, count),
        ("GeneralizedPareto", "concentration"): lambda: rng.choice([-1, 1], count) * 10 ** rng.uniform(-6, 1, count),
        ("ContinuousBernoulli", "logits"): lambda: rng.choice([-1, 1], count) * 10 ** rng.uniform(-6, 3, count),
        # x is to stay in the range of its dtype
        ("LogNormal", "loc"): lambda: rng.uniform(-20, 20, count),
        ("LogNormal", "scale"): lambda: 10 ** rng.uniform(-6, 0.5, count),
        **{(row.name, p): functools.partial(draw, rng, count) for row in ROWS for p, draw in row.ranges.items()},
    }

    def draw(parameter: str, constraint: str) -> np.ndarray:
        if (name, parameter) in special:
            return special[name, parameter]()
        size = 10 ** rng.uniform(-6, 8, count)
        return size * rng.choice([-1, 0, 1], count) if constraint == "real" else size

    rows = np.array([draw(*item) for item in constraints.items()])
    return np.sort(rows, axis=0) if name == "Uniform" else rows


def value_and_slopes(name: str, x: float, params: np.ndarray) -> list[float]:
    """log p, and its derivatives in x and in each parameter by central differences."""
    log_density = LOG_DENSITIES[name]
    with mp.workdps(90):
        arguments = [mp.mpf(float(v)) for v in (x, *params)]

        def slope(j):
            step = mp.mpf("1e-30") * abs(arguments[j] or arguments[-1] or arguments[0])
            shifted = ([v + sign * step * (i == j) for i, v in enumerate(arguments)] for sign in (1, -1))
            above, below = (log_density(*point) for point in shifted)
            return float((above - below) / (2 * step))

        return [float(log_density(*arguments)), *map(slope, range(len(arguments)))]
