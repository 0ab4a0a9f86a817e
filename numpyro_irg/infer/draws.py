"""A guide's draws with their weights, for other tools."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.scipy.special import logsumexp
from numpyro.handlers import seed
from numpyro.infer.util import get_importance_trace

from irg_kernels import __version__
from irg_kernels.adapter import arviz
from irg_kernels.adapter.arviz import Draws
from irg_kernels.adapter.guide_messages import check_same_latents
from irg_kernels.adapter.settings import check_count

from .evaluation import check_programs, log_density, split
from .reruns import Given


def weighted_draws(
    model: Callable,
    guide: Callable,
    params: dict[str, Any],
    rng_key: Array,
    *args: Any,
    num_samples: int = 1000,
    num_importance: int = 1,
    batch_size: int | None = None,
    **kwargs: Any,
) -> Draws:
    """Draws of a model's latents from any guide, with their importance weights.

    :param params: as in `log_weights`, and so is `batch_size`.
    :param num_importance: m: each draw is one of m of the guide's, taken in proportion to their weights (sampling
        importance resampling: Smith, Gelfand 1992), and its weight is the mean of theirs.  They are the draws to which
        the bound of m by `RenyiELBO` (alpha = 0) or `PathGradientELBO` belongs (Domke, Sheldon 2018): nearer to the
        posterior, and the weights nearer to p(x).
    :returns: `latents` (site -> array with a leading axis of draws, deterministic sites too), `log_weights` (array of
        `num_samples`), `observed` (site -> data).
    :raises ValueError: for a parameter that `params` does not have, counts below 1, and a model and a guide of other
        latents.
    :raises TypeError: for a model or guide that cannot be called, or parameters that are no dictionary.
    """
    check_programs(model, guide, "weighted_draws", params)
    observed: dict[str, Any] = {}

    def one(key: Array) -> tuple[dict[str, Array], Array]:
        for_model, for_guide = jax.random.split(key)
        with Given("weighted_draws", params):
            joint, drawn = get_importance_trace(seed(model, for_model), seed(guide, for_guide), args, kwargs, params)
        check_same_latents("weighted_draws", joint, drawn)
        sites = {name: site for name, site in joint.items() if site["type"] in ("sample", "deterministic")}
        given = {name for name, site in sites.items() if site.get("is_observed", False)}
        observed.update({name: sites[name]["value"] for name in given if jnp.size(sites[name]["value"])})
        latents = {name: jnp.asarray(site["value"]) for name, site in sites.items() if name not in given}
        return latents, log_density(joint, None) - log_density(drawn, None)

    check_count("weighted_draws", "num_samples", num_samples)
    check_count("weighted_draws", "num_importance", num_importance)
    keys = split(rng_key, num_samples * num_importance, "weighted_draws")
    latents, weights = lax.map(one, keys, batch_size=batch_size)
    if num_importance > 1:
        rows, weights = _resampled(jax.random.fold_in(rng_key, 1), weights.reshape(num_samples, num_importance))
        latents = {name: values[rows] for name, values in latents.items()}
    return Draws(latents, weights, {name: x for name, x in observed.items() if not isinstance(x, jax.core.Tracer)})


def _resampled(key: Array, log_weights: Array) -> tuple[Array, Array]:
    """Of S rows of m: the number of one of all S m, drawn in proportion to the weights, and the log of their mean."""
    likely = jnp.where(jnp.isnan(log_weights), -jnp.inf, log_weights)  # NaN is never taken, and shows in the mean
    count, size = log_weights.shape
    rows = jnp.arange(count) * size + jax.random.categorical(key, likely, axis=1)
    return rows, logsumexp(log_weights, axis=1) - math.log(size)


def to_arviz(
    model: Callable,
    guide: Callable,
    params: dict[str, Any],
    rng_key: Array,
    *args: Any,
    num_samples: int = 1000,
    num_importance: int = 1,
    batch_size: int | None = None,
    **kwargs: Any,
) -> Any:
    """A guide's draws as ArviZ's `DataTree`, for its plots and summaries.

    One chain in the group "posterior"; "sample_stats" has `log_weight`, the logarithm of each draw's importance weight;
    "observed_data" has the observed sites.

    :param params: as in `weighted_draws`, and so are `rng_key`, `num_samples`, `num_importance` and `batch_size`.
    :raises ValueError: as `weighted_draws`.
    :raises TypeError: as `weighted_draws`.
    :raises ImportError: without arviz-base.
    """
    try:
        from arviz_base import from_dict
    except ImportError as error:
        raise arviz.missing("arviz", error) from error
    counts: dict[str, Any] = {"num_samples": num_samples, "num_importance": num_importance, "batch_size": batch_size}
    draws = weighted_draws(model, guide, params, rng_key, *args, **counts, **kwargs)
    return from_dict(arviz.groups(draws, np.asarray), attrs=arviz.attributes("numpyro_irg", __version__))
