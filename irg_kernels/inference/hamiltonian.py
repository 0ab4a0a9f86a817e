"""Tempered Hamiltonian flow (Caterini, Doucet, Sejdinovic 2018, algorithm 1), as plain functions.

    symbol   meaning
    z, rho   position and momentum, tuples of arrays: one per latent site
    g        gradient of the potential U = -log p(x, z) at z
    eps      step size, one array per site that broadcasts with z (in units of the mass matrix's scale)
    alpha    cooling factor of a step, in (0, 1]: rho is multiplied by it after the step
    T_k      temperature after k steps; T_K = 1, alpha_k = sqrt(T_k / T_{k-1})

Each of a leapfrog step's three moves is a shear, whatever eps: the flow's Jacobian is the cooling's alone,
log|J| = d sum_k log alpha_k = -(d/2) log T_0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

from ..namespace import Array, Namespace

MAX_ENERGY_CHANGE = 3.0
"""How much a leapfrog step may change the energy, in nats for each latent number of a system.

A step that is of use errs by less than one.  On a banana with steps far too large, training stalled at a loss of 9 with
a bound of 10 (its entropy's scale is 1), and at 200 with the 1,000 nats from which Stan calls a path divergent."""

OBSERVED_COUNTS = 5.0
"""How many latent numbers an observed one counts for in that bound.

One good step from a poor start sheds energy in proportion to the data: in the paper's Gaussian model, whose base is the
prior, 1.6 nats for each datum at the optimum.  A bound of 3 for it rejected 2 % of the steps, and sigma was off by .23
in all, squared; 15 give .003 and 30 give .001, but with 30 some trainings on the digits were thrown back."""

State = tuple[tuple[Array, ...], tuple[Array, ...], tuple[Array, ...]]


def leapfrog(
    z: tuple[Array, ...],
    rho: tuple[Array, ...],
    g: tuple[Array, ...],
    eps: tuple[Array, ...],
    gradient: Callable[[tuple[Array, ...]], tuple[Array, ...]],
) -> State:
    """One step: half a kick, a drift, half a kick; the gradient returned serves the next step's first half-kick."""
    rho = tuple(r - 0.5 * e * d for r, e, d in zip(rho, eps, g, strict=True))
    z = tuple(x + e * r for x, e, r in zip(z, eps, rho, strict=True))
    g = gradient(z)
    rho = tuple(r - 0.5 * e * d for r, e, d in zip(rho, eps, g, strict=True))
    return z, rho, g


def fixed_root(xp: Namespace[Array], sqrt_t0: Array, part: Array | float) -> Array:
    """The paper's sqrt(T) after a part of the steps, quadratic in it: (1 - sqrt(T0)) part**2 + sqrt(T0)."""
    return (1.0 - sqrt_t0) * part**2 + sqrt_t0


def quadratic_root(xp: Namespace[Array], sqrt_t0: Array, part: Array | float) -> Array:
    """sqrt(T) after a part of the steps as in the paper's released code, quadratic in T itself."""
    t0 = sqrt_t0 * sqrt_t0
    return xp.sqrt((1.0 - t0) * part**2 + t0)


def fixed_tempering(xp: Namespace[Array], sqrt_t0: Array, num_steps: int) -> tuple[Array, ...]:
    """alpha_1..alpha_K of `fixed_root`."""
    roots = [fixed_root(xp, sqrt_t0, k / num_steps) for k in range(num_steps + 1)]
    return tuple(after / before for before, after in pairwise(roots))


def quadratic_tempering(xp: Namespace[Array], sqrt_t0: Array, num_steps: int) -> tuple[Array, ...]:
    """alpha_1..alpha_K of `quadratic_root`."""
    roots = [quadratic_root(xp, sqrt_t0, k / num_steps) for k in range(num_steps + 1)]
    return tuple(after / before for before, after in pairwise(roots))


def angular_variance(xp: Namespace[Array], circular: Array) -> Array:
    """The variance of an angle, to measure steps by, from its circular variance v = 1 - |E exp(i x)|.

    -2 log(1 - v), that of the wrapped normal of this v, and at most the uniform's, pi^2 / 3.  A concentrated angle has
    the variance 2 v.
    """
    return -2.0 * xp.log1p(-xp.minimum(circular, 1.0 - math.exp(-(math.pi**2) / 6.0) + 0.0 * circular))


def initial_cooling(num_steps: int) -> float:
    """Where the free alphas start: 0.9**(5/K), so that T_0 = 2.9 whatever the number of steps."""
    return 0.9 ** (5.0 / max(num_steps, 1))
