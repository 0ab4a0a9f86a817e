"""Truncated distributions by mpmath: how a draw moves with each parameter and bound, its density; points to test at."""

import functools
import math
from dataclasses import dataclass

import numpy as np
from mpmath import mp
from scipy import stats

from tests.families import BY_NAME, ROWS


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


NORMAL = tuple(point("Normal", *bounds) for bounds in BY_NAME["Normal"].truncations)
# the bulk, and tails: 13 scales from the mode
OTHERS = tuple(point(row.name, *bounds) for row in ROWS if row.name != "Normal" for bounds in row.truncations)
NARROW = tuple(point(row.name, *bounds, at=(0.3, 0.5, 0.9)) for row in ROWS for bounds in row.narrow)
POINTS = NORMAL + OTHERS + NARROW

# Differences of steps so small that two of them, in masses of 1e-38 (1e-315 for the normal), leave 20 digits.
STEP, DIGITS = mp.mpf("1e-40"), {"Normal": 480}
MOST_DIGITS = 150


def _masses(p, x, params, low, high):
    """The masses on either side of x, in units of the density there."""
    cdf = BY_NAME[p.base].cdf_exactly
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


def pair(one, first, second):
    """Both numbers along an axis, as an array of one's kind."""
    return one * np.array([first, second]) if not hasattr(one, "new_tensor") else one.new_tensor([first, second])


def noncentral_beyond(x, df, noncentrality):
    """P(X > x) p(0) / p(x) at df = 2, where p(0) = exp(-noncentrality / 2) / 2."""
    row, params = BY_NAME["NoncentralChi2"], (mp.mpf(df), mp.mpf(noncentrality))
    with mp.workdps(30):
        at_0 = mp.exp(-params[1] / 2) / 2
        return float(row.masses(mp.mpf(x), *params)[1] * at_0 / mp.exp(row.log_density(mp.mpf(x), *params)))


ENDS = {
    # a base with the density p(0) at the end 0 of its support, and (1 - u) p(0) / p(x)
    "Exponential": (lambda d, one: d.Exponential(1.5 * one), lambda x: 1.0),
    "HalfNormal": (lambda d, one: d.HalfNormal(one), lambda x: math.erfc(x / math.sqrt(2.0)) * math.exp(x * x / 2.0)),
    "HalfCauchy": (lambda d, one: d.HalfCauchy(one), lambda x: (1.0 - 2.0 / math.pi * math.atan(x)) * (1.0 + x * x)),
    "Gamma 2": (lambda d, one: d.Gamma(2.0 * one, 1.0), lambda x: 0.0),
    "Gamma 1.1": (lambda d, one: d.Gamma(1.1 * one, 1.0), lambda x: 0.0),
    "Gamma 1": (lambda d, one: d.Gamma(one, 1.0), lambda x: 1.0),
    "Beta": (lambda d, one: d.Beta(one, 3.0), lambda x: 1.0 - x),
    "Uniform": (lambda d, one: d.Uniform(0.0 * one, 2.0 * one), lambda x: 1.0 - x / 2.0),
    "GeneralizedPareto": (lambda d, one: d.GeneralizedPareto(0.0 * one, one, 0.5), lambda x: 1.0 + x / 2.0),
    "NoncentralChi2": (lambda d, one: d.NoncentralChi2(2.0 * one, 2.0), lambda x: noncentral_beyond(x, 2.0, 2.0)),
    # of rates 1 and 3
    "mixture": (
        lambda d, one: d.MixtureSameFamily(
            d.Categorical(logits=pair(one, 0.0, 0.0)), d.Exponential(pair(one, 1.0, 3.0))
        ),
        lambda x: 2.0 * (1.0 + math.exp(-2.0 * x)) / (1.0 + 3.0 * math.exp(-2.0 * x)),
    ),
}


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
        r"base_dist must be a distribution, got 1\.0 \(float\)": lambda: d.Truncated(1.0, 0.1),
        r"low of shape \(2,\) cannot be": lambda: d.Truncated(d.Normal(a([0.0] * 3), 1.0), a([0.0] * 2)),
        r"quantile must lie in \[0, 1\]": lambda: d.Truncated(normal, 0.0).icdf(a(1.5)),
    }
