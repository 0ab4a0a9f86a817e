"""`implicit_gradients`: how a value moves with every parameter of a distribution at fixed quantile."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpyro.distributions as host
from jax import Array
from numpyro.util import not_jax_tracer

from irg_kernels.adapter import messages
from irg_kernels.adapter.parts import leaves_of, rebuilt

from ..attach import evaluate
from ..registry import implicit_twin
from .base import together
from .fixed_quantile import at_fixed_quantile
from .host_families import family_of, has_tails, is_map, unwrapped


def implicit_gradients(distribution: Any, value: Array) -> dict[str, Array]:
    r"""d value / d parameter at fixed quantile, for every parameter of `distribution`.

    For a univariate distribution with distribution function F and density p this is
    :math:`-(\partial F/\partial\theta)/p` (Figurnov, Mohamed, Mnih 2018, eq. 5), what a reparameterized draw that came
    out as `value` carries.  Of one family it is itself differentiable; of distributions made of others it is not.

    :param distribution: any distribution of this package or univariate one of NumPyro's with a distribution function,
        perhaps inside `Independent`, `expand` or `mask`.
    :param value: array inside the support, of a shape that broadcasts with the distribution's.
    :returns: parameter name -> array of the broadcast shape.  For a distribution of vectors, or a parameter of more
        axes than the value (a mixture's), the parameter's own axes follow the value's.  Parameters of a distribution
        inside are named by their path, as in "base_dist.loc".
    :raises TypeError: for what is no distribution of the library.
    :raises ValueError: for a value outside the support or of a shape that does not broadcast.
    :raises NotImplementedError: for a distribution without a cdf whose draws have no path that their value tells.

    >>> from numpyro.distributions import Gamma
    >>> float(implicit_gradients(Gamma(2.0, 1.0), 1.5)["rate"])
    -1.5
    """
    messages.check_distribution("implicit_gradients", "distribution", distribution, host.Distribution)
    base = unwrapped(distribution)
    base = implicit_twin(base) or base
    value = jnp.asarray(value)
    if not jnp.issubdtype(value.dtype, jnp.floating):
        value = value.astype(jnp.result_type(float))
    shape = distribution.batch_shape + distribution.event_shape
    try:
        value = jnp.broadcast_to(value, jnp.broadcast_shapes(value.shape, shape))
    except ValueError as error:
        raise ValueError(
            f"value of shape {value.shape} does not broadcast with the shape {shape} of {distribution}"
        ) from error
    finite = jnp.isfinite(value)
    inside = base.support(value) & finite.all(tuple(range(finite.ndim - len(base.event_shape), finite.ndim)))
    if not_jax_tracer(inside) and not inside.all():
        raise ValueError(
            f"value (Array of shape {value.shape}) must lie inside the support {base.support} of "
            f"{type(base).__name__}, but found:\n{value}"
        )
    if hasattr(base, "_implicit_gradients"):
        return base._implicit_gradients(value)
    known = family_of(base)
    if known is None:
        return {path: _last(slope) for path, slope in _by_moving(base, value).items()}
    family, params = known
    args = together(value, *params)
    slopes = family.path_slopes or family.slopes
    return {name: evaluate(slope, *args) for name, slope in zip(family.parameters, slopes, strict=True)}


@jax.custom_jvp
def _last(x: Array) -> Array:
    return x


@_last.defjvp
def _refused(primals, tangents):
    raise NotImplementedError(
        "implicit_gradients of a distribution made of others is not differentiable again; differentiate a draw twice"
    )


def _by_moving(base: Any, value: Array) -> dict[str, Array]:
    """Each element of the value moves with parameters of its own, whose derivatives are then the partials."""
    known = any(hasattr(base, name) for name in ("at_fixed_quantile", "log_tails"))
    if base.is_discrete or not (known or has_tails(base) or is_map(base)):
        raise NotImplementedError(messages.no_path(base, base.is_discrete))
    from .rebuilding import parts_of  # of every class that is made of others; an import does without

    leaves, event = leaves_of(parts_of, base), len(base.event_shape)
    batch = value.shape[: value.ndim - event]
    given = []
    for leaf in leaves.values():
        shape, many = leaf.shapes(batch)
        given.append(jnp.broadcast_to(leaf.value.astype(value.dtype).reshape(shape), many))

    def moved(params: list[Array]) -> Array:
        return at_fixed_quantile(rebuilt(parts_of, base, dict(zip(leaves, params, strict=True))), value)

    _, pull = jax.vjp(moved, given)
    size = math.prod(base.event_shape)
    rows = [
        pull(jnp.broadcast_to(e.reshape(base.event_shape), value.shape))[0] for e in jnp.eye(size, dtype=value.dtype)
    ]
    found = {}
    for i, (path, leaf) in enumerate(leaves.items()):
        each = jnp.stack([row[i].reshape(batch + leaf.own_shape) for row in rows], len(batch))
        found[path] = each.reshape(value.shape + leaf.own_shape)
    return found
