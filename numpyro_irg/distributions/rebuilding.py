"""What each distribution is made of, for `irg_kernels.adapter.parts`."""

from __future__ import annotations

import copy
from functools import singledispatch
from typing import Any

import jax.numpy as jnp
import numpyro.distributions as host

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

__all__ = ["parts_of"]


def parts_of(distribution: Any) -> Parts:
    """What it is made of; `expand` and `mask` are left out."""
    while isinstance(distribution, host.ExpandedDistribution | host.MaskedDistribution):
        distribution = distribution.base_dist
    return _parts(distribution)


def _is_real(value: Any) -> bool:
    return hasattr(value, "dtype") and jnp.issubdtype(value.dtype, jnp.floating)


@singledispatch
def _parts(d: Any) -> Parts:
    """One that is made of its parameters."""
    known = family_of(d)
    names = known[0].parameters if known else d.arg_constraints
    given = {name: getattr(d, name) for name in names}
    moving = {n: v for n, v in given.items() if _is_real(v)}
    fixed = {name: value for name, value in given.items() if name not in moving}
    axes = {name: 0 if known else getattr(d.arg_constraints[name], "event_dim", 0) for name in moving}
    return Parts(
        {name: (value, axes[name]) for name, value in moving.items()},
        {},
        lambda params, inside: type(d)(**params, **fixed, validate_args=False),
    )


@_parts.register(host.CategoricalLogits)
@_parts.register(host.CategoricalProbs)
def _categorical(d):
    (name,) = d.arg_constraints
    return Parts({name: (getattr(d, name), 1)}, {}, lambda params, inside: type(d)(**params, validate_args=False))


@_parts.register(host.MultivariateNormal)
def _multivariate_normal(d):
    def make(params, inside):
        return host.MultivariateNormal(**params, validate_args=False)

    return Parts({"loc": (d.loc, 1), "scale_tril": (d.scale_tril, 2)}, {}, make)


@_parts.register(host.Independent)
def _independent(d):
    count = d.reinterpreted_batch_ndims
    return Parts({}, {"base_dist": (d.base_dist, count)}, lambda p, inside: inside["base_dist"].to_event(count))


@_parts.register(host.TransformedDistribution)
def _transformed(d):
    affine = [
        (i, n) for i, t in enumerate(d.transforms) if isinstance(t, host.transforms.AffineTransform)
        for n in ("loc", "scale") if _is_real(getattr(t, n))
    ]  # fmt: skip
    params = {f"transforms.{i}.{n}": (getattr(d.transforms[i], n), d.transforms[i].domain.event_dim) for i, n in affine}

    def make(params, inside):
        transforms = [copy.copy(t) for t in d.transforms]
        for i, n in affine:
            setattr(transforms[i], n, params[f"transforms.{i}.{n}"])
        return host.TransformedDistribution(inside["base_dist"], transforms, validate_args=False)

    return Parts(params, {"base_dist": (d.base_dist, 0)}, make)


@_parts.register(LKJ)
@_parts.register(LKJCholesky)
def _lkj(d):
    def make(params, inside):
        return type(d)(d.dimension, sample_method=d.sample_method, **params, validate_args=False)

    return Parts({"concentration": (d.concentration, 0)}, {}, make)


@_parts.register(Factor)
@_parts.register(InverseWishart)
@_parts.register(Wishart)
def _wishart(d):
    params = {"concentration": (d.concentration, 0), "scale_tril": (d.scale_tril, 2)}
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
        "mixing_distribution": (d.mixing_distribution, 0),
        "component_distribution": (d.component_distribution, 1),
    }
    return Parts({}, inside, lambda params, inside: MixtureSameFamily(**inside, validate_args=False))


@_parts.register(MixtureGeneral)
def _general_mixture(d):
    inside = {f"component_distributions.{i}": (c, 0) for i, c in enumerate(d.component_distributions)}

    def make(params, inside):
        mixing = inside.pop("mixing_distribution")
        return MixtureGeneral(mixing, list(inside.values()), support=d._support, validate_args=False)

    return Parts({}, {"mixing_distribution": (d.mixing_distribution, 0), **inside}, make)


@_parts.register(GaussianCopula)
def _copula(d):
    return Parts(
        {"correlation_cholesky": (d.base_dist.scale_tril, 2)},
        {"marginal_dist": (d.marginal_dist, 1)},
        lambda params, inside: GaussianCopula(**params, **inside, validate_args=False),
    )


@_parts.register(GaussianCopulaBeta)
def _copula_of_betas(d):
    params = {name: (getattr(d, name), 1) for name in ("concentration1", "concentration0")}
    params["correlation_cholesky"] = (d.base_dist.scale_tril, 2)
    return Parts(params, {}, lambda params, inside: GaussianCopulaBeta(**params, validate_args=False))


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
    moving = {name: (p, 0) for name, p in d.params.items() if _is_real(p)}
    fixed = {name: p for name, p in d.params.items() if name not in moving}

    def make(params, inside):
        return ConditionalChain(d.conditionals, validate_args=False, **params, **fixed)

    return Parts(moving, {}, make)
