"""`implicit_gradients`: how a value moves with the parameters of its law."""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch
from typing import Any

import pyro.distributions as host
import torch
from pyro.distributions.torch_distribution import ExpandedDistribution, MaskedDistribution
from torch import Tensor

from irg_kernels.families import beta, dirichlet, gamma, sine_bivariate_von_mises, student_t, von_mises

from .attach import evaluate
from .distributions import LogGamma
from .distributions.von_mises import wrap

__all__ = ["implicit_gradients"]


def implicit_gradients(distribution: Any, value: Tensor) -> dict[str, Tensor]:
    r"""d value / d parameter at fixed quantile, for every parameter of `distribution`.

    For a univariate law with distribution function F and density p this is :math:`-(\partial F/\partial\theta)/p`
    (Figurnov, Mohamed, Mnih 2018, eq. 5), what a reparameterized draw that came out as `value` carries.  The result is
    itself differentiable.

    :param distribution: a Gamma, LogGamma, InverseGamma, Chi2, Beta, StudentT, VonMises, Dirichlet or
        SineBivariateVonMises, Pyro's or ours, perhaps inside `Independent`, `expand` or `mask`.
    :param value: tensor inside the support, of a shape that broadcasts with the distribution's.
    :returns: parameter name -> tensor of the broadcast shape; for a Dirichlet with one more axis at the end, over the
        components of the concentration.
    :raises ValueError: for a value outside the support or of a shape that does not broadcast.
    :raises NotImplementedError: for any other law; its draw, where reparameterized, carries the gradient.

    >>> implicit_gradients(host.Gamma(2.0, 1.0), torch.tensor(1.5))["rate"]
    tensor(-1.5000)
    """
    base = distribution
    while isinstance(base, (host.Independent, ExpandedDistribution, MaskedDistribution)):
        base = base.base_dist
    value = torch.as_tensor(value)
    if not value.is_floating_point():
        value = value.to(torch.get_default_dtype())
    shape = distribution.batch_shape + distribution.event_shape
    try:
        value = value.expand(torch.broadcast_shapes(value.shape, shape))
    except RuntimeError as error:
        raise ValueError(
            f"value of shape {tuple(value.shape)} does not broadcast with the shape {tuple(shape)} of {distribution}"
        ) from error
    rule = _rule.dispatch(type(base))
    if rule is _rule.dispatch(object):
        taken = ", ".join(sorted(law.__name__ for law in _rule.registry if law is not object))
        raise NotImplementedError(
            f"implicit_gradients takes {taken}, not {type(base).__name__}; differentiate a draw of the law instead"
        )
    inside = base.support.check(value) & _finite(base, value)
    if not torch._is_all_true(inside):
        raise ValueError(
            f"value (Tensor of shape {tuple(value.shape)}) must lie inside the support {base.support} of "
            f"{type(base).__name__}, but found:\n{value}"
        )
    return rule(base, value)


def _finite(base: Any, value: Tensor) -> Tensor:
    finite = value.isfinite()
    return finite.all(-1) if base.event_shape else finite


def _evaluate(kernel: Callable, value: Tensor, *params: Tensor) -> Tensor:
    return evaluate(kernel, value, *(p.expand_as(value) for p in params))


@singledispatch
def _rule(base: Any, value: Tensor) -> dict[str, Tensor]:
    raise NotImplementedError


@_rule.register(host.Gamma)
def _gamma(base, value):
    a, b = base.concentration, base.rate
    return {"concentration": _evaluate(gamma.dz_da, value * b, a) / b, "rate": -value / b}


@_rule.register(host.Chi2)
def _chi2(base, value):
    return {"df": _evaluate(gamma.dz_da, 0.5 * value, 0.5 * base.df)}


@_rule.register(host.InverseGamma)
def _inverse_gamma(base, value):
    z = base.rate / value
    return {"concentration": -value / z * _evaluate(gamma.dz_da, z, base.concentration), "rate": value / base.rate}


@_rule.register(LogGamma)
def _log_gamma(base, value):
    log_z = value + base.rate.log()
    return {
        "concentration": _evaluate(gamma.dlogz_da, log_z, base.concentration),
        "rate": (-1.0 / base.rate).expand_as(value),
    }


@_rule.register(host.Beta)
def _beta(base, value):
    a, b = base.concentration1, base.concentration0
    return {
        "concentration1": _evaluate(beta.dz_da, value, a, b),
        "concentration0": _evaluate(beta.dz_db, value, a, b),
    }


@_rule.register(host.Dirichlet)
def _dirichlet(base, value):
    slopes = _evaluate(dirichlet.dlogx_dalpha, value.clamp(min=torch.finfo(value.dtype).tiny).log(), base.concentration)
    identity = torch.eye(value.shape[-1], dtype=value.dtype, device=value.device)
    # dx_i / d alpha_j = x_i (delta_ij - x_j) L_j
    return {"concentration": value[..., None] * (identity - value[..., None, :]) * slopes[..., None, :]}


@_rule.register(host.StudentT)
def _student_t(base, value):
    y = (value - base.loc) / base.scale
    return {
        "df": base.scale * _evaluate(student_t.dt_dnu, y, base.df),
        "loc": torch.ones_like(value),
        "scale": y,
    }


@_rule.register(host.VonMises)
def _von_mises(base, value):
    return {
        "loc": torch.ones_like(value),
        "concentration": _evaluate(von_mises.dz_dkappa, wrap(value - base.loc), base.concentration),
    }


@_rule.register(host.SineBivariateVonMises)
def _sine_bivariate_von_mises(base, value):
    names = ("phi_concentration", "psi_concentration", "correlation")
    k1, k2, rho = (getattr(base, name) for name in names)
    u, v = wrap(value[..., 0] - base.phi_loc), value[..., 1] - base.psi_loc
    z = wrap(v - torch.atan2(rho * u.sin(), k2))
    found = _evaluate(sine_bivariate_von_mises.slopes, u, z, k1, k2, rho)
    identity = torch.eye(2, dtype=value.dtype, device=value.device).expand(*value.shape, 2)
    by_locs = {"phi_loc": identity[..., 0], "psi_loc": identity[..., 1]}
    return by_locs | {name: found[:, i].movedim(0, -1) for i, name in enumerate(names)}
