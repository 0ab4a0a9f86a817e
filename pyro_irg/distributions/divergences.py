"""KL divergences, registered with torch for this package's classes, also against the host's.

Each is a sum of terms that are never negative (`irg_kernels`), accurate where the two distributions are close as where
a parameter is extreme; the textbook's formulas of the host lose all their digits there.  Two StudentT take a rule
of fixed nodes, as exact.  Every other pair of univariate classes, with one of ours in it, is integrated over the
quantiles of p (`irg_kernels.generic.divergence`).
"""

from __future__ import annotations

from typing import Any

import torch.distributions as host
from pyro.distributions import InverseGamma as HostInverseGamma
from torch import Tensor
from torch.distributions.kl import _dispatch_kl, _kl_expfamily_expfamily, register_kl

from irg_kernels.adapter.host_families import register_divergences, register_quadrature
from irg_kernels.adapter.messages import no_divergence
from irg_kernels.generic import divergence

from .. import by_numpy
from ..attach import NATIVE, attach
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
    "InverseGamma": (HostInverseGamma, InverseGamma),
    "LogGamma": (LogGamma,),
    "StudentT": (host.StudentT, StudentT),
    "Uniform": (host.Uniform,),
    "VonMises": (host.VonMises, VonMises),
}
"""A name in `Family.divergences` -> the classes that it stands for."""


def by_quadrature(p: Any, q: Any) -> Tensor:
    """KL(p || q) of two univariate distributions of known families, of which one is ours."""
    known, other = family_of(p), family_of(q)
    ours = isinstance(p, UnivariateMixin) or isinstance(q, UnivariateMixin)
    if known is None or other is None or not ours or divergence.is_circular(known[0]):
        raise NotImplementedError(no_divergence(p, q))
    (family, params), (of_q, others) = known, other
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
register_quadrature(
    lambda p, q, kl: register_kl(p, q)(kl),
    lambda p, q: _dispatch_kl(p, q) not in (NotImplemented, _kl_expfamily_expfamily),
    (Univariate,),
    (*HOST_FAMILIES, host.ContinuousBernoulli, host.VonMises),
    by_quadrature,
)
