"""The Hamiltonian VAE guide."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import Array, lax
from jax.custom_batching import custom_vmap
from numpyro.distributions import biject_to, constraints
from numpyro.infer.autoguide import AutoContinuous

from irg_kernels import hamiltonian

from .. import xp
from .sites import Drawn, Inside, Latent, LiveModel, event_last, run_base, sum_event, unwrapped

__all__ = ["HVAE", "Path"]

# From this many base scales on, a step is tried out before it is differentiated; training stays far below.
_TRIED_FROM = 10.0


class HVAE:
    r"""A guide that refines another guide's draws by tempered Hamiltonian steps on the live model.

    From a base draw :math:`z_0` and a momentum :math:`\rho_0 \sim N(0, T_0)`, K leapfrog steps on
    :math:`U = -\log p(x, z)`, each followed by a cooling :math:`\rho \leftarrow \alpha_k \rho`, give
    :math:`z_K` and the weight

    .. math:: \log w = \log p(x, z_K) + \log N(\rho_K; 0, I) - \log q_0(z_0) - \log N(\rho_0; 0, T_0)
              - \tfrac{d}{2} \log T_0,

    whose mean is p(x).  Constrained sites move in the unconstrained space of their support.

        svi = SVI(model, HVAE(model, encoder, num_steps=5), numpyro.optim.Adam(1e-3), Trace_ELBO())

    Latents of a plate move by their own datum's terms, whatever the plate's subsampling; all others by the scaled
    log-joint.  Each call runs the model at its own arguments and parameters.  A path whose position or gradient is not
    finite, or which leaves by more than 1000 base scales, stays where it last was well; `diagnostics` counts those.
    The weight's mean then is p(x) up to the probability of the positions that well-behaved paths share with stopped
    ones.  A decoder with smooth activations (softplus, tanh, GELU) suits better than ReLU, which has no curvature.

    Parameters: ``{prefix}_{site}_step_size``, ``{prefix}_temperature`` (the root of T0; "fixed", "quadratic") and
    ``{prefix}_cooling`` ("free").

    Source: Caterini, Doucet, Sejdinovic, Hamiltonian Variational Auto-Encoder, 2018, algorithm 1.

    :param model: the model, a callable of the arguments that the guide is called with.
    :param guide: the base: any guide with reparameterized sites for the model's latents.
    :param num_steps: K >= 0 leapfrog steps, K + 1 gradients of the model; 0 is the base guide itself.
    :param step_size: where the learned step sizes start, in units of the base's scale (its standard deviation where a
        site's law is Normal in unconstrained space, else 1).
    :param max_step_size: their upper bound.
    :param step_size_shape: "dim" for one per dimension of a site's event, "step" for one per step and dimension,
        "scalar".
    :param tempering: "none"; "fixed", the paper's schedule, quadratic in the root of the temperature, T0 learned;
        "quadratic", the same in the temperature itself (the paper's code); "free", all alphas learned; or a function
        from K to K cooling factors in (0, 1].
    :param initial_temperature: T0 of "fixed" and "quadratic" to begin with, above 1.
    :param prefix: of the names of the guide's own sites and parameters.
    :param checkpoint: recompute each step in the backward pass: memory for one step instead of K.
    :raises ValueError: for settings out of bounds; when called, for latents that the base misses, adds, or draws
        without reparameterization, for discrete latents, and for a model without latents.
    """

    def __init__(
        self,
        model: Callable,
        guide: Callable,
        *,
        num_steps: int,
        step_size: float = 0.1,
        max_step_size: float = 0.5,
        step_size_shape: str = "dim",
        tempering: str | Callable = "none",
        initial_temperature: float = 2.0,
        prefix: str = "hvae",
        checkpoint: bool = False,
    ) -> None:
        hamiltonian.check_settings(num_steps, step_size, max_step_size, step_size_shape, tempering, initial_temperature)
        self.model, self.guide, self.num_steps, self.prefix = model, guide, num_steps, prefix
        self.step_size, self.max_step_size, self.step_size_shape = step_size, max_step_size, step_size_shape
        self.tempering, self.initial_temperature, self.checkpoint = tempering, initial_temperature, checkpoint
        self._observed: frozenset[str] = frozenset()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.num_steps == 0:
            return self.guide(*args, **kwargs)
        return self.refine(*args, **kwargs)[0]

    def refine(self, *args: Any, **kwargs: Any) -> tuple[dict[str, Array], Path]:
        """The latents and the path that led to them; in place of a call, under the handlers that a guide needs."""
        base, laws = run_base(self.guide, self.prefix, args, kwargs)
        live = LiveModel(self.model, args, kwargs, base, self._observed)
        self._observed |= live.observed
        units = _units(self.guide, laws, live.latents)
        alphas = self.cooling()
        log_cooling = jnp.sum(jnp.log(alphas))
        z0 = tuple(latent.position for latent in live.latents)
        rho0 = tuple(self._momentum(base.sites[latent.name], latent, log_cooling) for latent in live.latents)
        start = live.place(z0)
        path = self._move(live, z0, rho0, units, alphas)
        values = {}
        for latent, rho, (_, before), (site, after) in zip(live.latents, path.rho, start, live.place(path.z)):
            batch_ndim, size = latent.batch_ndim, math.prod(latent.event_shape)
            ahead = sum_event(dist.Normal(jnp.zeros_like(rho), 1.0).log_prob(rho), batch_ndim)
            term = before - after - ahead - size * log_cooling.astype(rho.dtype)
            values[latent.name] = self._emit(base.sites[latent.name], site, term)
        return values, path

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
        schedule = hamiltonian.fixed_tempering if self.tempering == "fixed" else hamiltonian.quadratic_tempering
        start = jnp.sqrt(jnp.asarray(self.initial_temperature, jnp.result_type(float)))
        root = numpyro.param(f"{self.prefix}_temperature", start, constraint=constraints.greater_than(1.0))
        return jnp.stack(schedule(xp, root, num_steps))

    def _step_sizes(self, live: LiveModel) -> tuple[Array, ...]:
        """Of each site, with a leading axis of K."""
        sizes = []
        for latent in live.latents:
            shapes = {"scalar": (), "dim": latent.event_shape, "step": (self.num_steps, *latent.event_shape)}
            size = numpyro.param(
                f"{self.prefix}_{latent.name}_step_size",
                jnp.full(shapes[self.step_size_shape], self.step_size),
                constraint=constraints.interval(0.0, self.max_step_size),
            )
            if self.step_size_shape != "step":
                size = jnp.broadcast_to(size, (self.num_steps, *jnp.shape(size)))
            sizes.append(size.astype(latent.position.dtype))
        return tuple(sizes)

    def _momentum(self, drawn: Drawn, latent: Latent, log_cooling: Array) -> Array:
        position = latent.position
        deviation = jnp.exp(-log_cooling).astype(position.dtype)
        law = dist.Normal(jnp.zeros_like(position), deviation).to_event(len(latent.event_shape))
        with Inside(drawn):
            return numpyro.sample(f"{self.prefix}_momentum_{latent.name}", law, infer={"is_auxiliary": True})

    def _emit(self, drawn: Drawn, site: Any, term: Array) -> Array:
        """The model's latent, and the flow's term in the guide's density as a site of its own.

        Not as the `log_density` of the Delta, so that no estimator can take it for a part of KL(Delta, p).
        """
        name, value = site["name"], site["value"]
        with Inside(drawn):
            flow = _Factor(term)
            auxiliary = {"is_auxiliary": True}
            numpyro.sample(f"{self.prefix}_flow_{name}", flow, obs=flow.sample(None), infer=auxiliary)
            return numpyro.sample(name, dist.Delta(value, event_dim=site["fn"].event_dim))

    def _move(
        self,
        live: LiveModel,
        z0: tuple[Array, ...],
        rho0: tuple[Array, ...],
        units: tuple[Array, ...],
        alphas: Array,
    ) -> Path:
        guard = _Guard(live, z0, units)
        g0, alive = guard.settle(live.gradient(z0), guard.everywhere())

        def step(state, now):
            z, rho, g, alive = state
            alpha, sizes = now
            eps = tuple(size * unit for size, unit in zip(sizes, units, strict=True))
            eps, alive = guard.admit(z, rho, g, eps, alive)
            old = z, rho
            z, rho, g = hamiltonian.leapfrog(z, rho, g, eps, live.gradient)
            g, alive = guard.settle(g, alive)
            z, rho = (guard.keep(alive, new, before) for new, before in zip((z, rho), old, strict=True))
            cooled = tuple(r * alpha.astype(r.dtype) for r in rho)
            return (z, cooled, g, alive), (z, rho)

        body = jax.checkpoint(step) if self.checkpoint else step
        (z, rho, _, alive), (positions, momenta) = lax.scan(
            body, (z0, rho0, g0, alive), (alphas, self._step_sizes(live))
        )
        return Path(live, z0, rho0, z, rho, alive, positions, momenta, alphas)


class Path(NamedTuple):
    """A trajectory; a field is a tuple of arrays, one per latent site, or has a leading axis of the K steps."""

    live: LiveModel
    z0: tuple[Array, ...]
    rho0: tuple[Array, ...]
    z: tuple[Array, ...]
    rho: tuple[Array, ...]
    alive: tuple[Array, ...]
    """whether all steps were taken, of the site's batch shape"""
    positions: tuple[Array, ...]
    """after each step"""
    momenta: tuple[Array, ...]
    """after each step, before its cooling"""
    alphas: Array


class _Factor(dist.Unit):
    """numpyro.factor, but reparameterized: `TraceGraph_ELBO` stops the gradient of a Unit's log-factor."""

    reparametrized_params = ["log_factor"]


def _checked_cooling(returned: Any, num_steps: int) -> Array:
    alphas = tuple(returned)
    if not any(isinstance(alpha, jax.core.Tracer) for alpha in alphas):
        alphas = hamiltonian.check_cooling(tuple(float(alpha) for alpha in alphas), num_steps)
    elif len(alphas) != num_steps:
        raise ValueError(f"HVAE: tempering(num_steps) must return {num_steps} factors, got {len(alphas)}")
    return jnp.stack([jnp.asarray(alpha, jnp.result_type(float)) for alpha in alphas])


def _units(guide: Callable, laws: Mapping[str, Any], latents: list[Latent]) -> tuple[Array, ...]:
    """The base's standard deviation in each latent's unconstrained space, where its law tells, else ones."""
    return tuple(_unit(guide, laws, latent) for latent in latents)


def _unit(guide: Callable, laws: Mapping[str, Any], latent: Latent) -> Array:
    ones = jnp.ones_like(latent.position)
    fn = unwrapped(laws[latent.name])
    if isinstance(fn, dist.TransformedDistribution) and list(fn.transforms) == [biject_to(latent.support)]:
        fn = unwrapped(fn.base_dist)
    if isinstance(fn, dist.Normal):
        scale = fn.scale
    elif isinstance(guide, AutoContinuous) and f"_{guide.prefix}_latent" in laws:
        joint = unwrapped(laws[f"_{guide.prefix}_latent"])
        if not isinstance(joint, dist.Normal | dist.MultivariateNormal | dist.LowRankMultivariateNormal):
            return ones
        scale = guide._unpack_latent(jnp.sqrt(joint.variance))[latent.name]
    else:
        return ones
    shape = jnp.shape(latent.position)
    if jnp.ndim(scale) > len(shape) or jnp.broadcast_shapes(jnp.shape(scale), shape) != shape:
        return ones
    return jnp.broadcast_to(scale, shape).astype(latent.position.dtype)


@custom_vmap
def _any(condition: Array) -> Array:
    """`jnp.any`, over the axes of `vmap` too: a predicate that stays one, so that `cond` stays a branch."""
    return jnp.any(condition)


@_any.def_vmap
def _any_in_batch(axis_size, in_batched, condition):
    return _any(condition), False


class _Guard:
    """Decides element by element which paths go on.

    A step that is left out is one of step size 0, a shear as any other.  What is not finite is replaced before it
    enters a formula that will be differentiated.
    """

    def __init__(self, live: LiveModel, z0: tuple[Array, ...], units: tuple[Array, ...]) -> None:
        self.live = live
        self.z0, self.units = lax.stop_gradient((z0, units))
        self.batch_ndims = [latent.batch_ndim for latent in live.latents]
        self.shapes = [latent.batch_shape for latent in live.latents]

    def everywhere(self) -> tuple[Array, ...]:
        return tuple(jnp.ones(shape, bool) for shape in self.shapes)

    def keep(self, alive: tuple[Array, ...], new: tuple[Array, ...], old: tuple[Array, ...]) -> tuple[Array, ...]:
        """The new arrays of paths that go on, the old ones of the others."""
        return tuple(
            jnp.where(event_last(a, jnp.ndim(x) - n), x, y)
            for a, n, x, y in zip(alive, self.batch_ndims, new, old, strict=True)
        )

    def _together(self, good: tuple[Array, ...], alive: tuple[Array, ...]) -> tuple[Array, ...]:
        """All of an element's dimensions at once, and all sites of one batch shape."""
        each = [
            a & jnp.all(x, axis=tuple(range(n, jnp.ndim(x))))
            for x, a, n in zip(good, alive, self.batch_ndims, strict=True)
        ]
        joint: dict[tuple[int, ...], Array] = {}
        for shape, a in zip(self.shapes, each, strict=True):
            joint[shape] = joint[shape] & a if shape in joint else a
        return tuple(joint[shape] for shape in self.shapes)

    def settle(self, g: tuple[Array, ...], alive: tuple[Array, ...]) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        """A gradient without what is not finite, and the paths where all of it was finite."""
        finite = tuple(jnp.isfinite(x) for x in g)
        return tuple(jnp.where(f, x, 0.0) for f, x in zip(finite, g, strict=True)), self._together(finite, alive)

    def admit(
        self,
        z: tuple[Array, ...],
        rho: tuple[Array, ...],
        g: tuple[Array, ...],
        eps: tuple[Array, ...],
        alive: tuple[Array, ...],
    ) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        """The step sizes, 0 where the step would lead astray, and the paths where it would not."""
        here, r, slope, e = lax.stop_gradient((z, rho, g, eps))
        there = tuple(x + h * (p - 0.5 * h * s) for x, p, s, h in zip(here, r, slope, e, strict=True))
        away = tuple(jnp.abs(x - x0) / u for x, x0, u in zip(there, self.z0, self.units, strict=True))
        # a comparison with NaN is false
        alive = self._together(tuple(d <= hamiltonian.MAX_DISPLACEMENT for d in away), alive)
        far = _any(
            jnp.stack([jnp.any(jnp.where(d <= hamiltonian.MAX_DISPLACEMENT, d, 0.0) > _TRIED_FROM) for d in away])
        )

        def tried():
            slopes = self.live.gradient(self.keep(alive, there, here), detached=True)
            return self._together(tuple(jnp.isfinite(s) for s in slopes), alive)

        alive = lax.cond(far, tried, lambda: alive)
        return self.keep(alive, eps, tuple(jnp.zeros_like(h) for h in eps)), alive
