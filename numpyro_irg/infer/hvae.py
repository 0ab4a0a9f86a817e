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
from numpyro.infer.autoguide import AutoContinuous, AutoGuide

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
    log-joint.  Each call runs the model at its own arguments and parameters.  A decoder with smooth activations
    (softplus, tanh, GELU) suits better than ReLU, which has no curvature.

    A path stops where its next step would diverge: where position or gradient would not be finite, or the energy would
    rise by more than 10 nats per dimension.  It stays there, without further steps; `diagnostics` counts such paths.
    The weight's mean then is p(x) up to the probability, under the posterior, of points from which a step diverges.

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
        path = self._move(live, z0, rho0, units, alphas)
        values = {}
        for latent, rho, (site, log_det) in zip(live.latents, path.rho, live.place(path.z), strict=True):
            size = math.prod(latent.event_shape)
            ahead = sum_event(dist.Normal(jnp.zeros_like(rho), 1.0).log_prob(rho), latent.batch_ndim)
            term = latent.log_det - log_det - ahead - size * log_cooling.astype(rho.dtype)
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
        schedule = hamiltonian.fixed_root if self.tempering == "fixed" else hamiltonian.quadratic_root
        start = jnp.sqrt(jnp.asarray(self.initial_temperature, jnp.result_type(float)))
        root = numpyro.param(f"{self.prefix}_temperature", start, constraint=constraints.greater_than(1.0))
        roots = schedule(xp, root, jnp.linspace(0.0, 1.0, num_steps + 1, dtype=root.dtype))
        return roots[1:] / roots[:-1]

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
        guard = _Guard(live, units)
        g0, alive = guard.start(live.gradient(z0))

        def step(state, now):
            (z, rho, g, alive), (alpha, sizes) = state, now
            eps = tuple(size * unit for size, unit in zip(sizes, units, strict=True))
            z, rho, g, alive = guard.step(z, rho, g, eps, alive)
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
    """whether all steps were taken, for each element of the site's batch"""
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
    automatic = isinstance(guide, AutoGuide)  # its transform is the support's
    if isinstance(fn, dist.TransformedDistribution) and (
        automatic or list(fn.transforms) == [biject_to(latent.support)]
    ):
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
    """Takes steps, element by element only those that do not diverge.

    A step that is not taken is one of size 0, a shear as any other.  What is not finite is replaced before it enters a
    formula that will be differentiated.
    """

    def __init__(self, live: LiveModel, units: tuple[Array, ...]) -> None:
        self.live, self.units = live, lax.stop_gradient(units)
        self.shapes = [latent.batch_shape for latent in live.latents]

    def start(self, g: tuple[Array, ...]) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        """The first gradient, and the elements that may move: those where it is finite."""
        finite = tuple(jnp.isfinite(x) for x in g)
        everywhere = tuple(jnp.ones(shape, bool) for shape in self.shapes)
        clean = tuple(jnp.where(f, x, 0.0) for f, x in zip(finite, g, strict=True))
        return clean, self._agree(everywhere, finite, tuple(jnp.zeros_like(x) for x in g))

    def step(
        self,
        z: tuple[Array, ...],
        rho: tuple[Array, ...],
        g: tuple[Array, ...],
        eps: tuple[Array, ...],
        alive: tuple[Array, ...],
    ) -> tuple[tuple[Array, ...], tuple[Array, ...], tuple[Array, ...], tuple[Array, ...]]:
        """Positions, momenta and gradients after one leapfrog step, and the elements that have taken all so far."""
        alive = self._tried(*lax.stop_gradient((z, rho, g, eps)), alive)
        eps = self._keep(alive, eps, tuple(jnp.zeros_like(h) for h in eps))
        there, moved, after = hamiltonian.leapfrog(z, rho, g, eps, self.live.gradient)
        finite = tuple(jnp.isfinite(x) for x in after)
        alive = self._agree(alive, finite, self._errors(eps, g, after))
        return self._keep(alive, there, z), self._keep(alive, moved, rho), self._keep(alive, after, g), alive

    def _tried(
        self,
        z: tuple[Array, ...],
        rho: tuple[Array, ...],
        g: tuple[Array, ...],
        eps: tuple[Array, ...],
        alive: tuple[Array, ...],
    ) -> tuple[Array, ...]:
        """Without the elements that a trial finds to diverge, if any would go far; the others are found afterwards."""
        eps = self._keep(alive, eps, tuple(jnp.zeros_like(h) for h in eps))
        there = tuple(x + h * (p - 0.5 * h * s) for x, p, s, h in zip(z, rho, g, eps, strict=True))
        near = [jnp.abs(y - x) <= _TRIED_FROM * u for x, y, u in zip(z, there, self.units, strict=True)]

        def trial():
            finite = [jnp.isfinite(y) for y in there]
            safe = tuple(jnp.where(f, y, x) for f, y, x in zip(finite, there, z, strict=True))
            after = self.live.gradient(safe, detached=True)
            well = tuple(f & jnp.isfinite(s) for f, s in zip(finite, after, strict=True))
            return self._agree(alive, well, self._errors(eps, g, after))

        far = _any(~jnp.stack([jnp.all(n) for n in near]))
        return lax.cond(far, trial, lambda: alive)

    @staticmethod
    def _errors(eps: tuple[Array, ...], before: tuple[Array, ...], after: tuple[Array, ...]) -> tuple[Array, ...]:
        return tuple(hamiltonian.energy_error(*each) for each in zip(*lax.stop_gradient((eps, before, after))))

    def _keep(self, alive: tuple[Array, ...], new: tuple[Array, ...], old: tuple[Array, ...]) -> tuple[Array, ...]:
        """The new arrays of elements that go on, the old ones of the others."""
        return tuple(
            jnp.where(event_last(a, jnp.ndim(x) - a.ndim), x, y) for a, x, y in zip(alive, new, old, strict=True)
        )

    def _agree(
        self, alive: tuple[Array, ...], finite: tuple[Array, ...], errors: tuple[Array, ...]
    ) -> tuple[Array, ...]:
        """The criterion, on all of an element's dimensions and all sites of one batch shape together."""
        well: dict[tuple[int, ...], Array] = {}
        excess: dict[tuple[int, ...], Array] = {}
        for shape, a, f, error in zip(self.shapes, alive, finite, errors, strict=True):
            a = a & jnp.all(f, axis=tuple(range(len(shape), jnp.ndim(f))))
            well[shape] = well[shape] & a if shape in well else a
            over = sum_event(error - hamiltonian.MAX_ENERGY_RISE, len(shape))
            excess[shape] = excess[shape] + over if shape in excess else over
        # a comparison with NaN is false
        return tuple(well[shape] & (excess[shape] <= 0.0) for shape in self.shapes)
