"""Families as `unimodal.Shape`: log p(y + v) - log p(y) in a chart y, without cancellation in v or in a parameter.

Gamma, its inverse and logarithm, Weibull, HalfNormal, Exponential and Gumbel have the density exp(a y - b e**y) in
their chart; Beta, Logistic and HalfCauchy p**a q**b, y = log(p / q), p + q = 1.
"""

from __future__ import annotations

import math

from ..generic.masses_by_density import HALF_LINE, INTERVAL, Shape, arcsinh, heavy_line, line, log_ratio
from ..namespace import Array, Namespace
from ..numerics.elementary import expm1mx, log1p_remainder


def exponential_rise(xp: Namespace, a: Array, b: Array, v: Array) -> Array:
    """a v - b (e**v - 1), the density exp(a y - b e**y)."""
    near = xp.abs(v) < 1.0
    little, much = xp.where(near, v, 0.0), xp.where(near, 1.0, v)
    return xp.where(near, (a - b) * little - b * expm1mx(xp, little), a * much - b * xp.expm1(much))


def logistic_rise(xp: Namespace, a: Array, b: Array, p: Array, q: Array, v: Array) -> Array:
    """a v - (a + b) log(q + p e**v), p + q = 1: the density p**a q**b in y = log(p / q)."""
    up = v > 0.0
    w = xp.abs(v)
    # upwards with p and q, a and b exchanged: the exponential falls
    goes, stays, shape = xp.where(up, q, p), xp.where(up, p, q), xp.where(up, b + 0.0 * v, a + 0.0 * v)
    close = w < 1.0
    w_near, w_far = xp.where(close, w, 0.0), xp.where(close, 1.0, w)
    drop = goes * xp.expm1(-w_near)
    tiny, remainder = log1p_remainder(xp, drop)
    little = w_near * ((a + b) * goes - shape) - (a + b) * (goes * expm1mx(xp, -w_near) - remainder)
    some = -shape * w_near - (a + b) * xp.log1p(drop)
    far = -shape * w_far - (a + b) * xp.log(stays + goes * xp.exp(-w_far))
    return xp.where(close, xp.where(tiny, little, some), far)


def _shares(xp: Namespace, above: Array, ratio: Array) -> tuple[Array, Array]:
    """(p, q), p + q = 1, of which p is the larger where `above`, from smaller / larger.  The derivative of either is
    of its own size: that of a sigmoid, p (1 - p), cancels."""
    less, more = ratio / (1.0 + ratio), 1.0 / (1.0 + ratio)
    return xp.where(above, more, less), xp.where(above, less, more)


def gamma(xp: Namespace, a: Array, rate: Array) -> Shape:
    return Shape(HALF_LINE, lambda x, v: exponential_rise(xp, a, rate * x, v), a / rate)


def inverse_gamma(xp: Namespace, a: Array, rate: Array) -> Shape:
    return Shape(HALF_LINE, lambda x, v: exponential_rise(xp, a, rate / x, -v), rate / a)


def log_gamma(xp: Namespace, a: Array, rate: Array) -> Shape:
    scale = 1.0 / xp.sqrt(a)
    return Shape(line(scale), lambda x, v: exponential_rise(xp, a, rate * xp.exp(x), v), xp.log(a) - xp.log(rate))


def weibull(xp: Namespace, scale: Array, k: Array) -> Shape:
    def rise(x: Array, v: Array) -> Array:
        return exponential_rise(xp, 1.0 + 0.0 * x, xp.exp(k * log_ratio(xp, scale, x)), k * v)

    return Shape(HALF_LINE, rise, scale)


def exponential(xp: Namespace, rate: Array) -> Shape:
    return Shape(HALF_LINE, lambda x, v: exponential_rise(xp, 1.0 + 0.0 * x, rate * x, v), 1.0 / rate)


def half_normal(xp: Namespace, scale: Array) -> Shape:
    def rise(x: Array, v: Array) -> Array:
        return exponential_rise(xp, 0.5 + 0.0 * x, 0.5 * (x / scale) * (x / scale), 2.0 * v)

    return Shape(HALF_LINE, rise, scale)


def gumbel(xp: Namespace, loc: Array, scale: Array) -> Shape:
    def rise(x: Array, v: Array) -> Array:
        return exponential_rise(xp, 1.0 + 0.0 * x, xp.exp(-(x - loc) / scale), -v / scale)

    return Shape(line(scale), rise, loc)


def log_normal(xp: Namespace, loc: Array, scale: Array) -> Shape:
    def rise(x: Array, v: Array) -> Array:
        return -0.5 * (v / scale) * ((v + 2.0 * (xp.log(x) - loc)) / scale)

    return Shape(HALF_LINE, rise, xp.exp(loc))


def pareto(xp: Namespace, scale: Array, alpha: Array) -> Shape:
    return Shape(HALF_LINE, lambda x, v: -alpha * v, scale, ends=(scale, None))


def beta(xp: Namespace, a: Array, b: Array) -> Shape:
    return Shape(INTERVAL, lambda x, v: logistic_rise(xp, a, b, x, 1.0 - x, v), a / (a + b))


def logistic(xp: Namespace, loc: Array, scale: Array) -> Shape:
    def rise(x: Array, v: Array) -> Array:
        y, one = (x - loc) / scale, 1.0 + 0.0 * x
        above = y > 0.0
        p, q = _shares(xp, above, xp.exp(xp.where(above, -y, y)))
        return logistic_rise(xp, one, one, p, q, v / scale)

    return Shape(line(scale), rise, loc)


def half_cauchy(xp: Namespace, scale: Array) -> Shape:
    def rise(x: Array, v: Array) -> Array:
        half, above = 0.5 + 0.0 * x, x > scale
        ratio = xp.where(above, scale, x) / xp.where(above, x, scale)
        p, q = _shares(xp, above, ratio * ratio)
        return logistic_rise(xp, half, half, p, q, 2.0 * v)

    return Shape(HALF_LINE, rise, scale)


def student_t(xp: Namespace, nu: Array, loc: Array, scale: Array) -> Shape:
    centre, width = xp.stop_gradient(loc), xp.stop_gradient(xp.sqrt(nu) * scale)
    unit = (scale / width) * (scale / width)
    core = nu * unit  # 1 with a derivative
    far = 0.9 * math.log(float(xp.finfo(width).max))

    def rise(x: Array, v: Array) -> Array:
        near = xp.abs(v) < 1.0
        little, much = xp.where(near, v, 0.0), xp.where(near, 1.0, v)
        s = (x - centre) / width
        cosh_y, y = xp.sqrt(1.0 + s * s), arcsinh(xp, s)
        offset = (x - loc) / width
        spread = core + offset * offset
        # near: sinh(y + v) - sinh(y) and cosh(y + v) / cosh(y) - 1 by half angles
        sinh = 0.5 * (xp.expm1(0.5 * little) - xp.expm1(-0.5 * little))
        cosh = xp.sqrt(1.0 + sinh * sinh)
        step = 2.0 * sinh * (cosh_y * cosh + s * sinh)
        ratio = step * ((step + 2.0 * offset) / spread)
        # with t = (x - loc) / scale: (nu + 1) / (nu + t**2) = 1 + (1 - t**2) / (nu + t**2), whose derivative in nu is
        # that small itself
        tiny, remainder = log1p_remainder(xp, ratio)
        tiny = tiny & (offset * offset < core)
        inner, by = xp.where(tiny, offset, 0.0), xp.where(tiny, step, 0.0)
        square = inner * (inner / unit)
        slow = by * ((by + 2.0 * inner) / unit) * (1.0 + (1.0 - square) / (nu + square))
        half_growth = 0.5 * xp.where(tiny, slow - (nu + 1.0) * remainder, (nu + 1.0) * xp.log1p(ratio))
        log_unit = xp.log1p(2.0 * sinh * (sinh + s / cosh_y * cosh))
        # far: from y + v itself
        there = xp.minimum(xp.maximum(y + much, -far), far)
        size = xp.abs(there)
        t = 0.5 * (xp.exp(there) - xp.exp(-there)) + (centre - loc) / width
        beyond = xp.abs(t) > 1e8
        log_square = xp.where(
            beyond, 2.0 * xp.log(xp.where(beyond, xp.abs(t), 1.0)), xp.log(core + xp.where(beyond, 1.0, t * t))
        )
        far_unit = size + xp.log1p(xp.exp(-2.0 * size)) - math.log(2.0) - xp.log(cosh_y)
        return xp.where(near, log_unit - half_growth, far_unit - 0.5 * (nu + 1.0) * (log_square - xp.log(spread)))

    return Shape(heavy_line(xp, centre, width), rise, loc)


def cauchy(xp: Namespace, loc: Array, scale: Array) -> Shape:
    return student_t(xp, 1.0 + 0.0 * scale, loc, scale)


def von_mises(xp: Namespace, loc: Array, kappa: Array) -> Shape:
    """On [-pi, pi], `loc` there too."""

    def rise(x: Array, v: Array) -> Array:
        return -2.0 * kappa * (xp.sin(x - loc + 0.5 * v) * xp.sin(0.5 * v))

    turn = xp.where(loc < 0.0, 2.0 * math.pi + 0.0 * loc, -2.0 * math.pi + 0.0 * loc)
    return Shape(line(1.0), rise, loc, (-math.pi, math.pi), (loc + 0.5 * turn, loc + turn))


def uniform(xp: Namespace, low: Array, high: Array) -> Shape:
    return Shape(line(high - low), lambda x, v: 0.0 * (x + v), 0.5 * (low + high), ends=(low, high))
