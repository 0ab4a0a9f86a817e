"""KL divergences in closed form, registered with NumPyro for this package's classes, also against the host's.

Each is a sum of terms that are never negative (`irg_kernels`), accurate where the two laws are close as where a
parameter is extreme; the textbook's formulas of the host lose all their digits there.  StudentT has no closed form.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import jax.numpy as jnp
import numpyro.distributions as host
from jax import Array
from numpyro.distributions.kl import kl_divergence

from irg_kernels.families import beta, dirichlet, gamma, von_mises

from .base import closed_form
from .beta import Beta
from .dirichlet import Dirichlet
from .gamma import Chi2, Gamma, InverseGamma, LogGamma
from .von_mises import VonMises

__all__: list[str] = []

GAMMAS = (Gamma, Chi2)


def _register(function: Callable, first: tuple[type, ...], second: tuple[type, ...]) -> None:
    """For every pair with a class of this package's in it; the host's own pairs stay its own."""
    for p, q in itertools.product(first, second):
        if not (p.__module__.startswith("numpyro.") and q.__module__.startswith("numpyro.")):
            kl_divergence.register(p, q)(function)


def _gamma_gamma(p, q):
    return closed_form(gamma.divergence, p.concentration, p.rate, q.concentration, q.rate)


def _gamma_exponential(p, q):
    return closed_form(gamma.divergence, p.concentration, p.rate, jnp.ones_like(q.rate), q.rate)


def _exponential_gamma(p, q):
    return closed_form(gamma.divergence, jnp.ones_like(p.rate), p.rate, q.concentration, q.rate)


def _beta_beta(p, q):
    return closed_form(beta.divergence, p.concentration1, p.concentration0, q.concentration1, q.concentration0)


def _beta_uniform(p, q):
    one = jnp.ones_like(p.concentration1)
    rest = closed_form(beta.divergence, p.concentration1, p.concentration0, one, one)
    return _over_uniform(rest, q, 0.0, 1.0)


def _dirichlet_dirichlet(p, q):
    return closed_form(dirichlet.divergence, p.concentration, q.concentration)


def _von_mises_von_mises(p, q):
    return closed_form(von_mises.divergence, p.concentration, q.concentration, q.loc - p.loc)


def _von_mises_uniform(p, q):
    none = jnp.zeros_like(p.concentration)
    rest = closed_form(von_mises.divergence, p.concentration, none, none)
    return _over_uniform(rest, q, -math.pi, math.pi)


def _over_uniform(rest: Array, q: host.Uniform, low: float, high: float) -> Array:
    """From the uniform law on [low, high], where it is `rest`, to `q`; infinite where `q` leaves some of that out."""
    covers = (q.low <= low) & (q.high >= high)
    return jnp.where(covers, rest + jnp.log((q.high - q.low) / (high - low)), math.inf)


_register(_gamma_gamma, (host.Gamma, *GAMMAS), (host.Gamma, *GAMMAS))
_register(_gamma_gamma, (LogGamma,), (LogGamma,))
_register(_gamma_gamma, (host.InverseGamma, InverseGamma), (host.InverseGamma, InverseGamma))
_register(_gamma_exponential, GAMMAS, (host.Exponential,))
_register(_exponential_gamma, (host.Exponential,), GAMMAS)
_register(_beta_beta, (host.Beta, Beta), (host.Beta, Beta))
_register(_beta_uniform, (Beta,), (host.Uniform,))
_register(_dirichlet_dirichlet, (host.Dirichlet, Dirichlet), (host.Dirichlet, Dirichlet))
_register(_von_mises_von_mises, (host.VonMises, VonMises), (host.VonMises, VonMises))
_register(_von_mises_uniform, (VonMises,), (host.Uniform,))
