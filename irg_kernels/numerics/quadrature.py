"""Fixed rules for the tail integrals of implicit gradients.

For a univariate distribution with density p(t; theta) and score s = d log p / d theta, a draw z at fixed quantile moves
by (Figurnov, Mohamed, Mnih 2018, eq. 4-6, with dF/dtheta written as the integral of s p)

    dz/dtheta = -(1/p(z)) int_{-inf}^z s(t) p(t) dt = (1/p(z)) int_z^inf s(t) p(t) dt.

Each family writes p(t)/p(z) = exp(-E(y)) with E convex, E(0) = 0, in a variable y that runs away from z, takes the
side on which s keeps its sign, cuts the interval where E has grown to `depth(...)`, and applies the rule below.  The
cut steers accuracy alone, so it is held constant under differentiation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from ..namespace import Array, Namespace

# The integrand is largest near 0 and negligible at the cut.  y = sinh(k u) / sinh(k) draws the nodes towards 0: for one
# accuracy it needs a sixth fewer of them than k = 0, plain Gauss-Legendre.  From 1 to 2 the choice matters little.
STRETCH = 1.5


class Rule(NamedTuple):
    """Nodes in (0, 1) and weights for int_0^1 f(u) du; `moments` are the weights for int_0^1 u f(u) du."""

    nodes: tuple[float, ...]
    weights: tuple[float, ...]
    moments: tuple[float, ...]


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


@cache
def tail_rule(n: int) -> Rule:
    """The n-point rule for tails: Gauss-Legendre after the substitution of `STRETCH`."""
    scale = math.sinh(STRETCH)
    plain = list(zip(*gauss_legendre(n), strict=True))
    nodes = tuple(math.sinh(STRETCH * x) / scale for x, _ in plain)
    weights = tuple(w * STRETCH * math.cosh(STRETCH * x) / scale for x, w in plain)
    return Rule(nodes, weights, tuple(w * x for x, w in zip(nodes, weights, strict=True)))


def is_double(xp: Namespace[Array], like: Array) -> bool:
    """Whether `like` has more than single precision, which decides node counts and series lengths."""
    return float(xp.finfo(like).eps) < 1e-10


def depth(xp: Namespace[Array], like: Array) -> float:
    """How far the exponent falls before the interval is cut: e**-depth is just below the dtype's resolution."""
    return 37.0 if is_double(xp, like) else 17.0


def tail_integral(
    xp: Namespace[Array], integrand: Callable[[Array], Array], cut: Array, *, nodes_f32: int, nodes_f64: int
) -> Array:
    """int_0^cut integrand(y) dy with `nodes_f32` nodes in float32 and `nodes_f64` nodes in float64."""
    rule = tail_rule(nodes_f64 if is_double(xp, cut) else nodes_f32)
    (integral,) = xp.integrate(lambda u: integrand(cut * u), rule.nodes, rule.weights, like=cut)
    return cut * integral


def tail_of_line(
    xp: Namespace[Array], weight: Callable[[Array], Array], cut: Array, zero: Array, *, nodes_f32: int, nodes_f64: int
) -> Array:
    """int_0^cut (y - zero) weight(y) dy by the same rule, from two sums over one evaluation of the weight."""
    rule = tail_rule(nodes_f64 if is_double(xp, cut) else nodes_f32)
    mass, mean = xp.integrate(lambda u: weight(cut * u), rule.nodes, rule.weights, rule.moments, like=cut)
    return cut * xp.addcmul(cut * mean, zero, mass, -1.0)
