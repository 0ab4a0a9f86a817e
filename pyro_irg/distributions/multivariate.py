"""What distributions of vectors and matrices share: parameters, each with axes of its own event."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .base import promoted


def event_parameters(distribution: str, **given: tuple[Any, int]) -> tuple[torch.Size, list[Tensor]]:
    """The batch shape of named parameters, and these as tensors of one dtype, each of its own shape.

    :param given: name -> (value, number of its last axes that are no batch's).
    :raises ValueError: for a value of the wrong kind, with too few axes, or batch axes that do not broadcast.
    """
    found = promoted(distribution, **{name: value for name, (value, _) in given.items()})
    batches = []
    for (name, (_, count)), p in zip(given.items(), found, strict=True):
        if p.dim() < count:
            raise ValueError(f"{distribution}: {name} must have {count} axes or more, got shape {tuple(p.shape)}")
        batches.append(p.shape[: p.dim() - count])
    try:
        return torch.broadcast_shapes(*batches), found
    except RuntimeError as error:
        shapes = " and ".join(f"{name} of shape {tuple(p.shape)}" for name, p in zip(given, found, strict=True))
        raise ValueError(f"{distribution}: the batch axes of {shapes} cannot be broadcast together") from error


def solved(tril: Tensor, vectors: Tensor) -> Tensor:
    """tril**-1 of each vector."""
    return torch.linalg.solve_triangular(tril, vectors[..., None], upper=False)[..., 0]


def solved_matrix(tril: Tensor, matrix: Tensor) -> Tensor:
    """tril**-1 matrix"""
    return torch.linalg.solve_triangular(tril, matrix, upper=False)
