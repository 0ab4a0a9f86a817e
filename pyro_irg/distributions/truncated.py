"""Any univariate distribution between two bounds, with gradients in the bounds and in the distribution's parameters."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import pyro.distributions as host
import torch
from pyro.distributions.torch_distribution import TorchDistribution
from torch import Tensor
from torch.distributions import constraints

from irg_kernels.adapter import arguments, messages
from irg_kernels.families import normal, standard
from irg_kernels.generic import truncation
from irg_kernels.generic.family import Family
from irg_kernels.generic.masses_by_tails import Base, masses_by_tails

from ..attach import NATIVE, attach_jointly, evaluate
from ..registry import implicit_twin
from ..samplers import draw
from .base import ImplicitMixin, log_density, parameters, together, uniforms
from .ends import line_between, off_ends
from .host_families import (
    ends_of,
    family_of,
    first_guess,
    has_tails,
    inner_point,
    is_dense_at_ends,
    log_tails,
    tails_of,
    tensors,
    unwrapped,
    widened,
)
from .rejection import Proposals, are_told, proposals_of
from .truncation_rule import normal_quantile, rule_of

__all__ = [
    "LeftTruncatedDistribution",
    "RightTruncatedDistribution",
    "Truncated",
    "TruncatedCauchy",
    "TruncatedDistribution",
    "TruncatedNormal",
    "TwoSidedTruncatedDistribution",
]


class Truncated(ImplicitMixin, TorchDistribution):
    r"""A univariate distribution conditioned on :math:`l \le x \le h`, reparameterized in its parameters, l and h.

    Density :math:`p(x) / (F(h) - F(l))`.  At fixed quantile u a draw moves with a bound by :math:`(1 - u) p(l)/p(x)`
    and :math:`u p(h)/p(x)`, and with a parameter of the base so that :math:`(F(x) - F(l)) / (F(h) - F(l))` stays
    (Figurnov, Mohamed, Mnih 2018, eq. 4-6).  All is formed from the masses on either side of x in units of the density
    there.  Computed in float64.

    The masses are integrals of the density, for which no tail is too far and no interval too narrow.  They are
    differences of tails, which lose digits in a narrow interval, for `GeneralizedNormal`, `NoncentralChi2`,
    `NormalInverseGaussian`, `Rice`, mixtures, and classes of your own.

    A bound at the very end of the base's support has the derivative of moving inwards, (1 - u) p(l)/p(x): 0 where the
    density vanishes there, a huge number where it is infinite.  Moved outwards nothing would change.

    :param base_dist: a univariate distribution with a cdf; its implicit twin is taken for it, and `Independent`,
        `expand` and `mask` around it are left out.
    :param low: l, number or tensor, or None.
    :param high: h, number or tensor, or None.
    :raises ValueError: for a base that is not univariate or has no cdf, a bound that does not broadcast, and with
        validation for low >= high or a bound outside the support of the base.

    >>> x = Truncated(host.Normal(0.0, 1.0), low=38.0).sample((1000,))
    >>> bool((x >= 38.0).all())
    True
    """

    arg_constraints = {
        "low": constraints.dependent(is_discrete=False, event_dim=0),
        "high": constraints.dependent(is_discrete=False, event_dim=0),
    }
    has_rsample = True
    _expands = {"low": 0, "high": 0}
    _keeps = ("base_dist",)

    def __init__(self, base_dist: Any, low: Any = None, high: Any = None, *, validate_args: bool | None = None) -> None:
        name = type(self).__name__
        self.base_dist, of_base = _univariate(name, base_dist)
        given = {key: value for key, value in (("low", low), ("high", high)) if value is not None}
        bounds = dict(zip(given, _like_base(name, self.base_dist, given), strict=True)) if given else {}
        self.low, self.high = bounds.get("low"), bounds.get("high")
        try:
            shape = torch.broadcast_shapes(of_base, *(b.shape for b in bounds.values()))
        except RuntimeError as error:
            shapes = " and ".join(f"{key} of shape {tuple(b.shape)}" for key, b in bounds.items())
            raise ValueError(f"{name}: {shapes} cannot be broadcast with the base's shape {tuple(of_base)}") from error
        self.low, self.high = (None if b is None else b.expand(shape) for b in (self.low, self.high))
        super().__init__(torch.Size(shape), validate_args=validate_args)
        if self._validate_args:
            self._check_bounds()

    def _check_bounds(self) -> None:
        name, (least, most) = type(self).__name__, ends_of(self.base_dist)
        for key, bound in (("low", self.low), ("high", self.high)):
            if bound is None:
                continue
            leaves = bound < most if key == "low" else bound > least
            if not torch._is_all_true((bound >= least) & (bound <= most) & leaves):
                raise ValueError(
                    f"{name}: {key} must lie in the support of its base {type(self.base_dist).__name__}, "
                    f"from {least} to {most}, and leave some of it, but found:\n{bound}"
                )
        if self.low is not None and self.high is not None and not torch._is_all_true(self.low < self.high):
            raise ValueError(f"{name}: low must be below high, but found low\n{self.low}\nand high\n{self.high}")

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        if self.low is None:
            return self.base_dist.support if self.high is None else _up_to(self.base_dist, self.high)
        return _from(self.base_dist, self.low) if self.high is None else constraints.interval(self.low, self.high)

    def __repr__(self):
        bounds = (("low", self.low), ("high", self.high))
        shown = "".join(f", {b}: {v if v.dim() == 0 else tuple(v.shape)}" for b, v in bounds if v is not None)
        return f"{type(self).__name__}({self.base_dist}{shown})"

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        like = self._like(None).new_zeros(()).expand(self._extended_shape(sample_shape))
        proposals = proposals_of(self.base_dist, like.shape)
        return self.at_fixed_quantile(self._by_quantile(like) if proposals is None else self._accepted(proposals, like))

    def _by_quantile(self, like: Tensor) -> Tensor:
        u = draw(torch.rand_like, like)
        return self._found(u.clamp(min=torch.finfo(u.dtype).tiny))

    def _accepted(self, proposals: Proposals, like: Tensor) -> Tensor:
        with torch.no_grad():
            least, most = (e.expand(like.shape) for e in self._edges(torch.float64))
            told = are_told(_edges(self.base_dist, None, None), least, most)
            flat, left = proposals.between(least.reshape(-1), most.reshape(-1), told.reshape(-1))
            x = self._inside(off_ends(ends_of(self.base_dist), flat.to(like.dtype).view(like.shape)))
            if not len(left):
                return x
            bounds = (None if b is None else b.expand(like.shape).reshape(-1)[left] for b in (self.low, self.high))
            others = Truncated(proposals.at(left), *bounds, validate_args=False)
            found = others._by_quantile(like.reshape(-1)[left])
            return x.reshape(-1).index_copy(0, left, found).view(like.shape)

    def at_fixed_quantile(self, x: Tensor, q: Tensor | None = None) -> Tensor:
        """x, unchanged in value, that moves with bounds and parameters so as to keep its quantile.

        :param q: the quantile, where that moves itself.
        """
        x, bounds = self._inside(x), self._bounds()
        if bounds is None:
            shares = None if q is None else (q.double(), 1.0 - q.double())
            return truncation.at_fixed_quantile(NATIVE, self._pieces(), x.double(), shares).to(x.dtype)
        args = bounds.args if q is None else (q, *bounds.args)
        x, *args = together(x, *args)  # type: ignore[assignment]
        rule = rule_of(*bounds.kind, q is not None, x.dtype != torch.float64 and x.device.type != "mps")
        return attach_jointly(*rule, x, *args)

    def log_prob(self, value: Any) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        value = self._like(value)
        inside, x, within = self._placed(value)
        least, most = _edges(self.base_dist, None, None)
        at_end = (x == least) | (x == most)
        density = _base(self.base_dist).log_density
        end = density(torch.where(at_end, x, within).detach()).detach()
        found = truncation.log_density(NATIVE, self._pieces(), density, x, at_end, end, within)
        return torch.where(inside, found, torch.where(value.isnan(), torch.nan, -torch.inf)).to(value.dtype)

    def cdf(self, value: Any) -> Tensor:
        """P(X <= value), with derivatives in the value, the bounds and the base's parameters."""
        value = self._like(value)
        inside, x, _ = self._placed(value)
        found = truncation.cdf(NATIVE, self._pieces(), x).to(value.dtype)
        return torch.where(inside, found, torch.where(value.isnan(), torch.nan, (value > x).to(value.dtype)))

    def log_tails(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(log P(X <= x), log P(X > x)), with the same derivatives; of an x outside those of the nearest inside."""
        x = self._inside(x).double() if x.device.type != "mps" else self._inside(x)
        return truncation.log_tails(NATIVE, self._pieces(), x)

    def icdf(self, value: Any) -> Tensor:
        """The x where `cdf` is `value`, with the same derivatives; at 0 and 1 the ends of the support."""
        q = self._like(value)
        if self._validate_args and not torch._is_all_true((q >= 0.0) & (q <= 1.0)):
            raise ValueError(f"{type(self).__name__}: quantile must lie in [0, 1], but found:\n{q}")
        least, most = self._edges(q.dtype)
        ends = torch.where(q <= 0.0, least, torch.where(q >= 1.0, most, torch.nan))
        inside, at_end = (q > 0.0) & (q < 1.0), ends.isfinite()
        q = torch.where(inside | at_end, q, 0.5)
        x = torch.where(at_end, ends, self._found(torch.where(at_end, 0.5, q).detach()))
        return torch.where(inside | at_end, self.at_fixed_quantile(x, q), ends)

    def from_uniform(self, u: Any) -> Tensor:
        """The draw that u makes, its `icdf`; see the function `from_uniform`."""
        return self.icdf(uniforms(self, u))

    @property
    def mean(self) -> Tensor:
        """For a normal base and, NaN, a Cauchy one."""
        return self._moments()[0]

    @property
    def variance(self) -> Tensor:
        """For a normal base and, NaN, a Cauchy one."""
        return self._moments()[1]

    def _moments(self) -> tuple[Tensor, Tensor]:
        base, dtype = self.base_dist, self._like(None).dtype
        family = _family(base)
        if family is standard.CAUCHY:
            return (base.loc.new_full(self.batch_shape, torch.nan),) * 2
        if family is not normal.FAMILY:
            raise NotImplementedError(f"{type(self).__name__}: mean and variance are known for Normal and Cauchy bases")
        low, high = (None if b is None else b.double() for b in (self.low, self.high))
        loc, scale = (p.expand(self.batch_shape).double() for p in (base.loc, base.scale))
        centre = self._inside(loc.detach())
        mean, variance = normal.truncated_moments(NATIVE, low, high, centre, loc, scale)
        return (centre + mean).to(dtype), variance.to(dtype)

    def _like(self, value: Any) -> Tensor:
        """`value`, or a 0, in the dtype of the parameters at least."""
        given = [t for t in (self.low, self.high, *tensors(self.base_dist)) if t is not None]
        value = torch.as_tensor(0.0 if value is None else value, device=given[0].device if given else None)
        dtypes = {t.dtype for t in given if t.is_floating_point()} or {torch.get_default_dtype()}
        if value.is_floating_point() and value.dim():
            dtypes |= {value.dtype}
        dtype = functools.reduce(torch.promote_types, dtypes)
        shape = torch.broadcast_shapes(value.shape, self.batch_shape) if value.dim() else self.batch_shape
        return value.to(dtype).expand(shape)

    def _edges(self, dtype: torch.dtype) -> list[Tensor]:
        """The ends of the support."""
        return [e.to(dtype) for e in _edges(self.base_dist, self.low, self.high)]

    def _placed(self, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(where the value lies inside, the value there and some point inside elsewhere, that point)."""
        least, most = self._edges(value.dtype)
        inside = (value >= least) & (value <= most) & value.isfinite()
        within = _within(self.base_dist, self.low, self.high)
        return inside, torch.where(inside, value.double(), within), within

    def _inside(self, x: Tensor) -> Tensor:
        """The nearest value of the support."""
        least, most = self._edges(x.dtype)
        return x.maximum(least).minimum(most)

    def _pieces(self) -> Callable:
        low, high = (None if b is None else b.double() for b in (self.low, self.high))
        return _pieces(self.base_dist, low, high)

    def _found(self, q: Tensor) -> Tensor:
        """The x of quantile q, without derivatives."""
        edge = 0.25 / torch.finfo(q.dtype).tiny  # a draw of a heavy tail is held in the range of its dtype
        with torch.no_grad():
            least, most = (e.clamp(-edge, edge) for e in self._edges(torch.float64))
            bounds, wide = self._bounds(), q.double()
            x: Any = None
            if bounds is None:
                start = first_guess(self.base_dist, self.low, self.high, wide)
                x = truncation.solve(NATIVE, self._pieces(), wide, 1.0 - wide, start, least, most)
            else:
                if bounds.kind[0] is normal.FAMILY:
                    x = normal_quantile(q, self.low, self.high, *bounds.args[-2:])
                if x is None:
                    args = torch.broadcast_tensors(q, least, most, *(a.to(q.dtype) for a in bounds.args))
                    x = evaluate(truncation.quantile(*bounds.kind), *args)
            return self._inside(off_ends(ends_of(self.base_dist), x.to(q.dtype)))

    def _bounds(self) -> _Bounds | None:
        """What the kernels need where the base's family has masses."""
        known = family_of(self.base_dist)
        if known is None or truncation.masses_of(known[0]) is None:
            return None
        kind = known[0], self.low is not None, self.high is not None
        return _Bounds(kind, tuple(b for b in (self.low, self.high, *known[1]) if b is not None))


class _Bounds(NamedTuple):
    kind: tuple[Family, bool, bool]
    """the family, and which bounds there are"""
    args: tuple[Tensor, ...]
    """these bounds, and the family's parameters"""


def _edges(base: Any, low: Tensor | None, high: Tensor | None) -> tuple[Tensor, Tensor]:
    """The ends of the support between the bounds, in float64."""
    device = (*tensors(base), torch.zeros(()))[0].device
    least, most = (torch.as_tensor(e, dtype=torch.float64, device=device) for e in ends_of(base))
    least = least if low is None else least.maximum(low.detach().double())
    return least, most if high is None else most.minimum(high.detach().double())


def _from(base: Any, low: Tensor) -> Any:
    most = ends_of(base)[1]
    return constraints.greater_than_eq(low) if _is_open(most) else line_between(low, most)


def _up_to(base: Any, high: Tensor) -> Any:
    least = ends_of(base)[0]
    return _LessThanEq(high) if _is_open(least) else line_between(least, high)


class _LessThanEq(constraints.less_than):
    """x <= upper_bound, which torch has not; its transforms are those of x < upper_bound."""

    def check(self, value: Any) -> Any:
        return value <= self.upper_bound


def _less_than(constraint):
    return torch.distributions.transform_to(constraints.less_than(constraint.upper_bound))


torch.distributions.biject_to.register(_LessThanEq, _less_than)
torch.distributions.transform_to.register(_LessThanEq, _less_than)


# ---------------------------------------------------------------------------------------------------------- the base


def _univariate(name: str, base: Any) -> tuple[Any, torch.Size]:
    """The elementwise distribution, implicit where there is such a twin, and the shape that is wanted of it."""
    arguments.check_is_distribution(name, base, torch.distributions.Distribution)
    shape, distribution = base.batch_shape + base.event_shape, unwrapped(base)
    distribution = implicit_twin(distribution) or distribution
    arguments.check_univariate(name, distribution)
    if distribution.support.is_discrete:
        raise ValueError(f"{name}: base_dist must be continuous, but {type(distribution).__name__} is discrete")
    if not has_tails(distribution):
        raise ValueError(f"{name}: base_dist {messages.no_cdf(distribution, 'pyro_irg')}")
    return distribution, shape


def _like_base(name: str, base: Any, given: dict[str, Any]) -> tuple[Tensor, ...]:
    """The bounds; a number becomes a tensor of the base's dtype and device."""
    known = tensors(base) + [b for b in given.values() if isinstance(b, Tensor) and b.is_floating_point()]
    if known:
        dtype = functools.reduce(torch.promote_types, (t.dtype for t in known))
        like = known[0].new_empty((), dtype=dtype)
        given = {key: torch.full_like(like, b) if isinstance(b, int | float) else b for key, b in given.items()}
    return parameters(name, **given)


def _is_open(end: Any) -> bool:
    return isinstance(end, float) and math.isinf(end)


def _family(base: Any) -> Any:
    known = family_of(base)
    return known and known[0]


def _base(base: Any) -> Base:
    known = family_of(base)
    if known is None:
        wide = widened(base)
        return Base(lambda x: log_tails(wide, x), wide.log_prob, is_dense_at_ends(base), ends_of(base))
    family, params = known
    params = tuple(p.double() for p in params)
    return Base(lambda x: tails_of(family, params, x), lambda x: log_density(family, x, *params), True)


def _within(base: Any, low: Tensor | None, high: Tensor | None) -> Tensor:
    """A point inside the support between the bounds."""
    return inner_point(*_edges(base, low, high))


def _pieces(base: Any, low: Tensor | None, high: Tensor | None) -> Callable:
    known = family_of(base)
    masses = known and truncation.masses_of(known[0])
    if known and masses:
        return masses(NATIVE, low, high, *(p.double() for p in known[1]))
    return masses_by_tails(NATIVE, _base(base), low, high, _within(base, low, high))


# ------------------------------------------------------------------------------------------------ NumPyro's names


class LeftTruncatedDistribution(Truncated):
    """`Truncated(base_dist, low)`, by NumPyro's name; formula, shapes and errors are those of `Truncated`."""

    def __init__(self, base_dist: Any, low: Any = 0.0, *, validate_args: bool | None = None) -> None:
        super().__init__(base_dist, low, None, validate_args=validate_args)


class RightTruncatedDistribution(Truncated):
    """`Truncated(base_dist, high=high)`, by NumPyro's name; formula, shapes and errors are those of `Truncated`."""

    def __init__(self, base_dist: Any, high: Any = 0.0, *, validate_args: bool | None = None) -> None:
        super().__init__(base_dist, None, high, validate_args=validate_args)


class TwoSidedTruncatedDistribution(Truncated):
    """`Truncated(base_dist, low, high)`, by NumPyro's name; formula, shapes and errors are those of `Truncated`."""

    def __init__(self, base_dist: Any, low: Any = 0.0, high: Any = 1.0, *, validate_args: bool | None = None) -> None:
        super().__init__(base_dist, low, high, validate_args=validate_args)


def TruncatedDistribution(
    base_dist: Any, low: Any = None, high: Any = None, *, validate_args: bool | None = None
) -> Any:
    """`Truncated` between the bounds that are given, with the errors of that; `base_dist` itself where none is."""
    if low is None and high is None:
        return base_dist
    if high is None:
        return LeftTruncatedDistribution(base_dist, low, validate_args=validate_args)
    if low is None:
        return RightTruncatedDistribution(base_dist, high, validate_args=validate_args)
    return TwoSidedTruncatedDistribution(base_dist, low, high, validate_args=validate_args)


def TruncatedNormal(
    loc: Any = 0.0, scale: Any = 1.0, *, low: Any = None, high: Any = None, validate_args: bool | None = None
) -> Any:
    """`Truncated` of a normal distribution of `loc` and `scale` > 0; bounds, shapes and errors are those of that."""
    return TruncatedDistribution(
        host.Normal(loc, scale, validate_args=validate_args), low, high, validate_args=validate_args
    )


def TruncatedCauchy(
    loc: Any = 0.0, scale: Any = 1.0, *, low: Any = None, high: Any = None, validate_args: bool | None = None
) -> Any:
    """`Truncated` of a Cauchy distribution of `loc` and `scale` > 0; bounds, shapes and errors are those of that."""
    return TruncatedDistribution(
        host.Cauchy(loc, scale, validate_args=validate_args), low, high, validate_args=validate_args
    )
