"""Dirichlet(alpha): the elementwise derivative that, through a softmax, is the lowest-variance gradient.

With x_i ~ Beta(alpha_i, rest_i), rest_i the sum of the other concentrations, and L_i the derivative of logit x_i in
alpha_i at fixed quantile (`beta`), the implicit gradient that follows the marginal of each component
(Figurnov, Mohamed, Mnih 2018, section 4; Jankowiak & Obermeyer 2018, eq. 22) is

    dx_i / d alpha_j = x_i (delta_ij - x_j) L_j.

It is what softmax makes of d log x_j / d alpha_j := L_j, elementwise, so nothing underflows with the components.
"""

from __future__ import annotations

import math

from ..generic.family import Function
from ..namespace import Array, Namespace, along_last_axis
from ..numerics.beta_score import reduced_score
from ..numerics.elementary import finite, log_quotient, positive, times_log1pmx, two_product, two_sum
from ..numerics.gamma_function import HALF_LOG_2PI, bregman_log_gamma, digamma, log_entropy, log_gamma1p, stirling
from ..numerics.quadrature import is_double
from .beta import divergence_term, dlogit_da


@along_last_axis
def dlogx_dalpha(xp: Namespace[Array], log_x: Array, alpha: Array) -> Array:
    """L_i of the module's docstring, along a last axis of length >= 2; `log_x` may lack its normalisation."""
    return dlogit_da(xp, *marginal(xp, log_x, alpha))


@along_last_axis
def dlogx_dalpha_inside(xp: Namespace[Array], x: Array, alpha: Array) -> Array:
    """The same from components that add up to 1, each inside the range of its dtype."""
    z, w = complements(xp, x)
    return dlogit_da(xp, xp.log(z) - xp.log(w), alpha, rest_of(xp, alpha, xp.sum(alpha, axis=-1, keepdims=True)))


def complements(xp: Namespace[Array], x: Array) -> tuple[Array, Array]:
    """(x_i, 1 - x_i), the dominant component's complement being the sum of the others."""
    dominant = x > 0.5
    others = xp.sum(xp.where(dominant, 0.0, x), axis=-1, keepdims=True)
    return xp.where(dominant, 1.0 - others, x), xp.where(dominant, others, 1.0 - x)


def marginal(xp: Namespace[Array], log_x: Array, alpha: Array) -> tuple[Array, Array, Array]:
    """(logit x_i, alpha_i, the sum of the others)"""
    return _logit(xp, log_x), alpha, _rest(xp, alpha)


def _rest(xp: Namespace[Array], alpha: Array) -> Array:
    return rest_of(xp, alpha, xp.sum(alpha, axis=-1, keepdims=True))


def rest_of(xp: Namespace[Array], alpha: Array, total: Array) -> Array:
    """The sum of the other concentrations, without cancellation where one of them dominates."""
    dominant = alpha > 0.5 * total
    others = xp.sum(xp.where(dominant, 0.0, alpha), axis=-1, keepdims=True)
    return xp.where(dominant, others, total - alpha)


def _logit(xp: Namespace[Array], log_x: Array) -> Array:
    """log x_i - log(1 - x_i), where the dominant component's complement is summed from the others in log space."""
    top = xp.stop_gradient(xp.max(log_x, axis=-1, keepdims=True))
    scaled = xp.exp(log_x - top)
    total = xp.sum(scaled, axis=-1, keepdims=True)
    x = scaled / total
    dominant = x > 0.5
    lowest = -float(xp.finfo(log_x).max)
    second = xp.stop_gradient(xp.max(xp.where(dominant, lowest, log_x), axis=-1, keepdims=True))
    others = xp.sum(xp.exp(xp.where(dominant, lowest, log_x - second)), axis=-1, keepdims=True)
    small = log_x - top - xp.log(total) - xp.log1p(-xp.where(dominant, 0.0, x))
    return xp.where(dominant, log_x - second - xp.log(others), small)


@along_last_axis
def log_density(xp: Namespace[Array], x: Array, alpha: Array) -> Array:
    """log p(x) of each vector along the last axis, which stays with that one value in every place.

    x is taken as it stands, although its rounded components may not add up to 1.  With T the sum of alpha, what is
    large in it goes by Stirling's formula about the mean, a = x T:

        a log x - log Gamma(a) = -a log T + a log1pmx((x T - a) / a) + x T + log(a)/2 - log(2 pi)/2 - delta(a).
    """
    if xp.has_guard_digits:
        total = xp.sum(alpha, axis=-1, keepdims=True)
        terms = _times_log(xp, alpha - 1.0, x) - xp.lgamma(alpha)
        return xp.sum(terms, axis=-1, keepdims=True) + xp.lgamma(total) + 0.0 * x
    large = alpha >= 2.0
    few, many, at = xp.where(large, 1.0, alpha), xp.where(large, alpha, 2.0), positive(xp, x)
    total = xp.sum(alpha, axis=-1, keepdims=True)
    product, error = two_product(xp, at, total + 0.0 * x)
    d, rest = two_sum(xp, product, -many)
    fall = times_log1pmx(xp, many, xp.where(large, d, 0.0), rest + error, log_quotient(xp, positive(xp, product), many))
    bell = fall - (HALF_LOG_2PI + stirling(xp, many)) + log_quotient(xp, xp.sqrt(many), at)
    log_gamma = xp.where(few < 1.0, log_gamma1p(xp, xp.minimum(few, 1.0)) - xp.log(few), log_gamma1p(xp, few - 1.0))
    terms = xp.where(large, xp.where(x > 0.0, bell, -math.inf), _times_log(xp, few - 1.0, x) - log_gamma)
    smaller = xp.sum(xp.where(large, 0.0, alpha), axis=-1, keepdims=True)
    # what x has of its large components, less 1
    mass, mass_rest = _exact_sum(xp, xp.where(large, x, 0.0))
    moving = xp.sum(xp.where(large, x, 0.0), axis=-1, keepdims=True)
    beyond = ((mass - 1.0) + mass_rest) + (moving - xp.stop_gradient(moving))
    rows = HALF_LOG_2PI + stirling(xp, total) + (smaller - 0.5) * xp.log(total) + total * beyond
    return xp.sum(terms, axis=-1, keepdims=True) + rows + 0.0 * x


@along_last_axis
def _score_x(xp: Namespace[Array], result: Array, x: Array, alpha: Array) -> Array:
    return finite(xp, (alpha - 1.0) / positive(xp, x))


@along_last_axis
def _score_alpha(xp: Namespace[Array], result: Array, x: Array, alpha: Array) -> Array:
    """log x + psi(T) - psi(alpha)."""
    at = positive(xp, x)
    if xp.has_guard_digits:
        return xp.log(at) + xp.digamma(xp.sum(alpha, axis=-1, keepdims=True)) - xp.digamma(alpha)
    rest = _rest(xp, alpha)
    total = xp.stop_gradient(xp.sum(alpha, axis=-1, keepdims=True))
    unit = total / xp.frexp(total)[0]  # a power of 2
    sums = [part * unit + 0.0 * x for part in _exact_sum(xp, alpha / unit)]
    product, error = two_product(xp, at, sums[0])
    fixed, less = two_sum(xp, alpha, -product)
    delta = alpha - at * (alpha + rest)
    delta = delta + xp.stop_gradient((fixed + (less - error - sums[1] * at)) - delta)
    return reduced_score(xp, at, 1.0 - at, xp.log(at), alpha, rest, delta) + rest / alpha / (alpha + rest)


LOG_DENSITY = Function(log_density, (_score_x, _score_alpha))
"""`log_density`, each place of which moves with its own x and alpha: it is their sum that has all the derivatives"""


def _times_log(xp: Namespace[Array], power: Array, x: Array) -> Array:
    """power log x, 0 where power is."""
    end = xp.where(power > 0.0, -math.inf, xp.where(power < 0.0, math.inf, 0.0 * power))
    return xp.where(x > 0.0, power * xp.log(positive(xp, x)), end)


def _exact_sum(xp: Namespace[Array], x: Array) -> tuple[Array, Array | float]:
    """(s, e) along the last axis, x in [0, 1]: s is the sum but for its rounding e; values only.

    The sums of leading digits are exact.
    """
    digits, mantissa = (17, 52) if is_double(xp, x) else (7, 23)
    left = xp.stop_gradient(x)
    rest: Array | float = 0.0
    total = 0.0 * xp.sum(left, axis=-1, keepdims=True)
    for k in (1, 2):
        grid = 1.5 * 2.0 ** (mantissa - k * digits)
        # (the maxima change nothing, but without them XLA would take the sum apart again)
        head = xp.maximum(xp.maximum(left + grid, 0.0) - grid, -1.0)
        total, error = two_sum(xp, total, xp.sum(head, axis=-1, keepdims=True))
        left, rest = left - head, rest + error
    return two_sum(xp, total, rest + xp.sum(left, axis=-1, keepdims=True))


@along_last_axis
def entropy(xp: Namespace[Array], alpha: Array) -> Array:
    """-E[log p(x)] along the last axis, as Beta's."""
    total = xp.sum(alpha, axis=-1)
    size = float(alpha.shape[-1])
    parts = xp.sum(log_entropy(xp, alpha) + digamma(xp, alpha), axis=-1)
    return parts - log_entropy(xp, total) - size * digamma(xp, total)


@along_last_axis
def divergence(xp: Namespace[Array], alpha: Array, alpha_q: Array) -> Array:
    """KL(Dirichlet(alpha) || Dirichlet(alpha_q)) along the last axis.

    The textbook's formula (Penny 2001) is sum_i B(alpha_q[i], alpha[i]) - B(total_q, total), B the Bregman divergence
    of log Gamma.  Its part from a log a - a joins into sum_i alpha_q[i] dev(v_i) >= 0; see `gamma_function`.
    """
    total = xp.sum(alpha, axis=-1, keepdims=True)
    grown = xp.sum(alpha_q - alpha, axis=-1, keepdims=True)
    terms = xp.sum(divergence_term(xp, alpha, alpha_q, total, grown), axis=-1)
    return terms - xp.max(bregman_log_gamma(xp, total + grown, total, grown), axis=-1)
