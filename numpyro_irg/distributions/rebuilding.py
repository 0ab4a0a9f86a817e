"""What each distribution is made of, for `irg_kernels.adapter.parts`."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import jax.numpy as jnp
import numpyro.distributions as host
from jax import Array

from irg_kernels.adapter import rebuilding as made_of
from irg_kernels.adapter.parts import Parts

from .conditional_chain import ConditionalChain
from .gaussian_copula import GaussianCopula, GaussianCopulaBeta
from .host_families import family_of, unwrapped
from .implicit_density import Implicit, ImplicitDensity
from .inverse_wishart import InverseWishart
from .lkj_cholesky import LKJ, LKJCholesky
from .mixture import MixtureGeneral, MixtureSameFamily
from .sine_skewed import SineSkewed
from .truncated import Truncated
from .von_mises import VonMises
from .wishart import Factor, Wishart


def parts_of(distribution: Any) -> Parts:
    """What it is made of; `expand` and `mask` are left out."""
    while isinstance(distribution, host.ExpandedDistribution | host.MaskedDistribution):
        distribution = distribution.base_dist
    known = family_of(distribution)
    if known is not None:  # which may be a host's transformed distribution, with parameters of its own
        return made_of.of_parameters(distribution, known, _is_real)
    return _parts(distribution)


def _is_real(value: Any) -> bool:
    return hasattr(value, "dtype") and jnp.issubdtype(value.dtype, jnp.floating)


@singledispatch
def _parts(d: Any) -> Parts:
    return made_of.of_parameters(d, None, _is_real)


@_parts.register(host.CategoricalLogits)
@_parts.register(host.CategoricalProbs)
def _categorical(d):
    (name,) = d.arg_constraints
    return Parts({name: (getattr(d, name), 1)}, {}, lambda params, inside: type(d)(**params, validate_args=False))


@_parts.register(LKJ)
@_parts.register(LKJCholesky)
def _lkj(d):
    def make(params, inside):
        return type(d)(d.dimension, sample_method=d.sample_method, **params, validate_args=False)

    return Parts({"concentration": (d.concentration, 0)}, {}, make)


@_parts.register(MixtureGeneral)
def _general_mixture(d):
    inside = {f"component_distributions.{i}": (c, 0) for i, c in enumerate(d.component_distributions)}

    def make(params, inside):
        mixing = inside.pop("mixing_distribution")
        return MixtureGeneral(mixing, list(inside.values()), support=d._support, validate_args=False)

    return Parts({}, {"mixing_distribution": (d.mixing_distribution, 0), **inside}, make)


def _correlation(d: Any) -> Array:
    return d.base_dist.scale_tril


_AFFINE = host.transforms.AffineTransform
for _kind, _of in {
    host.MultivariateNormal: made_of.multivariate_normal(host.MultivariateNormal),
    host.Independent: made_of.independent,
    host.TransformedDistribution: made_of.transformed(
        host.TransformedDistribution, _AFFINE, lambda transform: transform.domain.event_dim, _is_real
    ),
    host.FoldedDistribution: made_of.folded(host.FoldedDistribution),
    Factor: made_of.wishart("concentration"),
    InverseWishart: made_of.wishart("concentration"),
    Wishart: made_of.wishart("concentration"),
    SineSkewed: made_of.sine_skewed(SineSkewed, lambda d: isinstance(unwrapped(d.base_dist), VonMises)),
    Truncated: made_of.truncated(Truncated),
    MixtureSameFamily: made_of.mixture(MixtureSameFamily, "mixing_distribution"),
    GaussianCopula: made_of.copula(GaussianCopula, _correlation),
    GaussianCopulaBeta: made_of.copula_of_betas(GaussianCopulaBeta, _correlation),
    Implicit: made_of.implicit(Implicit),
    ImplicitDensity: made_of.density(ImplicitDensity),
    ConditionalChain: made_of.chain(ConditionalChain, _is_real, host.Distribution),
}.items():
    _parts.register(_kind, _of)
