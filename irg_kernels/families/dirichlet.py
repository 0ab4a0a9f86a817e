"""Dirichlet(alpha): the elementwise derivative that, through a softmax, is the lowest-variance gradient.

With x_i ~ Beta(alpha_i, rest_i), rest_i the sum of the other concentrations, and L_i the derivative of logit x_i in
alpha_i at fixed quantile (`beta`), the implicit gradient that follows the marginal of each component
(Figurnov, Mohamed, Mnih 2018, section 4; Jankowiak & Obermeyer 2018, eq. 22) is

    dx_i / d alpha_j = x_i (delta_ij - x_j) L_j.

It is what softmax makes of d log x_j / d alpha_j := L_j, elementwise, so nothing underflows with the components.
"""

from __future__ import annotations

from ..namespace import Array, Namespace
from ..numerics.gamma_function import bregman_log_gamma, digamma, log_entropy
from .beta import divergence_term, dlogit_da


def dlogx_dalpha(xp: Namespace, log_x: Array, alpha: Array) -> Array:
    """L_i of the module's docstring, along a last axis of length >= 2; `log_x` may lack its normalisation."""
    return dlogit_da(xp, _logit(xp, log_x), alpha, _rest(xp, alpha))


def _rest(xp: Namespace, alpha: Array) -> Array:
    """The sum of the other concentrations, without cancellation where one of them dominates."""
    total = xp.sum(alpha, axis=-1, keepdims=True)
    dominant = alpha > 0.5 * total
    others = xp.sum(xp.where(dominant, 0.0, alpha), axis=-1, keepdims=True)
    return xp.where(dominant, others, total - alpha)


def _logit(xp: Namespace, log_x: Array) -> Array:
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


def entropy(xp: Namespace, alpha: Array) -> Array:
    """-E[log p(x)] along the last axis, as Beta's."""
    total = xp.sum(alpha, axis=-1)
    size = float(alpha.shape[-1])
    parts = xp.sum(log_entropy(xp, alpha) + digamma(xp, alpha), axis=-1)
    return parts - log_entropy(xp, total) - size * digamma(xp, total)


def divergence(xp: Namespace, alpha: Array, alpha_q: Array) -> Array:
    """KL(Dirichlet(alpha) || Dirichlet(alpha_q)) along the last axis.

    The textbook's formula (Penny 2001) is sum_i B(alpha_q[i], alpha[i]) - B(total_q, total), B the Bregman divergence
    of log Gamma.  Its part from a log a - a joins into sum_i alpha_q[i] dev(v_i) >= 0; see `log_gamma`.
    """
    total = xp.sum(alpha, axis=-1, keepdims=True)
    grown = xp.sum(alpha_q - alpha, axis=-1, keepdims=True)
    terms = xp.sum(divergence_term(xp, alpha, alpha_q, total, grown), axis=-1)
    return terms - xp.max(bregman_log_gamma(xp, total + grown, total, grown), axis=-1)
