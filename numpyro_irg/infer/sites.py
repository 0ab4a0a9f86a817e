"""Effect handlers of the Hamiltonian guide: what the base guide drew, and the live model as a potential."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import Array, lax
from numpyro.distributions.util import scale_and_mask, sum_rightmost
from numpyro.infer.autoguide import AutoGuide
from numpyro.primitives import Messenger

from irg_kernels.adapter import guide_messages
from irg_kernels.inference import hamiltonian

from .bijections import bijection, finite_slopes
from .masks import check_absent, check_mask_outside, is_lifted, lift, mask_of, unwrapped
from .reruns import Seen, first_run, repeated


def event_last(x: Array, event_dim: int) -> Array:
    """A quantity of each batch element, shaped so that it broadcasts with arrays that have event dimensions."""
    return jnp.reshape(x, jnp.shape(x) + (1,) * event_dim)


def sum_event(x: Array, batch_ndim: int) -> Array:
    """The sum over all dimensions but the first `batch_ndim`."""
    return sum_rightmost(x, jnp.ndim(x) - batch_ndim)


def sum_to(x: Array, dims: frozenset[int]) -> Array:
    """The sum over all axes but `dims` (negative), of size 1 then."""
    return jnp.sum(x, axis=tuple(d for d in range(-jnp.ndim(x), 0) if d not in dims), keepdims=True)


@dataclass
class Drawn:
    """A site of the base guide, as it stood before any enclosing plate, scale or mask was applied."""

    fn: Any
    frames: list
    scale: Any
    auxiliary: bool
    observed: bool
    value: Any = None
    intermediates: Any = None
    """of the draw, for a transformed distribution"""
    outer: list = field(default_factory=list)
    """the enclosing plates"""

    @property
    def mask(self) -> Any:
        return mask_of(self.fn)


class BaseSites(Messenger):
    """Runs a base guide under other names, as auxiliary sites, and keeps what it drew; without a prefix, as it is."""

    def __init__(self, prefix: str | None) -> None:
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
        if self.prefix and not msg["is_observed"] and not fn.has_rsample:
            raise ValueError(guide_messages.not_reparameterized(name, type(unwrapped(fn)).__name__, "numpyro_irg"))
        check_mask_outside(name, fn)
        auxiliary = bool(msg["infer"].get("is_auxiliary"))
        self.sites[name] = Drawn(fn, list(msg["cond_indep_stack"]), msg["scale"], auxiliary, msg["is_observed"])
        self._open.append(name)
        if self.prefix:
            msg["name"] = f"{self.prefix}_base_{name}"
            msg["infer"] = {**msg["infer"], "is_auxiliary": True}

    def postprocess_message(self, msg: Any) -> None:
        if msg["type"] == "sample":
            msg["name"] = self._open.pop()
            site = self.sites[msg["name"]]
            differentiable = self.prefix and jnp.issubdtype(jnp.result_type(msg["value"]), jnp.floating)
            site.value = finite_slopes(msg["value"]) if differentiable else msg["value"]
            site.intermediates = msg["intermediates"]
            site.outer = [frame for frame in msg["cond_indep_stack"] if frame not in site.frames]
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
    """The base's draws, and its distributions as they are without looking at a draw, for the units of the step sizes.

    A distribution that depends on another site's draw would make the step sizes depend on z_0, and the map no shear any
    more. So with two random sites or more the distributions are read off a second run in which each takes its centre;
    where they depend on no draw its results are the first run's, and the compiler merges the two.
    """
    base = BaseSites(prefix)
    with base:
        guide(*args, **kwargs)
    if isinstance(guide, AutoGuide):
        base.supports = {name: guide.prototype_trace[name]["fn"].support for name in base.latents}
    if base.latents and all(isinstance(unwrapped(s.fn), dist.Delta) for s in base.sites.values() if not s.observed):
        raise ValueError(guide_messages.only_points("HVAE", base.latents, "base guide"))
    distributions = {name: site.fn for name, site in base.sites.items()}
    random = [s for s in base.sites.values() if not s.observed and not isinstance(unwrapped(s.fn), dist.Delta)]
    if len(random) > 1:
        with repeated(base.seen, numpyro.prng_key(), _centre) as sites:
            guide(*args, **kwargs)
        distributions = {name: site["fn"] for name, site in sites.items() if site["type"] == "sample"}
    return base, distributions


def _centre(msg: Any) -> Any:
    """The mean of a distribution where it has a finite one, a point of its support elsewhere."""
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


@dataclass
class Latent:
    """A latent site of the model, at the base guide's draw."""

    name: str
    support: Any
    """out of which the base's draw was taken into unconstrained space"""
    position: Array
    """unconstrained, y_0"""
    log_det: Array
    """log|dT/dy| there"""
    batch_shape: tuple[int, ...]
    scale: Any
    """the site's own, of subsampling and `handlers.scale`"""

    @property
    def batch_ndim(self) -> int:
        return len(self.batch_shape)

    @property
    def event_shape(self) -> tuple[int, ...]:
        """of the unconstrained position"""
        return jnp.shape(self.position)[self.batch_ndim :]

    def scaled(self, x: Array, power: int = 1) -> Array:
        """An array of the position's shape times the site's scale, or divided by it (power -1)."""
        if self.scale is None:
            return x
        scale = jnp.asarray(self.scale, x.dtype)
        return x * (event_last(scale, len(self.event_shape)) if scale.ndim else scale) ** power


def _latent(site: Any, base: BaseSites) -> Latent:
    name, value = site["name"], jnp.asarray(base.latents[site["name"]].value)
    support = base.supports.get(name, site["fn"].support)
    batch_shape = value.shape[: value.ndim - site["fn"].event_dim]
    position = bijection(support).inv(value)
    log_det = sum_event(bijection(support).log_abs_det_jacobian(position, value), len(batch_shape))
    return Latent(name, support, position, log_det, batch_shape, site["scale"])


class _Entry(Messenger):
    """Gives the model's latents the base's draws.

    An autoguide maps its unconstrained draws into the supports of its first call.  Where a support depends on another
    latent, the same unconstrained point is mapped into the one that holds now.
    """

    def __init__(self, base: BaseSites) -> None:
        super().__init__()
        self.base, self.latents = base, base.latents

    def process_message(self, msg: Any) -> None:
        name = msg.get("name")
        if msg["type"] != "sample" or msg["is_observed"] or name not in self.latents:
            return
        msg["value"], then, now = self.latents[name].value, self.base.supports.get(name), msg["fn"].support
        if then is None or then is now:
            return
        if type(then) is not type(now):
            raise ValueError(
                f"HVAE: the support of site {name!r} was {then} at the autoguide's first call and is {now} now; "
                "make an autoguide for each kind of support"
            )
        msg["value"] = bijection(now)(bijection(then).inv(msg["value"]))


class LiveModel:
    """U = -log p(x, z) of the model at the current arguments and parameters, as a function of unconstrained positions.

    What lies in a plate that all sites share, or that encloses the guide, is independent of the rest: a *system*, with
    an energy of its own.  `dims` are those plates' dimensions; `size` counts numbers, an observed one for several.

    :param unobserved: sites that carried data in an earlier call; without data now, they are left out of U.
    :raises ValueError: for latents that the base guide misses or adds, discrete ones, and a model without latents.
    """

    def __init__(self, model: Callable, args: tuple, kwargs: dict, base: BaseSites, unobserved: frozenset[str]) -> None:
        self.model, self.args, self.kwargs = model, args, kwargs
        self.key = numpyro.prng_key()  # the model's own randomness is the same in every run
        samples, self.seen = first_run(model, args, kwargs, self.key, base.seen, _Entry(base))
        self.observed = frozenset(name for name, site in samples.items() if site["is_observed"])
        # a factor, such as an automatic guide's Jacobian, is no datum
        observed = [(name, unwrapped(site.fn)) for name, site in base.sites.items() if site.observed]
        guide_observes = [name for name, fn in observed if not isinstance(fn, dist.Unit)]
        if guide_observes and not self.observed:
            raise ValueError(guide_messages.swapped("HVAE", guide_observes))
        self.names = [name for name, site in samples.items() if not site["is_observed"] and name in base.latents]
        known = {*base.latents, *unobserved}
        _check(self.names, base, samples, [n for n, s in samples.items() if not s["is_observed"] and n not in known])
        self.masks = {name: base.latents[name].mask for name in self.names}
        self._lift(samples)
        self.latents = [_latent(samples[name], base) for name in self.names]
        sites = [s for name, s in samples.items() if s["is_observed"] or name in self.names]
        inside = [{(f.name, f.dim) for f in site["cond_indep_stack"]} for site in sites]
        outside = [{(f.name, f.dim) for f in base.sites[name].outer} for name in self.names]
        self.shared, self.outside = set.intersection(*inside), set.intersection(*outside)
        self.scales = [site["scale"] for site in sites]
        self.dims = frozenset(dim for _, dim in self.shared | self.outside)
        self.size = sum(_size(site) for site in sites)
        if masked := [name for name in self.names if is_lifted(samples[name])]:
            named = {latent.name: latent.position for latent in self.latents}
            check_absent("HVAE", masked, lambda at: self._run(tuple(at[n] for n in self.names), self.seen), named)

    def _lift(self, sites: dict[str, Any]) -> dict[str, Any]:
        for name, mask in self.masks.items():
            lift("HVAE", sites[name], mask)
        return sites

    def _run(self, positions: tuple[Array, ...], seen: Seen) -> dict[str, Any]:
        at = dict(zip(self.names, positions, strict=True))

        def value(msg):
            if msg["type"] == "sample" and msg["name"] in at:
                return bijection(msg["fn"].support)(at[msg["name"]])
            return None

        with repeated(seen, self.key, value) as sites:
            self.model(*self.args, **self.kwargs)
        return self._lift(sites)

    def terms(self, positions: tuple[Array, ...], *, detached: bool = False) -> list[Array]:
        """Of log p(x, z), with the scales of subsampling; detached from the model's parameters, if so wished."""
        seen = self.seen
        if detached:
            seen = replace(seen, params=lax.stop_gradient(seen.params), mutables=lax.stop_gradient(seen.mutables))
        sites, terms = self._run(positions, seen), []
        for name in [*self.names, *(name for name in sites if name in self.observed)]:
            site = sites[name]
            terms.append(scale_and_mask(site["fn"].log_prob(site["value"]), site["scale"]))
        for latent, position in zip(self.latents, positions, strict=True):
            site = sites[latent.name]
            terms.append(weighted(site, _log_det(site, position, latent.batch_ndim)))
        return terms

    def gradient(
        self, positions: tuple[Array, ...], units: tuple[Array, ...] | None = None, *, detached: bool = False
    ) -> tuple[tuple[Array, ...], Array]:
        """dU/dz of each site, and U of each system (never differentiated).

        The gradient is divided by the site's own scale: a datum's latent moves by the datum's own terms.

        :param units: the base's scales, by which the gradient's own slopes are kept finite; not without.
        """

        def log_joint(z):
            terms = self.terms(z, detached=detached)
            systems = functools.reduce(jnp.add, [sum_to(term, self.dims) for term in terms])
            return jnp.sum(systems), lax.stop_gradient(-systems)

        if units is not None:
            positions = tuple(map(finite_slopes, positions, units))
        slopes, energy = jax.grad(log_joint, has_aux=True)(positions)
        return tuple(latent.scaled(-slope, -1) for slope, latent in zip(slopes, self.latents, strict=True)), energy

    def overflows(self) -> dict[str, tuple[Array, ...]]:
        """Of each site, the shares of positions, slopes and curvatures at the base's draw that are not finite."""
        z = tuple(latent.position for latent in self.latents)
        slopes, _ = self.gradient(z)
        curvatures = jax.grad(lambda z: sum(jnp.sum(g) for g in self.gradient(z)[0]))(z)
        triples = zip(z, slopes, curvatures, strict=True)
        shares = [tuple(jnp.mean(~jnp.isfinite(x), dtype=x.dtype) for x in triple) for triple in triples]
        return dict(zip(self.names, shares, strict=True))

    def place(self, positions: tuple[Array, ...]) -> list[tuple[Any, Array]]:
        """(site, log|dT/dy|) of each latent at the positions, with the supports that hold there."""
        sites, pairs = self._run(positions, self.seen), zip(self.latents, positions, strict=True)
        return [(sites[at.name], _log_det(sites[at.name], position, at.batch_ndim)) for at, position in pairs]


def weighted(site: Any, term: Array) -> Array:
    """A term of a site's, with its scale and mask."""
    return scale_and_mask(term, site["scale"], mask_of(site["fn"]))


def _size(site: Any) -> Array | float:
    """How many numbers a site has, times its scale and `OBSERVED_COUNTS` for data."""
    fn, value = site["fn"], site["value"]
    counts = hamiltonian.OBSERVED_COUNTS if site["is_observed"] else 1.0
    size = counts * math.prod(jnp.broadcast_shapes(fn.batch_shape + fn.event_shape, jnp.shape(value)))
    return size if site["scale"] is None else size * jnp.mean(site["scale"])


def _log_det(site: Any, position: Array, batch_ndim: int) -> Array:
    log_det = bijection(site["fn"].support).log_abs_det_jacobian(position, site["value"])
    return sum_event(log_det, batch_ndim)


def _check(names: list[str], base: BaseSites, samples: dict[str, Any], missing: list[str]) -> None:
    for name, site in samples.items():
        if site["is_observed"] or name not in {*missing, *base.latents}:
            continue
        if site["fn"].support.is_discrete:
            raise ValueError(guide_messages.discrete_latent(name, type(unwrapped(site["fn"])).__name__))
        if name in missing:
            raise ValueError(guide_messages.no_base_site(name, "numpyro"))
        ours, theirs = site["fn"].event_dim, base.sites[name].fn.event_dim
        if ours != theirs:
            raise ValueError(
                f"HVAE: site {name!r} has {theirs} event dimensions in the base guide and {ours} in the model; "
                "write .to_event(...) in both"
            )
    guide_messages.check_latents(names, base.latents)
