"""KL divergences, registered with torch for this package's classes, also against the host's.

Each is a sum of terms that are never negative (`irg_kernels`), accurate where the two distributions are close as where
a parameter is extreme; the textbook's formulas of the host lose all their digits there.  Two StudentT take a rule
of fixed nodes, as exact.  `kl_divergence` integrates that of every other pair of univariate distributions over the
quantiles of p (`irg_kernels.generic.divergence`); it is not registered, since `TraceMeanField_ELBO` would take it for
every datum's latent, at a thousand times the cost of a draw.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributions as host
from pyro.distributions import InverseGamma as HostInverseGamma
from pyro.distributions.torch_distribution import ExpandedDistribution
from pyro.distributions.util import sum_rightmost
from torch import Tensor
from torch.distributions.kl import register_kl

from irg_kernels.adapter.host_families import register_divergences
from irg_kernels.generic import divergence
from irg_kernels.generic.family import Family

from .. import by_numpy
from ..attach import NATIVE, attach
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
    "InverseGamma": (HostInverseGamma, InverseGamma),
    "LogGamma": (LogGamma,),
    "StudentT": (host.StudentT, StudentT),
    "Uniform": (host.Uniform,),
    "VonMises": (host.VonMises, VonMises),
}
"""A name in `Family.divergences` -> the classes that it stands for."""


def kl_divergence(p: Any, q: Any) -> Tensor:
    r"""Kullback and Leibler's divergence :math:`\int p(x) \log(p(x) / q(x)) dx`.

    It is torch's, or what is registered with it, where there is one.  Else, of two univariate distributions, it is
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
        return host.kl_divergence(p, q)
    except NotImplementedError:
        first, second = (d.base_dist if isinstance(d, ExpandedDistribution) else d for d in (p, q))
        known, other = family_of(first), family_of(second)
        if known is None or other is None or divergence.is_circular(known[0]):
            raise
    return _by_quadrature(*known, *other).expand(torch.broadcast_shapes(p.batch_shape, q.batch_shape))


def _by_quadrature(family: Family, params: tuple[Tensor, ...], of_q: Family, others: tuple[Tensor, ...]) -> Tensor:
    given = together(*params, *others)
    wide = given if given[0].device.type == "mps" else tuple(v.double() for v in given)
    params, others = wide[: len(params)], wide[len(params) :]
    at = _points(family, of_q, params, others)
    x = at.x
    params, others = (tuple(v.expand(x.shape) for v in of) for of in (params, others))
    fixed = not divergence.moves(family)
    if not fixed:
        x = attach(family.slopes, x, *params)
    found = divergence.divergence(NATIVE, at, log_density(family, x, *params), log_density(of_q, x, *others), fixed).to(
        given[0].dtype
    )
    has_kink = family.kink is not None or of_q.kink is not None
    return attach((divergence.once,), found, found) if has_kink else found


def _points(
    family: Any, of_q: Any, params: tuple[Tensor, ...], others: tuple[Tensor, ...]
) -> divergence.Points[Tensor]:
    params, others = (tuple(v.detach() for v in of) for of in (params, others))
    if not by_numpy.serves((), (*params, *others)):
        return divergence.points(NATIVE, family, of_q, params, others)
    return by_numpy.several(divergence.points, family, of_q, params, others)


register_divergences(lambda p, q, kl: register_kl(p, q)(kl), CLASSES, "torch", closed_form)
