"""Latents that a model masks out, where a guide draws them all the same.

Such a latent is in none of the model's terms, so that a guide would gain its entropy, without bound.  Its prior, which
integrates to one, is put back for the guide: with r the prior of what the mask took away, E[p(x, z) r / q] is p(x).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from typing import Any

import pyro.distributions as dist
import torch
from pyro.distributions.torch_distribution import ExpandedDistribution, MaskedDistribution
from pyro.distributions.util import scale_and_mask
from pyro.poutine import mask
from pyro.poutine.messenger import Messenger
from pyro.poutine.subsample_messenger import _Subsample
from torch import Tensor

from irg_kernels.adapter.guide_messages import masked_alone, masked_but_used, masked_inside


def mask_of(fn: Any, mask: Any = None) -> Any:
    """The mask over the batch of a distribution, and another one; None if there is none."""
    while isinstance(fn, (ExpandedDistribution, MaskedDistribution)):
        if isinstance(fn, MaskedDistribution):
            mask = fn._mask if mask is None else fn._mask & mask
        fn = fn.base_dist
    return mask


def _bare(fn: Any) -> Any:
    """The distribution without its masks; itself, if it has none."""
    if not isinstance(fn, (dist.Independent, ExpandedDistribution, MaskedDistribution)):
        return fn
    inner = _bare(fn.base_dist)
    if isinstance(fn, MaskedDistribution):
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
    while isinstance(fn, (ExpandedDistribution, MaskedDistribution)):
        fn = fn.base_dist
    if _bare(fn) is not fn:
        raise ValueError(masked_inside(name))


class Lifted:
    """A latent whose mask was lifted; its message has the distribution without it."""

    def __init__(self, message: Any, fn: Any, mask: Any) -> None:
        self.message, self.fn, self.mask = message, fn, mask

    def whole(self) -> Tensor:
        """The log-density without the model's mask, and without scale."""
        return scale_and_mask(self.message["fn"].log_prob(self.message["value"]), mask=self.message["mask"])

    def log_prob(self) -> Tensor:
        """As the model has it, masked; without scale."""
        return scale_and_mask(self.fn.log_prob(self.message["value"]), mask=self.mask)

    def taken(self) -> Tensor:
        """The log-density that the mask takes away and the guide puts back; 0 where it takes nothing."""
        whole, left = self.whole(), self.log_prob()
        return torch.where(whole == left, 0.0, whole - left)


def lift(who: str, msg: Any, guides: Any = None) -> Lifted | None:
    """Lifts the masks of a model's latent, but where the guide has masked its own site too.

    :param guides: the guide's mask at its own site of that name.
    :raises ValueError: where the guide is masked and the model is not.
    """
    fn, mask = msg["fn"], msg["mask"]
    bare = _bare(fn)
    if guides is not None:
        models = mask_of(fn, mask)
        if (~torch.as_tensor(guides) & torch.as_tensor(True if models is None else models)).any():
            raise ValueError(masked_alone(who, msg["name"]))
    if mask is None and bare is fn:
        return None
    msg["fn"], msg["mask"] = bare, guides
    return Lifted(msg, fn, mask)


class Unmasked(Messenger):
    """Runs a model at given values of its latents, with their masks lifted."""

    def __init__(
        self,
        who: str,
        values: Mapping[str, Tensor],
        masks: Mapping[str, Any] | None = None,
        subsamples: Mapping[str, dict] | None = None,
    ) -> None:
        super().__init__()
        self.who, self.values, self.masks, self.subsamples = who, values, masks or {}, subsamples or {}
        self.lifted: dict[str, Lifted] = {}
        self.messages: list[Any] = []

    def _pyro_sample(self, msg: Any) -> None:
        name = msg["name"]
        if isinstance(msg["fn"], _Subsample):
            if name in self.subsamples:
                msg["value"], msg["done"] = self.subsamples[name]["value"], True
            return
        self.messages.append(msg)
        if not msg["is_observed"] and name in self.values:
            msg["value"], msg["done"] = self.values[name], True
            if lifted := lift(self.who, msg, self.masks.get(name)):
                self.lifted[name] = lifted


def mask_like(lifted: Lifted | None) -> Any:
    """Masks the guide's own site as the model's: `TraceMeanField_ELBO` looks at the guide's mask alone."""
    return nullcontext() if lifted is None or lifted.mask is None else mask(mask=lifted.mask)


def check_absent(who: str, lifted: Mapping[str, Lifted], messages: Iterable[Any]) -> None:
    """What is masked out must be in no other term: else its evidence is another integral, over a flat prior.

    :param messages: of all sites of a run whose latents' values are differentiable.
    :raises ValueError: that names the site.
    """
    if not lifted:
        return
    terms = [lifted[m["name"]].log_prob().sum() if m["name"] in lifted else _term(m) for m in messages]
    joint = torch.stack(terms).sum()

    def slope(term: Tensor, value: Tensor) -> Tensor:
        if not term.requires_grad:  # masked by a plain False
            return torch.zeros_like(value)
        (found,) = torch.autograd.grad(term.sum(), [value], retain_graph=True, allow_unused=True)
        return torch.zeros_like(value) if found is None else found

    for name, site in lifted.items():
        value = site.message["value"]
        mask = torch.as_tensor(True if site.mask is None else site.mask, device=value.device)
        whole, left = slope(site.whole(), value), slope(site.log_prob(), value)
        # a thousandth is far above rounding: a number inside a masked event has all of its slope, or none
        out = ~mask[(...,) + (None,) * site.fn.event_dim] | ((whole - left).abs() > 1e-3 * whole.abs())
        if (out & (slope(joint, value).abs() > 0.0)).any():  # NaN is no dependence
            raise ValueError(masked_but_used(who, name))


def _term(msg: Any) -> Tensor:
    return scale_and_mask(msg["fn"].log_prob(msg["value"]), mask=msg["mask"]).sum()
