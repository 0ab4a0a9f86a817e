"""Distributions of several dimensions as products of conditional distributions, which is what the implicit gradient of
a mixture reads.

Arrays have the shape (..., D, K), dimension and component last; see `irg_kernels.mixture` for the symbols.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpyro.distributions as host
from jax import Array, lax
from jax.scipy.linalg import solve_triangular
from jax.scipy.special import logsumexp

from irg_kernels.families import normal, student_t
from irg_kernels.generic import fixed_quantile, mixture, truncation
from irg_kernels.generic.family import Function, log_cdf_of
from irg_kernels.namespace import Namespace
from irg_kernels.numerics.elementary import log1mexp

from ..attach import NATIVE, attach, attach_jointly, call, once, side_by_side
from .base import together
from .from_uniform import quantile_at
from .host_families import has_tails, log_density, log_tails, unwrapped
from .student_t import StudentT


def has_conditionals(distribution: Any) -> bool:
    """Whether its mixtures are known: of factorised, multivariate normal and multivariate Student t distributions."""
    return is_elliptical(distribution) or (bool(distribution.event_shape) and has_tails(distribution))


def is_elliptical(distribution: Any) -> bool:
    """Whether the distribution is multivariate normal or Student t."""
    return isinstance(_bare(distribution), host.MultivariateNormal | host.MultivariateStudentT)


def _bare(distribution: Any) -> Any:
    while isinstance(distribution, host.ExpandedDistribution | host.MaskedDistribution):
        distribution = distribution.base_dist
    return distribution


# Of one pass over the draws: D x K x draws elements, of which the derivative needs some 30 arrays.
CHUNK = 250_000


def at_fixed_quantile(log_weights: Array, components: list[Any], x: Array) -> Array:
    """x, unchanged in value, that moves such that the Rosenblatt transform of the mixture stands still.

    Many draws are taken some at a time, and what their derivatives need is computed again when it is asked for.

    :param log_weights: (..., K), normalised.
    :param components: one distribution whose last batch axis is that of the components, or K distributions.
    :param x: of shape (..., *event_shape), within the support.
    """
    event = components[0].event_shape
    flat = x.reshape(*x.shape[: x.ndim - len(event)], math.prod(event))
    return attach_jointly(_push, flat, (log_weights, components)).reshape(x.shape)


def from_uniform(log_weights: Array, components: list[Any], u: Array) -> Array:
    """The draw whose Rosenblatt transform is u, (..., *event_shape): coordinate by coordinate, so that autodiff solves
    the triangular system by substitution.

    :param log_weights: (..., K), normalised.
    :param components: one distribution whose last batch axis is that of the components, or K distributions.
    """
    event = components[0].event_shape
    q = u.reshape(*u.shape[: u.ndim - len(event)], math.prod(event))
    mixed = log_weights, components
    found, within = _search(*lax.stop_gradient((mixed, q)))
    x: list[Array] = []
    for d in range(q.shape[-1]):
        x.append(attach_jointly(_push_next, found[..., d], (mixed, list(x), within, q[..., d])))
    return jnp.stack(x, -1).reshape(u.shape)


@side_by_side
@once
def _search(mixed: Any, q: Array) -> tuple[Array, Array]:
    """(The draw, values only; what stands for coordinates of which none is known yet.)"""
    low, high = _bracket(mixed[1], q)
    within = jnp.clip(low, -1.0, 1.0) if is_elliptical(mixed[1][0]) else low
    x: list[Array] = []
    for d in range(q.shape[-1]):
        level = q[..., d], low[..., d], high[..., d]
        x.append(truncation.quantile_by_tails(NATIVE, *_functions(mixed, x, within), *level))
    return jnp.stack(x, -1), within


def _push_next(tangents: Any, x: Array, params: Any) -> Array:
    """How the next coordinate moves with all that its place depends on: dx = (du - dF) / p(x)."""
    log_tails, log_density = _functions(*params[:3])
    lower, upper = log_tails(x)
    is_lower = lower < upper
    sign = 2.0 * NATIVE.indicator(is_lower, like=x) - 1.0
    step = fixed_quantile.step_of(NATIVE, jnp.where(is_lower, lower, upper) - log_density(x), x, NATIVE.finfo(x))

    def residual(params: Any) -> Array:
        tails, level = _functions(*params[:3])[0](x), params[3]
        return jnp.where(is_lower, tails[0] - jnp.log(level), tails[1] - jnp.log1p(-level))

    b = jax.jvp(residual, (params,), (tangents,))[1]
    return -(fixed_quantile.unit_of(NATIVE, x) * (sign * b * step))


def _functions(mixed: Any, before: list[Array], within: Array) -> tuple[Callable, Callable]:
    """Log-tails and log-density of the next coordinate, given those before it; `within` stands for those after it."""
    d = len(before)

    @fixed_quantile.remembered
    def conditional(at: Array) -> tuple[Array, ...]:
        later = (within[..., k] for k in range(d + 1, within.shape[-1]))
        log_r, *arrays = (a[..., d, :] for a in _conditionals(jnp.stack([*before, at, *later], -1), *mixed))
        return tuple(logsumexp(jax.nn.log_softmax(log_r) + a, axis=-1) for a in arrays)

    return lambda at: conditional(at)[1:], lambda at: conditional(at)[0]


def _bracket(components: list[Any], q: Array) -> tuple[Array, Array]:
    """Of factorised components the least and the largest quantile."""
    if is_elliptical(components[0]):
        far = 0.25 * float(jnp.finfo(q.dtype).max)
        return 0.0 * q - far, 0.0 * q + far
    event, family = components[0].event_shape, len(components) == 1
    each = _last_two([quantile_at(c, _stretched(q, event, family)) for c in components], event, q.shape)
    low, high = (jnp.broadcast_to(f(each, axis=-1), q.shape) for f in (jnp.min, jnp.max))
    return low, high


def _push(tangents: Any, x: Array, mixed: tuple[Array, list[Any]]) -> Array:
    log_weights, components = mixed
    distributions = [
        distribution.batch_shape[:-1] if len(components) == 1 else distribution.batch_shape
        for distribution in components
    ]
    batch = jnp.broadcast_shapes(log_weights.shape[:-1], *distributions)
    while batch and batch[0] == 1:
        batch = batch[1:]
    lead = x.shape[x.ndim - 1 - len(batch) :]
    rows = max(1, CHUNK // (log_weights.shape[-1] * math.prod(lead)))
    flat = x.reshape(-1, *lead)  # the axes of the draws become one
    total = flat.shape[0]
    if total <= rows:
        return _push_at(x, tangents, mixed)
    chunks = -(-total // rows)
    rows = -(-total // chunks)
    padded = jnp.concatenate([flat, jnp.broadcast_to(flat[:1], (chunks * rows - total, *lead))])
    one = jax.checkpoint(lambda part: _push_at(part, tangents, mixed))
    moved = lax.map(one, padded.reshape(chunks, rows, *lead))
    return moved.reshape(-1, *lead)[:total].reshape(x.shape)


def _push_at(x: Array, tangents: Any, mixed: tuple[Array, list[Any]]) -> Array:
    univariate = x.shape[-1] == 1
    log_r, log_f, lower, upper = _conditionals(x, *mixed)
    at = mixture.anchor(NATIVE, log_r, log_f, lower, upper, x if univariate else None)

    def residual(mixed):
        log_weights, components = mixed
        log_r, _, lower, upper = _conditionals(x, log_weights, components, at)
        return mixture.residual(NATIVE, at, log_r, lower, upper)

    b = jax.jvp(residual, (mixed,), (tangents,))[1]
    if univariate:
        return -(fixed_quantile.unit_of(NATIVE, x) * b)  # the incoming gradient meets the unit first
    components = mixed[1]
    jacobian = (_elliptical_jacobian if is_elliptical(components[0]) else _factorised_jacobian)(at.of, components, x)
    jacobian = jnp.broadcast_to(jacobian, b.shape + b.shape[-1:])
    return -solve_triangular(jacobian, b[..., None], lower=True, unit_diagonal=True)[..., 0]


def _conditionals(x: Array, log_weights: Array, components: list[Any], at: Any = None) -> tuple[Array, ...]:
    """(log r_kd, log f_kd, log F_kd, log(1 - F_kd)); with an `Anchor` perhaps the tail that it says, twice."""
    if is_elliptical(components[0]):
        log_f, lower, upper = _Elliptical.of(components).conditionals(x, at)
    else:
        log_f, lower, upper = _factorised(components, x)
    before = jnp.swapaxes(_before(jnp.swapaxes(log_f, -1, -2)), -1, -2)
    return log_weights[..., None, :] + before, log_f, lower, upper


# -------------------------------------------------------------------------------------------------------- factorised


def _stretched(x: Array, event: tuple[int, ...], family: bool) -> Array:
    """x in the shape that a component's elementwise distribution takes."""
    x = x.reshape(*x.shape[:-1], *event)
    return jnp.expand_dims(x, -1 - len(event)) if family else x


def _last_two(values: list[Array], event: tuple[int, ...], shape: tuple[int, ...]) -> Array:
    """(..., D, K) from one array (..., K, *event), or from K of (..., *event)."""
    if len(values) > 1:
        values = [jnp.broadcast_to(v, shape[:-1] + event) for v in values]
        return jnp.stack([v.reshape(shape) for v in values], -1)
    (value,) = values
    lead = value.shape[: value.ndim - len(event)]
    return jnp.swapaxes(value.reshape(*lead, math.prod(event)), -1, -2)


def _factorised(components: list[Any], x: Array) -> tuple[Array, ...]:
    event, distributions = components[0].event_shape, [unwrapped(distribution) for distribution in components]
    at = _stretched(x, event, len(distributions) == 1)
    tails = [log_tails(distribution, at) for distribution in distributions]
    columns = (
        [log_density(distribution, at) for distribution in distributions],
        [lower for lower, _ in tails],
        [upper for _, upper in tails],
    )
    return tuple(_last_two(column, event, x.shape) for column in columns)


def _factorised_jacobian(of: mixture.Shares, components: list[Any], x: Array) -> Array:
    event = components[0].event_shape
    slopes: list[Array] = []
    for distribution in map(unwrapped, components):
        at = _stretched(x, event, len(components) == 1)
        at = jnp.broadcast_to(at, jnp.broadcast_shapes(at.shape, distribution.batch_shape))
        density, pull = jax.vjp(functools.partial(log_density, distribution), at)
        slopes.append(*pull(jnp.ones_like(density)))
    return jnp.tril(jnp.einsum("...dk,...ek->...de", of.shift, _last_two(slopes, event, x.shape)), -1)


# -------------------------------------------------------------------------------------------------------- elliptical


class _Elliptical(NamedTuple):
    """K normal or Student t distributions; the batch axis of the components is the last one."""

    loc: Array
    """(..., K, D)"""
    scale_tril: Array
    """(..., K, D, D)"""
    df: Any
    """(..., K); None for normal distributions"""

    @classmethod
    def of(cls, components: list[Any]) -> _Elliptical:
        found = []
        for distribution in components:
            distribution = _bare(distribution)
            df = distribution.df if isinstance(distribution, host.MultivariateStudentT) else None
            k = distribution.batch_shape[-1:] if len(components) == 1 else ()
            found.append((_with_axis(distribution.loc, k, 1), _with_axis(distribution.scale_tril, k, 2), df))
        if len(found) == 1:
            return cls(*found[0])
        locs, trils, dfs = zip(*found, strict=True)
        df = None if dfs[0] is None else jnp.stack(jnp.broadcast_arrays(*dfs), -1)
        return cls(jnp.stack(jnp.broadcast_arrays(*locs), -2), jnp.stack(jnp.broadcast_arrays(*trils), -3), df)

    def degrees(self) -> Array:
        """Those of the conditional distributions, (..., K, D)"""
        return self.df[..., None] + jnp.arange(self.loc.shape[-1], dtype=self.loc.dtype)

    def whitening(self) -> Array:
        # one inverse for each component: a triangular solve for each draw would copy the matrices to each
        unit = jnp.broadcast_to(jnp.eye(self.loc.shape[-1], dtype=self.scale_tril.dtype), self.scale_tril.shape)
        return solve_triangular(self.scale_tril, unit, lower=True)

    def whitened(self, x: Array) -> Array:
        return jnp.einsum("...kde,...ke->...kd", self.whitening(), x[..., None, :] - self.loc)

    def conditionals(self, x: Array, at: mixture.Anchor | None = None) -> tuple[Array, ...]:
        """(log f_kd, log F_kd, log(1 - F_kd)); with an `Anchor` the tail that it says, twice."""
        eps = self.whitened(x)
        log_scale = jnp.log(jnp.diagonal(self.scale_tril, axis1=-2, axis2=-1))
        if self.df is None:
            log_f = normal.log_density(NATIVE, eps) - log_scale
            arrays = log_f, *_normal_tails(eps, at)
        else:
            nu = self.degrees()
            spread = jnp.sqrt((self.df[..., None] + _before(eps * eps)) / nu)
            t = eps / spread
            log_f = StudentT(nu, 0.0, 1.0, validate_args=False).log_prob(t) - jnp.log(spread) - log_scale
            arrays = log_f, *_student_t_tails(t, nu, at)
        return tuple(jnp.swapaxes(a, -1, -2) for a in arrays)


def _normal_tails(t: Array, at: mixture.Anchor | None) -> tuple[Array, Array]:
    """At (..., K, D)."""
    if at is None:
        return NATIVE.log_ndtr(t), NATIVE.log_ndtr(-t)
    tail = NATIVE.log_ndtr(at.sign[..., None, :] * t)
    return tail, tail


def _student_t_tails(t: Array, nu: Array, at: mixture.Anchor | None) -> tuple[Array, Array]:
    """At (..., K, D), by one integral: the outer tail has it, and where the anchor has the tail, it needs none."""
    t, nu = together(t, nu)
    if at is None:
        negative = t < 0.0
        outer = call(_STUDENT_T, jnp.where(negative, t, -t), nu)
        inner = log1mexp(NATIVE, outer)
        return jnp.where(negative, outer, inner), jnp.where(negative, inner, outer)
    tail = attach(_STUDENT_T.partials, jnp.swapaxes(at.log_tails, -1, -2), at.sign[..., None, :] * t, nu)
    return tail, tail


def _by_dimension(kernel: Callable) -> Callable:
    # a loop keeps XLA from fusing the kernel, of 400 operations, into each use of its result, which doubles compilation
    def looped(xp: Namespace, *args: Array) -> Array:
        columns = tuple(jnp.moveaxis(a, -1, 0) for a in args)
        return jnp.moveaxis(lax.map(lambda column: kernel(xp, *column), columns), 0, -1)

    return looped


_CDF = log_cdf_of(student_t.STANDARD)
_STUDENT_T = Function(_by_dimension(_CDF.value), tuple(_by_dimension(partial) for partial in _CDF.partials if partial))


def _with_axis(value: Array, k: tuple[int, ...], event_dim: int) -> Array:
    """One vector or matrix may serve all k components; einsum wants each to have its own."""
    event = value.shape[value.ndim - event_dim :]
    lead = value.shape[: value.ndim - event_dim]
    return jnp.broadcast_to(value, (*lead[: len(lead) - len(k)], *k, *event))


def _elliptical_jacobian(of: mixture.Shares, components: list[Any], x: Array) -> Array:
    r"""With y_k = eps_k's differential, in x alone, and b_kd = sum_{e<d} eps_ke y_ke, row d of J dx is

    dx_d - sum_k pi_kd (m_kd + beta_kd b_kd) - sum_k h_kd alpha_kd b_kd,

    m_kd = sum_{e<d} L_kde y_ke = dx_d - L_kdd y_kd,  alpha_kd = (df_k + d - 1) / (df_k + q_kd),
    beta_kd = L_kdd eps_kd / (df_k + q_kd), of which normal distributions have the limits 1 and 0.
    """
    distribution = _Elliptical.of(components)
    eps, matrices = distribution.whitened(x), distribution.whitening()
    diagonal = jnp.diagonal(distribution.scale_tril, axis1=-2, axis2=-1)
    posterior, taken = jnp.swapaxes(of.posterior, -1, -2), jnp.swapaxes(of.shift, -1, -2)
    if distribution.df is not None:
        df, nu = distribution.df[..., None], distribution.degrees()
        taken = (taken * nu + posterior * diagonal * eps) / (df + _before(eps * eps))
    direct = jnp.einsum("...kd,...kde->...de", posterior * diagonal, matrices)

    def row(total, at):
        taken_d, eps_d, matrix_d = at
        return total + eps_d[..., None] * matrix_d, jnp.einsum("...k,...ke->...e", taken_d, total)

    at = (jnp.moveaxis(taken, -1, 0), jnp.moveaxis(eps, -1, 0), jnp.moveaxis(matrices, -2, 0))
    rows = lax.scan(row, jnp.zeros_like(eps), at)[1]
    return jnp.tril(direct - jnp.moveaxis(rows, 0, -2), -1)


def _before(x: Array) -> Array:
    """Sum of those before, along the last axis."""
    return jnp.concatenate([jnp.zeros_like(x[..., :1]), jnp.cumsum(x[..., :-1], -1)], -1)
