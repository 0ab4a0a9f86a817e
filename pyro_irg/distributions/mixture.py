"""MixtureSameFamily, reparameterized in the weights and in every parameter of the components."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyro.distributions as host
import torch
from torch import Tensor

from irg_kernels.adapter import messages

from ..attach import in_transform
from ..registry import implicit_twin, implicit_twin_of
from . import conditionals
from .base import ImplicitMixin, uniforms
from .ends import off_ends
from .host_families import component_log_prob, ends_of, has_tails, unwrapped


@implicit_twin_of(host.MixtureSameFamily)
class MixtureSameFamily(ImplicitMixin, host.MixtureSameFamily):
    r"""Mixture :math:`\sum_k w_k f_k` of one family, reparameterized in the weights and in the components' parameters.

    A draw is the host's: a component by its weight, then that component's draw.  Its gradient is implicit and keeps
    the distribution function of each coordinate given those before it (Figurnov, Mohamed, Mnih 2018, eq. 3, after
    Graves 2016); it is unbiased, to second order (univariate: third), and depends on the order of the coordinates.

    :param mixture_distribution: a `Categorical` over K components.
    :param component_distribution: a distribution whose last batch axis has size K.  `has_rsample` is true of univariate
        ones with a distribution function, of one support for all K, `Independent` ones of these, `MultivariateNormal`
        and `MultivariateStudentT`; others are the host's mixtures.  Those that have an implicit twin are exchanged for
        it.
    :raises TypeError: for components that are no distribution of the library.
    :raises ValueError: for weights that are no `Categorical` of the library, or components of another number.
    """

    def __init__(
        self, mixture_distribution: Any, component_distribution: Any, validate_args: bool | None = None
    ) -> None:
        messages.check_distribution(
            "MixtureSameFamily", "component_distribution", component_distribution, torch.distributions.Distribution
        )
        weights = mixture_distribution
        count = weights.param_shape[-1] if isinstance(weights, torch.distributions.Categorical) else None
        messages.check_mixture("mixture_distribution", count, weights, component_distribution)
        component_distribution = implicit_twin(component_distribution) or component_distribution
        super().__init__(mixture_distribution, component_distribution, validate_args=validate_args)
        self.has_rsample = _has_gradient(component_distribution)
        self._unexpanded = self.mixture_distribution, self.component_distribution

    @classmethod
    def from_host(cls, fn: Any) -> Any:
        new = cls(fn.mixture_distribution, fn.component_distribution, validate_args=fn._validate_args)
        return new if new.batch_shape == fn.batch_shape else new.expand(fn.batch_shape)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = super().expand(batch_shape, _instance)
        new.has_rsample = self.has_rsample
        new._unexpanded = self._unexpanded  # what `at_fixed_quantile` computes once for all copies
        return new

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        each = component_log_prob(self.component_distribution, self._pad(value))
        return (each + self.mixture_distribution.logits.log_softmax(-1)).logsumexp(-1)

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        if conditionals.is_elliptical(self.component_distribution):
            which = self.mixture_distribution.expand(self.batch_shape).sample(torch.Size(sample_shape))
            return conditionals.drawn(self.component_distribution, which)
        x = host.MixtureSameFamily.sample(self, torch.Size(sample_shape))
        return off_ends(ends_of(unwrapped(self.component_distribution)), x) if self.has_rsample else x

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        self._reparameterized()
        x = self.sample(sample_shape).detach()
        return self.at_fixed_quantile(x) if torch.is_grad_enabled() or in_transform() else x

    def _reparameterized(self) -> Any:
        """The component."""
        component = self._unexpanded[1]
        if not _has_gradient(component):
            raise NotImplementedError(messages.no_mixture("MixtureSameFamily", [component], _different_ends(component)))
        return component

    def from_uniform(self, u: Any) -> Tensor:
        """The draw that u makes, coordinate by coordinate; see the function `from_uniform`."""
        return self._from_uniform(uniforms(self, u))

    def _from_uniform(self, u: Tensor) -> Tensor:
        component = self._reparameterized()
        weights = self._unexpanded[0]
        wide = u.dtype if u.device.type == "mps" else torch.float64
        return conditionals.from_uniform(weights.logits.to(wide).log_softmax(-1), component, u)

    def at_fixed_quantile(self, x: Tensor) -> Tensor:
        """x, unchanged in value, that moves so as to keep its place under the parameters."""
        weights, component = self._unexpanded
        # in float64 where the device has it
        wide = x.dtype if x.device.type == "mps" else torch.float64
        moving = conditionals.at_fixed_quantile(weights.logits.to(wide).log_softmax(-1), component, x)
        if in_transform():  # where `_different_ends` cannot look
            for alike in _ends_agree(component):
                alike = alike.reshape(alike.shape + (1,) * len(self.event_shape))
                moving = torch.where(alike, moving, torch.nan)
        return moving


def _has_gradient(component: Any) -> bool:
    if component.support.is_discrete or _different_ends(component):
        return False
    return conditionals.has_conditionals(component) if component.event_shape else has_tails(component)


def _different_ends(component: Any) -> list[tuple[Any, ...]]:
    """(least, most) of the supports, where they differ from component to component, along the last batch axis.

    Under a transformation of torch.func, where values are not known, they count as equal; then draws are NaN where
    they are not.
    """
    if in_transform() or all(map(torch._is_all_true, _ends_agree(component))):
        return []
    return [tuple(e.tolist() if isinstance(e, Tensor) else e for e in ends_of(unwrapped(component)))]


def _ends_agree(component: Any) -> Iterator[Tensor]:
    """Whether an end that depends on parameters is that of all components, by batch."""
    event = len(component.event_shape)
    for end in ends_of(unwrapped(component)):
        if isinstance(end, Tensor) and end.dim() > event:
            yield (end == end.narrow(-1 - event, 0, 1)).flatten(end.dim() - 1 - event).all(-1)
