"""LKJCholesky and LKJ with implicit gradients."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpyro.distributions as host
from jax import Array, lax, random
from numpyro.distributions.batch_util import vmap_over
from numpyro.distributions.transforms import CorrMatrixCholeskyTransform
from numpyro.distributions.util import validate_sample

from irg_kernels.adapter.settings import is_integer
from irg_kernels.families import beta, lkj_cholesky

from ..attach import NATIVE, attach
from ..registry import implicit_twin_of
from ..samplers import standard_beta_logit
from .base import ImplicitMixin, closed_form, parameters
from .clamping import exponential

__all__ = ["LKJ", "LKJCholesky"]

METHODS = ("onion", "cvine")


@implicit_twin_of(host.LKJCholesky)
class LKJCholesky(ImplicitMixin, host.LKJCholesky):
    r"""Cholesky factor L of a correlation matrix C of density proportional to :math:`\det(C)^{\eta - 1}`,
    reparameterized in :math:`\eta`.

    By the "onion" (Lewandowski, Kurowicka, Joe 2009, section 3.2) the squared length of what lies left of the diagonal
    in a row is a Beta variable, with that one's implicit gradient, and its direction is uniform; by the "cvine"
    (section 2.4) all partial correlations are Beta variables, and move.  A diagonal entry that would underflow is held
    at the least normal number, with the relative derivative of the true one, so that gradients of expectations of
    :math:`\log\det C` are right at any concentration.

    :param dimension: size d of the matrices, an integer from 2 on; a draw has the event shape (d, d).
    :param concentration: :math:`\eta > 0`; number or array, of the batch shape.
    :param sample_method: "onion" or "cvine", two ways to the same distribution.
    :raises ValueError: for a dimension below 2, another method, or a concentration outside its constraint or not
        finite.
    """

    pytree_data_fields = ("concentration",)

    def __init__(
        self,
        dimension: int,
        concentration: Any = 1.0,
        sample_method: Any = "onion",
        *,
        validate_args: bool | None = None,
    ) -> None:
        if not is_integer(dimension) or dimension < 2:
            raise ValueError(f"LKJCholesky: dimension must be an integer from 2 on, got {dimension!r}")
        if sample_method not in METHODS:
            raise ValueError(f"LKJCholesky: sample_method must be 'onion' or 'cvine', got {sample_method!r}")
        self.dimension, self.sample_method = dimension, sample_method
        (self.concentration,) = parameters("LKJCholesky", concentration=concentration)
        # not the host's, which keeps a Beta
        host.Distribution.__init__(self, self.concentration.shape, (dimension, dimension), validate_args=validate_args)

    @classmethod
    def from_host(cls, fn: Any) -> Any:
        return cls(fn.dimension, fn.concentration, fn.sample_method, validate_args=fn._validate_args)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        d, beta_key, normal_key = self.dimension, *random.split(key)
        (c,) = self._extended(key, sample_shape, self.concentration[..., None, None])
        c = c[..., 0, 0]
        if self.sample_method == "cvine":
            b = _of_partial_correlations(c, d)
            return _by_partial_correlations(standard_beta_logit(beta_key, b, b), b)
        a, b = lkj_cholesky.onion(NATIVE, c, d)
        normal = jnp.tril(random.normal(normal_key, (*a.shape, d - 1), b.dtype))
        directions = normal / jnp.linalg.norm(normal, axis=-1, keepdims=True)
        return _by_rows(standard_beta_logit(beta_key, a, b), directions, a, b)

    def at_fixed_quantile(self, x: Array) -> Array:
        """x, unchanged in value, that moves as a draw does."""
        x, d = lax.stop_gradient(x), self.dimension
        c, tiny = jnp.broadcast_to(self.concentration, x.shape[:-2]), float(jnp.finfo(x.dtype).tiny)
        rows = jnp.tril(x, -1)[..., 1:, :-1]
        diagonal = jnp.maximum(jnp.diagonal(x, axis1=-2, axis2=-1)[..., 1:], tiny)
        if self.sample_method == "cvine":
            # the square that is left of a row from each column on, its diagonal included
            squares = jnp.square(rows)[..., ::-1]
            left = jnp.cumsum(squares, -1)[..., ::-1] + jnp.square(diagonal)[..., None]
            after = jnp.concatenate([left[..., 1:], jnp.square(diagonal)[..., None]], -1)
            size = jnp.abs(rows) / jnp.sqrt(left)
            logit = jnp.sign(rows) * (2.0 * jnp.log1p(size) - (jnp.log(after) - jnp.log(left)))
            moving = _by_partial_correlations(logit, _of_partial_correlations(c, d))
        else:
            radius = jnp.maximum(jnp.linalg.norm(rows, axis=-1), tiny)
            logit = 2.0 * (jnp.log(radius) - jnp.log(diagonal))
            moving = _by_rows(logit, rows / radius[..., None], *lkj_cholesky.onion(NATIVE, c, d))
        return x + (moving - lax.stop_gradient(moving))

    @validate_sample
    def log_prob(self, value: Any, intermediates: Any = None) -> Array:
        """log p(value), to rounding, of the entries left of the diagonal."""
        value = jnp.asarray(value)
        a, b = lkj_cholesky.onion(NATIVE, self.concentration, self.dimension)
        squares = jnp.sum(jnp.square(jnp.tril(value, -1)), -1)[..., 1:]
        diagonal = jnp.diagonal(value, axis1=-2, axis2=-1)[..., 1:]
        return jnp.sum(closed_form(lkj_cholesky.log_density, squares, diagonal, a, b), -1)


def _by_rows(logit: Array, directions: Array, a: Array, b: Array) -> Array:
    """L of its rows' directions, left of the diagonal, and of the logits of their squared lengths there."""
    logit = attach((None, beta.dlogit_db), logit, a, b)
    radius = jnp.exp(0.5 * jax.nn.log_sigmoid(logit))
    return _assembled(radius[..., None] * directions, 0.5 * jax.nn.log_sigmoid(-logit))


def _of_partial_correlations(c: Array, d: int) -> Array:
    """b, of the shape of the rows."""
    return jnp.broadcast_to(lkj_cholesky.vine(NATIVE, c, d)[..., None, :], (*c.shape, d - 1, d - 1))


def _by_partial_correlations(logit: Array, b: Array) -> Array:
    """L of the logits of (1 + p) / 2."""
    logit = attach((beta.dlogit_da, beta.dlogit_db), logit, b, b)
    log_rest = jnp.tril(lkj_cholesky.log_diagonal_of_partial(NATIVE, logit))
    before = jnp.cumsum(jnp.pad(log_rest, ((0, 0),) * (log_rest.ndim - 1) + ((1, 0),)), -1)
    rows = jnp.tril(jnp.tanh(0.5 * logit) * jnp.exp(before[..., :-1]))
    return _assembled(rows, before[..., -1])


def _assembled(rows: Array, log_diagonal: Array) -> Array:
    """L of what lies left of its diagonal from row 1 on, and of the logarithm of that."""
    diagonal = exponential(log_diagonal)
    leading = ((0, 0),) * (diagonal.ndim - 1)
    diagonal = jnp.pad(diagonal, (*leading, (1, 0)), constant_values=1.0)
    identity = jnp.eye(diagonal.shape[-1], dtype=diagonal.dtype)
    return jnp.pad(rows, (*leading, (1, 0), (0, 1))) + diagonal[..., None] * identity


@implicit_twin_of(host.LKJ)
class LKJ(ImplicitMixin, host.LKJ):
    r"""Correlation matrix C of density proportional to :math:`\det(C)^{\eta - 1}`, reparameterized in :math:`\eta`.

    C is :math:`L L^T` of a draw of `LKJCholesky`.  Where its determinant is below the rounding of its entries, at
    concentrations under 0.3 in float32, the matrix has lost L, and its `log_prob` is NaN: take `LKJCholesky` there.

    :param dimension: size d of the matrices, an integer from 2 on; a draw has the event shape (d, d).
    :param concentration: :math:`\eta > 0`; number or array, of the batch shape.
    :param sample_method: "onion" or "cvine", two ways to the same distribution.
    :raises ValueError: for a dimension below 2, another method, or a concentration outside its constraint or not
        finite.
    """

    def __init__(
        self,
        dimension: int,
        concentration: Any = 1.0,
        sample_method: Any = "onion",
        *,
        validate_args: bool | None = None,
    ) -> None:
        base = LKJCholesky(dimension, concentration, sample_method, validate_args=validate_args)
        self.dimension, self.sample_method = dimension, sample_method
        self.concentration = base.concentration
        host.TransformedDistribution.__init__(
            self, base, CorrMatrixCholeskyTransform().inv, validate_args=validate_args
        )

    @classmethod
    def from_host(cls, fn: Any) -> Any:
        return cls(fn.dimension, fn.concentration, fn.sample_method, validate_args=fn._validate_args)


@vmap_over.register
def _vmap_over_lkj_cholesky(dist: LKJCholesky, concentration: Any = None) -> Any:
    # the host's looks for its Beta
    return vmap_over.dispatch(host.Distribution)(dist, concentration=concentration)
