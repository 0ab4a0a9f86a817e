"""KL divergences, registered with NumPyro for this package's classes, also against the host's.

Each is a sum of terms that are never negative (`irg_kernels`), accurate where the two distributions are close as where
a parameter is extreme; the textbook's formulas of the host lose all their digits there.  Two StudentT take a rule
of fixed nodes, as exact.  `kl_divergence` integrates that of every other pair of univariate distributions over the
quantiles of p (`irg_kernels.generic.divergence`); it is not registered, since `TraceMeanField_ELBO` would take it for
every datum's latent, at a thousand times the cost of a draw.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpyro.distributions as host
from jax import Array, lax
from numpyro.distributions.util import sum_rightmost

from irg_kernels.adapter.host_families import register_divergences
from irg_kernels.generic import divergence

from ..attach import NATIVE, attach, once
from .base import closed_form, log_density, together
from .beta import Beta
from .chi2 import Chi2
from .dirichlet import Dirichlet
from .gamma import Gamma
from .host_families import family_of
from .inverse_gamma import InverseGamma
from .log_gamma import LogGamma
from .student_t import StudentT
from .von_mises import VonMises

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


def kl_divergence(p: Any, q: Any) -> Array:
    r"""Kullback and Leibler's divergence :math:`\int p(x) \log(p(x) / q(x)) dx`.

    It is NumPyro's, or what is registered with it, where there is one.  Else, of two univariate distributions, it is
    integrated over the quantiles of p (`irg_kernels.generic.divergence`), with gradients in the parameters of both;
    infinite where p has mass outside the support of q, or tails too heavy for q.

    :param p: a distribution.
    :param q: another, of a shape that broadcasts with that of p; `Independent` in as many axes.
    :returns: of the batch shape of both.
    :raises NotImplementedError: of which nothing is known, and of angles p.
    """
    if isinstance(p, host.Independent) and isinstance(q, host.Independent):
        if p.reinterpreted_batch_ndims == q.reinterpreted_batch_ndims:
            return sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)
    try:
        if isinstance(p, host.Kumaraswamy) and isinstance(q, host.Beta):
            raise NotImplementedError  # NumPyro's is the beginning of a series, off by 2e-5 in value, 3e-4 in gradient
        return host.kl_divergence(p, q)
    except NotImplementedError:
        first, second = (d.base_dist if isinstance(d, host.ExpandedDistribution) else d for d in (p, q))
        known, other = family_of(first), family_of(second)
        if known is None or other is None or divergence.is_circular(known[0]):
            raise
    return jnp.broadcast_to(_by_quadrature(first, second), jnp.broadcast_shapes(p.batch_shape, q.batch_shape))


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


register_divergences(lambda p, q, kl: host.kl_divergence.register(p, q)(kl), CLASSES, "numpyro", closed_form)
