"""Special functions and their derivatives to second order by mpmath: the oracles' series, differenced in 70 digits.

`python tests/special.py [name ...]` makes the rows of these functions in `special.json`.
"""

import json
import random
import sys
from pathlib import Path

import numpy as np
from mpmath import mp
from scipy import special, stats

from tests.rows.beta import beta_tails
from tests.rows.gamma import gamma_tails
from tests.rows.von_mises import von_mises_series

DIGITS = 70


def _sure(function, *args):
    """function(*args), whatever cancels in it, in the working precision."""
    digits, guard, last = mp.dps, 20, None
    while guard < 3000:
        with mp.workdps(digits + guard):
            value = function(*args)
        if last is not None and abs(value - last) <= mp.mpf(10) ** -digits * abs(value) > 0:
            return value
        last, guard = value, 2 * guard
    raise ArithmeticError(f"no two evaluations agree at {args}")


def _gamma(which):
    return lambda a, x: _sure(lambda a, x: gamma_tails(a, mp.log(x))[which], a, x)


def _beta(which):
    return lambda a, b, x: _sure(lambda a, b, x: beta_tails(a, b, mp.log(x / (1 - x)))[which], a, b, x)


def _student_t(df, t):
    outside = _sure(lambda df, t: mp.betainc(df / 2, mp.mpf(1) / 2, 0, df / (df + t * t), regularized=True), df, t) / 2
    return outside if t < 0 else 1 - outside


def _von_mises(kappa, x):
    return _sure(lambda kappa, x: von_mises_series(kappa, x)[0] + mp.mpf(1) / 2, kappa, x)


def _interval(low, high):
    if low + high > 0:
        low, high = -high, -low
    return mp.log(_sure(lambda low, high: mp.ncdf(high) - mp.ncdf(low), low, high))


P, Q, I, C = _gamma(0), _gamma(1), _beta(0), _beta(1)
FUNCTIONS = {
    "gammainc": P,
    "gammaincc": Q,
    "betainc": I,
    "betaincc": C,
    "stdtr": _student_t,
    "von_mises_cdf": _von_mises,
    "log_ndtr_interval": _interval,
    "log_i0": lambda x: mp.log(mp.besseli(0, x)),
    "bessel_ratio": lambda x: mp.besseli(1, x) / mp.besseli(0, x),
}
LOGARITHMS = {f"log_{name}": name for name in ("gammainc", "gammaincc", "betainc", "betaincc")}
INVERSES: dict = {
    "gammaincinv": ("gammainc", special.gammaincinv),
    "gammainccinv": ("gammaincc", special.gammainccinv),
    "betaincinv": ("betainc", special.betaincinv),
    "betainccinv": ("betaincc", special.betainccinv),
    "stdtrit": ("stdtr", special.stdtrit),
    "von_mises_cdfinv": ("von_mises_cdf", lambda kappa, q: stats.vonmises.ppf(q, kappa)),
}

_SHAPES = ((1e-6, 0.5), (1e-3, 1e-5), (0.02, 1e-10), (1.0, 1.0), (1.0, 0.7), (8.0, 8.0), (8.0, 30.0), (2.0, 80.0))
_GAMMA = (*_SHAPES, (1e4, 1e4), (1e4, 9.3e3), (65536.0, 66000.0), (1e6, 1e6), (1e6, 1.003e6))
_BETA = (
    (1e-3, 1e-3, 0.5), (0.01, 0.01, 1e-4), (1.0, 1.0, 0.3), (1e4, 2.0, 0.9998), (2.0, 1e4, 1e-3), 
    (65536.0, 3.0, 0.99994), (0.5, 300.0, 1e-9), (1e3, 1e3, 0.5), (0.05, 20.0, 0.9),
)  # fmt: skip
_MASSES = (1e-12, 1e-3, 0.5, 0.9, 0.999)
POINTS = {
    **dict.fromkeys(("gammainc", "gammaincc"), _GAMMA),
    **dict.fromkeys(("betainc", "betaincc"), _BETA),
    **dict.fromkeys(("gammaincinv", "gammainccinv"), tuple((a, q) for a in (0.5, 1.0, 8.0, 1e4) for q in _MASSES)),
    **dict.fromkeys(
        ("betaincinv", "betainccinv"), tuple((a, b, q) for a, b in ((0.5, 3.0), (5.0, 5.0)) for q in _MASSES)
    ),
    "stdtr": tuple((df, t) for df in (0.05, 1.0, 2.0, 1e3, 1e6) for t in (-6.0, -1e-8, 1.5)),
    "stdtrit": tuple((df, q) for df in (0.5, 2.0, 1e3) for q in (1e-9, 0.2, 0.9)),
    "von_mises_cdf": tuple((k, x) for k in (1e-8, 0.5, 10.5, 50.0, 300.0) for x in (-0.3, -1e-3, 0.2, 1.0)),
    "von_mises_cdfinv": tuple((k, q) for k in (0.5, 10.5, 50.0) for q in (1e-3, 0.2, 0.9)),
    "log_ndtr_interval": ((-1.0, 2.0), (13.0, 14.0), (38.0, 38.000004), (-38.5, -38.0), (-1e-6, 1e-6), (3.0, 3.000001)),
    "log_i0": ((1e-8,), (0.5,), (-1.0,), (10.5,), (47.9,), (48.1,), (-1e4,)),
    "bessel_ratio": ((1e-8,), (0.5,), (-1.0,), (10.5,), (47.9,), (48.1,), (-1e4,)),
}


def _random(name, rng):
    shape, q = 10 ** rng.uniform(-1.5, 3), rng.choice((rng.uniform(0.02, 0.98), 10 ** rng.uniform(-9, -2)))
    other = 10 ** rng.uniform(-1.5, 3)
    if name.endswith(("inv", "it")):
        return (max(shape, 0.5), max(other, 0.5), q) if "beta" in name else (min(max(shape, 0.5), 100.0), q)
    if "gamma" in name:
        return shape, float(special.gammaincinv(shape, q))
    if "beta" in name:
        return shape, other, float(special.betaincinv(shape, other, q))
    if name == "stdtr":
        return shape, float(special.stdtrit(shape, q))
    if name == "von_mises_cdf":
        return shape, float(np.clip(rng.gauss(0.0, 1.0) / np.sqrt(1.0 + shape), -3.0, 3.0))
    if name == "log_ndtr_interval":
        low = rng.uniform(-20.0, 20.0)
        return low, low + 10 ** rng.uniform(-2, 1)
    return (rng.choice((-1.0, 1.0)) * shape,)


def points(name):
    """The hard ones, and some at random, as numbers of float32."""
    rng = random.Random(name)
    drawn = [_random(name, rng) for _ in range(6)]
    found = np.array([*POINTS[name], *drawn]).astype(np.float32).astype(np.float64)
    keep = np.all(np.isfinite(found), axis=1) & np.all(np.abs(found) > 1e-36, axis=1)
    if "beta" in name:
        keep &= found[:, -1] < 1.0
    return found[keep]


TABLE = Path(__file__).with_suffix(".json")


def truth(name):
    """(points, values, gradients, Hessians)."""
    rows = json.loads(TABLE.read_text(encoding="utf-8"))[name]
    return tuple(np.array([np.ravel(row[i]) for row in rows]) for i in range(4))


COMPLEMENTS = {
    "gammainc": Q,
    "gammaincc": P,
    "betainc": C,
    "betaincc": I,
    "stdtr": lambda df, t: _student_t(df, -t),
    "von_mises_cdf": lambda kappa, x: _von_mises(kappa, -x),
}


def _derivatives(name, row):
    """By central differences of steps of 1e-18 of the arguments, in mpmath; a mass above 1/2 has those of its rest."""
    if name in COMPLEMENTS:
        with mp.workdps(DIGITS):
            value = FUNCTIONS[name](*map(mp.convert, row))
            if value > 0.5:
                _, gradient, hessian = _differences(COMPLEMENTS[name], row)
                return value, [-g for g in gradient], [[-h for h in line] for line in hessian]
    return _differences(FUNCTIONS[name], row)


def _differences(function, row):
    n = len(row)
    with mp.workdps(DIGITS):
        at = [mp.convert(x) for x in row]
        steps = [mp.mpf(10) ** -18 * abs(x) for x in at]

        def moved(*shifts):
            return function(*(x + s * h for x, s, h in zip(at, shifts, steps, strict=True)))

        def axis(i, s=1, j=None, t=0):
            return [s if k == i else t if k == j else 0 for k in range(n)]

        value = moved(*axis(0, 0))
        ups, downs = ([moved(*axis(i, s)) for i in range(n)] for s in (1, -1))
        gradient = [(up - down) / (2 * h) for up, down, h in zip(ups, downs, steps, strict=True)]
        hessian = [
            [(ups[i] - 2 * value + downs[i]) / steps[i] ** 2 if i == j else 0 for j in range(n)] for i in range(n)
        ]
        for i in range(n):
            for j in range(i):
                corners = [s * t * moved(*axis(i, s, j, t)) for s in (1, -1) for t in (1, -1)]
                hessian[i][j] = hessian[j][i] = sum(corners) / (4 * steps[i] * steps[j])
        return value, gradient, hessian


def _log_of(value, gradient, hessian):
    first = [g / value for g in gradient]
    second = [
        [h / value - a * b for h, b in zip(row, first, strict=True)] for row, a in zip(hessian, first, strict=True)
    ]
    return mp.log(value), first, second


def _inverse_of(name, row):
    """Of x with f(..., x) = q, from f's derivatives: those of q at fixed x, turned round (implicit differentiation)."""
    name, start = INVERSES[name]
    function, (*params, q) = FUNCTIONS[name], row
    with mp.workdps(40):
        params, goal, x = [mp.mpf(float(p)) for p in params], mp.log(mp.mpf(float(q))), mp.mpf(float(start(*row)))
        near = (x, x * (1 + mp.mpf(10) ** -9))
        x = mp.findroot(lambda x: mp.log(function(*params, x)) - goal, near, tol=mp.mpf(10) ** -60)
    _, gradient, h = _derivatives(name, [*params, x])
    *others, p = gradient
    moved = [*(-g / p for g in others), 1 / p]
    n = len(row)

    def second(i, j):
        at_x = h[-1][-1] * moved[i] * moved[j]
        if i < n - 1:
            at_x += h[i][-1] * moved[j]
        if j < n - 1:
            at_x += h[j][-1] * moved[i]
        return -((h[i][j] if max(i, j) < n - 1 else 0) + at_x) / p

    return x, moved, [[second(i, j) for j in range(n)] for i in range(n)]


def _write(found):
    lists = (f"{json.dumps(name)}: [\n" + ",\n".join(map(json.dumps, rows)) + "\n]" for name, rows in found.items())
    TABLE.write_text("{\n" + ",\n".join(lists) + "\n}\n", encoding="utf-8")


def main(names):
    found = json.loads(TABLE.read_text(encoding="utf-8")) if TABLE.exists() else {}
    for name in names or (*FUNCTIONS, *INVERSES):
        rows, logarithm = {name: []}, f"log_{name}"
        for row in points(name):
            exact = _inverse_of(name, row) if name in INVERSES else _derivatives(name, row)
            versions = {name: exact, **({logarithm: _log_of(*exact)} if logarithm in LOGARITHMS else {})}
            for key, (value, gradient, hessian) in versions.items():
                numbers = float(value), list(map(float, gradient)), [float(x) for line in hessian for x in line]
                rows.setdefault(key, []).append([list(map(float, row)), *numbers])
        found |= rows
        _write(found)


if __name__ == "__main__":
    main(sys.argv[1:])
