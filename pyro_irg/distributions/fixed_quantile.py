"""How values move at fixed quantile: `at_fixed_quantile` and `implicit_gradients`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from irg_kernels.adapter import messages
from irg_kernels.generic import fixed_quantile

from ..attach import NATIVE, evaluate
from ..registry import implicit_twin
from .base import together
from .host_families import family_of, log_tails, unwrapped

__all__ = ["at_fixed_quantile", "implicit_gradients"]


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
    return fixed_quantile.at_fixed_quantile(NATIVE, lambda x: log_tails(distribution, x), distribution.log_prob, x)


def implicit_gradients(distribution: Any, value: Tensor) -> dict[str, Tensor]:
    r"""d value / d parameter at fixed quantile, for every parameter of `distribution`.

    For a univariate distribution with distribution function F and density p this is
    :math:`-(\partial F/\partial\theta)/p` (Figurnov, Mohamed, Mnih 2018, eq. 5), what a reparameterized draw that came
    out as `value` carries.  The result is itself differentiable.

    :param distribution: any distribution of this package or univariate one of Pyro's with a distribution function,
        perhaps inside `Independent`, `expand` or `mask`.
    :param value: tensor inside the support, of a shape that broadcasts with the distribution's.
    :returns: parameter name -> tensor of the broadcast shape.  For a distribution of vectors, or a parameter of more
        axes than the value (a mixture's), the parameter's own axes follow the value's.  Parameters of a distribution
        inside are named by their path, as in "base_dist.loc".
    :raises ValueError: for a value outside the support or of a shape that does not broadcast.
    :raises NotImplementedError: for a distribution without a distribution function; its draw, where reparameterized,
        carries the gradient.

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
    finite = value.isfinite()
    inside = base.support.check(value) & (finite.all(-1) if base.event_shape else finite)
    if not torch._is_all_true(inside):
        raise ValueError(
            f"value (Tensor of shape {tuple(value.shape)}) must lie inside the support {base.support} of "
            f"{type(base).__name__}, but found:\n{value}"
        )
    if hasattr(base, "_implicit_gradients"):
        return base._implicit_gradients(value)
    known = family_of(base)
    if known is None:
        raise NotImplementedError(
            f"implicit_gradients does not take {type(base).__name__}; differentiate a draw of the distribution instead"
        )
    family, params = known
    args = together(value, *params)
    slopes = family.path_slopes or family.slopes
    return {name: evaluate(slope, *args) for name, slope in zip(family.parameters, slopes, strict=True)}
