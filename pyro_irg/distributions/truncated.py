"""Any univariate law between two bounds, with gradients in the bounds and in the law's parameters."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from functools import singledispatch
from typing import Any

import pyro.distributions as host
import torch
from pyro.distributions.torch_distribution import TorchDistribution
from torch import Tensor
from torch.distributions import constraints

from irg_kernels.families import shapes
from irg_kernels.generic import masses_by_density as unimodal
from irg_kernels.generic import truncation as truncated

from .. import univariate
from ..attach import NATIVE
from ..registry import implicit_twin
from ..samplers import draw
from .base import ImplicitMixin, UnivariateMixin, closed_form, parameters
from .beta import Beta
from .gamma import Chi2, Gamma, InverseGamma, LogGamma
from .student_t import StudentT
from .von_mises import VonMises, wrap

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
    r"""A univariate law conditioned on :math:`l \le x \le h`, reparameterized in its parameters, l and h.

    Density :math:`p(x) / (F(h) - F(l))`.  At fixed quantile u a draw moves with a bound by :math:`(1 - u) p(l)/p(x)`
    and :math:`u p(h)/p(x)`, and with a parameter of the base so that :math:`(F(x) - F(l)) / (F(h) - F(l))` stays
    (Figurnov, Mohamed, Mnih 2018, eq. 4-6).  All is formed from the masses on either side of x in units of the density
    there.  Computed in float64.

    Where the kernels know the density (Normal, LogNormal, Cauchy, HalfCauchy, HalfNormal, Laplace, Logistic, Gumbel,
    Weibull, Exponential, Pareto, Gamma, Chi2, LogGamma, InverseGamma, Beta, StudentT, VonMises, Uniform) no tail is too
    far and no interval too narrow; of other laws tails are subtracted, which loses digits in a narrow one.

    A bound at the very end of the base's support has the derivative of moving inwards, (1 - u) p(l)/p(x): 0 where the
    density vanishes there, a huge number where it is infinite.  Moved outwards nothing would change.

    :param base_dist: a univariate law with a distribution function; one that has an implicit twin is taken for it, and
        `Independent`, `expand` and `mask` around it are left out.
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

    def __init__(self, base_dist, low=None, high=None, *, validate_args=None):
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
        name, (least, most) = type(self).__name__, _ends(self.base_dist)
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
    def support(self):
        if self.low is None:
            return self.base_dist.support if self.high is None else _up_to(self.base_dist, self.high)
        return _from(self.base_dist, self.low) if self.high is None else constraints.interval(self.low, self.high)

    def expand(self, batch_shape, _instance=None):
        new = type(self).__new__(type(self)) if _instance is None else _instance
        batch_shape = torch.Size(batch_shape)
        new.base_dist = self.base_dist
        new.low, new.high = (None if b is None else b.expand(batch_shape) for b in (self.low, self.high))
        TorchDistribution.__init__(new, batch_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def __repr__(self):
        bounds = (("low", self.low), ("high", self.high))
        shown = "".join(f", {b}: {v if v.dim() == 0 else tuple(v.shape)}" for b, v in bounds if v is not None)
        return f"{type(self).__name__}({self.base_dist}{shown})"

    def rsample(self, sample_shape=torch.Size()):
        like = self._like(None)
        u = draw(torch.rand_like, like.new_zeros(()).expand(self._extended_shape(sample_shape)))
        u = u.clamp(min=torch.finfo(u.dtype).tiny)
        x = self._found(u, 1.0 - u).to(like.dtype)
        return truncated.at_fixed_quantile(NATIVE, self._pieces(), self._inside(x).double()).to(like.dtype)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        value = self._like(value)
        inside, x, within = self._placed(value)
        least, most = _edges(self.base_dist, None, None)
        at_end = (x == least) | (x == most)
        end = _at_end(self.base_dist, torch.where(at_end, x, within).detach())
        density = _law(self.base_dist).log_density
        found = truncated.log_density(NATIVE, self._pieces(), density, x, at_end, end, within)
        return torch.where(inside, found, torch.where(value.isnan(), torch.nan, -torch.inf)).to(value.dtype)

    def cdf(self, value):
        """P(X <= value), with derivatives in the value, the bounds and the base's parameters."""
        value = self._like(value)
        inside, x, _ = self._placed(value)
        found = truncated.cdf(NATIVE, self._pieces(), x).to(value.dtype)
        return torch.where(inside, found, torch.where(value.isnan(), torch.nan, (value > x).to(value.dtype)))

    def icdf(self, value):
        """The x where `cdf` is `value`, with the same derivatives; at 0 and 1 the ends of the support."""
        q, dtype = self._like(value).double(), self._like(None).dtype
        if self._validate_args and not torch._is_all_true((q >= 0.0) & (q <= 1.0)):
            raise ValueError(f"{type(self).__name__}: quantile must lie in [0, 1], but found:\n{q}")
        least, most = self._edges(torch.float64)
        ends = torch.where(q <= 0.0, least, torch.where(q >= 1.0, most, torch.nan))
        inside, at_end = (q > 0.0) & (q < 1.0), ends.isfinite()
        q = torch.where(inside | at_end, q, 0.5)
        rest = 1.0 - q
        x = self._inside(self._found(q.detach(), rest.detach()).to(dtype)).double()
        x = truncated.at_fixed_quantile(NATIVE, self._pieces(), torch.where(at_end, ends, x), (q, rest))
        return torch.where(inside | at_end, x, ends).to(dtype)

    @property
    def mean(self):
        """For a normal base and, NaN, a Cauchy one."""
        return self._moments()[0]

    @property
    def variance(self):
        """For a normal base and, NaN, a Cauchy one."""
        return self._moments()[1]

    def _moments(self) -> tuple[Tensor, Tensor]:
        base, dtype = self.base_dist, self._like(None).dtype
        if isinstance(base, torch.distributions.Cauchy):
            return (base.loc.new_full(self.batch_shape, torch.nan),) * 2
        if not isinstance(base, torch.distributions.Normal):
            raise NotImplementedError(f"{type(self).__name__}: mean and variance are known for Normal and Cauchy bases")
        low, high = (None if b is None else b.double() for b in (self.low, self.high))
        loc, scale = (p.expand(self.batch_shape).double() for p in (base.loc, base.scale))
        centre = self._inside(loc.detach())
        mean, variance = truncated.normal_moments(NATIVE, low, high, centre, loc, scale)
        return (centre + mean).to(dtype), variance.to(dtype)

    def _like(self, value: Any) -> Tensor:
        """`value`, or a 0, in the dtype of the parameters at least."""
        tensors = [t for t in (self.low, self.high, *univariate.tensors(self.base_dist)) if t is not None]
        value = torch.as_tensor(0.0 if value is None else value, device=tensors[0].device if tensors else None)
        dtypes = {t.dtype for t in tensors if t.is_floating_point()} or {torch.get_default_dtype()}
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

    def _found(self, q: Tensor, rest: Tensor) -> Tensor:
        """The x of quantile q = 1 - rest, in float64 and without derivatives."""
        with torch.no_grad():
            q, rest = q.double(), rest.double()
            low, high = _bracket(self.base_dist, self.low, self.high)
            low, high = low.double().expand_as(q), high.double().expand_as(q)
            start = high if self.low is None or self.high is None else low + q * (high - low)
            return truncated.solve(NATIVE, self._pieces(), q, rest, start, low, high).detach()


_HEAVY = (torch.distributions.Cauchy, torch.distributions.StudentT, host.InverseGamma, torch.distributions.LogNormal)


def _bracket(base: Any, low: Tensor | None, high: Tensor | None) -> tuple[Tensor, Tensor]:
    """Finite bounds between which all quantiles of float64 lie."""
    if isinstance(base, torch.distributions.Normal):
        loc, scale = base.loc.double(), base.scale.double()
        least = loc if high is None else torch.minimum(loc, high)
        most = loc if low is None else torch.maximum(loc, low)
        least, most = least - 40.0 * scale, most + 40.0 * scale  # P(-40) < 1e-349
        return least if low is None else torch.maximum(low, least), most if high is None else torch.minimum(high, most)
    largest = 0.25 * torch.finfo(torch.float64).max
    if not isinstance(base, _HEAVY):
        largest = 0.05 * largest**0.5  # where the tails are held
    least, most = _edges(base, low, high)
    return least.clamp(-largest, largest), most.clamp(-largest, largest)


def _edges(base: Any, low: Tensor | None, high: Tensor | None) -> tuple[Tensor, Tensor]:
    """The ends of the support between the bounds, in float64."""
    device = (*univariate.tensors(base), torch.zeros(()))[0].device
    least, most = (torch.as_tensor(e, dtype=torch.float64, device=device) for e in _ends(base))
    least = least if low is None else least.maximum(low.detach().double())
    return least, most if high is None else most.minimum(high.detach().double())


def _from(base: Any, low: Tensor) -> Any:
    most = _ends(base)[1]
    return constraints.greater_than_eq(low) if _is_open(most) else constraints.interval(low, most)


def _up_to(base: Any, high: Tensor) -> Any:
    least = _ends(base)[0]
    return _LessThanEq(high) if _is_open(least) else constraints.interval(least, high)


class _LessThanEq(constraints.less_than):
    """x <= upper_bound, which torch has not; its transforms are those of x < upper_bound."""

    def check(self, value):
        return value <= self.upper_bound


def _less_than(constraint):
    return torch.distributions.transform_to(constraints.less_than(constraint.upper_bound))


torch.distributions.biject_to.register(_LessThanEq, _less_than)
torch.distributions.transform_to.register(_LessThanEq, _less_than)


# ---------------------------------------------------------------------------------------------------------- the base


def _univariate(name: str, base: Any) -> tuple[Any, torch.Size]:
    """The elementwise law, implicit where there is such a twin, and the shape that is wanted of it."""
    if not isinstance(base, torch.distributions.Distribution):
        raise ValueError(f"{name}: base_dist must be a distribution, got {type(base).__name__}")
    shape, law = base.batch_shape + base.event_shape, univariate.unwrapped(base)
    law = implicit_twin(law) or law
    if law.event_shape:
        raise ValueError(
            f"{name}: base_dist must be univariate, but {type(law).__name__} has event shape {tuple(law.event_shape)}"
        )
    if not univariate.has_tails(law):
        raise ValueError(
            f"{name}: base_dist {type(law).__name__} has no cdf; take a law from pyro_irg.distributions, or give the "
            "class a cdf"
        )
    return law, shape


def _like_base(name: str, base: Any, given: dict[str, Any]) -> tuple[Tensor, ...]:
    """The bounds; a number becomes a tensor of the base's dtype and device."""
    tensors = univariate.tensors(base) + [b for b in given.values() if isinstance(b, Tensor) and b.is_floating_point()]
    if tensors:
        dtype = functools.reduce(torch.promote_types, (t.dtype for t in tensors))
        like = tensors[0].new_empty((), dtype=dtype)
        given = {key: torch.full_like(like, b) if isinstance(b, int | float) else b for key, b in given.items()}
    return parameters(name, **given)


def _is_open(end: Any) -> bool:
    return isinstance(end, float) and math.isinf(end)


def _ends(base: Any) -> tuple[Any, Any]:
    """The ends of the support, numbers or, where they depend on parameters, tensors without derivative."""
    if isinstance(base, torch.distributions.VonMises):
        return -torch.pi, torch.pi
    least, most = (getattr(base.support, name, None) for name in ("lower_bound", "upper_bound"))
    least, most = -torch.inf if least is None else least, torch.inf if most is None else most
    return tuple(e.detach() if isinstance(e, Tensor) else float(e) for e in (least, most))


def _law(base: Any) -> truncated.Base:
    law = univariate.widened(base)
    return truncated.Base(lambda x: univariate.log_tails(law, x), lambda x: _log_density(law, x))


def _log_density(law: Any, x: Tensor) -> Tensor:
    """log p to the digits of the tails: the hosts' formulas cancel at large parameters, Pyro's log I0 has 8 digits."""
    if isinstance(law, UnivariateMixin) and isinstance(law, (*_IN_X, StudentT)):
        kernel, *args = law._law(x)
        value = closed_form(kernel.log_density, *args)
        return value if isinstance(law, _IN_X) else value - law.scale.log()
    if isinstance(law, torch.distributions.Uniform):
        return 0.0 * x - (law.high - law.low).log()  # the host has none at its own end
    if isinstance(law, torch.distributions.Weibull):  # at 0 the host's is NaN
        scale, k = law.scale, law.concentration
        return k.log() - k * scale.log() + torch.xlogy(k - 1.0, x) - (x / scale) ** k
    return law.log_prob(x)


def _at_end(law: Any, x: Tensor) -> Tensor:
    """log p at an end of the support: the kernels hold x inside."""
    if isinstance(law, (torch.distributions.LogNormal, InverseGamma)):
        return torch.full_like(x, -torch.inf)
    law = univariate.widened(law)
    return (law.log_prob(x) if isinstance(law, _IN_X) else _log_density(law, x)).detach()


_IN_X = (Beta, Chi2, Gamma, InverseGamma, LogGamma, VonMises)


def _within(base: Any, low: Tensor | None, high: Tensor | None) -> Tensor:
    """A point inside the support between the bounds."""
    least, most = _edges(base, low, high)
    one_end = torch.where(least.isinf(), most - 1.0, least + 1.0)
    point = torch.where(least.isinf() | most.isinf(), one_end, 0.5 * least + 0.5 * most)
    return torch.where(least.isinf() & most.isinf(), 0.0, point)


def _pieces(base: Any, low: Tensor | None, high: Tensor | None) -> Callable:
    known = _known(base)
    if known is not None:
        pieces, params = known
        return pieces(NATIVE, low, high, *params)
    return truncated.pieces_of(NATIVE, _law(base), low, high, _within(base, low, high))


@singledispatch
def _known(law: Any) -> tuple[Callable, tuple] | None:
    """The kernel's pieces of a law, and its parameters there."""
    return None


def _knows(cls: Any, pieces: Callable, *names: str) -> None:
    _known.register(cls, lambda law: (pieces, tuple(getattr(law, name).double() for name in names)))


def _one_mode(cls: Any, shape: Callable, *names: str) -> None:
    _knows(cls, functools.partial(unimodal.pieces_of, shape), *names)


@_known.register(VonMises)
def _of_von_mises(law):
    loc, concentration = wrap(law.loc.double()), law.concentration.double()
    return functools.partial(unimodal.pieces_of, shapes.von_mises), (loc, concentration)


_knows(torch.distributions.Normal, truncated.normal_pieces, "loc", "scale")
_knows(torch.distributions.Laplace, unimodal.laplace_pieces, "loc", "scale")
_one_mode(torch.distributions.LogNormal, shapes.log_normal, "loc", "scale")
_one_mode(torch.distributions.Cauchy, shapes.cauchy, "loc", "scale")
_one_mode(torch.distributions.HalfCauchy, shapes.half_cauchy, "scale")
_one_mode(host.Logistic, shapes.logistic, "loc", "scale")
_one_mode(torch.distributions.Gumbel, shapes.gumbel, "loc", "scale")
_one_mode(torch.distributions.Weibull, shapes.weibull, "scale", "concentration")
_one_mode(torch.distributions.HalfNormal, shapes.half_normal, "scale")
_one_mode(torch.distributions.Exponential, shapes.exponential, "rate")
_one_mode(torch.distributions.Pareto, shapes.pareto, "scale", "alpha")
_one_mode(torch.distributions.Gamma, shapes.gamma, "concentration", "rate")
_one_mode(LogGamma, shapes.log_gamma, "concentration", "rate")
_one_mode(host.InverseGamma, shapes.inverse_gamma, "concentration", "rate")
_one_mode(torch.distributions.Beta, shapes.beta, "concentration1", "concentration0")
_one_mode(torch.distributions.StudentT, shapes.student_t, "df", "loc", "scale")
_one_mode(torch.distributions.Uniform, shapes.uniform, "low", "high")


# ------------------------------------------------------------------------------------------------ NumPyro's names


class LeftTruncatedDistribution(Truncated):
    """`Truncated` from below, by NumPyro's name."""

    def __init__(self, base_dist, low=0.0, *, validate_args=None):
        super().__init__(base_dist, low, None, validate_args=validate_args)


class RightTruncatedDistribution(Truncated):
    """`Truncated` from above, by NumPyro's name."""

    def __init__(self, base_dist, high=0.0, *, validate_args=None):
        super().__init__(base_dist, None, high, validate_args=validate_args)


class TwoSidedTruncatedDistribution(Truncated):
    """`Truncated` on both sides, by NumPyro's name."""

    def __init__(self, base_dist, low=0.0, high=1.0, *, validate_args=None):
        super().__init__(base_dist, low, high, validate_args=validate_args)


def TruncatedDistribution(base_dist, low=None, high=None, *, validate_args=None):
    """`base_dist` between the bounds that are given; itself where none is."""
    if low is None and high is None:
        return base_dist
    if high is None:
        return LeftTruncatedDistribution(base_dist, low, validate_args=validate_args)
    if low is None:
        return RightTruncatedDistribution(base_dist, high, validate_args=validate_args)
    return TwoSidedTruncatedDistribution(base_dist, low, high, validate_args=validate_args)


def TruncatedNormal(loc=0.0, scale=1.0, *, low=None, high=None, validate_args=None):
    """A normal law between the bounds that are given."""
    return TruncatedDistribution(host.Normal(loc, scale), low, high, validate_args=validate_args)


def TruncatedCauchy(loc=0.0, scale=1.0, *, low=None, high=None, validate_args=None):
    """A Cauchy law between the bounds that are given."""
    return TruncatedDistribution(host.Cauchy(loc, scale), low, high, validate_args=validate_args)
