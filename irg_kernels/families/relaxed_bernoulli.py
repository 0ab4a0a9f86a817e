"""RelaxedBernoulli: logit x = (l + epsilon) / tau, epsilon a standard logistic number (Maddison, Mnih, Teh 2017).

symbol   meaning
tau, l   temperature and logits
e        tau logit x - l, which is epsilon
"""

from __future__ import annotations

import math

from ..generic.family import Family, Quantile
from ..namespace import Array, Namespace
from ..numerics.charts import INTERVAL, Shape, logistic_rise, logistic_shares, logit
from ..numerics.elementary import positive, tails_between
from . import standard


def _logit(xp: Namespace[Array], x: Array) -> Array:
    return logit(xp, xp.minimum(positive(xp, x), 1.0 - 0.5 * float(xp.finfo(x).eps)))


def _density_of_logit(xp: Namespace[Array], y: Array, tau: Array, l: Array) -> Array:
    return standard.logistic_log_density(xp, tau * y - l) + xp.log(tau)


def log_density(xp: Namespace[Array], x: Array, tau: Array, l: Array) -> Array:
    at = xp.minimum(positive(xp, x), 1.0 - 0.5 * float(xp.finfo(x).eps))
    log_p = _density_of_logit(xp, _logit(xp, x), tau, l) - xp.log(at) - xp.log1p(-at)
    return xp.where((x >= 0.0) & (x <= 1.0), log_p, -math.inf)


def log_tails(xp: Namespace[Array], x: Array, tau: Array, l: Array) -> tuple[Array, Array]:
    lower, upper = standard.logistic_log_tails(xp, tau * _logit(xp, x) - l)
    return tails_between(xp, x <= 0.0, x >= 1.0, lower, upper)


def _find(xp: Namespace[Array], q: Array, one_minus_q: Array, tau: Array, l: Array) -> Array:
    return (l + standard.logistic_quantile(xp, q, one_minus_q)) / tau


def _by_tau(xp: Namespace[Array], x: Array, tau: Array, l: Array) -> Array:
    return -x * (1.0 - x) * _logit(xp, x) / tau


def _by_l(xp: Namespace[Array], x: Array, tau: Array, l: Array) -> Array:
    return x * (1.0 - x) / tau


def _shape(xp: Namespace[Array], tau: Array, l: Array) -> Shape:
    """In the logit of x, logistic."""

    def rise(x: Array, v: Array) -> Array:
        e = tau * _logit(xp, x) - l
        p, q = logistic_shares(xp, e)
        return logistic_rise(xp, 1.0 + 0.0 * tau, 1.0 + 0.0 * tau, p, q, tau * v)

    chart = INTERVAL._replace(scale=xp.stop_gradient(1.0 / tau))  # type: ignore[arg-type]
    return Shape(chart, rise, lambda x: l / tau - _logit(xp, x))


LOGIT_SLOPES = (lambda xp, y, tau, l: -y / tau, lambda xp, y, tau, l: 1.0 / tau)

FAMILY = Family(
    parameters={"temperature": "positive", "logits": "real"},
    support=(0.0, 1.0),
    log_density=log_density,
    log_tails=log_tails,
    slopes=(_by_tau, _by_l),
    tails_are_closed=True,
    quantile=Quantile(_find, _density_of_logit, LOGIT_SLOPES, "logit"),
    shape=_shape,
)
