"""Student-t with nu degrees of freedom: the derivative of log|t| in nu at fixed quantile (even in t).

    symbol   meaning
    nu, t    degrees of freedom; the draw
    q, x     t**2 / nu, and log q
    C        psi((nu + 1)/2) - psi(nu/2) - 1/nu

The score in nu is s(q) = (C + q / (nu (1 + q)) - [log1p(q) - q / (1 + q)]) / 2, of order 1/nu**2: formed without the
cancelling terms of order 1/nu.  For nu >= 1 the tail integral (Figurnov, Mohamed, Mnih 2018, eq. 4-6; see
`quadrature`) is taken outwards, over t exp(y), where s < 0, and inwards, over t v with v in (0, 1), where s > 0.
For nu < 1, where log|t| has plateaus of length 1/nu, q / (1 + q) ~ Beta(1/2, nu/2) gives

    d log|t| / d nu = 1 / (2 nu) + (dx/db)(x; 1/2, nu/2) / 4.

The tails follow from the same distribution of q / (1 + q) at every nu: P(|T| > |t|) is its upper tail (DLMF 8.17.2, and
Abramowitz & Stegun 26.7.1).
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from ..generic.derived import located
from ..generic.family import Family, Quantile
from ..namespace import Array, Namespace
from ..numerics.charts import Shape, heavy_line, hypot1
from ..numerics.elementary import log1mexp, log1pmx_near_0, two_product, two_sum
from ..numerics.gamma_function import log_gamma_step
from ..numerics.in_two import both_tails, keeps_rests, product, quotient
from ..numerics.quadrature import depth, is_double, tail_integral
from ..numerics.student_t_divergence import c_at, divergence, score_at, share
from .beta import Place, direct_at, dlogit_da_by_rule, log_tails_at, logit_quantile


def dt_dnu(xp: Namespace[Array], t: Array, nu: Array) -> Array:
    """dt / d nu at fixed quantile."""
    size = xp.maximum(xp.abs(t), float(xp.finfo(t).tiny))
    return t * dlogt_dnu(xp, xp.log(size), nu)


def dt_dnu_of_many(xp: Namespace[Array], t: Array, nu: Array) -> Array:
    """`dt_dnu` for nu >= 2, where one integral does."""
    size = xp.maximum(xp.abs(t), float(xp.finfo(t).tiny))
    return t * _moderate(xp, xp.log(size), nu)


def dlogt_dnu(xp: Namespace[Array], u: Array, nu: Array) -> Array:
    """d log|t| / d nu at fixed quantile, u = log|t|."""
    small = nu < 2.0
    x = 2.0 * u - xp.log(nu)
    few, many = xp.where(small, nu, 0.5), xp.where(small, 2.0, nu)
    half: Any = 0.5
    heavy = 0.5 / few - 0.25 * dlogit_da_by_rule(xp, -xp.where(small, x, 0.0), 0.5 * few, half)
    return xp.where(small, heavy, _moderate(xp, xp.where(small, 0.0, u), many))


# worst error: 4e-7 and 1e-13
NODES_F32, NODES_F64 = 12, 34


def _moderate(xp: Namespace[Array], u: Array, nu: Array) -> Array:
    """d log|t| / d nu for nu >= 1."""
    # beyond this q (a quantile of 1e-15 in float32 at nu = 1) the derivative is held, so that nothing overflows
    q = xp.exp(xp.minimum(2.0 * u, 0.8 * math.log(float(xp.finfo(u).max)))) / nu
    kappa, complement = share(xp, q), 1.0 / (1.0 + q)
    c = c_at(xp, nu)

    def score(p: Array) -> Array:
        return score_at(xp, p, xp.log1p(p), c, nu)

    power = 0.5 * (nu + 1.0)
    inward = xp.indicator(score(q) > 0.0, like=u)
    cut = _cut(xp, kappa, complement, nu)

    def integrand(y: Array) -> Array:
        # outwards: t exp(y), y > 0, q grows by exp(2 y);  inwards: t (1 + y), -1 < y < 0, q shrinks by (1 + y)**2
        growth = xp.where(inward > 0.5, y * (2.0 + y), xp.expm1(2.0 * y))
        weight = xp.exp((1.0 - inward) * y - power * xp.log1p(kappa * growth))
        return score(q * (1.0 + growth)) * weight

    return tail_integral(xp, integrand, xp.where(inward > 0.5, -1.0, cut), nodes_f32=NODES_F32, nodes_f64=NODES_F64)


def _cut(xp: Namespace[Array], kappa: Array, complement: Array, nu: Array) -> Array:
    """A y near the root of E(y) = (nu + 1)/2 log1p(kappa expm1(2 y)) - y = depth, for t > 1."""
    kappa, complement, nu = xp.stop_gradient(kappa), xp.stop_gradient(complement), xp.stop_gradient(nu)
    fall = depth(xp, nu)
    slope = xp.maximum((nu + 1.0) * kappa - 1.0, 0.0)
    y = 2.0 * fall / (slope + xp.sqrt(slope * slope + 4.0 * fall * (nu + 1.0) * kappa * complement))
    # E >= nu y + (nu + 1)/2 log(kappa)
    bound = (fall - 0.5 * (nu + 1.0) * xp.log(kappa)) / nu
    y = xp.minimum(y, bound)
    for _ in range(2):
        e = kappa * xp.expm1(2.0 * y)
        gap = 0.5 * (nu + 1.0) * xp.log1p(e) - y - fall
        y = xp.minimum(y - gap / ((nu + 1.0) * (e + kappa) / (1.0 + e) - 1.0), bound)
    return y


def log_tails(xp: Namespace[Array], t: Array, nu: Array) -> tuple[Array, Array]:
    """(log P(T <= t), log P(T > t))."""
    beyond = log_tails_of_size(xp, t, nu)[1] - math.log(2.0)
    within = log1mexp(xp, beyond)
    negative = t < 0.0
    return xp.where(negative, beyond, within), xp.where(negative, within, beyond)


def tails(xp: Namespace[Array], t: Array, nu: Array) -> tuple[Array, Array]:
    """(P(T <= t), P(T > t))."""
    beyond = 0.5 * both_tails(xp, *direct_at(xp, *_place_of_size(xp, t, nu)))[1]
    negative = t < 0.0
    return xp.where(negative, beyond, 1.0 - beyond), xp.where(negative, 1.0 - beyond, beyond)


def log_tails_of_size(xp: Namespace[Array], t: Array, nu: Array) -> tuple[Array, Array]:
    """(log P(|T| <= |t|), log P(|T| > |t|))."""
    return log_tails_at(xp, *_place_of_size(xp, t, nu))


def _place_of_size(xp: Namespace[Array], t: Array, nu: Array) -> tuple[Place, Array, Array]:
    """(z = q / (1 + q), 1/2, nu/2)"""
    log_q, q = _square(xp, t, nu)
    a, b = 0.5 * xp.indicator(nu > 0.0, like=nu), 0.5 * nu
    w = 1.0 / (1.0 + q)
    log_w = -xp.softplus(log_q)
    near = q < 1.0  # where the square is sharper than its logarithm
    log_w = xp.where(near, -xp.log1p(xp.where(near, q, 0.0)), log_w)
    z = q * w
    # far out nu q, the square of t, may leave the range of its dtype
    delta = xp.where(near, 0.5 * (1.0 - nu * xp.where(near, q, 0.0)) * w, 0.5 * (w - nu * z))
    at = Place(z, w, xp.maximum(log_q, -_far(xp, t)) + log_w, log_w, delta)
    return (_in_two(xp, at, t, nu) if keeps_rests(xp, t) else at), a, b


def _in_two(xp: Namespace[Array], at: Place, t: Array, nu: Array) -> Place:
    """With what rounding has left: z = t**2 / (nu + t**2), w = nu / (nu + t**2), delta = w (1 - t**2) / 2."""
    size = xp.abs(t)
    inside = (size > 1e-12) & (size < 1e18)  # where the square can be had in two
    far, size = size > 1.0, xp.where(inside, size, 1.0)
    square, square_rest = two_product(xp, size, size)
    total, total_rest = two_sum(xp, square, nu)
    total_rest = total_rest + square_rest
    z, z_rest = quotient(xp, square, square_rest, total, total_rest)
    w, w_rest = quotient(xp, nu, 0.0, total, total_rest)
    fall, fall_rest = two_sum(xp, -square, 1.0 + 0.0 * square)
    delta, rest = product(xp, w, w_rest, 0.5 * fall, 0.5 * (fall_rest - square_rest))
    found = Place(z, w, at.log_z, at.log_w, delta, rest, z_rest, w_rest)
    at = at._replace(w=xp.where(far, 0.0, at.w))  # which is held there, but not its logarithm
    return Place(*(xp.where(inside, x, y) for x, y in zip(found, at, strict=True)))


def _far(xp: Namespace[Array], like: Array) -> float:
    return 0.8 * math.log(float(xp.finfo(like).max))


def _square(xp: Namespace[Array], t: Array, nu: Array) -> tuple[Array, Array]:
    """(log q, q) of q = t**2 / nu, the first at any t, the second held where 1 / q is nothing beside 1."""
    limits = xp.finfo(t)
    size = xp.maximum(xp.abs(t), float(limits.tiny))
    log_q = 2.0 * xp.log(xp.minimum(size, float(limits.max))) - xp.log(nu)
    edge = float(limits.max) ** 0.25
    near = xp.minimum(size, edge)
    return log_q, xp.where(size < edge, near * near / nu, xp.exp(xp.minimum(log_q, _far(xp, t))))


def log_density(xp: Namespace[Array], t: Array, nu: Array) -> Array:
    """log p(t) = -(nu + 1)/2 log1p(t**2 / nu) - log(nu)/2 - log B(1/2, nu/2)."""
    if xp.has_guard_digits:
        half = 0.5 * nu
        log_beta = xp.lgamma(half) - xp.lgamma(half + 0.5) + 0.5 * xp.log(math.pi * nu)
        return -(half + 0.5) * xp.log1p(t * t / nu) - log_beta
    return -0.5 * (nu + 1.0) * _log1p_q(xp, t, nu)[0] - log_normalizer(xp, nu)


def _log1p_q(xp: Namespace[Array], t: Array, nu: Array, log_excess: Array | float = 0.0) -> tuple[Array, Array]:
    """(log1p(q), q), q = t**2 / nu held where 1 / q is nothing beside 1; log|t| is larger by `log_excess`."""
    log_q, q = _square(xp, t, nu)
    log_q = log_q + 2.0 * log_excess
    near = xp.abs(t) < float(xp.finfo(t).max) ** 0.25
    return xp.where(near, xp.log1p(xp.where(near, q, 1.0)), xp.softplus(xp.where(near, 0.0, log_q))), q


def _flow_nu(xp: Namespace[Array], log_unit: Array | float, t: Array, nu: Array) -> Array:
    """p dt/dnu / exp(log_unit): far out the density underflows long before its product with t."""
    u = xp.log(xp.maximum(xp.abs(t), float(xp.finfo(t).tiny)))
    return xp.copysign(xp.exp((log_density(xp, t, nu) + u) - log_unit), t) * dlogt_dnu(xp, u, nu)


def score_t(xp: Namespace[Array], t: Array, nu: Array) -> Array:
    """-(nu + 1) t / (nu + t**2)."""
    size = xp.abs(t)
    far = (size > 1.0) & (size > nu)
    small, large = xp.where(far, 0.0, t), xp.where(far, t, 1.0)
    inside = -(1.0 + 1.0 / nu) * small / (1.0 + (small / nu) * small)
    return xp.where(far, -((nu + 1.0) / large) / (1.0 + (nu / large) / large), inside)


def score_log_scale(xp: Namespace[Array], t: Array, nu: Array) -> Array:
    """nu (t**2 - 1) / (nu + t**2)"""
    size = xp.abs(t)
    far = size > 1e3  # where t**2 may overflow
    near, inverse = xp.where(far, 1.0, size), 1.0 / xp.where(far, size, 1.0)
    inside = (near - 1.0) * (near + 1.0) / (1.0 + near * near / nu)
    return xp.where(far, (1.0 - inverse) * (1.0 + inverse) / (1.0 / nu + inverse * inverse), inside)


def score_nu(xp: Namespace[Array], t: Array, nu: Array) -> Array:
    log1p_q, q = _log1p_q(xp, t, nu)
    return score_at(xp, q, log1p_q, c_at(xp, nu), nu)


def log_normalizer(xp: Namespace[Array], nu: Array) -> Array:
    """log(nu)/2 + log B(1/2, nu/2), to full accuracy also where nu is large."""
    half = 0.5 * nu
    return 0.5 * (math.log(math.pi) + xp.log(nu)) - log_gamma_step(xp, half, 0.5 * xp.indicator(nu > 0.0, like=nu))


def _quantile(xp: Namespace[Array], q: Array, one_minus_q: Array, nu: Array) -> Array:
    a = 0.5 * xp.indicator(nu > 0.0, like=nu)
    outward = 2.0 * xp.minimum(q, one_minus_q)
    inward = 1.0 - outward  # P(|T| <= |t|), exact next to 1/2, where the larger mass is rounded
    x = logit_quantile(xp, inward, outward, a, 0.5 * nu)
    size = xp.exp(xp.minimum(0.5 * (x + xp.log(nu)), math.log(float(xp.finfo(q).max))))
    # next to 0, where float32's logarithm has too few digits, by the series of P(|T| <= t), turned round
    y, grown = 0.5 * inward * xp.exp(log_normalizer(xp, nu)), 1.0 + 1.0 / nu
    few = grown * (y * y) < (3e-5 if is_double(xp, nu) else 3e-3)
    w = xp.where(few, y * y, 0.0)
    r = xp.where(few, 1.0 / nu, 0.0)
    near = y + y * (w * (1.0 + r) / 6.0 + w * w * (7.0 + r * (8.0 + r)) / 120.0)
    return xp.where(inward > 0.0, xp.copysign(xp.where(few, near, size), q - one_minus_q), 0.0)


def entropy(xp: Namespace[Array], nu: Array) -> Array:
    """(nu + 1)/2 (psi((nu + 1)/2) - psi(nu/2)) + log(nu)/2 + log B(1/2, nu/2)."""
    return 0.5 * (nu + 1.0) * (c_at(xp, nu) + 1.0 / nu) + log_normalizer(xp, nu)


def _far_growth(
    xp: Namespace[Array], z: Array, aside: Array, core: Array, log_spread: Array, log_cosh_y: Array
) -> tuple[Array, Array]:
    """(h, log cosh(z) - log_cosh_y - h), h = (log(core + t**2) - log_spread) / 2 of t = sinh(z) + aside.

    Far out t is all of its square, and neither exponential is formed, nor z - h by a difference.
    """
    size = xp.abs(z)
    out = size > 8.0
    there = xp.where(out, 1.0, z)
    t = 0.5 * (xp.exp(there) - xp.exp(-there)) + aside
    fall = xp.exp(-xp.where(out, size, 8.0))
    share = xp.where(z > 0.0, 1.0, -1.0) * (1.0 - fall * fall) + 2.0 * fall * aside
    log_share = xp.log(share * share + 4.0 * core * fall * fall)
    log_exp = size - math.log(2.0)
    half_log = xp.where(out, log_exp + 0.5 * log_share, 0.5 * xp.log(core + t * t))
    grown = half_log - 0.5 * log_spread
    unit_growth = xp.where(out, 0.5 * log_spread - 0.5 * log_share, log_exp - grown)
    return grown, unit_growth + (xp.log1p(xp.exp(-2.0 * size)) - log_cosh_y)


def shape(xp: Namespace[Array], nu: Array, loc: Array, scale: Array) -> Shape:
    centre, width = xp.stop_gradient(loc), xp.stop_gradient(xp.sqrt(nu) * scale)
    unit = (scale / width) * (scale / width)
    core = nu * unit  # 1 with a derivative

    def rise(x: Array, v: Array) -> Array:
        near = xp.abs(v) < 1.0
        little, much = xp.where(near, v, 0.0), xp.where(near, 1.0, v)
        s = (x - centre) / width
        cosh_y, y = hypot1(xp, s), xp.arcsinh(s)
        offset = (x - loc) / width
        # so far out that the square of its square, in the derivative, is out of range: core is nothing beside it
        beyond_squares = xp.abs(offset) > (1e15 if is_double(xp, x) else 1e8)
        square_root = xp.where(beyond_squares, 1.0, offset)
        spread = core + square_root * square_root
        log_spread = xp.where(
            beyond_squares, 2.0 * xp.log(xp.where(beyond_squares, xp.abs(offset), 1.0)), xp.log(spread)
        )
        # near: sinh(y + v) - sinh(y) and cosh(y + v) / cosh(y) - 1 by half angles
        sinh = 0.5 * (xp.expm1(0.5 * little) - xp.expm1(-0.5 * little))
        cosh = xp.sqrt(1.0 + sinh * sinh)
        far_offset = xp.where(beyond_squares, offset, 1.0)  # divides each term: the sum may overflow
        step = 2.0 * sinh * ((cosh_y / far_offset) * cosh + (s / far_offset) * sinh)
        by_offset, inner_step = xp.where(beyond_squares, step, 0.0), xp.where(beyond_squares, 0.0, step)
        ratio = inner_step * ((inner_step + 2.0 * square_root) / spread)
        ratio = xp.where(beyond_squares, by_offset * (by_offset + 2.0), ratio)
        # with t = (x - loc) / scale: (nu + 1) / (nu + t**2) = 1 + (1 - t**2) / (nu + t**2), whose derivative in nu is
        # that small itself
        tiny, remainder = log1pmx_near_0(xp, ratio)
        tiny = tiny & (square_root * square_root < core) & ~beyond_squares
        inner, by = xp.where(tiny, offset, 0.0), xp.where(tiny, step, 0.0)
        square = inner * (inner / unit)
        slow = by * ((by + 2.0 * inner) / unit) * (1.0 + (1.0 - square) / (nu + square))
        half_growth = 0.5 * xp.where(tiny, slow + (nu + 1.0) * remainder, (nu + 1.0) * xp.log1p(ratio))
        log_unit = xp.log1p(2.0 * sinh * (sinh + s / cosh_y * cosh))
        aside = (centre - loc) / width
        grown, unit_growth = _far_growth(xp, y + much, aside, core, log_spread, xp.log(cosh_y))
        return xp.where(near, log_unit - half_growth, unit_growth - nu * grown)

    return Shape(heavy_line(xp, centre, width), rise, loc, located=(-2, width))


def _mean(xp: Namespace[Array], nu: Array) -> Array:
    return xp.where(nu > 1.0, 0.0 * nu, math.nan)


def _variance(xp: Namespace[Array], nu: Array) -> Array:
    finite = nu > 2.0
    many = xp.where(finite, nu, 3.0)
    return xp.where(finite, many / (many - 2.0), xp.where(nu > 1.0, math.inf, math.nan))


STANDARD = Family(
    parameters={"df": "positive"},
    support=(-math.inf, math.inf),
    log_density=log_density,
    log_tails=log_tails,
    tails=tails,
    slopes=(dt_dnu,),
    scores=(score_t, score_nu),
    flows=(_flow_nu,),
    quantile=Quantile(_quantile, log_density, (dt_dnu,)),
    entropy=entropy,
    mean=_mean,
    variance=_variance,
)

_LOCATED = located(STANDARD, shape, log_scale_score=score_log_scale)


def _beyond(xp: Namespace[Array], x: Array, loc: Array, scale: Array) -> tuple[Array, Array]:
    """t held in the range of its dtype, and the logarithm of what |t| is larger by: of a draw at a small scale."""
    most = float(xp.finfo(x).max)
    far = xp.abs((x - loc) / scale) > most
    log_excess = xp.log(xp.where(far, xp.abs(x - loc), 1.0)) - xp.log(scale) - math.log(most)
    return xp.where(far, xp.copysign(most + 0.0 * x, x - loc), (x - loc) / scale), xp.where(far, log_excess, 0.0)


def _log_density_at(xp: Namespace[Array], x: Array, nu: Array, loc: Array, scale: Array) -> Array:
    if xp.has_guard_digits:
        return _LOCATED.log_density(xp, x, nu, loc, scale)
    t, log_excess = _beyond(xp, x, loc, scale)
    log1p_q, _ = _log1p_q(xp, t, nu, log_excess)
    return -0.5 * (nu + 1.0) * log1p_q - log_normalizer(xp, nu) - xp.log(scale)


def _score_x(xp: Namespace[Array], x: Array, nu: Array, loc: Array, scale: Array) -> Array:
    far = xp.abs((x - loc) / scale) > 0.1 * float(xp.finfo(x).max)
    inside = score_t(xp, xp.where(far, 0.0, (x - loc) / scale), nu) / scale
    return xp.where(far, -(nu + 1.0) / xp.where(far, x - loc, 1.0), inside)


def _score_loc(xp: Namespace[Array], x: Array, nu: Array, loc: Array, scale: Array) -> Array:
    return -_score_x(xp, x, nu, loc, scale)


def _score_nu_at(xp: Namespace[Array], x: Array, nu: Array, loc: Array, scale: Array) -> Array:
    t, log_excess = _beyond(xp, x, loc, scale)
    log1p_q, q = _log1p_q(xp, t, nu, log_excess)
    return score_at(xp, q, log1p_q, c_at(xp, nu), nu)


def _flow(xp: Namespace[Array], log_unit: Array | float, x: Array, nu: Array, loc: Array, scale: Array) -> Array:
    """p (x - loc) / exp(log_unit): far out the density underflows long before its product with x."""
    size = xp.maximum(xp.abs(x - loc), float(xp.finfo(x).tiny))
    return xp.copysign(xp.exp((_log_density_at(xp, x, nu, loc, scale) + xp.log(size)) - log_unit), x - loc)


def _flow_nu_at(xp: Namespace[Array], log_unit: Array | float, x: Array, nu: Array, loc: Array, scale: Array) -> Array:
    t, log_excess = _beyond(xp, x, loc, scale)
    u = xp.log(xp.maximum(xp.abs(t), float(xp.finfo(t).tiny))) + log_excess
    return _flow(xp, log_unit, x, nu, loc, scale) * dlogt_dnu(xp, u, nu)


def _flow_loc(xp: Namespace[Array], log_unit: Array | float, x: Array, nu: Array, loc: Array, scale: Array) -> Array:
    return xp.exp(_log_density_at(xp, x, nu, loc, scale) - log_unit)


def _flow_scale(xp: Namespace[Array], log_unit: Array | float, x: Array, nu: Array, loc: Array, scale: Array) -> Array:
    return _flow(xp, log_unit, x, nu, loc, scale) / scale


FAMILY = dataclasses.replace(
    _LOCATED,
    log_density=_log_density_at,
    flows=(_flow_nu_at, _flow_loc, _flow_scale),
    divergences={"StudentT": divergence},
    scores=_LOCATED.scores and (_score_x, _score_nu_at, _score_loc, _LOCATED.scores[-1]),
    about=r"""
    Density :math:`\propto (1 + y^2/\nu)^{-(\nu+1)/2}` with :math:`y = (x - \mu)/\sigma`.  A draw that would overflow is
    held at the end of the range, with the relative derivative of the true draw.

    :param df: degrees of freedom :math:`\nu > 0`; number or array, broadcast with the others.
    :param loc: location :math:`\mu`.
    :param scale: scale :math:`\sigma > 0`.
    """,
)
