"""Wishart and WishartCholesky with implicit gradients."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpyro.distributions as host
from jax import Array, lax, random
from jax.scipy.linalg import solve_triangular
from numpyro.distributions.transforms import CholeskyTransform
from numpyro.distributions.util import validate_sample
from numpyro.util import not_jax_tracer

from irg_kernels.adapter import arguments
from irg_kernels.families import gamma
from irg_kernels.families import wishart as kernel

from ..attach import NATIVE, attach
from ..registry import implicit_twin_of
from .base import ImplicitMixin, log_density
from .clamping import exponential
from .gamma import draw_log_gamma
from .multivariate import event_parameters

_SCALES = ("scale_matrix", "rate_matrix", "scale_tril")
_PARAMETERS = ["concentration", *_SCALES]


def _checked(name: str, concentration: Any, validate_args: bool | None, **scales: Any) -> dict[str, Array]:
    """The concentration and the one scale that is given.

    :raises ValueError: for none or several scales, shapes that do not match, or a concentration too small.
    """
    parameter, scale = arguments.one_of(name, **scales)
    _, (df, scale) = event_parameters(name, concentration=(concentration, 0), **{parameter: (scale, 2)})
    if scale.shape[-1] != scale.shape[-2]:
        raise ValueError(f"{name}: {parameter} must be a square matrix, got shape {scale.shape}")
    if host.Distribution._validate_args if validate_args is None else validate_args:
        with jax.ensure_compile_time_eval():
            valid = jnp.all((df > scale.shape[-1] - 1) & (df < jnp.inf))
            if not_jax_tracer(valid) and not valid:
                raise ValueError(
                    f"{name}: concentration must be above the dimension less 1, {scale.shape[-1] - 1}, and finite, got "
                    f"{df}"
                )
    return {"concentration": df, parameter: scale}


def _log_bartlett(key: Array, df: Array) -> tuple[Array, Array]:
    """(A below the diagonal, log of the diagonal) of Bartlett's factor, whose squares there are chi2(df)."""
    normal_key, gamma_key = random.split(key)
    half = 0.5 * df
    log_diagonal = 0.5 * draw_log_gamma(gamma_key, half, jnp.full_like(half, 0.5))[1]
    return jnp.tril(random.normal(normal_key, (*df.shape, df.shape[-1]), df.dtype), -1), log_diagonal


def _carried(log_diagonal: Array, df: Array) -> Array:
    """The logarithms of roots of chi2(df) variables, with the derivatives of draws."""
    return 0.5 * (attach((gamma.dlogz_da,), 2.0 * log_diagonal - math.log(2.0), 0.5 * df) + math.log(2.0))


def _diagonal(matrix: Array) -> Array:
    return jnp.diagonal(matrix, axis1=-2, axis2=-1)


class _Scaled(ImplicitMixin):
    """The signature of factors and matrices that have a concentration and one scale, before the host's class."""

    reparametrized_params = _PARAMETERS

    def __init__(
        self,
        concentration: Any,
        scale_matrix: Any = None,
        rate_matrix: Any = None,
        scale_tril: Any = None,
        *,
        validate_args: bool | None = None,
    ) -> None:
        scales = dict(zip(_SCALES, (scale_matrix, rate_matrix, scale_tril), strict=True))
        self._begin(validate_args, concentration, **scales)

    @classmethod
    def from_host(cls, fn: Any) -> Any:
        return cls(fn.concentration, scale_tril=fn.scale_tril, validate_args=fn._validate_args)

    def _begin(self, validate_args: bool | None, concentration: Any, **scales: Any) -> None:
        raise NotImplementedError


class Factor(_Scaled):
    """What both factors share, before the host's class."""

    _name: str | None = None  # in errors, where not the class's

    def _degrees(self) -> Array:
        """Of the diagonal of Bartlett's factor."""
        raise NotImplementedError

    def _at(self, below: Array, log_diagonal: Array) -> Array:
        """L of Bartlett's factor."""
        raise NotImplementedError

    def _factor_of(self, x: Array) -> Array:
        """Bartlett's factor of L."""
        raise NotImplementedError

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        (df,) = self._extended(key, sample_shape, self._degrees()[..., None])
        return self._at(*_log_bartlett(key, df[..., 0]))

    def at_fixed_quantile(self, x: Array) -> Array:
        """x, unchanged in value, that moves as a draw does."""
        x = lax.stop_gradient(x)
        factor = lax.stop_gradient(self._factor_of(x))
        df = jnp.broadcast_to(self._degrees(), x.shape[:-1])
        moving = self._at(jnp.tril(factor, -1), _carried(jnp.log(_diagonal(factor)), df))
        return x + (moving - lax.stop_gradient(moving))

    def _begin(self, validate_args: bool | None, concentration: Any, **scales: Any) -> None:
        given = _checked(self._name or type(self).__name__, concentration, validate_args, **scales)
        super(_Scaled, self).__init__(**given, validate_args=validate_args)


class Matrix(_Scaled):
    """What both matrices share, before the host's class: L L^T, of a factor L of the class `_factor`."""

    _factor: Any

    def _begin(self, validate_args: bool | None, concentration: Any, **scales: Any) -> None:
        base = self._factor(concentration, **scales, validate_args=validate_args)
        host.TransformedDistribution.__init__(self, base, CholeskyTransform().inv, validate_args=validate_args)


@implicit_twin_of(host.WishartCholesky)
class WishartCholesky(Factor, host.WishartCholesky):
    r"""Cholesky factor of a Wishart matrix, :math:`L = T A` with Bartlett's A, reparameterized in all parameters.

    The diagonal of A are roots of :math:`\chi^2_{\nu - i}` variables, i = 0, 1, ..., with their implicit gradients in
    log space; a diagonal entry that would underflow, as at :math:`\nu` next to d - 1, is held at the least normal
    number, with the relative derivative of the true one.

    :param concentration: :math:`\nu > d - 1`; number or array of the batch shape.
    :param scale_matrix: :math:`T T^T`, positive definite, of shape (..., d, d).
    :param rate_matrix: instead of it, its inverse.
    :param scale_tril: instead of it, T.
    :raises ValueError: for none or several scales, or parameters outside their constraint, not finite, or of shapes
        that do not match.
    """

    def _degrees(self) -> Array:
        return self.concentration[..., None] - jnp.arange(self.event_shape[-1], dtype=self.concentration.dtype)

    def _factor_of(self, x: Array) -> Array:
        return solve_triangular(jnp.broadcast_to(self.scale_tril, x.shape), x, lower=True)

    def _at(self, below: Array, log_diagonal: Array) -> Array:
        identity = jnp.eye(below.shape[-1], dtype=below.dtype)
        factor = below + exponential(log_diagonal)[..., None] * identity
        log_all = log_diagonal + jnp.log(_diagonal(self.scale_tril))
        diagonal = exponential(log_all)
        return jnp.tril(jnp.matmul(self.scale_tril, factor), -1) + diagonal[..., None] * identity

    @validate_sample
    def log_prob(self, value: Any, intermediates: Any = None) -> Array:
        """log p(value), to rounding."""
        tril, value = jnp.broadcast_arrays(self.scale_tril, value)
        below = jnp.tril(solve_triangular(tril, value, lower=True), -1)
        return kernel.log_density_of_factor(
            NATIVE, log_density, _diagonal(value), _diagonal(tril), below, self._degrees()
        )


@implicit_twin_of(host.Wishart)
class Wishart(Matrix, host.Wishart):
    r"""Wishart distribution of :math:`L L^T`, L of `WishartCholesky`, reparameterized in all parameters.

    Where the matrix is singular but for rounding, as most are at :math:`\nu` next to d - 1, it has lost L, and its
    `log_prob` is NaN: take `WishartCholesky` there.

    :param concentration: :math:`\nu > d - 1`; number or array of the batch shape.
    :param scale_matrix: positive definite, of shape (..., d, d); the mean is :math:`\nu` times it.
    :param rate_matrix: instead of it, its inverse.
    :param scale_tril: instead of it, its Cholesky factor.
    :raises ValueError: for none or several scales, or parameters outside their constraint, not finite, or of shapes
        that do not match.
    """

    _factor = WishartCholesky
