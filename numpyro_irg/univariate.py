"""What mixtures, truncation and copulas need of a univariate law, the host's or ours: its tails, and held draws."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import jax.numpy as jnp
import numpyro.distributions as host
from jax import Array, lax
from jax.nn import log_softmax
from jax.scipy.special import logsumexp

from irg_kernels.generic import fixed_quantile as univariate

from .attach import NATIVE
from .distributions.base import UnivariateMixin

__all__ = ["at_fixed_quantile", "has_tails", "log_tails", "unwrapped"]


def at_fixed_quantile(law: Any, x: Array) -> Array:
    """x, unchanged in value, that moves with the law's parameters so as to keep its quantile, to third order.

    :param law: a univariate law with a distribution function, perhaps inside `Independent`, `expand` or `mask`.
    :param x: inside the support, of a shape that broadcasts with the law's.
    """
    law = unwrapped(law)
    x = jnp.broadcast_to(x, jnp.broadcast_shapes(jnp.shape(x), law.batch_shape))
    return univariate.at_fixed_quantile(NATIVE, lambda x: log_tails(law, x), law.log_prob, x)


def unwrapped(law: Any) -> Any:
    """The elementwise law."""
    while isinstance(law, host.Independent | host.ExpandedDistribution | host.MaskedDistribution):
        law = law.base_dist
    return law


def has_tails(law: Any) -> bool:
    """Whether `log_tails` knows the law."""
    law = unwrapped(law)
    if law.event_shape:
        return False
    if isinstance(law, host.MixtureSameFamily):
        return has_tails(law.component_distribution)
    if isinstance(law, host.MixtureGeneral):
        return all(map(has_tails, law.component_distributions))
    if isinstance(law, host.TransformedDistribution) and type(law).cdf is _TRANSFORMED_CDF:
        return has_tails(law.base_dist)
    return type(law).cdf is not host.Distribution.cdf


_TRANSFORMED_CDF = host.TransformedDistribution.cdf


@singledispatch
def log_tails(law: Any, x: Array) -> tuple[Array, Array]:
    """(log P(X <= x), log P(X > x)) elementwise, differentiable in x and the law's parameters.

    :raises NotImplementedError: for a law without a distribution function.
    """
    try:
        lower = law.cdf(x)
    except NotImplementedError:
        raise NotImplementedError(
            f"{type(law).__name__} has no cdf; take a law from numpyro_irg.distributions, or give the class a cdf"
        ) from None
    return _log_mass(lower), _log_mass(1.0 - lower)


def _log_mass(mass: Array) -> Array:
    """log of a mass, lifted off 0 where it has underflowed, with its derivative: a maximum would make that 0."""
    fixed = lax.stop_gradient(mass)
    return jnp.log(jnp.maximum(fixed, jnp.finfo(mass.dtype).tiny) + (mass - fixed))


@log_tails.register
def _ours(law: UnivariateMixin, x: Array) -> tuple[Array, Array]:
    return law.log_cdf(x), law.log_sf(x)


@log_tails.register(host.Independent)
@log_tails.register(host.ExpandedDistribution)
@log_tails.register(host.MaskedDistribution)
def _elementwise(law, x):
    return log_tails(unwrapped(law), x)


@log_tails.register(host.TransformedDistribution)
def _transformed(law, x):
    lower_first: Any = True
    for transform in reversed(law.transforms):
        lower_first = lower_first == (transform.sign > 0)  # an array if the scale is
        x = transform._inverse(x)
    lower, upper = log_tails(unwrapped(law.base_dist), x)
    if isinstance(lower_first, bool):
        return (lower, upper) if lower_first else (upper, lower)
    return jnp.where(lower_first, lower, upper), jnp.where(lower_first, upper, lower)


@log_tails.register(host.Normal)
def _normal(law, x):
    return univariate.normal(NATIVE, (x - law.loc) / law.scale)


@log_tails.register(host.HalfNormal)
def _half_normal(law, x):
    return univariate.half_normal(NATIVE, x / law.scale)


@log_tails.register(host.Laplace)
def _laplace(law, x):
    return univariate.laplace(NATIVE, (x - law.loc) / law.scale)


@log_tails.register(host.Cauchy)
def _cauchy(law, x):
    return univariate.cauchy(NATIVE, (x - law.loc) / law.scale)


@log_tails.register(host.HalfCauchy)
def _half_cauchy(law, x):
    return univariate.half_cauchy(NATIVE, x / law.scale)


@log_tails.register(host.Exponential)
def _exponential(law, x):
    return univariate.exponential(NATIVE, x * law.rate)


@log_tails.register(host.Logistic)
def _logistic(law, x):
    return univariate.logistic(NATIVE, (x - law.loc) / law.scale)


@log_tails.register(host.Gumbel)
def _gumbel(law, x):
    return univariate.gumbel(NATIVE, (x - law.loc) / law.scale)


@log_tails.register(host.Weibull)
def _weibull(law, x):
    return univariate.exponential(NATIVE, jnp.exp((jnp.log(x) - jnp.log(law.scale)) * law.concentration))


@log_tails.register(host.Uniform)
def _uniform(law, x):
    return univariate.uniform(NATIVE, x, law.low, law.high)


@log_tails.register(host.MixtureSameFamily)
def _mixture(law, x):
    log_weights = log_softmax(law.mixing_distribution.logits, -1)
    each = log_tails(law.component_distribution, x[..., None])
    lower, upper = (logsumexp(log_weights + tail, -1) for tail in each)
    return lower, upper


@log_tails.register(host.MixtureGeneral)
def _general_mixture(law, x):
    log_weights = log_softmax(law.mixing_distribution.logits, -1)
    each = zip(*(log_tails(component, x) for component in law.component_distributions), strict=True)
    lower, upper = (logsumexp(log_weights + jnp.stack(jnp.broadcast_arrays(*tails), -1), -1) for tails in each)
    return lower, upper
