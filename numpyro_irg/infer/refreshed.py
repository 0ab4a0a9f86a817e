"""One call of the Hamiltonian guide whose momenta are refreshed, in the base's own coordinates."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import Array, lax
from numpyro.distributions.util import scale_and_mask
from numpyro.handlers import trace

from irg_kernels.inference import coupled, refreshed, transport

from ..attach import NATIVE
from .bijections import finite_slopes
from .coordinates import location_and_scale
from .masks import factor, is_lifted, taken
from .sites import BaseSites, Drawn, Inside, LiveModel, event_last, sum_event, sum_to, weighted
from .transport import AutoTransport


class _Part(NamedTuple):
    """Some coordinates u of a system: those of a latent, or of all of them at once."""

    name: str
    u: Array
    batch_ndim: int
    drawn: Drawn
    """the base's site whose plates, scale and mask they share"""

    @property
    def event_shape(self) -> tuple[int, ...]:
        return jnp.shape(self.u)[self.batch_ndim :]

    def total(self, x: Array, dims: frozenset[int]) -> Array:
        """The sum over each system of an array of the shape of u, scaled and masked."""
        return sum_to(scale_and_mask(sum_event(x, self.batch_ndim), self.drawn.scale, self.drawn.mask), dims)

    def spread(self, x: Array) -> Array:
        """A number of each system, for each of the coordinates."""
        return event_last(x.reshape(x.shape[max(x.ndim - self.batch_ndim, 0) :]), len(self.event_shape))


class Points(NamedTuple):
    """What became of a path, for `diagnostics`; one entry for each of its K + 1 points."""

    live: LiveModel
    shares: Array
    """how often each point is the draw"""
    energy_errors: Array
    """of the K steps, over all systems"""
    rho: tuple[Array, ...]
    not_finite: Array
    """share of points at which the model has no finite density"""
    log_jacobians: Array
    """of the K steps, over all systems; without couplings 0"""


class _Coordinates:
    """u of each part, and z of each latent as a function of it."""

    def __init__(self, base: BaseSites, live: LiveModel, guide: Any, distributions: Mapping[str, Any]) -> None:
        self.live, self.guide, self.to = live, guide, None
        if isinstance(guide, AutoTransport):
            self.to = guide.transport()
            joint = base.sites[f"_{guide.prefix}_latent"]
            (u, _), *_ = joint.intermediates
            self.parts = [_Part("", u, jnp.ndim(u) - 1, joint)]
            return
        self.normal = [location_and_scale(guide, distributions, latent) for latent in live.latents]
        self.parts = [
            _Part(f"{at.name}_", (at.position - loc) / scale, at.batch_ndim, base.sites[at.name])
            for at, (loc, scale) in zip(live.latents, self.normal, strict=True)
        ]

    def carried(self, u: tuple[Array, ...]) -> tuple[tuple[Array, ...], Array | float]:
        """Unconstrained positions, and the log-Jacobian of each system, up to a constant."""
        if self.to is None:
            return tuple(loc + scale * x for (loc, scale), x in zip(self.normal, u, strict=True)), 0.0
        z, log_det = transport.carried(NATIVE, u[0], self.to)
        unpacked = self.guide._unpack_latent(z)
        return tuple(unpacked[name] for name in self.live.names), log_det


class _Run:
    """Systems, their dimensions `dims`, and the scale that all their terms have in common, None if they have not."""

    def __init__(self, guide: Any, base: BaseSites, live: LiveModel, at: _Coordinates) -> None:
        self.guide, self.live, self.at, self.parts = guide, live, at, at.parts
        frames = [{(f.name, f.dim) for f in site.frames} for site in base.sites.values()]
        self.shared = live.shared.intersection(*frames)
        self.dims = frozenset(dim for _, dim in self.shared | live.outside)
        self.scale = _common([*live.scales, *(site.scale for site in base.sites.values())])
        count = self.sum([jnp.ones_like(part.u) for part in self.parts])
        self.count = jnp.where(count > 0.0, count, 1.0)
        self.outside = Drawn(
            dist.Unit(0.0),
            [f for f in self.parts[0].drawn.frames if (f.name, f.dim) in self.shared],
            self.scale,
            True,
            True,
        )

    def total(self, x: Array, part: _Part) -> Array:
        return part.total(x, self.dims)

    def sum(self, arrays: Any) -> Array:
        """Of all parts, over each system."""
        return functools.reduce(jnp.add, [self.total(x, part) for x, part in zip(arrays, self.parts, strict=True)])

    def log_density(self, u: tuple[Array, ...], *, detached: bool = False) -> Array:
        """Of each system in the base's coordinates, up to a constant."""
        # far out the density may be finite and its slope not
        z, log_det = self.at.carried(tuple(finite_slopes(x, jnp.ones_like(x)) for x in u))
        z = tuple(map(finite_slopes, z))
        return (
            functools.reduce(jnp.add, [sum_to(t, self.dims) for t in self.live.terms(z, detached=detached)]) + log_det
        )

    def look(self, u: tuple[Array, ...]) -> tuple[Array, Array, tuple[Array, ...]]:
        """(which systems have a density here, their log-densities, residual forces)."""
        fine = jnp.isfinite(lax.stop_gradient(self.log_density(lax.stop_gradient(u), detached=True)))
        # no NaN enters a formula that will be differentiated
        safe = tuple(jnp.where(part.spread(fine), x, 0.0) for x, part in zip(u, self.parts, strict=True))

        def joint(u):
            systems = self.log_density(u)
            return jnp.sum(systems), systems

        (_, systems), slopes = jax.value_and_grad(joint, has_aux=True)(safe)
        # a datum's latent moves by the datum's own terms
        slopes = [_unscaled(s, part) for s, part in zip(slopes, self.parts, strict=True)]
        square = self.sum([s * s for s in slopes])
        forces = []
        for s, x, part in zip(slopes, safe, self.parts, strict=True):
            force = refreshed.tamed(NATIVE, s, part.spread(square), part.spread(self.count)) + x
            forces.append(jnp.where(part.spread(fine), force, 0.0))
        return fine, jnp.where(fine, systems, refreshed.IMPOSSIBLE), tuple(forces)

    def start_log_det(self, base: BaseSites) -> Array:
        """Log-Jacobian from the base's own coordinates to its values, at the start."""
        total = jnp.asarray(self.at.carried(tuple(part.u for part in self.parts))[1])
        for latent in self.live.latents:
            drawn = base.sites[latent.name]
            total = total + sum_to(scale_and_mask(latent.log_det, drawn.scale, drawn.mask), self.dims)
        return total

    def path(self, xi: tuple[Array, ...]) -> tuple[tuple[Array, ...], Array, Array, tuple[Array, ...], Array, Array]:
        """Points (K + 1, ...), their log-weights but for the base's density, log-densities, momenta, which are fine,
        and the log-Jacobians of the steps that led there."""
        parts = [(part.name, part.event_shape, part.u.dtype) for part in self.parts]
        learned = self.of_each_datum(*self.guide.refreshed_params(parts))
        # the start is a step that goes nowhere, for the model is compiled where it is written
        steps = jax.tree.map(
            lambda a: jnp.concatenate([jnp.zeros_like(a[:1]), a]), (xi, learned, self.guide.coupled_params(parts))
        )

        def step(state, now):
            u, rho, force, gained = state
            noise, (strength, angle, kept), networks = now
            new = [refreshed.renewal(NATIVE, share) * x for share, x in zip(kept, noise, strict=True)]
            half = [0.5 * x for x in strength]
            rho = tuple(refreshed.refresh(*args) for args in zip(rho, kept, new, strict=True))
            before = rho
            rho = tuple(refreshed.kick(*args) for args in zip(rho, half, force, strict=True))
            stretched = jnp.zeros_like(gained)
            if networks:
                rho, stretched = self.coupled(rho, (u, force), [momentum for momentum, _ in networks])
            turned = [refreshed.turn(x, r, jnp.cos(a), jnp.sin(a)) for x, r, a in zip(u, rho, angle, strict=True)]
            u, rho = tuple(x for x, _ in turned), tuple(r for _, r in turned)
            if networks:
                u, more = self.coupled(u, (rho,), [position for _, position in networks])
                stretched = stretched + more
                gained = gained + stretched
            fine, density, force = self.look(u)
            rho = tuple(refreshed.kick(*args) for args in zip(rho, half, force, strict=True))
            gained = gained + self.sum([0.5 * (b * b - r * r) for b, r in zip(before, rho, strict=True)])
            return (u, rho, force, gained), (u, density, gained, rho, fine, stretched)

        body = jax.checkpoint(step) if self.guide.checkpoint else step
        start = tuple(part.u for part in self.parts)
        still = tuple(map(jnp.zeros_like, start))
        gained = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), jax.eval_shape(self.look, start)[1])
        state = start, still, still, gained + 0.0 * self.count
        # two points in a row take a fifth less time than a loop of them, and no longer to compile; more take longer
        unroll = 2 if self.guide.num_steps == 1 else 1
        _, (u, densities, gained, rho, fine, stretched) = lax.scan(body, state, steps, unroll=unroll)
        return u, densities + gained, densities, rho, fine, stretched[1:]

    def coupled(
        self, moved: tuple[Array, ...], given: tuple[tuple[Array, ...], ...], networks: list[coupled.Network]
    ) -> tuple[tuple[Array, ...], Array]:
        """Positions or momenta coupled to what is given, part by part, and the log-Jacobian of each system."""
        pairs = [
            coupled.couple(NATIVE, x, tuple(seen), network, part.batch_ndim)
            for x, *seen, network, part in zip(moved, *given, networks, self.parts, strict=True)
        ]
        return tuple(x for x, _ in pairs), self.sum([log_scale for _, log_scale in pairs])

    def of_each_datum(
        self, strengths: tuple[Array, ...], angles: tuple[Array, ...], kept: tuple[Array, ...]
    ) -> tuple[tuple[Array, ...], ...]:
        """What was learned, and the user's coefficients added to it."""
        if self.guide.coefficients is None:
            return strengths, angles, kept
        with trace() as inner:
            found = self.guide.coefficients(*self.live.args, **self.live.kwargs)
        drawn = [name for name, site in inner.items() if site["type"] == "sample"]
        parts = {} if self.at.to is not None else dict(zip(self.live.names, self.parts, strict=True))
        num_steps = self.guide.num_steps
        shapes = {n: (*p.u.shape[: p.batch_ndim], num_steps, *p.event_shape) for n, p in parts.items()}
        refreshed.check_coefficients(found, shapes, jnp.shape, drawn)

        def added(values, which):
            sums = []
            for value, (name, part) in zip(values, parts.items(), strict=True):
                if name in found:
                    more = jnp.broadcast_to(jnp.asarray(found[name][which], value.dtype), shapes[name])
                    value = value.reshape((num_steps, *[1] * part.batch_ndim, *part.event_shape))
                    value = value + jnp.moveaxis(more, part.batch_ndim, 0)
                sums.append(value)
            return tuple(sums)

        return (added(strengths, 0), added(angles, 1), kept) if found else (strengths, angles, kept)


def _common(scales: list[Any]) -> Any:
    """1.0 or another number that all scales are; None if they differ, or are arrays."""
    numbers = {1.0 if scale is None else scale for scale in scales if scale is None or isinstance(scale, int | float)}
    plain = all(scale is None or isinstance(scale, int | float) for scale in scales)
    return numbers.pop() if plain and len(numbers) == 1 else None


def _log_prob(site: Drawn) -> Array:
    log_prob = site.fn.log_prob
    found = log_prob(site.value, site.intermediates) if site.intermediates else log_prob(site.value)
    return scale_and_mask(found, site.scale)


def _unscaled(x: Array, part: _Part) -> Array:
    if part.drawn.scale is None:
        return x
    scale = jnp.asarray(part.drawn.scale, x.dtype)
    return x / (event_last(scale, len(part.event_shape)) if scale.ndim else scale)


def _bound(guide: Any, log_weights: Array, scale: Any) -> tuple[Array, Array]:
    """Of each system, and the terms of its sum over the points of the path, along the first axis.

    Where only a part of the terms is scaled up, as for global latents of subsampled data, a mean of weights would lie
    above the evidence: the last point is then the only one.
    """
    logits = guide.share_logits().astype(log_weights.dtype)
    if scale is None:
        return log_weights[-1], jnp.full_like(log_weights, refreshed.IMPOSSIBLE).at[-1].set(0.0)
    log_shares = jax.nn.log_softmax(logits).reshape((-1, *[1] * (log_weights.ndim - 1)))
    terms = log_shares + log_weights / scale
    return scale * refreshed.log_sum_exp(NATIVE, terms), terms


def refine(
    guide: Any, base: BaseSites, live: LiveModel, distributions: Mapping[str, Any]
) -> tuple[dict[str, Array], Points]:
    """Emits the momenta, the flow's term and the latents."""
    run = _Run(guide, base, live, _Coordinates(base, live, guide.base, distributions))
    xi, log_prob_xi = _momenta(run)
    log_q = functools.reduce(jnp.add, [sum_to(_log_prob(site), run.dims) for site in base.sites.values()])
    u, log_weights, densities, rho, fine, stretched = run.path(xi)
    log_weights = log_weights - (log_q + run.start_log_det(base))
    bound, terms = _bound(guide, log_weights, run.scale)
    with Inside(run.outside):
        choice = dist.Uniform(jnp.zeros_like(bound), 1.0)
        uniform = numpyro.sample(f"{guide.prefix}_point", choice, infer={"is_auxiliary": True})
    flags = refreshed.picked(NATIVE, terms, uniform)
    chosen = [jnp.sum(jax.vmap(part.spread)(flags) * x, 0) for x, part in zip(u, run.parts, strict=True)]
    z, log_det = run.at.carried(tuple(chosen))
    placed = live.place(z)
    # log p(x, z) as the model will have it there
    joint = jnp.sum(jnp.where(flags > 0.0, densities, 0.0), 0) - log_det
    for site, log_jacobian in placed:
        joint = joint - sum_to(weighted(site, log_jacobian), run.dims)
        if is_lifted(site):
            joint = joint - sum_to(scale_and_mask(taken(site), site["scale"]), run.dims)
    term = joint - (log_q + log_prob_xi) - bound
    with Inside(run.outside):
        factor(f"{guide.prefix}_flow", term if run.scale is None else term / run.scale)
    values = {}
    for latent, (site, _) in zip(live.latents, placed, strict=True):
        with Inside(base.sites[latent.name]):
            delta = dist.Delta(finite_slopes(site["value"]), event_dim=site["fn"].event_dim)
            values[latent.name] = numpyro.sample(latent.name, delta)
    total = jnp.sum(log_weights, axis=tuple(range(1, log_weights.ndim)))
    share = 1.0 - jnp.mean(fine, dtype=bound.dtype)
    shares = jnp.exp(terms - refreshed.log_sum_exp(NATIVE, terms))
    often = jnp.mean(shares, tuple(range(1, shares.ndim)))
    jacobians = jnp.sum(stretched, axis=tuple(range(1, stretched.ndim)))
    return values, Points(live, often, -jnp.diff(total), tuple(r[-1] for r in rho), share, jacobians)


def _momenta(run: _Run) -> tuple[tuple[Array, ...], Array]:
    """Those of each part, with a leading axis of K, and their log-density in each system."""
    xi, log_probs = [], []
    for part in run.parts:
        normal = dist.Normal(jnp.zeros((*jnp.shape(part.u), run.guide.num_steps), part.u.dtype), 1.0)
        with Inside(part.drawn):
            name, event_dim = f"{run.guide.prefix}_{part.name}momentum", len(part.event_shape) + 1
            noise = numpyro.sample(name, normal.to_event(event_dim), infer={"is_auxiliary": True})
        xi.append(jnp.moveaxis(noise, -1, 0))
        log_probs.append(jnp.sum(normal.log_prob(noise), -1))
    return tuple(xi), run.sum(log_probs)
