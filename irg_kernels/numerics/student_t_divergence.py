"""KL divergence of two Student-t distributions, by the trapezoidal rule.

    symbol       meaning
    nu, mu       degrees of freedom of p and q
    t, u         the value less the location, over the scale, of p and q: u = delta + r t
    d            log q - log p
    S            E[log1p(T**2 / nu)] = psi((nu + 1)/2) - psi(nu/2)

Far from each other, the divergence is a difference of expectations of logarithms, of which one is not in closed form:

    2 KL = 2 log(Z_q / Z_p) - 2 log r + (mu + 1) E[log1p(u**2 / mu)] - (nu + 1) S.

log1p(u**2 / mu) is twice the real part of log(1 + i u / sqrt(mu)), which has no singularity in the lower half-plane.
So t = sqrt(nu) sinh(y - i alpha) leads past those of p and q alike, wherever they are, and the integrand is smooth at
any ratio of the scales (Trefethen & Weideman 2014, section 5: the rule converges geometrically).  Near each other, it
is the integral of p (exp(d) - 1 - d), whose integrand is not negative and of the order of the result, with d formed
from the differences of the parameters.
"""

from __future__ import annotations

import math
from typing import Any

from ..namespace import Array, Namespace
from .elementary import along_axis, expm1mx_near_0, horner, log1pmx_near_0
from .gamma_function import log_gamma_step
from .quadrature import depth, gauss_legendre, is_double
from .student_t_regions import c_of

# worst error over df of 1e-3..1e6, ratios of the scales and distances of 1e-6..1e6: see tests/shared/test_kl.py
NODES_F32, NODES_F64 = 120, 340

# log Gamma(x) - log Gamma(x + 1/2) + log(x) / 2 in 1 / (2 x)**(2 k + 1)
_EXCESS = (1 / 4, -1 / 24, 1 / 20, -17 / 112, 31 / 36, -691 / 88, 5461 / 52)


def divergence(
    xp: Namespace[Array], nu: Array, loc: Array, scale: Array, mu: Array, loc_q: Array, scale_q: Array
) -> Array:
    """KL(p || q), p with (nu, loc, scale), q with (mu, loc_q, scale_q); to rounding beside the larger of its terms."""
    delta, wider, r = (loc - loc_q) / scale_q, (scale - scale_q) / scale_q, scale / scale_q
    log_r = xp.where(xp.abs(wider) < 0.5, xp.log1p(xp.maximum(wider, -0.5)), xp.log(scale) - xp.log(scale_q))
    apart = xp.abs(loc - loc_q) / scale
    close_nu = xp.abs(mu - nu) < 0.5 * xp.minimum(mu, nu)
    close = (xp.abs(log_r) < 0.7) & (apart < xp.minimum(0.7 * xp.sqrt(nu), 1.0 + 0.0 * nu))
    close = close & (close_nu | (xp.minimum(mu, nu) > 4.0))
    near = _near(
        xp,
        nu,
        xp.where(close, mu, nu),
        xp.where(close, delta, 0.0),
        xp.where(close, wider, 0.0),
        xp.where(close, log_r, 0.0),
        close_nu | ~close,
    )
    far = _far(xp, nu, mu, delta, xp.where(close, 1.0, r), xp.where(close, 0.0, log_r))
    return xp.where(close, near, far)


def log_normalizer(xp: Namespace[Array], nu: Array) -> Array:
    """The logarithm of the normalizer of exp(-t**2 / 2) (1 + ...), less log(2 pi) / 2; it falls as 1 / (4 nu)."""
    large = nu > (64.0 if is_double(xp, nu) else 16.0)
    w = 1.0 / xp.where(large, nu, 64.0)
    few = 0.5 * xp.where(large, 1.0, nu)
    exact = 0.5 * xp.log(few) - log_gamma_step(xp, few, 0.5 * xp.indicator(few > 0.0, like=nu))
    return xp.where(large, w * horner(w * w, _EXCESS), exact)


def _positions(xp: Namespace[Array], end: Array, core: Array, nodes: int) -> tuple[Array, Array]:
    """(y from -end to end, dy) on an axis of its own: dense within the core."""
    v = along_axis(xp, [(2.0 * i + 1.0) / nodes - 1.0 for i in range(nodes)], end)
    reach = xp.arcsinh(end / core)
    return core * 0.5 * (xp.exp(reach * v) - xp.exp(-reach * v)), 0.5 * (xp.exp(reach * v) + xp.exp(-reach * v))


def _reach(xp: Namespace[Array], nu: Array) -> Array:
    """The y at which cosh(y)**-nu has fallen to the depth of the precision."""
    fall = depth(xp, nu) / nu
    few = xp.minimum(fall, 1.0)
    return xp.where(fall > 1.0, fall + math.log(2.0), xp.arcsinh(xp.sqrt(xp.expm1(2.0 * few))))


def _nodes(xp: Namespace[Array], like: Array) -> int:
    return NODES_F64 if is_double(xp, like) else NODES_F32


def _log_cosh(xp: Namespace[Array], y: Array) -> Array:
    size = xp.abs(y)
    small = size < 1.0
    sinh = _sinh(xp, xp.where(small, y, 0.0))
    return xp.where(small, 0.5 * xp.log1p(sinh * sinh), size + xp.log1p(xp.exp(-2.0 * size)) - math.log(2.0))


def _sinh(xp: Namespace[Array], y: Array) -> Array:
    return 0.5 * (xp.expm1(y) - xp.expm1(-y))


def _near(
    xp: Namespace[Array], nu: Array, mu: Array, delta: Array, wider: Array, log_r: Array, close_nu: Array
) -> Array:
    least = xp.minimum(nu, mu)
    core = 1.0 / xp.sqrt(1.0 + nu)
    end = xp.stop_gradient(2.0 * _reach(xp, least) + core)
    y, dy = (xp.stop_gradient(f) for f in _positions(xp, end, xp.stop_gradient(core), _nodes(xp, nu)))
    log_w = -nu * _log_cosh(xp, y)
    far = 40.0 if is_double(xp, nu) else 20.0  # from here on d is a constant and a multiple of |y|
    near_y = xp.clip(y, -far, far)
    sinh = _sinh(xp, near_y)
    t, q = xp.sqrt(nu) * sinh, sinh * sinh
    log1p_q = 2.0 * _log_cosh(xp, y)
    d = _of_nu(xp, t, q, log1p_q, nu, mu, close_nu)
    step = delta + wider * t
    ratio = step * ((step + 2.0 * t) / (mu + t * t))
    d = d + log_r - 0.5 * (mu + 1.0) * xp.log1p(ratio)
    small = xp.abs(d) < 1.0
    p = xp.exp(log_w)
    inner = p * expm1mx_near_0(xp, xp.where(small, d, 0.0))
    outer = xp.exp(xp.where(small, 0.0, log_w + d)) - p * (1.0 + d)
    return xp.sum(dy * xp.where(small, inner, outer), axis=0) / xp.sum(dy * p, axis=0)


def _of_nu(xp: Namespace[Array], t: Array, q: Array, log1p_q: Array, nu: Array, mu: Array, close: Array) -> Array:
    """log f(t; mu) - log f(t; nu) of the standard densities."""
    # where they are close, the integral of the score, which loses nothing
    change = xp.where(close, (mu - nu) / nu, 0.0)
    path: Any = 0.0
    for node, weight in zip(*gauss_legendre(8 if is_double(xp, nu) else 4), strict=True):
        more = node * change
        there, log1p = q / (1.0 + more), log1p_q + xp.log1p(-more / (1.0 + more) * (q / (1.0 + q)))
        at = nu * (1.0 + more)
        path = path + weight * score_at(xp, there, log1p, c_at(xp, at), at)
    # where they are not, the difference of what either has beyond the normal
    other = xp.where(close, nu, mu)
    q_other = t * t / other
    outside = xp.maximum(q, q_other) > 1.0
    inner, inner_other = (xp.where(outside, 0.0, value) for value in (q, q_other))
    apart = _beyond_normal(xp, inner_other, other) - _beyond_normal(xp, inner, nu)
    plain = (
        0.5 * ((nu + 1.0) * xp.log1p(q) - (other + 1.0) * xp.log1p(q_other))
        - log_normalizer(xp, other)
        + log_normalizer(xp, nu)
    )
    return xp.where(close, change * nu * path, xp.where(outside, plain, apart))


def _beyond_normal(xp: Namespace[Array], q: Array, nu: Array) -> Array:
    """log f(t; nu) + t**2 / 2 + log(2 pi) / 2, t**2 = nu q < nu."""
    small, series = log1pmx_near_0(xp, q)
    rest = xp.where(small, series, xp.log1p(q) - q)
    return -0.5 * (q + (nu + 1.0) * rest) - log_normalizer(xp, nu)


def score_at(xp: Namespace[Array], q: Array, log1p_q: Array, c: Array, nu: Array) -> Array:
    """The score in nu at q = t**2 / nu."""
    # log1p(q) - q / (1 + q) starts with q**2 / 2
    ratio = share(xp, q)
    near, remainder = log1pmx_near_0(xp, q)
    return 0.5 * (c + ratio / nu - xp.where(near, q * ratio + remainder, log1p_q - ratio))


def share(xp: Namespace[Array], q: Array) -> Array:
    """q / (1 + q), q >= 0, whose derivative squares no large q."""
    far = q > 1e8
    small, large = xp.where(far, 1.0, q), xp.where(far, q, 1.0)
    return xp.where(far, 1.0 - 1.0 / large, small / (1.0 + small))


def c_at(xp: Namespace[Array], nu: Array) -> Array:
    """C(nu), see `families/student_t`."""
    return c_of(xp, nu, *((10, 9) if is_double(xp, nu) else (5, 5)))


def _far(xp: Namespace[Array], nu: Array, mu: Array, delta: Array, r: Array, log_r: Array) -> Array:
    few = nu < 1.0
    end, core, sin, cos_a = _contour(xp, *(xp.stop_gradient(a) for a in (nu, mu, delta, r)))
    y, dy = _positions(xp, end, core, _nodes(xp, nu))
    log_w, phase, along, across = _along(xp, y, nu, sin, cos_a)
    cos, sin = xp.exp(log_w) * xp.cos(phase), xp.exp(log_w) * xp.sin(phase)
    root, root_q = xp.sqrt(nu), xp.sqrt(mu)
    # of few degrees of freedom beside log1p(t**2 / nu), so that it falls off where p hardly does
    part = xp.where(few, root_q / (r * root) - 1.0, 0.0), xp.where(few, delta / (r * root), 0.0)
    size = (1.0 + along) * (1.0 + along) + across * across
    quotient = (
        (part[0] * (1.0 + along) + part[1] * across) / size, (part[1] * (1.0 + along) - part[0] * across) / size,
    )  # fmt: skip
    wide = r * root / root_q
    plain = wide * along, wide * across + delta / root_q
    real, imaginary = (xp.where(few, a, b) for a, b in zip(quotient, plain, strict=True))
    modulus, angle = _log1p(xp, real, imaginary)
    # int cosh(y)**-nu dy, which the sum may not reach the end of
    whole = xp.exp(log_normalizer(xp, nu) + 0.5 * (math.log(2.0 * math.pi) - xp.log(nu)))
    step = 2.0 * xp.arcsinh(end / core) * core / _nodes(xp, nu)
    mass = xp.where(few, whole / step, xp.sum(dy * cos, axis=0))
    mean = 2.0 * xp.sum(dy * (cos * modulus - sin * angle), axis=0) / mass
    s = c_at(xp, nu) + 1.0 / nu
    rise = log_normalizer(xp, mu) - log_normalizer(xp, nu)
    of_few = mu * log_r + 0.5 * (mu + 1.0) * (mean + xp.log(nu) - xp.log(mu)) + 0.5 * (mu - nu) * s
    of_many = 0.5 * ((mu + 1.0) * mean - (nu + 1.0) * s) - log_r
    return rise + xp.where(few, of_few, of_many)


def _contour(xp: Namespace[Array], nu: Array, mu: Array, delta: Array, r: Array) -> tuple[Array, ...]:
    """(end, core, sine and cosine of alpha)"""
    root, few = xp.sqrt(nu), nu < 1.0
    # the weight grows by a factor of e at most, and p's own singularity is as far off as the logarithm's
    sin = xp.minimum(xp.sqrt(-xp.expm1(-2.0 / nu)), math.sqrt(0.5))
    clear = xp.sqrt(mu) / r > 2.0 * xp.minimum(root, 1.0 + 0.0 * root) + xp.abs(delta) / r
    sin = xp.where(clear, 0.0, sin)
    place = xp.arcsinh(xp.maximum(xp.sqrt(mu), xp.abs(delta)) / (r * root))  # of q's singularity
    # what is integrated grows as t**2 as far as there
    end = xp.where(few, xp.minimum(_reach(xp, nu), place + depth(xp, nu)), _reach(xp, nu) + 2.0 * place / nu)
    core = 1.0 / xp.sqrt(1.0 + nu) + xp.where(few, 0.7 * place, 0.0)
    return end, core, sin, xp.sqrt(1.0 - sin * sin)


def _along(xp: Namespace[Array], y: Array, nu: Array, sin: Array, cos: Array) -> tuple[Array, ...]:
    """Modulus and angle of p(t) dt, the former as a logarithm, and the two parts of i t / sqrt(nu)."""
    log_cosh = _log_cosh(xp, y)
    cosh = xp.exp(log_cosh)
    log_w = -nu * (log_cosh + 0.5 * xp.log1p(-(sin / cosh) * (sin / cosh)))
    sinh = xp.where(y < 0.0, -1.0, 1.0) * xp.sqrt(xp.expm1(2.0 * log_cosh))
    return log_w, nu * xp.arctan2(sin * (sinh / cosh), cos + 0.0 * y), cosh * sin, sinh * cos


def _log1p(xp: Namespace[Array], real: Array, imaginary: Array) -> tuple[Array, Array]:
    """log|1 + z| and the angle of 1 + z."""
    angle = xp.arctan2(imaginary, 1.0 + real)
    size = xp.maximum(xp.abs(1.0 + real), xp.abs(imaginary))
    large = size > float(xp.finfo(real).max) ** 0.25
    least = xp.minimum(xp.abs(1.0 + real), xp.abs(imaginary)) / xp.where(large, size, 1.0)
    a, b = xp.where(large, 0.0, real), xp.where(large, 0.0, imaginary)
    square = a * (2.0 + a) + b * b
    near = square > -0.5
    whole = xp.where(near, 1.0, (1.0 + a) * (1.0 + a) + b * b)
    modulus = 0.5 * xp.where(near, xp.log1p(xp.where(near, square, 0.0)), xp.log(whole))
    far = xp.log(xp.where(large, size, 1.0)) + 0.5 * xp.log1p(xp.where(large, least * least, 0.0))
    return xp.where(large, far, modulus), angle
