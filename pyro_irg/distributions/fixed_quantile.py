"""How values move at fixed quantile."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor

from irg_kernels.generic import fixed_quantile

from ..attach import NATIVE, in_transform
from ..samplers import draw
from .base import ImplicitMixin
from .host_families import family_of, is_map, tails_and_density, unwrapped


def at_fixed_quantile(distribution: Any, x: Tensor) -> Tensor:
    """x, unchanged in value, that moves with the parameters so as to keep its quantile, to third order.

    :param distribution: univariate, with a distribution function, perhaps inside `Independent`, `expand` or `mask`; or
        one with a method `at_fixed_quantile`, as mixtures, truncated distributions and copulas have.
    :param x: inside the support, of a shape that broadcasts with the distribution's.
    """
    distribution = unwrapped(distribution)
    shape = torch.broadcast_shapes(x.shape, distribution.batch_shape + distribution.event_shape)
    x = x.expand(shape)
    if hasattr(distribution, "at_fixed_quantile"):
        return distribution.at_fixed_quantile(x)
    if is_map(distribution) and family_of(distribution) is None:
        y = x.detach()
        for transform in reversed(distribution.transforms):
            y = transform.inv(y).detach()
        moving = at_fixed_quantile(distribution.base_dist, y)
        for transform in distribution.transforms:
            moving = transform(moving)
        return x.detach() + (moving - moving.detach())
    return fixed_quantile.at_fixed_quantile(NATIVE, *tails_and_density(distribution), x)


def drawn(distribution: Any, sample_shape: Any) -> Tensor:
    """A draw without history.

    Under `torch.func.vmap` torch's own samplers fill a tensor in place, which it refuses where a parameter has no
    batch: there a class of the host's whose parameters are known is made anew of the whole batch.
    """
    inner = unwrapped(distribution)
    known = family_of(inner) if in_transform() and not isinstance(inner, ImplicitMixin) else None
    if known is None:
        with torch.no_grad():
            return distribution.sample(sample_shape)
    shape = distribution._extended_shape(torch.Size(sample_shape))
    make = functools.partial(_sampled, type(inner), tuple(known[0].parameters))
    return draw(make, *(p.expand(shape) for p in known[1]))


def _sampled(kind: type, names: tuple[str, ...], *params: Tensor) -> Tensor:
    return kind(**dict(zip(names, params)), validate_args=False).sample()
