"""The gamma function as the closed forms of its families need it: differences that do not cancel.

symbol     meaning
delta(a)   Stirling's remainder, log Gamma(a) = (a - 1/2) log a - a + log(2 pi)/2 + delta(a)
dev(t)     t - log(1 + t) >= 0, -log1pmx(t)
B_f(x, y)  f(x) - f(y) - (x - y) f'(y), the Bregman divergence of f
"""

from __future__ import annotations

import math
from typing import Any

from ..namespace import Array, Namespace
from .elementary import digamma_minus_log, digamma_terms, horner, log1pmx
from .quadrature import depth, gauss_legendre, is_double, tail_integral

HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)

# B_2k / (2k (2k - 1)), DLMF 5.11.1
STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)

# the Taylor series of (1 / Gamma(1 + a) - 1) / a, DLMF 5.7.1
_RECIPROCAL = (
    0.5772156649015329, -0.6558780715202539, -0.04200263503409524, 0.16653861138229148, -0.04219773455554433,
    -0.009621971527876973, 0.0072189432466631, -0.0011651675918590652, -0.00021524167411495098, 0.0001280502823881162,
    -2.013485478078824e-05, -1.2504934821426706e-06, 1.133027231981696e-06, -2.056338416977607e-07,
    6.116095104481416e-09, 5.002007644469223e-09, -1.18127457048702e-09, 1.0434267116911005e-10, 7.782263439905071e-12,
    -3.696805618642206e-12, 5.100370287454476e-13, -2.0583260535665066e-14, -5.348122539423018e-15,
    1.2267786282382608e-15,
)  # fmt: skip


def stirling_start(xp: Namespace[Array], like: Array) -> int:
    """From where `STIRLING` is good to eps/10."""
    return 10 if is_double(xp, like) else 4


def stirling(xp: Namespace[Array], a: Array) -> Array:
    """delta(a), a > 0: its series, below its start after log Gamma(a) = log Gamma(a + N) - log (a)_N."""
    n = stirling_start(xp, a)
    is_small = a < float(n)
    small = xp.where(is_small, a, float(n))
    shifted = xp.where(is_small, small + float(n), a)
    r = 1.0 / shifted
    series = r * horner(r * r, STIRLING)
    if not is_double(xp, a):
        return xp.where(is_small, series + _stirling_steps(xp, small, n), series)
    # (x - 1/2) log x - x at a + N less that at a, without the terms that cancel
    product = small
    for j in range(1, n):
        product = product * (small + float(j))
    top = small + float(n)
    steps = (top - 0.5) * xp.log(top) - (small - 0.5) * xp.log(small) - float(n) - xp.log(product)
    return xp.where(is_small, series + steps, series)


def _stirling_steps(xp: Namespace[Array], a: Array, count: int) -> Array:
    """delta(a) - delta(a + count) as a sum of (x + 1/2) log1p(1 / x) - 1 > 0, x = a, a + 1, ...: float32 has no digits
    to lose, and of the whole difference 8 are lost.

    With v = 1 / (2 x + 1) a term is artanh(v) / v - 1 = v**2 / 3 + v**4 / 5 + ..., of which fewer are wanted the larger
    x is: the sum is right to 2e-9.
    """
    total = (a + 0.5) * xp.log1p(1.0 / a) - 1.0
    for j, terms in zip(range(1, count), (7, 5, 4), strict=True):
        v = 1.0 / (2.0 * (a + float(j)) + 1.0)
        square = v * v
        total = total + square * horner(square, [1.0 / (2 * k + 3) for k in range(terms)])
    return total


def log_gamma1p(xp: Namespace[Array], a: Array) -> Array:
    """log Gamma(1 + a), 0 <= a <= 1, to full relative accuracy near 0."""
    return -xp.log1p(a * horner(a, _RECIPROCAL if is_double(xp, a) else _RECIPROCAL[:13]))


def log_gamma_step(xp: Namespace[Array], b: Array, a: Array, log_z: Array | None = None) -> Array:
    """log Gamma(b + a) - log Gamma(b), b > 0, 0 <= a <= 1, to full accuracy beside a log b.

    By Stirling's series in divided differences, at b + N where b is small.

    :param log_z: a log z is added, in which a log b may cancel.
    """
    n = stirling_start(xp, b)
    is_small = b < float(n)
    small = xp.where(is_small, b, float(n))
    x = xp.where(is_small, small + float(n), b)
    y = x + a
    u, w = 1.0 / y, 1.0 / x
    if log_z is None:
        total = (x - 0.5) * xp.log1p(a * w) + a * (xp.log(y) - 1.0)
    else:
        # (x - 1/2) log1p(a / x) - a, and the logarithm of z y in one
        v = a * w
        product = xp.exp(log_z) * y
        normal = (product > 0.1) & (product < 10.0)
        log_product = xp.where(normal, xp.log(xp.where(normal, product, 1.0)), log_z + xp.log(y))
        total = x * log1pmx(xp, v, v) - 0.5 * xp.log1p(v) + a * log_product
    # u**m - w**m = -a u w h_m, h_m = sum_k u**k w**(m-1-k)
    h: Array | float = 1.0
    series: Array | float = STIRLING[0]
    power = u
    for coefficient in STIRLING[1:]:
        for _ in range(2):
            h, power = w * h + power, power * u
        series = series + coefficient * h
    total = total - a * u * w * series
    steps: Array | float = 0.0
    for j in range(n):
        steps = steps + xp.log1p(a / (small + float(j)))
    return xp.where(is_small, total - steps, total)


def log_gamma_rise(xp: Namespace[Array], b: Array, a: Array) -> Array:
    """log Gamma(b + a) - log Gamma(b) - a log b, a and b > 0: Stirling's formula in differences.

    At b = 1e6 the two logarithms agree in six digits.
    """
    return (b + a - 0.5) * xp.log1p(a / b) - a + (stirling(xp, b + a) - stirling(xp, b))


def log_gamma_bend(xp: Namespace[Array], b: Array, r: Array) -> Array:
    """log Gamma(b + 2 r) - 2 log Gamma(b + r) + log Gamma(b) >= 0, b and r > 0, to full relative accuracy.

    Where r < q / 4, q = b + r, it is r**2 int_0^1 (1 - t) (psi'(q + r t) + psi'(q - r t)) dt, by a rule of error 4e-15.
    """
    q = b + r
    near = 4.0 * r < q
    some = xp.where(near, r, 0.0)
    bend: Any = 0.0
    for t, weight in zip(*gauss_legendre(8), strict=True):
        bend = bend + weight * (1.0 - t) * (trigamma(xp, q + some * t) + trigamma(xp, q - some * t))
    far = xp.where(near, 1.0, r)
    second = log_gamma_rise(xp, b, 2.0 * far) - 2.0 * log_gamma_rise(xp, b, far)
    return xp.where(near, some * some * bend, second)


def beta_bend(xp: Namespace[Array], a: Array, b: Array, r: Array) -> Array:
    """`log_gamma_bend` at a less that at a + b: log E[z**(2 r)] - 2 log E[z**r] for z ~ Beta(a, b).

    They are nearly equal where b is small: then it is the integral of its derivative in b, unless r is small too, where
    a relative error of a / b roundings is left.
    """
    apart = log_gamma_bend(xp, a, r) - log_gamma_bend(xp, a + b, r)
    near = (b < 0.3 * a) & (r > 0.3 * a)
    some, change = xp.where(near, b, 0.3 * a), 0.0 * r
    for t, weight in zip(*gauss_legendre(8), strict=True):
        low, middle, high = (digamma(xp, a + some * t + n * r) for n in (0.0, 1.0, 2.0))
        change = change + weight * ((middle - low) - (high - middle))
    return xp.where(near, some * change, apart)


def log_entropy(xp: Namespace[Array], a: Array) -> Array:
    """a + log Gamma(a) - a psi(a), the entropy of log z for z ~ Gamma(a, 1)."""
    return HALF_LOG_2PI - 0.5 * xp.log(a) + stirling(xp, a) - a * digamma_minus_log(xp, a)


def digamma(xp: Namespace[Array], a: Array) -> Array:
    """psi(a), a > 0."""
    return xp.log(a) + digamma_minus_log(xp, a)


def bregman_log_gamma(xp: Namespace[Array], x: Array, y: Array, d: Array) -> Array:
    """B_f(x, y) >= 0 for f(a) = log Gamma(a) - (a log a - a), to full relative accuracy; d is x - y.

    f = delta - log/2 + const, so B_f = dev(x/y - 1)/2 + B_delta: term by term of the series, both positive.  Below its
    start, at Y = y + N, with B_{-log} = dev(x/y - 1) for each factor and B_{a log a - a}(x, y) = x dev(y/x - 1).
    """
    n = stirling_start(xp, y)
    is_small = (x < float(n)) | (y < float(n))
    shift = float(n) * xp.indicator(is_small, like=y)
    big_x, big_y = x + shift, y + shift
    large = 0.5 * _dev(xp, big_x, big_y, d) + power_bregman(1.0 / big_x, 1.0 / big_y, d, STIRLING)
    near_x, near_y = xp.where(is_small, x, 1.0), xp.where(is_small, y, 1.0)
    near_d = xp.where(is_small, d, 0.0)
    steps = (near_x + float(n)) * _dev(xp, near_y + float(n), near_x + float(n), -near_d)
    steps = steps - near_x * _dev(xp, near_y, near_x, -near_d)
    for j in range(n):
        steps = steps + _dev(xp, near_x + float(j), near_y + float(j), near_d)
    return large + xp.where(is_small, steps, 0.0)


def _dev(xp: Namespace[Array], x: Array, y: Array, d: Array) -> Array:
    """dev(x / y - 1), d = x - y."""
    return -log1pmx(xp, d / y, xp.log(x) - xp.log(y))


def power_bregman(u: Array, w: Array, d: Array, odd: tuple[float, ...], even: tuple[float, ...] = ()) -> Array:
    """B_f(1/u, 1/w) for f(x) = odd[0] / x + even[0] / x**2 + odd[1] / x**3 + ..., d = 1/u - 1/w.

    B of x**-m is d**2 u w**2 R_m, R_m = sum_{k < m} (m - k) u**k w**(m-1-k), by
    R_{m+1} = w R_m + h_{m+1}, h_{m+1} = w h_m + u**m.
    """
    coefficients = [c for k in range(len(odd)) for c in (odd[k], even[k] if k < len(even) else 0.0)]
    r: Any = 1.0
    h: Any = 1.0
    total: Any = 0.0
    power = u
    for coefficient in coefficients:
        total = total + coefficient * r if coefficient else total
        h = w * h + power
        r, power = w * r + h, power * u
    return d * d * u * w * w * total


def trigamma(xp: Namespace[Array], a: Array) -> Array:
    """psi'(a), a > 0: its asymptotic series (DLMF 5.15.8), below its start after psi'(a) = psi'(a + 1) + 1/a**2."""
    start, coefficients = digamma_terms(xp, a)
    small = xp.minimum(a, float(start))
    shifted = xp.where(a < start, a + float(start), a)  # not a maximum, of which autodiff takes half at a = start
    r = 1.0 / shifted
    r2 = r * r
    series = r + 0.5 * r2 + r * r2 * horner(r2, [2.0 * (k + 1) * c for k, c in enumerate(coefficients)])
    steps = 0.0 * small
    for j in range(start):
        steps = steps + 1.0 / ((small + float(j)) * (small + float(j)))
    return xp.where(a < start, series + steps, series)


EULER = 0.5772156649015329


def scaled_e1(xp: Namespace[Array], z: Array) -> Array:
    """exp(z) E1(z) = int_0^inf exp(-z (exp(t) - 1)) dt, or near 0 by the series of E1 (DLMF 6.6.2)."""
    near = z < 1.0
    small, large = xp.where(near, z, 0.5), xp.where(near, 1.0, z)
    terms = 18 if is_double(xp, z) else 10  # the first omitted is 1 / (19 19!) or 1 / (11 11!)
    series = small * horner(-small, [1.0 / (j * math.factorial(j)) for j in range(1, terms + 1)])
    cut = xp.stop_gradient(xp.log1p(depth(xp, z) / large))
    beyond = tail_integral(xp, lambda t: xp.exp(-large * xp.expm1(t)), cut, nodes_f32=16, nodes_f64=36)
    return xp.where(near, xp.exp(small) * (series - EULER - xp.log(small)), beyond)


def log_gamma_of_next(xp: Namespace[Array], a: Array) -> Array:
    """log Gamma(1 + a)"""
    if xp.has_guard_digits:
        return xp.lgamma(a + 1.0)
    small = a < 1.0
    many = xp.where(small, 1.0, a)
    large = (many + 0.5) * xp.log(many) - many + HALF_LOG_2PI + stirling(xp, many)
    return xp.where(small, log_gamma1p(xp, xp.where(small, a, 0.5)), large)
