"""Generalized Pareto with unit scale, smooth through concentration 0, where it is the exponential distribution.

symbol   meaning
c, z     concentration; the draw, 0 <= z, and z <= -1/c where c < 0
E        -log(1 - quantile), a draw of Exponential(1)

z = expm1(c E) / c,    E = log1p(c z) / c,    density exp(-(1 + c) E)        (Hosking & Wallis 1987, eq. 1-2)
"""

from __future__ import annotations

import dataclasses
import math

from ..generic.derived import located
from ..generic.family import Family, Quantile
from ..namespace import Array, Namespace
from ..numerics.elementary import expm1_ratio, horner, log1mexp, log_quotient, standardised, two_product, two_sum
from ..numerics.masses import Piece, Pieces, moving_end, rule
from ..numerics.quadrature import is_double
from ..numerics.roots import log_survival
from .continuous_bernoulli import log_normalizer

# over no more than 1 in E and in c E; worst of the slopes over c in -20..20: 5e-13, and the rounding of float64
NODES_F32, NODES_F64 = 5, 9


def z_of(xp: Namespace[Array], exponential: Array, c: Array) -> Array:
    """z, by expm1(w) / w."""
    return exponential * expm1_ratio(xp, c * exponential)


def log_z_of(xp: Namespace[Array], exponential: Array, c: Array) -> Array:
    """log z, which overflows for no c."""
    return xp.log(exponential) + log_normalizer(xp, c * exponential)


def exponential_of(xp: Namespace[Array], z: Array, c: Array) -> Array:
    """E = -log P(Z > z), for c z > -1.

    Near c z = 0, with w = c z and s = w / (2 + w), log1p(w) = 2 artanh(s) = 2 (s + s**3 / 3 + ...) is divided by w.
    """
    # the first omitted term: 1e-9 in float32, 2e-18 in float64
    terms = 9 if is_double(xp, z) else 5
    w = c * z
    near = xp.abs(w) < 0.25
    small = xp.where(near, w, 0.0)
    s = small / (2.0 + small)
    series = z / (1.0 + 0.5 * small) * horner(s * s, [1.0 / (2 * j + 1) for j in range(terms)])
    return xp.where(near, series, _log1p_product(xp, z, c) / xp.where(near, 1.0, c))


def log_density(xp: Namespace[Array], z: Array, c: Array) -> Array:
    """-(1 + c) E, for c z > -1."""
    return -exponential_of(xp, z, c) - _log1p_product(xp, z, c)


def _log1p_product(xp: Namespace[Array], z: Array, c: Array) -> Array:
    """log1p(c z), also where c z overflows, and finite at an upper end."""
    large = (c > 0.0) & (z > 1e16 / xp.maximum(c, 1e-20))
    product = xp.maximum(xp.where(large, 0.0, c * z), -1.0 + float(xp.finfo(z).eps))
    logs = xp.log(xp.where(large, c, 1.0)) + xp.log(xp.where(large, z, 1.0))
    return xp.where(large, logs, xp.log1p(product))


def dz_dc(xp: Namespace[Array], z: Array, c: Array) -> Array:
    """dz / dc at fixed quantile: z**2 ((1 + w) log1p(w) - w) / w**2, w = c z, by its limit 1/2 near w = 0."""
    w = c * z
    near = xp.abs(w) < 0.25
    small = xp.where(near, w, 0.0)
    # (log1p(w) - w) / w**2, with s and the series of `exponential_of`
    s = small / (2.0 + small)
    terms = 9 if is_double(xp, z) else 5
    series = horner(s * s, [1.0 / (2 * j + 3) for j in range(terms)])
    curved = (2.0 * s / (2.0 + small) * series - 1.0) / (2.0 + small)
    # (1 + w) log1p(w) / w, 0 at the upper end itself
    off_end = ~near & (w > -1.0)
    log1p_w = _log1p_product(xp, xp.where(off_end, z, 1.0), xp.where(off_end, c, 1.0))
    weighted = xp.where(off_end, log1p_w + log1p_w / xp.where(off_end, w, 1.0), 0.0)
    beyond = z * (weighted - 1.0) / xp.where(near, 1.0, c)
    return xp.where(near, z * z * (1.0 + (1.0 + small) * curved), beyond)


def _inside(xp: Namespace[Array], z: Array, c: Array) -> tuple[Array, Array]:
    """(whether z lies in the support, z or 0); the upper end, of density 0 or infinite, counts as outside."""
    inside = (z >= 0.0) & (c * z > -1.0)
    return inside, xp.where(inside, z, 0.0)


def _log_density(xp: Namespace[Array], z: Array, c: Array) -> Array:
    inside, z = _inside(xp, z, c)
    return xp.where(inside, log_density(xp, z, c), -math.inf)


def log_tails(xp: Namespace[Array], z: Array, c: Array) -> tuple[Array, Array]:
    """(log P(Z <= z), log P(Z > z))."""
    inside, at = _inside(xp, z, c)
    log_upper = xp.where(inside, -exponential_of(xp, at, c), xp.where(z < 0.0, 0.0, -math.inf))
    return log1mexp(xp, log_upper), log_upper


def _find(xp: Namespace[Array], q: Array, one_minus_q: Array, c: Array) -> Array:
    return z_of(xp, -log_survival(xp, q, one_minus_q), c)


def _mean(xp: Namespace[Array], c: Array) -> Array:
    finite = c < 1.0
    return xp.where(finite, 1.0 / (1.0 - xp.where(finite, c, 0.0)), math.inf)


def _variance(xp: Namespace[Array], c: Array) -> Array:
    finite = c < 0.5
    few = xp.where(finite, c, 0.0)
    mean = 1.0 / (1.0 - few)
    return xp.where(finite, mean * mean / (1.0 - 2.0 * few), math.inf)


def _upper_end(xp: Namespace[Array], c: Array) -> Array:
    bounded = c < 0.0
    return xp.where(bounded, -1.0 / xp.where(bounded, c, -1.0), math.inf)


STANDARD = Family(
    parameters={"concentration": "real"},
    support=(0.0, _upper_end),
    log_density=_log_density,
    log_tails=log_tails,
    slopes=(dz_dc,),
    tails_are_closed=True,
    quantile=Quantile(_find, _log_density, (dz_dc,)),
    entropy=lambda xp, c: c + 1.0,
    mean=_mean,
    variance=_variance,
)


def _left(xp: Namespace[Array], x: Array, c: Array, loc: Array, scale: Array) -> Array:
    """scale + c (x - loc), what is left of the way to an upper end in units of 1 / |c|."""
    way, way_rest = two_sum(xp, x, -loc)
    product, error = two_product(xp, c, way)
    left, left_rest = two_sum(xp, scale, product)
    return left + (left_rest + error + c * way_rest)


def exponential_at(xp: Namespace[Array], x: Array, c: Array, loc: Array, scale: Array) -> tuple[Array, Array]:
    """(whether scale + c (x - loc) > 0, E there or 0), y = (x - loc) / scale; near an end from what is left of the way
    to it."""
    way = x - loc
    left = _left(xp, x, c, loc, scale)
    inside = ((c >= 0.0) & (way >= 0.0)) | (left > 0.0)  # for a large c, `left` overflows
    near_end = inside & (left < 0.5 * scale)
    log_left = log_quotient(xp, xp.where(near_end, left, 1.0), xp.where(near_end, scale, 1.0))
    far = (c > 0.0) & (way / scale > float(xp.finfo(x).max))  # of a draw at a small scale
    plain = exponential_of(xp, xp.where(inside & ~near_end & ~far, standardised(xp, x, loc, scale), 0.0), c)
    log_far = xp.log(xp.where(far, c, 1.0)) + xp.log(xp.where(far, way, 1.0)) - xp.log(xp.where(far, scale, 1.0))
    plain = xp.where(far, log_far / xp.where(far, c, 1.0), plain)
    return inside, xp.where(near_end, log_left / xp.where(near_end, c, 1.0), plain)


def _exponential_at(xp: Namespace[Array], x: Array, c: Array, loc: Array, scale: Array) -> tuple[Array, Array]:
    inside, e = exponential_at(xp, x, c, loc, scale)
    inside = inside & (x >= loc)
    return inside, xp.where(inside, e, 0.0)


def _log_density_at(xp: Namespace[Array], x: Array, c: Array, loc: Array, scale: Array) -> Array:
    inside, e = _exponential_at(xp, x, c, loc, scale)
    return xp.where(inside, -(1.0 + c) * e - xp.log(scale), -math.inf)


def _log_tails_at(xp: Namespace[Array], x: Array, c: Array, loc: Array, scale: Array) -> tuple[Array, Array]:
    inside, e = _exponential_at(xp, x, c, loc, scale)
    log_upper = xp.where(inside, -e, xp.where(x < loc, 0.0, -math.inf))
    return log1mexp(xp, log_upper), log_upper


def clamped_inside(xp: Namespace[Array], x: Array, c: Array, loc: Array, scale: Array) -> Array:
    """x >= loc, below an upper end also where loc + scale z was rounded onto it; with the derivatives of x.

    (At the end itself the density is 0 or infinite.)
    """
    bounded = c < 0.0
    room = scale / xp.where(bounded, -c, 1.0)
    last = (loc + room) - 2.0 * float(xp.finfo(x).eps) * (xp.abs(loc) + room)
    fixed = xp.stop_gradient(x)
    clamped = xp.where(bounded, xp.maximum(xp.minimum(fixed, last), loc), fixed)
    return x + xp.stop_gradient(clamped - fixed)


def masses(xp: Namespace[Array], low: Array | None, high: Array | None, c: Array, loc: Array, scale: Array) -> Pieces:
    """With L = scale + c (x - loc) and D >= 0, the distance to a bound in E: L (1 - exp(-D)) above x, L (exp(D) - 1)
    below.  Their derivatives cancel where D is small; there the density is integrated over E."""
    within = loc + 0.0 * (c + scale)
    low = within if low is None else xp.where(low < loc, within, low)
    params = (c + 0.0 * within, within, scale + 0.0 * within)
    if high is None:
        return lambda x: (_side(xp, x, low, None, -1.0, params), _side(xp, x, None, None, 1.0, params))
    shut = xp.abs(high) <= float(xp.finfo(c).max)
    high = xp.where(shut, high, within)
    left = xp.where(c < 0.0, _left(xp, high, c, loc, scale), scale)
    at_end = shut & (left <= 0.0)
    moved = _moved_end(xp, high, at_end, xp.stop_gradient(left), *map(xp.stop_gradient, params))
    shut = shut & ~at_end

    def pieces(x: Array) -> tuple[Piece, Piece]:
        above = _side(xp, x, xp.where(shut, high, xp.stop_gradient(x)), shut, 1.0, params)
        above = above._replace(mass=above.mass + moved * xp.exp(-above.log_unit))
        return _side(xp, x, low, None, -1.0, params), above

    return pieces


def _moved_end(
    xp: Namespace[Array], high: Array, at_end: Array, left: Array, c: Array, loc: Array, scale: Array
) -> Array:
    """0, with the derivative in a bound at the upper end itself: that of one a rounding inside."""
    eps = float(xp.finfo(c).eps)
    at_end = at_end & (left > -4.0 * eps * (scale - c * (xp.abs(high) + xp.abs(loc))))
    power = (1.0 + c) / xp.where(at_end, c, -1.0)
    density = xp.exp(xp.minimum(-power * math.log(eps), 0.4 * math.log(float(xp.finfo(c).max))))
    return xp.where(at_end, high - xp.stop_gradient(high), 0.0) * density


def _side(
    xp: Namespace[Array], x: Array, bound: Array | None, shut: Array | None, sign: float, params: tuple[Array, ...]
) -> Piece:
    """The mass between x and the bound, or all beyond x where that is not shut."""
    tiny = float(xp.finfo(x).tiny)
    left = xp.maximum(_left(xp, x, *params), tiny)
    far = xp.stop_gradient(left)
    far = xp.where(far > 1e15, far, 1.0)  # the unit, of which the logarithm would be rounded
    if bound is None:
        return Piece(left / far, xp.log(far))
    fixed = tuple(map(xp.stop_gradient, params))
    c, c0 = params[0], fixed[0]
    step = sign * _step(xp, x, bound, *fixed)
    near = (1.0 + xp.abs(c0)) * xp.stop_gradient(step) < 1.0
    near = near if shut is None else near & shut

    # in the chart E held constant: there a step of v has, with z(v) of c0, the E of z(v) L0 / L of c
    unit = xp.maximum(_left(xp, x, *fixed), tiny)
    ratio = unit / left

    def density(v: Array) -> Array:
        v = sign * v
        moved = exponential_of(xp, ratio * z_of(xp, v, c0 + 0.0 * v), c + 0.0 * v)
        return xp.exp(c0 * v - (1.0 + c) * moved)

    step = xp.where(near, step, 0.0)
    span = xp.stop_gradient(step)
    nodes, weights = rule(NODES_F64 if is_double(xp, x) else NODES_F32)
    integral = span * xp.integrate(lambda u: density(span * u), nodes, weights, like=span)[0]
    integral = (unit / far) * (integral + moving_end(xp, density, step)[0])

    to = sign * _step(xp, x, xp.where(near, xp.stop_gradient(x), bound), *params)
    top = xp.stop_gradient(xp.maximum(to, 0.0) if sign < 0.0 else 0.0 * to)
    if sign < 0.0:
        closed = xp.exp(to - top) - xp.exp(-top)
    else:  # the derivative of expm1 is its value + 1, of which far out nothing is left
        closed = xp.where(to > 1.0, 1.0 - xp.exp(-to), -xp.expm1(-xp.minimum(to, 1.0)))
    closed = closed if shut is None else xp.where(shut, closed, 1.0)
    return Piece(xp.where(near, integral, (left / far) * closed), top + xp.log(far))


def _step(xp: Namespace[Array], x: Array, end: Array, c: Array, loc: Array, scale: Array) -> Array:
    """E at `end` less that at x, counted from where less is left, so that nothing cancels."""
    tiny = float(xp.finfo(x).tiny)
    at_x, at_end = (xp.maximum(_left(xp, at, c, loc, scale), tiny) for at in (x, end))
    from_x, apart = at_x < at_end, end - x
    step = exponential_of(xp, xp.where(from_x, apart, -apart) / xp.where(from_x, at_x, at_end), c)
    return xp.where(from_x, step, -step)


FAMILY = dataclasses.replace(
    located(STANDARD, masses=masses),
    log_density=_log_density_at,
    log_tails=_log_tails_at,
    about=r"""
    Density :math:`(1 + c z)^{-1/c - 1} / \sigma` with :math:`z = (x - \mu)/\sigma`.

    :param loc: lower end :math:`\mu`; number or array, broadcast with the others.
    :param scale: :math:`\sigma > 0`.
    :param concentration: c, any number; below 0 the support ends at :math:`\mu - \sigma / c`.

    Source: Hosking and Wallis 1987, whose k is -c.
    """,
)
