"""Any univariate distribution reparameterized: one that Pyro has, or one of which only a log-density is known."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import Any

import torch
from pyro.distributions import constraints
from pyro.distributions.torch_distribution import TorchDistribution
from torch import Tensor

from irg_kernels.adapter import messages
from irg_kernels.adapter.arguments import check_continuous, ends_of_support
from irg_kernels.adapter.methods import AroundBase, DensityMethods
from irg_kernels.generic import fixed_quantile
from irg_kernels.generic import from_log_density as density

from ..attach import NATIVE, in_transform
from ..registry import implicit_twin
from ..samplers import draw
from .base import ImplicitMixin, parameters, uniforms
from .fixed_quantile import at_fixed_quantile, drawn
from .from_uniform import from_uniform
from .host_families import has_tails, log_tails, unwrapped

__all__ = ["Implicit", "ImplicitDensity"]


class ImplicitDensity(DensityMethods[Tensor], ImplicitMixin, TorchDistribution):
    r"""Univariate distribution of density proportional to :math:`e^{f(x;\theta)}`, reparameterized in every parameter.

    Normaliser, tails and quantiles are integrals by a fixed rule over panels that follow the density, the gradient of a
    draw is implicit (Figurnov, Mohamed, Mnih 2018, eq. 5) with autodiff's score.  Arithmetic is float64 where the
    device has it; then draws, `log_prob` and gradients are exact to 1e-9 or better for a smooth density.  A derivative
    of order k needs a density whose log has k - 1 continuous derivatives in the parameters.

    The density must be continuous, and end where its support does.  Several modes are served where the rule resolves
    them.  What it does not is an error: `check` compares with a second rule.  A mode so narrow, away from the main one,
    that a scan of 256 points shows nothing of it stays unseen.

    :param log_prob: `f(x, **params)`, normalised or not, elementwise, for x of any shape that broadcasts with theirs.
    :param support: `constraints.real`, or an interval, `greater_than` or `less_than`.
    :param sampler: `sampler(shape, **params)` gives draws; by default the numerical inverse of the distribution
        function.
    :param params: numbers or tensors that broadcast to the batch shape.
    :raises TypeError: for a `log_prob` that cannot be called, or a support that is no constraint of the library.
    :raises ValueError: by `check`, unless `validate_args` is False or `torch.func` transforms the call.

    >>> scale = torch.tensor(2.0, requires_grad=True)
    >>> distribution = ImplicitDensity(lambda x, scale: -(x / scale).cosh(), constraints.real, scale=scale)
    >>> distribution.rsample((1000,)).square().mean().backward()
    """

    arg_constraints: dict = {}
    has_rsample = True

    def __init__(
        self, log_prob: Any, support: Any, sampler: Any = None, *, validate_args: bool | None = None, **params: Any
    ) -> None:
        messages.check_density("ImplicitDensity", log_prob, support, constraints.Constraint)
        found = parameters("ImplicitDensity", **params) if params else ()
        like = found[0] if found else torch.zeros(())
        self._begin(log_prob, support, sampler, dict(zip(params, found)), like)
        super().__init__(like.shape, validate_args=validate_args)
        if validate_args is not False and not in_transform() and not torch.jit.is_tracing():
            self.check()

    def _begin(self, log_prob: Callable, support: Any, sampler: Callable | None, params: dict, like: Tensor) -> None:
        self._log_density, self._constraint, self._sampler, self.params = log_prob, support, sampler, params
        dtype = like.dtype if like.device.type == "mps" else torch.float64
        self._like = torch.zeros((), dtype=like.dtype, device=like.device)
        self._zero = torch.zeros(like.shape, dtype=dtype, device=like.device)
        self._ends = _ends(support, self._zero)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        return self._constraint

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = copy.copy(self)
        new.__dict__.pop("_panels", None)
        new.params = {name: p.expand(batch_shape) for name, p in self.params.items()}
        new._zero = self._zero.expand(batch_shape)
        TorchDistribution.__init__(new, torch.Size(batch_shape), validate_args=False)
        new._validate_args = self._validate_args
        return new

    def check(self) -> None:
        """Compare with a second rule.

        :raises ValueError: for a density that is infinite, jumps, or has modes that the rule does not resolve.
        """
        verdict = self._panels[1]
        allowed = density.tolerance(NATIVE, self._zero)
        worst = torch.where(verdict.error.isnan(), torch.inf, verdict.error).max().item() if self._zero.numel() else 0.0
        said = density.fault(worst, allowed, *(bool(v.any()) for v in verdict[1:]))
        if said:
            raise ValueError(f"{type(self).__name__}: {said}")

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        mass = self._masses()
        with torch.no_grad():
            if self._sampler is not None:
                x = self._sampler(shape, **self.params)
                if x.shape != shape:
                    raise ValueError(
                        f"{type(self).__name__}: sampler gave draws of shape {tuple(x.shape)}; it must give the shape "
                        f"that is its first argument, {tuple(shape)}"
                    )
                x = x.to(self._zero.dtype)
            else:
                q = draw(_uniform, self._zero.expand(shape))
                x = self._quantile_of(mass.detach(), q, 1.0 - q)
        x = fixed_quantile.at_fixed_quantile(NATIVE, lambda x: self._log_tails(mass, x), self._unnormalised(mass), x)
        return self._inside(x)

    def log_prob(self, value: Any) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        mass = self._masses()
        return self._narrow(self._unnormalised(mass)(value.to(self._zero.dtype)), value)

    def log_tails(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """(log P(X <= value), log P(X > value)), finite in every tail that a draw can reach."""
        lower, upper = self._log_tails(self._masses(), value.to(self._zero.dtype))
        return self._narrow(lower, value), self._narrow(upper, value)

    def cdf(self, value: Any) -> Tensor:
        """P(X <= value), with derivatives in the value and every parameter."""
        return self.log_cdf(value).exp()

    def icdf(self, value: Any) -> Tensor:
        """The x with P(X <= x) = value, 0 < value < 1, with derivatives in the value and every parameter."""
        q = value.to(self._zero.dtype)
        mass = self._masses()
        with torch.no_grad():
            x = self._quantile_of(mass.detach(), *torch.broadcast_tensors(q, 1.0 - q + self._zero))
        log_masses = (q.log() + 0.0 * x, (-q).log1p() + 0.0 * x)
        x = fixed_quantile.at_fixed_quantile(
            NATIVE, lambda x: self._log_tails(mass, x), self._unnormalised(mass), x, log_masses
        )
        return self._inside(x)

    def from_uniform(self, u: Any) -> Tensor:
        """The draw that u makes, its `icdf`; see the function `from_uniform`."""
        return self.icdf(uniforms(self, u))

    @functools.cached_property
    def _panels(self) -> tuple[density.Grid, density.Verdict]:
        with torch.no_grad():
            grid, verdict = density.resolve(NATIVE, self._given, self._ends, self._zero)
        return density.Grid(*(g.detach() for g in grid)), verdict

    def _given(self, x: Tensor) -> Tensor:
        """The user's log-density, in the arithmetic of the integrals."""
        return self._log_density(x, **{name: p.to(self._zero.dtype) for name, p in self.params.items()})

    def _masses(self) -> Tensor:
        return density.masses(NATIVE, self._given, self._ends, self._panels[0])

    def _unnormalised(self, mass: Tensor) -> Callable:
        """x -> log p(x), normalised by `mass`."""
        log_total = density.log_normalizer(NATIVE, self._panels[0], mass)
        return lambda x: self._given(x) - log_total

    def _log_tails(self, mass: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        x = x.expand(torch.broadcast_shapes(x.shape, self._zero.shape))
        return density.log_tails(NATIVE, self._given, self._ends, self._panels[0], mass, x)

    def _quantile_of(self, mass: Tensor, q: Tensor, one_minus_q: Tensor) -> Tensor:
        x = density.quantile(NATIVE, self._given, self._ends, self._panels[0], mass, q, one_minus_q)
        return x.detach()

    def _narrow(self, result: Tensor, value: Tensor) -> Tensor:
        return result.to(torch.promote_types(value.dtype, self._like.dtype))

    def _inside(self, x: Tensor) -> Tensor:
        """x in the parameters' dtype, held off the ends of the support."""
        x = x.to(self._like.dtype)
        low, high = (None if e is None else e.detach().to(x.dtype).expand_as(x) for e in self._ends)
        clamped = x.detach()
        if low is not None:
            clamped = torch.maximum(clamped, torch.nextafter(low, low + 1.0))
            clamped = torch.where(low == 0.0, clamped.clamp(min=torch.finfo(x.dtype).tiny), clamped)
        if high is not None:
            clamped = torch.minimum(clamped, torch.nextafter(high, high - 1.0))
        return clamped + (x - x.detach())


def _uniform(zero: Tensor) -> Tensor:
    eps = torch.finfo(zero.dtype).eps
    return torch.rand_like(zero).clamp(eps / 4.0, 1.0 - eps)


def _ends(support: Any, like: Tensor) -> density.Support:
    low, high = ends_of_support(support, constraints.real)
    return density.Support(*(None if e is None else torch.as_tensor(e).to(like) for e in (low, high)))


class Implicit(AroundBase[Tensor], ImplicitMixin, TorchDistribution):
    r"""A univariate distribution with its own draws, which move with its parameters so as to keep their quantile.

    The gradient is :math:`-(\partial F / \partial \theta) / p(x)` (Figurnov, Mohamed, Mnih 2018, eq. 5), of the
    distribution's cdf where it has one with derivatives in its parameters, else of its log-density as in
    `ImplicitDensity`.  Where this package has a twin of the distribution, the twin stands for it.

    :param base: a continuous univariate distribution, perhaps inside `Independent`, `expand` or `mask`.
    :raises TypeError: for what is no distribution of the library.
    :raises ValueError: for a distribution of vectors or of integers, or, as `ImplicitDensity`, for a density that the
        rule does not resolve.

    >>> df = torch.tensor(3.0, requires_grad=True)
    >>> from pyro.distributions import StudentT
    >>> Implicit(StudentT(df)).rsample((10,)).sum().backward()
    """

    arg_constraints: dict = {}
    has_rsample = True

    def __init__(self, base: Any, validate_args: bool | None = None) -> None:
        messages.check_distribution("Implicit", "base", base, torch.distributions.Distribution)
        self.base_dist = implicit_twin(base) or base
        distribution = unwrapped(self.base_dist)
        check_continuous("Implicit", distribution)
        self._density = None if has_tails(distribution) else _of_distribution(distribution, validate_args)
        super().__init__(base.batch_shape, base.event_shape, validate_args=validate_args)

    @constraints.dependent_property
    def support(self) -> Any:
        return self.base_dist.support

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        return Implicit(self.base_dist.expand(batch_shape), validate_args=False)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        return self.at_fixed_quantile(drawn(self.base_dist, sample_shape))

    def at_fixed_quantile(self, x: Tensor) -> Tensor:
        """x, unchanged in value, that moves with the parameters so as to keep its quantile."""
        return at_fixed_quantile(self._known, x)

    def log_tails(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """(log P(X <= value), log P(X > value))"""
        return log_tails(self._known, value)

    def from_uniform(self, u: Any) -> Tensor:
        """The draw that u makes; see the function `from_uniform`."""
        return from_uniform(self._known, u)


def _of_distribution(distribution: Any, validate_args: bool | None) -> ImplicitDensity:
    """The distribution by its log-density alone."""
    distribution = copy.copy(distribution)
    distribution._validate_args = False  # its nodes lie inside, and may round to an end
    new = ImplicitDensity.__new__(ImplicitDensity)
    given = (getattr(distribution, name, None) for name in distribution.arg_constraints)
    like = next((v for v in given if isinstance(v, Tensor)), torch.zeros(())).expand(distribution.batch_shape)
    new._begin(distribution.log_prob, distribution.support, None, {}, like)
    TorchDistribution.__init__(new, distribution.batch_shape, validate_args=False)
    if validate_args is not False and not in_transform():
        new.check()
    return new
