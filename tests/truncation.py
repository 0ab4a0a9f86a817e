"""Truncated laws by mpmath: how a draw moves with each parameter and bound, and the density; points to be tested at."""

import functools
import math
from dataclasses import dataclass

import numpy as np
from mpmath import mp

# name of the base -> x, parameters -> its log-density, but for what no x is in (a score's constant drops out)
LOG_DENSITIES = {
    "Normal": lambda x, loc, scale: -(((x - loc) / scale) ** 2) / 2,
    "Cauchy": lambda x, loc, scale: -mp.log1p(((x - loc) / scale) ** 2),
    "Exponential": lambda x, rate: -rate * x,
    "LogNormal": lambda x, loc, scale: -(((mp.log(x) - loc) / scale) ** 2) / 2 - mp.log(x),
    "Gamma": lambda x, concentration, rate: (concentration - 1) * mp.log(x) - rate * x,
    "InverseGamma": lambda x, concentration, rate: -(concentration + 1) * mp.log(x) - rate / x,
    "Beta": lambda x, concentration1, concentration0: (
        (concentration1 - 1) * mp.log(x) + (concentration0 - 1) * mp.log1p(-x)
    ),
    "StudentT": lambda x, df, loc, scale: -(df + 1) / 2 * mp.log1p(((x - loc) / scale) ** 2 / df),
    "VonMises": lambda x, loc, concentration: concentration * mp.cos(x - loc),
    "Laplace": lambda x, loc, scale: -abs(x - loc) / scale,
    "Logistic": lambda x, loc, scale: -(x - loc) / scale - 2 * mp.log1p(mp.exp(-(x - loc) / scale)),
    "Gumbel": lambda x, loc, scale: -(x - loc) / scale - mp.exp(-(x - loc) / scale),
    "Weibull": lambda x, scale, concentration: (concentration - 1) * mp.log(x) - (x / scale) ** concentration,
    "HalfNormal": lambda x, scale: -((x / scale) ** 2) / 2,
    "HalfCauchy": lambda x, scale: -mp.log1p((x / scale) ** 2),
    "Pareto": lambda x, scale, alpha: -(alpha + 1) * mp.log(x),
    "Uniform": lambda x, low, high: 0 * x,
}
POSITIVE = ("Exponential", "LogNormal", "Gamma", "InverseGamma", "Weibull", "HalfNormal", "HalfCauchy")


@dataclass(frozen=True)
class Point:
    """A truncated law with the draws at which it is tested."""

    base: str
    params: tuple[tuple[str, float], ...]
    low: float | None
    high: float | None
    xs: tuple[float, ...]

    def __str__(self):
        return f"{self.base}-{self.low}-{self.high}"

    @property
    def bounds(self):
        return {name: b for name, b in (("low", self.low), ("high", self.high)) if b is not None}


def point(base, params, low, high, *xs, at=(0.001, 0.3, 0.95)):
    """With draws at `xs`, or at fractions of the way from low to high, as float32 has them."""
    if low is not None:
        low = float(np.float32(low))
    if high is not None:
        high = float(np.float32(high))
    xs = xs or tuple(low + f * (high - low) for f in at)
    return Point(base, tuple(params.items()), low, high, tuple(float(np.float32(x)) for x in xs))


UNIT = {"loc": 0.0, "scale": 1.0}
WIDE = {"loc": 0.5, "scale": 2.0}

# two-sided, one-sided, in both tails, at 0, 5, 13 and 38 sigma; everything; a millionth of sigma
NORMAL = (
    point("Normal", WIDE, -1.0, 2.0),
    point("Normal", UNIT, -6.0, 7.0, -4.5, 0.25, 5.5),
    point("Normal", UNIT, 0.0, None, 0.01, 1.5, 4.0),
    point("Normal", UNIT, 5.0, 6.0),
    point("Normal", WIDE, None, -9.5, -9.6, -10.5),
    point("Normal", UNIT, 13.0, 14.0),
    point("Normal", UNIT, -14.0, -13.0),
    point("Normal", UNIT, 13.0, None, 13.01, 13.25),
    point("Normal", UNIT, 38.0, None, 38.01, 38.125),
    point("Normal", UNIT, 38.0, 38.5, 38.01, 38.125),
    point("Normal", UNIT, None, -38.0, -38.01, -38.125),
    point("Normal", UNIT, -5e-7, 5e-7),
    point("Normal", {"loc": 0.0, "scale": 1e6}, 1.0, 2.0),
    point("Normal", UNIT, None, 1.0, -4.0, 0.5, 0.96875),
)

OTHERS = (
    point("Cauchy", UNIT, 10.0, 20.0),
    point("Cauchy", WIDE, -1.0, None, 3.0),
    point("Exponential", {"rate": 1.5}, 0.5, 2.0),
    point("Exponential", {"rate": 1.5}, 40.0, None, 40.01, 41.0),
    point("LogNormal", WIDE, 0.5, 3.0),
    point("Gamma", {"concentration": 2.5, "rate": 0.5}, 1.0, 6.0),
    point("Gamma", {"concentration": 0.3, "rate": 2.0}, None, 1.0, 1e-4, 0.1, 0.8),
    point("Gamma", {"concentration": 30.0, "rate": 1.0}, 60.0, None, 60.5, 65.0),
    point("InverseGamma", {"concentration": 2.5, "rate": 1.5}, 0.2, 1.0),
    point("Beta", {"concentration1": 2.5, "concentration0": 0.7}, 0.3, 0.9),
    point("Beta", {"concentration1": 8.0, "concentration0": 3.0}, None, 0.2, 0.05, 0.15),
    point("StudentT", {"df": 3.0, "loc": 0.5, "scale": 2.0}, -1.0, 4.0),
    point("StudentT", {"df": 3.0, "loc": 0.0, "scale": 1.0}, 8.0, None, 8.5),
    point("VonMises", {"loc": 0.5, "concentration": 2.0}, -1.0, 2.0),
    point("VonMises", {"loc": 3.0, "concentration": 1.5}, -2.5, None, -2.25, 0.5, 2.75),
)

# a float32 has 16 values there
NEAR = (0.3, 0.5, 0.9)
NARROW = (
    point("Cauchy", UNIT, 0.5, 0.500001, at=NEAR),
    point("Gamma", {"concentration": 2.5, "rate": 0.5}, 2.0, 2.000002, at=NEAR),
    point("Beta", {"concentration1": 2.5, "concentration0": 0.7}, 0.3, 0.300001, at=NEAR),
    point("StudentT", {"df": 3.0, "loc": 0.5, "scale": 2.0}, 1.0, 1.000002, at=NEAR),
    point("VonMises", {"loc": 0.5, "concentration": 2.0}, 1.0, 1.000001, at=NEAR),
    point("Exponential", {"rate": 1.5}, 1.0, 1.000001, at=NEAR),
)


def _ends(base):
    if base == "VonMises":  # as the library writes it
        return -mp.pi, mp.pi
    return (0, 1) if base == "Beta" else (0, mp.inf) if base in POSITIVE else (-mp.inf, mp.inf)


def _side(log_density, weight, x, end):
    """int weight(t) p(t)/p(x) dt from x to end, outwards: scaled where the density falls fast."""
    if end == x:
        return mp.zero
    if end == 0 and x > 0:  # a singularity there is none of its logarithm
        at_x = log_density(x)
        scaled = lambda s: weight(x * mp.exp(-s)) * mp.exp(log_density(x * mp.exp(-s)) - at_x - s)  # noqa: E731
        return x * mp.quad(scaled, [0, 1, 4, 16, 64, 256])
    slope = abs(mp.diff(log_density, x))
    unit = min(1 / slope if slope else mp.one, mp.one)
    sign = 1 if end > x else -1
    marks = [x]
    for k in range(-2, 9):
        mark = x + sign * unit * mp.mpf(4) ** k
        if (end - mark) * sign <= 0:
            break
        marks.append(mark)
    at_x = log_density(x)
    return mp.quad(lambda t: weight(t) * mp.exp(log_density(t) - at_x), [*marks, end]) * sign


def _moves(base, x, params, low, high):
    """({name: dx/dname}, log p_T(x), u)."""
    names, ends = [name for name, _ in params], _ends(base)
    values = [mp.mpf(v) for _, v in params]
    l, h = (mp.mpf(end) if b is None else mp.mpf(b) for b, end in zip((low, high), ends, strict=True))

    def log_density(t):
        return LOG_DENSITIES[base](t, *values)

    below, above = _side(log_density, lambda t: mp.one, x, l), _side(log_density, lambda t: mp.one, x, h)
    u = below / (below + above)
    found = {}
    for j, name in enumerate(names):

        def score(t, j=j):
            def along(v):
                return LOG_DENSITIES[base](t, *values[:j], v, *values[j + 1 :])

            step = mp.mpf(10) ** -(mp.dps // 3)
            return (along(values[j] + step) - along(values[j] - step)) / (2 * step)

        found[name] = -((1 - u) * _side(log_density, score, x, l) - u * _side(log_density, score, x, h))
    if low is not None:
        found["low"] = (1 - u) * mp.exp(log_density(l) - log_density(x))
    if high is not None:
        found["high"] = u * mp.exp(log_density(h) - log_density(x))
    return found, -mp.log(below + above), u


@functools.cache
def truth(p: Point) -> list[tuple[dict[str, float], float, float]]:
    """For each draw (partials by name, log-density, quantile)."""
    with mp.workdps(36):
        found = []
        for x in p.xs:
            partials, log_density, u = _moves(p.base, mp.mpf(x), p.params, p.low, p.high)
            found.append(({name: float(v) for name, v in partials.items()}, float(log_density), float(u)))
        return found


def curvature(p: Point, x: float, name: str) -> float:
    """d**2 x / d name**2 at fixed quantile: differences of the first derivative along the curve of that quantile."""
    start = {**dict(p.params), **p.bounds}[name]

    def slope(shift, x):
        params = tuple((n, v + shift if n == name else v) for n, v in p.params)
        low, high = (b + shift if n == name else b for n, b in (("low", p.low), ("high", p.high)))
        return _moves(p.base, x, params, low, high)[0][name]

    assert math.isfinite(start)
    with mp.workdps(36):
        step, x = mp.mpf(10) ** -6, mp.mpf(x)
        speed = slope(mp.zero, x)
        ahead, back = (slope(s * step, x + s * step * speed) for s in (1, -1))
        return float((ahead - back) / (2 * step))
