"""StudentT with implicit gradients."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpyro.distributions as host
from jax.scipy.special import gammaln
from numpyro.distributions.util import validate_sample

from irg_kernels.families import student_t

from ..attach import attach, call
from ..registry import implicit_twin_of
from ..samplers import standard_student_t
from .base import UnivariateMixin, exponential, parameters

__all__ = ["StudentT"]


@implicit_twin_of(host.StudentT)
class StudentT(UnivariateMixin, host.StudentT):
    r"""Student's t law, reparameterized in all three parameters; its one-dimensional gradient in `df` is implicit.

    Density :math:`\propto (1 + y^2/\nu)^{-(\nu+1)/2}` with :math:`y = (x - \mu)/\sigma`.  A draw that would overflow is
    held at the end of the range, with the relative derivative of the true draw.

    :param df: degrees of freedom :math:`\nu > 0`; broadcast with the others.
    :param loc: location :math:`\mu`.
    :param scale: scale :math:`\sigma > 0`.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.
    """

    def __init__(self, df, loc=0.0, scale=1.0, *, validate_args=None):
        df, loc, scale = parameters("StudentT", df=df, loc=loc, scale=scale)
        super().__init__(df, loc, scale, validate_args=validate_args)

    def sample(self, key, sample_shape=()):
        df, loc, scale = self._extended(key, sample_shape, self.df, self.loc, self.scale)
        sign, log_t = standard_student_t(key, df)
        log_size = attach((student_t.dlogt_dnu,), log_t, df) + jnp.log(scale)
        size = exponential(log_size, jnp.exp(jax.lax.stop_gradient(log_size)))
        return loc + sign * size

    @validate_sample
    def log_prob(self, value):
        y = jnp.abs((value - self.loc) / self.scale)
        far = y > 1e10  # y**2 overflows float32 at 1.8e19
        near_y, far_y = jnp.where(far, 0.0, y), jnp.where(far, y, 1.0)
        log1p_q = jnp.where(far, 2.0 * jnp.log(far_y) - jnp.log(self.df), jnp.log1p(near_y * near_y / self.df))
        half = 0.5 * self.df
        log_normalizer = jnp.log(self.scale) + 0.5 * (jnp.log(self.df) + math.log(math.pi)) + gammaln(half)
        return -(half + 0.5) * log1p_q - (log_normalizer - gammaln(half + 0.5))

    def _law(self, value):
        return student_t.LAW, (self._at(value, -math.inf, math.inf, "value") - self.loc) / self.scale, self.df

    def icdf(self, q):
        return self.loc + self.scale * self._quantile(_quantile, q, -math.inf, math.inf, self.df)

    def entropy(self):
        return self._closed_form(student_t.entropy, self.df) + jnp.log(self.scale)

    @property
    def variance(self):
        """The host's, whose derivative at df = 2 is NaN."""
        finite = self.df > 2.0
        df = jnp.where(finite, self.df, 3.0)
        variance = jnp.where(finite, self.scale**2 * df / (df - 2.0), math.inf)
        return jnp.broadcast_to(jnp.where(self.df <= 1.0, math.nan, variance), self.batch_shape)


def _quantile(q, rest, df):
    return call(student_t.QUANTILE, q, rest, df)
