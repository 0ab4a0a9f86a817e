"""What each distribution is made of, for `irg_kernels.adapter.parts`."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import pyro.distributions as host
import torch
from pyro.distributions.torch_distribution import ExpandedDistribution, MaskedDistribution
from torch import Tensor

from irg_kernels.adapter import rebuilding as made_of
from irg_kernels.adapter.parts import Parts

from .conditional_chain import ConditionalChain
from .gaussian_copula import GaussianCopula, GaussianCopulaBeta
from .host_families import family_of, unwrapped
from .implicit_density import Implicit, ImplicitDensity
from .inverse_wishart import InverseWishart
from .lkj_cholesky import LKJ, LKJCholesky
from .mixture import MixtureSameFamily
from .mixture_of_diag_normals import GaussianScaleMixture, MixtureOfDiagNormals, MixtureOfDiagNormalsSharedCovariance
from .sine_skewed import SineSkewed
from .truncated import Truncated
from .von_mises import VonMises
from .wishart import Factor, Wishart


def parts_of(distribution: Any) -> Parts:
    """What it is made of; `expand` and `mask` are left out."""
    while isinstance(distribution, ExpandedDistribution | MaskedDistribution):
        distribution = distribution.base_dist
    known = family_of(distribution)
    if known is not None:  # which may be a host's transformed distribution, with parameters of its own
        return made_of.of_parameters(distribution, known, _is_real)
    return _parts(distribution)


def _is_real(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


@singledispatch
def _parts(d: Any) -> Parts:
    return made_of.of_parameters(d, None, _is_real)


@_parts.register(torch.distributions.Categorical)
def _categorical(d):
    name = "logits" if vars(d).get("logits") is d._param else "probs"  # either may be there as a cached property
    return Parts({name: (getattr(d, name), 1)}, {}, lambda p, inside: host.Categorical(**p, validate_args=False))


@_parts.register(LKJ)
@_parts.register(LKJCholesky)
def _lkj(d):
    return Parts(
        {"concentration": (d.concentration, 0)}, {}, lambda p, inside: type(d)(d.dim, **p, validate_args=False)
    )


@_parts.register(GaussianScaleMixture)
@_parts.register(MixtureOfDiagNormals)
@_parts.register(MixtureOfDiagNormalsSharedCovariance)
def _diag_normals(d):
    params = {name: (getattr(d, name), count) for name, count in d._axes.items()}
    return Parts(params, {}, lambda params, inside: type(d)(**params, validate_args=False))


def _correlation(d: Any) -> Tensor:
    return d.correlation_cholesky


_AFFINE = host.transforms.AffineTransform
for _kind, _of in {
    torch.distributions.MultivariateNormal: made_of.multivariate_normal(host.MultivariateNormal),
    torch.distributions.Independent: made_of.independent,
    torch.distributions.TransformedDistribution: made_of.transformed(
        host.TransformedDistribution, _AFFINE, lambda transform: transform.event_dim, _is_real
    ),
    host.FoldedDistribution: made_of.folded(host.FoldedDistribution),
    Factor: made_of.wishart("concentration"),
    InverseWishart: made_of.wishart("concentration"),
    Wishart: made_of.wishart("df"),
    SineSkewed: made_of.sine_skewed(SineSkewed, lambda d: isinstance(unwrapped(d.base_dist), VonMises)),
    Truncated: made_of.truncated(Truncated),
    MixtureSameFamily: made_of.mixture(MixtureSameFamily, "mixture_distribution"),
    GaussianCopula: made_of.copula(GaussianCopula, _correlation),
    GaussianCopulaBeta: made_of.copula_of_betas(GaussianCopulaBeta, _correlation),
    Implicit: made_of.implicit(Implicit),
    ImplicitDensity: made_of.density(ImplicitDensity),
    ConditionalChain: made_of.chain(ConditionalChain, _is_real, torch.distributions.Distribution),
}.items():
    _parts.register(_kind, _of)
