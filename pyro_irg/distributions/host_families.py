"""Families of the host's own classes, and the log-tails of any univariate distribution."""

from __future__ import annotations

import copy
import inspect
from typing import Any

import pyro.distributions as host
import torch
from pyro.distributions.torch_distribution import ExpandedDistribution, MaskedDistribution
from torch import Tensor
from torch.distributions.transforms import AbsTransform, SoftmaxTransform

from irg_kernels.adapter.host_families import HOST_FAMILIES as FAMILIES
from irg_kernels.adapter.univariate import Univariates
from irg_kernels.generic.family import Family

from ..attach import NATIVE, call
from .base import UnivariateMixin, support_of, together
from .base import log_density as log_density_of

_PYROS_OWN = ("InverseGamma", "Logistic")
HOST_FAMILIES: dict[type, Family] = {
    getattr(host if name in _PYROS_OWN else torch.distributions, name): family for name, family in FAMILIES.items()
}
"""The host's class, torch's where it is torch's -> its family."""


class _Univariates(Univariates[Tensor]):
    package, trusted = "pyro_irg", ("torch", "pyro", "pyro_irg")
    xp, hosts, ours = NATIVE, HOST_FAMILIES, UnivariateMixin
    distribution, transformed = torch.distributions.Distribution, torch.distributions.TransformedDistribution
    folded, mixture = host.FoldedDistribution, torch.distributions.MixtureSameFamily
    wrappers = (host.Independent, ExpandedDistribution, MaskedDistribution)
    folding = (AbsTransform, SoftmaxTransform)
    support_of, together, call = staticmethod(support_of), staticmethod(together), staticmethod(call)
    density_of = staticmethod(log_density_of)
    parameter = staticmethod(lambda value: value)

    def like(self, end: Any, x: Tensor) -> Tensor:
        return torch.as_tensor(end, dtype=x.dtype, device=x.device)

    def components(self, distribution: Any) -> list[Any] | None:
        return [distribution.component_distribution] if isinstance(distribution, self.mixture) else None

    def tails_of_mixture(self, distribution: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        logits = distribution.mixture_distribution.logits
        log_weights = logits.to(torch.promote_types(logits.dtype, x.dtype)).log_softmax(-1)
        each = self.tails_anywhere(distribution.component_distribution, x[..., None])
        lower, upper = ((log_weights + tail).logsumexp(-1) for tail in each)
        return lower, upper


_univariates = _Univariates()
ends_of = _univariates.ends_of
family_of = _univariates.family_of
has_tails = _univariates.has_tails
inner_point = _univariates.inner_point
is_dense_at_ends = _univariates.is_dense_at_ends
is_map = _univariates.is_map
log_density = _univariates.log_density
log_tails = _univariates.log_tails
tails_and_density = _univariates.tails_and_density
tails_anywhere = _univariates.tails_anywhere
tails_of = _univariates.tails_of
unwrapped = _univariates.unwrapped


def tensors(distribution: Any) -> list[Tensor]:
    """Floating parameters, those of the distributions and transforms inside too; no tensors of its own workings."""
    found = []
    for name, part in vars(distribution).items():
        if name.startswith("_") and isinstance(part, Tensor):
            continue
        for value in part if isinstance(part, list) else [part]:
            if isinstance(value, torch.distributions.Distribution):
                found += tensors(value)
            inside = vars(value).values() if isinstance(value, torch.distributions.Transform) else [value]
            found += [v for v in inside if isinstance(v, Tensor) and v.is_floating_point()]
    return found


def widened(distribution: Any) -> Any:
    """The distribution in float64 and without validation, made anew where its constructor takes just its parameters."""
    values: dict[str, Any] = {name: getattr(distribution, name, None) for name in distribution.arg_constraints}
    accepted = set(inspect.signature(type(distribution)).parameters)
    if (
        values
        and "logits" not in values
        and all(isinstance(v, Tensor) for v in values.values())
        and accepted == {*values, "validate_args"}
    ):
        return type(distribution)(**{name: value.double() for name, value in values.items()}, validate_args=False)
    distribution = copy.copy(distribution)
    for name, value in list(vars(distribution).items()):
        if isinstance(value, Tensor) and value.is_floating_point():
            vars(distribution)[name] = value.double()
        elif isinstance(value, torch.distributions.Distribution):
            vars(distribution)[name] = widened(value)
    distribution._validate_args = False
    return distribution


def component_log_prob(distribution: Any, x: Tensor) -> Tensor:
    """`log_prob` of a mixture's component, by the record where a host's class has one: far from it the host's overflows
    (Gumbel's from 88 scales on) and has NaN for derivatives."""
    if isinstance(distribution, UnivariateMixin) or family_of(distribution) is None:
        return distribution.log_prob(x)
    found = log_density(distribution, x)
    return found.expand(torch.broadcast_shapes(found.shape, distribution.batch_shape))


def first_guess(base: Any, low: Tensor | None, high: Tensor | None, q: Tensor) -> Tensor:
    """Where to look for the quantile q between bounds: by the base's own quantile, where it has one; else NaN.

    Far out a base's tails may be held at a least mass.
    """
    base = widened(base)  # and without validation: at infinity a mass may be no number
    try:
        below = 0.0 if low is None else base.cdf(low).double()
        until = 1.0 if high is None else base.cdf(high).double()
        eps = torch.finfo(q.dtype).eps
        return base.icdf((below + q * (until - below)).clamp(eps, 1.0 - eps)).to(q.dtype).expand(q.shape)
    except (NotImplementedError, AttributeError):
        return torch.full_like(q, torch.nan)
