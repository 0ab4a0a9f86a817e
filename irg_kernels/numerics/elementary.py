"""Elementary functions written so that nothing cancels; shared by several families.

With a namespace that has guard digits (one that computes in float64 for an answer in float32) the short formula is
exact enough, and each of these becomes it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..namespace import Array, Namespace
from .quadrature import is_double


def horner(x: Array, coefficients: Sequence[float]) -> Array:
    """sum_k coefficients[k] x**k."""
    total: Any = coefficients[-1]
    for c in reversed(coefficients[:-1]):
        total = total * x + c
    return total


def horner_rise(x: Array, step: Array, other: Array, coefficients: Sequence[float]) -> Array:
    """sum_k coefficients[k] (other**k - x**k), other = x + step."""
    total: Any = coefficients[-1]
    rise: Any = 0.0 * step
    for c in reversed(coefficients[:-1]):
        rise, total = rise * other + total * step, total * x + c
    return rise


def along_axis(xp: Namespace[Array], values: Sequence[float], like: Array, *, before: int = 0, after: int = 0) -> Array:
    """The constants along an axis of their own, which stands before those of `like`, others before and after it."""
    return xp.constant(tuple(values), like=like).reshape((1,) * before + (-1,) + (1,) * (after + like.ndim))


def expm1mx(xp: Namespace[Array], t: Array) -> Array:
    """h(t) = exp(t) - 1 - t to full relative accuracy, without a branch.

    Near 0 by Taylor's series; a larger argument is split as t = s + r with |s| at most the series' radius, and
    h(s + r) = h(s) + exp(s) expm1(r) - r.
    """
    if xp.has_guard_digits:
        return xp.exp(t) - (1.0 + t)
    return expm1mx_near_0(xp, t)


def expm1mx_near_0(xp: Namespace[Array], t: Array) -> Array:
    """The same where t may be so small that guard digits do not help."""
    # the first omitted term, 2 t**k / (k + 2)!, is 1e-8 in float32 (k = 6) and 2e-17 in float64 (k = 8)
    radius, terms = (0.05, 8) if is_double(xp, t) else (0.25, 6)
    s = xp.clip(t, -radius, radius)
    r = t - s
    h = s * s * horner(s, [1.0 / math.factorial(k + 2) for k in range(terms)])
    return h + ((1.0 + s + h) * xp.expm1(r) - r)


def log1pmx_near_0(xp: Namespace[Array], t: Array) -> tuple[Array, Array]:
    """(near, log(1 + t) - t where near): near 0 the difference needs a series, elsewhere the caller's form is good."""
    # the first omitted term is below eps of the result
    radius, terms = (0.15, 7) if is_double(xp, t) else (0.25, 4)
    near = xp.abs(t) < radius
    return near, _log1pmx_series(xp.where(near, t, 0.0), terms)


def log1pmx(xp: Namespace[Array], t: Array, log1p_t: Array) -> Array:
    """log(1 + t) - t <= 0 to full relative accuracy, t > -1.

    :param log1p_t: log(1 + t), given where t may have lost it (t near -1).
    """
    if xp.has_guard_digits:
        near = t > -0.7
        return xp.where(near, xp.log1p(xp.where(near, t, 0.0)), log1p_t) - t
    # the first omitted term is 4e-8 and 2e-16 of the result; beyond, the difference costs two bits in float32, and in
    # float64, where eager torch pays for every term, four
    low, high, terms = (-0.3, 0.4, 11) if is_double(xp, t) else (-0.7, 2.0, 12)
    near = (t > low) & (t < high)
    return xp.where(near, _log1pmx_series(xp.where(near, t, 0.0), terms), xp.where(near, 0.0, log1p_t) - t)


def _log1pmx_series(t: Array, terms: int) -> Array:
    """With s = t / (2 + t), log1p(t) = 2 artanh(s) gives log1p(t) - t = 2 s**3 (1/3 + s**2/5 + ...) - t s."""
    s = t / (2.0 + t)
    s2 = s * s
    return 2.0 * s * s2 * horner(s2, [1.0 / (2 * k + 3) for k in range(terms)]) - t * s


def times_log1pmx(xp: Namespace[Array], a: Array, d: Array, rest: Array | float, log1p_t: Array) -> Array:
    """a (log(1 + t) - t) <= 0, a t = d + rest, of which `rest` is d's rounding: rounded about once."""
    if xp.has_guard_digits:
        return a * log1pmx(xp, d / a, log1p_t)
    head, tail = times_log1pmx_terms(xp, a, d, rest, log1p_t)
    return tail + head


def times_log1pmx_terms(
    xp: Namespace[Array], a: Array, d: Array, rest: Array | float, log1p_t: Array
) -> tuple[Array, Array]:
    """The same as a sum of two terms, the first of which is exact.

    log1p(t) - t = -t**2 (1/2 - s (1/2 + 2 (1/3 + s**2/5 + ...) / (2 + t)**2)), s as above.
    """
    t = d / a
    low, high, terms = (-0.3, 0.4, 11) if is_double(xp, t) else (-0.7, 2.0, 12)
    near = (t > low) & (t < high)
    beyond = t > 0.0
    far = a * xp.where(beyond, xp.log1p(xp.where(beyond, t, 0.0)), xp.where(near, 0.0, log1p_t))
    t, step = xp.where(near, t, 0.0), xp.where(near, d, 0.0)
    s = t / (2.0 + t)
    square, e = two_product(xp, step, step)
    w = square / a
    product, product_e = two_product(xp, w, a)
    w_rest = xp.stop_gradient((((square - product) - product_e) + (e + 2.0 * step * rest)) / a)
    bend = s * (0.5 + 2.0 * horner(s * s, [1.0 / (2 * k + 3) for k in range(terms)]) / ((2.0 + t) * (2.0 + t)))
    return xp.where(near, -0.5 * w, -d), xp.where(near, w * bend - 0.5 * w_rest, far)


def compensated(
    xp: Namespace[Array], head: Array, rest: Array | float | None, *terms: Array
) -> tuple[Array, Array | None]:
    """(s, e) with head + rest + sum of terms = s + e, e what rounding has left, without derivative; None if rest is."""
    for term in terms:
        head, e = two_sum(xp, head, _rounded(xp, term)) if rest is not None else (head + term, 0.0)
        rest = None if rest is None else rest + e
    return head, None if rest is None else xp.stop_gradient(rest + 0.0 * head)


def tails_inside(xp: Namespace[Array], inside: Array, lower: Array, upper: Array) -> tuple[Array, Array]:
    """The log-tails of a family that begins at an end: -inf and 0 up to there."""
    return xp.where(inside, lower, -math.inf), xp.where(inside, upper, 0.0)


def tails_between(xp: Namespace[Array], below: Array, above: Array, lower: Array, upper: Array) -> tuple[Array, Array]:
    """The log-tails of a family between two ends: -inf and 0 below them, 0 and -inf above."""
    return (
        xp.where(below, -math.inf, xp.where(above, 0.0, lower)),
        xp.where(below, 0.0, xp.where(above, -math.inf, upper)),
    )


def both_log_tails(
    xp: Namespace[Array], log_direct: Array, is_lower: Array, rest: Array | None = None
) -> tuple[Array, Array]:
    """(log lower, log upper) from the logarithm of the one of them that was integrated.

    :param rest: what rounding that logarithm has left; the other tail, next to 1, shows it.
    """
    other = log1mexp(xp, log_direct, rest)
    return xp.where(is_lower, log_direct, other), xp.where(is_lower, other, log_direct)


def log_sum(xp: Namespace[Array], log_p: Array, log_q: Array) -> Array:
    """log(p + q), of which either or both may be 0; no kink where they are equal."""
    least = -0.5 * float(xp.finfo(log_p).max)
    log_p, log_q = xp.maximum(log_p, least), xp.maximum(log_q, least)
    top = xp.stop_gradient(xp.maximum(log_p, log_q))
    return xp.where(top > least, top + xp.log(xp.exp(log_p - top) + xp.exp(log_q - top)), -math.inf)


def log1mexp(xp: Namespace[Array], log_p: Array, rest: Array | None = None) -> Array:
    """log(1 - exp(log_p)), log_p <= 0.

    :param rest: small beside log_p, and to be added to it.
    """
    log_p = xp.minimum(log_p, 0.0)
    near = log_p > -math.log(2.0)
    much, little = xp.where(near, log_p, -1.0), xp.where(near, -1.0, log_p)
    p = xp.exp(little)
    p = p if rest is None else p * (1.0 + rest)  # p rest may be a subnormal number, which XLA takes for 0
    return xp.where(near, xp.log(-xp.expm1(much)), xp.log1p(-p))


def log1mexp_exp(xp: Namespace[Array], log_e: Array) -> Array:
    """log(1 - exp(-e)) of log e: where e is nothing beside 1 it is log e, which underflows nowhere."""
    far = log_e < -40.0
    log_e = xp.minimum(log_e, 80.0)
    return xp.where(far, log_e, log1mexp(xp, -xp.exp(xp.where(far, 0.0, log_e))))


def log_expm1(xp: Namespace[Array], u: Array) -> Array:
    """log(exp(u) - 1), u > 0."""
    large = u > 1.0
    far, near = xp.where(large, u, 1.0), positive(xp, xp.where(large, 1.0, u))
    return xp.where(large, far + log1mexp(xp, -far), xp.log(xp.expm1(near)))


def log_softplus(xp: Namespace[Array], y: Array) -> Array:
    """log(log(1 + exp(y))): y itself where exp(y) is nothing beside 1."""
    far = y < -40.0
    return xp.where(far, y, xp.log(xp.softplus(xp.where(far, 0.0, y))))


def digamma_terms(xp: Namespace[Array], like: Array) -> tuple[int, tuple[float, ...]]:
    """(x0, c): psi(x) = log x - 1/(2x) - sum_k c[k] / x**(2k + 2) for x >= x0, to eps/10 (DLMF 5.11.2, B_2k / 2k)."""
    if is_double(xp, like):
        return 10, (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12, -3617 / 8160)
    return 4, (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132)


def digamma_minus_log(xp: Namespace[Array], x: Array) -> Array:
    """psi(x) - log(x) for x > 0: the asymptotic series, below its start after the recurrence psi(x) = psi(x + 1) - 1/x.

    Not the native digamma, whose derivative in torch (polygamma) has nine digits.
    """
    start, coefficients = digamma_terms(xp, x)
    small = xp.minimum(x, float(start))
    # not a maximum, of which autodiff takes half at x = start
    shifted = xp.where(x < start, x + float(start), x)
    r = 1.0 / shifted
    series = -r * (0.5 + r * horner(r * r, coefficients))
    steps = xp.log1p(float(start) / small)
    for j in range(start):
        steps = steps - 1.0 / (small + float(j))
    return xp.where(x < start, series + steps, series)


def positive(xp: Namespace[Array], x: Array) -> Array:
    """x, or the least normal number where x is less."""
    return xp.maximum(x, float(xp.finfo(x).tiny))


def clamped_in(xp: Namespace[Array], support: tuple[Any, Any], x: Array, *params: Array) -> Array:
    """x with its derivatives; where rounding put it at or beyond an end of the support that depends on parameters, the
    number next to that end, since the density may be 0 or infinite at the end itself."""
    ends = [xp.stop_gradient(end(xp, *params)) if callable(end) else None for end in support]
    if ends[0] is None and ends[1] is None:
        return x
    limits, clamped = xp.finfo(x), xp.stop_gradient(x)
    fixed = clamped
    for end, sign in zip(ends, (1.0, -1.0), strict=True):
        if end is None:
            continue
        size = xp.abs(end)
        bounded = size <= float(limits.max)
        # three quarters of eps round to the next number, at any mantissa
        gap = xp.maximum(0.75 * float(limits.eps) * xp.where(bounded, size, 0.0), float(limits.tiny))
        inside = end + sign * xp.where(bounded, gap, 0.0)
        clamped = xp.maximum(clamped, inside) if sign > 0.0 else xp.minimum(clamped, inside)
    if ends[0] is not None and ends[1] is not None:  # there may be no number between them
        clamped = xp.minimum(xp.maximum(clamped, ends[0]), ends[1])
    return x + (clamped - fixed)


def finite(xp: Namespace[Array], x: Array) -> Array:
    """x held in the range of its dtype, so that a gradient of it times 0 is 0."""
    most = float(xp.finfo(x).max)
    return xp.clip(x, -most, most)


def expm1_ratio_rest(xp: Namespace[Array], e: Array) -> Array:
    """(expm1(e) / e - 1) / e, |e| <= 1.

    The first omitted term is 1 / 13! = 2e-10 in float32 and 1 / 21! = 2e-20 in float64.
    """
    return horner(e, [1.0 / math.factorial(j + 2) for j in range(19 if is_double(xp, e) else 11)])


def expm1_ratio(xp: Namespace[Array], w: Array) -> Array:
    """expm1(w) / w."""
    near = xp.abs(w) < 1.0
    e, far = xp.where(near, w, 0.0), xp.where(near, 1.0, w)
    return xp.where(near, 1.0 + e * expm1_ratio_rest(xp, e), xp.expm1(far) / far)


def standardised(xp: Namespace[Array], x: Array, loc: Array | float, scale: Array) -> Array:
    """(x - loc) / scale, of a finite x held in the range of its dtype: beyond, 0 times it would be NaN.

    By the quotient of scale and itself: the derivative in scale, -y / scale, overflows before y does, and would in the
    product with that of a heavy tail's log-density, -1 / y.
    """
    unit = xp.stop_gradient(scale)
    y = (x - loc) / unit
    return xp.where(xp.abs(x) <= float(xp.finfo(x).max), finite(xp, y), y) * (unit / scale)


def finite_exp(xp: Namespace[Array], x: Array) -> Array:
    """exp(x) held in the range of its dtype; where it is held its derivative is 0, that of `finite(exp(x))` is NaN."""
    return xp.exp(xp.minimum(x, 0.9999 * math.log(float(xp.finfo(x).max))))


def log_quotient(xp: Namespace[Array], x: Array, y: Array) -> Array:
    """log(x / y), x, y > 0, rounded once where the quotient is in the range of its dtype."""
    if xp.has_guard_digits:
        return xp.log(x) - xp.log(y)
    ratio, limits = x / y, xp.finfo(x)
    inside = (ratio > float(limits.tiny)) & (ratio < float(limits.max))
    return xp.where(inside, xp.log(xp.where(inside, ratio, 1.0)), xp.log(x) - xp.log(y))


def hypot(xp: Namespace[Array], x: Array, y: Array) -> Array:
    """sqrt(x**2 + y**2) of x, y >= 0 whose squares may overflow, rounded as that is."""
    most = math.sqrt(float(xp.finfo(x).max))
    small = xp.indicator(xp.maximum(x, y) < 0.5 * most, like=x)
    unit = xp.maximum(small, 2.0 ** -math.ceil(math.log2(most) + 6.0))  # a power of 2
    return xp.sqrt((x * unit) * (x * unit) + (y * unit) * (y * unit)) / unit


def two_sum(xp: Namespace[Array], x: Array, y: Array | float) -> tuple[Array, Array | float]:
    """(s, e) with x + y = s + e exactly (Knuth 1969); e is without derivative."""
    total = x + y
    if xp.has_guard_digits:
        return total, 0.0
    of_y = total - x
    return total, xp.stop_gradient((x - (total - of_y)) + (y - of_y))


def two_product(xp: Namespace[Array], x: Array, y: Array) -> tuple[Array, Array | float]:
    """(p, e) with x y = p + e exactly (Dekker 1971); e is without derivative.

    It is 0 where a half of x or y would leave the range of its dtype.
    """
    product = x * y
    if xp.has_guard_digits:
        return product, 0.0
    u, v = xp.stop_gradient(x), xp.stop_gradient(y)
    limits = xp.finfo(x)
    low, high = float(limits.tiny) * 1e12, float(limits.max) * 1e-12
    inside = (xp.abs(u) > low) & (xp.abs(u) < high) & (xp.abs(v) > low) & (xp.abs(v) < high)
    u, v = xp.where(inside, u, 1.0), xp.where(inside, v, 1.0)
    p = _rounded(xp, u * v)
    (u1, u2), (v1, v2) = _halves(xp, u), _halves(xp, v)
    error = ((u1 * v1 - p) + u1 * v2 + u2 * v1) + u2 * v2
    # the very p to which the error belongs, with the derivatives of the product
    return xp.where(inside, p + (product - xp.stop_gradient(product)), product), xp.where(inside, error, 0.0)


def _rounded(xp: Namespace[Array], x: Array) -> Array:
    """x: without the maximum, which changes nothing, XLA would fuse a product with the sum after it, unrounded."""
    return xp.maximum(x, -float(xp.finfo(x).max))


def _halves(xp: Namespace[Array], x: Array) -> tuple[Array, Array]:
    scaled = _rounded(xp, (134217729.0 if is_double(xp, x) else 4097.0) * x)
    head = scaled - _rounded(xp, scaled - x)
    return head, x - head


def log_split(xp: Namespace[Array], x: Array) -> tuple[Array, Array | float]:
    """(log x, what its rounding has left), x > 0 a normal number: together to nearly twice the digits; the second
    without derivative.

    x = m 2**n, log(m / c) = 2 artanh(s) = 2 s + 2 s**3 / 3 + ..., s = (m - c) / (m + c), with c of few digits next to
    m, so that |s| < 0.08.
    """
    plain = xp.log(x)
    if xp.has_guard_digits:
        return plain, 0.0
    ln2, of_less, of_more = _LOGS_F64 if is_double(xp, x) else _LOGS_F32
    m, n = xp.frexp(xp.stop_gradient(x))
    low = m < math.sqrt(0.5)
    m, n = xp.where(low, 2.0 * m, m), n - xp.indicator(low, like=x)
    less, more = m < 0.85, m > 1.17
    centre = xp.where(less, 0.75 + 0.0 * m, xp.where(more, 1.25 + 0.0 * m, 1.0))
    sign, f = xp.where(m < centre, -1.0 + 0.0 * m, 1.0), xp.abs(m - centre)
    above = xp.maximum(m + centre, 1.0)
    s = f / above
    p, e = two_product(xp, s, above)
    s_rest = (((f - p) - e) - s * (m - xp.maximum(above - centre, 0.0))) / above
    square, e = two_product(xp, s, s)
    cube, cube_e = two_product(xp, s, square)
    cube_rest = cube_e + s * (e + 2.0 * s * s_rest) + s_rest * square
    third = (2.0 * cube) / 3.0
    p, e = two_sum(xp, 2.0 * third, third)
    third_rest = (((2.0 * cube - p) - e) + 2.0 * cube_rest) / 3.0
    tail = 2.0 * cube * square * horner(square, [1.0 / (2 * k + 5) for k in range(7 if is_double(xp, x) else 3)])
    head = [
        ln2[k] * n + xp.where(less, of_less[k] + 0.0 * m, xp.where(more, of_more[k] + 0.0 * m, 0.0)) for k in (0, 1)
    ]
    total, first = two_sum(xp, head[0], sign * (2.0 * s))
    total, second = two_sum(xp, total, sign * third)
    rest = (first + second) + (sign * ((2.0 * s_rest + third_rest) + tail) + head[1])
    return plain, xp.stop_gradient((total - plain) + rest)


# log 2, log 0.75 and log 1.25, each as a number of so few digits that its multiples are exact, and the rest
_LOGS_F64 = (
    (0.69314718036912381649, 1.90821492927058770002e-10),
    (-0.28768207249231637, 4.053543780278539e-11),
    (0.22314355126582086, 4.838889490356316e-11),
)
_LOGS_F32 = (
    (0.693145751953125, 1.428606765330187e-06),
    (-0.287689208984375, 7.136532594072561e-06),
    (0.22314453125, -9.799357902442336e-07),
)


def in_range(xp: Namespace[Array], x: Array) -> Array:
    """Where x > 0 and its reciprocal are normal numbers, with a factor of 2 to spare."""
    tiny = float(xp.finfo(x).tiny)
    return (x > 2.0 * tiny) & (x < 0.125 / tiny)


def log_area_of_sphere(dim: float) -> float:
    """Of the unit sphere in `dim` dimensions, 2 pi**(dim / 2) / Gamma(dim / 2)."""
    return math.log(2.0) + 0.5 * dim * math.log(math.pi) - math.lgamma(0.5 * dim)
