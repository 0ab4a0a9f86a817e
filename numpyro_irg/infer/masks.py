"""Latents that a model masks out, where a guide draws them all the same.

Such a latent is in none of the model's terms, so that a guide would gain its entropy, without bound.  Its prior, which
integrates to one, is put back for the guide: with r the prior of what the mask took away, E[p(x, z) r / q] is p(x).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import Array
from numpyro.primitives import Messenger

from irg_kernels.adapter import guide_messages

_MASKED = "_irg_masked"
"""where a site keeps its distribution as the model has masked it"""


def unwrapped(fn: Any) -> Any:
    """The distribution inside `Independent`, `ExpandedDistribution` and `MaskedDistribution`."""
    while isinstance(fn, dist.Independent | dist.ExpandedDistribution | dist.MaskedDistribution):
        fn = fn.base_dist
    return fn


def mask_of(fn: Any) -> Any:
    """The mask over the batch of a distribution, or None."""
    mask = None
    while isinstance(fn, dist.ExpandedDistribution | dist.MaskedDistribution):
        if isinstance(fn, dist.MaskedDistribution):
            mask = fn._mask if mask is None else fn._mask & mask
        fn = fn.base_dist
    return mask


def _bare(fn: Any) -> Any:
    """The distribution without its masks; itself, if it has none."""
    if not isinstance(fn, dist.Independent | dist.ExpandedDistribution | dist.MaskedDistribution):
        return fn
    inner = _bare(fn.base_dist)
    if isinstance(fn, dist.MaskedDistribution):
        return inner
    if inner is fn.base_dist:
        return fn
    if isinstance(fn, dist.Independent):
        return inner.to_event(fn.reinterpreted_batch_ndims)
    return inner.expand(fn.batch_shape)


def check_mask_outside(name: str, fn: Any) -> None:
    """Refuses a guide's site with a mask over single numbers of its event.

    :raises ValueError: that names the site.
    """
    while isinstance(fn, dist.ExpandedDistribution | dist.MaskedDistribution):
        fn = fn.base_dist
    if _bare(fn) is not fn:
        raise ValueError(guide_messages.masked_inside(name))


def lift(who: str, site: Any, guides: Any = None) -> None:
    """Lifts the masks of a model's latent, but where the guide has masked its own site too.

    :param guides: the guide's mask at its own site of that name.
    :raises ValueError: where the guide is masked and the model is not, outside `jit`; inside, `taken` is NaN.
    """
    fn = site["fn"]
    bare, models = _bare(fn), mask_of(fn)
    if guides is not None:
        alone = jnp.any(jnp.logical_and(~jnp.asarray(guides), True if models is None else models))
        if not isinstance(alone, jax.core.Tracer) and alone:
            raise ValueError(guide_messages.masked_alone(who, site["name"]))
        site["infer"] = {**site["infer"], _MASKED: fn}
        site["fn"] = bare.mask(guides)
    elif bare is not fn:
        site["infer"] = {**site["infer"], _MASKED: fn}
        site["fn"] = bare


def is_lifted(site: Any) -> bool:
    return _MASKED in site["infer"]


def taken(site: Any) -> Array:
    """The log-density that a lifted mask took away and the guide puts back; 0 where it took nothing."""
    masked, value = site["infer"][_MASKED], site["value"]
    whole, left = site["fn"].log_prob(value), masked.log_prob(value)
    same = whole == left
    found = jnp.where(same, 0.0, jnp.where(same, 0.0, whole) - jnp.where(same, 0.0, left))
    guides, models = mask_of(site["fn"]), mask_of(masked)
    if guides is None:
        return found
    alone = jnp.logical_and(~jnp.asarray(guides), True if models is None else models)
    return jnp.where(jnp.any(alone), jnp.nan, found)


class Unmasked(Messenger):
    """Lifts the masks at a model's latents, and at the Jacobians that NumPyro's potential adds beside them."""

    def __init__(self, fn: Callable, who: str) -> None:
        super().__init__(fn)
        self.who = who

    def process_message(self, msg: Any) -> None:
        if msg["type"] == "sample" and (not msg["is_observed"] or msg["name"].endswith("_log_det")):
            lift(self.who, msg)


def check_absent(
    who: str, latents: Iterable[str], run: Callable[[dict[str, Array]], dict[str, Any]], positions: dict[str, Array]
) -> None:
    """What is masked out must be in no other term: else its evidence is another integral, over a flat prior.

    Looks outside `jit` only, as `SVI.init` runs.

    :param run: the model's sites, lifted, at values that are a function of the positions.
    :raises ValueError: that names the site.
    """
    if any(isinstance(x, jax.core.Tracer) for x in jax.tree.leaves(positions)):
        return

    def joint(at):
        sites = [site for site in run(at).values() if site["type"] == "sample"]
        return sum(jnp.sum(site["infer"].get(_MASKED, site["fn"]).log_prob(site["value"])) for site in sites)

    slopes = jax.grad(joint)(positions)
    for name in latents:

        def slope(at, masked, name=name):
            site = run(at)[name]
            return jnp.sum((site["infer"][_MASKED] if masked else site["fn"]).log_prob(site["value"]))

        site, (whole, left) = (
            run(positions)[name],
            (jax.grad(slope)(positions, masked)[name] for masked in (False, True)),
        )
        mask = jnp.asarray(True if (mask := mask_of(site["infer"][_MASKED])) is None else mask)
        out = jnp.broadcast_to(~mask, site["fn"].batch_shape)
        # a thousandth is far above rounding: a number inside a masked event has all of its slope, or none
        partly = jnp.abs(whole - left) > 1e-3 * jnp.abs(whole)
        out = out.reshape(out.shape + (1,) * (whole.ndim - out.ndim)) | partly
        if jnp.any(out & (jnp.abs(slopes[name]) > 0.0)):  # NaN is no dependence
            raise ValueError(guide_messages.masked_but_used(who, name))


class _Factor(dist.Unit):
    """numpyro.factor, but reparameterized: `TraceGraph_ELBO` stops the gradient of a Unit's log-factor."""

    reparametrized_params = ["log_factor"]


def factor(name: str, term: Array) -> None:
    """A term in the guide's log-density, differentiable under every ELBO."""
    unit = _Factor(term)
    numpyro.sample(name, unit, obs=unit.sample(None), infer={"is_auxiliary": True})
