"""Kumaraswamy: x**a is the minimum of b uniform numbers, F = 1 - (1 - x**a)**b.

symbol   meaning
a, b     concentration1, concentration0
w        x**a
g        -log(1 - w) = e / b, e = -log P(X > x) an exponential number
"""

from __future__ import annotations

import math

from ..generic.family import Family, Quantile
from ..namespace import Array, Namespace
from ..numerics.charts import Shape
from ..numerics.elementary import (
    expm1mx,
    finite,
    finite_exp,
    log1mexp,
    log1mexp_exp,
    log_expm1,
    log_softplus,
    log_split,
    tails_between,
    two_product,
)
from ..numerics.gamma_function import EULER, beta_bend, digamma, log_gamma_rise
from ..numerics.roots import log_survival
from . import generalized_beta


def _inside(xp: Namespace[Array], x: Array) -> Array:
    limits = xp.finfo(x)
    return xp.clip(x, float(limits.tiny), 1.0 - 0.5 * float(limits.eps))


def _log_minus_log1mexp(xp: Namespace[Array], t: Array) -> Array:
    """log(-log(1 - exp(t))), t < 0, which is t where exp(t) is nothing beside 1."""
    far = t < -40.0
    return xp.where(far, t, xp.log(-log1mexp(xp, xp.where(far, -1.0, t))))


def _log_g(xp: Namespace[Array], log_w: Array, log_rest: Array) -> Array:
    small = log_w < -1.0
    log_g = _log_minus_log1mexp(xp, xp.where(small, log_w, -1.0))
    return xp.where(small, log_g, xp.log(-xp.where(small, -1.0, log_rest)))


def _log_w(xp: Namespace[Array], x: Array, a: Array) -> tuple[Array, Array]:
    """(log w, what its rounding has left): b may be large."""
    log_x, rest = log_split(xp, _inside(xp, x))
    log_w, error = two_product(xp, a, log_x)
    return log_w, error + a * rest


def _powers(xp: Namespace[Array], x: Array, a: Array) -> tuple[Array, Array]:
    """(log w, log(1 - w))"""
    log_w, rest = _log_w(xp, x, a)
    # beyond 80 the quotient is nothing, and its derivative would be infinity by infinity
    return log_w, log1mexp(xp, log_w) - rest / xp.expm1(xp.minimum(-log_w, 80.0))


def _powers_of_logit(xp: Namespace[Array], y: Array, a: Array) -> tuple[Array, Array]:
    """The same from y = logit x."""
    t = xp.log(a) + log_softplus(xp, -y)
    return -finite_exp(xp, t), log1mexp_exp(xp, t)


def log_density(xp: Namespace[Array], x: Array, a: Array, b: Array) -> Array:
    _, log_rest = _powers(xp, x, a)
    log_p = xp.log(a) + xp.log(b) + (a - 1.0) * xp.log(_inside(xp, x)) + (b - 1.0) * log_rest
    return xp.where((x > 0.0) & (x < 1.0), log_p, -math.inf)


def _odds(xp: Namespace[Array], x: Array, a: Array) -> tuple[Array, Array, Array]:
    """(whether x lies inside, t = -log w, (1 - w) / w)"""
    log_w, rest = _log_w(xp, x, a)
    t = xp.minimum(-log_w, 80.0)
    growth = xp.expm1(t)
    return (x > 0.0) & (x < 1.0), -log_w, growth - (1.0 + growth) * rest


def _score_x(xp: Namespace[Array], x: Array, a: Array, b: Array) -> Array:
    inside, _, odds = _odds(xp, x, a)
    return xp.where(inside, finite(xp, ((a - 1.0) - (b - 1.0) * (a / odds)) / _inside(xp, x)), 0.0)


def _score_a(xp: Namespace[Array], x: Array, a: Array, b: Array) -> Array:
    """(1 - t + (b - 1) t / (exp(t) - 1)) / a, in which 1 - t / (exp(t) - 1) is (exp(t) - 1 - t) / (exp(t) - 1)."""
    inside, t, odds = _odds(xp, x, a)
    return xp.where(inside, ((expm1mx(xp, xp.minimum(t, 80.0)) + b * t) / odds - t) / a, 0.0)


def _score_b(xp: Namespace[Array], x: Array, a: Array, b: Array) -> Array:
    return xp.where((x > 0.0) & (x < 1.0), 1.0 / b + _powers(xp, x, a)[1], 0.0)


def log_tails(xp: Namespace[Array], x: Array, a: Array, b: Array) -> tuple[Array, Array]:
    log_e = xp.log(b) + _log_g(xp, *_powers(xp, x, a))
    lower, upper = log1mexp_exp(xp, log_e), -finite_exp(xp, log_e)
    return tails_between(xp, x <= 0.0, x >= 1.0, lower, upper)


def _by_a(xp: Namespace[Array], x: Array, a: Array, b: Array) -> Array:
    return -x * xp.log(_inside(xp, x)) / a


def _by_b(xp: Namespace[Array], x: Array, a: Array, b: Array) -> Array:
    """-x g (1 - w) / (a b w)"""
    log_w, log_rest = _powers(xp, x, a)
    return -x * xp.exp(_log_g(xp, log_w, log_rest) - log_w + log_rest) / a / b


def _logit_by_a(xp: Namespace[Array], y: Array, a: Array, b: Array) -> Array:
    """-log x / (1 - x) / a"""
    return xp.exp(log_softplus(xp, -y) + xp.softplus(y)) / a


def _logit_by_b(xp: Namespace[Array], y: Array, a: Array, b: Array) -> Array:
    log_w, log_rest = _powers_of_logit(xp, y, a)
    return -xp.exp(_log_g(xp, log_w, log_rest) - log_w + (log_rest + xp.softplus(y))) / a / b


def _find(xp: Namespace[Array], q: Array, one_minus_q: Array, a: Array, b: Array) -> Array:
    """logit x, from log x = log w / a and log(1 - x), each from the logarithm of g."""
    log_g = xp.log(-log_survival(xp, q, one_minus_q)) - xp.log(b)
    log_x = log1mexp_exp(xp, log_g) / a
    s = _log_minus_log1mexp(xp, -finite(xp, xp.exp(log_g))) - xp.log(a)
    return log_x - log1mexp_exp(xp, s)


def _density_of_logit(xp: Namespace[Array], y: Array, a: Array, b: Array) -> Array:
    _, log_rest = _powers_of_logit(xp, y, a)
    return xp.log(a) + xp.log(b) - a * xp.softplus(-y) + (b - 1.0) * log_rest - xp.softplus(y)


def _entropy(xp: Namespace[Array], a: Array, b: Array) -> Array:
    return (1.0 - 1.0 / b) + (1.0 - 1.0 / a) * (digamma(xp, b + 1.0) + EULER) - xp.log(a) - xp.log(b)


def _shape(xp: Namespace[Array], a: Array, b: Array) -> Shape:
    one = 1.0 + 0.0 * a
    return generalized_beta.shape(xp, one, b, one, a)


def _log_mean(xp: Namespace[Array], c: Array, b: Array) -> Array:
    """log E[x] = log(Gamma(1 + c) Gamma(1 + b) / Gamma(1 + c + b)), c = 1 / a."""
    large, small = xp.maximum(c, b), xp.minimum(c, b)
    log_gamma = log_gamma_rise(xp, 1.0 + 0.0 * small, small)
    return log_gamma - log_gamma_rise(xp, 1.0 + large, small) - small * xp.log1p(large)


def _mean(xp: Namespace[Array], a: Array, b: Array) -> Array:
    return xp.exp(_log_mean(xp, 1.0 / a, b))


def _variance(xp: Namespace[Array], a: Array, b: Array) -> Array:
    """E[x]**2 (exp(D) - 1), D = log E[x**2] - 2 log E[x]."""
    c = 1.0 / a
    d = beta_bend(xp, 1.0 + 0.0 * c, b, c)
    log_mean, large = _log_mean(xp, c, b), d > 1.0
    far = xp.exp(2.0 * log_mean + log_expm1(xp, xp.where(large, d, 1.0)))
    return xp.where(large, far, xp.exp(2.0 * log_mean) * xp.expm1(xp.where(large, 0.0, d)))


FAMILY = Family(
    about="""
    Distribution function :math:`1 - (1 - x^a)^b` on (0, 1).

    A draw next to 0 or 1 is held inside, with the derivative of the true draw.

    :param concentration1: :math:`a > 0`; number or array, broadcast with the others.
    :param concentration0: :math:`b > 0`.
    """,
    parameters={"concentration1": "positive", "concentration0": "positive"},
    support=(0.0, 1.0),
    log_density=log_density,
    log_tails=log_tails,
    slopes=(_by_a, _by_b),
    scores=(_score_x, _score_a, _score_b),
    tails_are_closed=True,
    quantile=Quantile(_find, _density_of_logit, (_logit_by_a, _logit_by_b), "logit"),
    entropy=_entropy,
    mean=_mean,
    variance=_variance,
    shape=_shape,
)
