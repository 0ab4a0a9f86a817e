"""Mixtures in several dimensions: how a draw moves with weights and components.

    symbol     meaning
    k, d       component, dimension
    w_k        weight;  f_kd, F_kd: density and distribution function of component k in dimension d
    r_kd       w_k given x_1..x_{d-1}: proportional to w_k prod_{e<d} f_ke(x_e)
    S_d, p_d   sum_k r_kd F_kd and sum_k r_kd f_kd: distribution function and density of x_d given x_1..x_{d-1}

The S_d are independent and uniform (Rosenblatt 1952), so a draw may be moved such that each keeps its value (Graves
2016; Figurnov, Mohamed, Mnih 2018, eq. 3).  S_d reads x_1..x_d only, which leaves a triangular system, solved by
substitution.  Let a_k be the differential of log w_k + sum_{e<d} log f_ke, in the parameters and in x_1..x_{d-1}, and
dz_kd the component's own implicit differential, -(dF_kd in the parameters) / f_kd.  Then

    dx_d = sum_k pi_kd dz_kd - sum_k h_kd a_k,    pi_kd = r_kd f_kd / p_d,    h_kd = r_kd (F_kd - S_d) / p_d,

    a_k += (d log f_kd in the parameters) + (d log f_kd / dx) dx_d.

In one dimension it is the gradient of Figurnov et al., section 4.  Dimension and component are the last two axes,
(..., D, K).

Those are the equations of factorised components.  For others f_kd and F_kd are conditional on x_1..x_{d-1}, and
`residual` is S_d itself, for autodiff.  Elliptical ones, with scale L_k, L_k eps_k = x - loc_k and
q_kd = sum_{e<d} eps_ke^2, have

    normal      eps_kd given those before it is N(0, 1);
    Student t   eps_kd sqrt((df + d - 1) / (df + q_kd)) given those before it is t with df + d - 1 degrees of freedom

(Ding 2016, "On the conditional distribution of the multivariate t distribution", section 2).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Generic, NamedTuple

from ..namespace import Array, Namespace
from . import truncation
from .family import Family
from .fixed_quantile import remembered, step_of


class Shares(NamedTuple, Generic[Array]):
    """How a draw follows its components; both of shape (..., D, K)."""

    posterior: Array
    """pi_kd: how much x_d follows the component's own draw; sums to 1 over k"""
    shift: Array
    """h_kd: how much x_d falls as log r_kd grows; sums to 0 over k"""


def shares(xp: Namespace[Array], log_r: Array, log_f: Array, log_lower: Array, log_upper: Array) -> Shares:
    """pi and h, from logarithms: no density underflows, however far apart the components lie.

    :param log_r: log r_kd, perhaps without its normalisation.
    :param log_f: log f_kd at the draw; `log_lower` and `log_upper` are log F_kd and log(1 - F_kd).
    """
    log_r = _normalised(xp, log_r)
    joint = log_r + log_f
    log_p = _log_sum(xp, joint)
    # of the two tails the one with the smaller mass, which F - S does not take from 1
    lower = _log_sum(xp, log_r + log_lower) < _log_sum(xp, log_r + log_upper)
    sign = 2.0 * xp.indicator(lower, like=log_p) - 1.0
    # r (F_k - S) / p, in which the r of a component is kept with its tail
    tail = xp.exp(log_r + xp.where(lower, log_lower, log_upper) - log_p)
    shift = sign * (tail - xp.exp(log_r) * xp.sum(tail, axis=-1, keepdims=True))
    return Shares(xp.exp(joint - log_p), shift)


def _log_sum(xp: Namespace[Array], x: Array) -> Array:
    top = xp.stop_gradient(xp.max(x, axis=-1, keepdims=True))
    top = xp.maximum(top, -float(xp.finfo(x).max))  # all may be log 0
    return top + xp.log(xp.sum(xp.exp(x - top), axis=-1, keepdims=True))


def _normalised(xp: Namespace[Array], x: Array) -> Array:
    return x - _log_sum(xp, x)


def pushforward(
    xp: Namespace[Array], weights: Array, densities: Array, draws: Array, of: Shares, slope: Array
) -> list[Array]:
    """dx_1..dx_D, each of shape (...).

    :param weights: d log w_k, up to a common constant, (..., K).
    :param densities: d log f_kd in the parameters, (..., D, K).
    :param draws: dz_kd, (..., D, K).
    :param slope: d log f_kd / dx, (..., D, K).
    """
    a, moved = weights, []
    for d in range(slope.shape[-2]):
        dx = xp.sum(of.posterior[..., d, :] * draws[..., d, :] - of.shift[..., d, :] * a, axis=-1, keepdims=True)
        a = a + densities[..., d, :] + slope[..., d, :] * dx
        moved.append(dx[..., 0])
    return moved


def pullback(
    xp: Namespace[Array], cotangent: Array, of: Shares, slope: Array
) -> tuple[Array, list[Array], list[Array]]:
    """The transpose of `pushforward`: what `cotangent`, (..., D), makes of weights, densities and draws.

    :returns: cotangents of `weights`, (..., K), and for each dimension of `densities` and `draws`, each (..., K).
    """
    a = 0.0 * of.posterior[..., 0, :]
    densities, draws = [], []
    for d in reversed(range(slope.shape[-2])):
        dx = cotangent[..., d : d + 1] + xp.sum(a * slope[..., d, :], axis=-1, keepdims=True)
        densities.append(a)
        draws.append(dx * of.posterior[..., d, :])
        a = a - dx * of.shift[..., d, :]
    return a, densities[::-1], draws[::-1]


class Anchor(NamedTuple, Generic[Array]):
    """What `residual` and the triangular system need of the draw; the arrays are of shape (..., D)."""

    of: Shares
    sign: Array
    """1 where the lower tail is the smaller, -1 where the upper one is"""
    target: Array
    """logarithm of the smaller tail, S_d or 1 - S_d"""
    step: Array
    """sign times the smaller tail / p_d, in the unit of x_d"""
    log_tails: Array
    """that tail of every component, (..., D, K)"""


def anchor(
    xp: Namespace[Array], log_r: Array, log_f: Array, log_lower: Array, log_upper: Array, x: Array | None = None
) -> Anchor:
    """The `Anchor` of a draw; arguments as those of `shares`, and x, (..., 1), that `residual` is to count in its
    `unit_of`."""
    of, log_r = shares(xp, log_r, log_f, log_lower, log_upper), _normalised(xp, log_r)
    lower, upper = (_log_sum(xp, log_r + tail)[..., 0] for tail in (log_lower, log_upper))
    is_lower = lower < upper
    sign = 2.0 * xp.indicator(is_lower, like=lower) - 1.0
    target = xp.where(is_lower, lower, upper)
    log_step = target - _log_sum(xp, log_r + log_f)[..., 0]
    if x is not None:
        step = step_of(xp, log_step, x, xp.finfo(x))
    else:  # no draw is seen in a gap so empty that this is cut, and an infinite step would make 0 * inf
        step = xp.exp(xp.minimum(log_step, 0.5 * math.log(float(xp.finfo(target).max))))
    return Anchor(of, sign, target, sign * step, xp.where(is_lower[..., None], log_lower, log_upper))


def residual(xp: Namespace[Array], at: Anchor, log_r: Array, log_lower: Array, log_upper: Array) -> Array:
    """(S_d - S_d at the draw) / p_d at the draw, 0 there, in the anchor's unit: in the tails by logarithms.

    With J = dS/dx, its row d divided by p_d (triangular, of diagonal 1), a draw moves by -J^-1 times the differential
    of this in the parameters.
    """
    log_tail = xp.where(at.sign[..., None] > 0.0, log_lower, log_upper)
    return at.step * xp.expm1(_log_sum(xp, _normalised(xp, log_r) + log_tail)[..., 0] - at.target)


@cache
def quantiles_of(family: Family) -> Callable:
    """(xp, q, log_weights, low, high, *params) -> the x, (..., D), with S_d = q_d in every dimension, of factorised
    components of one family; values only.

    q, `low` and `high`, the least and the largest quantile of a component, are of shape (..., D), `log_weights`,
    normalised, of shape (..., K), the components' parameters (..., D, K).
    """

    def find(xp: Namespace[Array], q: Array, log_weights: Array, low: Array, high: Array, *params: Array) -> Array:
        log_r, found = log_weights + 0.0 * q[..., :1], []
        for d in range(q.shape[-1]):
            log_tails, log_density = _of_dimension(xp, family, log_r, [p[..., d, :] for p in params])
            found.append(truncation.quantile_by_tails(xp, log_tails, log_density, q[..., d], low[..., d], high[..., d]))
            if d + 1 < q.shape[-1]:
                at = found[-1][..., None] + 0.0 * params[0][..., d, :]
                log_r = _normalised(xp, log_r + family.log_density(xp, at, *(p[..., d, :] for p in params)))
        return xp.stack(found, axis=-1)

    return find


def _of_dimension(xp: Namespace[Array], family: Family, log_r: Array, params: list[Array]) -> tuple[Callable, Callable]:
    """(log-tails, log-density) of x_d given those before it."""

    @remembered
    def logarithms(x: Array) -> list[Array]:
        at = x[..., None] + 0.0 * params[0]
        each = family.log_density(xp, at, *params), *family.log_tails(xp, at, *params)
        return [_log_sum(xp, log_r + log_of)[..., 0] for log_of in each]

    return lambda x: logarithms(x)[1:], lambda x: logarithms(x)[0]
