"""Truncated distributions by mpmath: how a draw moves with each parameter and bound, its density; points to test at."""

import functools
import math
from dataclasses import dataclass

import numpy as np
from mpmath import mp
from scipy import stats

from tests import oracles
from tests.rows import ROWS


@dataclass(frozen=True)
class Point:
    """A truncated distribution with the draws at which it is tested."""

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


def single(x):
    """As float32 has it."""
    return None if x is None else float(np.float32(x))


def point(base, params, low, high, *xs, at=(0.001, 0.3, 0.95)):
    """With draws at `xs`, or at fractions of the way from low to high; all of it as float32 has it."""
    low, high = single(low), single(high)
    xs = xs or tuple(low + f * (high - low) for f in at)
    return Point(base, tuple((name, single(v)) for name, v in params.items()), low, high, tuple(map(single, xs)))


UNIT = {"loc": 0.0, "scale": 1.0}
FLOAT64 = {"loc": 0.5, "scale": 2.0}

# two-sided, one-sided, in both tails, at 0, 5, 13 and 38 sigma; everything; a millionth of sigma
NORMAL = (
    point("Normal", FLOAT64, -1.0, 2.0),
    point("Normal", UNIT, -6.0, 7.0, -4.5, 0.25, 5.5),
    point("Normal", UNIT, 0.0, None, 0.01, 1.5, 4.0),
    point("Normal", UNIT, 5.0, 6.0),
    point("Normal", FLOAT64, None, -9.5, -9.6, -10.5),
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

WEIBULL = {"scale": 2.0, "concentration": 1.5}
PARETO = {"scale": 1.5, "alpha": 2.5}
EVEN = {"least": 0.5, "most": 4.0}

# the bulk, and tails: 13 scales from the mode
OTHERS = (
    point("Cauchy", UNIT, 10.0, 20.0),
    point("Cauchy", FLOAT64, -1.0, None, 3.0),
    point("Exponential", {"rate": 1.5}, 0.5, 2.0),
    point("Exponential", {"rate": 1.5}, 40.0, None, 40.01, 41.0),
    point("LogNormal", FLOAT64, 0.5, 3.0),
    point("Gamma", {"concentration": 2.5, "rate": 0.5}, 1.0, 6.0),
    point("Gamma", {"concentration": 0.3, "rate": 2.0}, None, 1.0, 1e-4, 0.1, 0.8),
    point("Gamma", {"concentration": 30.0, "rate": 1.0}, 60.0, None, 60.5, 65.0),
    point("Chi2", {"df": 5.0}, 2.0, 12.0),
    point("Chi2", {"df": 5.0}, 65.0, None, 65.5, 70.0),
    point("LogGamma", {"concentration": 0.3, "rate": 2.0}, -8.0, 1.0),
    point("LogGamma", {"concentration": 4.0, "rate": 0.5}, None, -4.0, -4.25, -6.0),
    point("InverseGamma", {"concentration": 2.5, "rate": 1.5}, 0.2, 1.0),
    point("Beta", {"concentration1": 2.5, "concentration0": 0.7}, 0.3, 0.9),
    point("Beta", {"concentration1": 8.0, "concentration0": 3.0}, None, 0.2, 0.05, 0.15),
    point("StudentT", {"df": 3.0, "loc": 0.5, "scale": 2.0}, -1.0, 4.0),
    point("StudentT", {"df": 3.0, "loc": 0.0, "scale": 1.0}, 8.0, None, 8.5),
    point("StudentT", {"df": 30.0, "loc": 0.5, "scale": 2.0}, -1.0, 4.0),
    point("VonMises", {"loc": 0.5, "concentration": 2.0}, -1.0, 2.0),
    point("VonMises", {"loc": 3.0, "concentration": 1.5}, -2.5, None, -2.25, 0.5, 2.75),
    point("Laplace", FLOAT64, -1.0, 2.0),
    point("Laplace", FLOAT64, -11.5, 14.5, -9.0, 0.5, 9.0),
    point("Laplace", FLOAT64, 26.5, None, 26.51, 28.0),
    point("Laplace", FLOAT64, None, -25.5, -25.51, -27.0),
    point("Logistic", FLOAT64, -1.0, 2.0),
    point("Logistic", FLOAT64, -11.5, 14.5, -9.0, 0.5, 9.0),
    point("Logistic", FLOAT64, 26.5, None, 26.51, 28.0),
    point("Logistic", FLOAT64, None, -25.5, -25.51, -27.0),
    point("Gumbel", FLOAT64, -1.0, 2.0),
    point("Gumbel", FLOAT64, 26.5, None, 26.51, 28.0),
    point("Gumbel", FLOAT64, None, -5.5, -5.51, -5.75),
    point("Gumbel", FLOAT64, None, -25.5, -25.500002),
    point("Weibull", WEIBULL, 0.5, 3.0),
    point("Weibull", WEIBULL, 26.0, None, 26.01, 26.5),
    point("Weibull", {"scale": 2.0, "concentration": 0.5}, None, 1.0, 1e-4, 0.1, 0.8),
    point("HalfNormal", {"scale": 2.0}, 0.5, 3.0),
    point("HalfNormal", {"scale": 2.0}, 26.0, None, 26.01, 26.5),
    point("HalfNormal", {"scale": 2.0}, None, 1.0, 1e-4, 0.8),
    point("HalfCauchy", {"scale": 2.0}, 0.5, 3.0),
    point("HalfCauchy", {"scale": 2.0}, 26.0, None, 26.01, 100.0, 5000.0),
    point("HalfCauchy", {"scale": 2.0}, None, 1.0, 1e-4, 0.8),
    point("Pareto", PARETO, 2.0, 5.0),
    point("Pareto", PARETO, 19.5, None, 19.51, 100.0, 5000.0),
    point("Pareto", PARETO, None, 3.0, 1.51, 2.9),
    point("Uniform", EVEN, 1.0, 3.0),
    point("Uniform", EVEN, None, 3.0, 0.51, 2.9),
    point("Uniform", EVEN, 1.0, None, 1.01, 3.9),
    *(point(row.name, *bounds) for row in ROWS for bounds in row.truncations),
)

# a float32 has 16 values there
NEAR = (0.3, 0.5, 0.9)
NARROW = (
    point("Cauchy", UNIT, 0.5, 0.500001, at=NEAR),
    point("Gamma", {"concentration": 2.5, "rate": 0.5}, 2.0, 2.000002, at=NEAR),
    point("Chi2", {"df": 5.0}, 2.0, 2.000002, at=NEAR),
    point("LogGamma", {"concentration": 4.0, "rate": 0.5}, 1.0, 1.000001, at=NEAR),
    point("InverseGamma", {"concentration": 2.5, "rate": 1.5}, 0.5, 0.500001, at=NEAR),
    point("Beta", {"concentration1": 2.5, "concentration0": 0.7}, 0.3, 0.300001, at=NEAR),
    point("StudentT", {"df": 3.0, "loc": 0.5, "scale": 2.0}, 1.0, 1.000002, at=NEAR),
    point("VonMises", {"loc": 0.5, "concentration": 2.0}, 1.0, 1.000001, at=NEAR),
    point("Exponential", {"rate": 1.5}, 1.0, 1.000001, at=NEAR),
    point("LogNormal", FLOAT64, 1.0, 1.000002, at=NEAR),
    point("Laplace", FLOAT64, 1.0, 1.000002, at=NEAR),
    point("Laplace", FLOAT64, 0.499999, 0.500001, at=NEAR),
    point("Logistic", FLOAT64, 1.0, 1.000002, at=NEAR),
    point("Gumbel", FLOAT64, 1.0, 1.000002, at=NEAR),
    point("Weibull", WEIBULL, 1.0, 1.000002, at=NEAR),
    point("HalfNormal", {"scale": 2.0}, 1.0, 1.000002, at=NEAR),
    point("HalfCauchy", {"scale": 2.0}, 1.0, 1.000002, at=NEAR),
    point("Pareto", PARETO, 2.0, 2.000002, at=NEAR),
    point("Uniform", EVEN, 1.0, 1.000002, at=NEAR),
)

POINTS = NORMAL + OTHERS + NARROW

# Differences of steps so small that two of them, in masses of 1e-38 (1e-315 for the normal), leave 20 digits.
STEP, DIGITS = mp.mpf("1e-40"), {"Normal": 480}
MOST_DIGITS = 150


def _masses(p, x, params, low, high):
    """The masses on either side of x, in units of the density there."""
    cdf = functools.partial(oracles.cdf, p.base)
    open_low, open_high = (cdf(-mp.pi, *params), cdf(mp.pi, *params)) if p.base == "VonMises" else (0, 1)
    density = (cdf(x + STEP, *params) - cdf(x - STEP, *params)) / (2 * STEP)
    at, below = cdf(x, *params), open_low if low is None else cdf(low, *params)
    return (at - below) / density, ((open_high if high is None else cdf(high, *params)) - at) / density


def _moves(p, x, values):
    """({name: (dx/dname, the sum of its absolute terms)}, log p_T(x), u) at the parameters and bounds `values`."""
    names = [name for name, _ in p.params]

    def masses(shifted=None, by=0):
        moved = {name: v + by if name == shifted else v for name, v in values.items()}
        return _masses(p, x, [moved[name] for name in names], moved.get("low"), moved.get("high"))

    a, b = masses()
    u, found = a / (a + b), {}
    for name in values:
        (a_up, b_up), (a_down, b_down) = masses(name, STEP), masses(name, -STEP)
        terms = (1 - u) * (a_down - a_up) / (2 * STEP), u * (b_up - b_down) / (2 * STEP)
        # what is no difference at all is that of roundings
        found[name] = tuple(mp.zero if abs(v) < 1e-60 else v for v in (sum(terms), sum(map(abs, terms))))
    return found, -mp.log(a + b), u


def _values(p):
    return {name: mp.mpf(v) for name, v in (*p.params, *p.bounds.items())}


@functools.cache
def truth(p: Point) -> list[tuple[dict[str, tuple[float, float]], float, float]]:
    """For each draw (by name the partial and its `size`, log-density, quantile)."""
    with mp.workdps(DIGITS.get(p.base, MOST_DIGITS)):
        found = []
        for x in p.xs:
            partials, log_density, u = _moves(p, mp.mpf(x), _values(p))
            sizes = {name: (float(v), size(float(v), float(terms))) for name, (v, terms) in partials.items()}
            found.append((sizes, float(log_density), float(u)))
        return found


def size(partial, terms):
    """What an error is relative to: the partial, or where it is less than a quarter of its two terms, their sum.

    (In float32 either term was seen right to 7.4e-7.)
    """
    return abs(partial) if abs(partial) > 0.25 * terms else terms


def worst(p: Point, slopes, log_density=None, level=None) -> tuple[float, str]:
    """(largest error, where) of what was found for the draws of a point; NaN where something is.

    :param slopes: {name: partials}.
    :param log_density: with `level`, or neither.
    """
    errors = {}
    for i, (x, (partials, density, u)) in enumerate(zip(p.xs, truth(p), strict=True)):
        for name, (partial, scale) in partials.items():
            error = abs(float(slopes[name][i]) - partial)
            errors[f"the partial in {name} at {x}"] = error / scale if scale else error
        if log_density is None:
            continue
        errors[f"the log-density at {x}"] = abs(float(log_density[i]) - density) / (1 + abs(density))
        errors[f"the quantile of {x}"] = abs(float(level[i]) / u - 1)
    where = list(errors)[int(np.argmax(list(errors.values())))]  # NaN counts as the largest
    return errors[where], f"{where} of {p}"


def curvature(p: Point, x: float, name: str) -> float:
    """d**2 x / d name**2 at fixed quantile: differences of the first derivative along the curve of that quantile."""

    def slope(by, x):
        values = {key: v + by if key == name else v for key, v in _values(p).items()}
        return _moves(p, x, values)[0][name][0]

    with mp.workdps(DIGITS.get(p.base, MOST_DIGITS)):
        step, x = mp.mpf(10) ** -8, mp.mpf(x)
        speed = slope(0, x)
        ahead, back = (slope(s * step, x + s * step * speed) for s in (1, -1))
        return float((ahead - back) / (2 * step))


# (base, parameters, low, high, an end of the base's support, the log-density there)
AT_ENDS = (
    ("Uniform", (0.0, 1.0), 0.2, None, 1.0, -math.log(0.8)),
    ("Gamma", (2.0, 1.0), None, 1.0, 0.0, -math.inf),
    ("Gamma", (0.5, 1.0), None, 1.0, 0.0, math.inf),
    ("Beta", (2.0, 2.0), 0.2, None, 1.0, -math.inf),
    ("LogNormal", (0.0, 1.0), None, 1.0, 0.0, -math.inf),
    ("InverseGamma", (2.0, 1.0), None, 1.0, 0.0, -math.inf),
    ("Weibull", (1.0, 0.5), None, 1.0, 0.0, math.inf),
    ("Weibull", (1.0, 1.0), None, 1.0, 0.0, -math.log1p(-math.exp(-1.0))),
    ("HalfNormal", (1.0,), None, 1.0, 0.0, math.log(math.sqrt(2.0 / math.pi) / math.erf(math.sqrt(0.5)))),
)


def elbo_slopes(start: dict[str, float]) -> dict[str, float]:
    """d E[log q - log N(x; 0, 2)] / d parameter of a truncated normal q, by quadrature, to some 1e-9."""

    def bound(loc, scale, low, high):
        x, w = np.polynomial.legendre.leggauss(80)
        x, w = low + (high - low) * (x + 1) / 2, w * (high - low) / 2
        q = stats.norm.pdf(x, loc, scale) / (stats.norm.cdf(high, loc, scale) - stats.norm.cdf(low, loc, scale))
        return -np.sum(w * q * (stats.norm.logpdf(x, 0.0, 2.0) - np.log(q)))

    return {
        name: (bound(**{**start, name: v + 1e-5}) - bound(**{**start, name: v - 1e-5})) / 2e-5
        for name, v in start.items()
    }


def refusals(adapter):
    """message -> what raises it"""
    d, a = adapter.dist, adapter.array
    normal = d.Normal(a(0.0), 1.0)
    return {
        r"Truncated: low must be below high, but found low\n2": lambda: d.Truncated(normal, 2.0, 1.0),
        r"Truncated: low must lie in the support of its base Gamma": lambda: d.Truncated(d.Gamma(a(1.0), 1.0), -1.0),
        r"low must lie in .* and leave some of it": lambda: d.Truncated(normal, math.inf),
        r"low must lie in .* Beta.* and leave some of it": lambda: d.Truncated(d.Beta(a(2.0), 2.0), 1.0),
        r"Truncated: high must lie in the support .* Beta": lambda: d.Truncated(d.Beta(a(1.0), 1.0), None, 1.5),
        r"must be univariate, but Dirichlet has event": lambda: d.Truncated(d.Dirichlet(a([1.0] * 3)), 0.1),
        rf"{adapter.WITHOUT_CDF(d)} has no cdf": lambda: d.Truncated(adapter.WITHOUT_CDF(d, True), 0.1),
        r"base_dist must be a distribution, got float": lambda: d.Truncated(1.0, 0.1),
        r"low of shape \(2,\) cannot be": lambda: d.Truncated(d.Normal(a([0.0] * 3), 1.0), a([0.0] * 2)),
        r"quantile must lie in \[0, 1\]": lambda: d.Truncated(normal, 0.0).icdf(a(1.5)),
    }
