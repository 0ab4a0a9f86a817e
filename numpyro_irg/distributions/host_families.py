"""Families of the host's own classes, and the log-tails of any univariate distribution."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpyro.distributions as host
from jax import Array
from jax.nn import log_softmax
from jax.scipy.special import logsumexp
from numpyro.distributions.transforms import AbsTransform

from irg_kernels.adapter.host_families import HOST_FAMILIES as FAMILIES
from irg_kernels.adapter.univariate import Univariates
from irg_kernels.generic import censoring
from irg_kernels.generic.family import Family

from ..attach import NATIVE, call
from ..lean import leant
from .base import UnivariateMixin, support_of, together
from .base import log_density as log_density_of

HOST_FAMILIES: dict[type, Family] = {getattr(host, name): family for name, family in FAMILIES.items()}
"""The host's class -> its family."""


class _Univariates(Univariates[Array]):
    package, trusted = "numpyro_irg", ("numpyro", "numpyro_irg")
    xp, hosts, ours = NATIVE, HOST_FAMILIES, UnivariateMixin
    distribution, transformed = host.Distribution, host.TransformedDistribution
    folded, mixture = host.FoldedDistribution, host.MixtureSameFamily
    wrappers = (host.Independent, host.ExpandedDistribution, host.MaskedDistribution)
    folding = (AbsTransform,)
    support_of, together, call = staticmethod(support_of), staticmethod(together), staticmethod(call)
    density_of = staticmethod(log_density_of)
    parameter = staticmethod(jnp.asarray)

    def like(self, end: Any, x: Array) -> Array:
        return jnp.asarray(end, x.dtype)

    def components(self, distribution: Any) -> list[Any] | None:
        if isinstance(distribution, self.mixture):
            return [distribution.component_distribution]
        return distribution.component_distributions if isinstance(distribution, host.MixtureGeneral) else None

    def log_about_0(self, family: Family, *args: Array) -> Array:
        return _log_about_0(family, *args)

    def tails_of_mixture(self, distribution: Any, x: Array) -> tuple[Array, Array]:
        log_weights = log_softmax(distribution.mixing_distribution.logits, -1)
        if isinstance(distribution, host.MixtureSameFamily):
            each: Any = self.tails_anywhere(distribution.component_distribution, x[..., None])
        else:
            of_each = (self.tails_anywhere(component, x) for component in distribution.component_distributions)
            each = (jnp.stack(jnp.broadcast_arrays(*tails), -1) for tails in zip(*of_each, strict=True))
        lower, upper = (logsumexp(log_weights + tail, -1) for tail in each)
        return lower, upper


@partial(jax.jit, static_argnums=0)  # outside of `jit` its loops would be compiled anew at each call
def _log_about_0(family: Family, *args: Array) -> Array:
    return leant(partial(censoring.log_about_0, NATIVE, family), *args)


_univariates = _Univariates()
ends_of = _univariates.ends_of
family_of = _univariates.family_of
has_tails = _univariates.has_tails
inner_point = _univariates.inner_point
is_dense_at_ends = _univariates.is_dense_at_ends
is_map = _univariates.is_map
log_density = _univariates.log_density
log_tails = _univariates.log_tails
tails_and_density = _univariates.tails_and_density
tails_anywhere = _univariates.tails_anywhere
tails_of = _univariates.tails_of
unwrapped = _univariates.unwrapped


def component_log_prob(distribution: Any, x: Array) -> Array:
    """`log_prob` of a mixture's component, by the record where a host's class has one: far from it the host's overflows
    (Gumbel's from 88 scales on) and has NaN for derivatives."""
    base = distribution.base_dist if isinstance(distribution, host.ExpandedDistribution) else distribution
    own = isinstance(base, UnivariateMixin) and type(base).log_prob is not UnivariateMixin.log_prob
    if own or family_of(base) is None:
        return distribution.log_prob(x)
    found = log_density(base, x)
    return jnp.broadcast_to(found, jnp.broadcast_shapes(found.shape, distribution.batch_shape))


def first_guess(base: Any, low: Array | None, high: Array | None, q: Array) -> Array:
    """Where to look for the quantile q between bounds: by the base's own quantile, where it has one; else NaN.

    Far out a base's tails may be held at a least mass.
    """
    try:
        below = 0.0 if low is None else base.cdf(low)
        until = 1.0 if high is None else base.cdf(high)
        eps = float(jnp.finfo(q.dtype).eps)
        found = base.icdf(jnp.clip(below + q * (until - below), eps, 1.0 - eps))
        return jnp.broadcast_to(found, q.shape).astype(q.dtype)
    except (NotImplementedError, AttributeError):
        return jnp.full_like(q, jnp.nan)
