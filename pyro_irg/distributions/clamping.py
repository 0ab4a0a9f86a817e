"""From the logarithm or the logit of a draw to the draw, clamped to the range of its dtype."""

from __future__ import annotations

import torch
from torch import Tensor

from ..attach import attach


def from_coordinate(coordinate: str, y: Tensor) -> Tensor:
    """The draw, given it, its logarithm or its logit: `coordinate` is "x", "log" or "logit"."""
    if coordinate == "x":
        return y
    return sigmoid(y) if coordinate == "logit" else exponential(y)


def exponential(log_x: Tensor, x: Tensor | None = None) -> Tensor:
    """exp(log_x), or x = +-exp(log_x) where that is known better, held inside the range of its dtype; dx = x d log_x.

    At the ends of the range the *relative* derivative stays right, so that an expectation whose integrand behaves as
    log x there has an unbiased gradient; a `clamp` would cut it.
    """
    return attach((_itself,), in_range(log_x.detach().exp() if x is None else x), log_x)


def sigmoid(logit: Tensor) -> Tensor:
    """1 / (1 + exp(-logit)), held next to 0 and 1 with the derivative of the true value."""
    limits = torch.finfo(logit.dtype)
    value = logit.detach().sigmoid().clamp(min=limits.tiny, max=1.0 - limits.eps)
    return attach((_logistic_slope,), value, logit)


def in_range(x: Tensor) -> Tensor:
    """x > 0, held where it and its reciprocal are normal numbers of its dtype; without history."""
    tiny = torch.finfo(x.dtype).tiny
    return x.detach().clamp(min=tiny, max=0.25 / tiny)


def outside(x: Tensor) -> Tensor:
    """Where x > 0 lies at or beyond the ends of its dtype's normal range."""
    tiny = torch.finfo(x.dtype).tiny
    return (x < 2.0 * tiny) | (x > 0.125 / tiny)


def all_inside(x: Tensor) -> bool:
    """Whether no element is `outside`; a look at the values, so not under a transformation, and False in a trace."""
    if x.numel() == 0:
        return True
    if torch.jit.is_tracing():  # the trace would keep the branch for other values
        return False
    tiny = torch.finfo(x.dtype).tiny
    least, most = torch.aminmax(x)
    # numbers, since a comparison of tensors costs twice as much
    return least.item() >= 2.0 * tiny and most.item() <= 0.125 / tiny


def _itself(xp, x, log_x):
    return x


def _logistic_slope(xp, value, logit):
    return value * (1.0 - value)
