"""Effect handlers of the Hamiltonian guide: runs that repeat, and what the base guide drew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import Array
from numpyro.distributions.util import sum_rightmost
from numpyro.handlers import block, seed, substitute, trace
from numpyro.infer.autoguide import AutoGuide
from numpyro.primitives import Messenger

__all__ = [
    "BaseSites", "Drawn", "Inside", "Seen", "copied", "event_last", "mask_of", "repeated", "run_base", "sum_event",
    "unwrapped",
]  # fmt: skip


def event_last(x: Array, event_dim: int) -> Array:
    """A quantity of each batch element, shaped so that it broadcasts with arrays that have event dimensions."""
    return jnp.reshape(x, jnp.shape(x) + (1,) * event_dim)


def sum_event(x: Array, batch_ndim: int) -> Array:
    """The sum over all dimensions but the first `batch_ndim`."""
    return sum_rightmost(x, jnp.ndim(x) - batch_ndim)


@dataclass
class Seen:
    """What a first run saw of parameters, mutable state and plates, for the runs that repeat it.

    NumPyro's primitives must not be called inside `grad` or `scan`, where their values would leak as tracers; a
    repeated run takes them from here, live and differentiable.
    """

    params: dict[str, Any] = field(default_factory=dict)
    mutables: dict[str, Any] = field(default_factory=dict)
    plates: dict[str, tuple[Array, list]] = field(default_factory=dict)

    def record(self, msg: Any) -> None:
        if msg["value"] is None:  # the first of the two calls with which flax_module and others begin
            return
        if msg["type"] == "param":
            self.params[msg["name"]] = msg["value"]
        elif msg["type"] == "mutable":
            self.mutables[msg["name"]] = copied(msg["value"])
        elif msg["type"] == "plate":
            self.plates[msg["name"]] = msg["value"], list(msg["cond_indep_stack"])

    def answer(self, msg: Any) -> bool:
        """Give a message its recorded value, if there is one."""
        kind, name = msg["type"], msg.get("name")
        if kind == "param" and name in self.params:
            msg["value"] = self.params[name]
        elif kind == "mutable" and name in self.mutables:
            msg["value"] = copied(self.mutables[name])
        elif kind == "plate" and name in self.plates:
            msg["value"], frames = self.plates[name]
            msg["cond_indep_stack"][:] = frames
        else:
            return False
        return True


def copied(state: Any) -> Any:
    return dict(state) if isinstance(state, dict) else state


class _Again(Messenger):
    """A repeated run: everything comes from the first one, nothing goes out."""

    def __init__(self, seen: Seen) -> None:
        super().__init__()
        self.seen = seen

    def process_message(self, msg: Any) -> None:
        self.seen.answer(msg)


@contextmanager
def repeated(seen: Seen, key: Array | None, values: Callable[[Any], Any]) -> Iterator[Any]:
    with block(), trace() as sites, _Again(seen), seed(rng_seed=key), substitute(substitute_fn=values):
        yield sites


@dataclass
class Drawn:
    """A site of the base guide, as it stood before any enclosing plate, scale or mask was applied."""

    fn: Any
    frames: list
    scale: Any
    auxiliary: bool
    observed: bool
    value: Any = None

    @property
    def mask(self) -> Any:
        return mask_of(self.fn)


def unwrapped(fn: Any) -> Any:
    """The law inside `Independent`, `ExpandedDistribution` and `MaskedDistribution`."""
    while isinstance(fn, dist.Independent | dist.ExpandedDistribution | dist.MaskedDistribution):
        fn = fn.base_dist
    return fn


def mask_of(fn: Any) -> Any:
    """The mask over the batch of a law, or None."""
    mask = None
    while isinstance(fn, dist.ExpandedDistribution | dist.MaskedDistribution):
        if isinstance(fn, dist.MaskedDistribution):
            mask = fn._mask if mask is None else fn._mask & mask
        fn = fn.base_dist
    return mask


class BaseSites(Messenger):
    """Runs a base guide under other names, as auxiliary sites, and keeps what it drew."""

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self.prefix = prefix
        self.sites: dict[str, Drawn] = {}
        self.seen = Seen()
        self.supports: dict[str, Any] = {}
        """into which an autoguide maps its unconstrained draws, those of its first call"""
        self._open: list[str] = []

    def process_message(self, msg: Any) -> None:
        if msg["type"] != "sample":
            return
        name, fn = msg["name"], msg["fn"]
        if not msg["is_observed"] and not fn.has_rsample:
            raise ValueError(
                f"HVAE: the base guide's site {name!r} has a law without reparameterized draws, "
                f"{type(unwrapped(fn)).__name__}; take its twin from numpyro_irg.distributions, or a continuous law"
            )
        auxiliary = bool(msg["infer"].get("is_auxiliary"))
        self.sites[name] = Drawn(fn, list(msg["cond_indep_stack"]), msg["scale"], auxiliary, msg["is_observed"])
        self._open.append(name)
        msg["name"] = f"{self.prefix}_base_{name}"
        msg["infer"] = {**msg["infer"], "is_auxiliary": True}

    def postprocess_message(self, msg: Any) -> None:
        if msg["type"] == "sample":
            msg["name"] = self._open.pop()
            self.sites[msg["name"]].value = msg["value"]
        else:
            self.seen.record(msg)

    @property
    def latents(self) -> dict[str, Drawn]:
        """The sites that stand for latents of the model."""
        return {name: site for name, site in self.sites.items() if not site.auxiliary and not site.observed}


class Inside(Messenger):
    """Puts a site into the plates, scale and mask in which the base guide drew another."""

    def __init__(self, drawn: Drawn) -> None:
        super().__init__()
        self.drawn = drawn

    def process_message(self, msg: Any) -> None:
        if msg["type"] != "sample":
            return
        msg["cond_indep_stack"].extend(self.drawn.frames)
        if self.drawn.scale is not None:
            msg["scale"] = self.drawn.scale if msg["scale"] is None else self.drawn.scale * msg["scale"]
        if self.drawn.mask is not None:
            msg["fn"] = msg["fn"].mask(self.drawn.mask)


def run_base(guide: Callable, prefix: str, args: tuple, kwargs: dict) -> tuple[BaseSites, dict[str, Any]]:
    """The base's draws, and its laws as they are without looking at a draw, for the units of the step sizes.

    A law that depends on another site's draw would make the step sizes depend on z_0, and the map no shear any more.
    So with two random sites or more the laws are read off a second run in which each takes its centre; where they
    depend on no draw its results are the first run's, and the compiler merges the two.
    """
    base = BaseSites(prefix)
    with base:
        guide(*args, **kwargs)
    if isinstance(guide, AutoGuide):
        base.supports = {name: guide.prototype_trace[name]["fn"].support for name in base.latents}
    if base.latents and all(isinstance(unwrapped(s.fn), dist.Delta) for s in base.sites.values() if not s.observed):
        raise ValueError(
            f"HVAE: the base guide's sites {sorted(base.latents)} are points (Delta), without a density; "
            "take a base with random draws, such as AutoNormal"
        )
    laws = {name: site.fn for name, site in base.sites.items()}
    random = [s for s in base.sites.values() if not s.observed and not isinstance(unwrapped(s.fn), dist.Delta)]
    if len(random) > 1:
        with repeated(base.seen, numpyro.prng_key(), _centre) as sites:
            guide(*args, **kwargs)
        laws = {name: site["fn"] for name, site in sites.items() if site["type"] == "sample"}
    return base, laws


def _centre(msg: Any) -> Any:
    """The mean of a law where it has a finite one, a point of its support elsewhere."""
    if msg["type"] != "sample" or msg["is_observed"]:
        return None
    fn = msg["fn"]
    if isinstance(unwrapped(fn), dist.Delta):
        return None
    shape = tuple(msg["kwargs"].get("sample_shape", ())) + fn.shape()
    feasible = fn.support.feasible_like(jnp.zeros(shape))
    try:
        return jnp.where(jnp.isfinite(fn.mean), fn.mean, feasible)
    except (NotImplementedError, AttributeError):
        return feasible
