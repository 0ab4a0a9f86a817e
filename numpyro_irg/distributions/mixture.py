"""MixtureSameFamily and MixtureGeneral, reparameterized in the weights and in every parameter of the components."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpyro.distributions as host
from jax import Array, lax
from jax.nn import log_softmax
from numpyro.distributions import constraints
from numpyro.util import not_jax_tracer

from irg_kernels.adapter import messages

from ..registry import implicit_twin, implicit_twin_of
from . import conditionals
from .base import ChecksValues, uniforms
from .ends import off_ends
from .host_families import component_log_prob, ends_of, has_tails, unwrapped

__all__ = ["MixtureGeneral", "MixtureSameFamily"]


def _exchanged(distribution: Any) -> Any:
    """The implicit twin, where there is one; what is no distribution is for the host to refuse."""
    return (
        (implicit_twin(distribution) or distribution) if isinstance(distribution, host.Distribution) else distribution
    )


class _Mixture(ChecksValues):
    """What the two share: the host's draws, with the gradient hung on."""

    def _components(self) -> list[Any]:
        raise NotImplementedError

    @property
    def has_rsample(self) -> bool:
        """Whether the distribution of the components is one that has the gradient."""
        distributions = self._components()
        if any(
            distribution.support is None or distribution.is_discrete for distribution in distributions
        ) or _different_ends(distributions):
            return False
        if self.event_shape:
            return all(map(conditionals.has_conditionals, distributions)) and _one_kind(distributions)
        return all(map(has_tails, distributions))

    def rsample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        self._refuse_unknown()
        return self.sample(key, sample_shape)

    def sample_with_intermediates(self, key: Array, sample_shape: tuple[int, ...] = ()) -> tuple[Array, Any]:
        """The draw and the indices of the components.  With `has_rsample`, the draw carries the implicit gradient."""
        x, indices = super().sample_with_intermediates(key, sample_shape)
        if not self.has_rsample:
            return x, indices
        ends = ends_of(unwrapped(self._components()[0]))
        return self.at_fixed_quantile(off_ends(ends, lax.stop_gradient(x))), indices

    def _refuse_unknown(self) -> None:
        if not self.has_rsample:
            distributions = self._components()
            continuous = not any(
                distribution.support is None or distribution.is_discrete for distribution in distributions
            )
            supports = _different_ends(distributions) if continuous else []
            raise NotImplementedError(messages.no_mixture(type(self).__name__, distributions, supports))

    def from_uniform(self, u: Any) -> Array:
        """The draw that u makes, coordinate by coordinate; see the function `from_uniform`."""
        return self._from_uniform(uniforms(self, u))

    def _from_uniform(self, u: Array) -> Array:
        self._refuse_unknown()
        return conditionals.from_uniform(log_softmax(self.mixing_distribution.logits), self._components(), u)

    def at_fixed_quantile(self, x: Array) -> Array:
        """x, unchanged in value, that moves so as to keep its place under the parameters."""
        distributions = self._components()
        moving = conditionals.at_fixed_quantile(log_softmax(self.mixing_distribution.logits), distributions, x)
        for alike in _traced_ends_agree(distributions):
            moving = jnp.where(jnp.reshape(alike, alike.shape + (1,) * len(self.event_shape)), moving, jnp.nan)
        return moving


def _traced_ends_agree(distributions: list[Any]) -> Iterator[Array]:
    """Whether ends that are traced, which `_different_ends` cannot compare, are those of all components; by batch."""
    event = tuple(range(-len(distributions[0].event_shape), 0))
    for side in zip(*(ends_of(unwrapped(distribution)) for distribution in distributions), strict=True):
        if all(map(not_jax_tracer, side)):
            continue
        axis = -1 - len(event)
        if len(distributions) == 1:  # the components are the last batch axis
            if side[0].ndim >= -axis:
                yield (side[0] == jnp.take(side[0], jnp.array([0]), axis)).all((axis, *event))
        else:
            yield jnp.stack(jnp.broadcast_arrays(*(e == side[0] for e in side))).all((0, *event))


def _different_ends(distributions: list[Any]) -> list[tuple[Any, ...]]:
    """(least, most) of the supports, where they differ from component to component; what is traced counts as equal."""
    ends = [ends_of(unwrapped(distribution)) for distribution in distributions]
    with jax.ensure_compile_time_eval():
        for side in zip(*ends, strict=True):
            known = [jnp.asarray(e) for e in side if not_jax_tracer(e)]
            if len(distributions) == 1 and known:  # the components are the last batch axis
                axis = -1 - len(distributions[0].event_shape)
                known = list(jnp.moveaxis(known[0], axis, 0)) if known[0].ndim >= -axis else []
            if not all((e == known[0]).all() for e in known):
                return [tuple(e.tolist() if isinstance(e, Array) else e for e in pair) for pair in ends]
    return []


def _one_kind(distributions: list[Any]) -> bool:
    if not any(map(conditionals.is_elliptical, distributions)):
        return True
    return all(type(unwrapped(distribution)) is type(unwrapped(distributions[0])) for distribution in distributions)


def _check_count(mixing: Any, component: Any) -> None:
    count = None
    if isinstance(mixing, (host.CategoricalProbs, host.CategoricalLogits)):
        count = (mixing.probs if isinstance(mixing, host.CategoricalProbs) else mixing.logits).shape[-1]
    messages.check_mixture("mixing_distribution", count, mixing, component)


@implicit_twin_of(host.MixtureSameFamily)
class MixtureSameFamily(_Mixture, host.MixtureSameFamily):
    r"""Mixture :math:`\sum_k w_k f_k` of one family, reparameterized in the weights and in the components' parameters.

    A draw is the host's: a component by its weight, then that component's draw.  Its gradient is implicit and keeps
    the distribution function of each coordinate given those before it (Figurnov, Mohamed, Mnih 2018, eq. 3, after
    Graves 2016); it is unbiased, to any order, and depends on the order of the coordinates.

    :param mixing_distribution: a `Categorical` over K components.
    :param component_distribution: a distribution whose last batch axis has size K.  `has_rsample` is true of univariate
        ones with a distribution function, of one support for all K, `Independent` ones of these, `MultivariateNormal`
        and `MultivariateStudentT`; others are the host's mixtures.  Those that have an implicit twin are exchanged for
        it.
    :raises TypeError: for components that are no distribution of the library.
    :raises ValueError: for weights that are no `Categorical` of the library, or components of another number.
    """

    def __init__(
        self, mixing_distribution: Any, component_distribution: Any, *, validate_args: bool | None = None
    ) -> None:
        messages.check_distribution(
            "MixtureSameFamily", "component_distribution", component_distribution, host.Distribution
        )
        component = _exchanged(component_distribution)
        _check_count(mixing_distribution, component)
        moves = not component.is_discrete and bool(jax.tree.leaves(component.support))
        if moves and (differ := _different_ends([component])):
            raise ValueError(messages.no_mixture("MixtureSameFamily", [component], differ))
        # the host takes no support that depends on parameters, though all components have it
        shape, event = component.batch_shape + component.event_shape, len(component.event_shape)
        alike = host.Normal(jnp.zeros(shape), 1.0).to_event(event) if moves else component
        super().__init__(mixing_distribution, alike, validate_args=validate_args)
        self._component_distribution = component

    @constraints.dependent_property
    def support(self) -> Any:
        """That of the components, of which the first speaks for all."""
        support, axis = self.component_distribution.support, -1 - len(self.event_shape)
        return jax.tree.map(lambda end: end.take(0, axis) if jnp.ndim(end) >= -axis else end, support)

    @classmethod
    def from_host(cls, fn: Any) -> Any:
        return cls(fn.mixing_distribution, fn.component_distribution, validate_args=fn._validate_args)

    def component_log_probs(self, value: Array) -> Array:
        each = component_log_prob(self.component_distribution, jnp.expand_dims(value, self.mixture_dim))
        return log_softmax(self.mixing_distribution.logits) + each

    def _components(self):
        return [self.component_distribution]


@implicit_twin_of(host.MixtureGeneral)
class MixtureGeneral(_Mixture, host.MixtureGeneral):
    r"""Mixture :math:`\sum_k w_k f_k` of K distributions, reparameterized in the weights and in the components'
    parameters.

    Draws and gradient are those of `MixtureSameFamily`.

    :param mixing_distribution: a `Categorical` over K components.
    :param component_distributions: K distributions.  `has_rsample` is true if they have one support and are all
        univariate, all factorised, all `MultivariateNormal` or all `MultivariateStudentT`.
    :param support: that of the mixture, where the components' differ.
    :raises ValueError: as the host's.
    """

    def __init__(
        self,
        mixing_distribution: Any,
        component_distributions: Any,
        *,
        support: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        try:
            component_distributions = [_exchanged(distribution) for distribution in component_distributions]
        except TypeError:
            pass  # not a list, which the host refuses
        super().__init__(mixing_distribution, component_distributions, support=support, validate_args=validate_args)

    @classmethod
    def from_host(cls, fn: Any) -> Any:
        distributions = fn.component_distributions
        return cls(fn.mixing_distribution, distributions, support=fn._support, validate_args=fn._validate_args)

    def component_log_probs(self, value: Array) -> Array:
        each = [component_log_prob(distribution, value) for distribution in self.component_distributions]
        if self._support is not None:  # which may be wider than a component's
            inside = [distribution.support(value) for distribution in self.component_distributions]
            each = [jnp.where(within, found, -jnp.inf) for within, found in zip(inside, each, strict=True)]
        return log_softmax(self.mixing_distribution.logits) + jnp.stack(each, axis=-1)

    def _components(self):
        return self.component_distributions
