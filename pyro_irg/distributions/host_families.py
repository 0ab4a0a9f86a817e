"""Families of the host's own classes, and the log-tails of any univariate distribution."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from functools import cache, singledispatch
from typing import Any

import pyro.distributions as host
import torch
from pyro.distributions.torch_distribution import ExpandedDistribution, MaskedDistribution
from torch import Tensor
from torch.distributions.transforms import AbsTransform, SoftmaxTransform

from irg_kernels.adapter import messages
from irg_kernels.adapter.host_families import HOST_FAMILIES as FAMILIES
from irg_kernels.adapter.host_families import family_of_class
from irg_kernels.generic import censoring
from irg_kernels.generic.family import Family, log_cdf_of, log_sf_of

from ..attach import NATIVE, call
from .base import UnivariateMixin, support_of, together
from .base import log_density as log_density_of

__all__ = [
    "HOST_FAMILIES",
    "component_log_prob",
    "ends_of",
    "family_of",
    "first_guess",
    "has_tails",
    "inner_point",
    "is_dense_at_ends",
    "is_map",
    "log_density",
    "log_tails",
    "tails_and_density",
    "tails_anywhere",
    "tails_of",
    "tensors",
    "unwrapped",
    "widened",
]

_PYROS_OWN = ("InverseGamma", "Logistic")
HOST_FAMILIES: dict[type, Family] = {
    getattr(host if name in _PYROS_OWN else torch.distributions, name): family for name, family in FAMILIES.items()
}
"""The host's class, torch's where it is torch's -> its family."""


def family_of(distribution: Any) -> tuple[Family, tuple[Tensor, ...]] | None:
    """The family of an elementwise distribution and its parameters; None where no record is known."""
    family = _family_of_class(type(distribution))  # type: ignore[arg-type]
    if family is None:
        return None
    if isinstance(distribution, UnivariateMixin):
        return family, distribution._family_parameters()
    return family, tuple(getattr(distribution, name) for name in family.parameters)


@cache
def _family_of_class(kind: type) -> Family | None:
    return family_of_class(kind, HOST_FAMILIES, ("torch", "pyro", "pyro_irg"))


def ends_of(base: Any) -> tuple[Any, ...]:
    """The ends of the support, numbers or, where they depend on parameters, tensors without derivative."""
    known = family_of(base)
    if known is not None:
        least, most = support_of(known[0], *known[1])
    else:
        least, most = (getattr(base.support, name, None) for name in ("lower_bound", "upper_bound"))
        least, most = -torch.inf if least is None else least, torch.inf if most is None else most
    least, most = (e.detach() if isinstance(e, Tensor) else float(e) for e in (least, most))
    return least, most


def inner_point(least: Tensor, most: Tensor) -> Tensor:
    """A point between two ends, of which any may be infinite."""
    one_end = torch.where(least.isinf(), most - 1.0, least + 1.0)
    point = torch.where(least.isinf() | most.isinf(), one_end, 0.5 * least + 0.5 * most)
    return torch.where(least.isinf() & most.isinf(), 0.0, point)


def tails_anywhere(distribution: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """`log_tails`, which beyond the support are 0 and -inf, without derivative."""
    distribution = unwrapped(distribution)
    least, most = (torch.as_tensor(e, dtype=x.dtype, device=x.device) for e in ends_of(distribution))
    below, above = (x < least, x > most) if distribution.support.is_discrete else (x <= least, x >= most)
    lower, upper = log_tails(distribution, torch.where(below | above, inner_point(least, most), x))
    return (
        torch.where(below, -torch.inf, torch.where(above, 0.0, lower)),
        torch.where(above, -torch.inf, torch.where(below, 0.0, upper)),
    )


def unwrapped(distribution: Any) -> Any:
    """The elementwise distribution."""
    while isinstance(distribution, (host.Independent, ExpandedDistribution, MaskedDistribution)):
        distribution = distribution.base_dist
    return distribution


def has_tails(distribution: Any) -> bool:
    """Whether `log_tails` knows the distribution."""
    distribution = unwrapped(distribution)
    if distribution.event_shape:
        return False
    if family_of(distribution) is not None:
        return True
    if isinstance(distribution, torch.distributions.MixtureSameFamily):
        return has_tails(distribution.component_distribution)
    if _is_transformed(distribution) or isinstance(distribution, host.FoldedDistribution):
        return has_tails(distribution.base_dist)
    return type(distribution).cdf not in (torch.distributions.Distribution.cdf, _TRANSFORMED_CDF)


_TRANSFORMED_CDF = torch.distributions.TransformedDistribution.cdf


def is_map(distribution: Any) -> bool:
    """Whether a value tells that of the base, of which it is a function."""
    is_transformed = isinstance(distribution, torch.distributions.TransformedDistribution)
    return is_transformed and not any(map(_folds, distribution.transforms))


def _folds(transform: Any) -> bool:
    """Whether several values become one, of which the inverse gives another than was drawn."""
    return isinstance(transform, (AbsTransform, SoftmaxTransform)) or any(map(_folds, getattr(transform, "parts", ())))


def _is_transformed(distribution: Any) -> bool:
    """Whether its cdf is that of its base at the value transformed back."""
    return is_map(distribution) and type(distribution).cdf is _TRANSFORMED_CDF


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


def log_density(distribution: Any, x: Tensor) -> Tensor:
    """log p(x) elementwise: by its family's record, whose derivatives are finite, where the host's may be infinite."""
    distribution = unwrapped(distribution)
    known = family_of(distribution)
    return distribution.log_prob(x) if known is None else log_density_of(known[0], x, *known[1])


def component_log_prob(distribution: Any, x: Tensor) -> Tensor:
    """`log_prob` of a mixture's component, by the record where a host's class has one: far from it the host's overflows
    (Gumbel's from 88 scales on) and has NaN for derivatives."""
    if isinstance(distribution, UnivariateMixin) or family_of(distribution) is None:
        return distribution.log_prob(x)
    found = log_density(distribution, x)
    return found.expand(torch.broadcast_shapes(found.shape, distribution.batch_shape))


def is_dense_at_ends(distribution: Any) -> bool:
    """Whether its log-density at an end of the support is that of the inside: of records, and of mixtures of them."""
    distribution = unwrapped(distribution)
    if isinstance(distribution, host.MixtureSameFamily):
        return is_dense_at_ends(distribution.component_distribution)
    return family_of(distribution) is not None


def log_tails(distribution: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """(log P(X <= x), log P(X > x)) elementwise, differentiable in x and the parameters.

    :raises NotImplementedError: for a distribution without a distribution function.
    """
    distribution = unwrapped(distribution)
    known = family_of(distribution)
    if known is None:
        return _log_tails(distribution, x)
    return tails_of(*known, x)


def tails_and_density(distribution: Any) -> tuple[Callable, Callable]:
    """`log_tails` and `log_density`, as functions of x."""
    return lambda x: log_tails(distribution, x), lambda x: log_density(distribution, x)


def tails_of(family: Family, params: tuple[Tensor, ...], x: Tensor) -> tuple[Tensor, Tensor]:
    """`log_tails` of a family."""
    if family.tails_are_closed:
        return family.log_tails(NATIVE, x, *params)
    args = together(x, *params)
    return call(log_cdf_of(family), *args), call(log_sf_of(family), *args)


@singledispatch
def _log_tails(distribution: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    if hasattr(distribution, "log_tails"):
        return distribution.log_tails(x)
    try:
        lower = distribution.cdf(x)
    except NotImplementedError:
        raise NotImplementedError(messages.no_cdf(distribution, "pyro_irg")) from None
    return _log_mass(lower), _log_mass(1.0 - lower)


def _log_mass(mass: Tensor) -> Tensor:
    """log of a mass, lifted off 0 where it has underflowed, with its derivative: a clamp would make that 0."""
    fixed = mass.detach()
    return (fixed.clamp(min=torch.finfo(mass.dtype).tiny) + (mass - fixed)).log()


@_log_tails.register(torch.distributions.TransformedDistribution)
def _transformed(distribution, x):
    if not _is_transformed(distribution):
        return _log_tails.dispatch(object)(distribution, x)
    lower_first: Any = True
    for transform in reversed(distribution.transforms):
        lower_first = lower_first == (torch.as_tensor(transform.sign) > 0)  # a tensor if the scale is
        x = transform.inv(x)
    lower, upper = log_tails(distribution.base_dist, x)
    if isinstance(lower_first, bool):
        return (lower, upper) if lower_first else (upper, lower)
    return torch.where(lower_first, lower, upper), torch.where(lower_first, upper, lower)


@_log_tails.register(host.FoldedDistribution)
def _folded(distribution, x):
    below, above = (tails_anywhere(distribution.base_dist, end) for end in (-x, x))
    inside = censoring.log_between(NATIVE, below, above, x <= 0.0)
    known = family_of(unwrapped(distribution.base_dist))
    if known is not None and censoring.can_integrate_about_0(known[0]):
        positive = (x > 0.0) & (x < torch.inf)
        size, *params = together(torch.where(positive, x, 1.0), *known[1])
        log_p0 = log_density_of(known[0], 0.0 * size, *params)
        inside = torch.where(positive, censoring.log_about_0(NATIVE, known[0], log_p0, size, *params), inside)
    empty = x <= 0.0
    outside = censoring.log_outside(NATIVE, below, above)
    return torch.where(empty, -torch.inf, inside), torch.where(empty, 0.0, outside)


@_log_tails.register(torch.distributions.MixtureSameFamily)
def _mixture(distribution, x):
    logits = distribution.mixture_distribution.logits
    log_weights = logits.to(torch.promote_types(logits.dtype, x.dtype)).log_softmax(-1)
    each = log_tails(distribution.component_distribution, x[..., None])
    lower, upper = ((log_weights + tail).logsumexp(-1) for tail in each)
    return lower, upper


def first_guess(base: Any, low: Tensor | None, high: Tensor | None, q: Tensor) -> Tensor:
    """Where to look for the quantile q between bounds: by the base's own quantile, where it has one; else NaN.

    Far out a base's tails may be held at a least mass.
    """
    try:
        below = 0.0 if low is None else base.cdf(low).double()
        until = 1.0 if high is None else base.cdf(high).double()
        eps = torch.finfo(q.dtype).eps
        return base.icdf((below + q * (until - below)).clamp(eps, 1.0 - eps)).to(q.dtype).expand(q.shape)
    except (NotImplementedError, AttributeError):
        return torch.full_like(q, torch.nan)
