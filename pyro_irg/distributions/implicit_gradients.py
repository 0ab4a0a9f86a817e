"""`implicit_gradients`: how a value moves with every parameter of a distribution at fixed quantile."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from irg_kernels.adapter import messages
from irg_kernels.adapter.parts import leaves_of, rebuilt

from ..attach import evaluate, pulled
from ..registry import implicit_twin
from .base import together
from .fixed_quantile import at_fixed_quantile
from .host_families import family_of, has_tails, is_map, unwrapped


def implicit_gradients(distribution: Any, value: Tensor) -> dict[str, Tensor]:
    r"""d value / d parameter at fixed quantile, for every parameter of `distribution`.

    For a univariate distribution with distribution function F and density p this is
    :math:`-(\partial F/\partial\theta)/p` (Figurnov, Mohamed, Mnih 2018, eq. 5), what a reparameterized draw that came
    out as `value` carries.  Of one family it is itself differentiable; of distributions made of others it is not.

    :param distribution: any distribution of this package or univariate one of Pyro's with a distribution function,
        perhaps inside `Independent`, `expand` or `mask`.
    :param value: tensor inside the support, of a shape that broadcasts with the distribution's.
    :returns: parameter name -> tensor of the broadcast shape.  For a distribution of vectors, or a parameter of more
        axes than the value (a mixture's), the parameter's own axes follow the value's.  Parameters of a distribution
        inside are named by their path, as in "base_dist.loc".
    :raises TypeError: for what is no distribution of the library.
    :raises ValueError: for a value outside the support or of a shape that does not broadcast.
    :raises NotImplementedError: for a distribution without a cdf whose draws have no path that their value tells.

    >>> from pyro.distributions import Gamma
    >>> implicit_gradients(Gamma(2.0, 1.0), torch.tensor(1.5))["rate"]
    tensor(-1.5000)
    """
    messages.check_distribution("implicit_gradients", "distribution", distribution, torch.distributions.Distribution)
    base = unwrapped(distribution)
    base = implicit_twin(base) or base
    value = torch.as_tensor(value)
    if not value.is_floating_point():
        value = value.to(torch.get_default_dtype())
    shape = distribution.batch_shape + distribution.event_shape
    try:
        value = value.expand(torch.broadcast_shapes(value.shape, shape))
    except RuntimeError as error:
        raise ValueError(
            f"value of shape {tuple(value.shape)} does not broadcast with the shape {tuple(shape)} of {distribution}"
        ) from error
    if not (torch._is_all_true(base.support.check(value)) and torch._is_all_true(value.isfinite())):
        raise ValueError(
            f"value (Tensor of shape {tuple(value.shape)}) must lie inside the support {base.support} of "
            f"{type(base).__name__}, but found:\n{value}"
        )
    if hasattr(base, "_implicit_gradients"):
        return base._implicit_gradients(value)
    known = family_of(base)
    if known is None:
        return _by_moving(base, value)
    family, params = known
    args = together(value, *params)
    slopes = family.path_slopes or family.slopes
    return {name: evaluate(slope, *args) for name, slope in zip(family.parameters, slopes, strict=True)}


def _by_moving(base: Any, value: Tensor) -> dict[str, Tensor]:
    """Each element of the value moves with parameters of its own, whose derivatives are then the partials."""
    known = any(hasattr(base, name) for name in ("at_fixed_quantile", "log_tails"))
    if base.support.is_discrete or not (known or has_tails(base) or is_map(base)):
        raise NotImplementedError(messages.no_path(base, base.support.is_discrete))
    from .rebuilding import parts_of  # of every class that is made of others; an import does without

    leaves, event = leaves_of(parts_of, base), len(base.event_shape)
    batch = value.shape[: value.dim() - event]
    given = []
    for leaf in leaves.values():
        shape, many = leaf.shapes(batch)
        given.append(leaf.value.detach().to(value.dtype).reshape(shape).expand(many))

    def moved(*params: Tensor) -> Tensor:
        return at_fixed_quantile(rebuilt(parts_of, base, dict(zip(leaves, params, strict=True))), value)

    with torch.no_grad():
        units = torch.eye(base.event_shape.numel(), dtype=value.dtype, device=value.device)
        rows = [pulled(moved, e.view(base.event_shape).expand_as(value), *given) for e in units]
    found = {}
    for i, (path, leaf) in enumerate(leaves.items()):
        each = torch.stack([row[i].reshape(batch + leaf.own_shape) for row in rows], len(batch))
        found[path] = each.reshape(value.shape + leaf.own_shape)
    return found
