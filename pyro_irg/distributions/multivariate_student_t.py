"""MultivariateStudentT with implicit gradients."""

from __future__ import annotations

import math
from typing import Any

import pyro.distributions as host
import torch
from pyro.distributions import constraints
from pyro.distributions.torch_distribution import TorchDistribution
from torch import Tensor

from irg_kernels.families import multivariate_student_t as kernel

from ..attach import attach
from ..registry import implicit_twin_of
from ..samplers import draw, standard_gamma
from .base import ImplicitMixin, closed_form, refuse_outside
from .clamping import exponential
from .multivariate import event_parameters, solved


@implicit_twin_of(host.MultivariateStudentT)
class MultivariateStudentT(ImplicitMixin, host.MultivariateStudentT):
    r"""Vector :math:`\mu + \sqrt{\nu / \chi^2_\nu} L z` with a standard normal z, reparameterized in all parameters.

    In the degrees of freedom a draw moves along its own direction, by the implicit gradient of its length (Figurnov,
    Mohamed, Mnih 2018, eq. 5), the root of a `FisherSnedecor` variable, in log space: of less variance than by the
    chi-squared variable.  A draw that would overflow is held at the end of the range, with the relative derivative of
    the true draw.

    :param df: degrees of freedom :math:`\nu > 0`; number or tensor of the batch shape.
    :param loc: :math:`\mu`, of shape (..., n), or a number.
    :param scale_tril: :math:`L`, lower triangular with positive diagonal, of shape (..., n, n).
    :raises ValueError: for parameters outside their constraint, not finite, or of shapes that do not match.
    """

    _expands = {"df": 0, "loc": 1}
    _keeps = ("_unbroadcasted_scale_tril",)

    def __init__(self, df: Any, loc: Any, scale_tril: Any, validate_args: bool | None = None) -> None:
        name = "MultivariateStudentT"
        vector = 1 if getattr(loc, "ndim", 0) else 0
        batch, (df, loc, tril) = event_parameters(name, df=(df, 0), loc=(loc, vector), scale_tril=(scale_tril, 2))
        n = tril.shape[-1]
        if tril.shape[-2] != n or (vector and loc.shape[-1] != n):
            raise ValueError(
                f"{name}: loc of shape {tuple(loc.shape)} and scale_tril of shape {tuple(tril.shape)} must be (..., n) "
                "and (..., n, n)"
            )
        self.df, self.loc, self._unbroadcasted_scale_tril = df.expand(batch), loc.expand((*batch, n)), tril
        if type(self)._validate_args if validate_args is None else validate_args:
            refuse_outside(name, constraints.lower_cholesky, scale_tril=tril)  # a lazy property to the host
        # not the host's, which keeps a Chi2
        TorchDistribution.__init__(self, batch, torch.Size([n]), validate_args=validate_args)
        self._refuse_infinite()

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        log_r = draw(_standard_log_r, self.df.expand(shape[:-1]))
        return self._at(draw(torch.randn_like, self.loc.expand(shape)), log_r)

    def at_fixed_quantile(self, x: Tensor) -> Tensor:
        """x, unchanged in value, that moves as a draw does."""
        with torch.no_grad():
            y = solved(self._unbroadcasted_scale_tril, x - self.loc)
            unit = y.abs().amax(-1).clamp(min=torch.finfo(y.dtype).tiny)
        moving = self._at(y / unit[..., None], unit.log())
        return x.detach() + (moving - moving.detach())

    def _at(self, y: Tensor, log_unit: Tensor) -> Tensor:
        """The draw mu + unit L y; values in, derivatives out."""
        mean_square = y.square().mean(-1)
        df, n = self.df.expand(log_unit.shape), torch.full_like(log_unit, self.event_shape[-1])
        # at the location itself there is no direction to move in
        log_square = mean_square.clamp(min=torch.finfo(y.dtype).tiny).log() + 2.0 * log_unit
        log_length = 0.5 * attach((None, kernel.dlogf_dnu), log_square, n, df)
        direction = y * mean_square.clamp(min=torch.finfo(y.dtype).tiny).rsqrt()[..., None]
        along = (self._unbroadcasted_scale_tril @ direction[..., None])[..., 0]
        # so that no component overflows
        room = 0.25 / torch.finfo(y.dtype).tiny / along.detach().abs().amax(-1).clamp(min=1.0)
        length = exponential(log_length, torch.minimum(log_length.detach().exp(), room))
        return self.loc + length[..., None] * along

    def log_prob(self, value: Any) -> Tensor:
        """log p(value), to rounding, finite for a value in range."""
        if self._validate_args:
            self._validate_sample(value)
        tril = self._unbroadcasted_scale_tril
        # of a matrix that is nearly singular float32 would lose the digits
        wide = torch.promote_types(value.dtype, tril.dtype) if value.device.type == "mps" else torch.float64
        y = solved(tril.to(wide), value.to(wide) - self.loc.to(wide)).to(torch.promote_types(value.dtype, tril.dtype))
        peak = y.detach().abs().amax(-1)
        unit = torch.where(peak > 1e10, peak, 1.0)  # the squares would overflow from 1e19 on
        square = (y / unit[..., None]).square().sum(-1)
        log_det = tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        n = torch.full_like(self.df, tril.shape[-1])
        return closed_form(kernel.log_density, square, unit, log_det, self.df, n)


def _standard_log_r(df: Tensor) -> Tensor:
    return 0.5 * (df.log() - math.log(2.0) - standard_gamma(0.5 * df)[1])
