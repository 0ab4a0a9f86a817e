"""A mixture of Gaussians as an automatic guide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpyro
from jax import Array, lax
from jax.flatten_util import ravel_pytree
from jax.scipy.linalg import solve_triangular
from numpyro import handlers
from numpyro.distributions import constraints
from numpyro.infer.autoguide import AutoContinuous
from numpyro.infer.initialization import init_to_sample, init_to_uniform

from irg_kernels.adapter import guide_messages, settings
from irg_kernels.inference import modes, pathfinder

from .. import xp
from ..distributions import Categorical, MixtureSameFamily, MultivariateNormal
from .bijections import bijection
from .hidden import hidden_latents
from .masks import Unmasked, check_absent, factor, is_lifted, lift, taken
from .reruns import Given, Seen, begun_outside, first_run


class AutoMixture(AutoContinuous):
    """Autoguide whose distribution over all latents, in unconstrained space, is a mixture of Gaussians of full
    covariance::

        guide = AutoMixture(model, num_components=4)

    It is reparameterized in the weights too, under every ELBO.  The components begin where a search of the model's
    density finds its modes: quasi-Newton descents from `num_starts` points, half of them around that of `init_loc_fn`,
    half draws of the prior, and on each path the best normal approximation (Pathfinder: Zhang, Carpenter, Gelman,
    Vehtari 2022).  The K best of different modes are taken, then some twice; a warning tells of modes of comparable
    mass beyond K.  A mode that no start leads to stays unfound.  Each component learns in units of the scales it began
    with, whatever the posterior's; the weights learn at a tenth of the rate, since between modes far apart their
    gradient is mostly noise.  The parameters `log_weights`, `origins` and `units` are where the search ended, of
    gradient 0: an optimizer with weight decay must leave them out.

    :param model: a model whose latents are continuous and global.
    :param num_components: K, at least 1.
    :param num_starts: how many descents, by 400 evaluations of the gradient in all, and at the end by two more, or
        four, for each dimension, of ten at most for a descent and, 2 to 4 times, of a hundred for a component, side
        by side; 0 for none: the components then begin around the point of `init_loc_fn`, `init_spread` apart.
        Compiling the search takes seconds, the search itself less than one.
    :param prefix: begins the names of the guide's sites and parameters.
    :param init_loc_fn: as in NumPyro's autoguides.
    :param init_scale: longest first step of the search; without one, standard deviation of each component.
    :param init_spread: standard deviation, about the point of `init_loc_fn`, of the points where the search begins;
        without one, of the components' locations.
    :raises TypeError: for a model that cannot be called.
    :raises RuntimeError: when called, for a model without latents.
    :raises ValueError: for settings out of bounds; when called, for latents that the model masks though other terms
        depend on them (of others that it masks out, the prior is counted).
    """

    _shrinks = True  # components that could not be trained from their scales, and they are weighed
    _where = "AutoMixture"

    def __init__(
        self,
        model: Callable,
        num_components: int,
        *,
        num_starts: int = 8,
        prefix: str = "auto",
        init_loc_fn: Callable = init_to_uniform,
        init_scale: float = 1.0,
        init_spread: float = 2.0,
    ) -> None:
        guide_messages.check_program("AutoMixture", "model", model)
        settings.check_auto_mixture(num_components, num_starts, init_scale, init_spread)
        self.num_components, self.num_starts = num_components, num_starts
        self.init_scale, self.init_spread = init_scale, init_spread
        self.model: Callable
        super().__init__(model, prefix=prefix, init_loc_fn=init_loc_fn)

    def setup(self, *args: Any, **kwargs: Any) -> Any:
        """Prepares the guide for the model's arguments, without search: then it takes parameters that were saved.

        :returns: the guide.
        """
        starts, self.num_starts = self.num_starts, 0
        try:
            with handlers.block(), handlers.seed(rng_seed=0):
                self._setup_prototype(*args, **kwargs)
        finally:
            self.num_starts = starts
        return self

    def _setup_prototype(self, *args: Any, **kwargs: Any) -> None:
        model: Callable = self.model
        self.model = Unmasked(model, "AutoMixture")
        try:
            super()._setup_prototype(*args, **kwargs)
        except RuntimeError as error:
            if getattr(self, "latent_dim", None) == 0:
                raise RuntimeError(guide_messages.no_latents(self._where)) from error
            raise
        finally:
            self.model = model
        self._check_masks(args, kwargs)
        self._find_start(args, kwargs)

    def _find_start(self, args: tuple, kwargs: dict) -> None:
        """Log-weights, locations and lower triangular scales of the components to begin with."""
        count, size, like = self.num_components, self.latent_dim, self._init_latent
        key, key_of_noise = jax.random.split(numpyro.prng_key())
        unit = self.init_scale * jnp.eye(size, dtype=like.dtype)
        noise = jax.random.normal(key_of_noise, (count, size), like.dtype)
        if self.num_starts:
            self._start, found = jax.jit(lambda key: self._searched(key, unit, noise, args, kwargs))(key)
            if not isinstance(found.end, jax.core.Tracer):
                guide_messages.warn_of_modes(self._where, self._modes(found), count)
        else:
            locs = like + self.init_spread * (noise if count > 1 else 0.0 * noise)
            self._start = jnp.zeros(count, like.dtype), locs, jnp.broadcast_to(unit, (count, size, size))

    def _sites(self, values: dict[str, Array], args: tuple, kwargs: dict) -> dict[str, Any]:
        """The sample sites of the live model at these values, their masks lifted."""
        sites, _ = first_run(self.model, args, kwargs, jax.random.key(0), Seen(), handlers.substitute(data=values))
        for name in values:
            lift("AutoMixture", sites[name])
        return sites

    def _check_masks(self, args: tuple, kwargs: dict) -> None:
        if self.num_starts:
            guide_messages.warn_of_hidden("AutoMixture", hidden_latents(self.model, args, kwargs))
        values = self._unpack_and_constrain(self._init_latent, {})
        with handlers.block():
            sites = self._sites(values, args, kwargs)
            self._masked = [name for name in values if is_lifted(sites[name])]
            if self._masked:
                check_absent("AutoMixture", self._masked, lambda at: self._sites(at, args, kwargs), values)

    def __call__(self, *args: Any, **kwargs: Any) -> dict[str, Array]:
        with begun_outside(self._where, self):
            found = super().__call__(*args, **kwargs)
        if self._masked:
            sites = self._sites(found, args, kwargs)
            for name in self._masked:
                factor(f"{self.prefix}_prior_{name}", -jnp.sum(taken(sites[name])))
        return found

    def _starts(self, key: Array, args: tuple, kwargs: dict) -> Array:
        """Where the search begins, (S, D): the point of `init_loc_fn`, points around it, and draws of the prior."""
        key, key_of_prior = jax.random.split(key)
        drawn = self.num_starts // 2
        around = jax.random.normal(key, (self.num_starts - drawn, self.latent_dim), self._init_latent.dtype)
        starts = self._init_latent + self.init_spread * around.at[0].set(0.0)
        if not drawn:
            return starts
        keys = jax.random.split(key_of_prior, drawn)
        return jnp.concatenate([starts, jax.vmap(lambda key: self._drawn(key, args, kwargs))(keys)])

    def _drawn(self, key: Array, args: tuple, kwargs: dict) -> Array:
        """A draw of the prior in unconstrained space."""
        drawing = handlers.substitute(handlers.seed(self.model, key), substitute_fn=init_to_sample())
        with handlers.block():
            trace = handlers.trace(drawing).get_trace(*args, **kwargs)
        values = dict(self._init_locs)
        for name in values:
            if trace[name]["type"] == "sample":
                values[name] = bijection(trace[name]["fn"].support).inv(trace[name]["value"])
        return ravel_pytree(values)[0].astype(self._init_latent.dtype)

    def _potential(self, z: Array) -> Array:
        with handlers.block():
            return self._potential_fn(self._unpack_latent(z))

    def _potentials(self, z: Array) -> Array:
        """At (S, M, D), not all at once, for the data's sake."""
        return lax.map(jax.vmap(self._potential), z)

    def _gradients(self, z: Array, _: Any) -> tuple[Array, Array]:
        """Potentials and gradients at (S, D)."""
        return jax.vmap(jax.value_and_grad(self._potential))(z)

    def _modes(self, found: pathfinder.Path) -> int:
        """How many modes of comparable mass the search has seen."""
        ends = _optima(found)
        if len(ends) > 1:
            ends = _optima(jax.jit(lambda p: pathfinder.confirmed(xp, p, self._gradients))(found))
        if len(ends) < 2:
            return len(ends)
        lines = modes.between(xp, list(ends))
        return modes.apart(len(ends), jax.jit(self._potentials)(lines).tolist())

    def _searched(
        self, key: Array, unit: Array, noise: Array, args: tuple, kwargs: dict
    ) -> tuple[tuple[Array, ...], pathfinder.Path]:
        """Log-weights, locations and lower triangular scales of the components to begin with, and the paths."""

        def potentials(z: Array, _: Any) -> Array:
            return self._potentials(z)

        several, size = self.num_starts, self.latent_dim
        keys = jax.random.split(key, 4)
        eps = jax.random.normal(keys[0], (pathfinder.ELBO_DRAWS, size), unit.dtype)
        factor, eps = (jnp.broadcast_to(a, (several, *a.shape)) for a in (unit, eps))
        starts = self._starts(keys[1], args, kwargs)
        found = pathfinder.paths(xp, starts, factor, eps, self._gradients, potentials)
        distance = _distance(_lower(found.best_factor), found.best_x)
        picks = pathfinder.chosen(xp, found.elbo, distance, size, self.num_components)
        which = jnp.stack([jnp.argmax(pick) for pick, _ in picks])
        repeated = jnp.stack([shared for _, shared in picks]) > 0.0
        some = jax.tree.map(lambda a: a[which], found)
        pairs = jax.random.normal(keys[3], (len(which), pathfinder.REFINED_PAIRS, size), unit.dtype)
        pairs = jnp.concatenate([pairs, -pairs], axis=1)
        some = pathfinder.refined(xp, some, pairs, self._gradients, potentials)
        locs, scale_trils = some.best_x, _lower(some.best_factor)
        # those that share a mode begin about a standard deviation apart
        moved = (scale_trils @ noise[..., None])[..., 0] / size**0.5
        locs = locs + jnp.where(repeated[:, None], moved, 0.0)
        points = jax.random.normal(keys[2], (pathfinder.MASS_DRAWS, *locs.shape), unit.dtype).at[0].set(0.0)
        if not self._shrinks:
            return (jnp.zeros(self.num_components, unit.dtype), locs, scale_trils), found
        return _weighed(locs, scale_trils, points, potentials), found

    def _get_posterior(self) -> MixtureSameFamily:
        count, size = self.num_components, self.latent_dim
        log_weights, locs, scale_trils = (
            lax.stop_gradient(numpyro.param(f"{self.prefix}_{name}", value))
            for name, value in zip(("log_weights", "origins", "units"), self._start, strict=True)
        )
        dtype = locs.dtype
        logits = numpyro.param(f"{self.prefix}_logits", jnp.zeros(count, dtype))
        shifts = numpyro.param(f"{self.prefix}_shifts", jnp.zeros((count, size), dtype))
        stretches = numpyro.param(
            f"{self.prefix}_scale_trils",
            jnp.broadcast_to(jnp.eye(size, dtype=dtype), (count, size, size)),
            constraint=constraints.scaled_unit_lower_cholesky,
        )
        locs = locs + (scale_trils @ shifts[..., None])[..., 0]
        weights = Categorical(logits=log_weights + pathfinder.WEIGHT_RATE * logits)
        return MixtureSameFamily(weights, MultivariateNormal(locs, scale_tril=scale_trils @ stretches))

    def get_posterior(self, params: dict[str, Any]) -> MixtureSameFamily:
        """The mixture, over all latents in unconstrained space.

        :raises RuntimeError: before the guide's first call, or `setup`.
        :raises ValueError: for a parameter that `params` does not have.
        """
        if self.prototype_trace is None:
            raise RuntimeError(guide_messages.not_set_up("get_posterior"))
        guide_messages.check_params("AutoMixture.get_posterior", params)
        with Given("AutoMixture.get_posterior", params):
            return self._get_posterior()

    def sample_posterior(
        self, rng_key: Array, params: dict[str, Any], *args: Any, sample_shape: tuple[int, ...] = (), **kwargs: Any
    ) -> dict[str, Array]:
        """Draws of the model's latents, with leading axes `sample_shape`."""
        return self._unpack_and_constrain(self.get_posterior(params).sample(rng_key, sample_shape), params)

    def quantiles(
        self,
        params: dict[str, Any],
        quantiles: Sequence[float],
        *,
        rng_key: Array | None = None,
        num_samples: int = 1000,
    ) -> dict[str, Array]:
        """Marginal quantiles of each latent from draws; a leading axis over `quantiles`."""
        key = jax.random.key(0) if rng_key is None else rng_key
        draws = self.get_posterior(params).sample(key, (num_samples,))
        latents = self._unpack_and_constrain(draws, params)
        return {name: jnp.quantile(value, jnp.asarray(quantiles), axis=0) for name, value in latents.items()}

    def median(
        self, params: dict[str, Any], *, rng_key: Array | None = None, num_samples: int = 1000
    ) -> dict[str, Array]:
        """Marginal medians of each latent from draws."""
        found = self.quantiles(params, [0.5], rng_key=rng_key, num_samples=num_samples)
        return {name: values[0] for name, values in found.items()}


def _distance(scale_trils: Array, points: Array) -> Array:
    """Squared distances (S, S) of points (S, D), each two in the standard deviations of the wider of their scales."""
    apart = (points[None, :, :] - points[:, None, :]).mT
    distance = jnp.square(solve_triangular(scale_trils, apart, lower=True)).sum(-2)
    return jnp.minimum(distance, distance.T)


def _lower(factor: Array) -> Array:
    """The lower triangular L with L L' = C C'."""
    upper = jnp.linalg.qr(factor.mT, mode="r")
    return (upper * jnp.sign(jnp.diagonal(upper, axis1=-2, axis2=-1))[..., None]).mT


def _optima(found: pathfinder.Path) -> Array:
    ends, flags = pathfinder.optima(xp, found, _distance(_lower(found.best_factor), found.end))
    return ends[flags > 0.0]


def _weighed(locs: Array, scale_trils: Array, points: Array, potentials: Callable) -> tuple[Array, Array, Array]:
    """Log-weights, locations and scales of components, each shrunk to where its ELBO is largest.

    :param points: 0, then standard normal, (N, K, D).
    """
    count, size = locs.shape
    scales = jnp.asarray(pathfinder.STRETCHED, points.dtype)
    tried = locs + scales[:, None, None, None] * (scale_trils @ points[..., None])[..., 0]
    energies = potentials(tried.reshape(len(scales), -1, size), None).reshape(tried.shape[:-1])
    flags = jnp.stack(pathfinder.shrunk(xp, list(energies), points))
    energy = jnp.sum(jnp.where(flags[:, None] > 0.0, energies[1:], 0.0), 0)
    draws = jnp.sum(jnp.where(flags[:, None, :, None] > 0.0, tried[1:], 0.0), 0)
    scale_trils = scale_trils * jnp.sum(flags * scales[1:, None], 0)[:, None, None]
    components = MultivariateNormal(locs, scale_tril=scale_trils)
    log_q = components.log_prob(draws[..., None, :]).reshape(-1, count)
    return pathfinder.masses(xp, -energy.reshape(-1), log_q), locs, scale_trils
