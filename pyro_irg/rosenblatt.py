"""Laws of several dimensions as products of conditional laws, which is what the implicit gradient of a mixture reads.

Arrays have the shape (..., D, K), dimension and component last; see `irg_kernels.mixture` for the symbols.
"""

from __future__ import annotations

import math
from typing import Any

import pyro.distributions as host
import torch
from pyro.distributions.torch_distribution import ExpandedDistribution, MaskedDistribution
from torch import Tensor

from irg_kernels import mixture

from .attach import EXACT
from .distributions.student_t import StudentT
from .univariate import has_tails, log_tails, unwrapped

__all__ = ["drawn", "has_conditionals", "held", "is_elliptical"]


def has_conditionals(law: Any) -> bool:
    """Whether `held` knows mixtures of the law: factorised, multivariate normal or multivariate Student t."""
    return is_elliptical(law) or (bool(law.event_shape) and has_tails(law))


def is_elliptical(law: Any) -> bool:
    """Whether the law is multivariate normal or Student t."""
    return isinstance(_bare(law), torch.distributions.MultivariateNormal | host.MultivariateStudentT)


def _bare(law: Any) -> Any:
    while isinstance(law, (ExpandedDistribution, MaskedDistribution)):
        law = law.base_dist
    return law


def held(log_weights: Tensor, component: Any, x: Tensor) -> Tensor:
    """x, unchanged in value, that moves such that the Rosenblatt transform of the mixture stands still.

    Two Newton steps from x to x with one Jacobian: none changes the value, and each adds an order to which the
    derivatives are right.  (A rule of its own, as in the twin, would need the parameters of any law by name.)

    :param log_weights: (..., K), normalised.
    :param component: a law whose last batch axis is that of the components.
    :param x: of shape (..., *event_shape), within the support.
    """
    event = component.event_shape
    flat = x.detach().flatten(x.dim() - len(event)) if event else x.detach()[..., None]
    law: Any = (_Elliptical if is_elliptical(component) else _Factorised)(component)

    def conditionals(x):
        log_f, lower, upper = law.conditionals(x)
        before = _before(log_f.mT).mT
        return log_weights[..., None, :] + before, log_f, lower, upper

    moving, at, jacobian = flat, None, None
    for _ in range(2):
        log_r, log_f, lower, upper = conditionals(moving)
        if at is None:
            with torch.no_grad():
                at = mixture.anchor(EXACT, *(a.detach() for a in (log_r, log_f, lower, upper)))
                jacobian = law.jacobian(at.of, flat)
        b = mixture.residual(EXACT, at, log_r, lower, upper)
        del log_r, log_f, lower, upper
        if flat.shape[-1] > 1:
            b = torch.linalg.solve_triangular(jacobian, b[..., None], upper=False, unitriangular=True)[..., 0]
        moving = moving - b
    return x.detach() + (moving - moving.detach()).reshape(x.shape)


def drawn(component: Any, which: Tensor) -> Tensor:
    """A draw of the components `which`, (...), of an elliptical law."""
    with torch.no_grad():
        return _Elliptical(component).draw(which)


class _Factorised:
    def __init__(self, component: Any) -> None:
        self.law, self.event = unwrapped(component), component.event_shape

    def _stretched(self, x: Tensor) -> Tensor:
        """x in the shape that the elementwise law takes."""
        return x.reshape(*x.shape[:-1], 1, *self.event)

    def _last_two(self, value: Tensor) -> Tensor:
        """(..., D, K) from (..., K, *event)"""
        value = value.flatten(value.dim() - len(self.event)) if self.event else value[..., None]
        return value.mT

    def conditionals(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(log f_kd, log F_kd, log(1 - F_kd))"""
        at = self._stretched(x)
        tails: Any = log_tails(self.law, at)
        lower, upper = tails
        return self._last_two(self.law.log_prob(at)), self._last_two(lower), self._last_two(upper)

    def jacobian(self, of: mixture.Shares, x: Tensor) -> Tensor:
        if x.shape[-1] == 1:
            return x
        at = self._stretched(x)
        at = at.expand(torch.broadcast_shapes(at.shape, self.law.batch_shape))
        found: Any = torch.func.vjp(self.law.log_prob, at)
        density, pull = found
        (slope,) = pull(torch.ones_like(density))
        return (of.shift @ self._last_two(slope.detach()).mT).tril(-1)


class _Elliptical:
    """K normal or Student t laws; the batch axis of the components is the last one."""

    def __init__(self, component: Any) -> None:
        law = _bare(component)
        self.loc = law.loc
        """(..., K, D)"""
        scale_tril = law._unbroadcasted_scale_tril
        self.scale_tril = scale_tril if scale_tril.dim() > 2 else scale_tril[None]
        """(..., K, D, D), where one matrix may serve all components"""
        self.df: Any = law.df if isinstance(law, host.MultivariateStudentT) else None
        """(..., K); None for normal laws"""

    def draw(self, which: Tensor) -> Tensor:
        """Of the components `which`, (...); the host's draws all K, each with a copy of its matrix."""
        loc, scale_tril = self.loc, self.scale_tril.expand(*self.loc.shape, self.loc.shape[-1])
        missing = (None,) * (which.dim() - loc.dim() + 2)
        loc = loc[missing].take_along_dim(which[..., None, None], -2).squeeze(-2)
        scale_tril = scale_tril[missing].take_along_dim(which[..., None, None, None], -3).squeeze(-3)
        eps = torch.randn_like(loc)
        if self.df is not None:
            df = self.df[missing].take_along_dim(which[..., None], -1)
            eps = eps * (df / host.Chi2(df).sample()).sqrt()
        return loc + (scale_tril @ eps[..., None])[..., 0]

    def degrees(self) -> Tensor:
        """Those of the conditional laws, (..., K, D)"""
        return self.df[..., None] + torch.arange(self.loc.shape[-1], dtype=self.loc.dtype, device=self.loc.device)

    def whitening(self) -> Tensor:
        # one inverse for each component: a triangular solve for each draw would copy the matrices to each
        unit = torch.eye(self.loc.shape[-1], dtype=self.loc.dtype, device=self.loc.device)
        return torch.linalg.solve_triangular(self.scale_tril, unit.expand_as(self.scale_tril), upper=False)

    def whitened(self, x: Tensor) -> Tensor:
        return torch.einsum("...kde,...ke->...kd", self.whitening(), x[..., None, :] - self.loc)

    def conditionals(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(log f_kd, log F_kd, log(1 - F_kd))"""
        eps = self.whitened(x)
        log_scale = self.scale_tril.diagonal(dim1=-2, dim2=-1).log()
        if self.df is None:
            log_f = -0.5 * eps * eps - log_scale - 0.5 * math.log(2.0 * math.pi)
            return log_f.mT, EXACT.log_ndtr(eps).mT, EXACT.log_ndtr(-eps).mT
        nu = self.degrees()
        spread = ((self.df[..., None] + _before(eps * eps)) / nu).sqrt()
        law, t = StudentT(nu, 0.0, 1.0, validate_args=False), eps / spread
        return (law.log_prob(t) - spread.log() - log_scale).mT, law.log_cdf(t).mT, law.log_sf(t).mT

    def jacobian(self, of: mixture.Shares, x: Tensor) -> Tensor:
        r"""With y_k = eps_k's differential, in x alone, and b_kd = sum_{e<d} eps_ke y_ke, row d of J dx is

        dx_d - sum_k pi_kd (m_kd + beta_kd b_kd) - sum_k h_kd alpha_kd b_kd,

        m_kd = sum_{e<d} L_kde y_ke = dx_d - L_kdd y_kd,  alpha_kd = (df_k + d - 1) / (df_k + q_kd),
        beta_kd = L_kdd eps_kd / (df_k + q_kd), of which normal laws have the limits 1 and 0.
        """
        eps, matrices = self.whitened(x), self.whitening()
        posterior, taken = of.posterior.mT, of.shift.mT
        diagonal = self.scale_tril.diagonal(dim1=-2, dim2=-1)
        if self.df is not None:
            taken = (taken * self.degrees() + posterior * diagonal * eps) / (self.df[..., None] + _before(eps * eps))
        direct = torch.einsum("...kd,...kde->...de", posterior * diagonal, matrices)
        rows, total = [], torch.zeros_like(eps)
        for d in range(eps.shape[-1]):
            rows.append(torch.einsum("...k,...ke->...e", taken[..., d], total))
            total = torch.addcmul(total, eps[..., d, None], matrices[..., d, :])
        return (direct - torch.stack(rows, -2)).tril(-1)


def _before(x: Tensor) -> Tensor:
    """Sum of those before, along the last axis."""
    return torch.cat([torch.zeros_like(x[..., :1]), x[..., :-1].cumsum(-1)], -1)
