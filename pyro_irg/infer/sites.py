"""Effect handlers of the Hamiltonian guide: what the base guide drew, and the live model as a potential."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from pyro.distributions.torch_distribution import ExpandedDistribution, MaskedDistribution
from pyro.distributions.util import scale_and_mask
from pyro.poutine.messenger import Messenger
from pyro.poutine.subsample_messenger import _Subsample
from torch import Tensor
from torch.distributions import biject_to

__all__ = ["BaseSites", "Drawn", "Inside", "ModelSites", "Potential", "Scales"]


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
    """Runs a base guide under other names, as auxiliary sites, and keeps what it drew."""

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self.prefix = prefix
        self.sites: dict[str, Drawn] = {}
        self.subsamples: dict[str, dict] = {}

    def _pyro_sample(self, msg: Any) -> None:
        name = msg["name"]
        if isinstance(msg["fn"], _Subsample):
            self.subsamples[name] = msg
            return
        fn = msg["fn"]
        if not msg["is_observed"] and not fn.has_rsample:
            raise ValueError(
                f"HVAE: the base guide's site {name!r} has a law without reparameterized draws, {type(fn).__name__}; "
                "take its twin from pyro_irg.distributions, or a continuous law"
            )
        mask = msg["mask"]
        if isinstance(fn, MaskedDistribution):
            mask = fn._mask if mask is None else fn._mask & mask
        self.sites[name] = Drawn(msg, tuple(msg["cond_indep_stack"]), msg["scale"], mask)
        msg["name"] = f"{self.prefix}_base_{name}"
        msg["infer"] = {**(msg["infer"] or {}), "is_auxiliary": True, "was_auxiliary": _is_auxiliary(msg)}

    @property
    def latents(self) -> dict[str, Drawn]:
        """The sites that stand for latents of the model."""
        return {
            name: site
            for name, site in self.sites.items()
            if not site.message["is_observed"] and not site.message["infer"]["was_auxiliary"]
        }


def _normal_scale(fn: Any) -> Tensor | None:
    """The standard deviation of a Normal law, perhaps wrapped; None for another law."""
    while isinstance(fn, (dist.Independent, ExpandedDistribution, MaskedDistribution)):
        fn = fn.base_dist
    return fn.scale if isinstance(fn, torch.distributions.Normal) else None


class Scales(Messenger):
    """Runs a base guide at the means of its Normal laws and keeps their scales.

    Scales at the draws would do for one site.  With several, a law's scale may depend on another site's draw; a step
    size that depends on the position is no shear any more, and the flow's Jacobian would be wrong.
    """

    def __init__(self, base: BaseSites) -> None:
        super().__init__()
        self.base, self.scales = base, dict[str, Tensor]()

    def _pyro_sample(self, msg: Any) -> None:
        name, fn = msg["name"], msg["fn"]
        if isinstance(fn, _Subsample):
            msg["value"], msg["done"] = self.base.subsamples[name]["value"], True
        elif not msg["is_observed"] and (scale := _normal_scale(fn)) is not None:
            msg["value"], msg["done"] = fn.mean, True
            self.scales[name] = scale
        elif not msg["is_observed"] and name in self.base.sites and not isinstance(fn, dist.Delta):
            # held at its draw it could pass that on into a scale: from here on there are none
            msg["value"], msg["done"] = self.base.sites[name].value, True
            self.scales = _Closed(self.scales)


class _Closed(dict):
    """A dict that takes no more items."""

    def __setitem__(self, key: Any, value: Any) -> None:
        pass


def _is_auxiliary(msg: Any) -> bool:
    return bool((msg["infer"] or {}).get("is_auxiliary"))


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


class ModelSites(Messenger):
    """Runs the model with its latents at given unconstrained positions (or, at first, at the base guide's values)."""

    def __init__(
        self,
        positions: Mapping[str, Tensor] | None,
        values: Mapping[str, Tensor],
        subsamples: Mapping[str, dict],
        unobserved: frozenset[str],
    ) -> None:
        super().__init__()
        self.positions = dict(positions or {})
        self.at_values = positions is None
        self.values, self.subsamples, self.unobserved = values, subsamples, unobserved
        self.fns: dict[str, Any] = {}
        self.drawn: dict[str, Tensor] = {}
        self.log_dets: dict[str, Tensor] = {}
        self.observed: set[str] = set()
        self.new_subsamples: dict[str, dict] = {}
        self.terms: list[Callable[[], Tensor]] = []

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
            self.terms.append(lambda: _log_prob(msg))
            return
        if name not in self.values:
            self._unknown(name, fn)
            return
        transform = biject_to(fn.support)
        if self.at_values:
            self.positions[name] = _differentiable(transform.inv(self.values[name]))
        position = self.positions[name]
        value = transform(position)
        msg["value"], msg["done"] = value, True
        log_det = transform.log_abs_det_jacobian(position, value)
        self.fns[name], self.drawn[name], self.log_dets[name] = fn, value, log_det
        self.terms.append(lambda: _log_prob(msg) + scale_and_mask(log_det, msg["scale"], msg["mask"]).sum())

    def _unknown(self, name: str, fn: Any) -> None:
        if name in self.unobserved:
            return  # data in an earlier call, absent now: nothing to condition on
        if fn.support.is_discrete:
            raise ValueError(
                f"HVAE: the model's latent {name!r} is discrete ({type(fn).__name__}); sum it out of the model, "
                "Hamiltonian steps need a density"
            )
        raise ValueError(
            f"HVAE: the model's latent {name!r} has no site in the base guide; add pyro.sample({name!r}, ...) to the "
            "guide, or observe it"
        )


def _log_prob(msg: Any) -> Tensor:
    return scale_and_mask(msg["fn"].log_prob(msg["value"]), msg["scale"], msg["mask"]).sum()


def _differentiable(x: Tensor) -> Tensor:
    return x if x.requires_grad else x.detach().requires_grad_()


class Potential:
    """U = -log p(x, z) of the live model at the current arguments; remembers its last run."""

    def __init__(self, model: Callable, args: tuple, kwargs: dict, base: BaseSites, unobserved: frozenset[str]) -> None:
        self.model, self.args, self.kwargs = model, args, kwargs
        self.values = {name: drawn.value for name, drawn in base.latents.items()}
        self.scales = [drawn.scale for drawn in base.latents.values()]
        self.subsamples = dict(base.subsamples)
        self.unobserved = unobserved
        self.create_graph = torch.is_grad_enabled()
        self.energies: list[Tensor] = []

    def start(self) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """(positions, gradient) at the values that the base guide drew."""
        self.rng_state = torch.get_rng_state()
        gradient = self._gradient(None)
        self.subsamples.update(self.last.new_subsamples)
        return tuple(self.last.positions[name] for name in self.values), gradient

    def gradient(self, positions: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """dU/dz of each site, divided by the site's own scale: a datum's latent moves by the datum's own terms."""
        outside = torch.get_rng_state()
        torch.set_rng_state(self.rng_state)  # the model's own randomness is the same at every step
        gradient = self._gradient(positions)
        torch.set_rng_state(outside)
        return gradient

    def _gradient(self, positions: tuple[Tensor, ...] | None) -> tuple[Tensor, ...]:
        with torch.enable_grad():
            named = None
            if positions is not None:
                kept = positions if self.create_graph else tuple(p.detach() for p in positions)
                named = {name: _differentiable(p) for name, p in zip(self.values, kept, strict=True)}
            values = self.values if self.create_graph else {name: v.detach() for name, v in self.values.items()}
            with pyro.poutine.block(), ModelSites(named, values, self.subsamples, self.unobserved) as sites:
                self.model(*self.args, **self.kwargs)
                self._check(sites)
                log_joint = torch.stack([term() for term in sites.terms]).sum()
            gradient = torch.autograd.grad(
                log_joint,
                [sites.positions[name] for name in self.values],
                create_graph=self.create_graph,
                allow_unused=True,
            )
        self.last = sites
        self.energies.append(-log_joint.detach())
        return tuple(
            torch.zeros_like(sites.positions[name]) if g is None else -g / scale
            for name, g, scale in zip(self.values, gradient, self.scales, strict=True)
        )

    def _check(self, sites: ModelSites) -> None:
        if not sites.fns:
            raise ValueError("HVAE: the model has no latent sample site to move; use the base guide alone")
        added = sorted(self.values.keys() - sites.fns.keys())
        if added:
            raise ValueError(
                f"HVAE: the base guide's sites {added} are not latents of the model; remove them, "
                "or mark them with infer={'is_auxiliary': True}"
            )
