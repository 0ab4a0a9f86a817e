"""Distributions of which some values are known only to lie below, above, between or outside bounds."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpyro.distributions as host
from jax import Array
from numpyro.distributions.util import validate_sample
from numpyro.util import not_jax_tracer

from irg_kernels.adapter import arguments
from irg_kernels.generic import censoring

from ..attach import NATIVE
from ..registry import implicit_twin, implicit_twin_of
from .host_families import ends_of, inner_point, tails_anywhere, unwrapped

__all__ = ["IntervalCensoredDistribution", "LeftCensoredDistribution", "RightCensoredDistribution"]

_Host: Any = host.Distribution if TYPE_CHECKING else object


class _AsBase:
    """All parameters or none, as the base is reparameterized or not; of a class, none."""

    def __get__(self, d: Any, owner: Any) -> list[str]:
        return list(owner._flags) if d is not None and d.base_dist.has_rsample else []


class _Censored(_Host):
    """What the three share, before the host's class; `_flags` are the names of their indicators.

    As in the host's, values are not validated unless asked for: an interval may begin or end outside the support.
    """

    _flags: tuple[str, ...] = ("censored",)
    reparametrized_params: Any = _AsBase()  # the indicators do not move a draw

    def _start(self, base_dist: Any, event_shape: tuple[int, ...], validate_args: bool | None, **flags: Any) -> None:
        """In place of the host's, which stretches the leaves of the base, of what shape soever."""
        name = type(self).__name__
        arguments.check_is_distribution(name, base_dist, host.Distribution)
        arguments.check_univariate(name, base_dist)
        self.base_dist = implicit_twin(base_dist) or base_dist
        self._support = self.base_dist.support
        shape = jnp.broadcast_shapes(base_dist.batch_shape, *map(jnp.shape, flags.values()))
        for key, flag in flags.items():
            setattr(self, key, jnp.broadcast_to(_indicator(f"{name}: {key}", flag), shape))
        host.Distribution.__init__(self, shape, event_shape, validate_args=validate_args)

    @classmethod
    def from_host(cls, fn: Any) -> Any:
        # the host stretches the base's parameters, and leaves its batch shape as it was
        base = copy.copy(fn.base_dist)
        base._batch_shape = fn.batch_shape
        new = cls(base, **{flag: getattr(fn, flag) for flag in cls._flags})
        new._validate_args = fn._validate_args
        return new

    @property
    def has_rsample(self) -> bool:
        return self.base_dist.has_rsample

    def rsample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        """Values of the base, as they would be seen uncensored."""
        return self.base_dist.expand(self.batch_shape).rsample(key, sample_shape)

    def _density(self, value: Array, seen: Array) -> Array:
        """log p where `seen`; elsewhere that of a value inside the support."""
        base = unwrapped(self.base_dist)
        within = inner_point(*(jnp.asarray(e, value.dtype) for e in ends_of(base)))
        return base.log_prob(jnp.where(seen, value, within))


def _indicator(what: str, flag: Any) -> Array:
    with jax.ensure_compile_time_eval():  # a bound in its place would count as 1
        flag = jnp.asarray(flag)
        valid = (flag == 0) | (flag == 1)
        if not_jax_tracer(valid) and not valid.all():
            raise ValueError(f"{what} must be 0 or 1, saying which values are censored, got {flag}")
        return flag.astype(bool)


def _floating(value: Any) -> Array:
    return jnp.asarray(value, jnp.result_type(value, float))


@implicit_twin_of(host.LeftCensoredDistribution)
class LeftCensoredDistribution(_Censored, host.LeftCensoredDistribution):
    r"""Values of `base_dist`, of which those with `censored` = 1 lie at or below what is reported.

    The log-density is :math:`\log p(x)` of a value that is seen, and :math:`\log F(x)` of one that is censored, as far
    out as the density is finite, with derivatives in the value and in every parameter of the base.

    :param base_dist: a univariate distribution with a cdf; its implicit twin is taken for it.
    :param censored: 0 or 1, of a shape that broadcasts with the base's.
    :raises ValueError: for a base that is not univariate, or an indicator that is neither 0 nor 1.
    """

    def __init__(self, base_dist: Any, censored: Any = False, *, validate_args: bool | None = False) -> None:
        self._start(base_dist, (), validate_args, censored=censored)

    @validate_sample
    def log_prob(self, value: Array) -> Array:
        value = _floating(value)
        lower, _ = tails_anywhere(self.base_dist, value)
        return jnp.where(self.censored, lower, self._density(value, ~self.censored))


@implicit_twin_of(host.RightCensoredDistribution)
class RightCensoredDistribution(_Censored, host.RightCensoredDistribution):
    r"""Values of `base_dist`, of which those with `censored` = 1 lie at or above what is reported.

    The log-density is :math:`\log p(x)` of a value that is seen, and :math:`\log(1 - F(x))` of one that is censored, as
    far out as the density is finite, with derivatives in the value and in every parameter of the base.

    :param base_dist: a univariate distribution with a cdf; its implicit twin is taken for it.
    :param censored: 0 or 1, of a shape that broadcasts with the base's.
    :raises ValueError: for a base that is not univariate, or an indicator that is neither 0 nor 1.

    >>> round(float(RightCensoredDistribution(host.Gamma(2.0, 1.0), 1).log_prob(30.0)), 3)
    -26.566
    """

    def __init__(self, base_dist: Any, censored: Any = False, *, validate_args: bool | None = False) -> None:
        self._start(base_dist, (), validate_args, censored=censored)

    @validate_sample
    def log_prob(self, value: Array) -> Array:
        value = _floating(value)
        _, upper = tails_anywhere(self.base_dist, value)
        return jnp.where(self.censored, upper, self._density(value, ~self.censored))


@implicit_twin_of(host.IntervalCensoredDistribution)
class IntervalCensoredDistribution(_Censored, host.IntervalCensoredDistribution):
    r"""Values of `base_dist` reported as (lower, upper), the last axis of what `log_prob` takes.

    =============  ==============  ==========================================================
    left_censored  right_censored  log-probability
    =============  ==============  ==========================================================
    1              0               :math:`\log F(u)`
    0              1               :math:`\log(1 - F(l))`
    0              0               :math:`\log(F(u) - F(l))`, or :math:`\log p(l)` where l and u are close (`isclose`)
    1              1               :math:`\log(1 - F(u) + F(l))`
    =============  ==============  ==========================================================

    :param base_dist: a univariate distribution with a cdf; its implicit twin is taken for it.
    :param left_censored: 0 or 1, of a shape that broadcasts with the base's; and `right_censored`.
    :raises ValueError: for a base that is not univariate, or an indicator that is neither 0 nor 1.
    """

    _flags = ("left_censored", "right_censored")

    def __init__(
        self, base_dist: Any, left_censored: Any, right_censored: Any, *, validate_args: bool | None = False
    ) -> None:
        self._start(base_dist, (2,), validate_args, left_censored=left_censored, right_censored=right_censored)

    @validate_sample
    def log_prob(self, value: Array) -> Array:
        value = _floating(value)
        is_left, is_right, _, is_outside, is_point = self._get_censoring_masks(value)
        # where one is censored, the other end says nothing, whatever it is
        low, high = jnp.where(is_left, value[..., 1], value[..., 0]), jnp.where(is_right, value[..., 0], value[..., 1])
        shape = jnp.broadcast_shapes(low.shape, self.batch_shape)
        # both ends in one: half of what is to be compiled
        ends = jnp.stack([jnp.broadcast_to(end, shape) for end in (low, high)])
        at_low, at_high = zip(*tails_anywhere(self.base_dist, ends), strict=True)
        found = jnp.where(
            is_outside,
            censoring.log_outside(NATIVE, at_low, at_high),
            censoring.log_between(NATIVE, at_low, at_high, is_point | is_left | is_right | is_outside),
        )
        found = jnp.where(is_left, at_high[0], jnp.where(is_right, at_low[1], found))
        return jnp.where(is_point, self._density(low, is_point), found)
