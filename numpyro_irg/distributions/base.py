"""What the implicit distributions share: parameters on the way in, and the methods of a family's record."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from numbers import Number
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as host
from jax import Array, lax, random
from numpyro.distributions import constraints
from numpyro.distributions.util import promote_shapes, validate_sample
from numpyro.util import is_prng_key, not_jax_tracer

from irg_kernels.adapter.messages import no_quantile, shown
from irg_kernels.adapter.methods import FamilyMethods
from irg_kernels.generic.family import Family, Noise, draw_of, log_density_of, quantile_of, with_limits
from irg_kernels.numerics.elementary import clamped_in, finite

from ..attach import NATIVE, attach, call, evaluate
from ..samplers import standard_beta_logit, standard_gamma, standard_student_t
from .clamping import exponential, from_coordinate
from .ends import from_to


def promoted(distribution: str, **values: Any) -> tuple[Array, ...]:
    """The named parameters as floating-point arrays of one dtype, each of its own shape.

    Python numbers follow the arrays; integers become the default floating type.

    :raises ValueError: for a value that is no real number or array.
    """
    for name, value in values.items():
        if not isinstance(value, Number) and not isinstance(getattr(value, "dtype", None), np.dtype):
            raise ValueError(
                f"{distribution}: {name} must be a number or an array, got {type(value).__name__}; "
                f"write jnp.asarray({name})"
            )
        if jnp.issubdtype(jnp.result_type(value), jnp.complexfloating):
            raise ValueError(f"{distribution}: {name} must be real, got dtype {jnp.result_type(value)}")
    dtype = jnp.result_type(*values.values())
    if not jnp.issubdtype(dtype, jnp.floating):
        dtype = jnp.result_type(float)
    with jax.ensure_compile_time_eval():  # constants stay known inside `jit`, to be validated
        return tuple(jnp.asarray(value, dtype) for value in values.values())


def known(x: Any) -> Any:
    """As a NumPy array where its values are known: XLA would compile each comparison of every shape."""
    return np.asarray(x) if isinstance(x, jax.Array) and not isinstance(x, jax.core.Tracer) else x


def parameters(distribution: str, **values: Any) -> tuple[Array, ...]:
    """The named parameters, `promoted`, of as many axes each.

    :raises ValueError: for a value that is no real number or array, or shapes that do not broadcast.
    """
    arrays = promoted(distribution, **values)
    try:
        with jax.ensure_compile_time_eval():  # what the host reshapes inside `jit` is no constant any more
            return tuple(promote_shapes(*arrays))
    except ValueError as error:
        shapes = " and ".join(f"{name} of shape {a.shape}" for name, a in zip(values, arrays, strict=True))
        raise ValueError(f"{distribution}: {shapes} cannot be broadcast together") from error


def check_key(distribution: Any, key: Any) -> None:
    """:raises ValueError: for what is no key of JAX's."""
    if not is_prng_key(key):
        raise ValueError(
            f"{type(distribution).__name__}.sample: key must be a JAX random key, got {key!r}; "
            "write jax.random.key(0), or run the model under numpyro.handlers.seed"
        )


_Host: Any = host.Distribution if TYPE_CHECKING else object


class ChecksValues(_Host):
    """Comes before the host's class: values that are constants are validated inside `jit` too.

    The host's constraints compare NumPy's values by NumPy, which cannot read a bound that `jit` traces.
    """

    def _validate_sample(self, value: Any) -> Array:
        with jax.ensure_compile_time_eval():  # so that constant bounds are known
            return super()._validate_sample(jnp.asarray(value))


class ImplicitMixin(ChecksValues):
    """Comes before the host's class: `sample` checks its key, and validation refuses infinite parameters."""

    def validate_args(self, strict: bool = True) -> None:
        if any(jnp.size(value) == 0 for value in self.get_args().values()):
            return  # nothing to check, and the host's check of a vector cannot divide by zero
        super().validate_args(strict)
        # the host's constraints let inf through, which has no draw
        with jax.ensure_compile_time_eval():
            for name, value in self.get_args().items():
                finite = jnp.isfinite(value)
                if not_jax_tracer(finite) and not finite.all():
                    raise ValueError(
                        f"{type(self).__name__} distribution got invalid {name} parameter: "
                        f"it must be finite, got {value}."
                    )

    def rsample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        # not the host's, which for some families is another sampler
        return self.sample(key, sample_shape)

    def from_uniform(self, u: Any) -> Array:
        """The draw that uniform numbers u make; see the function `from_uniform`."""
        raise NotImplementedError(no_quantile(self))

    def _extended(self, key: Array, sample_shape: tuple[int, ...], *params: Array) -> tuple[Array, ...]:
        """The parameters in the shape of the draw."""
        check_key(self, key)
        shape = tuple(sample_shape) + self.batch_shape + self.event_shape
        return tuple(jnp.broadcast_to(p, shape) for p in params)

    def _closed_form(self, kernel: Callable, *params: Array) -> Array:
        """kernel(xp, *params) of the distribution's batch shape, differentiated as it stands."""
        return jnp.broadcast_to(closed_form(kernel, *params), self.batch_shape)


class UnivariateMixin(ImplicitMixin, FamilyMethods[Array]):
    """A univariate distribution whose mathematics is a record of the kernels."""

    @validate_sample
    def log_prob(self, value: Array, intermediates: Any = None) -> Array:
        """log p(value), to rounding, with derivatives in the value and every parameter."""
        return log_density(self.family, jnp.asarray(value), *self._family_parameters())

    def _tail(self, which: Callable, value: Any) -> Array:
        low, high = support_of(self.family, *self._family_parameters())
        value = self._at(value, low, high, "value")
        value, *params = together(value, *self._family_parameters())
        return with_limits(NATIVE, which, lambda value: call(which(self.family), value, *params), value)

    def icdf(self, q: Any) -> Array:
        """The x where `cdf` is `q`, with the same derivatives; at 0 and 1 the ends of the support."""
        q, *params = together(self._at(q, 0.0, 1.0, "quantile"), *self._family_parameters())
        inside = (q > 0.0) & (q < 1.0)
        safe = jnp.where(inside, q, 0.5)
        low, high = support_of(self.family, *params)
        ends = jnp.where(q <= 0.0, low, jnp.where(q >= 1.0, high, q)).astype(q.dtype)  # of NaN, NaN
        return jnp.where(inside, quantile(self.family, safe, 1.0 - safe, *params), ends)

    def from_uniform(self, u: Any) -> Array:
        """The draw that u makes, its `icdf`; see the function `from_uniform`."""
        return self.icdf(uniforms(self, u))

    def _at(self, value: Any, low: Any, high: Any, what: str) -> Array:
        """`value` as an array of the parameters' dtype at least, checked to lie in [low, high]."""
        if (not isinstance(value, Number) and not hasattr(value, "dtype")) or jnp.iscomplexobj(value):
            raise TypeError(f"{type(self).__name__}: {what} must be a real number or array, got {shown(value)}")
        value = jnp.asarray(value)
        value = value.astype(jnp.result_type(value.dtype, *self._family_parameters()))
        if self._validate_args:
            with jax.ensure_compile_time_eval():
                inside = _is_within(value, low, high)
                if not_jax_tracer(inside) and not inside.all():
                    low, high = (f"{end:g}" if isinstance(end, float) else end for end in (low, high))
                    raise ValueError(
                        f"{type(self).__name__}: {what} (Array of shape {value.shape}) must lie in "
                        f"[{low}, {high}], but found:\n{value}"
                    )
        return value


class Univariate(UnivariateMixin, host.Distribution):
    """A univariate distribution that NumPyro has not: constraints, support, shapes and divergence follow from the
    record.

    A class gives `family`, an `__init__` that passes its arguments to `_begin`, and `sample` where the record has not
    the way to a draw.
    """

    _between: Any = staticmethod(from_to)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        if "family" in cls.__dict__:
            order = list(inspect.signature(cls.__init__).parameters)  # as all of the host's classes have it
            names = sorted(cls.family.parameters, key=order.index)
            cls.arg_constraints = {name: _constraint(cls.family.parameters[name]) for name in names}
            cls.reparametrized_params = list(cls.arg_constraints)
            if cls.family.support in _SUPPORTS:
                setattr(cls, "support", _SUPPORTS[cls.family.support])  # noqa: B010  (a property here)
            divergence = cls.family.divergences.get(cls.__name__)
            if divergence is not None:
                host.kl.kl_divergence.register(cls, cls)(functools.partial(_divergence, divergence))
        super().__init_subclass__(**kwargs)

    def _begin(self, validate_args: bool | None, **values: Any) -> None:
        found = parameters(type(self).__name__, **values)
        for name, value in zip(values, found, strict=True):
            setattr(self, name, value)
        shape = jnp.broadcast_shapes(*(value.shape for value in found))
        host.Distribution.__init__(self, batch_shape=shape, validate_args=validate_args)

    def validate_args(self, strict: bool = True) -> None:
        super().validate_args(strict)
        with jax.ensure_compile_time_eval():
            for holds, told in self._relations():
                if not_jax_tracer(holds) and not holds.all():
                    raise ValueError(told())

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        params = self._extended(key, sample_shape, *self._family_parameters())
        quantile, draw = self.family.quantile, draw_of(self.family)
        assert quantile is not None
        keys = random.split(key, len(draw.noise)) if len(draw.noise) > 1 else (key,)
        noise = [_numbers(each, key, *params) for each, key in zip(draw.noise, keys, strict=True)]
        found, slopes = evaluate(draw.find, *lax.stop_gradient((*noise, *params))), quantile.slopes
        if quantile.coordinate == "x":
            edge = 0.25 / float(jnp.finfo(found.dtype).tiny)
            found, slopes = jnp.clip(found, -edge, edge), tuple(map(_finite, slopes))
        x = from_coordinate(quantile.coordinate, attach(slopes, found, *params))
        return clamped_in(NATIVE, self.family.support, x, *params)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        return self._between(*support_of(self.family, *self._family_parameters()))


def _constraint(kind: str) -> Any:
    """By the host's name for it, with its bound where it takes one."""
    name, *bounds = kind.split()
    return getattr(constraints, name)(*map(float, bounds)) if bounds else getattr(constraints, name)


def _divergence(kernel: Callable, p: Univariate, q: Univariate) -> Array:
    return closed_form(kernel, *p._family_parameters(), *q._family_parameters())


_SUPPORTS: dict[Any, Any] = {
    (-math.inf, math.inf): constraints.real,
    (0.0, math.inf): constraints.positive,
    (0.0, 1.0): constraints.unit_interval,
}


def uniforms(distribution: Any, u: Any) -> Array:
    """u in the shape of a draw, off 0 and 1.

    :raises ValueError: for u that is not real, outside [0, 1], or of a shape that does not broadcast.
    """
    if (not isinstance(u, Number) and not hasattr(u, "dtype")) or jnp.iscomplexobj(u):
        raise ValueError(f"from_uniform: u must be real numbers in [0, 1], a number or an array, got {shown(u)}")
    with jax.ensure_compile_time_eval():
        u = jnp.asarray(u)
        u = u if jnp.issubdtype(u.dtype, jnp.floating) else u.astype(jnp.result_type(float))
    shape = distribution.batch_shape + distribution.event_shape
    try:
        u = jnp.broadcast_to(u, jnp.broadcast_shapes(u.shape, shape))
    except ValueError as error:
        raise ValueError(
            f"from_uniform: u of shape {u.shape} does not broadcast with the shape {shape} of a draw"
        ) from error
    if distribution._validate_args:
        with jax.ensure_compile_time_eval():
            inside = (u >= 0.0) & (u <= 1.0)
            if not_jax_tracer(inside) and not inside.all():
                raise ValueError(f"from_uniform: u must lie in [0, 1], but found:\n{u}")
    limits = jnp.finfo(u.dtype)
    return jnp.clip(u, float(limits.tiny), 1.0 - 0.5 * float(limits.eps))


@functools.cache
def _finite(slope: Callable) -> Callable:
    """The slope, held in the range of its dtype: of a draw far out in a tail it has no number, and 0 times it is 0."""
    return lambda xp, *args: finite(xp, slope(xp, *args))


def support_of(family: Family, *params: Array) -> tuple[Any, Any]:
    """The ends of the support, numbers or, where they depend on parameters, arrays."""
    low, high = (closed_form(end, *params) if callable(end) else end for end in family.support)
    return low, high


def _is_within(value: Array, low: Any, high: Any) -> Array:
    """low <= value <= high, in the value's precision: float32's pi lies beyond pi, and counts as within."""
    low, high = (jnp.asarray(end, value.dtype) for end in (low, high))
    return (value >= low) & (value <= high)


def quantile(family: Family, q: Array, one_minus_q: Array, *params: Array) -> Array:
    """The x of 0 < q < 1; held in the range of its dtype with its relative derivative, as a draw is."""
    of = family.quantile
    if of is None:
        raise NotImplementedError("the family has no quantile function")
    y = call(quantile_of(of), q, one_minus_q, *params)
    if of.refine is None:
        return clamped_in(NATIVE, family.support, from_coordinate(of.coordinate, y), *params)
    return exponential(y, evaluate(of.refine, *lax.stop_gradient((y, q, one_minus_q, *params))))


def _uniform(key: Array, shape: tuple[int, ...], dtype: Any) -> Array:
    """Between 0 and 1, of which JAX's may be 0."""
    return jnp.maximum(random.uniform(key, shape, dtype), 0.25 * float(jnp.finfo(dtype).eps))


def _numbers(noise: str | Noise, key: Array, *params: Array) -> Array:
    if isinstance(noise, Noise):
        return _NOISE[noise.kind](key, *noise.of(NATIVE, *params))
    return _NOISE[noise](key, params[0].shape, params[0].dtype)


_NOISE: dict[str, Callable] = {
    "uniform": _uniform,
    "normal": random.normal,
    "log gamma": lambda key, concentration: standard_gamma(key, concentration)[1],
    "logit beta": standard_beta_logit,
    "log student t": lambda key, df: standard_student_t(key, df)[1],
}


def together(*values: Any) -> tuple[Array, ...]:
    """Arrays of one shape and dtype; the host's distributions hold numbers as they were given."""
    dtype = jnp.result_type(*values)
    return tuple(jnp.broadcast_arrays(*(jnp.asarray(v, dtype) for v in values)))


def closed_form(kernel: Callable, *params: Array) -> Array:
    """kernel(xp, *params), differentiated as it stands."""
    return evaluate(kernel, *together(*params))


def log_density(family: Family, x: Array, *params: Array) -> Array:
    """log p(x) of the family, with its scores for derivatives where it has them."""
    if family.scores is None:
        return closed_form(family.log_density, x, *params)
    return call(log_density_of(family), *together(x, *params))
