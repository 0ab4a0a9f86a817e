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

import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

from ..namespace import Array, Namespace

ANGLE = math.pi / 2.0
"""Where the angles start."""

TAMED_FROM = 4.0
"""How many times sqrt(d), its size under the base, a gradient's norm may be before it is bent down."""

IMPOSSIBLE = -1e30
"""The log-density given to a point where the model's is not finite."""

TRANSITIONS = ("leapfrog", "refreshed", "coupled")


def tamed(xp: Namespace[Array], g: Array, square: Array, count: Array) -> Array:
    """g / sqrt(1 + |g|^2 / (c^2 d)): as exact as any other function of the position, and never far out.

    :param square: |g|^2 over the system of `count` coordinates that g is a part of.
    """
    return g / xp.sqrt(1.0 + square / (TAMED_FROM**2 * count))


def kick(rho: Array, half: Array, force: Array) -> Array:
    """Half a kick, `half` being half its strength."""
    return rho + half * force


def turn(u: Array, rho: Array, cos: Array, sin: Array) -> tuple[Array, Array]:
    """A rotation of each coordinate with its momentum, by the angle of this cosine and sine."""
    return cos * u + sin * rho, cos * rho - sin * u


def renewal(xp: Namespace[Array], kept: Array) -> Array:
    """The share of the new in a momentum of which the share `kept`, between -1 and 1, is the old one's."""
    return xp.sqrt(1.0 - kept * kept)


def refresh(rho: Array, kept: Array, new: Array) -> Array:
    """A momentum of which the share `kept` is the old one's; `new` are normal numbers times the `renewal`."""
    return new + kept * rho


def log_sum_exp(xp: Namespace[Array], terms: Array) -> Array:
    """Of finite terms along the first axis."""
    most = xp.stop_gradient(xp.max(terms, axis=0))
    return most + xp.log(xp.sum(xp.exp(terms - most), axis=0))


def picked(xp: Namespace[Array], terms: Array, uniform: Array) -> Array:
    """1 for the one of the terms that uniform numbers on (0, 1) choose by the shares exp(term) / sum, 0 for the others.

    The weight is the sum's whichever is chosen, so that nothing is differentiated here.

    :param terms: along the first axis, as the flags that are returned.
    """
    terms, count = xp.stop_gradient(terms), terms.shape[0]
    shares = xp.exp(terms - log_sum_exp(xp, terms))
    # rounding must not leave the last one, of share 0 perhaps, what no other took
    uniform = uniform * (1.0 - 4.0 * count * xp.finfo(uniform).eps)
    below = list(itertools.accumulate(shares[i] for i in range(count - 1)))
    one = 0.0 * uniform + 1.0
    reached = [0.0 * one, *(xp.indicator(uniform < x, like=uniform) for x in below), one]
    return xp.stack(reached[1:]) - xp.stack(reached[:-1])


def check_coefficients(
    found: Any, expected: dict[str, tuple[int, ...]], shape_of: Callable[[Any], tuple[int, ...]], drawn: list[str]
) -> None:
    """Raise a ValueError unless a user's function has returned (strengths, angles) of latents, without a draw.

    :param expected: the shape for each latent that has steps of its own, to which the arrays must broadcast.
    :param drawn: the names of sample sites in the function.
    """
    if drawn:
        raise ValueError(f"HVAE: coefficients must be a function of the data alone, but it draws {drawn}")
    if not isinstance(found, Mapping) or not found.keys() <= expected.keys():
        given = sorted(found) if isinstance(found, Mapping) else found
        raise ValueError(
            f"HVAE: coefficients must return a dictionary whose keys are among {sorted(expected)}, the latents that "
            f"have steps of their own, got {given}"
        )
    for name, pair in found.items():
        shapes = [tuple(shape_of(x)) for x in pair]
        if len(pair) != 2 or not all(_broadcasts(shape, expected[name]) for shape in shapes):
            raise ValueError(
                f"HVAE: coefficients must return (strengths, angles) of {name!r} that broadcast to its plates, the "
                f"steps and its event, {expected[name]}, got shapes {shapes}"
            )


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    pairs = zip(reversed(shape), reversed(to), strict=False)
    return len(shape) <= len(to) and all(n in (1, size) for n, size in pairs)


def check_settings(transition: str, settings: dict[str, bool], coefficients: Any = None) -> None:
    """Raise a ValueError for an unknown transition, or for settings of one with another.

    :param settings: the leapfrog's, and whether they were given.
    :param coefficients: of refreshed momenta.
    """
    given = sorted(name for name, was_given in settings.items() if was_given)
    if transition not in TRANSITIONS:
        raise ValueError(f"HVAE: transition must be one of {TRANSITIONS}, got {transition!r}")
    if transition != "leapfrog" and given:
        raise ValueError(f"HVAE: {given} are settings of transition='leapfrog', not of {transition!r}")
    if coefficients is not None and transition == "leapfrog":
        raise ValueError(
            f"HVAE: coefficients are a setting of transition='refreshed' and 'coupled', not of {transition!r}"
        )
    if coefficients is not None and not callable(coefficients):
        raise TypeError(f"HVAE: coefficients must be a function of the model's arguments, got {coefficients!r}")
