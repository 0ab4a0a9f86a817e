"""Continuous Bernoulli: everything in its logit eta, smooth through eta = 0, where the distribution is uniform.

    symbol   meaning
    eta, x   the logit; the draw, in [0, 1]
    t        |eta|
    A        log((exp(eta) - 1) / eta), the log-log_normalizer: density exp(eta x - A), mean A', variance A''
    c_n      A = eta/2 + sum_{n>=1} c_n eta**(2n), c_n = B_2n / (2n (2n)!)       (from DLMF 4.19.1 for log(sinh x / x))
    k(e)     (exp(e) - 1 - e) / e**2, `expm1_ratio_rest`

(Loaiza-Ganem & Cunningham 2019, eq. 6-8, in p = sigmoid(eta), divide by 1 - 2p.)  Near 0 each function is its power
series; elsewhere it is written in exp(-t), which neither overflows nor cancels.
"""

from __future__ import annotations

import math
from functools import cache

from ..generic.family import Family, Quantile
from ..namespace import Array, Namespace
from ..numerics.charts import Shape, line
from ..numerics.elementary import both_log_tails, expm1_ratio_rest, horner
from ..numerics.masses import largest_exponent
from ..numerics.quadrature import is_double

# Below it, the series in eta: a term is (2 / 2 pi)**2 = 0.1 of the one before.  Above it, the closed forms lose less
# than three bits.
NEAR = 2.0
TERMS = {False: 9, True: 18}


@cache
def _coefficients(double: bool) -> tuple[float, ...]:
    """c_1, c_2, ..., from the recurrence of the Bernoulli numbers (DLMF 24.5.3)."""
    from fractions import Fraction  # here, since it brings `decimal`: 3 ms of every user's import

    count = TERMS[double]
    bernoulli = [Fraction(1)]
    for m in range(1, 2 * count + 1):
        total = sum((math.comb(m + 1, j) * bernoulli[j] for j in range(m)), Fraction(0))
        bernoulli.append(-total / (m + 1))
    return tuple(float(bernoulli[2 * n] / (2 * n * math.factorial(2 * n))) for n in range(1, count + 1))


def _split(xp: Namespace[Array], eta: Array) -> tuple[Array, Array, Array, Array]:
    """(near, eta made safe for the series, t made safe for the closed form, eta > 0 as a number)."""
    near = xp.abs(eta) < NEAR
    return near, xp.where(near, eta, 0.0), xp.abs(xp.where(near, NEAR, eta)), xp.indicator(eta > 0.0, like=eta)


def _log_one_sided(xp: Namespace[Array], t: Array) -> Array:
    """A(-t) for t >= NEAR."""
    return xp.log(-xp.expm1(-t)) - xp.log(t)


def log_normalizer(xp: Namespace[Array], eta: Array) -> Array:
    """A(eta), which is also log(expm1(eta) / eta)."""
    near, e, t, positive = _split(xp, eta)
    series = e * (0.5 + e * horner(e * e, _coefficients(is_double(xp, eta))))
    return xp.where(near, series, _log_one_sided(xp, t) + positive * t)


def log_density(xp: Namespace[Array], x: Array, eta: Array) -> Array:
    """eta x - A, for x in [0, 1]."""
    near, e, t, positive = _split(xp, eta)
    c = _coefficients(is_double(xp, eta))
    # the distance from the end at which the mass lies
    far = -t * (positive + x * (1.0 - 2.0 * positive)) - _log_one_sided(xp, t)
    return xp.where(near, e * ((x - 0.5) - e * horner(e * e, c)), far)


def mean(xp: Namespace[Array], eta: Array) -> Array:
    """A'."""
    near, e, t, positive = _split(xp, eta)
    c = _coefficients(is_double(xp, eta))
    series = 0.5 + e * horner(e * e, [2 * n * c_n for n, c_n in enumerate(c, 1)])
    lower = 1.0 / t + xp.exp(-t) / xp.expm1(-t)
    return xp.where(near, series, lower + positive * (1.0 - 2.0 * lower))


def variance(xp: Namespace[Array], eta: Array) -> Array:
    """A''."""
    near, e, t, _ = _split(xp, eta)
    c = _coefficients(is_double(xp, eta))
    series = horner(e * e, [2 * n * (2 * n - 1) * c_n for n, c_n in enumerate(c, 1)])
    growth = xp.expm1(-t)
    return xp.where(near, series, 1.0 / t / t - xp.exp(-t) / (growth * growth))


def entropy(xp: Namespace[Array], eta: Array) -> Array:
    """A - eta A'."""
    near, e, t, _ = _split(xp, eta)
    c = _coefficients(is_double(xp, eta))
    series = e * e * horner(e * e, [(1 - 2 * n) * c_n for n, c_n in enumerate(c, 1)])
    return xp.where(near, series, _log_one_sided(xp, t) + 1.0 + t * xp.exp(-t) / xp.expm1(-t))


def _cdf_far(xp: Namespace[Array], x: Array, eta: Array) -> Array:
    t, positive = xp.abs(eta), xp.indicator(eta > 0.0, like=eta)
    return xp.exp(-positive * t * (1.0 - x)) * xp.expm1(-t * x) / xp.expm1(-t)


def quantile(xp: Namespace[Array], u: Array, eta: Array) -> Array:
    """The x with cdf u: a value only; the record has its derivatives."""
    t = xp.abs(eta)
    uniform = t < float(xp.finfo(u).eps)  # x = u + eta u (1 - u) / 2 + ...
    safe = xp.where(uniform, 1.0, t)
    # from the end where the mass lies: v is the probability on that side of x, w on the other
    v, w = xp.where(eta > 0.0, 1.0 - u, u), xp.where(eta > 0.0, u, 1.0 - u)
    fall = -xp.expm1(-safe)
    halfway = v * fall > 0.5
    y = xp.where(
        halfway,
        -xp.log(xp.where(halfway, w + v * xp.exp(-safe), 1.0)),
        -xp.log1p(-xp.where(halfway, 0.0, v * fall)),
    )
    x = xp.minimum(y / safe, 1.0)
    # towards the other end 1 - x would cancel; exp(t) may overflow, and with u have a product in range
    short = safe < 80.0  # exp(80) is within float32
    root = xp.exp(xp.minimum(0.5 * safe, largest_exponent(xp, u)))
    growth = xp.where(short, u * xp.expm1(xp.where(short, safe, 0.0)), u * root * root)
    from_other_end = (u < 0.5) & (growth < 1e30)  # of more, exp(-t) is nothing beside u
    upper = xp.where(from_other_end, xp.log1p(xp.where(from_other_end, growth, 0.0)) / safe, 1.0 - x)
    return xp.where(uniform, u, xp.where(eta > 0.0, upper, x))


def dx_deta(xp: Namespace[Array], x: Array, eta: Array) -> Array:
    """dx / d eta at fixed quantile, -(dF/deta) / p = (F(x; -eta) - x) / eta.

    It keeps its value when x and eta go over to 1 - x and -eta, so that x <= 1/2 may be taken; then, with e = -eta,
    x (k(e) - x k(e x)) / (1 + e k(e)) is without cancellation near 0.
    """
    upper = x > 0.5
    z, e = xp.where(upper, 1.0 - x, x), xp.where(upper, eta, -eta)
    near = xp.abs(e) < 1.0
    small, far = xp.where(near, e, 0.0), xp.where(near, 1.0, e)
    k, k_of_z = expm1_ratio_rest(xp, small), expm1_ratio_rest(xp, small * z)
    series = z * (k - z * k_of_z) / (1.0 + small * k)
    return xp.where(near, series, (z - _cdf_far(xp, z, far)) / far)


def log_tails(xp: Namespace[Array], x: Array, eta: Array) -> tuple[Array, Array]:
    """(log P(X <= x), log P(X > x)): log x + A(eta x) - A(eta), and its mirror image."""
    x = xp.clip(x, 0.0, 1.0)
    return log_tails_between(xp, x, 1.0 - x, eta)


def log_tails_between(xp: Namespace[Array], x: Array, rest: Array, eta: Array) -> tuple[Array, Array]:
    """The same from x and 1 - x, where either has digits of its own."""
    log_lower, log_upper = _log_cdf(xp, x, rest, eta), _log_cdf(xp, rest, x, -eta)
    is_lower = log_lower < log_upper  # the larger one has lost its distance from 0
    return both_log_tails(xp, xp.where(is_lower, log_lower, log_upper), is_lower)


def _log_cdf(xp: Namespace[Array], x: Array, rest: Array, eta: Array) -> Array:
    """With what A grows by for large eta apart, eta x - eta; `rest` is 1 - x."""

    def less(e: Array) -> Array:
        near, small, t, _ = _split(xp, e)
        return xp.where(near, log_normalizer(xp, small) - xp.maximum(small, 0.0), _log_one_sided(xp, t))

    return xp.log(x) + (less(eta * x) - less(eta)) - xp.maximum(eta, 0.0) * rest


def _find(xp: Namespace[Array], q: Array, one_minus_q: Array, eta: Array) -> Array:
    return quantile(xp, q, eta)


def shape(xp: Namespace[Array], eta: Array) -> Shape:
    length = 1.0 / xp.maximum(xp.abs(eta), 1.0)
    return Shape(line(length), lambda x, v: eta * v, xp.indicator(eta > 0.0, like=eta), (0.0, 1.0))


FAMILY = Family(
    parameters={"logits": "real"},
    support=(0.0, 1.0),
    log_density=log_density,
    log_tails=log_tails,
    slopes=(dx_deta,),
    quantile=Quantile(_find, log_density, (dx_deta,)),
    entropy=entropy,
    mean=mean,
    variance=variance,
    shape=shape,
)
