"""Gaussian copulas of any marginals, reparameterized in the marginals' parameters and in the correlation."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpyro.distributions as host
from jax import Array, lax

from irg_kernels.adapter import messages
from irg_kernels.families import normal
from irg_kernels.generic import copula, fixed_quantile

from ..attach import NATIVE, once
from ..registry import implicit_twin, implicit_twin_of
from .base import check_key, uniforms
from .beta import Beta
from .from_uniform import from_uniform, quantile_at
from .host_families import has_tails, log_tails, tails_and_density, unwrapped

__all__ = ["GaussianCopula", "GaussianCopulaBeta"]


class _Reparameterized(host.GaussianCopula):
    """What both classes share."""

    marginal_dist: Any
    base_dist: Any

    def _check_marginal(self, given: Any) -> None:
        if given.event_shape or not has_tails(self.marginal_dist):
            raise ValueError(
                f"{type(self).__name__}: marginal_dist must be a univariate distribution with a cdf, got "
                f"{type(given).__name__} of event shape {given.event_shape}; ImplicitDensity gives one to any density"
            )

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        check_key(self, key)
        shape = tuple(sample_shape) + self.batch_shape + self.event_shape
        return self._of_noise(jax.random.normal(key, shape, self.base_dist.scale_tril.dtype))

    rsample = sample

    def from_uniform(self, u: Any) -> Array:
        """The draw that u makes, by the normal numbers of quantile u; see the function `from_uniform`."""
        return self._of_noise(from_uniform(host.Normal(0.0, 1.0), uniforms(self, u)))

    def _of_noise(self, noise: Array) -> Array:
        distribution, factor = self.marginal_dist, self.base_dist.scale_tril
        z = (factor @ noise[..., None])[..., 0]
        log_masses = normal.log_tails(NATIVE, z)
        still, fixed = lax.stop_gradient((distribution, log_masses))
        limits = jnp.finfo(z.dtype)
        start = quantile_at(still, jnp.clip(jnp.exp(fixed[0]), float(limits.tiny), 1.0 - float(limits.eps)))
        low, high = _ends(still, start)
        return self._moving(_refined(still, start, low, high, fixed), log_masses)

    def _moving(self, x: Array, log_masses: tuple[Array, Array]) -> Array:
        return fixed_quantile.at_fixed_quantile(NATIVE, *tails_and_density(self.marginal_dist), x, log_masses)

    def at_fixed_quantile(self, x: Array) -> Array:
        """x, unchanged in value, that moves so as to keep the independent normal numbers that it was made of."""
        factor, still = self.base_dist.scale_tril, lax.stop_gradient((self.marginal_dist, self.base_dist.scale_tril, x))
        z = _normal_score(still[0], still[2])
        fixed = jnp.broadcast_to(still[1], z.shape[:-1] + still[1].shape[-2:])
        noise = jax.scipy.linalg.solve_triangular(fixed, z[..., None], lower=True)
        return self._moving(x, normal.log_tails(NATIVE, (factor @ lax.stop_gradient(noise))[..., 0]))

    def log_prob(self, value: Array) -> Array:
        if self._validate_args:
            self._validate_sample(value)
        value = jnp.asarray(value)
        z = _normal_score(self.marginal_dist, value)
        coupled = self.base_dist.log_prob(z) - normal.log_density(NATIVE, z).sum(-1)
        return coupled + self.marginal_dist.log_prob(value).sum(-1)


@once
def _refined(still: Any, start: Array, low: Array, high: Array, log_masses: tuple[Array, Array]) -> Array:
    return copula.refine_quantile(NATIVE, *tails_and_density(still), start, low, high, log_masses)


@once
def _normal_score(marginal: Any, value: Array) -> Array:
    return copula.normal_score(NATIVE, *log_tails(marginal, value))


@implicit_twin_of(host.GaussianCopula)
class GaussianCopula(_Reparameterized):
    r"""Marginals coupled by a normal distribution: :math:`x_i = F_i^{-1}(\Phi(z_i))`, :math:`z \sim N(0, R)`.

    A draw moves with the marginals' parameters and with the correlation, :math:`dx = (\phi(z) dz - dF) / p(x)`
    (Figurnov, Mohamed, Mnih 2018, eq. 5, with the quantile moving), in the logarithm of the smaller tail, so that no
    mass rounds to 0 or 1.

    :param marginal_dist: univariate distribution with a `cdf`, whose last batch axis is coupled; where this
        package has a twin of it, the twin stands for it.
    :param correlation_matrix: R, of shape (..., D, D), with ones on its diagonal.
    :param correlation_cholesky: instead, its lower Cholesky factor.
    :raises TypeError: for marginals that are no distribution of the library.
    :raises ValueError: for marginals that are no univariate distribution with a cdf.
    """

    def __init__(
        self,
        marginal_dist: Any,
        correlation_matrix: Any = None,
        correlation_cholesky: Any = None,
        *,
        validate_args: bool | None = None,
    ) -> None:
        messages.check_distribution("GaussianCopula", "marginal_dist", marginal_dist, host.Distribution)
        twin = implicit_twin(marginal_dist) or marginal_dist
        super().__init__(twin, correlation_matrix, correlation_cholesky, validate_args=validate_args)
        self._check_marginal(marginal_dist)

    @classmethod
    def from_host(cls, fn: Any) -> GaussianCopula:
        return cls(fn.marginal_dist, correlation_cholesky=fn.base_dist.scale_tril, validate_args=fn._validate_args)


@implicit_twin_of(host.GaussianCopulaBeta)
class GaussianCopulaBeta(_Reparameterized, host.GaussianCopulaBeta):
    """A `GaussianCopula` of Beta marginals.

    :param concentration1: positive, of shape (..., D).
    :param concentration0: likewise.
    :param correlation_matrix: as in `GaussianCopula`.
    :param correlation_cholesky: instead, its lower Cholesky factor.
    :raises ValueError: for concentrations outside their constraint, no or both correlations, or shapes that do not
        match.
    """

    def __init__(
        self,
        concentration1: Any,
        concentration0: Any,
        correlation_matrix: Any = None,
        correlation_cholesky: Any = None,
        *,
        validate_args: bool | None = False,
    ) -> None:
        host.GaussianCopulaBeta.__init__(
            self,
            concentration1,
            concentration0,
            correlation_matrix,
            correlation_cholesky,
            validate_args=validate_args,
        )
        self.marginal_dist = Beta(concentration1, concentration0, validate_args=validate_args)

    @classmethod
    def from_host(cls, fn: Any) -> GaussianCopulaBeta:
        return cls(
            fn.concentration1,
            fn.concentration0,
            correlation_cholesky=fn.base_dist.scale_tril,
            validate_args=fn._validate_args,
        )


def _ends(distribution: Any, like: Array) -> tuple[Array, Array]:
    support = unwrapped(distribution).support
    low, high = (getattr(support, name, None) for name in ("lower_bound", "upper_bound"))
    return (
        jnp.full_like(like, -jnp.inf if low is None else low),
        jnp.full_like(like, jnp.inf if high is None else high),
    )
