"""One call of the Hamiltonian guide whose momenta are refreshed, in the base's own coordinates."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import pyro
import pyro.distributions as dist
import torch
from pyro.distributions.util import scale_and_mask
from torch import Tensor

from irg_kernels.inference import refreshed, transport

from ..attach import NATIVE
from .masks import mask_like
from .sites import BaseSites, Drawn, Inside, Potential, differentiable, sum_to
from .transport import AutoTransport

__all__ = ["Refreshed"]


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

    def spread(self, x: Tensor) -> Tensor:
        """A number of each system, for each of the coordinates."""
        batch_dim = self.u.dim() - self.event_dim
        x = x.reshape(x.shape[max(x.dim() - batch_dim, 0) :])
        return x[(...,) + (None,) * self.event_dim]


class Refreshed:
    """Emits the momenta, the flow's term and the latents.

    :param normal: (location, scale) of a latent's base in unconstrained space, where its distribution tells.
    """

    def __init__(
        self, guide: Any, base: BaseSites, potential: Potential, normal: Callable[[str, Tensor], tuple[Tensor, Tensor]]
    ) -> None:
        self.guide, self.base, self.potential = guide, base, potential
        self.names = list(potential.values)
        first = potential.last
        self.log_dets = [first.log_dets[name] for name in self.names]
        self.dims, self.shared = self._systems()
        self.scale = _common([m["scale"] for m in first.messages] + [drawn.scale for drawn in base.sites.values()])
        self.to = guide.base.transport() if isinstance(guide.base, AutoTransport) else None
        if self.to is not None:
            joint = base.sites[f"_{guide.base._pyro_name}_latent"]
            fn: Any = joint.message["fn"]
            self.parts = [_Part("", fn.transforms[-1].inv(joint.value), 1, joint)]
        else:
            self.normal = [normal(name, first.positions[name]) for name in self.names]
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

    def look(self, u: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """(which systems have a density here, their log-densities, residual forces)."""
        systems, slopes, safe = self._slopes(u)
        fine = torch.isfinite(systems)
        if not fine.all():  # again, from the base's middle where there is none: no NaN is left in the graph
            u = tuple(torch.where(part.spread(fine), x, 0.0) for x, part in zip(u, self.parts, strict=True))
            systems, slopes, safe = self._slopes(u)
            systems = torch.where(fine, systems, refreshed.IMPOSSIBLE)
        square = self.sum(s * s for s in slopes)
        forces = []
        for s, x, part in zip(slopes, safe, self.parts, strict=True):
            force = refreshed.tamed(NATIVE, s, part.spread(square), part.spread(self.count)) + x
            forces.append(force if fine.all() else torch.where(part.spread(fine), force, 0.0))
        return fine, systems, tuple(forces)

    def _slopes(self, u: tuple[Tensor, ...]) -> tuple[Tensor, list[Tensor], tuple[Tensor, ...]]:
        graph = self.potential.create_graph
        with torch.enable_grad():
            leaves = tuple(differentiable(x if graph else x.detach()) for x in u)
            z, log_det = self.carried(leaves)
            terms = self.potential.terms_at(z)
            systems = functools.reduce(torch.add, [sum_to(term, self.dims) for term in terms]) + log_det
            found = torch.autograd.grad(systems.sum(), leaves, create_graph=graph, allow_unused=True)
        # a datum's latent moves by the datum's own terms
        slopes = [
            torch.zeros_like(x) if s is None else s / _scale_like(part)
            for x, s, part in zip(leaves, found, self.parts, strict=True)
        ]
        return (systems if graph else systems.detach()), slopes, leaves

    def run(self) -> dict[str, Tensor]:
        xi, log_prob_xi = self.momenta()
        log_q = functools.reduce(torch.add, [sum_to(_log_prob(site), self.dims) for site in self.base.sites.values()])
        points, log_weights, rho, fine = self.path(xi, log_q + self.start_log_det())
        bound, shares = self.bound(log_weights)
        with Inside(self.outside):
            choice = dist.Uniform(torch.zeros_like(bound), 1.0, validate_args=False)
            uniform = pyro.sample(f"{self.guide.prefix}_point", choice, infer={"is_auxiliary": True})
        flags = refreshed.picked(NATIVE, shares, uniform)
        chosen = tuple(
            functools.reduce(torch.add, [part.spread(flag) * u[i] for flag, u in zip(flags, points, strict=True)])
            for i, part in enumerate(self.parts)
        )
        terms = self.potential.terms_at(self.carried(chosen)[0])
        last = self.potential.last
        # log p(x, z) as the model will have it there
        joint = functools.reduce(torch.add, [sum_to(term, self.dims) for term in terms])
        for message in last.messages:
            name = message["name"]
            if name in last.log_dets:
                taken = last.lifted[name].taken() if name in last.lifted else 0.0
                det = scale_and_mask(last.log_dets[name], message["scale"], message["mask"])
                joint = joint - sum_to(det + scale_and_mask(torch.as_tensor(taken), message["scale"]), self.dims)
        term = joint - (log_q + log_prob_xi) - bound
        with Inside(self.outside):
            pyro.factor(f"{self.guide.prefix}_flow", term / (self.scale or 1.0), has_rsample=True)
        total = torch.stack([w.detach().sum() for w in log_weights])
        self.guide.path = {
            "sites": self.names,
            "posterior_shares": self.often([share.detach() for share in shares]),
            "energy_errors": -total.diff(),
            "momenta": [r.detach() for r in rho],
            "rejected": 1.0 - float(torch.stack(fine).float().mean()),
        }
        return {name: self.emit(name) for name in self.names}

    @staticmethod
    def often(terms: list[Tensor]) -> Tensor:
        """How often each point is the draw."""
        whole = refreshed.log_sum_exp(NATIVE, terms)
        return torch.stack([(term - whole).exp().mean() for term in terms])

    @property
    def outside(self) -> Drawn:
        return Drawn({}, tuple(self.shared), self.scale or 1.0, None)

    def emit(self, name: str) -> Tensor:
        last = self.potential.last
        fn = last.fns[name]
        with Inside(self.base.sites[name]), mask_like(last.lifted.get(name)):
            return pyro.sample(name, dist.Delta(last.drawn[name], event_dim=fn.event_dim))

    def momenta(self) -> tuple[list[tuple[Tensor, ...]], Tensor]:
        """Those of each step, of each part, and their log-density in each system."""
        drawn, log_probs, num_steps = [], [], self.guide.num_steps
        for part in self.parts:
            zeros = part.u.new_zeros((*part.u.shape, num_steps))
            normal = dist.Normal(zeros, 1.0, validate_args=False)
            with Inside(part.drawn):
                site = f"{self.guide.prefix}_{part.name}momentum"
                noise = pyro.sample(site, normal.to_event(part.event_dim + 1), infer={"is_auxiliary": True})
            drawn.append(noise.unbind(-1))
            log_probs.append(normal.log_prob(noise).sum(-1))
        return list(zip(*drawn, strict=True)), self.sum(log_probs)

    def start_log_det(self) -> Tensor:
        """Log-Jacobian from the base's own coordinates to its values, at the start."""
        total = self.carried(tuple(part.u for part in self.parts))[1]
        for name, log_det in zip(self.names, self.log_dets, strict=True):
            drawn = self.base.sites[name]
            total = total + sum_to(scale_and_mask(log_det, drawn.scale, drawn.mask), self.dims)
        return total

    def path(self, xi: list[tuple[Tensor, ...]], log_start: Tensor) -> Any:
        """The K + 1 points, their log-weights, the last momenta, and which of the points are fine."""
        u = tuple(part.u for part in self.parts)
        ok, density, force = self.look(u)
        points, log_weights, fine = [u], [density - log_start], [ok]
        rho, gained = tuple(torch.zeros_like(x) for x in u), torch.zeros_like(density)
        learned = [self.guide.refreshed_params(part.name, part.u, part.event_dim) for part in self.parts]
        for k, noise in enumerate(xi):
            strength, angle, kept = zip(*((b[k], a[k], s[k]) for b, a, s in learned), strict=True)
            before = tuple(refreshed.refresh(NATIVE, *args) for args in zip(rho, noise, kept, strict=True))
            rho = tuple(refreshed.kick(*args) for args in zip(before, strength, force, strict=True))
            turned = [refreshed.turn(NATIVE, *args) for args in zip(u, rho, angle, strict=True)]
            u, rho = tuple(x for x, _ in turned), tuple(r for _, r in turned)
            ok, density, force = self.look(u)
            rho = tuple(refreshed.kick(*args) for args in zip(rho, strength, force, strict=True))
            gained = gained + self.sum(0.5 * (b * b - r * r) for b, r in zip(before, rho, strict=True))
            points.append(u)
            log_weights.append(density + gained - log_start)
            fine.append(ok)
        return points, log_weights, rho, fine

    def bound(self, log_weights: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Of each system, and the terms of its sum over the points of the path.

        Where only a part of the terms is scaled up, as for global latents of subsampled data, a mean of weights would
        lie above the evidence: the last point is then the only one.
        """
        if self.scale is None:
            bad = torch.full_like(log_weights[-1], refreshed.IMPOSSIBLE)
            return log_weights[-1], [bad] * self.guide.num_steps + [torch.zeros_like(bad)]
        shares = self.guide.shares.to(log_weights[0]).log_softmax(-1)
        terms = [log_share + w / self.scale for log_share, w in zip(shares, log_weights, strict=True)]
        return self.scale * refreshed.log_sum_exp(NATIVE, terms), terms


def _common(scales: list[Any]) -> float | None:
    """The number that all scales are; None if they differ, or are arrays."""
    numbers = {float(scale) for scale in scales if not isinstance(scale, Tensor) or scale.dim() == 0}
    plain = all(not isinstance(scale, Tensor) or scale.dim() == 0 for scale in scales)
    return numbers.pop() if plain and len(numbers) == 1 else None


def _log_prob(site: Drawn) -> Tensor:
    fn: Any = site.message["fn"]
    return scale_and_mask(fn.log_prob(site.value), site.scale, site.mask)


def _scale_like(part: _Part) -> Any:
    scale = part.drawn.scale
    if isinstance(scale, Tensor) and scale.dim():
        return scale[(...,) + (None,) * part.event_dim]
    return scale
