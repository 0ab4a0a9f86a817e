"""Maps from unconstrained space, as the guides use them."""

from __future__ import annotations

import math
from typing import Any

import pyro.distributions as host
import torch
from torch import Tensor
from torch.distributions import biject_to, constraints
from torch.distributions.transforms import IndependentTransform, StickBreakingTransform
from torch.nn.functional import logsigmoid

from irg_kernels.adapter import messages

from ..attach import in_transform


class _StickBreaking(StickBreakingTransform):
    """torch's, in logarithms: 1 - cumsum(y) leaves nothing of a component below float32's rounding.

    Where it left 0, the inverse was 87 in place of 18, say.
    """

    def _log_parts(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = x - _log_counts(x)
        rest = logsigmoid(-x)
        before = rest.cumsum(-1) - rest
        return logsigmoid(x), rest, before

    def _call(self, x: Tensor) -> Tensor:
        part, rest, before = self._log_parts(x)
        return torch.cat([part + before, rest.sum(-1, keepdim=True)], -1).exp()

    def _inverse(self, y: Tensor) -> Tensor:
        y = y.clamp(min=torch.finfo(y.dtype).tiny)
        rest = y[..., 1:].flip(-1).cumsum(-1).flip(-1)
        x = y[..., :-1].log() - rest.log()
        return x + _log_counts(x)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        part, rest, before = self._log_parts(x)
        return (part + rest + before).sum(-1)


def _log_counts(x: Tensor) -> Tensor:
    """So that 0 is mapped to equal parts."""
    return torch.arange(x.shape[-1], 0, -1, dtype=x.dtype, device=x.device).log()


def bijection(support: Any) -> Any:
    """`biject_to`, with an accurate map onto the simplex."""
    return _accurate(biject_to(support))


_ANGULAR = torch.distributions.VonMises, host.SineBivariateVonMises, host.SineSkewed
ON_CIRCLE = "on_circle"
"""key of a guide's message, in `infer`: its angles lie on the circle"""


def _is_angle(fn: Any) -> bool:
    return isinstance(messages.innermost(fn), _ANGULAR)


def own_support(fn: Any) -> Any:
    """The support by which this package's guides unconstrain a latent of distribution `fn`.

    An angle's is the real line in torch, over which its periodic density has an infinite integral: weights of draws
    from the line would have a mean above p(x).
    """
    if not _is_angle(fn):
        return fn.support
    circle = constraints.interval(-math.pi, math.pi)
    return constraints.independent(circle, fn.event_dim) if fn.event_dim else circle


def space(fn: Any, drawn: Any) -> Any:
    """The support by which steps unconstrain a latent of distribution `fn`.

    :param drawn: the message of the base's draw.  Steps from the circle stay on it; another base's are on its own.
    """
    if not _is_angle(fn) or _is_angle(drawn["fn"]) or (drawn["infer"] or {}).get(ON_CIRCLE):
        return own_support(fn)
    return drawn["fn"].support


def leaves_circle(fn: Any, support: Any, value: Tensor) -> bool:
    """Whether a latent of distribution `fn` whose base lies on the line is an angle that went once round."""
    if not _is_angle(fn) or isinstance(support, constraints.interval) or in_transform() or torch.jit.is_tracing():
        return False
    return bool((value.detach().abs() > 1.001 * math.pi).any())


def _accurate(transform: Any) -> Any:
    if type(transform) is StickBreakingTransform:
        return _StickBreaking()
    if type(transform) is IndependentTransform:
        return IndependentTransform(_accurate(transform.base_transform), transform.reinterpreted_batch_ndims)
    return transform


class _FiniteSlopes(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, unit: Tensor | float | None) -> Tensor:
        ctx.unit = unit  # not saved: it is a constant
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None]:
        return finite(slope, ctx.unit), None


def finite(slope: Tensor, unit: Tensor | float | None = None) -> Tensor:
    """The slope, or 0: see `finite_slopes`."""
    limit, size = torch.finfo(slope.dtype).max, slope.detach()
    if unit is not None:
        # a sum of a million squares is finite too
        limit, size = 1e-3 * limit**0.5, size * unit
    if float(torch.linalg.vector_norm(size)) <= limit:  # as nearly always: a second derivative is shorter without
        return slope
    return torch.where(size.abs() <= limit, slope, 0.0)


def finite_slopes(x: Tensor, unit: Tensor | float | None = None) -> Tensor:
    """x; of its slopes, those that are not finite are 0.

    A second derivative such as (a - 1) / theta^2 overflows in float32 at theta = 1e-19, where that in unconstrained
    space is moderate: one datum's NaN would reach every parameter.  `diagnostics` tells where.

    :param unit: of an unconstrained x, the base's scale.  Slopes are moderate in it but far out: 0 too are those whose
        squares overflow there, from which Adam's mean of squares never returns.  (In a unit of 1e-19 a slope of 1e19
        is right.)
    """
    return _FiniteSlopes.apply(x, unit) if x.requires_grad else x
