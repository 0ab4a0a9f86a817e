"""MixtureOfDiagNormals, its twin of shared covariance and GaussianScaleMixture, which NumPyro has not."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpyro.distributions as host
from jax import Array, lax, random
from jax.nn import log_softmax, logsumexp, softmax
from numpyro.distributions import constraints
from numpyro.distributions.util import validate_sample

from irg_kernels.adapter.messages import diag_normals

from . import conditionals
from .base import ImplicitMixin, promoted, uniforms

__all__ = ["GaussianScaleMixture", "MixtureOfDiagNormals", "MixtureOfDiagNormalsSharedCovariance"]


class _DiagNormals(ImplicitMixin, host.Distribution):
    """What the three share: parameters of whole batch and event shape, as Pyro has them."""

    _axes: dict[str, int]
    """parameter -> axes of its event"""
    support = constraints.real_vector

    def __init_subclass__(cls, **kwargs: Any) -> None:
        if "_axes" in cls.__dict__:
            cls.arg_constraints = {
                name: constraints.independent(constraints.positive if "scale" in name else constraints.real, axes)
                for name, axes in cls._axes.items()
            }
            cls.reparametrized_params = list(cls._axes)
        super().__init_subclass__(**kwargs)

    def _begin(self, validate_args: bool | None, **given: Any) -> None:
        found = dict(zip(given, promoted(type(self).__name__, **given), strict=True))
        batch_shape, events = diag_normals(type(self).__name__, {p: v.shape for p, v in found.items()}, self._axes)
        for name, value in found.items():
            setattr(self, name, jnp.broadcast_to(value, batch_shape + events[name]))
        vector = events["locs"][-1:] if "locs" in events else events["coord_scale"]
        super().__init__(batch_shape, vector, validate_args=validate_args)

    def _locs_and_scales(self) -> tuple[Array, Array]:
        """Both of shape (..., K, D)."""
        raise NotImplementedError

    @property
    def probs(self) -> Array:
        """The weights, of shape (..., K)."""
        return softmax(self.component_logits, -1)

    def _component(self) -> Any:
        locs, scales = self._locs_and_scales()
        return host.Independent(host.Normal(locs, scales, validate_args=False), 1, validate_args=False)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        self._extended(key, sample_shape)
        which, noise = random.split(key)
        shape = tuple(sample_shape) + self.batch_shape
        locs, scales = lax.stop_gradient(self._locs_and_scales())
        index = random.categorical(which, lax.stop_gradient(self.component_logits), shape=shape)[..., None, None]

        def taken(p: Array) -> Array:
            p = jnp.broadcast_to(p, shape + p.shape[-2:])
            return jnp.take_along_axis(p, jnp.broadcast_to(index, (*shape, 1, p.shape[-1])), -2)[..., 0, :]

        eps = random.normal(noise, shape + self.event_shape, locs.dtype)
        return self.at_fixed_quantile(taken(locs) + taken(scales) * eps)

    def at_fixed_quantile(self, x: Array) -> Array:
        """x, unchanged in value, that moves so as to keep its Rosenblatt transform."""
        return conditionals.at_fixed_quantile(log_softmax(self.component_logits, -1), [self._component()], x)

    def from_uniform(self, u: Any) -> Array:
        """The draw that u makes, coordinate by coordinate; see the function `from_uniform`."""
        return conditionals.from_uniform(log_softmax(self.component_logits, -1), [self._component()], uniforms(self, u))

    @validate_sample
    def log_prob(self, value: Any, intermediates: Any = None) -> Array:
        """log p(value)."""
        log_f = self._component().log_prob(jnp.asarray(value)[..., None, :])
        return logsumexp(log_softmax(self.component_logits, -1) + log_f, axis=-1)

    @property
    def mean(self) -> Array:
        return jnp.sum(self.probs[..., None] * self._locs_and_scales()[0], -2)

    @property
    def variance(self) -> Array:
        locs, scales = self._locs_and_scales()
        second = jnp.square(scales) + jnp.square(locs - self.mean[..., None, :])
        return jnp.sum(self.probs[..., None] * second, -2)


class _Located(_DiagNormals):
    """With means, and standard deviations of each component or of all."""

    def __init__(
        self, locs: Any, coord_scale: Any, component_logits: Any, *, validate_args: bool | None = None
    ) -> None:
        self._begin(validate_args, locs=locs, coord_scale=coord_scale, component_logits=component_logits)

    def _locs_and_scales(self) -> tuple[Array, Array]:
        if self._axes["coord_scale"] == 1:
            return self.locs, jnp.broadcast_to(self.coord_scale[..., None, :], self.locs.shape)
        return self.locs, self.coord_scale


class MixtureOfDiagNormals(_Located):
    r"""Mixture of K normal distributions with diagonal covariance, reparameterized in all parameters; D = 1 is allowed.

    Density :math:`\sum_k w_k \prod_i N(x_i; \mu_{ki}, \sigma_{ki}^2)`.

    With Pyro's arguments.  The gradient keeps the distribution function of each coordinate given those before it
    (Figurnov, Mohamed, Mnih 2018, eq. 3, after Graves 2016).  One of several paths to the same expectation, it depends
    on the order of the coordinates.

    :param locs: :math:`\mu`, means, of shape (..., K, D).
    :param coord_scale: :math:`\sigma`, standard deviations, of shape (..., K, D), positive.
    :param component_logits: :math:`\log w` up to a common constant, of shape (..., K).
    :raises ValueError: for parameters outside their constraint, not finite, or of other shapes.
    """

    _axes = {"locs": 2, "coord_scale": 2, "component_logits": 1}


class MixtureOfDiagNormalsSharedCovariance(_Located):
    r"""Mixture of K normal distributions with one diagonal covariance, reparameterized in all parameters; D = 1 is
    allowed.

    The gradient is that of `MixtureOfDiagNormals`.

    :param locs: means, of shape (..., K, D).
    :param coord_scale: standard deviations, of shape (..., D), positive.
    :param component_logits: :math:`\log w` up to a common constant, of shape (..., K).
    :raises ValueError: for parameters outside their constraint, not finite, or of other shapes.
    """

    _axes = {"locs": 2, "coord_scale": 1, "component_logits": 1}


class GaussianScaleMixture(_DiagNormals):
    r"""Mixture of K normal distributions about 0, of covariances
    :math:`\mathrm{diag}(\tau_k \sigma_i)^2`, reparameterized in all parameters; D = 1 is allowed.

    With Pyro's arguments.  The gradient is that of `MixtureOfDiagNormals`.

    :param coord_scale: :math:`\sigma`, of shape (..., D), positive.
    :param component_logits: :math:`\log w` up to a common constant, of shape (..., K).
    :param component_scale: :math:`\tau`, of shape (..., K), positive.
    :raises ValueError: for parameters outside their constraint, not finite, or of other shapes.
    """

    _axes = {"coord_scale": 1, "component_logits": 1, "component_scale": 1}

    def __init__(
        self, coord_scale: Any, component_logits: Any, component_scale: Any, *, validate_args: bool | None = None
    ) -> None:
        self._begin(
            validate_args, coord_scale=coord_scale, component_logits=component_logits, component_scale=component_scale
        )

    def _locs_and_scales(self) -> tuple[Array, Array]:
        scales = self.component_scale[..., None] * self.coord_scale[..., None, :]
        return jnp.zeros_like(scales), scales
