"""HalfStudentT: the absolute value of a Student-t number; see `student_t`.

symbol   meaning
t        x / scale, at least 0
nu       degrees of freedom
"""

from __future__ import annotations

import dataclasses
import math

from ..generic.derived import located
from ..generic.family import Draw, Family, Noise, Quantile
from ..namespace import Array, Namespace
from ..numerics.charts import HALF_LINE, Shape, logistic_rise, odds_shares
from ..numerics.elementary import log1pmx, tails_inside
from ..numerics.gamma_function import log_gamma_step
from . import student_t
from .beta import logit_quantile


def log_density(xp: Namespace[Array], t: Array, nu: Array) -> Array:
    return xp.where(t >= 0.0, student_t.log_density(xp, t, nu) + math.log(2.0), -math.inf)


def log_tails(xp: Namespace[Array], t: Array, nu: Array) -> tuple[Array, Array]:
    lower, upper = student_t.log_tails_of_size(xp, t, nu)
    return tails_inside(xp, t > 0.0, lower, upper)


def _score_t(xp: Namespace[Array], t: Array, nu: Array) -> Array:
    return xp.where(t >= 0.0, student_t.score_t(xp, t, nu), 0.0)


def _score_nu(xp: Namespace[Array], t: Array, nu: Array) -> Array:
    return xp.where(t >= 0.0, student_t.score_nu(xp, t, nu), 0.0)


def _score_log_scale(xp: Namespace[Array], t: Array, nu: Array) -> Array:
    return xp.where(t >= 0.0, student_t.score_log_scale(xp, t, nu), 0.0)


def _find(xp: Namespace[Array], q: Array, one_minus_q: Array, nu: Array, scale: Array) -> Array:
    """log x, by the beta distribution of t**2 / (nu + t**2)."""
    half = 0.5 * xp.indicator(nu > 0.0, like=nu)
    return 0.5 * (logit_quantile(xp, q, one_minus_q, half, 0.5 * nu) + xp.log(nu)) + xp.log(scale)


def _density_of_log(xp: Namespace[Array], log_x: Array, nu: Array, scale: Array) -> Array:
    log_t = log_x - xp.log(scale)
    return student_t.log_density(xp, xp.exp(log_t), nu) + math.log(2.0) + log_t


def dlogx_dnu(xp: Namespace[Array], log_x: Array, nu: Array, scale: Array) -> Array:
    return student_t.dlogt_dnu(xp, log_x - xp.log(scale), nu)


def dlogx_dscale(xp: Namespace[Array], log_x: Array, nu: Array, scale: Array) -> Array:
    return 1.0 / scale


def _shape(xp: Namespace[Array], nu: Array, scale: Array) -> Shape:
    """In log x, s**(1/2) (1 - s)**(nu / 2) with s = t**2 / (nu + t**2).

    With q = s (e**2v - 1) it is v - (nu + 1) log1p(q) / 2, of which nu log1p(q) = t**2 (e**2v - 1) (1 - s) +
    nu log1pmx(q) where q is small: the derivative in nu of either term is of the size of the sum.
    """

    def rise(x: Array, v: Array) -> Array:
        t = x / scale
        above = t * t > nu
        r = t / xp.sqrt(nu)
        ratio = xp.where(above, 1.0 / xp.where(above, r, 1.0), xp.where(above, 1.0, r))
        s, rest = odds_shares(xp, above, ratio * ratio)
        plain = logistic_rise(xp, 0.5 + 0.0 * nu, 0.5 * nu, s, rest, 2.0 * v, 2.0 * xp.log(r))
        close = xp.abs(v) < 2.0
        grown = xp.expm1(2.0 * xp.where(close, v, 0.0))
        q = s * grown
        small = close & (xp.abs(q) < 0.5)
        q = xp.where(small, q, 0.0)
        own = xp.where(small & ~above, t, 0.0)
        square = xp.where(above, nu * s, own * own * rest)  # of t**2 (1 - s) the square may leave its dtype's range
        bent = log1pmx(xp, q, xp.log1p(q))
        near = v - 0.5 * (q + bent) - 0.5 * (square * grown + nu * bent)
        return xp.where(small, near, plain)

    return Shape(HALF_LINE, rise, scale + 0.0 * nu)


def _mean(xp: Namespace[Array], nu: Array) -> Array:
    """2 sqrt(nu / pi) Gamma((nu + 1) / 2) / (Gamma(nu / 2) (nu - 1)), infinite up to nu = 1."""
    has_mean = nu > 1.0
    many = xp.where(has_mean, nu, 2.0)
    step = log_gamma_step(xp, 0.5 * many, 0.5 + 0.0 * many)
    return xp.where(has_mean, 2.0 * xp.sqrt(many / math.pi) * xp.exp(step) / (many - 1.0), math.inf)


def _variance(xp: Namespace[Array], nu: Array) -> Array:
    """nu / (nu - 2) less the mean's square, infinite up to nu = 2."""
    has_variance = nu > 2.0
    many = xp.where(has_variance, nu, 3.0)
    mean = _mean(xp, many)
    return xp.where(has_variance, many / (many - 2.0) - mean * mean, math.inf)


_STANDARD = Family(
    parameters={"df": "positive"},
    support=(0.0, math.inf),
    log_density=log_density,
    log_tails=log_tails,
    slopes=(student_t.dt_dnu,),
    scores=(_score_t, _score_nu),
    entropy=lambda xp, nu: student_t.entropy(xp, nu) - math.log(2.0),
    mean=_mean,
    variance=_variance,
)

FAMILY = dataclasses.replace(
    located(_STANDARD, _shape, has_loc=False, log_scale_score=_score_log_scale),
    quantile=Quantile(_find, _density_of_log, (dlogx_dnu, dlogx_dscale), "log"),
    draw=Draw(
        lambda xp, log_t, nu, scale: log_t + xp.log(scale), (Noise("log student t", lambda xp, nu, scale: (nu,)),)
    ),
    about=r"""
    Density :math:`\propto (1 + y^2/\nu)^{-(\nu+1)/2}` with :math:`y = x/\sigma \ge 0`.

    A draw that leaves the range of its dtype is held at its end, with the relative derivative of the true draw.

    :param df: degrees of freedom :math:`\nu > 0`; number or array, broadcast with the others.
    :param scale: :math:`\sigma > 0`.
    """,
)
