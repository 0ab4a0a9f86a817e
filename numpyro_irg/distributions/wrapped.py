"""A univariate distribution wrapped onto the circle."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpyro.distributions as host
from jax import Array, lax
from numpyro.distributions import constraints
from numpyro.distributions.util import validate_sample
from numpyro.util import not_jax_tracer

from irg_kernels.adapter import messages
from irg_kernels.generic import wrapping

from ..attach import NATIVE
from ..registry import implicit_twin
from . import host_families
from .base import uniforms
from .from_uniform import by_tails, from_uniform, own_quantile
from .host_families import ends_of, family_of, has_tails, inner_point, tails_anywhere, unwrapped


class Wrapped(host.Distribution):
    r"""The angle in :math:`[-\pi, \pi)` that a draw x of a distribution of the line points at.

    Density :math:`\sum_j p(x + 2 \pi j)`: the turns about the median one by one, and those beyond by the base's tails.
    A draw has the gradients of the base's.  In float32 the digits are those of a value on the line next to the base's
    median, so that a narrow base should lie within a few turns of 0.

    :param base: a continuous univariate distribution with a cdf and a quantile; its implicit twin is taken for it.
    :raises TypeError: for what is no distribution of the library.
    :raises ValueError: for a base of vectors or of integers, one without a cdf, and, where its parameters are known and
        `validate_args` is not False, one that is wider than some hundred units and no smoother than that.

    >>> jax.grad(lambda scale: Wrapped(host.Normal(0.0, scale)).sample(jax.random.key(0)))(2.0).shape
    ()
    """

    arg_constraints: dict = {}
    support = constraints.circular
    pytree_data_fields = ("base_dist",)
    pytree_aux_fields = ("reparametrized_params",)

    def __init__(self, base: Any, *, validate_args: bool | None = None) -> None:
        messages.check_distribution("Wrapped", "base", base, host.Distribution)
        self.base_dist = implicit_twin(base) or base
        inner = unwrapped(self.base_dist)
        messages.check_wrapped(base, inner.is_discrete, has_tails(inner))
        self.reparametrized_params = list(inner.arg_constraints) if self.base_dist.has_rsample else []
        super().__init__(base.batch_shape, validate_args=validate_args)
        if self._validate_args:
            self._check()

    @property
    def has_rsample(self) -> bool:
        return self.base_dist.has_rsample

    def _check(self) -> None:
        leaves = jax.tree.leaves(self.base_dist)
        with jax.ensure_compile_time_eval():
            if not all(not_jax_tracer(leaf) for leaf in leaves):
                return
            worst = float(_error(self))
        if not worst <= wrapping.tolerance(NATIVE, jnp.zeros(())):
            raise ValueError(messages.too_wide(self.base_dist, worst))

    def _line(self, like: Array) -> wrapping.Line:
        base = unwrapped(self.base_dist)
        known = family_of(base)
        found = base.loc if known and wrapping.has_centre(known[0]) else from_uniform(self.base_dist, 0.5)
        centre = lax.stop_gradient(jnp.asarray(found, like.dtype))
        least, most = (jnp.asarray(e, like.dtype) for e in ends_of(base))

        def log_density(x: Array) -> Array:
            inside = (x >= least) & (x < most)
            # by the record: the host's may overflow some turns off, as Gumbel's does, with NaN for derivatives
            log_p = host_families.log_density(base, jnp.where(inside, x, inner_point(least, most)))
            return jnp.where(inside, log_p, -jnp.inf)

        return wrapping.Line(log_density, lambda x: tails_anywhere(base, x), centre)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        return _wrapped(self.base_dist.sample(key, sample_shape))

    rsample = sample

    def from_uniform(self, u: Any) -> Array:
        """The base's draw that u makes, wrapped; see the function `from_uniform`."""
        return _wrapped(from_uniform(self.base_dist, uniforms(self, u)))

    @validate_sample
    def log_prob(self, value: Array, intermediates: Any = None) -> Array:
        """log p(value), to rounding, with derivatives in the value and every parameter of the base."""
        value = self._floating(value)
        line = self._line(value)
        return wrapping.log_density(NATIVE, line, _nearest(value, line.centre))[0]

    def cdf(self, value: Any) -> Array:
        """The probability of an angle from -pi to value, with derivatives in both."""
        value = self._floating(value)
        line = self._line(value)
        start = _nearest(jnp.full_like(value, -jnp.pi), line.centre)
        return wrapping.cdf(NATIVE, line, start, value + jnp.pi + 0.0 * start)

    def _floating(self, value: Any) -> Array:
        shape = jnp.broadcast_shapes(jnp.shape(value), self.batch_shape)
        dtype = jnp.result_type(value, float, *jax.tree.leaves(unwrapped(self.base_dist)))
        return jnp.broadcast_to(jnp.asarray(value, dtype), shape)


own_quantile.register(Wrapped)(lambda base, q: by_tails(base, uniforms(base, q)))


@jax.jit
def _error(d: Wrapped) -> Array:
    """The largest at five angles, and at the ends of the support that lie beyond the sum."""
    angles = jnp.linspace(-3.0, 3.0, 5).reshape((5,) + (1,) * len(d.batch_shape))
    line = d._line(angles)
    error = wrapping.log_density(NATIVE, line, _nearest(angles, line.centre))[1]
    reach = wrapping.TURN * wrapping.turns(NATIVE, angles)
    for end, sign in zip(ends_of(unwrapped(d.base_dist)), (1.0, -1.0), strict=True):
        end = jnp.asarray(end, angles.dtype)
        bounded = jnp.isfinite(end)
        end = jnp.where(bounded, end, line.centre)
        far = bounded & (jnp.abs(end - line.centre) > reach)
        at = jnp.where(far, end + sign * 1e-6 * (1.0 + jnp.abs(end)), line.centre)
        error = jnp.maximum(error, jnp.where(far, jnp.exp(line.log_density(at)), 0.0))
    return jnp.max(error, initial=0.0)


def _wrapped(x: Array) -> Array:
    angle = x - lax.stop_gradient(wrapping.TURN * jnp.round(x / wrapping.TURN))
    return angle + lax.stop_gradient(jnp.clip(angle, -jnp.pi, jnp.pi) - angle)  # beyond by rounding


def _nearest(angle: Array, centre: Array) -> Array:
    """The value on the line next to the centre."""
    return angle + wrapping.TURN * lax.stop_gradient(jnp.round((centre - angle) / wrapping.TURN))
