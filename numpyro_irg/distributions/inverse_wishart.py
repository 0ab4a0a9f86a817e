"""InverseWishart and InverseWishartCholesky with implicit gradients."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpyro.distributions as host
from jax import Array, lax
from jax.scipy.linalg import solve_triangular
from numpyro.distributions.util import validate_sample

from irg_kernels.families import wishart as kernel

from ..attach import NATIVE
from ..registry import implicit_twin_of
from .base import log_density
from .clamping import exponential
from .wishart import Factor, Matrix

__all__ = ["InverseWishart", "InverseWishartCholesky"]


@implicit_twin_of(host.InverseWishartCholesky)
class InverseWishartCholesky(Factor, host.InverseWishartCholesky):
    r"""Cholesky factor of an inverse Wishart matrix, :math:`L = T A^{-1}` with Bartlett's factor A, reparameterized in
    all parameters.

    The diagonal of A are roots of :math:`\chi^2_{\nu - d + 1 + i}` variables, i = 0, 1, ..., with their implicit
    gradients in log space; a column that would overflow, as at :math:`\nu` next to d - 1, is held at the end of the
    range, with the relative derivative of the true one.

    :param concentration: :math:`\nu > d - 1`; number or array of the batch shape.
    :param scale_matrix: :math:`T T^T`, positive definite, of shape (..., d, d).
    :param rate_matrix: instead of it, its inverse.
    :param scale_tril: instead of it, T.
    :raises ValueError: for none or several scales, or parameters outside their constraint, not finite, or of shapes
        that do not match.
    """

    _power = 1.0  # of the end of the range

    def _degrees(self) -> Array:
        d = self.event_shape[-1]
        return self.concentration[..., None] + (jnp.arange(d, dtype=self.concentration.dtype) + (1.0 - d))

    def _factor_of(self, x: Array) -> Array:
        return solve_triangular(x, jnp.broadcast_to(self.scale_tril, x.shape), lower=True)

    def _at(self, below: Array, log_diagonal: Array) -> Array:
        # A = diag(A) M: only the first entry of the diagonal may be tiny, and the first row of M is the identity's
        first = jnp.arange(below.shape[-1]) == 0
        unit = below * jnp.exp(jnp.where(first, 0.0, -log_diagonal))[..., None] + jnp.eye(
            below.shape[-1], dtype=below.dtype
        )
        # T M**-1, by the transpose of what is solved
        turned = solve_triangular(unit, _transposed(self.scale_tril, unit.shape), lower=True, trans=1)
        columns = jnp.swapaxes(turned, -1, -2)
        peak = jnp.maximum(jnp.max(jnp.abs(lax.stop_gradient(columns)), -2), 1.0)
        room = (0.25 / float(jnp.finfo(below.dtype).tiny)) ** self._power / peak
        length = exponential(-log_diagonal, jnp.minimum(jnp.exp(-lax.stop_gradient(log_diagonal)), room))
        return columns * length[..., None, :]

    @validate_sample
    def log_prob(self, value: Any, intermediates: Any = None) -> Array:
        """log p(value), to rounding."""
        tril, value = jnp.broadcast_arrays(self.scale_tril, value)
        below = jnp.tril(solve_triangular(value, tril, lower=True), -1)
        of_value, of_scale = (jnp.diagonal(m, axis1=-2, axis2=-1) for m in (value, tril))
        return kernel.log_density_of_inverse_factor(NATIVE, log_density, of_value, of_scale, below, self._degrees())


def _transposed(matrix: Array, shape: tuple[int, ...]) -> Array:
    return jnp.broadcast_to(jnp.swapaxes(matrix, -1, -2), shape)


class _Root(InverseWishartCholesky):
    """L of an `InverseWishart`, whose square is in range too."""

    _power = 0.5
    _name = "InverseWishart"


@implicit_twin_of(host.InverseWishart)
class InverseWishart(Matrix, host.InverseWishart):
    r"""Inverse Wishart distribution of :math:`L L^T`, L of `InverseWishartCholesky`, reparameterized in all parameters.

    A draw that would overflow is held at the end of the range, with the relative derivative of the true one.  Where the
    matrix is singular but for rounding, as most are at :math:`\nu` next to d - 1, it has lost L, and its
    `log_prob` is NaN: take `InverseWishartCholesky` there.

    :param concentration: :math:`\nu > d - 1`; number or array of the batch shape.
    :param scale_matrix: positive definite, of shape (..., d, d); the mean is it over :math:`\nu - d - 1`.
    :param rate_matrix: instead of it, its inverse.
    :param scale_tril: instead of it, its Cholesky factor.
    :raises ValueError: for none or several scales, or parameters outside their constraint, not finite, or of shapes
        that do not match.
    """

    _factor = _Root
