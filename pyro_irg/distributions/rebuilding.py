"""What each distribution is made of, for `irg_kernels.adapter.parts`."""

from __future__ import annotations

import copy
from functools import singledispatch
from typing import Any

import pyro.distributions as host
import torch
from pyro.distributions.torch_distribution import ExpandedDistribution, MaskedDistribution
from torch import Tensor

from irg_kernels.adapter.parts import Parts

from .conditional_chain import ConditionalChain
from .gaussian_copula import GaussianCopula, GaussianCopulaBeta
from .host_families import family_of, unwrapped
from .implicit_density import Implicit, ImplicitDensity
from .inverse_wishart import InverseWishart
from .lkj_cholesky import LKJ, LKJCholesky
from .mixture import MixtureSameFamily
from .mixture_of_diag_normals import MixtureOfDiagNormals, MixtureOfDiagNormalsSharedCovariance
from .sine_skewed import SineSkewed
from .truncated import Truncated
from .von_mises import VonMises
from .wishart import Factor, Wishart

__all__ = ["parts_of"]


def parts_of(distribution: Any) -> Parts:
    """What it is made of; `expand` and `mask` are left out."""
    while isinstance(distribution, ExpandedDistribution | MaskedDistribution):
        distribution = distribution.base_dist
    return _parts(distribution)


@singledispatch
def _parts(d: Any) -> Parts:
    """One that is made of its parameters."""
    known = family_of(d)
    names = known[0].parameters if known else d.arg_constraints
    given = {name: getattr(d, name) for name in names}
    moving = {n: v for n, v in given.items() if isinstance(v, Tensor) and v.is_floating_point()}
    fixed = {name: value for name, value in given.items() if name not in moving}
    axes = {name: 0 if known else getattr(d.arg_constraints[name], "event_dim", 0) for name in moving}
    return Parts(
        {name: (value, axes[name]) for name, value in moving.items()},
        {},
        lambda params, inside: type(d)(**params, **fixed, validate_args=False),
    )


@_parts.register(torch.distributions.Categorical)
def _categorical(d):
    name = "logits" if vars(d).get("logits") is d._param else "probs"  # either may be there as a cached property
    return Parts({name: (getattr(d, name), 1)}, {}, lambda p, inside: host.Categorical(**p, validate_args=False))


@_parts.register(torch.distributions.MultivariateNormal)
def _multivariate_normal(d):
    def make(params, inside):
        return host.MultivariateNormal(**params, validate_args=False)

    return Parts({"loc": (d.loc, 1), "scale_tril": (d.scale_tril, 2)}, {}, make)


@_parts.register(torch.distributions.Independent)
def _independent(d):
    count = d.reinterpreted_batch_ndims
    return Parts({}, {"base_dist": (d.base_dist, count)}, lambda p, inside: inside["base_dist"].to_event(count))


@_parts.register(torch.distributions.TransformedDistribution)
def _transformed(d):
    affine = [
        (i, n) for i, t in enumerate(d.transforms) if isinstance(t, host.transforms.AffineTransform)
        for n in ("loc", "scale") if isinstance(getattr(t, n), Tensor)
    ]  # fmt: skip
    params = {f"transforms.{i}.{n}": (getattr(d.transforms[i], n), d.transforms[i].event_dim) for i, n in affine}

    def make(params, inside):
        transforms = [copy.copy(t) for t in d.transforms]
        for i, n in affine:
            setattr(transforms[i], n, params[f"transforms.{i}.{n}"])
        return host.TransformedDistribution(inside["base_dist"], transforms, validate_args=False)

    return Parts(params, {"base_dist": (d.base_dist, 0)}, make)


@_parts.register(LKJ)
@_parts.register(LKJCholesky)
def _lkj(d):
    return Parts(
        {"concentration": (d.concentration, 0)}, {}, lambda p, inside: type(d)(d.dim, **p, validate_args=False)
    )


@_parts.register(Factor)
@_parts.register(InverseWishart)
@_parts.register(Wishart)
def _wishart(d):
    name = "df" if isinstance(d, Wishart) else "concentration"
    params = {name: (getattr(d, name), 0), "scale_tril": (d.scale_tril, 2)}
    return Parts(params, {}, lambda params, inside: type(d)(**params, validate_args=False))


@_parts.register(SineSkewed)
def _sine_skewed(d):
    moving = isinstance(unwrapped(d.base_dist), VonMises)

    def make(params, inside):
        return SineSkewed(inside.get("base_dist", d.base_dist), **params, validate_args=False)

    return Parts({"skewness": (d.skewness, 1)}, {"base_dist": (d.base_dist, 0)} if moving else {}, make)


@_parts.register(Truncated)
def _truncated(d):
    bounds = {name: (b, 0) for name, b in (("low", d.low), ("high", d.high)) if b is not None}
    return Parts(
        bounds,
        {"base_dist": (d.base_dist, 0)},
        lambda params, inside: Truncated(inside["base_dist"], **params, validate_args=False),
    )


@_parts.register(MixtureSameFamily)
def _mixture(d):
    inside = {
        "mixture_distribution": (d.mixture_distribution, 0),
        "component_distribution": (d.component_distribution, 1),
    }
    return Parts({}, inside, lambda params, inside: MixtureSameFamily(**inside, validate_args=False))


@_parts.register(MixtureOfDiagNormals)
@_parts.register(MixtureOfDiagNormalsSharedCovariance)
def _diag_normals(d):
    axes = {"locs": 2, "coord_scale": d._scale_axes, "component_logits": 1}
    params = {name: (getattr(d, name), count) for name, count in axes.items()}
    return Parts(params, {}, lambda params, inside: type(d)(**params, validate_args=False))


@_parts.register(GaussianCopula)
def _copula(d):
    correlation = {"correlation_cholesky": (d.correlation_cholesky, 2)}
    if isinstance(d, GaussianCopulaBeta):
        shapes = {name: (getattr(d.marginal_dist, name), 1) for name in ("concentration1", "concentration0")}
        return Parts(shapes | correlation, {}, lambda p, inside: GaussianCopulaBeta(**p, validate_args=False))
    marginal = {"marginal_dist": (d.marginal_dist, 1)}
    return Parts(correlation, marginal, lambda p, inside: GaussianCopula(**p, **inside, validate_args=False))


@_parts.register(Implicit)
def _implicit(d):
    return Parts(
        {}, {"base_dist": (d.base_dist, 0)}, lambda p, inside: Implicit(inside["base_dist"], validate_args=False)
    )


@_parts.register(ImplicitDensity)
def _density(d):
    def make(params, inside):
        return ImplicitDensity(d._log_density, d._constraint, d._sampler, validate_args=False, **params)

    return Parts({name: (p, 0) for name, p in d.params.items()}, {}, make)


@_parts.register(ConditionalChain)
def _chain(d):
    given = {f"conditionals.{i}": c for i, c in enumerate(d.conditionals)}
    fixed = {n: p for n, p in d.params.items() if not isinstance(p, Tensor)}

    def make(params, inside):
        return ConditionalChain([inside.get(n, c) for n, c in given.items()], validate_args=False, **params, **fixed)

    moving = {n: (p, 0) for n, p in d.params.items() if n not in fixed}
    return Parts(moving, {n: (c, 0) for n, c in given.items() if isinstance(c, torch.distributions.Distribution)}, make)
