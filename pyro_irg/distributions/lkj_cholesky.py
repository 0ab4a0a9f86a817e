"""LKJCholesky and LKJ with implicit gradients."""

from __future__ import annotations

from typing import Any

import pyro.distributions as host
import torch
from pyro.distributions.torch_distribution import TorchDistribution
from pyro.distributions.transforms.cholesky import CorrMatrixCholeskyTransform
from torch import Tensor

from irg_kernels.adapter.settings import is_integer
from irg_kernels.families import beta, lkj_cholesky

from ..attach import NATIVE, attach
from ..registry import implicit_twin_of
from ..samplers import draw, standard_beta_logit
from .base import ImplicitMixin, closed_form, parameters
from .clamping import exponential

__all__ = ["LKJ", "LKJCholesky"]


@implicit_twin_of(host.LKJCholesky)
class LKJCholesky(ImplicitMixin, host.LKJCholesky):
    r"""Cholesky factor L of a correlation matrix C of density proportional to :math:`\det(C)^{\eta - 1}`,
    reparameterized in :math:`\eta`.

    The rows are drawn one by one (Lewandowski, Kurowicka, Joe 2009, section 3.2): the squared length of what lies left
    of the diagonal is a Beta variable, with that one's implicit gradient, its direction is uniform.  A diagonal entry
    that would underflow is held at the least normal number, with the relative derivative of the true one, so that
    gradients of expectations of :math:`\log\det C` are right at any concentration.

    :param dim: size d of the matrices, an integer from 2 on; a draw has the event shape (d, d).
    :param concentration: :math:`\eta > 0`; number or tensor, of the batch shape.
    :raises ValueError: for a dim below 2, or a concentration outside its constraint or not finite.
    """

    has_rsample = True
    _expands = {"concentration": 0}
    _keeps = ("dim",)

    def __init__(self, dim: int, concentration: Any = 1.0, validate_args: bool | None = None) -> None:
        if not is_integer(dim) or dim < 2:
            raise ValueError(f"LKJCholesky: dim must be an integer from 2 on, got {dim!r}")
        self.dim = dim
        (self.concentration,) = parameters("LKJCholesky", concentration=concentration)
        # not the host's, which keeps a Beta
        TorchDistribution.__init__(self, self.concentration.shape, torch.Size((dim, dim)), validate_args=validate_args)
        self._refuse_infinite()

    @classmethod
    def from_host(cls, fn: Any) -> Any:
        return cls(fn.dim, fn.concentration, validate_args=fn._validate_args)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        shape, d = self._extended_shape(sample_shape), self.dim
        a, b = lkj_cholesky.onion(NATIVE, self.concentration.expand(shape[:-2]), d)
        normal = draw(torch.randn_like, b[..., None].expand(*b.shape, d - 1)).tril()
        return self._at(draw(standard_beta_logit, a, b), normal / normal.norm(dim=-1, keepdim=True), a, b)

    def at_fixed_quantile(self, x: Tensor) -> Tensor:
        """x, unchanged in value, that moves as a draw does."""
        with torch.no_grad():
            rows, tiny = x.tril(-1)[..., 1:, :-1], torch.finfo(x.dtype).tiny
            radius = rows.norm(dim=-1).clamp(min=tiny)
            logit = 2.0 * (radius.log() - x.diagonal(dim1=-2, dim2=-1)[..., 1:].clamp(min=tiny).log())
        a, b = lkj_cholesky.onion(NATIVE, self.concentration.expand(x.shape[:-2]), self.dim)
        moving = self._at(logit, rows / radius[..., None], a, b)
        return x.detach() + (moving - moving.detach())

    def _at(self, logit: Tensor, directions: Tensor, a: Tensor, b: Tensor) -> Tensor:
        """L of its rows' directions, left of the diagonal, and of the logits of their squared lengths there."""
        logit = attach((None, beta.dlogit_db), logit, a, b)
        radius = torch.nn.functional.logsigmoid(logit).mul(0.5).exp()
        rows = radius[..., None] * directions
        log_diagonal = 0.5 * torch.nn.functional.logsigmoid(-logit)
        diagonal = exponential(log_diagonal)
        pad = torch.nn.functional.pad
        return pad(rows, (0, 1, 1, 0)) + pad(diagonal, (1, 0), value=1.0).diag_embed()

    def log_prob(self, value: Any) -> Tensor:
        """log p(value), to rounding, of the entries left of the diagonal."""
        if self._validate_args:
            self._validate_sample(value)
        a, b = lkj_cholesky.onion(NATIVE, self.concentration, self.dim)
        squares = value.tril(-1).square().sum(-1)[..., 1:]
        diagonal = value.diagonal(dim1=-2, dim2=-1)[..., 1:]
        return closed_form(lkj_cholesky.log_density, squares, diagonal, a, b).sum(-1)


@implicit_twin_of(host.LKJ)
class LKJ(ImplicitMixin, host.LKJ):
    r"""Correlation matrix C of density proportional to :math:`\det(C)^{\eta - 1}`, reparameterized in :math:`\eta`.

    C is :math:`L L^T` of a draw of `LKJCholesky`.  Where its determinant is below the rounding of its entries, at
    concentrations under 0.3 in float32, the matrix has lost L: take `LKJCholesky` there.  (`log_prob` of a draw itself
    remembers L.)

    :param dim: size d of the matrices, an integer from 2 on; a draw has the event shape (d, d).
    :param concentration: :math:`\eta > 0`; number or tensor, of the batch shape.
    :raises ValueError: for a dim below 2, or a concentration outside its constraint or not finite.
    """

    def __init__(self, dim: int, concentration: Any = 1.0, validate_args: bool | None = None) -> None:
        base = LKJCholesky(dim, concentration, validate_args=validate_args)
        self.dim, self.concentration = base.dim, base.concentration
        transform = CorrMatrixCholeskyTransform(cache_size=1).inv
        host.TransformedDistribution.__init__(self, base, transform, validate_args=validate_args)

    @classmethod
    def from_host(cls, fn: Any) -> Any:
        return cls(fn.dim, fn.base_dist.concentration, validate_args=fn._validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        return type(self)(self.dim, self.concentration.expand(batch_shape), validate_args=self._validate_args)

    @property
    def mean(self) -> Tensor:
        """The identity."""
        identity = torch.eye(self.dim, dtype=self.concentration.dtype, device=self.concentration.device)
        return identity.expand(self.batch_shape + self.event_shape)
