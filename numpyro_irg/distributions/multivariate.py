"""What distributions of vectors and matrices share: parameters, each with axes of its own event."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import Array
from jax.scipy.linalg import solve_triangular

from .base import promoted


def event_parameters(distribution: str, **given: tuple[Any, int]) -> tuple[tuple[int, ...], tuple[Array, ...]]:
    """The batch shape of named parameters, and these as arrays of one dtype, each of its own shape.

    :param given: name -> (value, number of its last axes that are no batch's).
    :raises ValueError: for a value of the wrong kind, with too few axes, or batch axes that do not broadcast.
    """
    found = promoted(distribution, **{name: value for name, (value, _) in given.items()})
    batches = []
    for (name, (_, count)), p in zip(given.items(), found, strict=True):
        if p.ndim < count:
            raise ValueError(f"{distribution}: {name} must have {count} axes or more, got shape {p.shape}")
        batches.append(p.shape[: p.ndim - count])
    try:
        return jnp.broadcast_shapes(*batches), found
    except ValueError as error:
        shapes = " and ".join(f"{name} of shape {p.shape}" for name, p in zip(given, found, strict=True))
        raise ValueError(f"{distribution}: the batch axes of {shapes} cannot be broadcast together") from error


def solved(tril: Array, vectors: Array) -> Array:
    """tril**-1 of each vector."""
    n = tril.shape[-1]
    if tril.size == n * n:  # one matrix for all
        columns = solve_triangular(tril.reshape(n, n), vectors.reshape(-1, n).T, lower=True)
        return columns.T.reshape(vectors.shape)
    batch = jnp.broadcast_shapes(tril.shape[:-2], vectors.shape[:-1])
    tril, vectors = jnp.broadcast_to(tril, (*batch, n, n)), jnp.broadcast_to(vectors, (*batch, n))
    return solve_triangular(tril, vectors[..., None], lower=True)[..., 0]
