"""GeneralizedExtremeValue with unit scale, smooth through concentration 0, where it is Gumbel's.

symbol   meaning
c, y     concentration; the draw, c y > -1
g        log(1 + c y) / c, of a Gumbel distribution
L        log Gamma(1 - c) = EULER c + sum_{k>=2} zeta(k) c**k / k      (DLMF 5.7.3)

Its draw, coordinate and slope are those of `generalized_pareto`, with a Gumbel number in place of an exponential one.
"""

from __future__ import annotations

import dataclasses
import math
from functools import cache

from ..generic.derived import located
from ..generic.family import Family, Quantile
from ..namespace import Array, Namespace
from ..numerics.charts import FAR, Chart, Shape, came_from, exponential_rise, in_exponent, log_rest
from ..numerics.elementary import expm1_ratio, finite, finite_exp, horner, positive, standardised
from ..numerics.gamma_function import EULER, log_gamma_bend
from ..numerics.quadrature import is_double
from . import standard
from .generalized_pareto import dz_dc, exponential_at, exponential_of, z_of

MOST = 25  # zeta(2), ..., zeta(MOST): at |c| = 0.2 the first omitted term of L(c) is 3e-20, at 0.1 of L(2 c) as much


@cache
def _zeta(k: int) -> float:
    """By Euler and Maclaurin's formula after 999 terms (DLMF 25.2.9)."""
    head = sum(n**-k for n in range(1, 1000))
    return head + 1e3 ** (1 - k) / (k - 1) + 0.5 * 1e3**-k + k * 1e3 ** (-k - 1) / 12.0


def _at(xp: Namespace[Array], y: Array, c: Array) -> tuple[Array, Array]:
    """(whether y lies in the support, g there)"""
    inside = (c * y > -1.0) & (xp.abs(y) <= float(xp.finfo(y).max))
    return inside, exponential_of(xp, xp.where(inside, y, 0.0), c)


def log_density(xp: Namespace[Array], y: Array, c: Array) -> Array:
    inside, g = _at(xp, y, c)
    return xp.where(inside, _log_density_of(xp, g, c), -math.inf)


def _log_density_of(xp: Namespace[Array], g: Array, c: Array) -> Array:
    return -(1.0 + c) * xp.maximum(g, -1e4) - finite_exp(xp, -g)  # left of -1e4 the second term is all there is


def log_tails(xp: Namespace[Array], y: Array, c: Array) -> tuple[Array, Array]:
    return _tails(xp, *_at(xp, y, c), y < 0.0)


def _tails(xp: Namespace[Array], inside: Array, g: Array, below: Array) -> tuple[Array, Array]:
    lower, upper = standard.gumbel_log_tails(xp, g)
    return (
        xp.where(inside, lower, xp.where(below, -math.inf, 0.0)),
        xp.where(inside, upper, xp.where(below, 0.0, -math.inf)),
    )


def _log_density_at(xp: Namespace[Array], x: Array, c: Array, loc: Array, scale: Array) -> Array:
    inside, g = exponential_at(xp, x, c, loc, scale)
    return xp.where(inside, _log_density_of(xp, g, c) - xp.log(scale), -math.inf)


def _bend(xp: Namespace[Array], x: Array, c: Array, loc: Array, scale: Array) -> tuple[Array, Array, Array, Array]:
    """(whether x lies in the support, g, d log p / dg, dg / dy = exp(-c g))"""
    inside, g = exponential_at(xp, x, c, loc, scale)
    return inside, g, finite(xp, xp.expm1(-g)) - c, finite(xp, xp.exp(-c * g))


def _score_x(xp: Namespace[Array], x: Array, c: Array, loc: Array, scale: Array) -> Array:
    inside, _, bend, slope = _bend(xp, x, c, loc, scale)
    return xp.where(inside, finite(xp, bend * slope / scale), 0.0)


def _score_c(xp: Namespace[Array], x: Array, c: Array, loc: Array, scale: Array) -> Array:
    inside, g, bend, slope = _bend(xp, x, c, loc, scale)
    y = xp.where(inside, standardised(xp, x, loc, scale), 0.0)
    return xp.where(inside, finite(xp, -g - bend * (slope * finite(xp, dz_dc(xp, y, c)))), 0.0)


def _score_loc(xp: Namespace[Array], x: Array, c: Array, loc: Array, scale: Array) -> Array:
    return -_score_x(xp, x, c, loc, scale)


def _score_scale(xp: Namespace[Array], x: Array, c: Array, loc: Array, scale: Array) -> Array:
    inside, _, bend, slope = _bend(xp, x, c, loc, scale)
    return xp.where(inside, finite(xp, -(1.0 + standardised(xp, x, loc, scale) * (bend * slope)) / scale), 0.0)


def _log_tails_at(xp: Namespace[Array], x: Array, c: Array, loc: Array, scale: Array) -> tuple[Array, Array]:
    return _tails(xp, *exponential_at(xp, x, c, loc, scale), x < loc)


def _find(xp: Namespace[Array], q: Array, one_minus_q: Array, c: Array) -> Array:
    return finite(xp, z_of(xp, standard.gumbel_quantile(xp, q, one_minus_q), c))


def _end(sign: float) -> object:
    def end(xp: Namespace[Array], c: Array) -> Array:
        bounded = sign * c < 0.0
        return xp.where(bounded, -1.0 / xp.where(bounded, c, -sign), sign * math.inf)

    return end


def log_gamma_ratio(xp: Namespace[Array], c: Array) -> Array:
    """L / c, c < 1; next to c = -1, where L is 0, from L(c) = log(-c) + L(1 + c)."""
    radius = 0.2 if is_double(xp, c) else 0.5
    near, mirrored = xp.abs(c) < radius, xp.abs(1.0 + c) < radius
    small, far = xp.where(near, c, 0.0), xp.where(near, 0.3, c)
    rest = xp.where(mirrored, 1.0 + c, 0.0)

    def series(x: Array) -> Array:
        return EULER + x * horner(x, [_zeta(k) / k for k in range(2, MOST + 1)])

    beyond = xp.where(mirrored, xp.log1p(-rest) + rest * series(rest), xp.lgamma(1.0 - far))
    return xp.where(near, series(small), beyond / far)


def log_gamma_second(xp: Namespace[Array], c: Array) -> Array:
    """(L(2 c) - 2 L(c)) / c**2, c < 1/2: for c > 0 by Gamma(2 - 2 c) and Gamma(2 - c)."""
    near = xp.abs(c) < (0.1 if is_double(xp, c) else 0.25)
    small = xp.where(near, c, 0.0)
    upper, lower = xp.where(near | (c < 0.0), 0.3, c), xp.where(near | (c > 0.0), 0.3, -c)
    above = xp.log1p(upper * upper / (1.0 - 2.0 * upper))
    is_above = c > 0.0
    base, step = xp.where(is_above, 2.0 - 2.0 * upper, 1.0), xp.where(is_above, upper, lower)
    far = (log_gamma_bend(xp, base, step) + xp.where(is_above, above, 0.0)) / step / step
    return xp.where(near, horner(small, [_zeta(k) * (2.0**k - 2.0) / k for k in range(2, MOST + 1)]), far)


def _mean(xp: Namespace[Array], c: Array) -> Array:
    """(Gamma(1 - c) - 1) / c, infinite from c = 1 on."""
    finite_mean = c < 1.0
    few = xp.where(finite_mean, c, 0.0)
    ratio = log_gamma_ratio(xp, few)
    return xp.where(finite_mean, ratio * expm1_ratio(xp, few * ratio), math.inf)


def _variance(xp: Namespace[Array], c: Array) -> Array:
    """(Gamma(1 - 2 c) - Gamma(1 - c)**2) / c**2, infinite from c = 1/2 on."""
    finite_variance = c < 0.5
    few = xp.where(finite_variance, c, 0.0)
    first, second = xp.exp(few * log_gamma_ratio(xp, few)), log_gamma_second(xp, few)
    return xp.where(finite_variance, first * (first * (second * expm1_ratio(xp, few * few * second))), math.inf)


def _shape(xp: Namespace[Array], c: Array, loc: Array, scale: Array) -> Shape:
    """In g, exp(-g - exp(-g)); v leads to what is left of scale + c (x - loc), `rest`."""
    c_0, loc_0, scale_0 = map(xp.stop_gradient, (c, loc, scale))
    bounded = c < 0.0
    safe = xp.where(bounded, c, -1.0)
    upper = xp.where(bounded, loc - scale / safe, 0.0)
    moved = upper - xp.stop_gradient(upper)

    def room(x: Array) -> Array:
        return positive(xp, scale_0 + c_0 * (x - loc_0))

    def displacement(xp: Namespace[Array], x: Array, end: Array) -> Array:
        still = room(x)
        inside = (scale_0 + c_0 * (end - loc_0) > 0.0) & (xp.abs(end) <= float(xp.finfo(end).max))
        end = xp.where(inside, end, x)
        way = xp.where(bounded, still / xp.stop_gradient(safe), 1.0 + xp.abs(end - x))
        end = xp.where(end > x, came_from(end, x, way, moved), end)
        change = (end - x) / still
        # from far out the other's distance from the end would be the difference of 1 and nearly 1
        near = xp.abs(c_0 * change) < 0.5
        much = xp.log(xp.where(near, 1.0, room(end)) / xp.where(near, 1.0, still))
        little = exponential_of(xp, xp.where(near, change, 0.0), c_0)
        to = xp.where(near, little, much / xp.where(near, 1.0, c_0))
        return xp.where(inside, to, xp.where(c > 0.0, -FAR, FAR))

    def rise(x: Array, v: Array) -> Array:
        still, u = room(x), in_exponent(xp, c_0 * v)

        def of_params(way: Array) -> Array:
            """What the parameters' motion adds to the room at loc + way: no part of x, or next to the end two
            derivatives would leave no digits of their difference."""
            return (scale - scale_0) + (c - c_0) * way - c_0 * (loc - loc_0)

        own = still + of_params(x - loc)
        near, along = xp.abs(u) < 0.5, bounded & (v > 0.0)
        rho, less = xp.where(along, xp.exp(u), 1.0), xp.where(along, -xp.expm1(u), 0.0)
        by = moved * xp.where(along, -xp.stop_gradient(safe), 0.0) / still
        change = still * (xp.where(xp.abs(c_0 * v) > xp.abs(u), 0.0, v) * expm1_ratio(xp, u))
        far = (still * xp.exp(u) - scale_0) / xp.where(near, 1.0, c_0) - (loc - loc_0)
        rest = still * xp.exp(u) + of_params(xp.where(near, (x - loc) + change, far))
        # what an upper end takes along
        end_rest = (c / xp.where(bounded, c_0, 1.0)) * still * rho * (1.0 + (2.0 - rho) * by)
        change = change + less * less * xp.where(along, moved, 0.0)
        little = exponential_of(xp, xp.where(near, change / own, 0.0), c)
        much = log_rest(xp, near, own, 0.0 * change, xp.where(along, end_rest, rest)) / xp.where(near, 1.0, c)
        step = xp.where(near, little, much)
        at = exponential_at(xp, x, c, loc, scale)[1]
        return exponential_rise(xp, 1.0 + c, xp.exp(-at), -step, -at) + u + xp.log1p(2.0 * less * by)

    return Shape(Chart(displacement, lambda xp, x: room(x)), rise, loc + 0.0 * c, located=(1, scale_0))


_LOCATED = located(
    Family(
        parameters={"concentration": "real"},
        support=(_end(-1.0), _end(1.0)),  # type: ignore[arg-type]
        log_density=log_density,
        log_tails=log_tails,
        slopes=(dz_dc,),
        tails_are_closed=True,
        quantile=Quantile(_find, log_density, (dz_dc,)),
        entropy=lambda xp, c: 1.0 + EULER * (1.0 + c),
        mean=_mean,
        variance=_variance,
    ),
    _shape,
)


def clamped_inside(xp: Namespace[Array], x: Array, c: Array, loc: Array, scale: Array) -> Array:
    """x off the end of the support, where the density is 0 or infinite, also where it was rounded onto it; with the
    derivatives of x."""
    curved = (c < 0.0) | (c > 0.0)
    room = scale / xp.where(curved, xp.abs(c), 1.0)
    gap = room - 2.0 * float(xp.finfo(x).eps) * (xp.abs(loc) + room)
    fixed = xp.stop_gradient(x)
    clamped = xp.where(c < 0.0, xp.minimum(fixed, loc + gap), xp.where(c > 0.0, xp.maximum(fixed, loc - gap), fixed))
    return x + xp.stop_gradient(clamped - fixed)


FAMILY = dataclasses.replace(
    _LOCATED,
    log_density=_log_density_at,
    log_tails=_log_tails_at,
    scores=(_score_x, _score_c, _score_loc, _score_scale),
    about=r"""
    Distribution function :math:`\exp(-(1 + c y)^{-1/c})` with :math:`y = (x - \mu)/\sigma`.

    Smooth in the concentration through 0, where it is Gumbel's.  A draw that rounds to an end of the support, or to
    infinity, is held inside.

    :param loc: :math:`\mu`; number or array, broadcast with the others.
    :param scale: :math:`\sigma > 0`.
    :param concentration: c, any number; below 0 the support ends at :math:`\mu - \sigma / c`, above 0 it begins there.
    """,
)
