"""SineSkewed with implicit gradients."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpyro.distributions as host
from jax import Array, lax
from numpyro.util import not_jax_tracer

from irg_kernels.adapter import messages
from irg_kernels.families import sine_skewed as kernel
from irg_kernels.numerics.angles import wrap

from ..attach import NATIVE, attach
from ..registry import implicit_twin, implicit_twin_of
from .base import ImplicitMixin
from .host_families import unwrapped
from .von_mises import VonMises


@implicit_twin_of(host.SineSkewed)
class SineSkewed(ImplicitMixin, host.SineSkewed):
    r"""Angles of a symmetric density f times :math:`1 + \sum_i \lambda_i \sin(x_i - \mu_i)`, reparameterized in the
    skewness :math:`\lambda` and in the parameters of von Mises distributions.

    Each angle moves along itself by the implicit gradient of its density given the others (Figurnov, Mohamed, Mnih
    2018, eq. 5).  A base that is no product of its angles, as `SineBivariateVonMises`, has draws without derivatives,
    and says so: `has_rsample` is False.

    :param base_dist: angles of event shape (d,): `VonMises(...).to_event(1)`, or `Uniform(-pi, pi)` likewise; others
        are not reparameterized.
    :param skewness: :math:`\lambda`, of shape (..., d), whose absolute values add up to 1 at most.
    :raises TypeError: for what is no distribution of the library.
    :raises ValueError: for a skewness of another shape, not finite, or beyond that.
    """

    def __init__(self, base_dist: Any, skewness: Any, *, validate_args: bool | None = None) -> None:
        messages.check_distribution("SineSkewed", "base_dist", base_dist, host.Distribution)
        skewness = jnp.asarray(skewness)
        if len(base_dist.event_shape) != 1 or skewness.shape[-1:] != base_dist.event_shape:
            raise ValueError(
                f"SineSkewed: base_dist of event shape {base_dist.event_shape} and skewness of shape "
                f"{skewness.shape} must be of (d,) and (..., d); write base_dist.to_event(1)"
            )
        if host.Distribution._validate_args if validate_args is None else validate_args:
            with jax.ensure_compile_time_eval():
                within = jnp.sum(jnp.abs(skewness), -1) <= 1.0 + 8.0 * float(jnp.finfo(skewness.dtype).eps)
                if not_jax_tracer(within) and not within.all():
                    raise ValueError(
                        f"SineSkewed: the absolute values of skewness must add up to 1 at most, else the density is "
                        f"negative somewhere, but found:\n{skewness}"
                    )
        super().__init__(implicit_twin(base_dist) or base_dist, skewness, validate_args=validate_args)

    @classmethod
    def from_host(cls, fn: Any) -> Any:
        return cls(fn.base_dist, fn.skewness, validate_args=fn._validate_args)

    @property
    def reparametrized_params(self) -> list[str]:
        return [] if self._angles() is None else ["skewness"]

    def _angles(self) -> tuple[Array, Array] | None:
        """(locations, concentrations) of the base, if its angles are independent."""
        base, shape = unwrapped(self.base_dist), self.batch_shape + self.event_shape
        if isinstance(base, VonMises):
            return jnp.broadcast_to(base.loc, shape), jnp.broadcast_to(base.concentration, shape)
        if isinstance(base, host.Uniform):
            with jax.ensure_compile_time_eval():
                off = jnp.abs(jnp.asarray(base.low) + math.pi) + jnp.abs(jnp.asarray(base.high) - math.pi)
                if not_jax_tracer(off) and (off < 1e-6).all():
                    zeros = jnp.zeros(shape, self.skewness.dtype)
                    return zeros, zeros
        return None

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        x = lax.stop_gradient(super().sample(key, sample_shape))
        return x if self._angles() is None else self.at_fixed_quantile(x)

    def at_fixed_quantile(self, x: Array) -> Array:
        """x, unchanged in value but for whole turns, that moves as a draw does."""
        angles = self._angles()
        if angles is None:
            raise NotImplementedError(
                f"SineSkewed of {messages.described(self.base_dist)} has no reparameterized draw; its base must be "
                "VonMises(...).to_event(1) or a Uniform on (-pi, pi), or write the angles as a ConditionalChain of "
                "ImplicitDensity (docs/sharp_bits.md has SineBivariateVonMises)"
            )
        loc, kappa, skewness = (jnp.broadcast_to(p, x.shape) for p in (*angles, self.skewness))
        z = wrap(NATIVE, x - lax.stop_gradient(loc))
        return wrap(NATIVE, loc + attach((kernel.dz_dkappa, kernel.dz_dskewness), z, kappa, skewness))
