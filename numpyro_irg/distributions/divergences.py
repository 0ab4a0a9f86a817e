"""KL divergences, registered with NumPyro for this package's classes, also against the host's.

Each is a sum of terms that are never negative (`irg_kernels`), accurate where the two distributions are close as where
a parameter is extreme; the textbook's formulas of the host lose all their digits there.  Two StudentT take a rule
of fixed nodes, as exact.  Every other pair of univariate classes, with one of ours in it, is integrated over the
quantiles of p (`irg_kernels.generic.divergence`).
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpyro.distributions as host
from jax import Array, lax
from numpyro.distributions.kl import kl_divergence

from irg_kernels.adapter.host_families import register_divergences, register_quadrature
from irg_kernels.adapter.messages import no_divergence
from irg_kernels.generic import divergence

from ..attach import NATIVE, attach, once
from .base import Univariate, UnivariateMixin, closed_form, log_density, together
from .beta import Beta
from .chi2 import Chi2
from .dirichlet import Dirichlet
from .gamma import Gamma
from .host_families import HOST_FAMILIES, family_of
from .inverse_gamma import InverseGamma
from .log_gamma import LogGamma
from .student_t import StudentT
from .von_mises import VonMises

__all__ = ["by_quadrature"]

CLASSES: dict[str, tuple[type, ...]] = {
    "Beta": (host.Beta, Beta),
    "Dirichlet": (host.Dirichlet, Dirichlet),
    "Exponential": (host.Exponential,),
    "Gamma": (host.Gamma, Gamma, Chi2),
    "InverseGamma": (host.InverseGamma, InverseGamma),
    "LogGamma": (LogGamma,),
    "StudentT": (host.StudentT, StudentT),
    "Uniform": (host.Uniform,),
    "VonMises": (host.VonMises, VonMises),
}
"""A name in `Family.divergences` -> the classes that it stands for."""


def by_quadrature(p: Any, q: Any) -> Array:
    """KL(p || q) of two univariate distributions of known families, of which one is ours."""
    known, other = family_of(p), family_of(q)
    ours = isinstance(p, UnivariateMixin) or isinstance(q, UnivariateMixin)
    if known is None or other is None or not ours or divergence.is_circular(known[0]):
        raise NotImplementedError(no_divergence(p, q))
    return _by_quadrature(p, q)


@once
def _by_quadrature(p: Any, q: Any) -> Array:
    known, other = family_of(p), family_of(q)
    assert known is not None and other is not None
    (family, params), (of_q, others) = known, other
    given = jnp.broadcast_arrays(*together(*params, *others))
    count = len(params)
    params, others = tuple(given[:count]), tuple(given[count:])
    at = divergence.points(NATIVE, family, of_q, *(tuple(map(lax.stop_gradient, of)) for of in (params, others)))
    x = at.x
    params, others = (tuple(jnp.broadcast_to(v, x.shape) for v in of) for of in (params, others))
    fixed = not divergence.moves(family)
    if not fixed:
        x = attach(family.slopes, x, *params)
    found = divergence.divergence(NATIVE, at, log_density(family, x, *params), log_density(of_q, x, *others), fixed)
    has_kink = family.kink is not None or of_q.kink is not None
    return attach((divergence.once,), found, found) if has_kink else found


register_divergences(lambda p, q, kl: kl_divergence.register(p, q)(kl), CLASSES, "numpyro", closed_form)
register_quadrature(
    lambda p, q, kl: kl_divergence.register(p, q)(kl),
    lambda p, q: kl_divergence.dispatch(p, q) is not None,
    (Univariate,),
    (*HOST_FAMILIES, host.VonMises),
    by_quadrature,
)
