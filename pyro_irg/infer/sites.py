"""Effect handlers of the Hamiltonian guide: what the base guide drew, and the live model as a potential."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from pyro.distributions.util import scale_and_mask, validation_enabled
from pyro.poutine.messenger import Messenger
from pyro.poutine.subsample_messenger import _Subsample
from torch import Tensor

from irg_kernels.adapter import guide_messages, messages
from irg_kernels.inference import hamiltonian

from .bijections import bijection, finite, finite_slopes, leaves_circle, space
from .masks import Lifted, check_absent, check_mask_outside, lift, mask_of


@dataclass
class Drawn:
    """A site of the base guide as it stood before any enclosing plate, scale or mask was applied."""

    message: dict
    frames: tuple
    scale: Any
    mask: Any

    @property
    def value(self) -> Tensor:
        return self.message["value"]


class BaseSites(Messenger):
    """Runs a base guide under other names, as auxiliary sites, and keeps what it drew; without a prefix, as it is."""

    def __init__(self, prefix: str | None) -> None:
        super().__init__()
        self.prefix = prefix
        self.sites: dict[str, Drawn] = {}
        self.subsamples: dict[str, dict] = {}
        self.stated: dict[str, Any] = {}
        """distributions that were stated before anything was drawn"""
        self.came_later = False
        """whether others were, that may depend on what was drawn"""

    def _pyro_sample(self, msg: Any) -> None:
        name, fn = msg["name"], msg["fn"]
        if isinstance(fn, _Subsample):
            self.subsamples[name] = msg
            return
        if self.prefix and not msg["is_observed"] and not fn.has_rsample:
            raise ValueError(guide_messages.not_reparameterized(name, type(fn).__name__, "pyro_irg"))
        if not msg["is_observed"] and not isinstance(fn, dist.Delta):
            if self.sites:
                self.came_later = True
            else:
                self.stated[name] = fn
        check_mask_outside(name, fn)
        self.sites[name] = Drawn(msg, tuple(msg["cond_indep_stack"]), msg["scale"], mask_of(fn, msg["mask"]))
        msg["infer"] = {**(msg["infer"] or {}), "was_auxiliary": _is_auxiliary(msg)}
        if self.prefix:
            msg["name"], msg["infer"]["is_auxiliary"] = f"{self.prefix}_base_{name}", True

    @property
    def latents(self) -> dict[str, Drawn]:
        """The sites that stand for latents of the model."""
        return {
            name: site
            for name, site in self.sites.items()
            if not site.message["is_observed"] and not site.message["infer"]["was_auxiliary"]
        }


def _is_auxiliary(msg: Any) -> bool:
    return bool((msg["infer"] or {}).get("is_auxiliary"))


@contextmanager
def buffers_kept(model: Any) -> Iterator[None]:
    """Restores what runs of a module change, the averages of a batch normalisation for one."""
    buffers = list(model.buffers()) if isinstance(model, torch.nn.Module) else []
    before = [buffer.clone() for buffer in buffers]
    try:
        yield
    finally:
        for buffer, value in zip(buffers, before, strict=True):
            buffer.copy_(value)


class Inside(Messenger):
    """Puts a site into the plates, scale and mask in which the base guide drew another."""

    def __init__(self, drawn: Drawn) -> None:
        super().__init__()
        self.drawn = drawn

    def _pyro_sample(self, msg: Any) -> None:
        msg["cond_indep_stack"] = self.drawn.frames + tuple(msg["cond_indep_stack"])
        msg["scale"] = msg["scale"] * self.drawn.scale
        if self.drawn.mask is not None:
            msg["mask"] = self.drawn.mask if msg["mask"] is None else self.drawn.mask & msg["mask"]


class _ModelSites(Messenger):
    """Runs the model with its latents at given unconstrained positions (or, at first, at the base guide's values)."""

    def __init__(
        self,
        positions: Mapping[str, Tensor] | None,
        values: Mapping[str, Tensor],
        subsamples: Mapping[str, dict],
        unobserved: frozenset[str],
        masks: Mapping[str, Any],
        place: Callable[[str, Any, Tensor], tuple[Tensor, Tensor]],
        drawn_from: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self.drawn_from, self.spaces = drawn_from, dict[str, Any]()
        self.positions = dict(positions or {})
        self.place, self.places = place, dict[str, tuple[Tensor, Tensor]]()
        self.at_values = positions is None
        self.masks, self.lifted = masks, dict[str, Lifted]()
        self.values, self.subsamples, self.unobserved = values, subsamples, unobserved
        self.fns: dict[str, Any] = {}
        self.drawn: dict[str, Tensor] = {}
        self.log_dets: dict[str, Tensor] = {}
        self.observed: set[str] = set()
        self.new_subsamples: dict[str, dict] = {}
        self.messages: list[Any] = []

    def _pyro_sample(self, msg: Any) -> None:
        name, fn = msg["name"], msg["fn"]
        if isinstance(fn, _Subsample):
            if name in self.subsamples:
                msg["value"], msg["done"] = self.subsamples[name]["value"], True
            else:
                self.new_subsamples[name] = msg
            return
        if msg["is_observed"]:
            self.observed.add(name)
            self.messages.append(msg)
            return
        if name not in self.values:
            self._unknown(name, fn)
            return
        support = self.spaces[name] = space(fn, self.drawn_from[name])
        transform = bijection(support)
        if self.at_values:
            start = transform.inv(finite_slopes(self.values[name]))
            _, unit = self.places[name] = self.place(name, support, start)
            self.positions[name] = differentiable(finite_slopes(start, unit.detach()))
        position = self.positions[name]
        value = transform(position)
        if leaves_circle(fn, support, value):
            guide_messages.warn_of_angle(name)
        msg["value"], msg["done"] = value, True
        self.fns[name], self.drawn[name] = fn, value
        self.log_dets[name] = transform.log_abs_det_jacobian(position, value)
        if lifted := lift("HVAE", msg, self.masks[name]):
            self.lifted[name] = lifted
        self.messages.append(msg)

    def _unknown(self, name: str, fn: Any) -> None:
        if name in self.unobserved:
            return  # data in an earlier call, absent now: nothing to condition on
        if fn.support.is_discrete:
            raise ValueError(guide_messages.discrete_latent(name, type(fn).__name__))
        raise ValueError(guide_messages.no_base_site(name, "pyro"))

    def log_probs(self) -> list[Tensor]:
        """Of each latent, in unconstrained space, and each observed site; scaled and masked."""
        terms = []
        for msg in self.messages:
            term = log_prob_of(msg)
            if msg["name"] in self.log_dets:
                term = term + self.log_dets[msg["name"]]
            terms.append(scale_and_mask(term, msg["scale"], msg["mask"]))
        return terms


def log_prob_of(msg: Any) -> Tensor:
    """Of a site's value; an error names the site."""
    try:
        return msg["fn"].log_prob(msg["value"])
    except (RuntimeError, ValueError) as error:
        error.add_note(f"in the log_prob of site {msg['name']!r}")
        raise


def differentiable(x: Tensor) -> Tensor:
    return x if x.requires_grad else x.detach().requires_grad_()


def sum_to(x: Tensor, dims: frozenset[int]) -> Tensor:
    """The sum over all axes but `dims` (negative), of size 1 then."""
    axes = [d for d in range(-x.dim(), 0) if d not in dims]
    return x.sum(axes, keepdim=True) if axes else x


class Potential:
    """U = -log p(x, z) of the live model at the current arguments; remembers its last run.

    What lies in a plate that all sites share, or that encloses the guide (of particles), is independent of the rest: a
    *system*, with an energy of its own.  `dims` are those plates' dimensions.

    :param place: location and scale of the base, of a latent's name, support and unconstrained position; after the
        first run `places` has them.
    """

    def __init__(
        self,
        model: Callable,
        args: tuple,
        kwargs: dict,
        base: BaseSites,
        unobserved: frozenset[str],
        place: Callable[[str, Any, Tensor], tuple[Tensor, Tensor]],
    ) -> None:
        self.model, self.args, self.kwargs = model, args, kwargs
        self.place, self.places = place, dict[str, tuple[Tensor, Tensor]]()
        self.latents = base.latents
        drawn = [site.message["fn"] for site in base.sites.values() if not site.message["is_observed"]]
        if self.latents and all(isinstance(messages.innermost(fn), dist.Delta) for fn in drawn):
            raise ValueError(guide_messages.only_points("HVAE", self.latents, "base guide"))
        # a factor, such as an automatic guide's Jacobian, is no datum
        observed = [(name, site.message["fn"]) for name, site in base.sites.items() if site.message["is_observed"]]
        self.guide_observes = [name for name, fn in observed if not isinstance(fn, dist.Unit)]
        self.values = {name: drawn.value for name, drawn in self.latents.items()}
        self.scales = [drawn.scale for drawn in self.latents.values()]
        self.masks = {name: drawn.mask for name, drawn in self.latents.items()}
        self.drawn_from = {name: drawn.message for name, drawn in self.latents.items()}
        self.subsamples = dict(base.subsamples)
        self.unobserved = unobserved
        self.create_graph = torch.is_grad_enabled()
        self.dims: frozenset[int] = frozenset()
        self.outside: frozenset[int] = frozenset()

    def begin(self) -> None:
        """The first run, at the values that the base guide drew."""
        self.rng_state = torch.get_rng_state()
        with torch.enable_grad():
            self.first_terms = self._run(None)
        self.subsamples.update(self.last.new_subsamples)

    def terms_at(self, positions: tuple[Tensor, ...]) -> list[Tensor]:
        """Of log p(x, z), with scales and masks; differentiable in the positions."""
        outside = torch.get_rng_state()
        torch.set_rng_state(self.rng_state)
        with validation_enabled(False):
            terms = self._run(dict(zip(self.values, positions, strict=True)))
        torch.set_rng_state(outside)
        return terms

    def start(self) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """(positions, gradient) at the values that the base guide drew."""
        self.rng_state = torch.get_rng_state()
        gradient = self._gradient(None)
        self.first = self.last.positions
        self.subsamples.update(self.last.new_subsamples)
        return tuple(self.last.positions[name] for name in self.values), gradient

    def gradient(self, positions: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """dU/dz of each site, divided by the site's own scale: a datum's latent moves by the datum's own terms.

        The model's own randomness is the same at every step.  Arguments are not validated: where a step diverges they
        may be NaN, which is no error, since that step is rejected.
        """
        outside = torch.get_rng_state()
        torch.set_rng_state(self.rng_state)
        with validation_enabled(False):
            gradient = self._gradient(positions)
        torch.set_rng_state(outside)
        return gradient

    def overflows(self) -> dict[str, tuple[float, ...]]:
        """Of each site, the shares of positions, slopes and curvatures at the base's draw that are not finite."""
        start = [self.first[name].detach().requires_grad_() for name in self.values]
        self.create_graph = True
        with torch.enable_grad(), validation_enabled(False):
            slopes = self._gradient(tuple(start), guarded=False)
            curvatures = torch.autograd.grad(
                torch.stack([g.sum() for g in slopes]).sum(), start, allow_unused=True, materialize_grads=True
            )
        triples = zip(start, slopes, curvatures, strict=True)
        shares = [tuple(float((~x.isfinite()).float().mean()) for x in triple) for triple in triples]
        return dict(zip(self.values, shares, strict=True))

    def _gradient(self, positions: tuple[Tensor, ...] | None, *, guarded: bool = True) -> tuple[Tensor, ...]:
        with torch.enable_grad():
            named = None
            if positions is not None:
                kept = positions if self.create_graph else tuple(p.detach() for p in positions)
                kept = tuple(map(finite_slopes, kept, self._units())) if guarded else kept
                named = {name: differentiable(p) for name, p in zip(self.values, kept, strict=True)}
            self.terms = self._run(named)
            sites = self.last
            energy = functools.reduce(torch.add, [sum_to(term, self.dims) for term in self.terms])
            gradient = torch.autograd.grad(
                energy.sum(),
                [sites.positions[name] for name in self.values],
                create_graph=self.create_graph,
                allow_unused=True,
            )
        self.energy = -energy.detach()
        # the first run's are taken at the positions themselves, which guard what comes after them
        return tuple(
            torch.zeros_like(sites.positions[name]) if g is None else -(finite(g, unit) if guarded else g) / scale
            for name, g, unit, scale in zip(self.values, gradient, self._units(), self.scales, strict=True)
        )

    def _units(self) -> list[Tensor]:
        return [self.places[name][1].detach() for name in self.values]

    def _run(self, named: dict[str, Tensor] | None) -> list[Tensor]:
        values = self.values if self.create_graph else {name: v.detach() for name, v in self.values.items()}
        with (
            pyro.poutine.block(),
            _ModelSites(
                named, values, self.subsamples, self.unobserved, self.masks, self.place, self.drawn_from
            ) as sites,
        ):
            self.model(*self.args, **self.kwargs)
        if named is None:
            self.places = sites.places
            self._check(sites)
            check_absent("HVAE", sites.lifted, sites.messages)
            self.dims = self._shared_dims(sites)
        self.last = sites
        return sites.log_probs()

    def _shared_dims(self, sites: _ModelSites) -> frozenset[int]:
        inside = [{(f.name, f.dim) for f in msg["cond_indep_stack"] if f.vectorized} for msg in sites.messages]
        outside = [
            {(f.name, f.dim) for f in drawn.message["cond_indep_stack"] if f.vectorized and f not in drawn.frames}
            for drawn in self.latents.values()
        ]
        self.outside = frozenset(dim for _, dim in set.intersection(*outside))
        return frozenset(dim for _, dim in set.intersection(*inside)) | self.outside

    def size(self) -> float:
        """How many numbers a system has, scaled as its energy is, an observed one counting for several."""
        total = 0.0
        for msg, term in zip(self.last.messages, self.terms, strict=True):
            counts = hamiltonian.OBSERVED_COUNTS if msg["is_observed"] else 1.0
            scale = float(torch.as_tensor(msg["scale"]).mean())
            total += counts * term.numel() * msg["fn"].event_shape.numel() * scale
        return total / self.energy.numel()

    def _check(self, sites: _ModelSites) -> None:
        if self.guide_observes and not sites.observed:
            raise ValueError(guide_messages.swapped("HVAE", self.guide_observes))
        guide_messages.check_latents(sites.fns, self.values)


def side_by_side(fn: Callable, size: int, nesting: int) -> Callable:
    """`fn` under a plate of `size` draws, left of all its own plates."""
    return pyro.plate("_hvae_draws", size, dim=-1 - nesting)(fn)
