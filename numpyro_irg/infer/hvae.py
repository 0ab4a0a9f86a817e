"""The Hamiltonian VAE guide."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import Array, lax
from jax.custom_batching import custom_vmap
from numpyro.distributions import constraints
from numpyro.handlers import block, seed, substitute
from numpyro.infer.autoguide import AutoGuide

from irg_kernels.adapter import guide_messages, settings
from irg_kernels.inference import coupled, hamiltonian, refreshed

from .. import xp
from . import refreshed as refreshed_path
from .bijections import finite_slopes
from .coordinates import location_and_scale
from .hidden import hidden_latents
from .masks import factor, is_lifted, lift, taken
from .reruns import begun_outside, first_run
from .sites import BaseSites, Drawn, Inside, Latent, LiveModel, event_last, run_base, sum_event, sum_to

State = tuple[tuple[Array, ...], tuple[Array, ...], tuple[Array, ...], Array]
"""positions, momenta and gradients of the sites, energies of the systems"""

# From this many base scales on, a step is tried out before it is differentiated; training stays far below.
_TRIED_FROM = 5.0


class HVAE:
    r"""A guide that refines another guide's draws by tempered Hamiltonian steps on the live model.

    From a base draw :math:`z_0` and a momentum :math:`\rho_0 \sim N(0, T_0)`, K leapfrog steps on
    :math:`U = -\log p(x, z)`, each followed by a cooling :math:`\rho \leftarrow \alpha_k \rho`, give
    :math:`z_K` and the weight

    .. math:: \log w = \log p(x, z_K) + \log N(\rho_K; 0, I) - \log q_0(z_0) - \log N(\rho_0; 0, T_0)
              - \tfrac{d}{2} \log T_0,

    whose mean is p(x).  Constrained sites move in the unconstrained space of their support::

        svi = SVI(model, HVAE(model, encoder, num_steps=5), numpyro.optim.Adam(1e-3), Trace_ELBO())

    Latents of a plate move by their own datum's terms, whatever the plate's subsampling; all others by the scaled
    log-joint.  Each call runs the model at its own arguments and parameters.  A decoder with smooth activations
    (softplus, tanh, GELU) suits better than ReLU, which has no curvature.

    A step that diverges (`irg_kernels.inference.hamiltonian.MAX_ENERGY_CHANGE`) is rejected and its momentum flipped,
    for one datum alone where data are independent; the weights stay exact.  `diagnostics` says how many steps do.

    A latent that the model masks out needs no mask in the base: its prior is counted for it, and E[w] stays p(x).

    A global posterior that is near to a Gaussian is learned better from `step_size=0.6`; if training diverges, lower
    `max_step_size`.

    Parameters: ``{prefix}_{site}_step_size``, ``{prefix}_temperature`` (the root of T0; "fixed", "quadratic") and
    ``{prefix}_cooling`` ("free").

    Source: Caterini, Doucet, Sejdinovic, Hamiltonian Variational Auto-Encoder, 2018, algorithm 1.

    :param model: the model, a callable of the arguments that the guide is called with.
    :param guide: the base: any guide with reparameterized sites for the model's latents.
    :param num_steps: K >= 0 leapfrog steps, K + 1 gradients of the model; 0 is the base guide itself.
    :param transition: "leapfrog", the paper's steps, to which all settings below up to `initial_temperature` belong; or
        "refreshed": turns and kicks in the base's own coordinates with new momenta in between, every point of the path
        weighed (`irg_kernels.inference.refreshed`), which begins as the importance-weighted bound of K + 1 draws for
        each datum.  Where only a part of the terms is scaled up by subsampling the last point alone is weighed.  Or
        "coupled": the same, with small networks beside that scale and shift each step's momentum and position
        (`irg_kernels.inference.coupled`).
    :param step_size: where the learned step sizes start, in units of the base's standard deviation in
        unconstrained space, where a site's distribution tells (1 elsewhere).
    :param max_step_size: their upper bound.
    :param step_size_shape: "dim" for one per dimension of a site's event, "step" for one per step and dimension,
        "scalar".
    :param tempering: "none"; "fixed", the paper's schedule, quadratic in the root of the temperature, T0 learned;
        "quadratic", the same in the temperature itself (the paper's code); "free", all alphas learned; or a function
        from K to K cooling factors in (0, 1].
    :param initial_temperature: T0 of "fixed" and "quadratic" to begin with, above 1.
    :param coefficients: not with "leapfrog", a function of the model's arguments, such as a network of the encoder's
        features, that returns for latents of the base (site -> (strengths, angles)) what is added to the strengths and
        angles of their steps: arrays that broadcast to (plates, num_steps, event), for each datum its own.  It must not
        draw; what it registers by `numpyro.param` or a module learns with the guide.
    :param prefix: begins the names of the guide's own sites and parameters.
    :param checkpoint: recompute each step in the backward pass: memory for one step instead of K.
    :raises TypeError: for a model or guide that cannot be called, a class in place of an instance, or the two swapped.
    :raises ValueError: for settings out of bounds; when called, for latents that the base misses, adds, or draws
        without reparameterization, or masks where the model does not, for latents that the model masks though other
        terms depend on them, for discrete latents, and for a model without latents.
    """

    def __init__(
        self,
        model: Callable,
        guide: Callable,
        *,
        num_steps: int,
        transition: str = "leapfrog",
        step_size: float = 0.1,
        max_step_size: float = 1.0,
        step_size_shape: str = "step",
        tempering: str | Callable = "none",
        initial_temperature: float = 2.0,
        coefficients: Callable | None = None,
        prefix: str = "hvae",
        checkpoint: bool = False,
    ) -> None:
        settings.check_hvae(num_steps, step_size, max_step_size, step_size_shape, tempering, initial_temperature)
        guide_messages.check_hamiltonian(model, guide, (AutoGuide, HVAE))
        given = {
            "step_size": step_size != 0.1,
            "max_step_size": max_step_size != 1.0,
            "step_size_shape": step_size_shape != "step",
            "tempering": tempering != "none",
            "initial_temperature": initial_temperature != 2.0,
        }
        refreshed.check_settings(transition, given, coefficients)
        self.model, self.base, self.num_steps, self.prefix = model, guide, num_steps, prefix
        self.transition, self.coefficients = transition, coefficients
        self.initial_step_size, self.max_step_size, self.step_size_shape = step_size, max_step_size, step_size_shape
        self.tempering, self.initial_temperature, self.checkpoint = tempering, initial_temperature, checkpoint
        self._observed: frozenset[str] = frozenset()
        self._last: tuple[tuple, dict] | None = None
        self._begun = False

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_last": None}  # the data stay here

    def setup(self, *args: Any, **kwargs: Any) -> Any:
        """What the first call prepares, for the model's arguments: then draws, for parameters that were saved.

        :returns: the guide.
        """
        with block(), seed(rng_seed=0):
            self(*args, **kwargs)
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self._begun:
            guide_messages.warn_of_hidden(type(self).__name__, hidden_latents(self.model, args, kwargs))
            self._begun = True
        if not any(isinstance(x, jax.core.Tracer) for x in jax.tree.leaves((args, kwargs))):
            self._last = args, kwargs
        with begun_outside(type(self).__name__, self.base):
            return self.refine(*args, **kwargs)[0] if self.num_steps else self._unmoved(args, kwargs)

    def _unmoved(self, args: tuple, kwargs: dict) -> Any:
        """The base guide itself, and the priors of latents that the model masks out."""
        base = BaseSites(None)
        with base:
            drawn = self.base(*args, **kwargs)
        values = {name: site.value for name, site in base.latents.items()}
        sites, _ = first_run(self.model, args, kwargs, numpyro.prng_key(), base.seen, substitute(data=values))
        for name, site in base.latents.items():
            if name in sites and not sites[name]["is_observed"]:
                lift("HVAE", sites[name], site.mask)
                if is_lifted(sites[name]):
                    with Inside(site):
                        factor(f"{self.prefix}_prior_{name}", -taken(sites[name]))
        return drawn

    def refine(self, *args: Any, **kwargs: Any) -> tuple[dict[str, Array], Path | refreshed_path.Points]:
        """The latents and the path that led to them; in place of a call, under the handlers that a guide needs."""
        base, distributions = run_base(self.base, self.prefix, args, kwargs)
        live = LiveModel(self.model, args, kwargs, base, self._observed)
        self._observed |= live.observed
        if self.transition != "leapfrog":
            return refreshed_path.refine(self, base, live, distributions)
        units = tuple(location_and_scale(self.base, distributions, latent)[1] for latent in live.latents)
        alphas = self.cooling()
        log_cooling = jnp.sum(jnp.log(alphas))
        z0 = tuple(latent.position for latent in live.latents)
        rho0 = tuple(self._momentum(base.sites[latent.name], latent, log_cooling) for latent in live.latents)
        path = self._move(live, z0, rho0, units, alphas)
        values = {}
        for latent, rho, (site, log_det) in zip(live.latents, path.rho, live.place(path.z), strict=True):
            size = math.prod(latent.event_shape)
            ahead = sum_event(dist.Normal(jnp.zeros_like(rho), 1.0).log_prob(rho), latent.batch_ndim)
            term = latent.log_det - log_det - ahead - size * log_cooling.astype(rho.dtype)
            if is_lifted(site):
                term = term - taken(site)
            values[latent.name] = self._emit(base.sites[latent.name], site, term)
        return values, path

    def refreshed_params(self, parts: Sequence[tuple[str, tuple[int, ...], Any]]) -> tuple[tuple[Array, ...], ...]:
        """Strengths, angles and kept shares of the steps, of each part, with a leading axis of K."""
        strengths, angles, kept = [], [], []
        for name, event_shape, dtype in parts:
            name, shape = f"{self.prefix}_{name}", (self.num_steps, *event_shape)
            strengths.append(numpyro.param(f"{name}strength", jnp.zeros(shape, dtype)))
            angles.append(numpyro.param(f"{name}angle", jnp.full(shape, refreshed.ANGLE, dtype)))
            start = jnp.zeros((self.num_steps - 1, *event_shape), dtype)
            share = numpyro.param(f"{name}persistence", start, constraint=constraints.interval(-1.0, 1.0))
            kept.append(jnp.concatenate([jnp.zeros((1, *event_shape), dtype), share]))
        return tuple(strengths), tuple(angles), tuple(kept)

    def coupled_params(
        self, parts: Sequence[tuple[str, tuple[int, ...], Any]]
    ) -> tuple[tuple[coupled.Network, coupled.Network], ...]:
        """Networks of the momentum and of the position, of each part, with a leading axis of K; none if not coupled."""
        found = []
        for part, event_shape, dtype in parts if self.transition == "coupled" else ():
            size, params = math.prod(event_shape), {}
            for name, shape in coupled.shapes(size).items():
                deviation = coupled.initial_deviation(name, size)
                start = functools.partial(_normal_start, (self.num_steps, *shape), deviation, dtype)
                params[name] = numpyro.param(f"{self.prefix}_{part}{name}", start)
            found.append(coupled.networks(params))
        return tuple(found)

    def share_logits(self) -> Array:
        """Of the shares pi_k of the path's points."""
        return numpyro.param(f"{self.prefix}_shares", jnp.zeros(self.num_steps + 1))

    def cooling(self) -> Array:
        """alpha_1..alpha_K, the present cooling factors; registers their parameters."""
        num_steps, name = self.num_steps, f"{self.prefix}_cooling"
        if self.tempering == "none":
            return jnp.ones(num_steps)
        if self.tempering == "free":
            start = jnp.full(num_steps, hamiltonian.initial_cooling(num_steps))
            return numpyro.param(name, start, constraint=constraints.unit_interval)
        if callable(self.tempering):
            return _checked_cooling(self.tempering(num_steps), num_steps)
        schedule = hamiltonian.fixed_root if self.tempering == "fixed" else hamiltonian.quadratic_root
        start = jnp.sqrt(jnp.asarray(self.initial_temperature, jnp.result_type(float)))
        root = numpyro.param(f"{self.prefix}_temperature", start, constraint=constraints.greater_than(1.0))
        roots = schedule(xp, root, jnp.linspace(0.0, 1.0, num_steps + 1, dtype=root.dtype))
        return roots[1:] / roots[:-1]

    def step_size(self, site: str, params: dict[str, Any]) -> Array:
        """The step sizes of a site: of shape (), of its unconstrained event's shape, or with a leading axis of K.

        :param params: as `SVI.get_params` returns them.
        :raises ValueError: for a site of which `params` has none.
        """
        name = self._step_size_of(site)
        if name not in params:
            raise ValueError(f"HVAE: no step size of {site!r} among the parameters {sorted(params)}")
        return params[name]

    def _step_size_of(self, site: str) -> str:
        return f"{self.prefix}_{site}_step_size"

    def _step_sizes(self, live: LiveModel) -> tuple[Array, ...]:
        """Of each site, with a leading axis of K."""
        sizes = []
        for latent in live.latents:
            shapes = {"scalar": (), "dim": latent.event_shape, "step": (self.num_steps, *latent.event_shape)}
            size = numpyro.param(
                self._step_size_of(latent.name),
                jnp.full(shapes[self.step_size_shape], self.initial_step_size),
                constraint=constraints.interval(0.0, self.max_step_size),
            )
            if self.step_size_shape != "step":
                size = jnp.broadcast_to(size, (self.num_steps, *jnp.shape(size)))
            sizes.append(size.astype(latent.position.dtype))
        return tuple(sizes)

    def _momentum(self, drawn: Drawn, latent: Latent, log_cooling: Array) -> Array:
        position = latent.position
        deviation = jnp.exp(-log_cooling).astype(position.dtype)
        distribution = dist.Normal(jnp.zeros_like(position), deviation).to_event(len(latent.event_shape))
        with Inside(drawn):
            return numpyro.sample(f"{self.prefix}_momentum_{latent.name}", distribution, infer={"is_auxiliary": True})

    def _emit(self, drawn: Drawn, site: Any, term: Array) -> Array:
        """The model's latent, and the flow's term in the guide's density as a site of its own.

        Not as the `log_density` of the Delta, so that no estimator can take it for a part of KL(Delta, p).
        """
        delta = dist.Delta(finite_slopes(site["value"]), event_dim=site["fn"].event_dim)
        with Inside(drawn):
            factor(f"{self.prefix}_flow_{site['name']}", term)
            return numpyro.sample(site["name"], delta)

    def _move(
        self,
        live: LiveModel,
        z0: tuple[Array, ...],
        rho0: tuple[Array, ...],
        units: tuple[Array, ...],
        alphas: Array,
    ) -> Path:
        steps = _Steps(live, units)

        def step(state, now):
            alpha, sizes = now
            eps = tuple(size * unit for size, unit in zip(sizes, units, strict=True))
            (z, rho, g, energy), error, out = steps.take(state, eps)
            return (z, tuple(r * alpha.astype(r.dtype) for r in rho), g, energy), (error, out)

        body = jax.checkpoint(step) if self.checkpoint else step
        start = (z0, rho0, *steps.start(z0))
        (z, rho, _, _), (errors, rejected) = lax.scan(body, start, (alphas, self._step_sizes(live)))
        return Path(live, z, rho, errors, jnp.mean(rejected), alphas)


class Path(NamedTuple):
    """Where a trajectory led; positions and momenta are one array per latent site."""

    live: LiveModel
    z: tuple[Array, ...]
    rho: tuple[Array, ...]
    energy_errors: Array
    """of the K steps, before cooling, over all data"""
    rejected: Array
    """the share of steps rejected"""
    alphas: Array


def _normal_start(shape: tuple[int, ...], deviation: float, dtype: Any, key: Array) -> Array:
    return deviation * jax.random.normal(key, shape, dtype)


def _checked_cooling(returned: Any, num_steps: int) -> Array:
    alphas = tuple(returned)
    if not any(isinstance(alpha, jax.core.Tracer) for alpha in alphas):
        alphas = settings.check_cooling(tuple(float(alpha) for alpha in alphas), num_steps)
    elif len(alphas) != num_steps:
        raise ValueError(f"HVAE: tempering(num_steps) must return {num_steps} factors, got {len(alphas)}")
    return jnp.stack([jnp.asarray(alpha, jnp.result_type(float)) for alpha in alphas])


@custom_vmap
def _any(condition: Array) -> Array:
    """`jnp.any`, over the axes of `vmap` too: a predicate that stays one, so that `cond` stays a branch."""
    return jnp.any(condition)


@_any.def_vmap
def _any_in_batch(axis_size, in_batched, condition):
    return _any(condition), False


class _Steps:
    """Leapfrog steps; a system that diverges stays where it is, and its momentum is flipped.

    The step followed by turning is its own inverse, and so is staying, if the test is the same from either end: the
    energy's change is, but for its sign.  Turning once more, the map remains one-to-one and its Jacobian 1, whatever
    the limit.  Without turning, two starts could end in one point, and E[w] would not be p(x).
    """

    def __init__(self, live: LiveModel, units: tuple[Array, ...]) -> None:
        self.live, self.units = live, lax.stop_gradient(units)

    def start(self, z: tuple[Array, ...]) -> tuple[tuple[Array, ...], Array]:
        """Gradient and energies at the first position; where they are not finite, a system never moves."""
        g, energy = self.live.gradient(z, self.units)
        bad = [sum_to(sum_event(~jnp.isfinite(x), latent.batch_ndim), self.live.dims) for x, latent in self._each(g)]
        energy = jnp.where(functools.reduce(jnp.add, bad) > 0, jnp.inf, energy)
        self.limit = hamiltonian.MAX_ENERGY_CHANGE * self.live.size / energy.size
        return tuple(jnp.where(jnp.isfinite(x), x, 0.0) for x in g), energy

    def take(self, state: State, eps: tuple[Array, ...]) -> tuple[State, Array, Array]:
        """The state after one step, the energy's change over all systems, and the share of systems rejected."""
        z, rho, g, energy = state
        still = jnp.isfinite(energy) & self._tried(*lax.stop_gradient((state, eps)))
        # Steps of 0 where a trial went wrong: no NaN enters a formula that will be differentiated.
        eps = self._where(still, eps, tuple(jnp.zeros_like(h) for h in eps))
        (there, moved, after), reached = self._leap(z, rho, g, eps)
        change = self._change(rho, energy, moved, reached)
        good = still & (jnp.abs(change) <= self.limit)  # NaN is not good
        turned = tuple(-r for r in rho)
        z, rho, g = self._where(good, there, z), self._where(good, moved, turned), self._where(good, after, g)
        state = (z, rho, g, jnp.where(good, reached, energy))
        return state, jnp.sum(jnp.where(good, change, 0.0)), 1.0 - jnp.mean(good, dtype=change.dtype)

    def _leap(self, z: Any, rho: Any, g: Any, eps: Any, *, detached: bool = False) -> tuple[Any, Array]:
        energies = []

        def gradient(position):
            slopes, energy = self.live.gradient(position, self.units, detached=detached)
            energies.append(energy)
            return slopes

        return hamiltonian.leapfrog(z, rho, g, eps, gradient), energies[0]

    def _tried(self, state: State, eps: tuple[Array, ...]) -> Array:
        """Which systems a trial finds good, if any would go far; the same test, afterwards, finds the others."""
        z, rho, g, energy = state

        def trial():
            (_, moved, _), reached = self._leap(z, rho, g, eps, detached=True)
            return jnp.abs(self._change(rho, energy, moved, reached)) <= self.limit

        drifts = [h * (p - 0.5 * h * s) for p, s, h in zip(rho, g, eps, strict=True)]
        near = [jnp.all(jnp.abs(d) <= _TRIED_FROM * u) for d, u in zip(drifts, self.units, strict=True)]
        return lax.cond(_any(~jnp.stack(near)), trial, lambda: jnp.ones_like(energy, bool))

    def _change(self, rho: tuple[Array, ...], energy: Array, moved: tuple[Array, ...], reached: Array) -> Array:
        """Of U + |rho|^2/2 of each system, each site's momenta in the site's own scale."""
        change = reached - energy
        for (r, latent), after in zip(self._each(lax.stop_gradient(rho)), lax.stop_gradient(moved), strict=True):
            gain = sum_event(0.5 * latent.scaled(after**2 - r**2), latent.batch_ndim)
            change = change + sum_to(gain, self.live.dims).astype(change.dtype)
        return change

    def _where(self, good: Array, new: tuple[Array, ...], old: tuple[Array, ...]) -> tuple[Array, ...]:
        """The new arrays of the systems that are good, the old ones of the others."""
        kept = []
        for (x, latent), y in zip(self._each(new), old, strict=True):
            flags = good.reshape(good.shape[max(good.ndim - latent.batch_ndim, 0) :])
            kept.append(jnp.where(event_last(flags, len(latent.event_shape)), x, y))
        return tuple(kept)

    def _each(self, arrays: tuple[Array, ...]) -> Any:
        return zip(arrays, self.live.latents, strict=True)
