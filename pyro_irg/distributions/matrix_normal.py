"""MatrixNormal, which Pyro has not."""

from __future__ import annotations

import math
from typing import Any

import torch
from pyro.distributions import constraints
from pyro.distributions.torch_distribution import TorchDistribution
from torch import Tensor

from ..samplers import draw
from .base import ImplicitMixin
from .multivariate import event_parameters, solved_matrix


class MatrixNormal(ImplicitMixin, TorchDistribution):
    r"""Matrix :math:`M + A Z B^T` with independent standard normal entries of Z, reparameterized in M, A and B; with
    NumPyro's arguments.

    :param loc: M, of shape (..., n, p).
    :param scale_tril_row: A, lower triangular with positive diagonal, of shape (..., n, n).
    :param scale_tril_column: B, likewise, of shape (..., p, p).
    :raises ValueError: for parameters outside their constraint, not finite, or of shapes that do not match.
    """

    has_rsample = True
    arg_constraints = {
        "loc": constraints.independent(constraints.real, 2),
        "scale_tril_row": constraints.lower_cholesky,
        "scale_tril_column": constraints.lower_cholesky,
    }
    support = constraints.independent(constraints.real, 2)
    _expands = {"loc": 2, "scale_tril_row": 2, "scale_tril_column": 2}

    def __init__(
        self, loc: Any, scale_tril_row: Any, scale_tril_column: Any, validate_args: bool | None = None
    ) -> None:
        given = {"loc": (loc, 2), "scale_tril_row": (scale_tril_row, 2), "scale_tril_column": (scale_tril_column, 2)}
        batch, found = event_parameters("MatrixNormal", **given)
        (n, p), *square = (tuple(value.shape[-2:]) for value in found)
        if square != [(n, n), (p, p)]:
            shapes = ", ".join(f"{name} of shape {tuple(v.shape)}" for name, v in zip(given, found, strict=True))
            raise ValueError(f"MatrixNormal: {shapes}; expected (..., n, p), (..., n, n) and (..., p, p)")
        for name, value in zip(given, found, strict=True):
            setattr(self, name, value.expand(batch + value.shape[-2:]))
        super().__init__(batch, torch.Size((n, p)), validate_args=validate_args)
        self._refuse_infinite()

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        loc = self.loc.expand(self._extended_shape(sample_shape))
        return loc + self.scale_tril_row @ draw(torch.randn_like, loc) @ self.scale_tril_column.mT

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        n, p = self.event_shape
        z = solved_matrix(self.scale_tril_column, solved_matrix(self.scale_tril_row, value - self.loc).mT)
        rows, columns = (
            tril.diagonal(dim1=-2, dim2=-1).log().sum(-1) for tril in (self.scale_tril_row, self.scale_tril_column)
        )
        return -0.5 * z.square().sum((-2, -1)) - p * rows - n * columns - 0.5 * n * p * math.log(2.0 * math.pi)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        """Of each entry."""
        rows, columns = (tril.square().sum(-1) for tril in (self.scale_tril_row, self.scale_tril_column))
        return rows[..., None] * columns[..., None, :]
