"""Fixed rules for the tail integrals of implicit gradients.

For a univariate law with density p(t; theta) and score s = d log p / d theta, a draw z at fixed quantile moves by
(Figurnov, Mohamed, Mnih 2018, eq. 4-6, with dF/dtheta written as the integral of s p)

    dz/dtheta = -(1/p(z)) int_{-inf}^z s(t) p(t) dt = (1/p(z)) int_z^inf s(t) p(t) dt.

Each family writes p(t)/p(z) = exp(-E(y)) with E convex, E(0) = 0, in a variable y >= 0 that runs away from z, takes
the side on which s keeps its sign, cuts the interval where E has grown to `depth(...)`, and applies the plain
Gauss-Legendre rule below.  The cut steers accuracy alone, so it is held constant under differentiation.
"""

from __future__ import annotations

import math
from functools import cache

from .namespace import Array, Namespace


@cache
def gauss_legendre(n: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Nodes and weights of the n-point Gauss-Legendre rule on (0, 1), ascending (DLMF 3.5(v))."""
    nodes, weights = [], []
    for i in range(n, 0, -1):
        x = math.cos(math.pi * (i - 0.25) / (n + 0.5))
        for _ in range(100):
            previous, value = 1.0, x
            for k in range(2, n + 1):
                previous, value = value, ((2 * k - 1) * x * value - (k - 1) * previous) / k
            slope = n * (x * value - previous) / (x * x - 1.0)
            step = value / slope
            x -= step
            if abs(step) < 1e-16:
                break
        nodes.append(0.5 * (1.0 + x))
        weights.append(1.0 / ((1.0 - x * x) * slope * slope))
    return tuple(nodes), tuple(weights)


def is_double(xp: Namespace, like: Array) -> bool:
    """Whether `like` has more than single precision, which decides node counts and series lengths."""
    return float(xp.finfo(like).eps) < 1e-10


def depth(xp: Namespace, like: Array) -> float:
    """How far the exponent falls before the interval is cut: e**-depth is just below the dtype's resolution."""
    return 37.0 if is_double(xp, like) else 17.0


def tail_integral(xp: Namespace, integrand, cut: Array, *, single: int, double: int) -> Array:
    """int_0^cut integrand(y) dy by Gauss-Legendre with `single` nodes in float32 and `double` nodes in float64."""
    nodes, weights = gauss_legendre(double if is_double(xp, cut) else single)
    return cut * xp.integrate(lambda u: integrand(cut * u), nodes, weights, like=cut)
