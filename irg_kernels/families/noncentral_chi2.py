"""NoncentralChi2: the sum of the squares of k normal numbers of variance 1, of which the squared means add up to lam.

symbol   meaning
mu       k / 2
r, m     sqrt(x) and sqrt(lam); z = m r
d        r - m
n, R, f  as in `bessel_i`, of order mu - 1 at z; u = n + R, e = x - u
P_k      density of log x, x / 2 exp(-(x + lam) / 2) (r / m)**(mu - 1) I_{mu - 1}(z)
s_k      d log P_k / dk, which grows with x and falls with k

From the Poisson mixture (Patnaik 1949) follow F_k = F_{k + 2} + 2 p_{k + 2}, by which the lower tail of a small k,
whose density is singular at 0, is had from that of k + 2; and dF_k/dlam = -p_{k + 2}, by which at fixed quantile
dx/dlam = p_{k + 2} / p_k = x / (k f).  The tails, and dx/dk, are integrals over tau > 0, in x exp(+-tau).
"""

from __future__ import annotations

import math
from typing import Generic, NamedTuple

from ..generic.family import Family, Quantile
from ..namespace import Array, Namespace
from ..numerics.bessel_i import bessel_i, shift_of
from ..numerics.elementary import both_log_tails, expm1mx, finite, log1pmx, positive, tails_inside
from ..numerics.quadrature import depth, tail_integral
from ..numerics.roots import logarithm, normal_quantile, smaller_mass

# worst error of a tail and of the slope over k in 1e-3..300 and lam in 1e-3..1e3: 7e-7 and 3e-14
NODES = {"nodes_f32": 14, "nodes_f64": 40}
# the search for a cut: the least and the largest tau, and halvings of their ratio, which leave 1 % of it
LEAST, MOST, HALVINGS = 1e-12, 1e4, 12


class Point(NamedTuple, Generic[Array]):
    """A value and the noncentrality, by the module's symbols."""

    x: Array
    log_half: Array
    """log(x / 2), which x may be too small to have"""
    r: Array
    m: Array
    d: Array


def _at(xp: Namespace[Array], x: Array, k: Array, lam: Array) -> Point[Array]:
    x = xp.minimum(positive(xp, x), 1e-5 * float(xp.finfo(x).max))  # z**2, too, is to be in range
    r, m = xp.sqrt(x), xp.sqrt(lam)
    return Point(x, xp.log(x) - math.log(2.0), r, m, (x - lam) / (r + m))


def _at_log(xp: Namespace[Array], log_x: Array, k: Array, lam: Array) -> Point[Array]:
    log_x = xp.minimum(log_x, math.log(1e-5 * float(xp.finfo(log_x).max)))
    r, m = xp.exp(0.5 * log_x), xp.sqrt(lam)
    return Point(r * r, log_x - math.log(2.0), r, m, r - m)


class _Parts(NamedTuple, Generic[Array]):
    """What densities, scores and slopes are made of."""

    log_p: Array
    """log P_k"""
    score: Array
    """s_k, where asked for"""
    ratio: Array
    """p_{k + 2} / (x p_k) = 1 / (k f)"""
    apart: Array
    """p_{k + 2} / p_k - 1"""


def _parts(
    xp: Namespace[Array], at: Point[Array], mu: Array, *, scored: bool = False, by_half: bool = False
) -> _Parts[Array]:
    """With `by_half` log P_k is less by log(x / 2), which would only be added and taken away again.

    From P of n in place of mu: its exponent is n log(x / u) - d**2 / 2 + n**2 / (R + z), or, where x is not far from
    u, -e**2 / (2 x) - n (log(1 - e / x) + e / x).  The Bessel factors are counted in units of x / 2, or, where that is
    far from u / 2, the size of each, in units of this."""
    z = at.m * at.r
    n, root, bend, u, e = _middle(xp, at, mu)
    near = (e > -3.0 * at.x) & (e < 0.9 * at.x)
    x, e = xp.where(near, at.x, 1.0), xp.where(near, e, 0.0)
    unit = xp.where(near, 0.5 * x, 0.5 * u)
    bessel = bessel_i(xp, mu, z, (unit,) * (shift_of(xp, mu) + 1), sloped=scored)
    log_ratio = xp.where(near, -xp.log1p(-e / x), at.log_half - xp.log(0.5 * u))
    close = e * (-0.5 * e / x) - n * log1pmx(xp, -e / x, -log_ratio)
    far = (mu - 1.0) * log_ratio - 0.5 * at.d * at.d + bend
    exponent = xp.where(near, close, far) + (0.0 if by_half else at.log_half)
    log_p = exponent - 0.5 * xp.log(2.0 * math.pi * root) + (bessel.series + bessel.log_product)
    score = 0.5 * (log_ratio - 0.5 * n / root / root + bessel.slope)
    ratio = 0.5 / (mu + mu * bessel.more)
    return _Parts(log_p, score, ratio, ratio * ((at.x - 2.0 * mu) - 2.0 * mu * bessel.more))


def _middle(xp: Namespace[Array], at: Point[Array], mu: Array) -> tuple[Array, Array, Array, Array, Array]:
    """(n, R, n**2 / (R + z), u, e), of which none is a difference of large numbers."""
    z = at.m * at.r
    n = mu + float(shift_of(xp, mu))
    root = xp.sqrt(n * n + z * z)
    bend = n * (n / (root + z))
    return n, root, bend, n + root, at.r * at.d - n - bend


def log_density(xp: Namespace[Array], x: Array, k: Array, lam: Array) -> Array:
    """log p(x); -inf below 0, and at 0 its limit."""
    inside = _parts(xp, _at(xp, x, k, lam), 0.5 * k, by_half=True).log_p - math.log(2.0)
    end = xp.where(k > 2.0, -math.inf, xp.where(k < 2.0, math.inf, -0.5 * lam - math.log(2.0)))
    return xp.where(x > 0.0, inside, xp.where(x < 0.0, -math.inf, end))


def _density_of_log(xp: Namespace[Array], log_x: Array, k: Array, lam: Array) -> Array:
    return _parts(xp, _at_log(xp, log_x, k, lam), 0.5 * k).log_p


def _score_x(xp: Namespace[Array], x: Array, k: Array, lam: Array) -> Array:
    at = _at(xp, x, k, lam)
    ratio = _parts(xp, at, 0.5 * k).ratio
    return xp.where(x > 0.0, finite(xp, 0.5 * ((k - 2.0) / at.x + (lam * ratio - 1.0))), 0.0)


def _score_k(xp: Namespace[Array], x: Array, k: Array, lam: Array) -> Array:
    return xp.where(x > 0.0, _parts(xp, _at(xp, x, k, lam), 0.5 * k, scored=True).score, 0.0)


def _score_lam(xp: Namespace[Array], x: Array, k: Array, lam: Array) -> Array:
    return xp.where(x > 0.0, 0.5 * _parts(xp, _at(xp, x, k, lam), 0.5 * k).apart, 0.0)


def _cut(xp: Namespace[Array], at: Point[Array], mu: Array, sign: Array) -> Array:
    """A tau at which log P has fallen by `depth` on the way from x to x exp(sign tau), by halving.

    For log P a bound is taken that holds for all mu: the quotient I_{mu} / I_{mu - 1}, which is the slope of the Bessel
    factor's logarithm, lies between z / (n + sqrt(n**2 + z**2)) for n = mu and for n = mu - 1/2, but for a factor
    1 / mu (Amos 1974).  Upwards the larger serves, downwards the smaller.
    """
    at, mu = Point(*map(xp.stop_gradient, at)), xp.stop_gradient(mu)
    n = xp.maximum(mu - xp.where(sign < 0.0, 0.0 * mu, 0.5), 1e-3)
    enough = depth(xp, mu) + xp.log1p(xp.where(sign < 0.0, 0.0, 0.5 / mu))
    z = at.m * at.r
    root = xp.sqrt(n * n + z * z)

    def step(state: tuple) -> tuple:
        near, far = state
        middle = 0.5 * (near + far)
        tau = sign * xp.exp(middle)
        stretch = xp.expm1(xp.minimum(tau, 80.0))
        other = xp.sqrt(n * n + z * z * (1.0 + stretch))
        grown = z * z * stretch / (root + other)
        fallen = 0.5 * at.x * stretch - mu * tau - grown + n * xp.log1p(grown / (n + root))
        fallen = ~(fallen < enough)
        return xp.where(fallen, near, middle), xp.where(fallen, middle, far)

    start = (math.log(LEAST) + 0.0 * mu, math.log(MOST) + 0.0 * mu)
    return xp.exp(xp.converge(step, start, lambda state: state[0] > state[1], HALVINGS)[1])


def _integral(xp: Namespace[Array], at: Point[Array], mu: Array, sign: Array, scored: bool) -> Array:
    """int_0^inf P(x exp(sign tau)) dtau / P(x), or of s P.

    With ' for what stands at x' = x exp(t), E = exp(t) - 1 and G = (R' - R) / u, the exponent rises by

        -e t / 2 - (e + 2 n) (E - t) / 2 - (R - n) E (R' - R) / (R' + R) / 2 - n (log(1 + G) - G).
    """
    n, root, _, u, e = _middle(xp, at, mu)
    here = bessel_i(xp, mu, at.m * at.r, sloped=False)
    less = at.m * at.r * (at.m * at.r / u)  # R - n
    power = float(shift_of(xp, mu))

    def integrand(tau: Array) -> Array:
        t = sign * tau
        step = at.r * xp.expm1(0.5 * t)
        r, grown = at.r + step, xp.expm1(t)
        there = Point(r * r, at.log_half + t, r, at.m, at.d + step)
        _, other, _, v, apart = _middle(xp, there, mu)
        share = less * (grown / (root + other))
        bend = less * grown * (u * share / (root + other)) + (e + 2.0 * n) * expm1mx(xp, t)
        rise = -0.5 * (e * t + bend) - n * log1pmx(xp, share, xp.log1p(share)) - power * t
        bessel = bessel_i(xp, mu, at.m * r, here.factors, sloped=scored)
        weight = xp.exp(rise + (bessel.series - here.series) + bessel.log_product) * xp.sqrt(root / other)
        if not scored:
            return weight
        near = xp.abs(apart) < 0.5 * v
        log_ratio = xp.where(near, xp.log1p(xp.where(near, apart, 0.0) / v), there.log_half - xp.log(0.5 * v))
        return 0.5 * (log_ratio - 0.5 * n / other / other + bessel.slope) * weight

    return tail_integral(xp, integrand, _cut(xp, at, mu, sign), **NODES)


def _log_tails_at(xp: Namespace[Array], at: Point[Array], k: Array, lam: Array) -> tuple[Array, Array]:
    """The lower one is P_{k + 2} (2 / x + int P_{k + 2} / P_{k + 2}(x))."""
    lower = at.x < xp.maximum(k + lam, 0.2)
    sign = xp.where(lower, -1.0 + 0.0 * k, 1.0)
    mu = 0.5 * k + xp.indicator(lower, like=k)
    tail = _integral(xp, at, mu, sign, False)
    own = _parts(xp, at, 0.5 * k)
    direct = own.log_p + xp.where(
        lower, xp.log(own.ratio) + xp.log(2.0 + at.x * xp.where(lower, tail, 1.0)), logarithm(xp, tail)
    )
    return both_log_tails(xp, xp.minimum(direct, 0.0), lower)


def log_tails(xp: Namespace[Array], x: Array, k: Array, lam: Array) -> tuple[Array, Array]:
    lower, upper = _log_tails_at(xp, _at(xp, x, k, lam), k, lam)
    return tails_inside(xp, x > 0.0, lower, upper)


def _dlogx_dk(xp: Namespace[Array], at: Point[Array], k: Array, lam: Array) -> Array:
    """int s_k P_k above x, or -(p_{k + 2} / p_k) (2 s_{k + 2} + int s_{k + 2} P_{k + 2} / p_{k + 2}) below, where s_k
    is negative if s_{k + 2} is."""
    mu = 0.5 * k
    score = _parts(xp, at, mu + 1.0, scored=True).score
    lower = score < 0.0
    sign = xp.where(lower, -1.0 + 0.0 * k, 1.0)
    tail = _integral(xp, at, mu + xp.indicator(lower, like=k), sign, True)
    return xp.where(lower, -(2.0 * score + at.x * tail) * _parts(xp, at, mu).ratio, tail)


def dlogx_dk(xp: Namespace[Array], log_x: Array, k: Array, lam: Array) -> Array:
    return _dlogx_dk(xp, _at_log(xp, log_x, k, lam), k, lam)


def dlogx_dlam(xp: Namespace[Array], log_x: Array, k: Array, lam: Array) -> Array:
    return _parts(xp, _at_log(xp, log_x, k, lam), 0.5 * k).ratio


def _by_k(xp: Namespace[Array], x: Array, k: Array, lam: Array) -> Array:
    return x * _dlogx_dk(xp, _at(xp, x, k, lam), k, lam)


def _by_lam(xp: Namespace[Array], x: Array, k: Array, lam: Array) -> Array:
    return x * _parts(xp, _at(xp, x, k, lam), 0.5 * k).ratio


def _find(xp: Namespace[Array], q: Array, one_minus_q: Array, k: Array, lam: Array) -> Array:
    """log x, by Newton's method on the logarithm of the smaller tail, halving where a step would leave its bounds.

    One bound comes from F <= (x / 2)**mu / Gamma(mu + 1), the central distribution's.  The others come from r, the
    length of a vector of normal numbers: it changes by no more than the vector does, so that its tails are at most
    exp(-distance**2 / 2) at a distance from its centre, about sqrt(lam + k).
    """
    mu = 0.5 * k
    lower, target = smaller_mass(xp, q, one_minus_q)
    log_q, log_rest = logarithm(xp, q), logarithm(xp, one_minus_q)
    tiny = float(xp.finfo(q).tiny)
    centre = xp.sqrt(k + lam)
    low = math.log(2.0) + (log_q + xp.lgamma(mu + 1.0)) / mu
    low = xp.maximum(low, 2.0 * xp.log(xp.maximum(centre - xp.sqrt(-2.0 * log_q) - 2.0, tiny)))
    high = 2.0 * xp.log(centre + xp.sqrt(-2.0 * log_rest) + 1.0)
    size = normal_quantile(xp, xp.minimum(target, -math.log(2.0)))
    width = xp.sqrt((0.5 * k + lam) / (k + lam))
    start = 2.0 * xp.log(xp.maximum(centre + width * xp.where(lower, -size, size), tiny))
    start = xp.where((start > low) & (start < high), start, 0.5 * (low + high))
    enough = math.sqrt(float(xp.finfo(q).eps))

    def step(state: tuple) -> tuple:
        y, low, high, _ = state
        at = _at_log(xp, y, k, lam)
        tails = _log_tails_at(xp, at, k, lam)
        tail = xp.where(lower, tails[0], tails[1])
        error = target - tail
        change = xp.where(lower, error, -error) * xp.exp(tail - _parts(xp, at, mu).log_p)
        low, high = xp.where(change > 0.0, y, low), xp.where(change > 0.0, high, y)
        new = y + change
        new = xp.where((new >= low) & (new <= high), new, 0.5 * (low + high))
        open_ = high - low > 4.0 * float(xp.finfo(y).eps) * (1.0 + xp.abs(y))
        return new, low, high, xp.where(open_, xp.abs(error), 0.0 * y)

    state = (start, low, high, 1.0 + 0.0 * q)
    return xp.converge(step, state, lambda state: ~(state[3] > enough), 60)[0]


LOG_SLOPES = (dlogx_dk, dlogx_dlam)

FAMILY = Family(
    about=r"""
    That of the sum of the squares of k normal numbers of variance 1, whose squared means add up to :math:`\lambda`; k
    need not be whole.  Density
    :math:`\tfrac12 e^{-(x + \lambda)/2} (x / \lambda)^{(k - 2)/4} I_{k/2 - 1}(\sqrt{\lambda x})` for x > 0.

    A draw that leaves the range of its dtype is held at its end, with the relative derivative of the true draw.

    :param df: degrees of freedom :math:`k > 0`; number or array, broadcast with `noncentrality`.
    :param noncentrality: :math:`\lambda > 0`; of :math:`\lambda = 0` it is `Chi2`.

    Source: Patnaik 1949.
    """,
    parameters={"df": "positive", "noncentrality": "positive"},
    support=(0.0, math.inf),
    log_density=log_density,
    log_tails=log_tails,
    slopes=(_by_k, _by_lam),
    scores=(_score_x, _score_k, _score_lam),
    quantile=Quantile(_find, _density_of_log, LOG_SLOPES, "log"),
    mean=lambda xp, k, lam: k + lam,
    variance=lambda xp, k, lam: 2.0 * (k + 2.0 * lam),
)
