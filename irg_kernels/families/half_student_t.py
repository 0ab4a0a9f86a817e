"""HalfStudentT: the size of a Student-t number; see `student_t`."""

from __future__ import annotations

import dataclasses
import math

from ..generic.family import Family, Quantile, located
from ..namespace import Array, Namespace
from . import student_t
from .beta import logit_quantile


def log_density(xp: Namespace[Array], t: Array, nu: Array) -> Array:
    return xp.where(t >= 0.0, student_t.log_density(xp, t, nu) + math.log(2.0), -math.inf)


def log_tails(xp: Namespace[Array], t: Array, nu: Array) -> tuple[Array, Array]:
    lower, upper = student_t.log_tails_of_size(xp, t, nu)
    return xp.where(t > 0.0, lower, -math.inf), xp.where(t > 0.0, upper, 0.0)


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


_STANDARD = Family(
    parameters={"df": "positive"},
    support=(0.0, math.inf),
    log_density=log_density,
    log_tails=log_tails,
    slopes=(student_t.dt_dnu,),
    scores=(_score_t, _score_nu),
    entropy=lambda xp, nu: student_t.entropy(xp, nu) - math.log(2.0),
)

FAMILY = dataclasses.replace(
    located(_STANDARD, has_loc=False, log_scale_score=_score_log_scale),
    quantile=Quantile(_find, _density_of_log, (dlogx_dnu, dlogx_dscale), "log"),
)
