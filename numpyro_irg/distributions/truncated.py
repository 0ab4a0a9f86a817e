"""Any univariate law between two bounds, with gradients in the bounds and in the law's parameters."""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Callable
from functools import singledispatch
from typing import Any

import jax
import jax.numpy as jnp
import numpyro.distributions as host
from jax import Array, lax
from jax.scipy.special import xlogy
from numpyro.distributions import constraints
from numpyro.distributions.util import validate_sample
from numpyro.util import is_prng_key, not_jax_tracer

from irg_kernels.families import shapes
from irg_kernels.generic import masses_by_density as unimodal
from irg_kernels.generic import truncation as truncated

from .. import univariate
from ..attach import NATIVE
from ..registry import implicit_twin, implicit_twin_of
from .base import UnivariateMixin, closed_form, parameters
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


class Truncated(host.Distribution):
    r"""A univariate law conditioned on :math:`l \le x \le h`, reparameterized in its parameters, l and h.

    Density :math:`p(x) / (F(h) - F(l))`.  At fixed quantile u a draw moves with a bound by :math:`(1 - u) p(l)/p(x)`
    and :math:`u p(h)/p(x)`, and with a parameter of the base so that :math:`(F(x) - F(l)) / (F(h) - F(l))` stays
    (Figurnov, Mohamed, Mnih 2018, eq. 4-6).  All is formed from the masses on either side of x in units of the density
    there.

    Where the kernels know the density (Normal, LogNormal, Cauchy, HalfCauchy, HalfNormal, Laplace, Logistic, Gumbel,
    Weibull, Exponential, Pareto, Gamma, Chi2, LogGamma, InverseGamma, Beta, StudentT, VonMises, Uniform) no tail is too
    far and no interval too narrow; of other laws tails are subtracted, which loses digits in a narrow one.

    A bound at the very end of the base's support has the derivative of moving inwards, (1 - u) p(l)/p(x): 0 where the
    density vanishes there, a huge number where it is infinite.  Moved outwards nothing would change.

    :param base_dist: a univariate law with a distribution function; one that has an implicit twin is taken for it, and
        `Independent`, `expand` and `mask` around it are left out.
    :param low: l, number or array, or None.
    :param high: h, number or array, or None.
    :raises ValueError: for a base that is not univariate or has no cdf, a bound that does not broadcast, and with
        validation for low >= high or a bound outside the support of the base.

    >>> x = Truncated(host.Normal(0.0, 1.0), low=38.0).sample(jax.random.key(0), (1000,))
    >>> bool((x >= 38.0).all())
    True
    """

    arg_constraints = {
        "low": constraints.dependent(is_discrete=False, event_dim=0),
        "high": constraints.dependent(is_discrete=False, event_dim=0),
    }
    reparametrized_params = ["low", "high"]
    pytree_data_fields = ("base_dist", "low", "high")

    def __init__(self, base_dist, low=None, high=None, *, validate_args=None):
        name = type(self).__name__
        self.base_dist, of_base = _univariate(name, base_dist)
        given = {key: value for key, value in (("low", low), ("high", high)) if value is not None}
        bounds = dict(zip(given, parameters(name, **given), strict=True)) if given else {}
        self.low, self.high = bounds.get("low"), bounds.get("high")
        try:
            shape = jnp.broadcast_shapes(of_base, *(b.shape for b in bounds.values()))
        except ValueError as error:
            shapes = " and ".join(f"{key} of shape {b.shape}" for key, b in bounds.items())
            raise ValueError(f"{name}: {shapes} cannot be broadcast with the base's shape {of_base}") from error
        self.low, self.high = (None if b is None else jnp.broadcast_to(b, shape) for b in (self.low, self.high))
        host.Distribution.__init__(self, batch_shape=shape, validate_args=validate_args)
        if self._validate_args:
            self._check_bounds()

    @classmethod
    def from_host(cls, fn):
        new = cls(fn.base_dist, **{b: getattr(fn, b) for b in ("low", "high") if b in fn.arg_constraints})
        new._validate_args = fn._validate_args
        return new

    def _check_bounds(self) -> None:
        name, (least, most) = type(self).__name__, _ends(self.base_dist)
        for key, bound in (("low", self.low), ("high", self.high)):
            if bound is None:
                continue
            leaves = bound < most if key == "low" else bound > least
            if _known_false((bound >= least) & (bound <= most) & leaves):
                raise ValueError(
                    f"{name}: {key} must lie in the support of its base {type(self.base_dist).__name__}, "
                    f"from {least} to {most}, and leave some of it, but found:\n{bound}"
                )
        if self.low is not None and self.high is not None and _known_false(self.low < self.high):
            raise ValueError(f"{name}: low must be below high, but found low\n{self.low}\nand high\n{self.high}")

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self):
        if self.low is None:
            return self.base_dist.support if self.high is None else _up_to(self.base_dist, self.high)
        return _from(self.base_dist, self.low) if self.high is None else constraints.interval(self.low, self.high)

    def __repr__(self):
        bounds = (("low", self.low), ("high", self.high))
        shown = "".join(f", {b}={v if jnp.ndim(v) == 0 else v.shape}" for b, v in bounds if v is not None)
        return f"{type(self).__name__}({type(self.base_dist).__name__}(){shown})"

    def sample(self, key, sample_shape=()):
        if not is_prng_key(key):
            raise ValueError(
                f"{type(self).__name__}.sample: key must be a JAX random key, got {key!r}; "
                "write jax.random.key(0), or run the model under numpyro.handlers.seed"
            )
        dtype = self._like(None).dtype
        shape = tuple(sample_shape) + self.batch_shape
        u = jax.random.uniform(key, shape, dtype, minval=jnp.finfo(dtype).tiny)
        return truncated.at_fixed_quantile(NATIVE, self._pieces(), self._inside(self._found(u, 1.0 - u)))

    def rsample(self, key, sample_shape=()):
        return self.sample(key, sample_shape)

    @validate_sample
    def log_prob(self, value, intermediates=None):
        value = self._like(value)
        inside, x, within = self._placed(value)
        least, most = _edges(self.base_dist, None, None, x.dtype)
        at_end = (x == least) | (x == most)
        end = _at_end(self.base_dist, lax.stop_gradient(jnp.where(at_end, x, within)))
        density = _law(self.base_dist).log_density
        found = truncated.log_density(NATIVE, self._pieces(), density, x, at_end, end, within)
        return jnp.where(inside, found, jnp.where(jnp.isnan(value), jnp.nan, -jnp.inf))

    def cdf(self, value):
        """P(X <= value), with derivatives in the value, the bounds and the base's parameters."""
        value = self._like(value)
        inside, x, _ = self._placed(value)
        found = truncated.cdf(NATIVE, self._pieces(), x)
        return jnp.where(inside, found, jnp.where(jnp.isnan(value), jnp.nan, (value > x).astype(value.dtype)))

    def icdf(self, q):
        """The x where `cdf` is `q`, with the same derivatives; at 0 and 1 the ends of the support."""
        q = self._like(q)
        if self._validate_args and _known_false((q >= 0.0) & (q <= 1.0)):
            raise ValueError(f"{type(self).__name__}: quantile must lie in [0, 1], but found:\n{q}")
        least, most = self._edges(q.dtype)
        ends = jnp.where(q <= 0.0, least, jnp.where(q >= 1.0, most, jnp.nan))
        inside, at_end = (q > 0.0) & (q < 1.0), jnp.isfinite(ends)
        q = jnp.where(inside | at_end, q, 0.5)
        rest = 1.0 - q
        x = self._inside(self._found(*lax.stop_gradient((q, rest))))
        x = truncated.at_fixed_quantile(NATIVE, self._pieces(), jnp.where(at_end, ends, x), (q, rest))
        return jnp.where(inside | at_end, x, ends)

    @property
    def mean(self):
        """For a normal base and, NaN, a Cauchy one."""
        return self._moments()[0]

    @property
    def variance(self):
        """For a normal base and, NaN, a Cauchy one."""
        return self._moments()[1]

    def _moments(self) -> tuple[Array, Array]:
        base = self.base_dist
        if isinstance(base, host.Cauchy):
            return (jnp.full(self.batch_shape, jnp.nan),) * 2
        if not isinstance(base, host.Normal):
            raise NotImplementedError(f"{type(self).__name__}: mean and variance are known for Normal and Cauchy bases")
        loc, scale = (jnp.broadcast_to(p, self.batch_shape) for p in (base.loc, base.scale))
        centre = self._inside(lax.stop_gradient(loc))
        mean, variance = truncated.normal_moments(NATIVE, self.low, self.high, centre, loc, scale)
        return centre + mean, variance

    def _like(self, value: Any) -> Array:
        """`value`, or a 0, in the dtype of the parameters at least."""
        arrays = [p for p in (self.low, self.high, *jax.tree.leaves(self.base_dist)) if p is not None]
        value = jnp.asarray(0.0 if value is None else value)
        dtype = jnp.result_type(*arrays, value if value.ndim and jnp.issubdtype(value.dtype, jnp.floating) else 0.0)
        return jnp.broadcast_to(value.astype(dtype), jnp.broadcast_shapes(value.shape, self.batch_shape))

    def _edges(self, dtype: Any) -> tuple[Array, Array]:
        """The ends of the support."""
        return _edges(self.base_dist, self.low, self.high, dtype)

    def _placed(self, value: Array) -> tuple[Array, Array, Array]:
        """(where the value lies inside, the value there and some point inside elsewhere, that point)."""
        least, most = self._edges(value.dtype)
        inside = (value >= least) & (value <= most) & jnp.isfinite(value)
        within = _within(self.base_dist, self.low, self.high, value.dtype)
        return inside, jnp.where(inside, value, within), within

    def _inside(self, x: Array) -> Array:
        """The nearest value of the support."""
        return jnp.clip(x, *self._edges(x.dtype))

    def _pieces(self) -> Callable:
        return _pieces(self.base_dist, self.low, self.high)

    def _found(self, q: Array, rest: Array) -> Array:
        """The x of quantile q = 1 - rest, without derivatives."""
        base, low, high = lax.stop_gradient((self.base_dist, self.low, self.high))
        pieces = _pieces(base, low, high)
        least, most = (jnp.broadcast_to(b, q.shape).astype(q.dtype) for b in _bracket(base, low, high, q.dtype))
        start = most if low is None or high is None else least + q * (most - least)
        return lax.stop_gradient(truncated.solve(NATIVE, pieces, q, rest, start, least, most))


def _known_false(condition: Array) -> bool:
    """Whether some element is false, for all that a trace can say."""
    with jax.ensure_compile_time_eval():
        return bool(not_jax_tracer(condition) and not condition.all())


_HEAVY = (host.Cauchy, host.StudentT, host.InverseGamma, host.LogNormal)


def _bracket(base: Any, low: Array | None, high: Array | None, dtype: Any) -> tuple[Any, Any]:
    """Finite bounds between which all quantiles of the dtype lie."""
    if isinstance(base, host.Normal):
        least = base.loc if high is None else jnp.minimum(base.loc, high)
        most = base.loc if low is None else jnp.maximum(base.loc, low)
        least, most = least - 40.0 * base.scale, most + 40.0 * base.scale  # P(-40) < 1e-349
        return least if low is None else jnp.maximum(low, least), most if high is None else jnp.minimum(high, most)
    largest = 0.25 * float(jnp.finfo(dtype).max)
    if not isinstance(base, _HEAVY):
        largest = 0.05 * largest**0.5  # where the tails are held
    least, most = _edges(base, low, high, dtype)
    return jnp.clip(least, -largest, largest), jnp.clip(most, -largest, largest)


def _edges(base: Any, low: Array | None, high: Array | None, dtype: Any) -> tuple[Array, Array]:
    """The ends of the support between the bounds, without derivative."""
    least, most = (jnp.asarray(e, dtype) for e in _ends(base))
    least = least if low is None else jnp.maximum(least, low)
    most = most if high is None else jnp.minimum(most, high)
    return lax.stop_gradient((least, most))


def _from(base: Any, low: Array) -> Any:
    most = _ends(base)[1]
    return constraints.greater_than_eq(low) if _is_open(most) else constraints.interval(low, most)


def _up_to(base: Any, high: Array) -> Any:
    least = _ends(base)[0]
    return constraints.less_than_eq(high) if _is_open(least) else constraints.interval(least, high)


# ---------------------------------------------------------------------------------------------------------- the base


def _univariate(name: str, base: Any) -> tuple[Any, tuple[int, ...]]:
    """The elementwise law, implicit where there is such a twin, and the shape that is wanted of it."""
    if not isinstance(base, host.Distribution):
        raise ValueError(f"{name}: base_dist must be a distribution, got {type(base).__name__}")
    shape, law = base.batch_shape + base.event_shape, univariate.unwrapped(base)
    law = implicit_twin(law) or law
    if law.event_shape:
        raise ValueError(
            f"{name}: base_dist must be univariate, but {type(law).__name__} has event shape {law.event_shape}"
        )
    if not univariate.has_tails(law):
        raise ValueError(
            f"{name}: base_dist {type(law).__name__} has no cdf; take a law from numpyro_irg.distributions, or give "
            "the class a cdf"
        )
    return law, shape


def _is_open(end: Any) -> bool:
    return isinstance(end, float) and math.isinf(end)


def _ends(base: Any) -> tuple[Any, Any]:
    """The ends of the support, numbers or, where they depend on parameters, arrays without derivative."""
    least, most = (getattr(base.support, name, None) for name in ("lower_bound", "upper_bound"))
    least, most = -jnp.inf if least is None else least, jnp.inf if most is None else most
    return _end(least), _end(most)


def _end(e: Any) -> Any:
    return float(e) if isinstance(e, int | float) else lax.stop_gradient(e)


def _law(base: Any) -> truncated.Base:
    law = copy.copy(base)
    law._validate_args = False
    return truncated.Base(lambda x: univariate.log_tails(law, x), lambda x: _log_density(law, x))


def _log_density(law: Any, x: Array) -> Array:
    """log p to the digits of the tails: the host's formulas cancel at large parameters."""
    if isinstance(law, UnivariateMixin) and isinstance(law, (*_IN_X, StudentT)):
        kernel, *args = law._law(x)
        value = closed_form(kernel.log_density, *args)
        return value if isinstance(law, _IN_X) else value - jnp.log(law.scale)
    if isinstance(law, host.Weibull):  # at 0 the host's is NaN for an exponential law
        scale, k = law.scale, law.concentration
        return jnp.log(k) - k * jnp.log(scale) + xlogy(k - 1.0, x) - (x / scale) ** k
    return law.log_prob(x)


def _at_end(law: Any, x: Array) -> Array:
    """log p at an end of the support: the kernels hold x inside."""
    if isinstance(law, host.LogNormal | host.InverseGamma):
        return jnp.full_like(x, -jnp.inf)
    law = copy.copy(law)
    law._validate_args = False
    return lax.stop_gradient(law.log_prob(x) if isinstance(law, _IN_X) else _log_density(law, x))


_IN_X = (Beta, Chi2, Gamma, InverseGamma, LogGamma, VonMises)


def _within(base: Any, low: Array | None, high: Array | None, dtype: Any) -> Array:
    """A point inside the support between the bounds."""
    least, most = _edges(base, low, high, dtype)
    one_end = jnp.where(jnp.isinf(least), most - 1.0, least + 1.0)
    point = jnp.where(jnp.isinf(least) | jnp.isinf(most), one_end, 0.5 * least + 0.5 * most)
    return jnp.where(jnp.isinf(least) & jnp.isinf(most), 0.0, point)


def _pieces(base: Any, low: Array | None, high: Array | None) -> Callable:
    known = _known(base)
    if known is not None:
        pieces, params = known
        return pieces(NATIVE, low, high, *params)
    dtype = jnp.result_type(0.0, *(p for p in (low, high, *jax.tree.leaves(base)) if p is not None))
    return truncated.pieces_of(NATIVE, _law(base), low, high, _within(base, low, high, dtype))


@singledispatch
def _known(law: Any) -> tuple[Callable, tuple] | None:
    """The kernel's pieces of a law, and its parameters there."""
    return None


def _knows(cls: Any, pieces: Callable, *names: str) -> None:
    _known.register(cls, lambda law: (pieces, tuple(jnp.asarray(getattr(law, name)) for name in names)))


def _one_mode(cls: Any, shape: Callable, *names: str) -> None:
    _knows(cls, functools.partial(unimodal.pieces_of, shape), *names)


@_known.register(VonMises)
def _of_von_mises(law):
    loc, concentration = wrap(law.loc), law.concentration
    return functools.partial(unimodal.pieces_of, shapes.von_mises), (loc, concentration)


_knows(host.Normal, truncated.normal_pieces, "loc", "scale")
_knows(host.Laplace, unimodal.laplace_pieces, "loc", "scale")
_one_mode(host.LogNormal, shapes.log_normal, "loc", "scale")
_one_mode(host.Cauchy, shapes.cauchy, "loc", "scale")
_one_mode(host.HalfCauchy, shapes.half_cauchy, "scale")
_one_mode(host.Logistic, shapes.logistic, "loc", "scale")
_one_mode(host.Gumbel, shapes.gumbel, "loc", "scale")
_one_mode(host.Weibull, shapes.weibull, "scale", "concentration")
_one_mode(host.HalfNormal, shapes.half_normal, "scale")
_one_mode(host.Exponential, shapes.exponential, "rate")
_one_mode(host.Pareto, shapes.pareto, "scale", "alpha")
_one_mode(host.Gamma, shapes.gamma, "concentration", "rate")
_one_mode(LogGamma, shapes.log_gamma, "concentration", "rate")
_one_mode(host.InverseGamma, shapes.inverse_gamma, "concentration", "rate")
_one_mode(host.Beta, shapes.beta, "concentration1", "concentration0")
_one_mode(host.StudentT, shapes.student_t, "df", "loc", "scale")
_one_mode(host.Uniform, shapes.uniform, "low", "high")


# --------------------------------------------------------------------------------------------- the host's names


@implicit_twin_of(host.LeftTruncatedDistribution)
class LeftTruncatedDistribution(Truncated, host.LeftTruncatedDistribution):
    """`Truncated` from below, for the host's class of that name."""

    arg_constraints = {"low": Truncated.arg_constraints["low"]}
    reparametrized_params = ["low"]

    def __init__(self, base_dist, low=0.0, *, validate_args=None):
        Truncated.__init__(self, base_dist, low, None, validate_args=validate_args)


@implicit_twin_of(host.RightTruncatedDistribution)
class RightTruncatedDistribution(Truncated, host.RightTruncatedDistribution):
    """`Truncated` from above, for the host's class of that name."""

    arg_constraints = {"high": Truncated.arg_constraints["high"]}
    reparametrized_params = ["high"]

    def __init__(self, base_dist, high=0.0, *, validate_args=None):
        Truncated.__init__(self, base_dist, None, high, validate_args=validate_args)


@implicit_twin_of(host.TwoSidedTruncatedDistribution)
class TwoSidedTruncatedDistribution(Truncated, host.TwoSidedTruncatedDistribution):
    """`Truncated` on both sides, for the host's class of that name."""

    def __init__(self, base_dist, low=0.0, high=1.0, *, validate_args=None):
        Truncated.__init__(self, base_dist, low, high, validate_args=validate_args)


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
