"""A mixture of Gaussians as an automatic guide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import pyro
import torch
from pyro.distributions import Delta, constraints
from pyro.distributions.util import scale_and_mask, sum_rightmost
from pyro.infer.autoguide import AutoContinuous, init_to_median
from pyro.nn import PyroParam
from pyro.poutine import block, trace
from pyro.poutine.runtime import am_i_wrapped
from torch import Tensor
from tqdm import tqdm

from irg_kernels.adapter import guide_messages, settings
from irg_kernels.inference import modes, pathfinder

from ..attach import NATIVE
from ..distributions import Categorical, MixtureSameFamily, MultivariateNormal
from .bijections import ON_CIRCLE, bijection, own_support
from .hidden import hidden_latents
from .masks import Lifted, Unmasked, check_absent, mask_like
from .sites import buffers_kept, log_prob_of, side_by_side, sum_to

MOST_TOGETHER = 64
"""How many points the model is run at side by side: of 1e5 data, a few hundred MB."""

MOST_OUTSIDE = 3
"""In how many plates, as `vectorize_particles` makes one, a guide may be called first: the search's is left of them."""

SILENT_SECONDS = 2.0
"""From when on a search shows a bar."""


class AutoMixture(AutoContinuous):
    """Autoguide whose distribution over all latents, in unconstrained space, is a mixture of Gaussians of full
    covariance::

        guide = AutoMixture(model, num_components=4)

    It is reparameterized in the weights too, under every ELBO.  The components begin where a search of the model's
    density finds its modes: quasi-Newton descents from `num_starts` points, half of them around that of `init_loc_fn`,
    half draws of the prior, and on each path the best normal approximation (Pathfinder: Zhang, Carpenter, Gelman,
    Vehtari 2022).  The K best of different modes are taken, then some twice; a warning tells of modes of comparable
    mass beyond K.  A mode that no start leads to stays unfound.  Each component learns in units of the scales it began
    with, whatever the posterior's; the weights learn at a tenth of the rate, since between modes far apart their
    gradient is mostly noise.

    :param model: a model whose latents are continuous and global.
    :param num_components: K, at least 1.
    :param num_starts: how many descents, by 400 evaluations of the gradient in all, and at the end by two more, or
        four, for each dimension, of ten at most for a descent and, 2 to 4 times, of a hundred for a component; side
        by side, if the model is vectorizable.  A regression of 100 rows takes half a second; a search of more than two
        shows a bar.  0 for none: the components then begin around the point of `init_loc_fn`, `init_spread` apart.  A
        model with discrete latents hidden by `poutine.block` wants 0, for the search holds them at one draw.
    :param init_loc_fn: as in Pyro's autoguides.
    :param init_scale: longest first step of the search; without one, standard deviation of each component.
    :param init_spread: standard deviation, about the point of `init_loc_fn`, of the points where the search begins;
        without one, of the components' locations.
    :raises TypeError: for a model that cannot be called.
    :raises RuntimeError: when called, for a model without latents.
    :raises ValueError: for settings out of bounds; when called, for latents that the model masks though other terms
        depend on them (of others that it masks out, the prior is counted).
    """

    log_weights: Any
    origins: Any
    units: Any
    logits: Any
    shifts: Any
    scales: Any
    scale_trils: Any

    _shrinks = True  # components that could not be trained from their scales, and they are weighed
    _where = "AutoMixture"

    def __init__(
        self,
        model: Callable,
        num_components: int,
        *,
        num_starts: int = 8,
        init_loc_fn: Callable = init_to_median,
        init_scale: float = 1.0,
        init_spread: float = 2.0,
    ) -> None:
        guide_messages.check_program("AutoMixture", "model", model)
        settings.check_auto_mixture(num_components, num_starts, init_scale, init_spread)
        self.num_components, self.num_starts = num_components, num_starts
        self.init_scale, self.init_spread = init_scale, init_spread
        self._bare = (model,)  # in a tuple, lest a model that is a module becomes a part of the guide
        super().__init__(model, init_loc_fn=init_loc_fn)

    def setup(self, *args: Any, **kwargs: Any) -> Any:
        """Makes the parameters for the model's arguments, without search: then `load_state_dict`.

        :returns: the guide.
        """
        starts, self.num_starts, state = self.num_starts, 0, torch.get_rng_state()
        try:
            with buffers_kept(self._bare[0]):
                self._setup_prototype(*args, **kwargs)
        finally:
            self.num_starts = starts
            torch.set_rng_state(state)
        return self

    def _setup_prototype(self, *args: Any, **kwargs: Any) -> None:
        try:
            super()._setup_prototype(*args, **kwargs)
        except RuntimeError as error:
            if getattr(self, "latent_dim", None) == 0:
                raise RuntimeError(guide_messages.no_latents(self._where)) from error
            raise
        like = self._init_loc()
        self._masked = self._looked_for_masks(like, args, kwargs)
        self._set_up(like, args, kwargs)

    def _set_up(self, like: Tensor, args: tuple, kwargs: dict) -> None:
        """The parameters, as they begin."""
        if self.num_starts:
            guide_messages.warn_of_hidden("AutoMixture", hidden_latents(self._bare[0], args, kwargs))
        log_weights, locs, scale_trils = self._found_start(like, args, kwargs)
        count, size = locs.shape
        # PyroParams all: of a plain nn.Parameter, a restored parameter store is another tensor than the one in use.
        # Where the parameters begin is kept with them, but used detached, so that no optimizer moves it.
        self.log_weights, self.origins, self.units = map(PyroParam, (log_weights, locs, scale_trils))
        self.logits = PyroParam(like.new_zeros(count))
        self.shifts = PyroParam(like.new_zeros(count, size))
        self.scales = PyroParam(like.new_ones(count, size), constraints.softplus_positive)
        identity = torch.eye(size, dtype=like.dtype, device=like.device)
        self.scale_trils = PyroParam(identity.repeat(count, 1, 1), constraints.unit_lower_cholesky)

    def _found_start(self, like: Tensor, args: tuple, kwargs: dict) -> tuple[Tensor, ...]:
        """Log-weights, locations and lower triangular scales of the components to begin with."""
        count, size = self.num_components, self.latent_dim
        unit = self.init_scale * torch.eye(size, dtype=like.dtype, device=like.device)
        log_weights, noise = like.new_zeros(count), torch.randn_like(like.expand(count, size))
        if self.num_starts:
            with block(), pyro.validation_enabled(False), buffers_kept(self._bare[0]):
                starts = self._starts(like, args, kwargs)
                log_weights, locs, scale_trils = self._searched(starts, unit, noise, args, kwargs)
        else:
            locs = like + self.init_spread * (noise if count > 1 else 0.0 * noise)
            scale_trils = unit.repeat(count, 1, 1)
        return log_weights, locs, scale_trils

    def _looked_for_masks(self, latent: Tensor, args: tuple, kwargs: dict) -> bool:
        """Whether the model masks a latent; an error if it masks one that other terms depend on."""
        values = {site["name"]: _constrained(site, value) for site, value in self._unpack_latent(latent)}
        values = {name: value.detach().requires_grad_() for name, value in values.items()}
        with block(), torch.enable_grad(), buffers_kept(self._bare[0]):
            with Unmasked("AutoMixture", values) as model:
                self._bare[0](*args, **kwargs)
            for msg in model.messages:
                log_prob_of(msg)  # validated here, as the search does not
            check_absent("AutoMixture", model.lifted, model.messages)
        frames = [frame.dim for msg in model.messages for frame in msg["cond_indep_stack"] if frame.dim is not None]
        self._nesting = -min(frames, default=0)
        return bool(model.lifted)

    @torch.no_grad()
    def _starts(self, like: Tensor, args: tuple, kwargs: dict) -> Tensor:
        """Where the search begins, (S, D): the point of `init_loc_fn`, points around it, and draws of the prior."""
        starts = like + self.init_spread * torch.randn_like(like.expand(self.num_starts, -1))
        starts[0] = like
        for start in starts[self.num_starts - self.num_starts // 2 :]:
            try:
                sites: Any = trace(self._bare[0]).get_trace(*args, **kwargs).nodes
            except NotImplementedError:  # an improper prior
                break
            drawn = [(own_support(sites[name]["fn"]), sites[name]["value"]) for name in self._unconstrained_shapes]
            start[:] = torch.cat([bijection(support).inv(value).reshape(-1) for support, value in drawn])
        return starts

    def _potentials(self, points: Tensor, args: tuple, kwargs: dict) -> Tensor:
        """At (N, D), side by side under a plate left of the model's, or one by one."""
        if not self._side_by_side:
            return torch.cat([self._under_a_plate(point, 0, args, kwargs) for point in points[:, None]])
        return torch.cat(
            [self._under_a_plate(part, self._nesting, args, kwargs) for part in points.split(MOST_TOGETHER)]
        )

    def _under_a_plate(self, points: Tensor, nesting: int, args: tuple, kwargs: dict) -> Tensor:
        """At (N, D), in a plate of N left of `nesting` others; N = 1 without plate."""
        count, dims = len(points), frozenset({-1 - nesting})
        program = self._bare[0] if count == 1 else side_by_side(self._bare[0], count, nesting)
        latent = points[0] if count == 1 else points.reshape(count, *[1] * nesting, -1)
        values, energy = {}, points.new_zeros(count)
        for site, unconstrained in self._unpack_latent(latent):
            transform = bijection(own_support(site["fn"]))
            value = values[site["name"]] = transform(unconstrained)
            log_det = transform.log_abs_det_jacobian(unconstrained, value)
            log_det = sum_rightmost(log_det, log_det.dim() - value.dim() + site["fn"].event_dim)
            energy = energy - _each(log_det, count, dims)
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):  # one subsample throughout
            torch.manual_seed(0)
            with Unmasked("AutoMixture", values) as model:
                program(*args, **kwargs)
        for msg in model.messages:
            term = scale_and_mask(log_prob_of(msg), msg["scale"], msg["mask"])
            energy = energy - _each(term, count, dims)
        return energy

    def _is_vectorizable(self, points: Tensor, args: tuple, kwargs: dict) -> bool:
        """Whether two points have the same potential side by side as one by one."""
        self._side_by_side = False
        apart = self._potentials(points[:2], args, kwargs)
        for nesting in range(self._nesting, self._nesting + 1 + MOST_OUTSIDE):
            try:
                together = self._under_a_plate(points[:2], nesting, args, kwargs)
            except (RuntimeError, ValueError, IndexError, TypeError, NotImplementedError):
                continue  # of shapes that do not fit, or of an outer plate at that dimension
            # a thousandth is far above rounding, and far below the terms of a wrong shape
            if torch.allclose(together, apart, rtol=1e-3, atol=1e-3, equal_nan=True):
                self._nesting = nesting
                return True
        return False

    def _energies(self, points: Tensor, active: Tensor, args: tuple, kwargs: dict) -> Tensor:
        """The potential at (S, M, D), where active."""
        found, active = points.new_zeros(points.shape[:-1]), active > 0.0
        if active.any():
            some = points[active]
            found[active] = self._potentials(some.flatten(0, 1), args, kwargs).reshape(some.shape[:-1])
        return found

    def _slopes(self, points: Tensor, active: Tensor, args: tuple, kwargs: dict) -> tuple[Tensor, Tensor]:
        """Potential and gradient at (S, D), where active."""
        found, slopes, active = torch.zeros_like(active), torch.zeros_like(points), active > 0.0
        if active.any():
            with torch.enable_grad():
                some = points[active].requires_grad_()
                energies = self._potentials(some, args, kwargs)
                (slopes[active],) = torch.autograd.grad(energies.sum(), some)
            found[active] = energies.detach()
        return found, slopes

    @torch.no_grad()
    def _searched(self, starts: Tensor, unit: Tensor, noise: Tensor, args: tuple, kwargs: dict) -> tuple[Tensor, ...]:
        """Log-weights, locations and lower triangular scales of the components to begin with."""
        several, size = starts.shape
        eps = torch.randn(pathfinder.ELBO_DRAWS, size, dtype=starts.dtype, device=starts.device)
        factor, eps = (value.repeat(several, 1, 1) for value in (unit, eps))

        def gradient(points: Tensor, active: Tensor) -> tuple[Tensor, Tensor]:
            bar.update()
            return self._slopes(points, active, args, kwargs)

        def potentials(points: Tensor, active: Tensor) -> Tensor:
            return self._energies(points, active, args, kwargs)

        self._side_by_side = several > 1 and self._is_vectorizable(starts, args, kwargs)
        how = "" if self._side_by_side else ", one point at a time"
        most = pathfinder.rounds(several, size) + pathfinder.refinements(size) + 1
        with tqdm(total=most, desc=f"{self._where}: search{how}", delay=SILENT_SECONDS, leave=False) as bar:
            found = pathfinder.paths(NATIVE, starts, factor, eps, gradient, potentials)
            count = _modes(found, gradient, potentials)
            distance = _distance(_lower(found.best_factor), found.best_x)
            picks = pathfinder.chosen(NATIVE, found.elbo, distance, size, self.num_components)
            which = torch.stack([pick.argmax() for pick, _ in picks])
            some = pathfinder.Path(*(values[which] for values in found))
            pairs = torch.randn(len(which), pathfinder.REFINED_PAIRS, size, dtype=starts.dtype, device=starts.device)
            some = pathfinder.refined(NATIVE, some, torch.cat([pairs, -pairs], 1), gradient, potentials)
        guide_messages.warn_of_modes(self._where, count, self.num_components)
        repeated = torch.stack([shared for _, shared in picks]) > 0.0
        locs, scale_trils = some.best_x, _lower(some.best_factor)
        # those that share a mode begin about a standard deviation apart
        moved = (scale_trils @ noise[..., None])[..., 0] / size**0.5
        locs = locs + torch.where(repeated[:, None], moved, 0.0)
        points = torch.randn(pathfinder.MASS_DRAWS, *locs.shape, dtype=locs.dtype, device=locs.device)
        points[0] = 0.0
        if not self._shrinks:
            return locs.new_zeros(self.num_components), locs, scale_trils
        return _weighed(locs, scale_trils, points, lambda z: potentials(z, z.new_ones(len(z))))

    def _check_size(self, stored: Tensor) -> None:
        """:raises ValueError: where Pyro's store has the parameters of another guide."""
        if stored.shape[-1] != self.latent_dim:
            raise ValueError(guide_messages.of_another_guide(self._where, self.latent_dim, stored.shape[-1]))

    def get_posterior(self, *args: Any, **kwargs: Any) -> MixtureSameFamily:
        """The mixture, over all latents in unconstrained space.

        :raises RuntimeError: before the guide's first call, or `setup`.
        :raises ValueError: where Pyro's store has the parameters of another guide, of another size.
        """
        if self.prototype_trace is None:
            raise RuntimeError(guide_messages.not_set_up("get_posterior"))
        units = self.units.detach()
        self._check_size(units)
        locs = self.origins.detach() + (units @ self.shifts[..., None])[..., 0]
        components = MultivariateNormal(locs, scale_tril=units @ (self.scales[..., None] * self.scale_trils))
        logits = self.log_weights.detach() + pathfinder.WEIGHT_RATE * self.logits
        return MixtureSameFamily(Categorical(logits=logits), components)

    def forward(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        if self.prototype_trace is None:
            self._setup_prototype(*args, **kwargs)
        latent = self.sample_latent(*args, **kwargs)
        plates = self._create_plates(*args, **kwargs)
        unpacked = list(self._unpack_latent(latent))
        found = {site["name"]: _constrained(site, unconstrained) for site, unconstrained in unpacked}
        lifted = self._lifted(found, args, kwargs) if self._masked else {}
        inside: Any = {ON_CIRCLE: True}
        for site, unconstrained in unpacked:
            name, event_dim, transform = site["name"], site["fn"].event_dim, bijection(own_support(site["fn"]))
            value = found[name]
            log_det = transform.log_abs_det_jacobian(unconstrained, value)
            log_det = sum_rightmost(log_det, log_det.dim() - value.dim() + event_dim)
            with ExitStack() as stack:
                for frame in self._cond_indep_stacks[name]:
                    stack.enter_context(plates[frame.name])
                # A factor, since `TraceMeanField_ELBO` drops the `log_density` of a Delta.
                if am_i_wrapped():
                    log_det = log_det + (lifted[name].taken() if name in lifted else 0.0)
                    pyro.factor(f"_{self._pyro_name}_jacobian_{name}", -log_det, has_rsample=True)
                with mask_like(lifted.get(name)):
                    found[name] = pyro.sample(name, Delta(value, event_dim=event_dim), infer=inside)
        return found

    def _lifted(self, values: dict[str, Tensor], args: tuple, kwargs: dict) -> dict[str, Lifted]:
        with block(), Unmasked("AutoMixture", values) as model:
            self._bare[0](*args, **kwargs)
        return model.lifted

    @torch.no_grad()
    def quantiles(
        self, quantiles: Sequence[float], *args: Any, num_samples: int = 1000, **kwargs: Any
    ) -> dict[str, Tensor]:
        """Marginal quantiles of each latent from draws; a leading axis over `quantiles`."""
        draws = self.get_posterior(*args, **kwargs).sample((num_samples,))
        levels = torch.as_tensor(quantiles, dtype=draws.dtype, device=draws.device)
        latents = {site["name"]: _constrained(site, value) for site, value in self._unpack_latent(draws)}
        return {name: torch.quantile(value, levels, dim=0) for name, value in latents.items()}

    def median(self, *args: Any, num_samples: int = 1000, **kwargs: Any) -> dict[str, Tensor]:
        """Marginal medians of each latent from draws."""
        return {k: v[0] for k, v in self.quantiles([0.5], *args, num_samples=num_samples, **kwargs).items()}


def _distance(scale_trils: Tensor, points: Tensor) -> Tensor:
    """Squared distances (S, S) of points (S, D), each two in the standard deviations of the wider of their scales."""
    apart = (points - points[:, None]).mT
    distance = torch.linalg.solve_triangular(scale_trils, apart, upper=False).square().sum(-2)
    return torch.minimum(distance, distance.mT)


def _lower(factor: Tensor) -> Tensor:
    """The lower triangular L with L L' = C C'."""
    upper = torch.linalg.qr(factor.mT, mode="r").R
    return (upper * upper.diagonal(dim1=-2, dim2=-1).sign()[..., None]).mT.contiguous()


def _optima(found: pathfinder.Path) -> Tensor:
    ends, flags = pathfinder.optima(NATIVE, found, _distance(_lower(found.best_factor), found.end))
    return ends[flags > 0.0]


def _modes(found: pathfinder.Path, gradient: Callable, potentials: Callable) -> int:
    """How many modes of comparable mass the search has seen."""
    ends = _optima(found)
    if len(ends) > 1:
        ends = _optima(pathfinder.confirmed(NATIVE, found, gradient))
    if len(ends) < 2:
        return len(ends)
    lines = modes.between(NATIVE, list(ends))
    return modes.apart(len(ends), potentials(lines, lines.new_ones(len(lines))).tolist())


def _weighed(
    locs: Tensor, scale_trils: Tensor, points: Tensor, potentials: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """Log-weights, locations and scales of components, each shrunk to where its ELBO is largest.

    :param points: 0, then standard normal, (N, K, D).
    """
    count, size = locs.shape
    scales = locs.new_tensor(pathfinder.STRETCHED)
    tried = locs + scales[:, None, None, None] * (scale_trils @ points[..., None])[..., 0]
    energies = potentials(tried.reshape(len(scales), -1, size)).reshape(tried.shape[:-1])
    flags = torch.stack(pathfinder.shrunk(NATIVE, list(energies), points))
    energy = torch.where(flags[:, None] > 0.0, energies[1:], 0.0).sum(0)
    draws = torch.where(flags[:, None, :, None] > 0.0, tried[1:], 0.0).sum(0)
    scale_trils = scale_trils * (flags * scales[1:, None]).sum(0)[:, None, None]
    components = MultivariateNormal(locs, scale_tril=scale_trils, validate_args=False)
    log_q = components.log_prob(draws[..., None, :]).reshape(-1, count)
    return pathfinder.masses(NATIVE, -energy.reshape(-1), log_q), locs, scale_trils


def _each(term: Tensor, count: int, dims: frozenset[int]) -> Tensor:
    """The sum of a site's term for each of `count` points, along the one dimension of `dims`."""
    term = sum_to(term, dims).reshape(-1)
    return term.sum() if count == 1 else term


def _constrained(site: Any, value: Tensor) -> Tensor:
    return bijection(own_support(site["fn"]))(value)
