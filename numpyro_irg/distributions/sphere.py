"""What distributions on the unit sphere share: the direction, and the way from an angle to a point."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpyro.distributions as host
from jax import Array, lax, random
from numpyro.distributions import constraints

from irg_kernels.generic import sphere

from ..attach import NATIVE, attach_jointly
from .base import ImplicitMixin
from .multivariate import event_parameters


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
        return sphere.direction(NATIVE, self.mean_direction)

    def _drawn(self, key: Array, shape: tuple[int, ...]) -> Array:
        raise NotImplementedError

    def _carried(self, logit: Array) -> Array:
        raise NotImplementedError

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        (axis,) = self._extended(key, sample_shape, self._axis)
        angle_key, normal_key = random.split(key)
        y = self._drawn(angle_key, axis.shape[:-1])
        normal = random.normal(normal_key, axis.shape, axis.dtype)
        return self._at(y, sphere.across(NATIVE, lax.stop_gradient(axis), normal), axis)

    def at_fixed_quantile(self, x: Array) -> Array:
        """x, unchanged in value, that moves as a draw does."""
        x = lax.stop_gradient(x)
        axis = jnp.broadcast_to(self._axis, x.shape)
        logit, across = lax.stop_gradient(sphere.taken_apart(NATIVE, x, axis))
        moving = self._at(logit, across, axis)
        return x + (moving - lax.stop_gradient(moving))

    def _at(self, logit: Array, across: Array, axis: Array) -> Array:
        y, across = self._carried(logit), attach_jointly(_push, across, axis)
        cosine, sine = sphere.cosine_and_sine(NATIVE, y)
        return cosine * axis + sine * across

    def _half_square(self, value: Any, sign: float) -> Array:
        """1 - w, or 1 + w with the sign -1."""
        return sphere.half_square(NATIVE, jnp.asarray(value), self.mean_direction, sign)


def _push(tangent, across, axis):
    return -jnp.sum(across * tangent, -1, keepdims=True) * axis
