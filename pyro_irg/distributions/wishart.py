"""Wishart and WishartCholesky with implicit gradients."""

from __future__ import annotations

import math
from typing import Any

import pyro.distributions as host
import torch
from pyro.distributions import constraints
from pyro.distributions.torch_distribution import TorchDistribution
from pyro.distributions.transforms.cholesky import CholeskyTransform
from torch import Tensor
from torch.distributions.multivariate_normal import _precision_to_scale_tril

from irg_kernels.adapter import arguments
from irg_kernels.families import gamma
from irg_kernels.families import wishart as kernel

from ..attach import NATIVE, attach
from ..registry import implicit_twin_of
from ..samplers import draw
from .base import ImplicitMixin, log_density, refuse_outside
from .clamping import exponential
from .gamma import draw_log_gamma
from .multivariate import event_parameters, solved_matrix


def _log_bartlett(df: Tensor) -> tuple[Tensor, Tensor]:
    """(A below the diagonal, log of the diagonal) of Bartlett's factor, whose squares there are chi2(df)."""
    half = 0.5 * df
    log_diagonal = 0.5 * draw_log_gamma(half, torch.full_like(half, 0.5))[1]
    normal = draw(torch.randn_like, df[..., None].expand(*df.shape, df.shape[-1]))
    return normal.tril(-1), log_diagonal


def _carried(log_diagonal: Tensor, df: Tensor) -> Tensor:
    """The logarithms of roots of chi2(df) variables, with the derivatives of draws."""
    return 0.5 * (attach((gamma.dlogz_da,), 2.0 * log_diagonal - math.log(2.0), 0.5 * df) + math.log(2.0))


class Scaled:
    """The signature of factors and matrices that have a concentration and one scale."""

    def __init__(
        self,
        concentration: Any,
        scale_matrix: Any = None,
        rate_matrix: Any = None,
        scale_tril: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        scales = {"scale_matrix": scale_matrix, "rate_matrix": rate_matrix, "scale_tril": scale_tril}
        self._begin(type(self).__name__, concentration, validate_args, **scales)

    def _begin(self, name: str, concentration: Any, validate_args: bool | None, **scales: Any) -> None:
        raise NotImplementedError


class Factor(Scaled, ImplicitMixin, TorchDistribution):
    """A distribution of lower triangular matrices L made of T, `scale_tril`, and Bartlett's factor A."""

    support = constraints.lower_cholesky
    has_rsample = True
    _expands = {"concentration": 0}
    _keeps = ("_tril",)

    concentration: Tensor
    _tril: Tensor

    @property
    def arg_constraints(self) -> dict[str, Any]:
        least = constraints.greater_than(self.event_shape[-1] - 1)
        return {"concentration": least, "scale_tril": constraints.lower_cholesky}

    def _begin(self, name: str, concentration: Any, validate_args: bool | None, **scales: Any) -> None:
        parameter, scale = arguments.one_of(name, **scales)
        batch, (df, scale) = event_parameters(name, concentration=(concentration, 0), **{parameter: (scale, 2)})
        if scale.shape[-1] != scale.shape[-2]:
            raise ValueError(f"{name}: {parameter} must be a square matrix, got shape {tuple(scale.shape)}")
        if type(self)._validate_args if validate_args is None else validate_args:
            kind = constraints.lower_cholesky if parameter == "scale_tril" else constraints.positive_definite
            refuse_outside(name, kind, **{parameter: scale})
            refuse_outside(name, constraints.greater_than(scale.shape[-1] - 1), concentration=df)
            refuse_outside(name, constraints.less_than(math.inf), concentration=df)
        if parameter != "scale_tril":
            to_tril = (
                _precision_to_scale_tril if parameter in ("rate_matrix", "precision_matrix") else torch.linalg.cholesky
            )
            scale = to_tril(scale)
        self.concentration, self._tril = df.expand(batch), scale
        TorchDistribution.__init__(self, batch, scale.shape[-2:], validate_args=validate_args)

    @property
    def scale_tril(self) -> Tensor:
        return self._tril.expand(self.batch_shape + self.event_shape)

    @property
    def scale_matrix(self) -> Tensor:
        return self.scale_tril @ self.scale_tril.mT

    @property
    def rate_matrix(self) -> Tensor:
        return torch.cholesky_inverse(self.scale_tril)

    def _places(self) -> Tensor:
        """0, 1, ..., d - 1"""
        return torch.arange(self.event_shape[-1], dtype=self.concentration.dtype, device=self.concentration.device)

    def _degrees(self) -> Tensor:
        """Of the diagonal of Bartlett's factor."""
        raise NotImplementedError

    def _at(self, below: Tensor, log_diagonal: Tensor) -> Tensor:
        """L of Bartlett's factor."""
        raise NotImplementedError

    def _factor_of(self, x: Tensor) -> Tensor:
        """Bartlett's factor of L."""
        raise NotImplementedError

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        return self._at(*_log_bartlett(self._degrees().expand(self._extended_shape(sample_shape)[:-1])))

    def at_fixed_quantile(self, x: Tensor) -> Tensor:
        """x, unchanged in value, that moves as a draw does."""
        with torch.no_grad():
            factor = self._factor_of(x)
        moving = self._at(factor.tril(-1), _carried(_diagonal(factor).log(), self._degrees().expand(x.shape[:-1])))
        return x.detach() + (moving - moving.detach())


def _diagonal(matrix: Tensor) -> Tensor:
    return matrix.diagonal(dim1=-2, dim2=-1)


class WishartCholesky(Factor):
    r"""Cholesky factor of a Wishart matrix, :math:`L = T A` with Bartlett's A, reparameterized in all parameters.

    The diagonal of A are roots of :math:`\chi^2_{\nu - i}` variables, i = 0, 1, ..., with their implicit gradients in
    log space; a diagonal entry that would underflow, as at :math:`\nu` next to d - 1, is held at the least normal
    number, with the relative derivative of the true one.

    :param concentration: :math:`\nu > d - 1`; number or tensor of the batch shape.
    :param scale_matrix: :math:`T T^T`, positive definite, of shape (..., d, d).
    :param rate_matrix: instead of it, its inverse.
    :param scale_tril: instead of it, T.
    :raises ValueError: for none or several scales, or parameters outside their constraint, not finite, or of shapes
        that do not match.
    """

    def _degrees(self) -> Tensor:
        return self.concentration[..., None] - self._places()

    def _factor_of(self, x: Tensor) -> Tensor:
        return solved_matrix(self._tril, x)

    def _at(self, below: Tensor, log_diagonal: Tensor) -> Tensor:
        factor = below + exponential(log_diagonal).diag_embed()
        log_all = log_diagonal + _diagonal(self._tril).log()
        return (self._tril @ factor).tril(-1) + exponential(log_all).diag_embed()

    def log_prob(self, value: Any) -> Tensor:
        """log p(value), to rounding."""
        if self._validate_args:
            self._validate_sample(value)
        below = solved_matrix(self._tril, value).tril(-1)
        return kernel.log_density_of_factor(
            NATIVE, log_density, _diagonal(value), _diagonal(self._tril), below, self._degrees()
        )


@implicit_twin_of(host.Wishart)
class Wishart(ImplicitMixin, host.Wishart):
    r"""Wishart distribution of :math:`L L^T`, L of `WishartCholesky`, reparameterized in all parameters.

    Where the matrix is singular but for rounding, as most are at :math:`\nu` next to d - 1, it has lost L: take
    `WishartCholesky` there.  (`log_prob` of a draw itself remembers L.)

    :param df: :math:`\nu > d - 1`; number or tensor of the batch shape.
    :param covariance_matrix: positive definite, of shape (..., d, d); the mean is :math:`\nu` times it.
    :param precision_matrix: instead of it, its inverse.
    :param scale_tril: instead of it, its Cholesky factor.
    :raises ValueError: for none or several scales, or parameters outside their constraint, not finite, or of shapes
        that do not match.
    """

    def __init__(
        self,
        df: Any,
        covariance_matrix: Any = None,
        precision_matrix: Any = None,
        scale_tril: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        base = Factor.__new__(WishartCholesky)
        scales = {"covariance_matrix": covariance_matrix, "precision_matrix": precision_matrix}
        base._begin("Wishart", df, validate_args, **scales, scale_tril=scale_tril)
        self._finish(base, validate_args)

    def _finish(self, base: Any, validate_args: bool | None) -> None:
        self._base, self._unbroadcasted_scale_tril, self.df = base, base._tril, base.concentration
        self._factor = CholeskyTransform(cache_size=1)
        # not the host's, which keeps a Chi2 and warns
        TorchDistribution.__init__(self, base.batch_shape, base.event_shape, validate_args=validate_args)

    @classmethod
    def from_host(cls, fn: Any) -> Any:
        return cls(fn.df, scale_tril=fn._unbroadcasted_scale_tril, validate_args=fn._validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(type(self), _instance or type(self).__new__(type(self)))
        new._finish(self._base.expand(batch_shape), False)
        new._validate_args = self._validate_args
        return new

    def rsample(self, sample_shape: Any = torch.Size(), max_try_correction: Any = None) -> Tensor:
        return self._factor.inv(self._base.rsample(sample_shape))

    def at_fixed_quantile(self, x: Tensor) -> Tensor:
        """x, unchanged in value, that moves as a draw does."""
        moving = self._base.at_fixed_quantile(self._factor(x).detach())
        moving = moving @ moving.mT
        return x.detach() + (moving - moving.detach())

    def log_prob(self, value: Any) -> Tensor:
        """log p(value), to rounding."""
        if self._validate_args:
            self._validate_sample(value)
        L, d = self._factor(value), self.event_shape[-1]
        jacobian = d * math.log(2.0) + ((d - self._base._places()) * _diagonal(L).log()).sum(-1)
        base = self._base if not self._base._validate_args else _unchecked(self._base)
        return base.log_prob(L) - jacobian


def _unchecked(base: Any) -> Any:
    """The same without a check of values, which were checked as matrices."""
    new = base.expand(base.batch_shape)
    new._validate_args = False
    return new
