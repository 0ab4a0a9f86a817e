"""How good a guide is: importance weights, evidence, diagnostics."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.scipy.special import logsumexp
from numpyro.distributions import Delta, Unit, constraints
from numpyro.handlers import block, seed
from numpyro.infer.util import get_importance_trace
from numpyro.util import is_prng_key
from tqdm import tqdm

from irg_kernels.adapter import arviz, guide_messages, messages, settings

from .hvae import HVAE
from .reruns import Given


class Evidence(NamedTuple):
    """An importance sampling estimate of log p(x), for each datum or in all, and how far to trust it.

    Of the weights w = p(x, z) / q(z) of the draws z, as `log_weights` gives them.
    """

    log_evidence: Array
    """logarithm of the mean of w"""
    ess: Array
    """effective sample size (sum w)^2 / sum w^2, between 1 and the number of samples"""
    pareto_k: Array
    """k-hat of the largest weights (Vehtari et al. 2024): below 0.7 the estimate is reliable, but for mass that no draw
    has met, such as another mode; -inf where those are all equal, NaN below 25 draws, inside `jit`, and where the
    largest is not finite"""


class _Seen(NamedTuple):
    held: dict[str, Array]
    """site -> the share of its numbers at an end of their dtype"""
    points: dict[str, Array]
    """of a guide that draws points alone, site -> whether it has no density"""


def log_weights(
    model: Callable,
    guide: Callable,
    params: dict[str, Any],
    rng_key: Array,
    *args: Any,
    num_samples: int = 100,
    plate: str | None = None,
    batch_size: int | None = None,
    **kwargs: Any,
) -> Array:
    r"""log w = log p(x, z) - log q(z) of draws z from a guide, auxiliary sites included.

    :param params: of model and guide, as `SVI.get_params` returns them (and mutable state, if there is any).
    :param plate: the name of the plate over data, if every latent is local to it: a weight for each datum.  All sites
        must then lie inside it; their scales (of a subsample) are left out.  Otherwise one weight for each draw, with
        every scale, so that the mean of the weights is p(x) only where nothing is subsampled.
    :param batch_size: how many draws are computed side by side; by default one after the other, in least memory.
    :returns: array of shape (num_samples,) or (num_samples, size of the plate or of its subsample).
    :raises TypeError: for a model or guide that cannot be called, or parameters that are no dictionary.
    :raises ValueError: for a parameter or state that `params` does not have, a site outside `plate`, counts below 1,
        model and guide swapped or of other latents, and a guide of points (`Delta`) alone, which has no weights (NaN
        inside `jit`).
    """
    check_programs(model, guide, "log_weights", params)
    keys = split(rng_key, num_samples)
    _check_batch("log_weights", batch_size)
    weights, seen = lax.map(
        _weigher("log_weights", model, guide, params, plate, args, kwargs), keys, batch_size=batch_size
    )
    _judge("log_weights", seen)
    return weights


def split(rng_key: Array, num_samples: int, where: str = "log_weights") -> Array:
    """A key for each draw."""
    settings.check_count(where, "num_samples", num_samples)
    if not is_prng_key(rng_key):
        raise ValueError(
            f"{where}: rng_key must be a JAX random key, got {messages.shown(rng_key)}; write jax.random.key(0)"
        )
    return jax.random.split(rng_key, num_samples)


def _check_batch(where: str, batch_size: int | None) -> None:
    if batch_size is not None:
        settings.check_count(where, "batch_size", batch_size)


def _weigher(
    where: str, model: Callable, guide: Callable, params: dict[str, Any], plate: str | None, args: tuple, kwargs: dict
) -> Callable[[Array], tuple[Array, _Seen]]:
    """The logarithm of a draw's weight, and what the draw is seen to be."""

    def one(key):
        for_model, for_guide = jax.random.split(key)
        with Given(where, params):
            of_model, of_guide = get_importance_trace(
                seed(model, for_model), seed(guide, for_guide), args, kwargs, params
            )
        guide_messages.check_order(where, of_model, of_guide, Unit)
        guide_messages.check_same_latents(where, of_model, of_guide)
        log_p, log_q = (log_density(sites, plate) for sites in (of_model, of_guide))
        held = {name: _at_the_end(site["value"]) for name, site in of_guide.items() if _is_drawn(site)}
        points = _points(of_guide)
        no_weights = jnp.all(jnp.stack([*points.values()])) if points else False
        return jnp.where(no_weights, jnp.nan, log_p - log_q), _Seen(held, points)

    return one


def _is_drawn(site: Any) -> bool:
    """Whether a guide draws a site from a density of numbers or vectors that ends; matrices have zeros of their own."""
    if site["type"] != "sample" or site["is_observed"]:
        return False
    fn = site["fn"]
    while hasattr(fn, "base_dist") and not hasattr(fn, "transforms"):
        fn = fn.base_dist
    support = fn.support
    if isinstance(fn, Delta) or getattr(support, "base_constraint", support) is constraints.real:
        return False
    if getattr(support, "event_dim", 0) > 1:
        return False
    if fn.event_shape == (1,) and support is constraints.simplex:  # which is 1
        return False
    return jnp.issubdtype(jnp.result_type(site["value"]), jnp.floating)


def _at_the_end(value: Array) -> Array:
    """The share of numbers that are the last ones of their dtype: next to 0, next to 1, or the largest."""
    limits = jnp.finfo(jnp.result_type(value))
    size = jnp.abs(value)
    next_to_1 = (value >= 1.0 - float(limits.eps)) & (value <= 1.0)
    return jnp.mean((size <= float(limits.tiny)) | (size >= float(limits.max)) | next_to_1)


def _points(guide: Any) -> dict[str, Array]:
    """Of a guide that draws points alone, whether each is without a density."""
    sites = guide.items()
    drawn = {name: messages.innermost(s["fn"]) for name, s in sites if s["type"] == "sample" and not s["is_observed"]}
    if not all(isinstance(fn, Delta) for fn in drawn.values()):
        return {}
    return {name: jnp.all(jnp.asarray(fn.log_density) == 0.0) for name, fn in drawn.items()}


def _judge(where: str, seen: _Seen) -> None:
    """Outside of `jit`, warn of draws that are rounded onto an end of their dtype.

    :raises ValueError: for a guide of points, which have no weights.
    """
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(seen)):
        return
    if seen.points and all(bool(jnp.all(flag)) for flag in seen.points.values()):
        raise ValueError(guide_messages.only_points(where, seen.points))
    guide_messages.warn_of_held({name: float(jnp.mean(share)) for name, share in seen.held.items()})


def log_density(sites: Any, plate: str | None) -> Array:
    total = jnp.zeros(())
    for name, site in sites.items():
        if site["type"] != "sample":
            continue
        if plate is None:
            total = total + jnp.sum(site["log_prob"])
            continue
        dims = [frame.dim for frame in site["cond_indep_stack"] if frame.name == plate]
        if not dims:
            raise ValueError(guide_messages.outside_plate(name, plate))
        density = site["log_prob"] if site["scale"] is None else site["log_prob"] / site["scale"]
        others = tuple(d for d in range(-jnp.ndim(density), 0) if d != dims[0])
        total = total + jnp.sum(density, axis=others)
    return total


def check_programs(model: Any, guide: Any, where: str, params: Any) -> None:
    guide_messages.check_program(where, "model", model)
    guide_messages.check_program(where, "guide", guide)
    guide_messages.check_params(where, params)


def log_evidence(
    model: Callable,
    guide: Callable,
    params: dict[str, Any],
    rng_key: Array,
    *args: Any,
    num_samples: int = 1000,
    plate: str | None = None,
    batch_size: int | None = None,
    progress_bar: bool = False,
    **kwargs: Any,
) -> Evidence:
    r"""log p(x) ~ log (1/S) sum_s w_s, a lower bound in expectation that tightens with S; NLL is its negative.

    In memory are `batch_size` draws at a time, and all the weights.

    :param num_samples: the number S of draws.
    :param plate: as in `log_weights`, and so is `batch_size`.
    :param progress_bar: show how many draws are done; not inside `jit`.
    :returns: `Evidence`, each field of shape () or (size of the plate,).
    :raises TypeError: as `log_weights`.
    :raises ValueError: as `log_weights`.
    :raises ImportError: without ArviZ, which estimates k-hat; not inside `jit`.
    """
    check_programs(model, guide, "log_evidence", params)
    one = _weigher("log_evidence", model, guide, params, plate, args, kwargs)
    keys = split(rng_key, num_samples, "log_evidence")
    _check_batch("log_evidence", batch_size)
    weights, seen = _in_chunks(one, keys, batch_size) if progress_bar else lax.map(one, keys, batch_size=batch_size)
    _judge("log_evidence", seen)
    total = logsumexp(weights, axis=0)
    ess = jnp.exp(2.0 * total - logsumexp(2.0 * weights, axis=0))
    return Evidence(total - math.log(num_samples), ess, pareto_k(weights))


def _in_chunks(one: Callable[[Array], Any], keys: Array, batch_size: int | None) -> Any:
    """`lax.map`, with a progress bar over some hundred chunks at most."""
    count = len(keys)
    size = max(batch_size or 1, count // 100)
    chunk = jax.jit(lambda these: lax.map(one, these, batch_size=batch_size))
    parts = []
    with tqdm(total=count, desc="log evidence") as bar:
        for start in range(0, count, size):
            # the last chunk is filled up with keys from the front, so that it needs no compilation of its own
            found = chunk(keys[jnp.arange(start, start + size) % count])
            parts.append(jax.block_until_ready(jax.tree.map(lambda leaf: leaf[: count - start], found)))  # noqa: B023
            bar.update(min(size, count - start))
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *parts)


def pareto_k(log_weights: Array) -> Array:
    """k-hat of importance weights: below 0.7 what is estimated by them is reliable (Vehtari et al. 2024).

    :param log_weights: draws along the first axis, as `log_weights` gives them.
    :returns: of the shape of one draw; -inf where the largest weights are all equal, inf where the others vanish
        beside them, NaN below 25 draws, inside `jit`, where many of the largest are tied, and where the largest is not
        finite.
    :raises ImportError: without ArviZ.
    """
    log_weights = jnp.asarray(log_weights)
    shape, dtype = log_weights.shape[1:], log_weights.dtype
    # the fit wants five draws in the tail, a fifth of so few
    if isinstance(log_weights, jax.core.Tracer) or len(log_weights) < 25:
        return jnp.full(shape, math.nan, dtype)
    try:
        from arviz_stats.base import array_stats
    except ImportError as error:
        raise ImportError('k-hat needs ArviZ; pip install "pyro-irg[numpyro]"') from error
    columns = np.asarray(log_weights, float).reshape(len(log_weights), -1).T
    with np.errstate(all="ignore"):
        return jnp.asarray(arviz.k_hats(columns, array_stats.psislw), dtype).reshape(shape)


def diagnostics(guide: HVAE, params: dict[str, Any], rng_key: Array, *args: Any, **kwargs: Any) -> dict[str, Any]:
    """What a Hamiltonian guide has learned, and how its paths fare on the given data.

    :returns: of steps that are not the leapfrog's: "strengths", "angles" and "persistences" (part of the coordinates ->
        array of K, or K - 1, and the part's shape), "shares" (of the K + 1 points, as learned), "posterior_shares"
        (how often a draw is each of them), "energy_errors" (array of K, the change of -log w over each step),
        "momentum_second_moment" (float), "rejected" (share of points without a finite density), "why"
        (sentences: whether such points are many or the path diverges, and what helps); of coupled ones too
        "log_jacobians" (array of K, of the steps, over all data).

        Otherwise "step_sizes" (site -> array), "inverse_temperatures" (array of K + 1), "energy_errors" (array of K,
        the change of `U + |rho|^2/2` over each step before cooling, over all data), "momentum_second_moment" (site ->
        float, 1 where the momenta end in their distribution), "rejected" (float, the share of steps that diverged, of
        all systems), "why" (sentences: which site's draws, slopes or curvatures are not finite, and what helps).

    A smaller `step_size` and `max_step_size` serve better where the energy changes by about a nat per datum and step,
    the second moment is far from 1, or more than a few hundredths of the steps are rejected: a model can grow used to
    steps that are too long, so that none diverges.

    :raises TypeError: for any other guide, or parameters that are no dictionary.
    :raises ValueError: for a parameter that `params` does not have.
    """
    guide_messages.check_diagnosed(guide, HVAE)
    guide_messages.check_params("diagnostics", params)
    if guide.num_steps == 0:
        return {}
    if guide.transition != "leapfrog":
        return _refreshed_diagnostics(guide, params, rng_key, args, kwargs)
    names: list[str] = []

    def run(key):
        with block(), seed(rng_seed=key), Given("diagnostics", params):
            path: Any = guide.refine(*args, **kwargs)[1]
            overflows = path.live.overflows()
        names[:] = path.live.names
        return path.energy_errors, path.rho, path.rejected, path.alphas, overflows

    errors, rho, rejected, alphas, overflows = jax.jit(run)(rng_key)
    passed = jnp.concatenate([jnp.zeros(1), jnp.cumsum(jnp.log(alphas))])
    return {
        "step_sizes": {name: guide.step_size(name, params) for name in names},
        "inverse_temperatures": jnp.exp(2.0 * (passed[-1] - passed)),
        "energy_errors": errors,
        "momentum_second_moment": {n: float(jnp.mean(r**2)) for n, r in zip(names, rho, strict=True)},
        "rejected": float(rejected),
        "why": guide_messages.reasons(
            {n: tuple(map(float, shares)) for n, shares in overflows.items()}, float(rejected)
        ),
    }


def _refreshed_diagnostics(guide: HVAE, params: dict[str, Any], rng_key: Array, args: tuple, kwargs: dict) -> dict:
    def run(key):
        with block(), seed(rng_seed=key), Given("diagnostics", params):
            path: Any = guide.refine(*args, **kwargs)[1]
        moment = jnp.mean(jnp.stack([jnp.mean(r**2) for r in path.rho]))
        return path.shares, path.energy_errors, moment, path.not_finite, path.log_jacobians

    chosen, errors, moment, rejected, jacobians = jax.jit(run)(rng_key)

    def learned(suffix):
        start = f"{guide.prefix}_"
        found = {k: v for k, v in params.items() if k.startswith(start) and k.endswith(suffix)}
        return {k[len(start) : -len(suffix)].rstrip("_"): v for k, v in found.items()}

    return {
        "strengths": learned("strength"),
        "angles": learned("angle"),
        "persistences": learned("persistence"),
        "shares": jax.nn.softmax(params[f"{guide.prefix}_shares"]),
        "posterior_shares": chosen,
        "energy_errors": errors,
        "momentum_second_moment": float(moment),
        "rejected": float(rejected),
        "why": guide_messages.reasons_of_path(float(rejected), float(chosen[-1]), float(errors.sum())),
        **({"log_jacobians": jacobians} if guide.transition == "coupled" else {}),
    }
