"""InverseWishart and InverseWishartCholesky with implicit gradients."""

from __future__ import annotations

from typing import Any

import pyro.distributions as host
import torch
from pyro.distributions.transforms.cholesky import CholeskyTransform
from torch import Tensor

from irg_kernels.families import wishart as kernel

from ..attach import NATIVE
from .base import ImplicitMixin, log_density
from .clamping import exponential
from .multivariate import solved_matrix
from .wishart import Factor, Scaled

__all__ = ["InverseWishart", "InverseWishartCholesky"]


class InverseWishartCholesky(Factor):
    r"""Cholesky factor of an inverse Wishart matrix, :math:`L = T A^{-1}` with Bartlett's factor A, reparameterized in
    all parameters.

    The diagonal of A are roots of :math:`\chi^2_{\nu - d + 1 + i}` variables, i = 0, 1, ..., with their implicit
    gradients in log space; a column that would overflow, as at :math:`\nu` next to d - 1, is held at the end of the
    range, with the relative derivative of the true one.

    :param concentration: :math:`\nu > d - 1`; number or tensor of the batch shape.
    :param scale_matrix: :math:`T T^T`, positive definite, of shape (..., d, d).
    :param rate_matrix: instead of it, its inverse.
    :param scale_tril: instead of it, T.
    :raises ValueError: for none or several scales, or parameters outside their constraint, not finite, or of shapes
        that do not match.
    """

    _power = 1.0  # of the end of the range

    def _degrees(self) -> Tensor:
        return self.concentration[..., None] + (self._places() + (1.0 - self.event_shape[-1]))

    def _factor_of(self, x: Tensor) -> Tensor:
        return solved_matrix(x, self._tril.expand(x.shape))

    def _at(self, below: Tensor, log_diagonal: Tensor) -> Tensor:
        # A = diag(A) M: only the first entry of the diagonal may be tiny, and the first row of M is the identity's
        inverse = torch.where(self._places() == 0.0, 0.0, -log_diagonal).exp()
        unit = below * inverse[..., None] + torch.ones_like(log_diagonal).diag_embed()
        columns = torch.linalg.solve_triangular(unit, self._tril.expand(below.shape), upper=False, left=False)
        peak = columns.detach().abs().amax(-2).clamp(min=1.0)
        room = (0.25 / torch.finfo(peak.dtype).tiny) ** self._power / peak
        length = exponential(-log_diagonal, torch.minimum((-log_diagonal.detach()).exp(), room))
        return columns * length[..., None, :]

    def log_prob(self, value: Any) -> Tensor:
        """log p(value), to rounding."""
        if self._validate_args:
            self._validate_sample(value)
        of_value, of_scale = (m.diagonal(dim1=-2, dim2=-1) for m in (value, self._tril))
        below = solved_matrix(value, self._tril).tril(-1)
        return kernel.log_density_of_inverse_factor(NATIVE, log_density, of_value, of_scale, below, self._degrees())


class _Root(InverseWishartCholesky):
    """L of an `InverseWishart`, whose square is in range too."""

    _power = 0.5

    def _begin(self, name: str, concentration: Any, validate_args: bool | None, **scales: Any) -> None:
        super()._begin("InverseWishart", concentration, validate_args, **scales)


class InverseWishart(Scaled, ImplicitMixin, host.TransformedDistribution):
    r"""Inverse Wishart distribution of :math:`L L^T`, L of `InverseWishartCholesky`, reparameterized in all parameters.

    A draw that would overflow is held at the end of the range, with the relative derivative of the true one.  Where the
    matrix is singular but for rounding, as most are at :math:`\nu` next to d - 1, it has lost L: take
    `InverseWishartCholesky` there.  (`log_prob` of a draw itself remembers L.)

    :param concentration: :math:`\nu > d - 1`; number or tensor of the batch shape.
    :param scale_matrix: positive definite, of shape (..., d, d); the mean is it over :math:`\nu - d - 1`.
    :param rate_matrix: instead of it, its inverse.
    :param scale_tril: instead of it, its Cholesky factor.
    :raises ValueError: for none or several scales, or parameters outside their constraint, not finite, or of shapes
        that do not match.
    """

    def _begin(self, name: str, concentration: Any, validate_args: bool | None, **scales: Any) -> None:
        base = _Root(concentration, **scales, validate_args=validate_args)
        self._finish(base, validate_args)

    def _finish(self, base: Any, validate_args: bool | None) -> None:
        transform = CholeskyTransform(cache_size=1).inv
        host.TransformedDistribution.__init__(self, base, transform, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(type(self), _instance or type(self).__new__(type(self)))
        new._finish(self.base_dist.expand(batch_shape), False)
        new._validate_args = self._validate_args
        return new

    @property
    def concentration(self) -> Tensor:
        return self.base_dist.concentration

    @property
    def scale_tril(self) -> Tensor:
        return self.base_dist.scale_tril

    @property
    def scale_matrix(self) -> Tensor:
        return self.base_dist.scale_matrix

    @property
    def mean(self) -> Tensor:
        """NaN where there is none."""
        over = (self.concentration - self.event_shape[-1] - 1.0)[..., None, None]
        return self.scale_matrix / torch.where(over > 0.0, over, torch.nan)
