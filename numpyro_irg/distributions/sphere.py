"""What distributions on the unit sphere share: the direction, and the way from an angle to a point."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpyro.distributions as host
from jax import Array, lax, random
from numpyro.distributions import constraints

from ..attach import attach_jointly
from .base import ImplicitMixin
from .multivariate import event_parameters

__all__ = ["Axial", "with_half"]


@functools.cache
def with_half(kernel: Callable, half: float) -> Callable:
    """A kernel whose last argument is (d - 1) / 2, at that of one dimension: one function, for it is compiled once."""
    return lambda xp, *args: kernel(xp, *args, half)


class Axial(ImplicitMixin, host.Distribution):
    """A distribution of x = w mu + sqrt(1 - w**2) t on the sphere, t uniform among the unit vectors across mu.

    A class gives `_drawn(key, shape)`, a draw of the logit of (1 - w) / 2, and `_carried(logit)`, the same with its
    derivatives.

    t is a normal vector's part across mu, so that no direction is special, as it would be to a reflection that takes
    some axis to mu.  Where mu moves, x turns with it, by the rotation that leaves alone what lies across both mu and
    its motion: t moves by -mu (t . dmu).  Any other turn about mu would add to the variance and nothing to the mean.
    """

    arg_constraints = {"mean_direction": constraints.sphere, "concentration": constraints.positive}
    support = constraints.sphere
    reparametrized_params = ["mean_direction", "concentration"]

    mean_direction: Array
    concentration: Array

    def _begin(self, validate_args: bool | None, mean_direction: Any, concentration: Any) -> None:
        name = type(self).__name__
        given = {"mean_direction": (mean_direction, 1), "concentration": (concentration, 0)}
        batch, (direction, concentration) = event_parameters(name, **given)
        if direction.shape[-1] < 2:
            raise ValueError(
                f"{name}: mean_direction must be a vector of 2 or more dimensions, got shape {direction.shape}"
            )
        self.mean_direction = jnp.broadcast_to(direction, (*batch, direction.shape[-1]))
        self.concentration = jnp.broadcast_to(concentration, batch)
        host.Distribution.__init__(self, batch, direction.shape[-1:], validate_args=validate_args)

    @property
    def _half(self) -> float:
        """(d - 1) / 2"""
        return 0.5 * (self.event_shape[-1] - 1)

    @property
    def _axis(self) -> Array:
        """The mean direction, of length 1, so that a motion along itself has no effect."""
        return self.mean_direction / jnp.linalg.norm(self.mean_direction, axis=-1, keepdims=True)

    def _drawn(self, key: Array, shape: tuple[int, ...]) -> Array:
        raise NotImplementedError

    def _carried(self, logit: Array) -> Array:
        raise NotImplementedError

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        (axis,) = self._extended(key, sample_shape, self._axis)
        angle_key, normal_key = random.split(key)
        y = self._drawn(angle_key, axis.shape[:-1])
        return self._at(y, _across(normal_key, lax.stop_gradient(axis)), axis)

    def at_fixed_quantile(self, x: Array) -> Array:
        """x, unchanged in value, that moves as a draw does."""
        x = lax.stop_gradient(x)
        axis = jnp.broadcast_to(self._axis, x.shape)
        fixed, tiny = lax.stop_gradient(axis), float(jnp.finfo(x.dtype).tiny)
        towards, away = (jnp.maximum(lax.stop_gradient(self._half_square(x, sign)), tiny) for sign in (-1.0, 1.0))
        across = x - jnp.sum(x * fixed, -1, keepdims=True) * fixed
        # at the poles no direction across is known, nor does one matter
        known = jnp.any(across != 0.0, -1, keepdims=True)
        across = across / jnp.linalg.norm(jnp.where(known, across, 1.0), axis=-1, keepdims=True)
        moving = self._at(jnp.log(away) - jnp.log(towards), across, axis)
        return x + (moving - lax.stop_gradient(moving))

    def _at(self, logit: Array, across: Array, axis: Array) -> Array:
        y, across = self._carried(logit), attach_jointly(_push, across, axis)
        sine = 2.0 * jnp.exp(-0.5 * (jax.nn.softplus(y) + jax.nn.softplus(-y)))
        return (1.0 - 2.0 * jax.nn.sigmoid(y))[..., None] * axis + sine[..., None] * across

    def _half_square(self, value: Any, sign: float) -> Array:
        """1 - w, or 1 + w with the sign -1, of the directions: (|x - mu|**2 - (|x| - |mu|)**2) / (2 |x| |mu|), which
        does not cancel next to it, and in which the rounding of either length has no part."""
        value = jnp.asarray(value)
        length, other = jnp.linalg.norm(value, axis=-1), jnp.linalg.norm(self.mean_direction, axis=-1)
        square = jnp.sum(jnp.square(value - sign * self.mean_direction), -1) - jnp.square(length - other)
        return 0.5 * square / (length * other)


def _across(key: Array, axis: Array) -> Array:
    """Unit vectors uniform among those across the axes."""
    found = random.normal(key, axis.shape, axis.dtype)
    for _ in range(2):  # the second for what rounding has left
        found = found - jnp.sum(found * axis, -1, keepdims=True) * axis
        found = found / jnp.linalg.norm(found, axis=-1, keepdims=True)
    return found


def _push(tangent, across, axis):
    return -jnp.sum(across * tangent, -1, keepdims=True) * axis
