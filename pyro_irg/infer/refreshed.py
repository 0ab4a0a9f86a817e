"""One call of the Hamiltonian guide whose momenta are refreshed, in the base's own coordinates."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pyro
import pyro.distributions as dist
import torch
from pyro.distributions.util import scale_and_mask
from pyro.poutine.util import prune_subsample_sites
from torch import Tensor

from irg_kernels.inference import coupled, refreshed, transport

from ..attach import NATIVE
from .bijections import bijection, finite, finite_slopes
from .masks import mask_like
from .sites import BaseSites, Drawn, Inside, Potential, differentiable, sum_to
from .transport import AutoTransport


class _Part(NamedTuple):
    """Some coordinates u of a system: those of a latent, or of all of them at once."""

    name: str
    u: Tensor
    event_dim: int
    drawn: Drawn
    """the base's site whose plates, scale and mask they share"""

    @property
    def event_shape(self) -> tuple[int, ...]:
        return tuple(self.u.shape[self.u.dim() - self.event_dim :])

    def total(self, x: Tensor, dims: frozenset[int]) -> Tensor:
        """The sum over each system of an array of the shape of u, scaled and masked."""
        x = x.sum(tuple(range(-self.event_dim, 0))) if self.event_dim else x
        return sum_to(scale_and_mask(x, self.drawn.scale, self.drawn.mask), dims)

    def totals(self, x: Tensor, dims: frozenset[int]) -> Tensor:
        """The same for each entry of a first axis."""
        x = x.sum(tuple(range(-self.event_dim, 0))) if self.event_dim else x
        shared = [y.dim() for y in (self.drawn.scale, self.drawn.mask) if isinstance(y, Tensor)]
        x = _aligned(x, max([x.dim(), *(1 + dim for dim in shared)]))
        return sum_to(scale_and_mask(x, self.drawn.scale, self.drawn.mask), dims | {-x.dim()})

    def spread(self, x: Tensor) -> Tensor:
        """A number of each system, for each of the coordinates."""
        batch_dim = self.u.dim() - self.event_dim
        if x.dim() > batch_dim:
            x = x.reshape(x.shape[x.dim() - batch_dim :])
        return x[(...,) + (None,) * self.event_dim] if self.event_dim else x

    def chosen(self, points: Sequence[Tensor], flags: Tensor) -> Tensor:
        """That of several points whose flag is 1, of each system."""
        shape = flags.shape[1:][max(flags.dim() - 1 - self.u.dim() + self.event_dim, 0) :]
        flags = _aligned(flags.reshape(len(flags), *shape), 1 + self.u.dim() - self.event_dim)
        return (flags[(...,) + (None,) * self.event_dim] * torch.stack(list(points))).sum(0)


class Refreshed:
    """Emits the momenta, the flow's term and the latents."""

    def __init__(self, guide: Any, base: BaseSites, potential: Potential) -> None:
        self.guide, self.base, self.potential = guide, base, potential
        self.names = list(potential.values)
        first = self.first = potential.last
        self.log_dets = [first.log_dets[name] for name in self.names]
        self.dims, self.shared = self._systems()
        self.scale = _common([m["scale"] for m in first.messages] + [drawn.scale for drawn in base.sites.values()])
        self.to = guide.base.transport() if isinstance(guide.base, AutoTransport) else None
        if self.to is not None:
            joint = base.sites[f"_{guide.base._pyro_name}_latent"]
            fn: Any = joint.message["fn"]
            self.parts = [_Part("", fn.transforms[-1].inv(joint.value), 1, joint)]
        else:
            self.normal = [potential.places[name] for name in self.names]
            self.parts = [
                _Part(f"{name}_", (z - loc) / scale, z.dim() - det.dim(), base.sites[name])
                for name, z, det, (loc, scale) in zip(
                    self.names, (first.positions[n] for n in self.names), self.log_dets, self.normal, strict=True
                )
            ]
        count = self.sum([torch.ones_like(part.u) for part in self.parts])
        self.count = torch.where(count > 0.0, count, 1.0)

    def _systems(self) -> tuple[frozenset[int], list[Any]]:
        """Dimensions of the systems, and the plates of the base that they lie in."""
        drawn = list(self.base.sites.values())
        stacks = [[f for f in m["cond_indep_stack"] if f.vectorized] for m in self.potential.last.messages]
        stacks += [[f for f in site.frames if f.vectorized] for site in drawn]
        inside = set.intersection(*({(f.name, f.dim) for f in stack} for stack in stacks))
        frames = [f for f in drawn[0].frames if (f.name, f.dim) in inside or not f.vectorized]
        return frozenset(dim for _, dim in inside) | self.potential.outside, frames

    def sum(self, arrays: Iterable[Tensor]) -> Tensor:
        """Of all parts, over each system."""
        totals = [part.total(x, self.dims) for x, part in zip(arrays, self.parts, strict=True)]
        return functools.reduce(torch.add, totals)

    def carried(self, u: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], Any]:
        """Unconstrained positions, and the log-Jacobian of each system, up to a constant."""
        if self.to is None:
            return tuple(loc + scale * x for (loc, scale), x in zip(self.normal, u, strict=True)), 0.0
        z, log_det = transport.carried(NATIVE, u[0], self.to)
        unpacked = {site["name"]: x for site, x in self.guide.base._unpack_latent(z)}
        return tuple(unpacked[name] for name in self.names), log_det

    def look(self, u: tuple[Tensor, ...], *, at_start: bool = False) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """(which systems have a density here, their log-densities, residual forces)."""
        systems, slopes, safe = (self._slopes_at_start if at_start else self._slopes)(u)
        fine = torch.isfinite(systems)
        all_fine = bool(fine.all())
        if not all_fine:  # again, from the base's middle where there is none: no NaN is left in the graph
            u = tuple(torch.where(part.spread(fine), x, 0.0) for x, part in zip(u, self.parts, strict=True))
            systems, slopes, safe = self._slopes(u)
            systems = torch.where(fine, systems, refreshed.IMPOSSIBLE)
        square = self.sum(s * s for s in slopes)
        forces = []
        for s, x, part in zip(slopes, safe, self.parts, strict=True):
            force = refreshed.tamed(NATIVE, s, part.spread(square), part.spread(self.count)) + x
            forces.append(force if all_fine else torch.where(part.spread(fine), force, 0.0))
        return fine, systems, tuple(forces)

    def _slopes(self, u: tuple[Tensor, ...]) -> tuple[Tensor, list[Tensor], tuple[Tensor, ...]]:
        graph = self.potential.create_graph
        with torch.enable_grad():
            leaves = tuple(differentiable(x if graph else x.detach()) for x in u)
            z, log_det = self._guarded(leaves)
            terms = self.potential.terms_at(z)
            systems = functools.reduce(torch.add, [sum_to(term, self.dims) for term in terms]) + log_det
            found = torch.autograd.grad(systems.sum(), leaves, create_graph=graph, allow_unused=True)
        return self._unscaled(systems, found, leaves)

    def _guarded(self, leaves: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], Any]:
        """`carried`, whose slopes are finite: far out the density may be and its slope not."""
        if self.to is None:  # a slope in u is that in z times the base's scale
            (z, log_det), units = self.carried(leaves), [scale.detach() for _, scale in self.normal]
            return tuple(map(finite_slopes, z, units)), log_det
        z, log_det = self.carried(tuple(finite_slopes(x, 1.0) for x in leaves))
        return tuple(map(finite_slopes, z)), log_det

    def _slopes_at_start(self, u: tuple[Tensor, ...]) -> tuple[Tensor, list[Tensor], tuple[Tensor, ...]]:
        """The same of the model's first run, which was at the base's draw."""
        graph = self.potential.create_graph
        with torch.enable_grad():
            leaves = tuple(differentiable(x if graph else x.detach()) for x in u)
            z, log_det = self.carried(tuple(finite_slopes(x, 1.0) for x in leaves))
            terms, positions = self.potential.first_terms, [self.first.positions[name] for name in self.names]
            systems = functools.reduce(torch.add, [sum_to(term, self.dims) for term in terms])
            slopes = torch.autograd.grad(
                systems.sum(), positions, create_graph=graph, allow_unused=True, materialize_grads=True
            )
            slopes = tuple(map(finite, slopes))
            outputs, factors = [*z], [*slopes]
            if isinstance(log_det, Tensor):
                outputs, factors = [*z, log_det], [*slopes, torch.ones_like(log_det)]
            found = torch.autograd.grad(outputs, leaves, factors, create_graph=graph, allow_unused=True)
        return self._unscaled(systems + log_det, found, leaves)

    def _unscaled(
        self, systems: Tensor, found: Sequence[Tensor | None], leaves: tuple[Tensor, ...]
    ) -> tuple[Tensor, list[Tensor], tuple[Tensor, ...]]:
        # a datum's latent moves by the datum's own terms
        slopes = [
            torch.zeros_like(x) if s is None else _unscaled(s, part)
            for x, s, part in zip(leaves, found, self.parts, strict=True)
        ]
        return (systems if self.potential.create_graph else systems.detach()), slopes, leaves

    def run(self) -> dict[str, Tensor]:
        self.guide.path = {}
        xi, log_prob_xi = self.momenta()
        log_q = functools.reduce(torch.add, [sum_to(_log_prob(site), self.dims) for site in self.base.sites.values()])
        points, log_weights, densities, rho, fine = self.path(xi, log_q + self.start_log_det())
        bound, shares = self.bound(log_weights)
        with Inside(self.outside):
            choice = dist.Uniform(torch.zeros_like(bound), 1.0, validate_args=False)
            uniform = pyro.sample(f"{self.guide.prefix}_point", choice, infer={"is_auxiliary": True})
        flags = refreshed.picked(NATIVE, shares, uniform)
        chosen = tuple(part.chosen(u, flags) for part, u in zip(self.parts, zip(*points, strict=True), strict=True))
        joint = self.placed(chosen, (flags * densities).sum(0))
        term = joint - (log_q + log_prob_xi) - bound
        with Inside(self.outside):
            pyro.factor(f"{self.guide.prefix}_flow", term / (self.scale or 1.0), has_rsample=True)
        total = log_weights.detach().reshape(len(log_weights), -1).sum(1)
        self.guide.path |= {
            "sites": self.names,
            "posterior_shares": self.often(shares.detach()),
            "energy_errors": -total.diff(),
            "momenta": [r.detach() for r in rho],
            "rejected": 1.0 - float(torch.stack(fine).float().mean()),
        }
        return {name: self.emit(name) for name in self.names}

    def placed(self, chosen: tuple[Tensor, ...], density: Tensor) -> Tensor:
        """log p(x, z) as the model will have it at the chosen point, where the last run's values then are.

        :param density: of each system there, in the base's coordinates.
        """
        z, log_det = self.carried(chosen)
        last = self.potential.last
        if last.lifted or not all(_is_fixed(last.spaces[name]) for name in self.names):
            terms = self.potential.terms_at(z)
            joint, last = functools.reduce(torch.add, [sum_to(term, self.dims) for term in terms]), self.potential.last
        else:  # the supports are known, and the model need not run once more
            joint = density - log_det
            for name, position in zip(self.names, z, strict=True):
                transform = bijection(last.spaces[name])
                last.drawn[name] = transform(position)
                last.log_dets[name] = transform.log_abs_det_jacobian(position, last.drawn[name])
        for message in last.messages:
            name = message["name"]
            if name in last.log_dets:
                taken = last.lifted[name].taken() if name in last.lifted else 0.0
                det = scale_and_mask(last.log_dets[name], message["scale"], message["mask"])
                joint = joint - sum_to(det + scale_and_mask(torch.as_tensor(taken), message["scale"]), self.dims)
        return joint

    @staticmethod
    def often(terms: Tensor) -> Tensor:
        """How often each point is the draw."""
        return (terms - refreshed.log_sum_exp(NATIVE, terms)).exp().reshape(len(terms), -1).mean(1)

    @property
    def outside(self) -> Drawn:
        return Drawn({}, tuple(self.shared), self.scale or 1.0, None)

    def emit(self, name: str) -> Tensor:
        last = self.potential.last
        fn = last.fns[name]
        with Inside(self.base.sites[name]), mask_like(last.lifted.get(name)):
            return pyro.sample(name, dist.Delta(finite_slopes(last.drawn[name]), event_dim=fn.event_dim))

    def momenta(self) -> tuple[list[Tensor], Tensor]:
        """Those of each part, with a leading axis of K, and their log-density in each system."""
        drawn, log_probs, num_steps = [], [], self.guide.num_steps
        for part in self.parts:
            zeros = part.u.new_zeros((*part.u.shape, num_steps))
            normal = dist.Normal(zeros, 1.0, validate_args=False)
            with Inside(part.drawn):
                site = f"{self.guide.prefix}_{part.name}momentum"
                noise = pyro.sample(site, normal.to_event(part.event_dim + 1), infer={"is_auxiliary": True})
            drawn.append(noise.movedim(-1, 0))
            log_probs.append(normal.log_prob(noise).sum(-1))
        return drawn, self.sum(log_probs)

    def start_log_det(self) -> Tensor:
        """Log-Jacobian from the base's own coordinates to its values, at the start."""
        total = self.carried(tuple(part.u for part in self.parts))[1]
        for name, log_det in zip(self.names, self.log_dets, strict=True):
            drawn = self.base.sites[name]
            total = total + sum_to(scale_and_mask(log_det, drawn.scale, drawn.mask), self.dims)
        return total

    def path(self, xi: list[Tensor], log_start: Tensor) -> Any:
        """The K + 1 points, their log-weights, log-densities, the last momenta, and which of the points are fine."""
        u = tuple(part.u for part in self.parts)
        ok, density, force = self.look(u, at_start=True)
        points, densities, fine = [u], [density], [ok]
        before: list[tuple[Tensor, ...]] = []
        after: list[tuple[Tensor, ...]] = []
        stretched: list[Tensor] = []
        rho: tuple[Tensor, ...] = ()
        momentum, position = self.networks()
        for k, (new, half, kept, cos, sin) in enumerate(self.steps(xi)):
            rho = tuple(refreshed.refresh(*args) for args in zip(rho, kept, new, strict=True)) if before else new
            before.append(rho)
            rho = tuple(refreshed.kick(*args) for args in zip(rho, half, force, strict=True))
            rho, by_momentum = self.coupled(rho, (u, force), momentum[k])
            turned = [refreshed.turn(*args) for args in zip(u, rho, cos, sin, strict=True)]
            u, rho = tuple(x for x, _ in turned), tuple(r for _, r in turned)
            u, by_position = self.coupled(u, (rho,), position[k])
            stretched += [by_momentum + by_position] if momentum[k] else []
            ok, density, force = self.look(u)
            rho = tuple(refreshed.kick(*args) for args in zip(rho, half, force, strict=True))
            after.append(rho)
            points.append(u)
            densities.append(density)
            fine.append(ok)
        found, gained = torch.stack(densities), self.gained(before, after)
        if stretched:
            each = torch.stack(stretched)
            gained = gained + _aligned(each.cumsum(0), gained.dim())
            self.guide.path["log_jacobians"] = each.detach().reshape(len(each), -1).sum(1)
        rank = max(found.dim(), gained.dim(), 1 + log_start.dim())
        found, gained = _aligned(found, rank), _aligned(gained, rank)
        log_weights = found - log_start
        return points, torch.cat([log_weights[:1], log_weights[1:] + gained]), found, rho, fine

    def networks(self) -> tuple[list[list[coupled.Network]], list[list[coupled.Network]]]:
        """Of the momenta and of the positions: for each step, those of each part; none if the path is not coupled."""
        steps: tuple[list[list[coupled.Network]], ...] = tuple([[] for _ in range(self.guide.num_steps)] for _ in "ab")
        for part in self.parts if self.guide.transition == "coupled" else []:
            params = self.guide.coupled_params(part.name, part.u, part.event_dim)
            for k, weights in enumerate(zip(*(x.unbind() for x in params.values()), strict=True)):
                for of, network in zip(steps, coupled.networks(dict(zip(params, weights, strict=True))), strict=True):
                    of[k].append(network)
        return steps[0], steps[1]

    def coupled(
        self, moved: tuple[Tensor, ...], given: tuple[tuple[Tensor, ...], ...], networks: list[coupled.Network]
    ) -> tuple[tuple[Tensor, ...], Any]:
        """Positions or momenta coupled to what is given, part by part, and the log-Jacobian of each system."""
        if not networks:
            return moved, 0.0
        pairs = [
            coupled.couple(NATIVE, x, tuple(seen), network, x.dim() - part.event_dim)
            for x, *seen, network, part in zip(moved, *given, networks, self.parts, strict=True)
        ]
        return tuple(x for x, _ in pairs), self.sum(log_scale for _, log_scale in pairs)

    def steps(self, xi: list[Tensor]) -> list[tuple[tuple[Tensor, ...], ...]]:
        """Of each step new momenta, half the strengths, kept shares, cosines and sines of the angles, of each part."""
        found, of_each = [], self.of_each_datum()
        for noise, part in zip(xi, self.parts, strict=True):
            strength, angle, kept = self.guide.refreshed_params(part.name, part.u, part.event_dim)
            if part.name in of_each:
                more = [x.movedim(part.u.dim() - part.event_dim, 0) for x in of_each[part.name]]
                strength, angle = (_aligned(x, 1 + part.u.dim()) for x in (strength, angle))
                strength, angle = strength + more[0], angle + more[1]
            share = refreshed.renewal(NATIVE, kept)
            share = share.reshape(len(share), *[1] * (part.u.dim() - part.event_dim), *share.shape[1:])
            found.append([x.unbind() for x in (share * noise, 0.5 * strength, kept, angle.cos(), angle.sin())])
        return [
            tuple(zip(*step, strict=True)) for step in zip(*(zip(*part, strict=True) for part in found), strict=True)
        ]

    def of_each_datum(self) -> dict[str, list[Tensor]]:
        """The user's coefficients, by the names of the parts."""
        if self.guide.coefficients is None:
            return {}
        with pyro.poutine.trace() as inner:
            found = self.guide.coefficients(*self.potential.args, **self.potential.kwargs)
        sites = prune_subsample_sites(inner.trace).nodes.items()
        drawn = [name for name, site in sites if site["type"] == "sample"]
        parts = {} if self.to is not None else dict(zip(self.names, self.parts, strict=True))
        num_steps = self.guide.num_steps
        shapes = {n: (*p.u.shape[: p.u.dim() - p.event_dim], num_steps, *p.event_shape) for n, p in parts.items()}
        refreshed.check_coefficients(found, shapes, lambda x: tuple(torch.as_tensor(x).shape), drawn)
        return {
            parts[n].name: [torch.as_tensor(x).to(parts[n].u).expand(shapes[n]) for x in pair]
            for n, pair in found.items()
        }

    def gained(self, before: list[tuple[Tensor, ...]], after: list[tuple[Tensor, ...]]) -> Tensor:
        """(|rho before|^2 - |rho after|^2) / 2 of each system, summed up to each of the K steps."""
        totals = []
        for befores, afters, part in zip(zip(*before, strict=True), zip(*after, strict=True), self.parts, strict=True):
            b, r = torch.stack(befores), torch.stack(afters)
            totals.append(part.totals(0.5 * (b * b - r * r), self.dims))
        rank = max(total.dim() for total in totals)
        return functools.reduce(torch.add, [_aligned(total, rank) for total in totals]).cumsum(0)

    def bound(self, log_weights: Tensor) -> tuple[Tensor, Tensor]:
        """Of each system, and the terms of its sum over the points of the path, along the first axis.

        Where only a part of the terms is scaled up, as for global latents of subsampled data, a mean of weights would
        lie above the evidence: the last point is then the only one.
        """
        if self.scale is None:
            terms = torch.full_like(log_weights, refreshed.IMPOSSIBLE)
            terms[-1] = 0.0
            return log_weights[-1], terms
        shares = self.guide.shares.to(log_weights).log_softmax(-1)
        terms = shares.reshape(-1, *[1] * (log_weights.dim() - 1)) + log_weights / self.scale
        return self.scale * refreshed.log_sum_exp(NATIVE, terms), terms


def _is_fixed(support: Any) -> bool:
    """Whether a support depends on no tensor, and so on no other latent."""
    while (inner := getattr(support, "base_constraint", None)) is not None:
        support = inner
    return all(isinstance(value, int | float) for value in vars(support).values())


def _aligned(x: Tensor, rank: int) -> Tensor:
    """With axes of size 1 behind the first one, up to a rank: what follows it is then broadcast from the right."""
    return x.reshape(len(x), *[1] * (rank - x.dim()), *x.shape[1:]) if x.dim() < rank else x


def _common(scales: list[Any]) -> float | None:
    """The number that all scales are; None if they differ, or are arrays."""
    numbers = {float(scale) for scale in scales if not isinstance(scale, Tensor) or scale.dim() == 0}
    plain = all(not isinstance(scale, Tensor) or scale.dim() == 0 for scale in scales)
    return numbers.pop() if plain and len(numbers) == 1 else None


def _log_prob(site: Drawn) -> Tensor:
    fn: Any = site.message["fn"]
    return scale_and_mask(fn.log_prob(site.value), site.scale, site.mask)


def _unscaled(x: Tensor, part: _Part) -> Tensor:
    scale: Any = part.drawn.scale
    if not isinstance(scale, Tensor):
        return x if scale == 1.0 else x / scale
    return x / (scale[(...,) + (None,) * part.event_dim] if scale.dim() else scale)
