"""`implicit_gradients`: how a value moves with the parameters of its law."""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch
from typing import Any

import jax.numpy as jnp
import numpyro.distributions as host
from jax import Array
from numpyro.util import not_jax_tracer

from irg_kernels.families import beta, dirichlet, gamma, sine_bivariate_von_mises, student_t, von_mises

from .attach import evaluate
from .distributions import LogGamma
from .distributions.von_mises import wrap

__all__ = ["implicit_gradients"]


def implicit_gradients(distribution: Any, value: Array) -> dict[str, Array]:
    r"""d value / d parameter at fixed quantile, for every parameter of `distribution`.

    For a univariate law with distribution function F and density p this is :math:`-(\partial F/\partial\theta)/p`
    (Figurnov, Mohamed, Mnih 2018, eq. 5), what a reparameterized draw that came out as `value` carries.  The result is
    itself differentiable.

    :param distribution: a Gamma, LogGamma, InverseGamma, Chi2, Beta, StudentT, VonMises, Dirichlet or
        SineBivariateVonMises, NumPyro's or ours, perhaps inside `Independent`, `expand` or `mask`.
    :param value: array inside the support, of a shape that broadcasts with the distribution's.
    :returns: parameter name -> array of the broadcast shape; for a Dirichlet with one more axis at the end, over the
        components of the concentration.
    :raises ValueError: for a value outside the support or of a shape that does not broadcast.
    :raises NotImplementedError: for any other law; its draw, where reparameterized, carries the gradient.

    >>> float(implicit_gradients(host.Gamma(2.0, 1.0), 1.5)["rate"])
    -1.5
    """
    base = distribution
    while isinstance(base, (host.Independent, host.ExpandedDistribution, host.MaskedDistribution)):
        base = base.base_dist
    value = jnp.asarray(value)
    if not jnp.issubdtype(value.dtype, jnp.floating):
        value = value.astype(jnp.result_type(float))
    shape = distribution.batch_shape + distribution.event_shape
    try:
        value = jnp.broadcast_to(value, jnp.broadcast_shapes(value.shape, shape))
    except ValueError as error:
        raise ValueError(
            f"value of shape {value.shape} does not broadcast with the shape {shape} of {distribution}"
        ) from error
    rule = _rule.dispatch(type(base))
    if rule is _rule.dispatch(object):
        taken = ", ".join(sorted(law.__name__ for law in _rule.registry if law is not object))
        raise NotImplementedError(
            f"implicit_gradients takes {taken}, not {type(base).__name__}; differentiate a draw of the law instead"
        )
    inside = base.support(value) & _finite(base, value)
    if not_jax_tracer(inside) and not inside.all():
        raise ValueError(
            f"value (Array of shape {value.shape}) must lie inside the support {base.support} of "
            f"{type(base).__name__}, but found:\n{value}"
        )
    return rule(base, value)


def _finite(base: Any, value: Array) -> Array:
    finite = jnp.isfinite(value)
    return finite.all(-1) if base.event_shape else finite


def _evaluate(kernel: Callable, value: Array, *params: Array) -> Array:
    return evaluate(kernel, value, *(jnp.broadcast_to(p, value.shape).astype(value.dtype) for p in params))


@singledispatch
def _rule(base: Any, value: Array) -> dict[str, Array]:
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
    log_z = value + jnp.log(base.rate)
    return {
        "concentration": _evaluate(gamma.dlogz_da, log_z, base.concentration),
        "rate": jnp.broadcast_to(-1.0 / base.rate, value.shape),
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
    slopes = _evaluate(
        dirichlet.dlogx_dalpha, jnp.log(jnp.maximum(value, jnp.finfo(value.dtype).tiny)), base.concentration
    )
    identity = jnp.eye(value.shape[-1], dtype=value.dtype)
    # dx_i / d alpha_j = x_i (delta_ij - x_j) L_j
    return {"concentration": value[..., None] * (identity - value[..., None, :]) * slopes[..., None, :]}


@_rule.register(host.StudentT)
def _student_t(base, value):
    y = (value - base.loc) / base.scale
    return {
        "df": base.scale * _evaluate(student_t.dt_dnu, y, base.df),
        "loc": jnp.ones_like(value),
        "scale": y,
    }


@_rule.register(host.VonMises)
def _von_mises(base, value):
    return {
        "loc": jnp.ones_like(value),
        "concentration": _evaluate(von_mises.dz_dkappa, wrap(value - base.loc), base.concentration),
    }


@_rule.register(host.SineBivariateVonMises)
def _sine_bivariate_von_mises(base, value):
    names = ("phi_concentration", "psi_concentration", "correlation")
    k1, k2, rho = (getattr(base, name) for name in names)
    u, v = wrap(value[..., 0] - base.phi_loc), value[..., 1] - base.psi_loc
    z = wrap(v - jnp.arctan2(rho * jnp.sin(u), k2))
    found = _evaluate(sine_bivariate_von_mises.slopes, u, z, k1, k2, rho)
    identity = jnp.broadcast_to(jnp.eye(2, dtype=value.dtype), (*value.shape, 2))
    by_locs = {"phi_loc": identity[..., 0], "psi_loc": identity[..., 1]}
    return by_locs | {name: jnp.moveaxis(found[:, i], 0, -1) for i, name in enumerate(names)}
