"""Dirichlet with implicit gradients."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpyro.distributions as host
from jax import Array
from numpyro.distributions.util import validate_sample

from irg_kernels.families import beta, dirichlet
from irg_kernels.namespace import Namespace, along_last_axis

from ..attach import attach, call, evaluate
from ..registry import implicit_twin_of
from ..samplers import standard_gamma
from .base import ImplicitMixin, parameters, together, uniforms
from .beta import Beta
from .clamping import exponential


@implicit_twin_of(host.Dirichlet)
class Dirichlet(ImplicitMixin, host.Dirichlet):
    r"""Dirichlet distribution with density proportional to :math:`\prod_i x_i^{a_i - 1}` on the simplex.

    The gradient follows the marginal of each component (Figurnov, Mohamed, Mnih 2018, section 4), of lower variance
    than that of normalised Gammas.  Components that underflow are held at the least normal number, with their relative
    derivatives.

    :param concentration: array of shape (..., K), positive.
    :raises ValueError: for a concentration outside its constraint, not finite, or without axes.
    """

    def __init__(self, concentration: Any, *, validate_args: bool | None = None) -> None:
        super().__init__(*parameters("Dirichlet", concentration=concentration), validate_args=validate_args)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        (concentration,) = self._extended(key, sample_shape, self.concentration)
        if concentration.shape[-1] < 2:  # a point mass
            return jnp.ones_like(concentration)
        log_x = jax.nn.log_softmax(standard_gamma(key, concentration)[1])
        log_x = jax.nn.log_softmax(attach((_slopes,), log_x, concentration))
        value = jnp.exp(jax.lax.stop_gradient(log_x))
        return exponential(log_x, jnp.minimum(value, 1.0 - float(jnp.finfo(value.dtype).eps)))

    @validate_sample
    def log_prob(self, value: Any, intermediates: Any = None) -> Array:
        """log p(value), to rounding, with derivatives in the value and the concentration."""
        each = call(dirichlet.LOG_DENSITY, *together(jnp.asarray(value), self.concentration))
        fixed = jax.lax.stop_gradient(each)
        return fixed[..., 0] + jnp.sum(jnp.where(jnp.isfinite(fixed), each - fixed, 0.0), -1)

    def entropy(self) -> Array:
        return self._closed_form(dirichlet.entropy, self.concentration)

    def from_uniform(self, u: Any) -> Array:
        """The draw that u makes, stick by stick; see the function `from_uniform`."""
        return self._from_uniform(uniforms(self, u))

    def _from_uniform(self, u: Array) -> Array:
        a, later = self.concentration, jnp.flip(jnp.cumsum(jnp.flip(self.concentration, -1), -1), -1)
        sticks = Beta(a[..., :-1], later[..., 1:], validate_args=False).icdf(u[..., :-1])
        left = jnp.concatenate([jnp.ones_like(u[..., :1]), jnp.exp(jnp.cumsum(jnp.log1p(-sticks), -1))], -1)
        return jnp.concatenate([sticks * left[..., :-1], left[..., -1:]], -1)

    def _implicit_gradients(self, value):
        # dx_i / d alpha_j = x_i (delta_ij - x_j) L_j
        log_x = jnp.log(jnp.maximum(value, float(jnp.finfo(value.dtype).tiny)))
        slopes = evaluate(_slopes, log_x, jnp.broadcast_to(self.concentration, value.shape))
        identity = jnp.eye(value.shape[-1], dtype=value.dtype)
        return {"concentration": value[..., None] * (identity - value[..., None, :]) * slopes[..., None, :]}


@along_last_axis
def _slopes(xp: Namespace, log_x: Array, concentration: Array) -> Array:
    """`dirichlet.dlogx_dalpha`, whose integral is elementwise."""
    return evaluate(beta.dlogit_da, *dirichlet.marginal(xp, log_x, concentration))
