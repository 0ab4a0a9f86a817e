"""Nakagami: the square root of a gamma number of concentration m and mean `spread`, see `generalized_gamma`.

symbol   meaning
m        concentration
z        m x**2 / spread, a draw of Gamma(m, 1)
u        z / m
"""

from __future__ import annotations

import math

from ..generic.family import Draw, Family, Noise, Quantile
from ..namespace import Array, Namespace
from ..numerics.elementary import (
    digamma_minus_log,
    expm1mx,
    finite,
    horner,
    log1pmx,
    log_quotient,
    positive,
    tails_inside,
    two_product,
)
from ..numerics.quadrature import is_double, tail_integral
from . import gamma, generalized_gamma


def _into(xp: Namespace[Array], m: Array, spread: Array) -> tuple[Array, Array, Array]:
    return m, xp.sqrt(spread / m), 2.0 + 0.0 * m


def _at(xp: Namespace[Array], x: Array, m: Array, spread: Array) -> gamma.Point:
    """The point z, whose distance from m is formed from x**2 - spread, which loses no digits."""
    x, limits = finite(xp, positive(xp, x)), xp.finfo(x)
    square, error = two_product(xp, x, x)
    usual = (square > 1e6 * float(limits.tiny)) & (square < 1e-6 * float(limits.max))
    share = xp.where(usual, ((square - spread) + error) / spread, 0.0)
    z, log_ratio = m * (x / xp.sqrt(spread)) * (x / xp.sqrt(spread)), 2.0 * log_quotient(xp, x, xp.sqrt(spread))
    largest = 0.1 * float(limits.max)
    z = xp.minimum(z, largest)
    excess = xp.minimum(xp.where(usual, m * share, z - m), largest)
    return gamma.Point(z, xp.minimum(log_ratio + xp.log(m), math.log(largest)), excess, 0.0)


def log_density(xp: Namespace[Array], x: Array, m: Array, spread: Array) -> Array:
    inside = gamma.log_density_at(xp, _at(xp, x, m, spread), m, positive(xp, x)) + math.log(2.0)
    return xp.where(x > 0.0, inside, -math.inf)


def log_tails(xp: Namespace[Array], x: Array, m: Array, spread: Array) -> tuple[Array, Array]:
    lower, upper = gamma.log_tails_at(xp, _at(xp, x, m, spread), m)
    return tails_inside(xp, x > 0.0, lower, upper)


def _score_x(xp: Namespace[Array], x: Array, m: Array, spread: Array) -> Array:
    at = _at(xp, x, m, spread)
    lean = xp.where(m < 2.0, (2.0 * m - 1.0) - 2.0 * at.z, -2.0 * at.excess - 1.0)
    return xp.where(x > 0.0, finite(xp, lean / positive(xp, x)), 0.0)


def _score_m(xp: Namespace[Array], x: Array, m: Array, spread: Array) -> Array:
    """log u + 1 - u + log m - psi(m), u = z / m, whose first order cancels."""
    at = _at(xp, x, m, spread)
    share = log1pmx(xp, at.excess / m, at.log_z - xp.log(m))
    return xp.where(x > 0.0, finite(xp, share - digamma_minus_log(xp, m)), 0.0)


def _score_spread(xp: Namespace[Array], x: Array, m: Array, spread: Array) -> Array:
    return xp.where(x > 0.0, finite(xp, _at(xp, x, m, spread).excess / spread), 0.0)


def _log_share(xp: Namespace[Array], m: Array) -> Array:
    """log(Gamma(m + 1/2)**2 / (m Gamma(m)**2)) < 0, the logarithm of mean**2 / spread.

    By the Bernoulli polynomials at 1/2 and 0 (DLMF 5.11.8), below their start by the quotients of neighbours,
    1 + 1 / (4 m (m + 1)).
    """
    start = 20 if is_double(xp, m) else 4  # the first omitted term is 2e-16 and 4e-8 of the sum
    small = xp.minimum(m, float(start))
    r = 1.0 / xp.where(m < start, m + float(start), m)
    series = r * horner(r * r, _SHARES)
    steps = 0.0 * m
    for k in range(start):
        at = small + float(k)
        steps = steps + xp.log1p(0.25 / (at * (at + 1.0)))
    return xp.where(m < start, series - steps, series)


_SHARES = (-1 / 4, 1 / 96, -1 / 320, 17 / 7168, -31 / 9216, 691 / 90112)


def _mean(xp: Namespace[Array], m: Array, spread: Array) -> Array:
    return xp.sqrt(spread) * xp.exp(0.5 * _log_share(xp, m))


def _variance(xp: Namespace[Array], m: Array, spread: Array) -> Array:
    return -spread * xp.expm1(_log_share(xp, m))


def _level_slope(xp: Namespace[Array], at: gamma.Point, m: Array) -> Array:
    """d log z/dm - 1/m, z ~ Gamma(m, 1), symbols as in `gamma`: 1/m as int E' exp(-E) dtau / m, E' of one sign.

    With s = log u + 1 - u - D(m), u = z exp(tau) / m, D = psi - log: int s exp(-E) dtau of the upper tail, and
    (1/m - s - z int s exp(-E) dtau) / m of the lower one.
    """
    is_lower = at.z < m + 0.4
    excess = at.excess - xp.indicator(is_lower, like=m)
    near = at.z > 0.5 * m
    log_ratio = xp.where(near, xp.log1p(xp.where(near, at.excess / m, 0.0)), at.log_z - xp.log(m))
    gap = digamma_minus_log(xp, m)

    def integrand(tau: Array) -> Array:
        weight = xp.exp(-excess * tau - at.z * expm1mx(xp, tau))
        return -(expm1mx(xp, log_ratio + tau) + gap) * weight

    cut = gamma.cut_of(xp, at.z, m + xp.indicator(is_lower, like=m), excess)
    tail = tail_integral(xp, integrand, cut, nodes_f32=16, nodes_f64=36)
    tail = xp.where(is_lower, -tail, tail)
    return xp.where(is_lower, (1.0 / m + (expm1mx(xp, log_ratio) + gap) - at.z * tail) / m, tail)


def _at_log(xp: Namespace[Array], log_x: Array, m: Array, spread: Array) -> gamma.Point:
    log_ratio = 2.0 * log_x - xp.log(spread)
    log_ratio = xp.minimum(log_ratio, 0.5 * math.log(float(xp.finfo(m).max)) - 3.0 - xp.log(m))
    return gamma.Point(m * xp.exp(log_ratio), log_ratio + xp.log(m), m * xp.expm1(log_ratio), 0.0)


def _draw(xp: Namespace[Array], log_z: Array, m: Array, spread: Array) -> Array:
    return 0.5 * (log_z + xp.log(spread / m))


def dlogx_dm(xp: Namespace[Array], log_x: Array, m: Array, spread: Array) -> Array:
    return 0.5 * _level_slope(xp, _at_log(xp, log_x, m, spread), m)


def dlogx_dspread(xp: Namespace[Array], log_x: Array, m: Array, spread: Array) -> Array:
    return 0.5 / spread


def _density_of_log(xp: Namespace[Array], log_x: Array, m: Array, spread: Array) -> Array:
    return gamma.log_density_at(xp, _at_log(xp, log_x, m, spread), m, 0.5 + 0.0 * m)


def _find(xp: Namespace[Array], q: Array, one_minus_q: Array, m: Array, spread: Array) -> Array:
    """log x"""
    return 0.5 * (gamma.log_quantile(xp, q, one_minus_q, m) + log_quotient(xp, spread, m))


def _by_m(xp: Namespace[Array], x: Array, m: Array, spread: Array) -> Array:
    return 0.5 * x * _level_slope(xp, _at(xp, x, m, spread), m)


def _by_spread(xp: Namespace[Array], x: Array, m: Array, spread: Array) -> Array:
    return 0.5 * x / spread


FAMILY = Family(
    about=r"""
    Density :math:`2 m^m x^{2m-1} e^{-m x^2 / \Omega} / (\Gamma(m) \Omega^m)` for x > 0.

    A draw that leaves the range of its dtype is held at its end, with the relative derivative of the true draw.

    :param concentration: :math:`m > 0`, from 1/2 on in Nakagami's own use; number or array, broadcast with the others.
    :param spread: :math:`\Omega > 0`, the mean of :math:`x^2`.
    """,
    parameters={"concentration": "positive", "spread": "positive"},
    support=(0.0, math.inf),
    log_density=log_density,
    log_tails=log_tails,
    slopes=(_by_m, _by_spread),
    scores=(_score_x, _score_m, _score_spread),
    quantile=Quantile(_find, _density_of_log, (dlogx_dm, dlogx_dspread), "log"),
    draw=Draw(_draw, (Noise("log gamma", lambda xp, m, spread: (m,)),)),
    entropy=lambda xp, m, spread: generalized_gamma.entropy(xp, *_into(xp, m, spread)),
    mean=_mean,
    variance=_variance,
    shape=lambda xp, m, spread: generalized_gamma.shape(xp, *_into(xp, m, spread)),
)
