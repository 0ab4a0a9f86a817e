"""Any univariate distribution between two bounds, with gradients in the bounds and in the distribution's parameters."""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpyro.distributions as host
from jax import Array, lax
from numpyro.distributions import constraints
from numpyro.distributions.batch_util import vmap_over
from numpyro.distributions.util import validate_sample
from numpyro.util import not_jax_tracer

from irg_kernels.adapter import arguments, messages
from irg_kernels.families import normal, standard
from irg_kernels.generic import truncation
from irg_kernels.generic.family import Family
from irg_kernels.generic.fixed_quantile import unit_of
from irg_kernels.generic.masses_by_tails import Base, masses_by_tails

from ..attach import NATIVE, attach_jointly, evaluate, once
from ..lean import leant
from ..registry import implicit_twin, implicit_twin_of
from . import host_families
from .base import ChecksValues, check_key, known, log_density, parameters, together, uniforms
from .ends import line_between, off_ends
from .host_families import ends_of, family_of, first_guess, has_tails, inner_point, log_tails, tails_of, unwrapped

__all__ = [
    "LeftTruncatedDistribution",
    "RightTruncatedDistribution",
    "Truncated",
    "TruncatedCauchy",
    "TruncatedDistribution",
    "TruncatedNormal",
    "TwoSidedTruncatedDistribution",
]


class Truncated(ChecksValues, host.Distribution):
    r"""A univariate distribution conditioned on :math:`l \le x \le h`, reparameterized in its parameters, l and h.

    Density :math:`p(x) / (F(h) - F(l))`.  At fixed quantile u a draw moves with a bound by :math:`(1 - u) p(l)/p(x)`
    and :math:`u p(h)/p(x)`, and with a parameter of the base so that :math:`(F(x) - F(l)) / (F(h) - F(l))` stays
    (Figurnov, Mohamed, Mnih 2018, eq. 4-6).  All is formed from the masses on either side of x in units of the density
    there.

    The masses are integrals of the density, for which no tail is too far and no interval too narrow.  They are
    differences of tails, which lose digits in a narrow interval, for `GeneralizedNormal`, `NoncentralChi2`,
    `NormalInverseGaussian`, `Rice`, mixtures, and classes of your own.

    A bound at the very end of the base's support has the derivative of moving inwards, (1 - u) p(l)/p(x): 0 where the
    density vanishes there, a huge number where it is infinite.  Moved outwards nothing would change.

    :param base_dist: a univariate distribution with a cdf; its implicit twin is taken for it, and `Independent`,
        `expand` and `mask` around it are left out.
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

    def __init__(self, base_dist: Any, low: Any = None, high: Any = None, *, validate_args: bool | None = None) -> None:
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
        with jax.ensure_compile_time_eval():  # constants stay known inside `jit`, to be validated
            self.low, self.high = (None if b is None else jnp.broadcast_to(b, shape) for b in (self.low, self.high))
        host.Distribution.__init__(self, batch_shape=shape, validate_args=validate_args)
        if self._validate_args:
            with jax.ensure_compile_time_eval():
                self._check_bounds()

    @classmethod
    def from_host(cls, fn: Any) -> Any:
        new = cls(fn.base_dist, **{b: getattr(fn, b) for b in ("low", "high") if b in fn.arg_constraints})
        new._validate_args = fn._validate_args
        return new

    def _check_bounds(self) -> None:
        name, (least, most) = type(self).__name__, map(known, ends_of(self.base_dist))
        low, high = known(self.low), known(self.high)
        for key, bound in (("low", low), ("high", high)):
            if bound is None:
                continue
            leaves = bound < most if key == "low" else bound > least
            if _known_false((bound >= least) & (bound <= most) & leaves):
                raise ValueError(
                    f"{name}: {key} must lie in the support of its base {type(self.base_dist).__name__}, "
                    f"from {least} to {most}, and leave some of it, but found:\n{bound}"
                )
        if low is not None and high is not None and _known_false(low < high):
            raise ValueError(f"{name}: low must be below high, but found low\n{low}\nand high\n{high}")

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        if self.low is None:
            return self.base_dist.support if self.high is None else _up_to(self.base_dist, self.high)
        return _from(self.base_dist, self.low) if self.high is None else constraints.interval(self.low, self.high)

    def __repr__(self):
        bounds = (("low", self.low), ("high", self.high))
        shown = "".join(f", {b}={v if jnp.ndim(v) == 0 else v.shape}" for b, v in bounds if v is not None)
        return f"{type(self).__name__}({type(self.base_dist).__name__}(){shown})"

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        check_key(self, key)
        dtype = self._like(None).dtype
        shape = tuple(sample_shape) + self.batch_shape
        u = jax.random.uniform(key, shape, dtype, minval=float(jnp.finfo(dtype).tiny))
        return self.at_fixed_quantile(self._found(u))

    def rsample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        return self.sample(key, sample_shape)

    def at_fixed_quantile(self, x: Array, q: Array | None = None) -> Array:
        """x, unchanged in value, that moves with bounds and parameters so as to keep its quantile.

        :param q: the quantile, where that moves itself.
        """
        x, bounds = self._inside(x), self._bounds()
        if bounds is None:
            shares = None if q is None else (q, 1.0 - q)
            return truncation.at_fixed_quantile(NATIVE, self._pieces(), x, shares)
        x, *args = together(x, *([] if q is None else [q]), *bounds.args)
        return attach_jointly(_rule(*bounds.kind, q is not None), x, tuple(args))

    @validate_sample
    def log_prob(self, value: Array, intermediates: Any = None) -> Array:
        value = self._like(value)
        inside, x, within = self._placed(value)
        least, most = _edges(self.base_dist, None, None, x.dtype)
        at_end = (x == least) | (x == most)
        density = _base(self.base_dist).log_density
        end = lax.stop_gradient(density(lax.stop_gradient(jnp.where(at_end, x, within))))
        found = _log_density(self.base_dist, self.low, self.high, x, at_end, end, within)
        return jnp.where(inside, found, jnp.where(jnp.isnan(value), value, -jnp.inf))

    def cdf(self, value: Array) -> Array:
        """P(X <= value), with derivatives in the value, the bounds and the base's parameters."""
        value = self._like(value)
        inside, x, _ = self._placed(value)
        found = _cdf(self.base_dist, self.low, self.high, x)
        return jnp.where(inside, found, jnp.where(jnp.isnan(value), value, (value > x).astype(value.dtype)))

    def log_tails(self, x: Array) -> tuple[Array, Array]:
        """(log P(X <= x), log P(X > x)), with the same derivatives; of an x outside those of the nearest inside."""
        return _log_tails(self.base_dist, self.low, self.high, self._inside(x))

    def icdf(self, q: Any) -> Array:
        """The x where `cdf` is `q`, with the same derivatives; at 0 and 1 the ends of the support."""
        q = self._like(q)
        if self._validate_args and _known_false((q >= 0.0) & (q <= 1.0)):
            raise ValueError(f"{type(self).__name__}: quantile must lie in [0, 1], but found:\n{q}")
        least, most = self._edges(q.dtype)
        ends = jnp.where(q <= 0.0, least, jnp.where(q >= 1.0, most, q))  # of NaN, NaN
        inside = (q > 0.0) & (q < 1.0)
        at_end = ~inside & jnp.isfinite(ends)
        q = jnp.where(inside | at_end, q, 0.5)
        x = jnp.where(at_end, ends, self._found(jnp.where(at_end, 0.5, q)))
        return jnp.where(inside | at_end, self.at_fixed_quantile(x, q), ends)

    def from_uniform(self, u: Any) -> Array:
        """The draw that u makes, its `icdf`; see the function `from_uniform`."""
        return self.icdf(uniforms(self, u))

    @property
    def mean(self) -> Array:
        """For a normal base and, NaN, a Cauchy one."""
        return self._moments()[0]

    @property
    def variance(self) -> Array:
        """For a normal base and, NaN, a Cauchy one."""
        return self._moments()[1]

    def _moments(self) -> tuple[Array, Array]:
        base, family = self.base_dist, _family(self.base_dist)
        if family is standard.CAUCHY:
            return (jnp.full(self.batch_shape, jnp.nan),) * 2
        if family is not normal.FAMILY:
            raise NotImplementedError(f"{type(self).__name__}: mean and variance are known for Normal and Cauchy bases")
        loc, scale = (jnp.broadcast_to(p, self.batch_shape) for p in (base.loc, base.scale))
        centre = self._inside(lax.stop_gradient(loc))
        mean, variance = normal.truncated_moments(NATIVE, self.low, self.high, centre, loc, scale)
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

    def _found(self, q: Array) -> Array:
        """The x of quantile q, without derivatives."""
        largest, bounds = LARGEST * float(jnp.finfo(q.dtype).max), self._bounds()
        least, most = (jnp.broadcast_to(jnp.clip(e, -largest, largest), q.shape) for e in self._edges(q.dtype))
        if bounds is None:
            x = _solved(*lax.stop_gradient((self.base_dist, self.low, self.high, q, least, most)))
        else:
            args = (jnp.broadcast_to(a, q.shape).astype(q.dtype) for a in bounds.args)
            x = evaluate(truncation.quantile(*bounds.kind), *lax.stop_gradient((q, least, most, *args)))
        return self._inside(off_ends(ends_of(self.base_dist), lax.stop_gradient(x)))

    def _bounds(self) -> _Bounds | None:
        """What the kernels need where the base's family has masses."""
        known = family_of(self.base_dist)
        if known is None or truncation.masses_of(known[0]) is None:
            return None
        kind = known[0], self.low is not None, self.high is not None
        return _Bounds(kind, tuple(b for b in (self.low, self.high, *known[1]) if b is not None))


LARGEST = 0.25
"""of the largest number, where a quantile is looked for"""


class _Bounds(NamedTuple):
    kind: tuple[Family, bool, bool]
    """the family, and which bounds there are"""
    args: tuple[Array, ...]
    """these bounds, and the family's parameters"""


@functools.cache
def _rule(family: Family, has_low: bool, has_high: bool, has_q: bool) -> Callable:
    """How a draw moves with (q, bounds, parameters): `push` of `attach_jointly`."""
    slopes = truncation.slopes_of(family, has_low, has_high, has_q)
    residual = truncation.residual_of(family, has_low, has_high, has_q)

    def push(tangents, x, args):
        if slopes:
            moves = leant(functools.partial(slopes, NATIVE), x, *args)
            return sum(m * slope for m, slope in zip(tangents, moves, strict=True))
        moved = jax.jvp(lambda *a: leant(functools.partial(residual, NATIVE), x, *a), args, tangents)[1]
        return -unit_of(NATIVE, x) * moved

    return push


def _known_false(condition: Any) -> bool:
    """Whether some element is false, for all that a trace can say."""
    with jax.ensure_compile_time_eval():
        return bool(not_jax_tracer(condition) and not condition.all())


def _edges(base: Any, low: Array | None, high: Array | None, dtype: Any) -> tuple[Array, Array]:
    """The ends of the support between the bounds, without derivative."""
    least, most = (jnp.asarray(e, dtype) for e in ends_of(base))
    least = least if low is None else jnp.maximum(least, low)
    most = most if high is None else jnp.minimum(most, high)
    return lax.stop_gradient((least, most))


def _from(base: Any, low: Array) -> Any:
    most = ends_of(base)[1]
    return constraints.greater_than_eq(low) if _is_open(most) else line_between(low, most)


def _up_to(base: Any, high: Array) -> Any:
    least = ends_of(base)[0]
    return constraints.less_than_eq(high) if _is_open(least) else line_between(least, high)


# ---------------------------------------------------------------------------------------------------------- the base


def _univariate(name: str, base: Any) -> tuple[Any, tuple[int, ...]]:
    """The elementwise distribution, implicit where there is such a twin, and the shape that is wanted of it."""
    arguments.check_is_distribution(name, base, host.Distribution)
    shape, distribution = base.batch_shape + base.event_shape, unwrapped(base)
    distribution = implicit_twin(distribution) or distribution
    arguments.check_univariate(name, distribution)
    if distribution.is_discrete:
        raise ValueError(f"{name}: base_dist must be continuous, but {type(distribution).__name__} is discrete")
    if not has_tails(distribution):
        raise ValueError(f"{name}: base_dist {messages.no_cdf(distribution, 'numpyro_irg')}")
    return distribution, shape


def _is_open(end: Any) -> bool:
    return isinstance(end, float) and math.isinf(end)


def _family(base: Any) -> Any:
    known = family_of(base)
    return known and known[0]


def _base(base: Any) -> Base:
    known = family_of(base)
    if known is None:
        free = copy.copy(base)
        free._validate_args = False
        is_dense = host_families.is_dense_at_ends(base)
        return Base(lambda x: log_tails(free, x), free.log_prob, is_dense, ends_of(base))
    family, params = known
    return Base(lambda x: tails_of(family, params, x), lambda x: log_density(family, x, *params), True)


def _within(base: Any, low: Array | None, high: Array | None, dtype: Any) -> Array:
    """A point inside the support between the bounds."""
    return inner_point(*_edges(base, low, high, dtype))


def _pieces(base: Any, low: Array | None, high: Array | None) -> Callable:
    known = family_of(base)
    masses = known and truncation.masses_of(known[0])
    if known and masses:
        return masses(NATIVE, low, high, *known[1])
    dtype = jnp.result_type(0.0, *(p for p in (low, high, *jax.tree.leaves(base)) if p is not None))
    return masses_by_tails(NATIVE, _base(base), low, high, _within(base, low, high, dtype))


@once
def _log_density(
    base: Any, low: Array | None, high: Array | None, x: Array, at_end: Array, end: Array, within: Array
) -> Array:
    return truncation.log_density(NATIVE, _pieces(base, low, high), _base(base).log_density, x, at_end, end, within)


@once
def _cdf(base: Any, low: Array | None, high: Array | None, x: Array) -> Array:
    return truncation.cdf(NATIVE, _pieces(base, low, high), x)


@once
def _log_tails(base: Any, low: Array | None, high: Array | None, x: Array) -> tuple[Array, Array]:
    return truncation.log_tails(NATIVE, _pieces(base, low, high), x)


@once
def _solved(base: Any, low: Array | None, high: Array | None, q: Array, least: Array, most: Array) -> Array:
    start = first_guess(base, low, high, q)
    return truncation.solve(NATIVE, _pieces(base, low, high), q, 1.0 - q, start, least, most)


# --------------------------------------------------------------------------------------------- the host's names


@implicit_twin_of(host.LeftTruncatedDistribution)
class LeftTruncatedDistribution(Truncated, host.LeftTruncatedDistribution):
    """`Truncated(base_dist, low)`, by the host's name; formula, shapes and errors are those of `Truncated`."""

    arg_constraints = {"low": Truncated.arg_constraints["low"]}
    reparametrized_params = ["low"]

    def __init__(self, base_dist: Any, low: Any = 0.0, *, validate_args: bool | None = None) -> None:
        Truncated.__init__(self, base_dist, low, None, validate_args=validate_args)


@implicit_twin_of(host.RightTruncatedDistribution)
class RightTruncatedDistribution(Truncated, host.RightTruncatedDistribution):
    """`Truncated(base_dist, high=high)`, by the host's name; formula, shapes and errors are those of `Truncated`."""

    arg_constraints = {"high": Truncated.arg_constraints["high"]}
    reparametrized_params = ["high"]

    def __init__(self, base_dist: Any, high: Any = 0.0, *, validate_args: bool | None = None) -> None:
        Truncated.__init__(self, base_dist, None, high, validate_args=validate_args)


@implicit_twin_of(host.TwoSidedTruncatedDistribution)
class TwoSidedTruncatedDistribution(Truncated, host.TwoSidedTruncatedDistribution):
    """`Truncated(base_dist, low, high)`, by the host's name; formula, shapes and errors are those of `Truncated`."""

    def __init__(self, base_dist: Any, low: Any = 0.0, high: Any = 1.0, *, validate_args: bool | None = None) -> None:
        Truncated.__init__(self, base_dist, low, high, validate_args=validate_args)


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


@vmap_over.register
def _vmap_over_truncated(dist: Truncated, low: Any = None, high: Any = None) -> Any:
    return vmap_over.dispatch(host.Distribution)(dist, low=low, high=high)
