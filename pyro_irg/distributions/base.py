"""What the implicit distributions share: parameters on the way in, and the methods of a family's record."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from numbers import Number
from typing import TYPE_CHECKING, Any

import torch
from pyro.distributions import constraints
from pyro.distributions.torch_distribution import TorchDistribution
from torch import Tensor
from torch.autograd import forward_ad

from irg_kernels.adapter.messages import no_quantile, shown
from irg_kernels.adapter.methods import FamilyMethods
from irg_kernels.generic.family import Family, Noise, draw_of, log_density_of, quantile_of, with_limits
from irg_kernels.numerics.elementary import clamped_in

from .. import by_numpy
from ..attach import NATIVE, attach, call, evaluate, in_transform
from ..samplers import draw, standard_beta_logit, standard_gamma, standard_student_t
from .clamping import exponential, from_coordinate
from .ends import from_to
from .native import faster, precise_quantile


def promoted(distribution: str, **values: Any) -> list[Tensor]:
    """The named parameters as floating-point tensors of one dtype, each of its own shape.

    Python numbers follow the tensors; integer tensors become the default floating type.

    :raises ValueError: for a value that is neither real number nor real, dense tensor.
    """
    for name, value in values.items():
        if not isinstance(value, Tensor):
            if not isinstance(value, Number) or isinstance(value, complex):
                raise ValueError(
                    f"{distribution}: {name} must be a number or a torch.Tensor, got {type(value).__name__}; "
                    f"write torch.as_tensor({name})"
                )
        elif value.is_meta or not _is_real(value):
            raise ValueError(f"{distribution}: {name} must be a real, dense tensor with values, got {_kind(value)}")
    tensors = [v for v in values.values() if isinstance(v, Tensor)]
    if len(tensors) == len(values) and len({t.dtype for t in tensors}) == 1:
        if tensors[0].is_floating_point():  # the usual case, and a tenth of the time of a small draw
            return tensors
    dtypes = {t.dtype for t in tensors if t.is_floating_point()} or {torch.get_default_dtype()}
    dtype, device = functools.reduce(torch.promote_types, dtypes), tensors[0].device if tensors else None
    return [
        v.to(dtype) if isinstance(v, Tensor) else torch.tensor(v, dtype=dtype, device=device) for v in values.values()
    ]


def _is_real(value: Tensor) -> bool:
    return value.layout is torch.strided and not value.is_complex()


def _kind(value: Tensor) -> str:
    return f"one of dtype {value.dtype}, layout {value.layout} on {value.device}"


def parameters(distribution: str, **values: Any) -> tuple[Tensor, ...]:
    """The named parameters, `promoted` and broadcast together.

    :raises ValueError: for a value that is neither real number nor real, dense tensor, or shapes that do not broadcast.
    """
    found = promoted(distribution, **values)
    if len({p.shape for p in found}) == 1:
        return tuple(found)
    try:
        return torch.broadcast_tensors(*found)
    except RuntimeError as error:
        shapes = " and ".join(f"{name} of shape {tuple(p.shape)}" for name, p in zip(values, found, strict=True))
        raise ValueError(f"{distribution}: {shapes} cannot be broadcast together") from error


_Host: Any = TorchDistribution if TYPE_CHECKING else object


class ImplicitMixin(_Host):
    """Comes before the host's class: `expand` keeps the class, and validation refuses infinite parameters.

    A class that the host's `expand` does not serve says what a copy of another batch shape is made of.
    """

    _expands: Mapping[str, int] = {}
    """attribute -> the axes of its event: tensors, None, or, with 0, distributions"""
    _keeps: tuple[str, ...] = ()
    """attributes that the copy shares"""

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """Return a copy whose parameters are expanded to the batch shape ``batch_shape``."""
        new = type(self).__new__(type(self)) if _instance is None else _instance
        if not (self._expands or self._keeps):
            return super().expand(batch_shape, new)
        batch_shape = torch.Size(batch_shape)
        for name, axes in self._expands.items():
            value = getattr(self, name)
            if value is not None:
                value = value.expand(batch_shape + value.shape[value.dim() - axes :] if axes else batch_shape)
            setattr(new, name, value)
        for name in self._keeps:
            setattr(new, name, getattr(self, name))
        TorchDistribution.__init__(new, batch_shape, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        # not the host's, which for some families is another sampler
        with torch.no_grad():
            return self.rsample(sample_shape)

    def _validate_sample(self, value: Tensor) -> None:
        if isinstance(value, Tensor) and not _is_real(value):
            raise ValueError(f"{type(self).__name__}: value must be a real, dense tensor, got {_kind(value)}")
        super()._validate_sample(value)

    def _extended(self, sample_shape: torch.Size, *params: Tensor) -> tuple[Tensor, ...]:
        """The parameters in the shape of the draw."""
        shape = self._extended_shape(sample_shape)
        return tuple(p if p.shape == shape else p.expand(shape) for p in params)

    def from_uniform(self, u: Any) -> Tensor:
        """The draw that uniform numbers u make; see the function `from_uniform`."""
        raise NotImplementedError(no_quantile(self))

    def _begin_checked(self, begin: Callable, validate_args: bool | None, *params: Tensor) -> None:
        """begin(validate_args=...), the host's start, whose checks one look at the parameters saves where all pass."""
        wanted = self._validate_args if validate_args is None else validate_args
        if not (wanted and by_numpy.all_pass(params, self.arg_constraints.values())):
            begin(validate_args=validate_args)
            self._refuse_infinite()
            return
        begin(validate_args=False)
        del self.__dict__["_validate_args"]  # what the class has counts
        if validate_args is not None:
            self.__dict__["_validate_args"] = validate_args

    def _refuse_infinite(self) -> None:
        """The host's constraints let inf through, which has no draw."""
        if not self._validate_args:
            return
        for name in self.arg_constraints:
            value = getattr(self, name)
            if not (_sum_is_finite(value) or torch._is_all_true(value.isfinite())):
                raise ValueError(
                    f"Expected parameter {name} ({type(value).__name__} of shape {tuple(value.shape)}) of distribution "
                    f"{type(self).__name__} to be finite, but found invalid values:\n{value}"
                )


def _sum_is_finite(value: Tensor) -> bool:
    """Then all are finite: one sum in place of five operations."""
    return not (in_transform() or torch.jit.is_tracing()) and math.isfinite(value.detach().sum().item())


def refuse_outside(distribution: str, constraint: Any, **values: Tensor) -> None:
    """:raises ValueError: in the host's words, for a parameter that it would name as one of another class's."""
    for name, value in values.items():
        if not torch._is_all_true(constraint.check(value)):
            raise ValueError(
                f"Expected parameter {name} (Tensor of shape {tuple(value.shape)}) of distribution {distribution} "
                f"to satisfy the constraint {constraint!r}, but found invalid values:\n{value}"
            )


class UnivariateMixin(ImplicitMixin, FamilyMethods[Tensor]):
    """A univariate distribution whose mathematics is a record of the kernels."""

    _array = "tensor"

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(value), to rounding, with derivatives in the value and every parameter."""
        if self._validate_args:
            self._validate_sample(value)
        return log_density(self.family, value, *self._family_parameters())

    def _tail(self, which: Callable, value: Any) -> Tensor:
        low, high = support_of(self.family, *self._family_parameters())
        value = self._at(value, low, high, "value")
        value, *params = together(value, *self._family_parameters())

        def tail(value: Tensor) -> Tensor:
            return call(faster(which(self.family)), value, *params)

        # one sum tells, where it costs no wait for a device
        plain = value.device.type == "cpu" and _sum_is_finite(value)
        return tail(value) if plain else with_limits(NATIVE, which, tail, value)

    def icdf(self, value: Any) -> Tensor:
        """The x where `cdf` is `value`, with the same derivatives; at 0 and 1 the ends of the support."""
        q, *params = together(self._at(value, 0.0, 1.0, "quantile"), *self._family_parameters())
        inside = (q > 0.0) & (q < 1.0)
        low, high = support_of(self.family, *params)
        low, high = (end if isinstance(end, Tensor) else torch.full_like(q, end) for end in (low, high))
        ends = torch.where(q <= 0.0, low, torch.where(q >= 1.0, high, torch.nan))
        return torch.where(inside, self._quantile(torch.where(inside, q, 0.5)), ends)

    def from_uniform(self, u: Any) -> Tensor:
        """The draw that u makes, its `icdf`; see the function `from_uniform`."""
        return self._quantile(uniforms(self, u))

    def _quantile(self, q: Tensor) -> Tensor:
        """`icdf` of 0 < q < 1."""
        q, *params = together(q, *self._family_parameters())
        return quantile(self.family, q, 1.0 - q, *params)

    def _at(self, value: Any, low: Any, high: Any, what: str) -> Tensor:
        """`value` as a tensor of the parameters' dtype at least, checked to lie in [low, high]."""
        like = self._family_parameters()[0]
        if not isinstance(value, Tensor | Number) or (isinstance(value, Tensor) and not _is_real(value)):
            raise TypeError(
                f"{type(self).__name__}: {what} must be a real number or a real, dense tensor, got {shown(value)}"
            )
        value = torch.as_tensor(value, device=like.device)
        value = value.to(torch.promote_types(value.dtype, like.dtype))
        if self._validate_args and not torch._is_all_true(_is_within(value, low, high)):
            low, high = (end if isinstance(end, Tensor) else f"{end:g}" for end in (low, high))
            raise ValueError(
                f"{type(self).__name__}: {what} (Tensor of shape {tuple(value.shape)}) must lie in "
                f"[{low}, {high}], but found:\n{value}"
            )
        return value

    def _closed_form(self, kernel: Callable, *params: Tensor) -> Tensor:
        return closed_form(kernel, *params)


class Univariate(UnivariateMixin, TorchDistribution):
    """A univariate distribution that Pyro has not: constraints, support, shapes and divergence follow from the record.

    A class gives `family`, an `__init__` that passes its arguments to `_begin`, and `rsample` where the record has not
    the way to a draw.
    """

    has_rsample = True

    _between: Any = staticmethod(from_to)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "family" in cls.__dict__:
            given = {name: _constraint(kind) for name, kind in cls.family.parameters.items()}
            setattr(cls, "arg_constraints", given)  # noqa: B010  (the host declares properties)
            cls._expands = dict.fromkeys(given, 0)
            if cls.family.support in _SUPPORTS:
                setattr(cls, "support", _SUPPORTS[cls.family.support])  # noqa: B010
            divergence = cls.family.divergences.get(cls.__name__)
            if divergence is not None:
                torch.distributions.kl.register_kl(cls, cls)(functools.partial(_divergence, divergence))

    def _begin(self, validate_args: bool | None, **values: Any) -> None:
        found = parameters(type(self).__name__, **values)
        for name, value in zip(values, found, strict=True):
            setattr(self, name, value)
        torch.distributions.Distribution.__init__(self, found[0].shape, validate_args=validate_args)
        self._refuse_infinite()
        if self._validate_args:
            for holds, told in self._relations():
                if not torch._is_all_true(holds):
                    raise ValueError(told())

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        params = self._extended(sample_shape, *self._family_parameters())
        quantile = self.family.quantile
        assert quantile is not None
        found = draw(functools.partial(_drawn, self.family), *params)
        if quantile.coordinate == "x":
            edge = 0.25 / torch.finfo(found.dtype).tiny
            found = found.clamp(-edge, edge)
        x = from_coordinate(quantile.coordinate, attach(quantile.slopes, found, *params))
        return clamped_in(NATIVE, self.family.support, x, *params)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        return self._between(*support_of(self.family, *self._family_parameters()))


class _OpenInterval(constraints.interval):
    """NumPyro's, which torch has not."""

    def check(self, value: Tensor) -> Tensor:
        return (value > self.lower_bound) & (value < self.upper_bound)


@torch.distributions.biject_to.register(_OpenInterval)
@torch.distributions.transform_to.register(_OpenInterval)
def _to_open_interval(constraint: _OpenInterval) -> Any:
    return torch.distributions.biject_to(constraints.interval(constraint.lower_bound, constraint.upper_bound))


def _constraint(kind: str) -> Any:
    """By the host's name for it, with its bounds where it takes them."""
    name, *bounds = kind.split()
    if name == "open_interval":
        return _OpenInterval(*map(float, bounds))
    return getattr(constraints, name)(*map(float, bounds)) if bounds else getattr(constraints, name)


def _divergence(kernel: Callable, p: Univariate, q: Univariate) -> Tensor:
    return closed_form(kernel, *p._family_parameters(), *q._family_parameters())


_SUPPORTS: dict[Any, Any] = {
    (-math.inf, math.inf): constraints.real,
    (0.0, math.inf): constraints.positive,
    (0.0, 1.0): constraints.unit_interval,
}


def uniforms(distribution: Any, u: Any) -> Tensor:
    """u in the shape of a draw, off 0 and 1.

    :raises ValueError: for u that is not real, outside [0, 1], or of a shape that does not broadcast.
    """
    if not isinstance(u, Tensor | Number) or isinstance(u, complex) or (isinstance(u, Tensor) and u.is_complex()):
        raise ValueError(f"from_uniform: u must be real numbers in [0, 1], a number or a tensor, got {shown(u)}")
    u = torch.as_tensor(u)
    u = u if u.is_floating_point() else u.to(torch.get_default_dtype())
    shape = distribution.batch_shape + distribution.event_shape
    try:
        u = u.expand(torch.broadcast_shapes(u.shape, shape))
    except RuntimeError as error:
        raise ValueError(
            f"from_uniform: u of shape {tuple(u.shape)} does not broadcast with the shape {tuple(shape)} of a draw"
        ) from error
    if distribution._validate_args and not torch._is_all_true((u >= 0.0) & (u <= 1.0)):
        raise ValueError(f"from_uniform: u must lie in [0, 1], but found:\n{u}")
    limits = torch.finfo(u.dtype)
    return u.clamp(limits.tiny, 1.0 - 0.5 * limits.eps)


def stands_still(u: Tensor) -> bool:
    """Whether nobody asks for a derivative in u."""
    return not (u.requires_grad or in_transform() or forward_ad._current_level >= 0)


def support_of(family: Family, *params: Tensor) -> tuple[Any, Any]:
    """The ends of the support, numbers or, where they depend on parameters, tensors."""
    low, high = (closed_form(end, *params) if callable(end) else end for end in family.support)
    return low, high


def _is_within(value: Tensor, low: Any, high: Any) -> Tensor:
    """low <= value <= high, in the value's precision: float32's pi lies beyond pi, and counts as within."""
    low, high = (end if isinstance(end, Tensor) else value.new_tensor(end) for end in (low, high))
    return (value >= low) & (value <= high)


def quantile(family: Family, q: Tensor, one_minus_q: Tensor, *params: Tensor) -> Tensor:
    """The x of 0 < q < 1; held in the range of its dtype with its relative derivative, as a draw is."""
    of = family.quantile
    if of is None:
        raise NotImplementedError("the family has no quantile function")
    function, args = quantile_of(of), (q, one_minus_q, *params)
    if of.refine is None:
        x = from_coordinate(of.coordinate, call(function, *args))
        return clamped_in(NATIVE, family.support, x, *params)
    with torch.no_grad():
        y, x = precise_quantile(of, *(t.detach() for t in args))
    return exponential(attach(function.partials, y, *args), x)


def _drawn(family: Family, *params: Tensor) -> Tensor:
    """A draw's coordinate, as a value."""
    find, noise = draw_of(family)
    if any(isinstance(each, Noise) for each in noise):  # what is left to do is not worth a way to NumPy and back
        return find(NATIVE, *(_numbers(each, *params) for each in noise), *params)
    return evaluate(find, *(_numbers(each, *params) for each in noise), *params)


def _numbers(noise: str | Noise, *params: Tensor) -> Tensor:
    if isinstance(noise, Noise):
        return _NOISE[noise.kind](*noise.of(NATIVE, *params))
    return _NOISE[noise](params[0])


def _uniform(like: Tensor) -> Tensor:
    """Between 0 and 1, of which torch's may be 0."""
    return torch.rand_like(like).clamp(min=0.25 * torch.finfo(like.dtype).eps)


_NOISE: dict[str, Callable] = {
    "uniform": _uniform,
    "normal": torch.randn_like,
    "log gamma": lambda concentration: standard_gamma(concentration)[1],
    "logit beta": standard_beta_logit,
    "log student t": lambda df: standard_student_t(df)[1],
}


def together(*values: Tensor) -> tuple[Tensor, ...]:
    """Tensors of one shape and dtype."""
    dtype = functools.reduce(torch.promote_types, {v.dtype for v in values})
    return torch.broadcast_tensors(*(v.to(dtype) for v in values))


def closed_form(kernel: Callable, *params: Tensor) -> Tensor:
    """kernel(xp, *params), differentiated as it stands."""
    return evaluate(kernel, *together(*params))


def log_density(family: Family, x: Tensor, *params: Tensor) -> Tensor:
    """log p(x) of the family, with its scores for derivatives where it has them."""
    if family.scores is None:
        return closed_form(family.log_density, x, *params)
    return call(log_density_of(family), *together(x, *params))
