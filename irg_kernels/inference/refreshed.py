"""Paths that turn, are kicked by the gradient, and take a new momentum; every point of them is weighed.

    symbol   meaning
    u, rho   position and momentum in coordinates where the base is N(0, I), tuples of arrays
    r        residual force: tamed gradient of the target's log p in these coordinates, plus u; 0 where it is the base
    theta    angle of a step, for each coordinate; b, strength of its kicks; eta, the share of rho that is kept

Step k takes in rho <- eta_k rho + sqrt(1 - eta_k^2) xi_k, xi_k ~ N(0, I) (eta_1 = 0), then half a kick
rho + b_k r / 2, a turn (u, rho) <- (u cos theta + rho sin theta, rho cos theta - u sin theta), and half a kick: shears
and rotations, of Jacobian 1 (leapfrog steps whose drift under the base is exact: Shahbaba et al. 2014).  The
refreshment is reversed by its own reversal under N(0, I), as in uncorrected Hamiltonian annealing (Geffner, Domke 2021;
Zhang et al. 2021), so that

    log w_k = log p(u_k) - log q_0(u_0) + sum_{j <= k} (|rho_j before|^2 - |rho_j after|^2) / 2

has E[w_k] = p(x) for every k, and so has sum_k pi_k w_k with pi_k >= 0 of sum 1, the weight used.  With theta = pi / 2,
eta = b = 0, where a path starts to learn, its points are K + 1 independent draws of the base: the importance-weighted
bound (Burda et al. 2016) at as many gradients.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..namespace import Array, Namespace

ANGLE = math.pi / 2.0
"""Where the angles start."""

TAMED_FROM = 4.0
"""How many times sqrt(d), its size under the base, a gradient's norm may be before it is bent down."""

IMPOSSIBLE = -1e30
"""The log-density given to a point where the model's is not finite."""

TRANSITIONS = ("leapfrog", "refreshed")


def tamed(xp: Namespace[Array], g: Array, square: Array, count: Array) -> Array:
    """g / sqrt(1 + |g|^2 / (c^2 d)): as exact as any other function of the position, and never far out.

    :param square: |g|^2 over the system of `count` coordinates that g is a part of.
    """
    return g / xp.sqrt(1.0 + square / (TAMED_FROM**2 * count))


def kick(rho: Array, strength: Array, force: Array) -> Array:
    """Half a kick."""
    return rho + 0.5 * strength * force


def turn(xp: Namespace[Array], u: Array, rho: Array, angle: Array) -> tuple[Array, Array]:
    """A rotation of each coordinate with its momentum."""
    cos, sin = xp.cos(angle), xp.sin(angle)
    return cos * u + sin * rho, cos * rho - sin * u


def refresh(xp: Namespace[Array], rho: Array, xi: Array, kept: Array) -> Array:
    """A new momentum of which the share `kept`, between -1 and 1, is the old one's."""
    return kept * rho + xp.sqrt(1.0 - kept * kept) * xi


def log_sum_exp(xp: Namespace[Array], terms: Sequence[Array]) -> Array:
    """Of finite terms."""
    most = terms[0]
    for term in terms[1:]:
        most = xp.maximum(most, term)
    most = xp.stop_gradient(most)
    total = xp.exp(terms[0] - most)
    for term in terms[1:]:
        total = total + xp.exp(term - most)
    return most + xp.log(total)


def picked(xp: Namespace[Array], terms: Sequence[Array], uniform: Array) -> list[Array]:
    """1 for the one of the terms that uniform numbers on (0, 1) choose by the shares exp(term) / sum, 0 for the others.

    The weight is the sum's whichever is chosen, so that nothing is differentiated here.
    """
    whole = xp.stop_gradient(log_sum_exp(xp, terms))
    # rounding must not leave the last one, of share 0 perhaps, what no other took
    uniform = uniform * (1.0 - 4.0 * len(terms) * xp.finfo(uniform).eps)
    below, left, flags = 0.0 * uniform, 0.0 * uniform + 1.0, []
    for term in terms[:-1]:
        below = below + xp.exp(xp.stop_gradient(term) - whole)
        here = left * xp.indicator(uniform < below, like=uniform)
        flags.append(here)
        left = left - here
    return [*flags, left]


def check_settings(transition: str, settings: dict[str, bool]) -> None:
    """Raise a ValueError for an unknown transition, or for settings of the leapfrog's with another.

    :param settings: the leapfrog's, and whether they were given.
    """
    given = sorted(name for name, was_given in settings.items() if was_given)
    if transition not in TRANSITIONS:
        raise ValueError(f"HVAE: transition must be one of {TRANSITIONS}, got {transition!r}")
    if transition != "leapfrog" and given:
        raise ValueError(f"HVAE: {given} are settings of transition='leapfrog', not of {transition!r}")
