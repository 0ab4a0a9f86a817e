"""The sine bivariate von Mises distribution by mpmath and by sums over a grid; the tests of both adapters share it.

    python tests/torus.py

(some minutes on one core) makes ``torus.json``, one row for each of `POINTS`, all exact in float32:

    point           k1, k2, rho
    mode, reach     of |u|: where its density is highest, and the ends beyond which less than e**-72 of that is left
    log_normalizer
    u, partials     places of |u|, and there du/dk1, du/dk2, du/drho at fixed quantile
"""

import functools
import itertools
import json
import math
import pathlib

import numpy as np
from mpmath import mp
from scipy import integrate, special

# (k1, k2, rho): independent, weakly correlated, at the edge of two modes, beyond it, and far out
POINTS = (  # rounded to float32 below
    (1.0, 1.0, 0.5),
    (2.0, 5.0, 0.0),
    (3.0, 2.0, 1e-3),
    (1e-3, 1e-3, 0.25),
    (2.0, 5.0, math.sqrt(10.0)),
    (0.5, 0.3, 5.0),
    (100.0, 50.0, -70.0),
    (24.0, 24.0, 20.0),
    (1e6, 1e6, 5e5),
    (1e6, 1e6, 1e6),
    (1e6, 1e6, 3e6),
    (1e6, 1e-3, 1e6),
    (1e-3, 1e6, 1e3),
    (1e4, 1e4, 1.0001e4),
)
POINTS = tuple(tuple(float(np.float32(value)) for value in point) for point in POINTS)
PATH = pathlib.Path(__file__).with_suffix(".json")
MODERATE = ((2.0, 3.0, 1.5), (0.7, 0.4, 2.5))


@functools.cache
def _rule():
    x, _ = np.polynomial.legendre.leggauss(32)
    rule = []
    for start in map(mp.mpf, x):
        z = start
        for _ in range(4):
            value, before = mp.legendre(32, z), mp.legendre(31, z)
            slope = 32 * (z * value - before) / (z * z - 1)
            z -= value / slope
        rule.append((z, 2 / ((1 - z * z) * slope * slope)))
    return rule


def _bessel(R):
    """(log(exp(-R) I0(R)), I1(R)/I0(R)); beyond 200 by the asymptotic series (DLMF 10.40.1)."""
    if R <= 200:
        i0 = mp.besseli(0, R)
        return mp.log(i0) - R, mp.besseli(1, R) / i0
    sums = []
    for nu in (0, 1):
        total = term = mp.mpf(1)
        for k in range(1, 60):
            term *= ((2 * k - 1) ** 2 - 4 * nu) / (8 * R * k)
            total += term
        sums.append(total)
    return mp.log(sums[0]) - mp.log(2 * mp.pi * R) / 2, sums[1] / sums[0]


class Marginal:
    """The first angle u, with the derivatives of a draw of it at fixed quantile."""

    @mp.workdps(30)
    def __init__(self, k1, k2, rho):
        self.k1, self.k2, self.rho = map(mp.mpf, (k1, k2, rho))
        low, high = mp.mpf(0), mp.pi / 2
        for _ in range(90):
            middle = (low + high) / 2
            low, high = (middle, high) if self._slope(middle) > 0 else (low, middle)
        self.mode = low if self._slope(mp.mpf(10) ** -12) > 0 else mp.mpf(0)
        self.top = self._log_density(self.mode)
        self.edges = [*reversed(self._edges(self.mode, 0)), self.mode, *self._edges(self.mode, mp.pi)]
        self.mass, *moments = self._sums(self.edges, (0, 0, 0))
        self.means = [m / self.mass for m in moments]

    def _slope(self, t):
        R = mp.hypot(self.k2, self.rho * mp.sin(t))
        return self.rho**2 * _bessel(R)[1] / R * mp.cos(t) - self.k1

    def _log_density(self, t):
        R = mp.hypot(self.k2, self.rho * mp.sin(t))
        return self.k1 * mp.cos(t) + R + _bessel(R)[0]

    def fall(self, t):
        return self.top - self._log_density(t)

    def _edges(self, start, end):
        """Points between which the log-density falls little, from start to end or to a fall of 72."""
        found, level = [], self.fall(start)
        for fall in (0.3, 2, 5, 10, 20, 35, 52, 72):
            if self.fall(end) - level <= fall:
                return [*found, mp.mpf(end)]
            inner, outer = mp.mpf(start), mp.mpf(end)
            for _ in range(12):
                middle = (inner + outer) / 2
                inner, outer = (middle, outer) if self.fall(middle) - level <= fall else (inner, middle)
            found.append(outer)
        return found

    def _sums(self, edges, centre):
        total = [mp.mpf(0)] * 4
        for a, b in itertools.pairwise(edges):
            for z, w in _rule():
                t = (a + b) / 2 + (b - a) / 2 * z
                s = mp.sin(t)
                R = mp.hypot(self.k2, self.rho * s)
                log_i0e, ratio = _bessel(R)
                p = w * (b - a) / 2 * mp.exp(self.k1 * mp.cos(t) + R + log_i0e - self.top)
                scores = (mp.cos(t), self.k2 * ratio / R, self.rho * s * s * ratio / R)
                total[0] += p
                for i in range(3):
                    total[i + 1] += p * (scores[i] - centre[i])
        return total

    @mp.workdps(30)
    def partials(self, u):
        """du/dk1, du/dk2, du/drho at u > 0."""
        u = mp.mpf(u)
        inward = u < self.mode
        edges = [u, *self._edges(u, 0 if inward else mp.pi)]
        sums = self._sums(edges, self.means)[1:]
        return [float(s * mp.exp(self.fall(u))) for s in sums]

    @mp.workdps(30)
    def log_normalizer(self):
        return float(mp.log(4 * mp.pi * self.mass) + self.top)

    @mp.workdps(30)
    def places(self):
        """Angles from the mode to a probability of some 1e-12, exact in float32."""
        between = [(a + b) / 2 for a, b in itertools.pairwise(self.edges)]
        chosen = [t for t in (*self.edges, *between) if 0 < t < mp.pi and self.fall(t) < 27]
        return sorted({float(np.float32(t)) for t in chosen})[::2]


def row(point):
    distribution = Marginal(*point)
    places = distribution.places()
    return {
        "point": point,
        "mode": float(distribution.mode),
        "reach": [float(distribution.edges[0]), float(distribution.edges[-1])],
        "log_normalizer": distribution.log_normalizer(),
        "u": places,
        "partials": [distribution.partials(u) for u in places],
    }


@functools.cache
def rows():
    """The file's rows."""
    found = json.loads(PATH.read_text())
    assert [tuple(row["point"]) for row in found] == list(POINTS), "run python tests/torus.py"
    return found


def table():
    """(the row's number, u, (k1, k2, rho), partials) of all places of all rows, as arrays with the places first."""
    number = np.repeat(np.arange(len(POINTS)), [len(row["u"]) for row in rows()])
    u, slopes = (np.concatenate([row[key] for row in rows()]) for key in ("u", "partials"))
    return number, u, np.array(POINTS)[number], slopes


def slope_units(number, slopes, least):
    """The partials' sizes, but at least `least` of the largest in their row of the file."""
    largest = np.stack([np.abs(slopes[number == i]).max(0) for i in range(len(POINTS))])
    return np.maximum(np.abs(slopes), least * largest[number])


GRID = np.arange(-200, 200) * (math.pi / 200)


def expectations(k1, k2, rho, functions):
    """f -> (E[f], its derivatives in k1, k2, rho); exponentially exact for moderate parameters."""
    u, v = np.meshgrid(GRID, GRID, indexing="ij")
    statistics = (np.cos(u), np.cos(v), np.sin(u) * np.sin(v))
    p = np.exp(k1 * statistics[0] + k2 * statistics[1] + rho * statistics[2])
    p /= p.sum()
    found = []
    for f in functions:
        mean = (p * f(u, v)).sum()
        found.append((mean, np.array([(p * f(u, v) * (s - (p * s).sum())).sum() for s in statistics])))
    return found


def first_cdf(row):
    """Distribution function of |u|, by cumulative sums over a fine grid where the mass is."""
    (k1, k2, rho), mode = row["point"], row["mode"]
    t = np.linspace(*row["reach"], 200_001)
    R, R_c = np.hypot(k2, rho * np.sin(t)), np.hypot(k2, rho * math.sin(mode))
    g = k1 * (np.cos(t) - math.cos(mode)) + (R - R_c) + np.log(special.i0e(R))
    level = integrate.cumulative_simpson(np.exp(g - g.max()), x=t, initial=0.0)
    return lambda x: np.interp(x, t, level / level[-1])


if __name__ == "__main__":
    PATH.write_text("[\n" + ",\n".join(json.dumps(row(point)) for point in POINTS) + "\n]\n")
