"""MultivariateStudentT with implicit gradients."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpyro.distributions as host
from jax import Array, lax, random
from numpyro import validation_enabled
from numpyro.distributions.util import validate_sample

from irg_kernels.families import multivariate_student_t as kernel

from ..attach import attach
from ..registry import implicit_twin_of
from ..samplers import standard_gamma
from .base import ImplicitMixin, closed_form
from .clamping import exponential
from .multivariate import event_parameters, solved


@implicit_twin_of(host.MultivariateStudentT)
class MultivariateStudentT(ImplicitMixin, host.MultivariateStudentT):
    r"""Vector :math:`\mu + \sqrt{\nu / \chi^2_\nu} L z` with a standard normal z, reparameterized in all parameters.

    In the degrees of freedom a draw moves along its own direction, by the implicit gradient of its length (Figurnov,
    Mohamed, Mnih 2018, eq. 5), the root of a `FisherSnedecor` variable, in log space: of less variance than by the
    chi-squared variable.  A draw that would overflow is held at the end of the range, with the relative derivative of
    the true draw.

    :param df: degrees of freedom :math:`\nu > 0`; number or array of the batch shape.
    :param loc: :math:`\mu`, of shape (..., n), or a number.
    :param scale_tril: :math:`L`, lower triangular with positive diagonal, of shape (..., n, n).
    :raises ValueError: for parameters outside their constraint, not finite, or of shapes that do not match.
    """

    def __init__(self, df: Any, loc: Any = 0.0, scale_tril: Any = None, *, validate_args: bool | None = None) -> None:
        name = "MultivariateStudentT"
        vector = min(jnp.ndim(loc), 1)
        _, (df, loc, tril) = event_parameters(name, df=(df, 0), loc=(loc, vector), scale_tril=(scale_tril, 2))
        n = tril.shape[-1]
        if tril.shape[-2] != n or (vector and loc.shape[-1] not in (1, n)):
            raise ValueError(
                f"{name}: loc of shape {loc.shape} and scale_tril of shape {tril.shape} must be (..., n) and "
                "(..., n, n)"
            )
        with validation_enabled(False):  # the host would blame its Chi2
            super().__init__(df, loc if vector else jnp.broadcast_to(loc, (n,)), tril)
        host.Distribution.__init__(self, self.batch_shape, self.event_shape, validate_args=validate_args)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        df, loc = self._extended(key, sample_shape, self.df[..., None], self.loc)
        gamma_key, normal_key = random.split(key)
        df = df[..., 0]
        log_r = 0.5 * (jnp.log(0.5 * df) - standard_gamma(gamma_key, 0.5 * df)[1])
        return self._at(random.normal(normal_key, loc.shape, loc.dtype), log_r)

    def at_fixed_quantile(self, x: Array) -> Array:
        """x, unchanged in value, that moves as a draw does."""
        y = solved(lax.stop_gradient(self.scale_tril), lax.stop_gradient(x - self.loc))
        unit = jnp.maximum(jnp.max(jnp.abs(y), -1), float(jnp.finfo(y.dtype).tiny))
        moving = self._at(y / unit[..., None], jnp.log(unit))
        return lax.stop_gradient(x) + (moving - lax.stop_gradient(moving))

    def _at(self, y: Array, log_unit: Array) -> Array:
        """The draw mu + unit L y; values in, derivatives out."""
        tiny = float(jnp.finfo(y.dtype).tiny)
        # at the location itself there is no direction to move in
        mean_square = jnp.maximum(jnp.mean(jnp.square(y), -1), tiny)
        df, n = jnp.broadcast_to(self.df, log_unit.shape), jnp.full_like(log_unit, self.event_shape[-1])
        log_square = lax.stop_gradient(jnp.log(mean_square) + 2.0 * log_unit)
        log_length = 0.5 * attach((None, kernel.dlogf_dnu), log_square, n, df)
        direction = y / jnp.sqrt(mean_square)[..., None]
        along = jnp.matmul(self.scale_tril, direction[..., None])[..., 0]
        # so that no component overflows
        peak = jnp.maximum(jnp.max(jnp.abs(lax.stop_gradient(along)), -1), 1.0)
        length = exponential(log_length, jnp.minimum(jnp.exp(lax.stop_gradient(log_length)), 0.25 / tiny / peak))
        return self.loc + length[..., None] * along

    @validate_sample
    def log_prob(self, value: Any, intermediates: Any = None) -> Array:
        """log p(value), to rounding, finite for a value in range."""
        tril = self.scale_tril
        y = solved(tril, value - self.loc)
        peak = jnp.max(jnp.abs(lax.stop_gradient(y)), -1)
        unit = jnp.where(peak > 1e10, peak, 1.0)  # the squares would overflow from 1e19 on
        square = jnp.sum(jnp.square(y / unit[..., None]), -1)
        log_det = jnp.sum(jnp.log(jnp.diagonal(tril, axis1=-2, axis2=-1)), -1)
        n = jnp.full_like(self.df, tril.shape[-1])
        return closed_form(kernel.log_density, square, unit, log_det, self.df, n)
