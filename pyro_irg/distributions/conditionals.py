"""Distributions of several dimensions as products of conditional distributions, which is what the implicit gradient of
a mixture reads.

Arrays have the shape (..., D, K), dimension and component last; see `irg_kernels.mixture` for the symbols.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import pyro.distributions as host
import torch
from pyro.distributions.torch_distribution import ExpandedDistribution, MaskedDistribution
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from irg_kernels.families import normal, student_t
from irg_kernels.generic import fixed_quantile, mixture, truncation
from irg_kernels.generic.family import log_cdf_of
from irg_kernels.namespace import Namespace
from irg_kernels.numerics.elementary import log1mexp

from .. import by_numpy
from ..attach import FLOAT64, NATIVE, attach, attach_jointly, call, in_transform, pulled, pushed
from ..samplers import draw, standard_gamma
from . import normal_mixture
from .base import stands_still, together
from .from_uniform import quantile_at
from .host_families import family_of, has_tails, log_density, log_tails, unwrapped
from .student_t import StudentT


def has_conditionals(distribution: Any) -> bool:
    """Whether its mixtures are known: of factorised, multivariate normal and multivariate Student t distributions."""
    return is_elliptical(distribution) or (bool(distribution.event_shape) and has_tails(distribution))


def is_elliptical(distribution: Any) -> bool:
    """Whether the distribution is multivariate normal or Student t."""
    return isinstance(_bare(distribution), torch.distributions.MultivariateNormal | host.MultivariateStudentT)


def _bare(distribution: Any) -> Any:
    while isinstance(distribution, (ExpandedDistribution, MaskedDistribution)):
        distribution = distribution.base_dist
    return distribution


# Of one pass over the draws: D x K x draws elements, of which the derivative needs some 30 arrays.
CHUNK = 250_000


def at_fixed_quantile(log_weights: Tensor, component: Any, x: Tensor) -> Tensor:
    """x, unchanged in value, that moves such that the Rosenblatt transform of the mixture stands still.

    Many draws are taken some at a time, and what their derivatives need is computed when these are asked for.

    :param log_weights: (..., K), normalised.
    :param component: a distribution whose last batch axis is that of the components.
    :param x: of shape (..., *event_shape), within the support.
    """
    event = component.event_shape
    flat = x.detach().flatten(x.dim() - len(event)) if event else x.detach()[..., None]
    if is_elliptical(component):
        params = [log_weights, *(p for p in _Elliptical.of(component) if p is not None)]
        return attach_jointly(_push, _pull, flat, *params).reshape(x.shape)
    distribution, wide, limits = _Factorised(component), _widened(flat), torch.finfo(x.dtype)
    normal = distribution.normal(log_weights.shape[-1])
    if normal is not None:
        return attach_jointly(normal_mixture.push, normal_mixture.pull, flat, *normal, log_weights).reshape(x.shape)
    batch = torch.broadcast_shapes(log_weights.shape[:-1], component.batch_shape[:-1])
    parts = _by_draws(flat.shape, batch, log_weights.shape[-1])
    # torch.func and a trace refuse the hooks that `checkpoint` puts on saved tensors
    if parts is None or in_transform() or torch.jit.is_tracing():
        return _newton(log_weights, distribution, wide, limits).to(x.dtype).reshape(x.shape)
    rows, lead = parts
    options: Any = {"use_reentrant": False, "preserve_rng_state": False}
    parted = wide.reshape(-1, *lead).split(rows)
    moving = [checkpoint(_newton, log_weights, distribution, part, limits, **options) for part in parted]
    return torch.cat(moving).to(x.dtype).reshape(x.shape)


def _widened(x: Tensor) -> Tensor:
    # the distribution's parameters follow, by promotion
    return x if x.device.type == "mps" else x.double()


def _by_draws(shape: Any, batch: Any, k: int) -> tuple[int, Any] | None:
    """How many draws to take at a time, and the shape of one; None where all are few."""
    while batch and batch[0] == 1:
        batch = batch[1:]
    lead = shape[len(shape) - 1 - len(batch) :]
    rows = max(1, CHUNK // max(1, k * math.prod(lead)))  # of an empty batch too
    return None if math.prod(shape) <= rows * math.prod(lead) else (rows, lead)


def _newton(log_weights: Tensor, distribution: _Factorised, x: Tensor, limits: torch.finfo) -> Tensor:
    """`at_fixed_quantile` of draws (..., D).

    Two Newton steps from x to x with one Jacobian: none changes the value, and each adds an order to which the
    derivatives are right.  (A rule of its own, as in the twin, would need the parameters of any distribution by name.)
    """
    if x.shape[-1] == 1:
        return _univariate(log_weights, distribution, x, limits)
    moving, at, jacobian = x, None, None
    for _ in range(2):
        log_f, lower, upper = distribution.conditionals(moving)
        log_r = log_weights[..., None, :] + _before(log_f.mT).mT
        if at is None:
            with torch.no_grad():
                at = mixture.anchor(NATIVE, *(a.detach() for a in (log_r, log_f, lower, upper)))
                jacobian = distribution.jacobian(at.of, x)
        b = mixture.residual(NATIVE, at, log_r, lower, upper)
        del log_r, log_f, lower, upper
        b = torch.linalg.solve_triangular(jacobian, b[..., None], upper=False, unitriangular=True)[..., 0]
        moving = moving - b
    return x + (moving - moving.detach())


def _univariate(log_weights: Tensor, distribution: _Factorised, x: Tensor, limits: torch.finfo) -> Tensor:
    """The same of one coordinate, to third order: no Jacobian to hold still."""
    log_weights = log_weights[..., None, :]

    def log_tails(x: Tensor) -> tuple[Tensor, Tensor]:
        lower, upper = ((log_weights + tail).logsumexp(-1) for tail in distribution.log_tails(x))
        return lower, upper

    def log_density(x: Tensor) -> Tensor:
        return (log_weights + distribution.log_density(x)).logsumexp(-1)

    return fixed_quantile.at_fixed_quantile(NATIVE, log_tails, log_density, x, limits=limits)


def _at(x: Tensor, log_weights: Tensor, *params: Tensor) -> tuple[Tensor, Callable]:
    """The Jacobian of an elliptical mixture's draw, and its residual as a function of the parameters."""

    def conditionals(log_weights, *params, at=None):
        log_f, lower, upper = _Elliptical(*params).conditionals(x, at)
        return log_weights[..., None, :] + _before(log_f.mT).mT, log_f, lower, upper

    at = mixture.anchor(NATIVE, *conditionals(log_weights, *params))
    jacobian = _Elliptical(*params).jacobian(at.of, x)

    def residual(*params):
        log_r, _, lower, upper = conditionals(*params, at=at)
        return mixture.residual(NATIVE, at, log_r, lower, upper)

    return jacobian, residual


def _push(tangents: list, x: Tensor, *params: Tensor) -> Tensor:
    jacobian, residual = _at(x, *params)
    b = pushed(residual, tangents, *params)
    return -torch.linalg.solve_triangular(jacobian, b[..., None], upper=False, unitriangular=True)[..., 0]


def _pull(cotangent: Tensor, x: Tensor, *params: Tensor) -> tuple[Tensor, ...]:
    batch = torch.broadcast_shapes(params[0].shape[:-1], params[1].shape[:-2], params[2].shape[:-3])
    parts = _by_draws(x.shape, batch, params[0].shape[-1])
    if parts is None or in_transform() or torch.is_grad_enabled():
        return _pull_at(cotangent, x, *params)
    rows, lead = parts
    total = [torch.zeros_like(p) for p in params]
    for part in zip(cotangent.reshape(-1, *lead).split(rows), x.reshape(-1, *lead).split(rows), strict=True):
        for sum_, slope in zip(total, _pull_at(*part, *params), strict=True):
            sum_ += slope
    return tuple(total)


def _pull_at(cotangent: Tensor, x: Tensor, *params: Tensor) -> tuple[Tensor, ...]:
    jacobian, residual = _at(x, *params)
    onto = -torch.linalg.solve_triangular(jacobian.mT, cotangent[..., None], upper=True, unitriangular=True)[..., 0]
    return pulled(residual, onto, *params)


def from_uniform(log_weights: Tensor, component: Any, u: Tensor) -> Tensor:
    """The draw whose Rosenblatt transform is u, (..., *event_shape): coordinate by coordinate, so that autodiff solves
    the triangular system by substitution.

    :param log_weights: (..., K), normalised.
    :param component: a distribution whose last batch axis is that of the components.
    """
    if not stands_still(u):
        return _by_coordinates(log_weights, component, u)
    x = _quantiles(log_weights, component, u)
    with torch.no_grad():
        x = _by_coordinates(log_weights, component, u, moves=False) if x is None else x
    return at_fixed_quantile(log_weights, component, x).to(u.dtype)


def _by_coordinates(log_weights: Tensor, component: Any, u: Tensor, moves: bool = True) -> Tensor:
    """The same of any components; where it does not move, values in float64."""
    event = component.event_shape
    q = _widened(u.flatten(u.dim() - len(event)) if event else u[..., None])
    if is_elliptical(component):
        wide: list[Any] = [p if p is None else p.to(q.dtype) for p in _Elliptical.of(component)]
        distribution: Any = _Elliptical(*wide)
        far = 0.25 * torch.finfo(q.dtype).max
        low, high, within = -far + 0.0 * q, far + 0.0 * q, 0.0 * q.detach()
    else:
        distribution = _Factorised(component)
        with torch.no_grad():  # between the components' own quantiles
            each = distribution._last_two(quantile_at(component, distribution._stretched(q)))
            low, high = each.amin(-1).expand_as(q), each.amax(-1).expand_as(q)
        within = low

    def functions(before: list[Tensor]) -> tuple[Callable, Callable]:
        """Log-tails and log-density of the next coordinate, given those before it."""
        d = len(before)

        @fixed_quantile.remembered
        def conditional(at: Tensor) -> list[Tensor]:
            log_f, *tails = distribution.conditionals(torch.stack([*before, at, *within[..., d + 1 :].unbind(-1)], -1))
            log_r = log_weights
            if d:
                log_r = (log_weights[..., None, :] + _before(log_f.mT).mT)[..., d, :].log_softmax(-1)
            return [(log_r + a[..., d, :]).logsumexp(-1) for a in (log_f, *tails)]

        return lambda at: conditional(at)[1:], lambda at: conditional(at)[0]

    x: list[Tensor] = []
    for d, level in enumerate(q.unbind(-1)):
        with torch.no_grad():
            at_level = truncation.quantile_by_tails(NATIVE, *functions(list(x)), level, low[..., d], high[..., d])
        if moves:
            masses = level.log(), (-level).log1p()
            at_level = fixed_quantile.at_fixed_quantile(NATIVE, *functions(list(x)), at_level, masses)
        x.append(at_level)
    made = torch.stack(x, -1).reshape(u.shape)
    return made.to(u.dtype) if moves else made


@torch.no_grad()
def _quantiles(log_weights: Tensor, component: Any, u: Tensor) -> Tensor | None:
    """The values of `from_uniform` of factorised components of one family, in few operations; not yet rounded to u's
    dtype, for the derivatives are those at x."""
    known = None if is_elliptical(component) else family_of(unwrapped(component))
    if known is None:
        return None
    family, params = known
    event, distribution = component.event_shape, _Factorised(component)
    lead = u.shape[: u.dim() - len(event)]
    dtype = functools.reduce(torch.promote_types, (p.dtype for p in params), u.dtype)
    q = (u.flatten(len(lead)) if event else u[..., None]).to(dtype)
    each = distribution._last_two(quantile_at(component, distribution._stretched(q)))
    rows = (distribution._last_two(p.to(dtype).expand(*lead, log_weights.shape[-1], *event)) for p in params)
    args = [a.detach() for a in (q, log_weights.to(dtype), each.amin(-1), each.amax(-1), *rows)]
    find = mixture.quantiles_of(family)
    if by_numpy.serves((find,), args):
        return by_numpy.value(find, *args, dtype=torch.float64).reshape(u.shape)
    if dtype == torch.float64 or q.device.type == "mps":
        return find(NATIVE, *args).reshape(u.shape)
    return find(FLOAT64, *(a.double() for a in args)).reshape(u.shape)


def drawn(component: Any, which: Tensor) -> Tensor:
    """A draw of the components `which`, (...), of an elliptical distribution."""
    with torch.no_grad():
        return _Elliptical.of(component).draw(which)


class _Factorised:
    def __init__(self, component: Any) -> None:
        self.distribution, self.event = unwrapped(component), component.event_shape

    def normal(self, count: int) -> tuple[Tensor, Tensor] | None:
        """(loc, scale), (..., K, D), of normal distributions."""
        known = family_of(self.distribution)
        if known is None or known[0] is not normal.FAMILY:
            return None
        loc, scale = torch.broadcast_tensors(*known[1])
        shape = loc.shape[loc.dim() - 1 - len(self.event) :]
        if shape != (count, *self.event):
            return None
        lead = loc.shape[: loc.dim() - len(self.event)]
        return loc.reshape(*lead, math.prod(self.event)), scale.reshape(*lead, math.prod(self.event))

    def _stretched(self, x: Tensor) -> Tensor:
        """x in the shape that the elementwise distribution takes."""
        return x.reshape(*x.shape[:-1], 1, *self.event)

    def _last_two(self, value: Tensor) -> Tensor:
        """(..., D, K) from (..., K, *event)"""
        value = value.flatten(value.dim() - len(self.event)) if self.event else value[..., None]
        return value.mT

    def conditionals(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(log f_kd, log F_kd, log(1 - F_kd))"""
        return self.log_density(x), *self.log_tails(x)

    def log_density(self, x: Tensor) -> Tensor:
        return self._last_two(log_density(self.distribution, self._stretched(x)))

    def log_tails(self, x: Tensor) -> tuple[Tensor, Tensor]:
        lower, upper = log_tails(self.distribution, self._stretched(x))
        return self._last_two(lower), self._last_two(upper)

    def jacobian(self, of: mixture.Shares, x: Tensor) -> Tensor:
        at = self._stretched(x)
        at = at.expand(torch.broadcast_shapes(at.shape, self.distribution.batch_shape))
        slope = _slope(functools.partial(log_density, self.distribution), at)
        return (of.shift @ self._last_two(slope.detach()).mT).tril(-1)


def _slope(function: Any, x: Tensor) -> Tensor:
    """The derivative of an elementwise function."""
    if in_transform():
        found: Any = torch.func.vjp(function, x)
        return found[1](torch.ones_like(found[0]))[0]
    # torch.func refuses the hooks of `checkpoint`; hooks of its own keep this graph out of it
    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(Tensor.detach, lambda saved: saved):
        x = x.detach().requires_grad_()
        return torch.autograd.grad(function(x).sum(), x)[0]


class _Elliptical(NamedTuple):
    """K normal or Student t distributions; the batch axis of the components is the last one."""

    loc: Tensor
    """(..., K, D)"""
    scale_tril: Tensor
    """(..., K, D, D), where one matrix may serve all components"""
    df: Any = None
    """(..., K); None for normal distributions"""

    @classmethod
    def of(cls, component: Any) -> _Elliptical:
        distribution = _bare(component)
        scale_tril = distribution._unbroadcasted_scale_tril
        scale_tril = scale_tril if scale_tril.dim() > 2 else scale_tril[None]
        return cls(
            distribution.loc,
            scale_tril,
            distribution.df if isinstance(distribution, host.MultivariateStudentT) else None,
        )

    def draw(self, which: Tensor) -> Tensor:
        """Of the components `which`, (...); the host's draws all K, each with a copy of its matrix."""
        loc, scale_tril = self.loc, self.scale_tril.expand(*self.loc.shape, self.loc.shape[-1])
        missing = (None,) * (which.dim() - loc.dim() + 2)
        loc = loc[missing].take_along_dim(which[..., None, None], -2).squeeze(-2)
        scale_tril = scale_tril[missing].take_along_dim(which[..., None, None, None], -3).squeeze(-3)
        eps = torch.randn_like(loc)
        if self.df is not None:
            df = self.df[missing].take_along_dim(which[..., None], -1)
            eps = eps * (0.5 * ((0.5 * df).log() - draw(standard_gamma, 0.5 * df)[1])).exp()
        return loc + (scale_tril @ eps[..., None])[..., 0]

    def degrees(self) -> Tensor:
        """Those of the conditional distributions, (..., K, D)"""
        return self.df[..., None] + torch.arange(self.loc.shape[-1], dtype=self.loc.dtype, device=self.loc.device)

    def whitening(self) -> Tensor:
        # one inverse for each component: a triangular solve for each draw would copy the matrices to each
        unit = torch.eye(self.loc.shape[-1], dtype=self.loc.dtype, device=self.loc.device)
        return torch.linalg.solve_triangular(self.scale_tril, unit.expand_as(self.scale_tril), upper=False)

    def whitened(self, x: Tensor) -> Tensor:
        return torch.einsum("...kde,...ke->...kd", self.whitening(), x[..., None, :] - self.loc)

    def conditionals(self, x: Tensor, at: mixture.Anchor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """(log f_kd, log F_kd, log(1 - F_kd)); with an `Anchor` the tail that it says, twice."""
        eps = self.whitened(x)
        log_scale = self.scale_tril.diagonal(dim1=-2, dim2=-1).log()
        if self.df is None:
            log_f = normal.log_density(NATIVE, eps) - log_scale
            return log_f.mT, *_normal_tails(eps, at)
        nu = self.degrees()
        spread = ((self.df[..., None] + _before(eps * eps)) / nu).sqrt()
        t = eps / spread
        log_f = StudentT(nu, 0.0, 1.0, validate_args=False).log_prob(t) - spread.log() - log_scale
        return log_f.mT, *_student_t_tails(t, nu, at)

    def jacobian(self, of: mixture.Shares, x: Tensor) -> Tensor:
        r"""With y_k = eps_k's differential, in x alone, and b_kd = sum_{e<d} eps_ke y_ke, row d of J dx is

        dx_d - sum_k pi_kd (m_kd + beta_kd b_kd) - sum_k h_kd alpha_kd b_kd,

        m_kd = sum_{e<d} L_kde y_ke = dx_d - L_kdd y_kd,  alpha_kd = (df_k + d - 1) / (df_k + q_kd),
        beta_kd = L_kdd eps_kd / (df_k + q_kd), of which normal distributions have the limits 1 and 0.
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


def _normal_tails(t: Tensor, at: mixture.Anchor | None) -> tuple[Tensor, Tensor]:
    """(..., D, K) at (..., K, D)"""
    if at is None:
        return NATIVE.log_ndtr(t).mT, NATIVE.log_ndtr(-t).mT
    tail = NATIVE.log_ndtr(at.sign[..., None, :] * t).mT
    return tail, tail


def _student_t_tails(t: Tensor, nu: Tensor, at: mixture.Anchor | None) -> tuple[Tensor, Tensor]:
    """(..., D, K) at (..., K, D), by one integral: that of the outer tail; where the anchor has the tail, by none."""
    t, nu = together(t, nu)
    if at is None:
        negative = t < 0.0
        outer = call(_STUDENT_T, torch.where(negative, t, -t), nu)
        inner = log1mexp(NATIVE, outer)
        return torch.where(negative, outer, inner).mT, torch.where(negative, inner, outer).mT
    tail = attach(_STUDENT_T.partials, at.log_tails.mT, at.sign[..., None, :] * t, nu).mT
    return tail, tail


def _dt_dnu(xp: Namespace, t: Tensor, nu: Tensor) -> Tensor:
    # from the third dimension on, nu > 2.  (The twin takes one kernel for all: a second takes longer to compile.)
    if t.shape[-1] < 3:
        return student_t.dt_dnu(xp, t, nu)
    few = student_t.dt_dnu(xp, t[..., :2], nu[..., :2])
    return torch.cat([few, student_t.dt_dnu_of_many(xp, t[..., 2:], nu[..., 2:])], -1)


_STUDENT_T = log_cdf_of(dataclasses.replace(student_t.STANDARD, slopes=(_dt_dnu,)))


def _before(x: Tensor) -> Tensor:
    """Sum of those before, along the last axis."""
    return torch.cat([torch.zeros_like(x[..., :1]), x[..., :-1].cumsum(-1)], -1)
