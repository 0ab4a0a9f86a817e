"""What the implicit distributions share: parameters on the way in, the way from a log-draw to a draw."""

from __future__ import annotations

from numbers import Number

import torch
from torch import Tensor

from ..implicit import attach

__all__ = ["ImplicitMixin", "exponential", "parameters"]


def parameters(distribution: str, **values) -> tuple[Tensor, ...]:
    """The named parameters as floating-point tensors of one dtype, broadcast together.

    Python numbers follow the tensors; integer tensors become the default floating type.

    :raises ValueError: for a value that is neither number nor tensor, or shapes that do not broadcast.
    """
    for name, value in values.items():
        if not isinstance(value, (Number, Tensor)):
            raise ValueError(
                f"{distribution}: {name} must be a number or a torch.Tensor, got {type(value).__name__}; "
                f"write torch.as_tensor({name})"
            )
    tensors = [v for v in values.values() if isinstance(v, Tensor)]
    dtype, device = torch.get_default_dtype(), tensors[0].device if tensors else None
    floating = [t.dtype for t in tensors if t.is_floating_point()]
    if floating:
        dtype = floating[0]
        for other in floating[1:]:
            dtype = torch.promote_types(dtype, other)
    promoted = [
        v.to(dtype) if isinstance(v, Tensor) else torch.tensor(v, dtype=dtype, device=device) for v in values.values()
    ]
    if len({p.shape for p in promoted}) == 1:
        return tuple(promoted)
    try:
        return torch.broadcast_tensors(*promoted)
    except RuntimeError as error:
        shapes = " and ".join(f"{name} of shape {tuple(p.shape)}" for name, p in zip(values, promoted, strict=True))
        raise ValueError(f"{distribution}: {shapes} cannot be broadcast together") from error


class ImplicitMixin:
    """Comes before the host's class: `expand` keeps the class, and validation refuses infinite parameters."""

    def expand(self, batch_shape, _instance=None):
        if _instance is None:
            _instance = type(self).__new__(type(self))
        return super().expand(batch_shape, _instance)

    def _refuse_infinite(self) -> None:
        """The host's constraints let inf through, which has no draw."""
        if not self._validate_args:
            return
        for name in self.arg_constraints:
            value = getattr(self, name)
            if not torch._is_all_true(value.isfinite()):
                raise ValueError(
                    f"Expected parameter {name} ({type(value).__name__} of shape {tuple(value.shape)}) of distribution "
                    f"{type(self).__name__} to be finite, but found invalid values:\n{value}"
                )


def exponential(log_x: Tensor, x: Tensor) -> Tensor:
    """x = +-exp(log_x) with dx = x d log_x, where x is given and may be held inside the range of its dtype.

    At the ends of the range the *relative* derivative stays right, so that an expectation whose integrand behaves as
    log x there has an unbiased gradient; a `clamp` would cut it.
    """
    tiny, largest = torch.finfo(x.dtype).tiny, torch.finfo(x.dtype).max
    return attach((_itself,), x.clamp(min=tiny, max=largest), log_x)


def _itself(xp, x, log_x):
    return x
