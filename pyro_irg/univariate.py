"""What mixtures, truncation and copulas need of a univariate law, the host's or ours: its tails, and held draws."""

from __future__ import annotations

import copy
import inspect
from functools import singledispatch
from typing import Any

import pyro.distributions as host
import torch
from pyro.distributions.torch_distribution import ExpandedDistribution, MaskedDistribution
from torch import Tensor

from irg_kernels.generic import fixed_quantile as univariate

from .attach import NATIVE
from .distributions.base import UnivariateMixin

__all__ = ["at_fixed_quantile", "has_tails", "log_tails", "tensors", "unwrapped", "widened"]


def at_fixed_quantile(law: Any, x: Tensor) -> Tensor:
    """x, unchanged in value, that moves with the law's parameters so as to keep its quantile, to third order.

    :param law: a univariate law with a distribution function, perhaps inside `Independent`, `expand` or `mask`.
    :param x: inside the support, of a shape that broadcasts with the law's.
    """
    law = unwrapped(law)
    x = x.expand(torch.broadcast_shapes(x.shape, law.batch_shape))
    return univariate.at_fixed_quantile(NATIVE, lambda x: log_tails(law, x), law.log_prob, x)


def unwrapped(law: Any) -> Any:
    """The elementwise law."""
    while isinstance(law, (host.Independent, ExpandedDistribution, MaskedDistribution)):
        law = law.base_dist
    return law


def has_tails(law: Any) -> bool:
    """Whether `log_tails` knows the law."""
    law = unwrapped(law)
    if law.event_shape:
        return False
    if isinstance(law, torch.distributions.MixtureSameFamily):
        return has_tails(law.component_distribution)
    if isinstance(law, torch.distributions.TransformedDistribution) and type(law).cdf is _TRANSFORMED_CDF:
        return has_tails(law.base_dist)
    return type(law).cdf is not torch.distributions.Distribution.cdf


def tensors(law: Any) -> list[Tensor]:
    """Floating parameters, those of the laws and transforms inside too."""
    found = []
    for part in vars(law).values():
        for value in part if isinstance(part, list) else [part]:
            if isinstance(value, torch.distributions.Distribution):
                found += tensors(value)
            inside = vars(value).values() if isinstance(value, torch.distributions.Transform) else [value]
            found += [v for v in inside if isinstance(v, Tensor) and v.is_floating_point()]
    return found


def widened(law: Any) -> Any:
    """The law with float64 parameters and without validation, made anew where its constructor takes just these."""
    values: dict[str, Any] = {name: getattr(law, name, None) for name in law.arg_constraints}
    accepted = set(inspect.signature(type(law)).parameters)
    if (
        values
        and "logits" not in values
        and all(isinstance(v, Tensor) for v in values.values())
        and accepted == {*values, "validate_args"}
    ):
        return type(law)(**{name: value.double() for name, value in values.items()}, validate_args=False)
    law = copy.copy(law)
    for name, value in list(vars(law).items()):
        if isinstance(value, Tensor) and value.is_floating_point():
            vars(law)[name] = value.double()
        elif isinstance(value, torch.distributions.Distribution):
            vars(law)[name] = widened(value)
    law._validate_args = False
    return law


_TRANSFORMED_CDF = torch.distributions.TransformedDistribution.cdf


@singledispatch
def log_tails(law: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """(log P(X <= x), log P(X > x)) elementwise, differentiable in x and the law's parameters.

    :raises NotImplementedError: for a law without a distribution function.
    """
    try:
        lower = law.cdf(x)
    except NotImplementedError:
        raise NotImplementedError(
            f"{type(law).__name__} has no cdf; take a law from pyro_irg.distributions, or give the class a cdf"
        ) from None
    return _log_mass(lower), _log_mass(1.0 - lower)


def _log_mass(mass: Tensor) -> Tensor:
    """log of a mass, lifted off 0 where it has underflowed, with its derivative: a clamp would make that 0."""
    fixed = mass.detach()
    return (fixed.clamp(min=torch.finfo(mass.dtype).tiny) + (mass - fixed)).log()


@log_tails.register
def _ours(law: UnivariateMixin, x: Tensor) -> tuple[Tensor, Tensor]:
    return law.log_cdf(x), law.log_sf(x)


@log_tails.register(host.Independent)
@log_tails.register(ExpandedDistribution)
@log_tails.register(MaskedDistribution)
def _elementwise(law, x):
    return log_tails(unwrapped(law), x)


@log_tails.register(torch.distributions.TransformedDistribution)
def _transformed(law, x):
    lower_first: Any = True
    for transform in reversed(law.transforms):
        lower_first = lower_first == (torch.as_tensor(transform.sign) > 0)  # a tensor if the scale is
        x = transform.inv(x)
    lower, upper = log_tails(unwrapped(law.base_dist), x)
    if isinstance(lower_first, bool):
        return (lower, upper) if lower_first else (upper, lower)
    return torch.where(lower_first, lower, upper), torch.where(lower_first, upper, lower)


@log_tails.register(torch.distributions.Normal)
def _normal(law, x):
    return univariate.normal(NATIVE, (x - law.loc) / law.scale)


@log_tails.register(torch.distributions.HalfNormal)
def _half_normal(law, x):
    return univariate.half_normal(NATIVE, x / law.scale)


@log_tails.register(torch.distributions.Laplace)
def _laplace(law, x):
    return univariate.laplace(NATIVE, (x - law.loc) / law.scale)


@log_tails.register(torch.distributions.Cauchy)
def _cauchy(law, x):
    return univariate.cauchy(NATIVE, (x - law.loc) / law.scale)


@log_tails.register(torch.distributions.HalfCauchy)
def _half_cauchy(law, x):
    return univariate.half_cauchy(NATIVE, x / law.scale)


@log_tails.register(torch.distributions.Exponential)
def _exponential(law, x):
    return univariate.exponential(NATIVE, x * law.rate)


@log_tails.register(host.Logistic)
def _logistic(law, x):
    return univariate.logistic(NATIVE, (x - law.loc) / law.scale)


@log_tails.register(torch.distributions.Gumbel)
def _gumbel(law, x):
    return univariate.gumbel(NATIVE, (x - law.loc) / law.scale)


@log_tails.register(torch.distributions.Weibull)
def _weibull(law, x):
    return univariate.exponential(NATIVE, ((x.log() - law.scale.log()) * law.concentration).exp())


@log_tails.register(torch.distributions.Uniform)
def _uniform(law, x):
    return univariate.uniform(NATIVE, x, law.low, law.high)


@log_tails.register(torch.distributions.MixtureSameFamily)
def _mixture(law, x):
    logits = law.mixture_distribution.logits
    log_weights = logits.to(torch.promote_types(logits.dtype, x.dtype)).log_softmax(-1)
    each = log_tails(law.component_distribution, x[..., None])
    lower, upper = ((log_weights + tail).logsumexp(-1) for tail in each)
    return lower, upper
