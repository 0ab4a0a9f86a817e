"""SphericalUniform."""

from __future__ import annotations

from typing import Any

import torch
from pyro.distributions import constraints
from pyro.distributions.torch_distribution import TorchDistribution
from torch import Tensor

from irg_kernels.adapter.settings import is_integer
from irg_kernels.numerics.elementary import log_area_of_sphere

from .base import ImplicitMixin


class SphericalUniform(ImplicitMixin, TorchDistribution):
    r"""Uniform distribution on the unit sphere, of density :math:`\Gamma(d/2) / (2 \pi^{d/2})`; it has no parameters to
    be reparameterized in.

    :param dim: dimension d of the vectors, an integer from 2 on.
    :param batch_shape: of the distribution.
    :raises ValueError: for a dim below 2.
    """

    arg_constraints: dict = {}
    support = constraints.sphere
    has_rsample = True

    def __init__(self, dim: int, batch_shape: Any = torch.Size(), validate_args: bool | None = None) -> None:
        if not is_integer(dim) or dim < 2:
            raise ValueError(f"SphericalUniform: dim must be an integer from 2 on, got {dim!r}")
        self.dim = dim
        TorchDistribution.__init__(self, torch.Size(batch_shape), torch.Size([dim]), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        return type(self)(self.dim, batch_shape, validate_args=self._validate_args)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        normal = torch.randn(self._extended_shape(sample_shape))
        return normal / normal.norm(dim=-1, keepdim=True)

    def _implicit_gradients(self, value: Tensor) -> dict[str, Tensor]:
        return {}

    def log_prob(self, value: Any) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        shape = torch.broadcast_shapes(value.shape[:-1], self.batch_shape)
        return torch.full(shape, -self._log_area, dtype=value.dtype, device=value.device)

    @property
    def _log_area(self) -> float:
        return log_area_of_sphere(self.dim)

    def entropy(self) -> Tensor:
        return torch.full(self.batch_shape, self._log_area)

    @property
    def mean(self) -> Tensor:
        """0"""
        return torch.zeros(self.batch_shape + self.event_shape)
