"""Arithmetic with pairs of numbers, which keeps what rounding loses.

A number in two is (head, rest): `rest` is what rounding to `head` has lost, and has no derivative.  A mass of 1e-30 is
exp(-69): in float32 it has an error of 69 eps if its logarithm is one number, and of one eps if that is in two.
"""

from __future__ import annotations

import math
from typing import Any

from ..namespace import Array, Namespace
from .elementary import horner, log_split, two_product, two_sum
from .quadrature import is_double


def keeps_rests(xp: Namespace[Array], like: Array) -> bool:
    """Whether one rounding shows: not in float64, nor with guard digits, nor where few digits are wanted."""
    return not (xp.has_guard_digits or is_double(xp, like) or isinstance(xp, Roughly))


class Roughly:
    """A namespace whose numbers need no more digits than a first guess: what rounding loses of them is not kept, half
    of what XLA would have to compile."""

    def __init__(self, xp: Namespace) -> None:
        self._xp = xp

    def __getattr__(self, name: str) -> Any:
        return getattr(self._xp, name)


def quotient(
    xp: Namespace[Array], x: Array, x_rest: Array | float, y: Array, y_rest: Array | float
) -> tuple[Array, Array]:
    """(x + x_rest) / (y + y_rest), y > 0."""
    q = x / y
    product, error = two_product(xp, q, y)
    return q, xp.stop_gradient((((x - product) - error) + (x_rest - q * y_rest)) / y)


def product(
    xp: Namespace[Array], x: Array, x_rest: Array | float, y: Array, y_rest: Array | float
) -> tuple[Array, Array]:
    """(x + x_rest) (y + y_rest)."""
    p, error = two_product(xp, x, y)
    return p, xp.stop_gradient(error + (x * y_rest + x_rest * y))


def times_log1pmx_terms(
    xp: Namespace[Array],
    a: Array,
    d: Array,
    rest: Array | float,
    log_ratio: tuple[Array, Array | float],
    linear: Array | None = None,
) -> tuple[Array, Array, Array]:
    """a (log(1 + t) - t), a t = d + rest, as a sum of three terms, the first two of which are exact.

    :param log_ratio: log(1 + t) in two.
    :param linear: 1 where it is a log(1 + t) - d, whatever t is.
    """
    t = d / a
    # Near 0 by -t**2 (1/2 - s (1/2 + 2 (1/3 + s**2/5 + ...) / (2 + t)**2)), s = t / (2 + t): what is subtracted from
    # the 1/2 is 3/87 of it at most, and one number serves for it.  Beyond, the difference leaves 1/40 of t or more, for
    # which the digits of two numbers are enough.
    near = xp.abs(t) < 0.05
    near = near if linear is None else near & (linear < 0.5)
    head, head_rest = product(xp, a, 0.0, xp.where(near, 0.0, log_ratio[0]), xp.where(near, 0.0, log_ratio[1]))
    t, step = xp.where(near, t, 0.0), xp.where(near, d, 0.0)
    s = t / (2.0 + t)
    square, e = two_product(xp, step, step)
    w, w_rest = quotient(xp, square, e + 2.0 * step * rest, a, 0.0)
    bend = s * (0.5 + 2.0 * horner(s * s, [1.0 / 3.0, 0.2, 1.0 / 7.0]) / ((2.0 + t) * (2.0 + t)))
    little = xp.where(near, w * bend - 0.5 * w_rest, head_rest - rest)
    return xp.where(near, -0.5 * w, head), xp.where(near, 0.0, -d), little


def log_in_two(xp: Namespace[Array], x: Array, x_rest: Array | float, otherwise: Array) -> tuple[Array, Array | float]:
    """log(x + x_rest) in two where x is a normal number, else `otherwise`."""
    limits = xp.finfo(x)
    inside = (x > float(limits.tiny)) & (x < float(limits.max))
    safe = xp.where(inside, x, 1.0)
    head, rest = log_split(xp, safe)
    rest = xp.where(inside, rest + xp.stop_gradient(x_rest / safe), 0.0)
    return xp.where(inside, head, otherwise), rest


def log_mass_in_two(xp: Namespace[Array], q: Array, one_minus_q: Array) -> tuple[Array, Array | float]:
    """log q in two, from the smaller of the two masses."""
    head, rest = two_sum(xp, 1.0 + 0.0 * q, -one_minus_q)
    lower = q < one_minus_q
    least = xp.log(float(xp.finfo(q).tiny) + 0.0 * q)
    return log_in_two(xp, xp.where(lower, q, head), xp.where(lower, 0.0, rest), least)


def sine_squared(xp: Namespace[Array], x: Array) -> tuple[Array, Array]:
    """sin(x)**2, 0 <= x <= pi/2, in two: of sin(x) = x - x**3 / 6 + ..., beyond pi/4 as 1 - sin(pi/2 - x)**2."""
    far = x > 0.25 * math.pi
    away, away_rest = two_sum(xp, 0.5 * math.pi + 0.0 * x, -x)
    y = xp.where(far, away, x)
    # float32's number next to pi/2 is 4.4e-8 larger than pi/2
    rest = xp.where(far, away_rest - 4.371139000186241e-08, 0.0)
    square, square_rest = two_product(xp, y, y)
    square_rest = square_rest + 2.0 * y * rest
    # sin(y)**2 = y**2 - y**4 / 3 + y**6 (2/45 - y**2 / 315 + ...), DLMF 4.19.1 and 4.21.2
    fourth, fourth_rest = product(xp, square, square_rest, square, square_rest)
    third, third_rest = quotient(xp, fourth, fourth_rest, 3.0 + 0.0 * y, 0.0)
    sixth = square * fourth
    coefficients = [2.0 / 45.0, -1.0 / 315.0, 2.0 / 14175.0, -2.0 / 467775.0, 4.0 / 42567525.0]
    head, left = two_sum(xp, square, -third)
    head, more = two_sum(xp, head, sixth * horner(square, coefficients))
    left = left + more + (square_rest - third_rest)
    turned, turned_rest = two_sum(xp, 1.0 + 0.0 * head, -head)
    return xp.where(far, turned, head), xp.where(far, turned_rest - left, left)


def both_tails(
    xp: Namespace[Array], log_direct: Array, is_lower: Array, rest: Array | None = None
) -> tuple[Array, Array]:
    """(lower, upper) of `elementary.both_log_tails`."""
    log_direct = xp.minimum(log_direct, 0.0)
    direct = xp.exp(log_direct)
    # of an exponent beyond its dtype's range the rest may be anything
    direct = direct if rest is None else direct * (1.0 + xp.where(log_direct > -200.0, rest, 0.0))
    near = log_direct > -0.6931471805599453
    other = xp.where(near, -xp.expm1(xp.where(near, log_direct, -1.0)), 1.0 - direct)
    return xp.where(is_lower, direct, other), xp.where(is_lower, other, direct)
