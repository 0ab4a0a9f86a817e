"""Where a base guide lies in unconstrained space, by which the steps are measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpyro.distributions as dist
from jax import Array, lax
from numpyro.distributions import biject_to
from numpyro.distributions.transforms import IndependentTransform
from numpyro.infer.autoguide import AutoContinuous, AutoGuide

from irg_kernels.inference import hamiltonian

from ..attach import NATIVE
from .bijections import bijection
from .masks import unwrapped
from .sites import Latent


def location_and_scale(guide: Callable, distributions: Mapping[str, Any], latent: Latent) -> tuple[Array, Array]:
    """Mean and standard deviation of the base in a latent's unconstrained space, where its distribution tells; else 0
    and 1.

    Of a distribution that is not normal there they are carried over to first order.

    :param distributions: none of which depends on a draw: a step that depended on the position would be no shear.
    """
    shape = jnp.shape(latent.position)
    loc, scale = _known(guide, distributions, latent) or (0.0, 1.0)
    if jnp.ndim(scale) > len(shape) or jnp.broadcast_shapes(jnp.shape(scale), shape) != shape:
        loc, scale = 0.0, 1.0
    loc, scale = (jnp.full(shape, x, latent.position.dtype) for x in (loc, scale))
    good = jnp.isfinite(loc) & jnp.isfinite(scale) & (scale > 0.0)
    return jnp.where(good, loc, 0.0), jnp.where(good, scale, 1.0)


def _known(guide: Callable, distributions: Mapping[str, Any], latent: Latent) -> tuple[Any, Any] | None:
    fn = unwrapped(distributions[latent.name])
    automatic = isinstance(guide, AutoGuide)  # its transform is the support's
    if isinstance(fn, dist.TransformedDistribution) and (
        automatic or list(fn.transforms) == [_elementwise(biject_to(latent.support))]
    ):
        fn = unwrapped(fn.base_dist)
    if isinstance(fn, dist.Normal):
        return fn.loc, fn.scale
    if not automatic:
        return _by_moments(fn, latent.support)
    if not (isinstance(guide, AutoContinuous) and f"_{guide.prefix}_latent" in distributions):
        return None
    joint = unwrapped(distributions[f"_{guide.prefix}_latent"])
    if not isinstance(joint, dist.Normal | dist.MultivariateNormal | dist.LowRankMultivariateNormal):
        return None
    loc, scale = (guide._unpack_latent(x)[latent.name] for x in (joint.mean, jnp.sqrt(joint.variance)))
    return loc, scale


def _by_moments(fn: Any, support: Any) -> tuple[Any, Any] | None:
    transform = _elementwise(bijection(support))
    if transform.domain.event_dim or transform.codomain.event_dim:
        return None  # not elementwise
    try:
        mean, variance = fn.mean, fn.variance
    except (NotImplementedError, AttributeError):
        return None
    if isinstance(fn, dist.VonMises):
        variance = hamiltonian.angular_variance(NATIVE, variance)

    def carried(mean: Array, variance: Array) -> tuple[Array, Array]:
        loc = transform.inv(mean)
        return loc, jnp.sqrt(variance) * jnp.exp(-transform.log_abs_det_jacobian(loc, mean))

    loc, scale = carried(*lax.stop_gradient((mean, variance)))
    good = jnp.isfinite(loc) & jnp.isfinite(scale) & (scale > 0.0)
    # no NaN enters a formula that will be differentiated
    loc, scale = carried(jnp.where(good, mean, transform(jnp.zeros_like(loc))), jnp.where(good, variance, 1.0))
    return jnp.where(good, loc, jnp.nan), jnp.where(good, scale, jnp.nan)


def _elementwise(transform: Any) -> Any:
    while isinstance(transform, IndependentTransform):
        transform = transform.base_transform
    return transform
