"""`from_uniform`: draws as smooth functions of uniform numbers and of every parameter."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import jax.numpy as jnp
import numpyro.distributions as host
from jax import Array, lax

from irg_kernels.adapter import messages
from irg_kernels.families import normal
from irg_kernels.generic import fixed_quantile, truncation

from ..attach import NATIVE, once
from ..registry import implicit_twin
from .base import quantile, together, uniforms
from .host_families import ends_of, family_of, has_tails, is_map, tails_and_density, unwrapped


def from_uniform(distribution: Any, u: Any) -> Array:
    r"""The draw that uniform numbers make: :math:`x = F^{-1}(u; \theta)`, at fixed u a smooth function of theta.

    Of a vector each coordinate is a quantile given those before it, :math:`x_i = F_i^{-1}(u_i | x_1, \dots, x_{i-1})`
    (Rosenblatt 1952).  Derivatives in u and in every parameter are the implicit ones, to second order.  The same u make
    common random numbers, u and 1 - u antithetic ones, and points of low discrepancy quasi-Monte Carlo.

    :param distribution: a univariate distribution with a distribution function, a mixture of such, `Independent` ones
        of these, one transformed, `ConditionalChain`, `GaussianCopula`, `Dirichlet`, `MultivariateNormal`, and mixtures
        whose draws are reparameterized.
    :param u: numbers in [0, 1] in the shape of the draw, or one that broadcasts with it; 0 and 1 are taken for the
        numbers next to them.  The last coordinate of a `Dirichlet` reads none.
    :raises TypeError: for what is no distribution.
    :raises ValueError: for u that is not real, outside [0, 1], or of a shape that does not broadcast.
    :raises NotImplementedError: for a distribution that is not made of univariate quantiles.

    >>> import jax
    >>> from numpyro.distributions import Gamma
    >>> u = jax.random.uniform(jax.random.key(0), (1000,))
    >>> slope = jax.grad(lambda a: from_uniform(Gamma(a, 1.0), u).mean())(2.0)
    """
    messages.check_distribution("from_uniform", "distribution", distribution, host.Distribution)
    u = uniforms(distribution, u)
    base = unwrapped(distribution)
    base = implicit_twin(base) or base
    return base.from_uniform(u) if hasattr(base, "from_uniform") else _drawn(base, u)


def quantile_at(distribution: Any, q: Array) -> Array:
    """The x with F(x) = q: the draw that q makes, save of an angle, which counts from elsewhere, and where x falls."""
    base = unwrapped(distribution)
    return own_quantile(implicit_twin(base) or base, q)


@singledispatch
def own_quantile(base: Any, q: Array) -> Array:
    """`quantile_at`, of each class."""
    return from_uniform(base, q)


@own_quantile.register(host.TransformedDistribution)
def _of_transformed(base: Any, q: Array) -> Array:
    if family_of(base) is not None:
        return from_uniform(base, q)
    if not is_map(base):
        return _drawn.dispatch(object)(base, q)
    rises: Any = True
    for transform in base.transforms:
        rises = rises == (transform.sign > 0)
    x = quantile_at(base.base_dist, jnp.where(rises, q, 1.0 - q))
    for transform in base.transforms:
        x = transform(x)
    return x


@singledispatch
def _drawn(base: Any, u: Array) -> Array:
    known = family_of(base)
    if known is not None and known[0].quantile is not None:
        q, *params = together(u, *known[1])
        return quantile(known[0], q, 1.0 - q, *params)
    if base.event_shape or base.is_discrete or not has_tails(base):
        raise NotImplementedError(messages.no_quantile(base, is_discrete=base.is_discrete))
    return by_tails(base, u)


def by_tails(base: Any, u: Array) -> Array:
    """The quantile of a univariate distribution with log-tails."""
    still, q = lax.stop_gradient((base, u))
    far = 0.25 * float(jnp.finfo(u.dtype).max)
    low, high = (jnp.broadcast_to(jnp.clip(jnp.asarray(e, u.dtype), -far, far), u.shape) for e in ends_of(still))
    low, high = jnp.nextafter(low, high), jnp.nextafter(high, low)  # at an end a tail is 0, which has no logarithm
    x = _quantile_by_tails(still, q, low, high)
    masses = jnp.log(u), jnp.log1p(-u)
    return fixed_quantile.at_fixed_quantile(NATIVE, *tails_and_density(base), x, masses)


@once
def _quantile_by_tails(still: Any, q: Array, low: Array, high: Array) -> Array:
    return truncation.quantile_by_tails(NATIVE, *tails_and_density(still), q, low, high)


@_drawn.register(host.TransformedDistribution)
def _transformed(base, u):
    if family_of(base) is not None:
        return _drawn.dispatch(object)(base, u)
    x = from_uniform(base.base_dist, u)
    for transform in base.transforms:
        x = transform(x)
    return x


@_drawn.register(host.MultivariateNormal)
def _multivariate_normal(base, u):
    return base.loc + (base.scale_tril @ _noise(u)[..., None])[..., 0]


@_drawn.register(host.LowRankMultivariateNormal)
def _low_rank(base, u):
    return base.loc + (jnp.linalg.cholesky(base.covariance_matrix) @ _noise(u)[..., None])[..., 0]


def _noise(u: Array) -> Array:
    zero = jnp.zeros_like(u)
    return quantile(normal.FAMILY, u, 1.0 - u, zero, zero + 1.0)


@_drawn.register(host.Delta)
def _delta(base, u):
    return jnp.broadcast_to(base.v, u.shape)
