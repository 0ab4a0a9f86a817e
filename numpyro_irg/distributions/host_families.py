"""Families of the host's own classes, and the log-tails of any univariate distribution."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, singledispatch
from typing import Any

import jax.numpy as jnp
import numpyro.distributions as host
from jax import Array, lax
from jax.nn import log_softmax
from jax.scipy.special import logsumexp
from numpyro.distributions.transforms import AbsTransform

from irg_kernels.adapter import messages
from irg_kernels.adapter.host_families import HOST_FAMILIES as FAMILIES
from irg_kernels.adapter.host_families import family_of_class
from irg_kernels.generic import censoring
from irg_kernels.generic.family import Family, log_cdf_of, log_sf_of

from ..attach import NATIVE, call
from .base import UnivariateMixin, support_of, together
from .base import log_density as log_density_of

__all__ = [
    "HOST_FAMILIES",
    "component_log_prob",
    "ends_of",
    "family_of",
    "first_guess",
    "has_tails",
    "inner_point",
    "is_dense_at_ends",
    "is_map",
    "log_density",
    "log_tails",
    "tails_and_density",
    "tails_anywhere",
    "tails_of",
    "unwrapped",
]

HOST_FAMILIES: dict[type, Family] = {getattr(host, name): family for name, family in FAMILIES.items()}
"""The host's class -> its family."""


def family_of(distribution: Any) -> tuple[Family, tuple[Array, ...]] | None:
    """The family of an elementwise distribution and its parameters; None where no record is known."""
    family = _family_of_class(type(distribution))  # type: ignore[arg-type]
    if family is None:
        return None
    if isinstance(distribution, UnivariateMixin):
        return family, distribution._family_parameters()
    return family, tuple(jnp.asarray(getattr(distribution, name)) for name in family.parameters)


@cache
def _family_of_class(kind: type) -> Family | None:
    return family_of_class(kind, HOST_FAMILIES, ("numpyro", "numpyro_irg"))


def ends_of(base: Any) -> tuple[Any, Any]:
    """The ends of the support, numbers or, where they depend on parameters, arrays without derivative."""
    known = family_of(base)
    if known is not None:
        least, most = support_of(known[0], *known[1])
    else:
        least, most = (getattr(base.support, name, None) for name in ("lower_bound", "upper_bound"))
        least, most = -jnp.inf if least is None else least, jnp.inf if most is None else most
    return _end(least), _end(most)


def _end(e: Any) -> Any:
    return float(e) if isinstance(e, int | float) else lax.stop_gradient(e)


def inner_point(least: Array, most: Array) -> Array:
    """A point between two ends, of which any may be infinite."""
    no_least, no_most = jnp.isinf(least), jnp.isinf(most)
    low, high = jnp.where(no_least, 0.0, least), jnp.where(no_most, 0.0, most)  # their sum is a number everywhere
    middle = jnp.where(no_least | no_most, low + high, 0.5 * low + 0.5 * high)
    return middle + jnp.where(no_least == no_most, 0.0, jnp.where(no_least, -1.0, 1.0)).astype(middle.dtype)


def tails_anywhere(distribution: Any, x: Array) -> tuple[Array, Array]:
    """`log_tails`, which beyond the support are 0 and -inf, without derivative."""
    distribution = unwrapped(distribution)
    least, most = (jnp.asarray(e, x.dtype) for e in ends_of(distribution))
    below, above = (x < least, x > most) if distribution.is_discrete else (x <= least, x >= most)
    lower, upper = log_tails(distribution, jnp.where(below | above, inner_point(least, most), x))
    return (
        jnp.where(below, -jnp.inf, jnp.where(above, 0.0, lower)),
        jnp.where(above, -jnp.inf, jnp.where(below, 0.0, upper)),
    )


def unwrapped(distribution: Any) -> Any:
    """The elementwise distribution."""
    while isinstance(distribution, host.Independent | host.ExpandedDistribution | host.MaskedDistribution):
        distribution = distribution.base_dist
    return distribution


def has_tails(distribution: Any) -> bool:
    """Whether `log_tails` knows the distribution."""
    distribution = unwrapped(distribution)
    if distribution.event_shape:
        return False
    if family_of(distribution) is not None:
        return True
    if isinstance(distribution, host.MixtureSameFamily):
        return has_tails(distribution.component_distribution)
    if isinstance(distribution, host.MixtureGeneral):
        return all(map(has_tails, distribution.component_distributions))
    if _is_transformed(distribution) or isinstance(distribution, host.FoldedDistribution):
        return has_tails(distribution.base_dist)
    return type(distribution).cdf not in (host.Distribution.cdf, _TRANSFORMED_CDF)


_TRANSFORMED_CDF = host.TransformedDistribution.cdf


def is_map(distribution: Any) -> bool:
    """Whether a value tells that of the base, of which it is a function."""
    is_transformed = isinstance(distribution, host.TransformedDistribution)
    return is_transformed and not any(map(_folds, distribution.transforms))


def _folds(transform: Any) -> bool:
    """Whether several values become one, of which the inverse gives another than was drawn."""
    return isinstance(transform, AbsTransform) or any(map(_folds, getattr(transform, "parts", ())))


def _is_transformed(distribution: Any) -> bool:
    """Whether its cdf is that of its base at the value transformed back."""
    return is_map(distribution) and type(distribution).cdf is _TRANSFORMED_CDF


def log_density(distribution: Any, x: Array) -> Array:
    """log p(x) elementwise: by its family's record, whose derivatives are finite, where the host's may be infinite."""
    distribution = unwrapped(distribution)
    known = family_of(distribution)
    return distribution.log_prob(x) if known is None else log_density_of(known[0], x, *known[1])


def component_log_prob(distribution: Any, x: Array) -> Array:
    """`log_prob` of a mixture's component, by the record where a host's class has one: far from it the host's overflows
    (Gumbel's from 88 scales on) and has NaN for derivatives."""
    base = distribution.base_dist if isinstance(distribution, host.ExpandedDistribution) else distribution
    own = isinstance(base, UnivariateMixin) and type(base).log_prob is not UnivariateMixin.log_prob
    if own or family_of(base) is None:
        return distribution.log_prob(x)
    found = log_density(base, x)
    return jnp.broadcast_to(found, jnp.broadcast_shapes(found.shape, distribution.batch_shape))


def is_dense_at_ends(distribution: Any) -> bool:
    """Whether its log-density at an end of the support is that of the inside: of records, and of mixtures of them."""
    distribution = unwrapped(distribution)
    if isinstance(distribution, host.MixtureSameFamily):
        return is_dense_at_ends(distribution.component_distribution)
    if isinstance(distribution, host.MixtureGeneral):
        return all(map(is_dense_at_ends, distribution.component_distributions))
    return family_of(distribution) is not None


def log_tails(distribution: Any, x: Array) -> tuple[Array, Array]:
    """(log P(X <= x), log P(X > x)) elementwise, differentiable in x and the parameters.

    :raises NotImplementedError: for a distribution without a distribution function.
    """
    distribution = unwrapped(distribution)
    known = family_of(distribution)
    return _log_tails(distribution, x) if known is None else tails_of(*known, x)


def tails_and_density(distribution: Any) -> tuple[Callable, Callable]:
    """`log_tails` and `log_density`, as functions of x."""
    return lambda x: log_tails(distribution, x), lambda x: log_density(distribution, x)


def tails_of(family: Family, params: tuple[Array, ...], x: Array) -> tuple[Array, Array]:
    """`log_tails` of a family."""
    args = together(x, *params)
    if family.tails_are_closed:
        return family.log_tails(NATIVE, *args)
    return call(log_cdf_of(family), *args), call(log_sf_of(family), *args)


@singledispatch
def _log_tails(distribution: Any, x: Array) -> tuple[Array, Array]:
    if hasattr(distribution, "log_tails"):
        return distribution.log_tails(x)
    try:
        lower = distribution.cdf(x)
    except NotImplementedError:
        raise NotImplementedError(messages.no_cdf(distribution, "numpyro_irg")) from None
    return _log_mass(lower), _log_mass(1.0 - lower)


def _log_mass(mass: Array) -> Array:
    """log of a mass, lifted off 0 where it has underflowed, with its derivative: a maximum would make that 0."""
    fixed = lax.stop_gradient(mass)
    return jnp.log(jnp.maximum(fixed, float(jnp.finfo(mass.dtype).tiny)) + (mass - fixed))


@_log_tails.register(host.TransformedDistribution)
def _transformed(distribution, x):
    if not _is_transformed(distribution):
        return _log_tails.dispatch(object)(distribution, x)
    lower_first: Any = True
    for transform in reversed(distribution.transforms):
        lower_first = lower_first == (transform.sign > 0)  # an array if the scale is
        x = transform._inverse(x)
    lower, upper = log_tails(distribution.base_dist, x)
    if isinstance(lower_first, bool):
        return (lower, upper) if lower_first else (upper, lower)
    return jnp.where(lower_first, lower, upper), jnp.where(lower_first, upper, lower)


@_log_tails.register(host.FoldedDistribution)
def _folded(distribution, x):
    below, above = (tails_anywhere(distribution.base_dist, end) for end in (-x, x))
    inside = censoring.log_between(NATIVE, below, above, x <= 0.0)
    known = family_of(unwrapped(distribution.base_dist))
    if known is not None and censoring.can_integrate_about_0(known[0]):
        positive = (x > 0.0) & (x < jnp.inf)
        size, *params = together(jnp.where(positive, x, 1.0), *known[1])
        log_p0 = log_density_of(known[0], 0.0 * size, *params)
        inside = jnp.where(positive, censoring.log_about_0(NATIVE, known[0], log_p0, size, *params), inside)
    empty = x <= 0.0
    outside = censoring.log_outside(NATIVE, below, above)
    return jnp.where(empty, -jnp.inf, inside), jnp.where(empty, 0.0, outside)


@_log_tails.register(host.MixtureSameFamily)
def _mixture(distribution, x):
    log_weights = log_softmax(distribution.mixing_distribution.logits, -1)
    each = log_tails(distribution.component_distribution, x[..., None])
    lower, upper = (logsumexp(log_weights + tail, -1) for tail in each)
    return lower, upper


@_log_tails.register(host.MixtureGeneral)
def _general_mixture(distribution, x):
    log_weights = log_softmax(distribution.mixing_distribution.logits, -1)
    each = zip(*(log_tails(component, x) for component in distribution.component_distributions), strict=True)
    lower, upper = (logsumexp(log_weights + jnp.stack(jnp.broadcast_arrays(*tails), -1), -1) for tails in each)
    return lower, upper


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
