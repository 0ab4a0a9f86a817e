"""Any univariate distribution reparameterized: one that NumPyro has, or one of which only a log-density is known."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpyro.distributions as host
from jax import Array, lax
from numpyro.distributions import constraints
from numpyro.util import not_jax_tracer

from irg_kernels.adapter import messages
from irg_kernels.adapter.arguments import check_continuous, ends_of_support
from irg_kernels.adapter.methods import AroundBase, DensityMethods
from irg_kernels.generic import fixed_quantile
from irg_kernels.generic import from_log_density as density

from ..attach import NATIVE
from ..registry import implicit_twin
from .base import ChecksValues, check_key, parameters, uniforms
from .fixed_quantile import at_fixed_quantile
from .from_uniform import from_uniform
from .host_families import has_tails, log_tails, unwrapped

__all__ = ["Implicit", "ImplicitDensity"]


class ImplicitDensity(DensityMethods[Array], ChecksValues, host.Distribution):
    r"""Univariate distribution of density proportional to :math:`e^{f(x;\theta)}`, reparameterized in every parameter.

    Normaliser, tails and quantiles are integrals by a fixed rule over panels that follow the density, the gradient of a
    draw is implicit (Figurnov, Mohamed, Mnih 2018, eq. 5) with autodiff's score.  In float64 draws, `log_prob` and
    gradients are exact to 1e-9 or better for a smooth density, in float32 to 1e-4 or to the rounding of f itself.  A
    derivative of order k needs a density whose log has k - 1 continuous derivatives in the parameters.

    The density must be continuous, and end where its support does.  Several modes are served where the rule resolves
    them.  What it does not is an error, of `check`, which compares with a second rule; under a transformation, where
    nothing can be raised, draws and `log_prob` are NaN.  A mode so narrow, away from the main one, that a scan of 256
    points shows nothing of it stays unseen.

    :param log_prob: `f(x, **params)`, normalised or not, elementwise, for x of any shape that broadcasts with theirs.
        Each new function is compiled anew: define it once.
    :param support: `constraints.real`, or an interval, `greater_than` or `less_than`.
    :param sampler: `sampler(key, shape, **params)` gives draws; by default the numerical inverse of the distribution
        function.
    :param params: numbers or arrays that broadcast to the batch shape.
    :raises TypeError: for a `log_prob` that cannot be called, or a support that is no constraint of the library.
    :raises ValueError: by `check`, unless `validate_args` is False or a parameter is traced.

    >>> def log_density(x, scale):
    ...     return -jnp.cosh(x / scale)
    >>> distribution = ImplicitDensity(log_density, constraints.real, scale=2.0)
    >>> distribution.sample(jax.random.key(0), (3,)).shape
    (3,)
    """

    arg_constraints: dict = {}
    pytree_data_fields = ("params", "_ends", "_zero")
    pytree_aux_fields = ("_log_density", "_constraint", "_sampler", "reparametrized_params")

    def __init__(
        self, log_prob: Any, support: Any, sampler: Any = None, *, validate_args: bool | None = None, **params: Any
    ) -> None:
        messages.check_density("ImplicitDensity", log_prob, support, constraints.Constraint)
        found = dict(zip(params, parameters("ImplicitDensity", **params))) if params else {}
        self._begin(log_prob, support, sampler, found, found)
        self.reparametrized_params = list(params)
        super().__init__(self._zero.shape, validate_args=validate_args)
        if validate_args is not False:
            self.check()

    def _begin(self, log_prob: Callable, support: Any, sampler: Callable | None, params: dict, like: Any) -> None:
        self._log_density, self._constraint, self._sampler, self.params = log_prob, support, sampler, params
        arrays = [a for a in jax.tree.leaves(like) if jnp.issubdtype(jnp.result_type(a), jnp.floating)]
        dtype = jnp.promote_types(jnp.result_type(*arrays) if arrays else jnp.result_type(float), jnp.float32)
        self._zero = jnp.zeros(jnp.broadcast_shapes(*(jnp.shape(p) for p in jax.tree.leaves(params))), dtype)
        self._ends = _ends(support, self._zero)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        return self._constraint

    def expand(self, batch_shape: Any) -> Any:
        new = copy.copy(self)
        new.__dict__.pop("_found", None)
        new._zero = jnp.broadcast_to(self._zero, batch_shape)
        if not isinstance(self.params.get("base"), host.Distribution):
            new.params = {name: jnp.broadcast_to(p, batch_shape) for name, p in self.params.items()}
        host.Distribution.__init__(new, tuple(batch_shape), validate_args=False)
        new._validate_args = self._validate_args
        return new

    def check(self) -> None:
        """Compare with a second rule; of traced parameters nothing can be said.

        :raises ValueError: for a density that is infinite, jumps, or has modes that the rule does not resolve.
        """
        if not all(not_jax_tracer(a) for a in jax.tree.leaves((self.params, self._ends))):
            return
        with jax.ensure_compile_time_eval():
            found = self._resolved()
            grid, verdict = found
            allowed = density.tolerance(NATIVE, self._zero)
            error = jnp.where(jnp.isnan(verdict.error), jnp.inf, verdict.error)
            said = density.fault(float(error.max(initial=0.0)), allowed, *(bool(v.any()) for v in verdict[1:]))
            if said:
                raise ValueError(f"{type(self).__name__}: {said}")
        self._found = grid

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        check_key(self, key)
        shape = tuple(sample_shape) + self.batch_shape
        if self._sampler is not None:
            x = self._sampler(key, shape, **self.params)
            if jnp.shape(x) != shape:
                raise ValueError(
                    f"{type(self).__name__}: sampler gave draws of shape {jnp.shape(x)}; it must give the shape that "
                    f"is its second argument, {shape}"
                )
            x = lax.stop_gradient(x).astype(self._zero.dtype)
        else:
            eps = float(jnp.finfo(self._zero.dtype).eps)
            q = jax.random.uniform(key, shape, self._zero.dtype, minval=0.25 * eps, maxval=1.0 - 0.5 * eps)
            x = _quantile(*lax.stop_gradient(self._distribution()), q, 1.0 - q)
        return self._inside(_at_fixed_quantile(*self._distribution(), x))

    rsample = sample

    def log_prob(self, value: Array) -> Array:
        if self._validate_args:
            self._validate_sample(value)
        value = self._wide(value)
        return _log_prob(*self._distribution(), value)

    def log_tails(self, value: Array) -> tuple[Array, Array]:
        """(log P(X <= value), log P(X > value)), finite in every tail that a draw can reach."""
        return _log_tails(*self._distribution(), self._wide(value))

    def cdf(self, value: Array) -> Array:
        """P(X <= value), with derivatives in the value and every parameter."""
        return jnp.exp(self.log_cdf(value))

    def icdf(self, q: Any) -> Array:
        """The x with P(X <= x) = q, 0 < q < 1, with derivatives in q and every parameter."""
        q = self._wide(q)
        x = _quantile(*lax.stop_gradient(self._distribution()), lax.stop_gradient(q), lax.stop_gradient(1.0 - q))
        return self._inside(_at_fixed_quantile(*self._distribution(), x, q))

    def from_uniform(self, u: Any) -> Array:
        """The draw that u makes, its `icdf`; see the function `from_uniform`."""
        return self.icdf(uniforms(self, u))

    def _wide(self, value: Any) -> Array:
        value = jnp.asarray(value, jnp.result_type(value, self._zero))
        return jnp.broadcast_to(value, jnp.broadcast_shapes(value.shape, self._zero.shape))

    def _distribution(self) -> tuple:
        """What the functions below take first: the density, and where it lies."""
        grid = getattr(self, "_found", None)
        return _Static(self._log_density), self._ends, self._resolved()[0] if grid is None else grid, self.params

    def _resolved(self) -> tuple[density.Grid, density.Verdict]:
        return _resolve(_Static(self._log_density), *lax.stop_gradient((self._ends, self.params, self._zero)))

    def _inside(self, x: Array) -> Array:
        """x held off the ends of the support."""
        clamped = lax.stop_gradient(x)
        low, high = (None if e is None else lax.stop_gradient(jnp.broadcast_to(e, x.shape)) for e in self._ends)
        if low is not None:  # XLA takes numbers below the least normal one for 0
            least = jnp.where(low == 0.0, float(jnp.finfo(x.dtype).tiny), jnp.nextafter(low, low + 1.0))
            clamped = jnp.maximum(clamped, least.astype(x.dtype))
        if high is not None:
            most = jnp.where(high == 0.0, -float(jnp.finfo(x.dtype).tiny), jnp.nextafter(high, high - 1.0))
            clamped = jnp.minimum(clamped, most.astype(x.dtype))
        return clamped + (x - lax.stop_gradient(x))


@jax.tree_util.register_static
class _Static:
    """A function as a part of the structure of arguments: one function, one compilation."""

    def __init__(self, function: Callable) -> None:
        self.function = function

    def __hash__(self) -> int:
        return hash(self.function)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Static) and self.function == other.function

    def of(self, params: dict) -> Callable:
        return lambda x: self.function(x, **params)


@jax.jit
def _resolve(given, ends, params, zero):
    grid, verdict = density.resolve(NATIVE, given.of(params), ends, zero)
    # NaN here is NaN in every result
    return grid._replace(peak=jnp.where(density.resolved(NATIVE, verdict), grid.peak, jnp.nan)), verdict


def _masses(given, ends, grid, params):
    return density.masses(NATIVE, given.of(params), ends, grid)


@jax.jit
def _quantile(given, ends, grid, params, q, one_minus_q):
    mass = _masses(given, ends, grid, params)
    return lax.stop_gradient(density.quantile(NATIVE, given.of(params), ends, grid, mass, q, one_minus_q))


@jax.jit
def _log_tails(given, ends, grid, params, x):
    return density.log_tails(NATIVE, given.of(params), ends, grid, _masses(given, ends, grid, params), x)


@jax.jit
def _log_prob(given, ends, grid, params, x):
    return given.of(params)(x) - density.log_normalizer(NATIVE, grid, _masses(given, ends, grid, params))


@jax.jit
def _at_fixed_quantile(given, ends, grid, params, x, q=None):
    mass, f = _masses(given, ends, grid, params), given.of(params)
    log_total = density.log_normalizer(NATIVE, grid, mass)
    return fixed_quantile.at_fixed_quantile(
        NATIVE,
        lambda x: density.log_tails(NATIVE, f, ends, grid, mass, x),
        lambda x: f(x) - log_total,
        x,
        None if q is None else (jnp.log(q), jnp.log1p(-q)),
    )


def _ends(support: Any, like: Array) -> density.Support:
    low, high = ends_of_support(support, constraints.real)
    return density.Support(*(None if e is None else jnp.asarray(e, like.dtype) for e in (low, high)))


class Implicit(AroundBase[Array], ChecksValues, host.Distribution):
    r"""A univariate distribution with its own draws, which move with its parameters so as to keep their quantile.

    The gradient is :math:`-(\partial F / \partial \theta) / p(x)` (Figurnov, Mohamed, Mnih 2018, eq. 5), of the
    distribution's cdf where it has one, else of its log-density as in `ImplicitDensity`.  Where this package has a twin
    of the distribution, the twin stands for it.

    :param base: a continuous univariate distribution, perhaps inside `Independent`, `expand` or `mask`.
    :raises TypeError: for what is no distribution of the library.
    :raises ValueError: for a distribution of vectors or of integers, or, as `ImplicitDensity`, for a density that the
        rule does not resolve.

    >>> jax.grad(lambda df: Implicit(host.StudentT(df)).sample(jax.random.key(0)))(3.0).shape
    ()
    """

    arg_constraints: dict = {}
    pytree_data_fields = ("base_dist", "_density")
    pytree_aux_fields = ("reparametrized_params",)

    def __init__(self, base: Any, *, validate_args: bool | None = None) -> None:
        messages.check_distribution("Implicit", "base", base, host.Distribution)
        self.base_dist = implicit_twin(base) or base
        distribution = unwrapped(self.base_dist)
        check_continuous("Implicit", distribution)
        self.reparametrized_params = list(distribution.arg_constraints)
        self._density = None if has_tails(distribution) else _of_distribution(distribution, validate_args)
        super().__init__(base.batch_shape, base.event_shape, validate_args=validate_args)

    @constraints.dependent_property
    def support(self) -> Any:
        return self.base_dist.support

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        x = lax.stop_gradient(self.base_dist.sample(key, sample_shape))
        return self.at_fixed_quantile(x)

    rsample = sample

    def at_fixed_quantile(self, x: Array) -> Array:
        """x, unchanged in value, that moves with the parameters so as to keep its quantile."""
        return at_fixed_quantile(self._known, x)

    def log_tails(self, value: Array) -> tuple[Array, Array]:
        """(log P(X <= value), log P(X > value))"""
        return log_tails(self._known, value)

    def from_uniform(self, u: Any) -> Array:
        """The draw that u makes; see the function `from_uniform`."""
        return from_uniform(self._known, u)


def _log_prob_of(x: Array, base: Any) -> Array:
    return base.log_prob(x)


def _of_distribution(distribution: Any, validate_args: bool | None) -> ImplicitDensity:
    """The distribution by its log-density alone."""
    distribution = copy.copy(distribution)
    distribution._validate_args = False  # its nodes lie inside, and may round to an end
    new = ImplicitDensity.__new__(ImplicitDensity)
    new._begin(_log_prob_of, distribution.support, None, {"base": distribution}, distribution)
    new._zero = jnp.zeros(distribution.batch_shape, new._zero.dtype)
    new.reparametrized_params = []
    host.Distribution.__init__(new, distribution.batch_shape, validate_args=False)
    if validate_args is not False:
        new.check()
    return new
