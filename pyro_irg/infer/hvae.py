"""The Hamiltonian VAE guide."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from pyro.distributions import constraints
from pyro.infer.autoguide import AutoGuide
from pyro.nn import PyroModule, PyroParam
from pyro.poutine import block
from pyro.poutine.runtime import apply_stack
from torch import Tensor
from torch.utils import _pytree as tree

from irg_kernels.adapter import guide_messages, settings
from irg_kernels.inference import coupled, hamiltonian, refreshed

from .. import xp
from .bijections import finite_slopes
from .coordinates import base_distributions, location_and_scale
from .hidden import hidden_latents
from .masks import Unmasked, mask_like
from .refreshed import Refreshed
from .sites import BaseSites, Inside, Potential, buffers_kept, sum_to

_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


class HVAE(PyroModule):
    r"""A guide that refines another guide's draws by tempered Hamiltonian steps on the live model.

    From a base draw :math:`z_0` and a momentum :math:`\rho_0 \sim N(0, T_0)`, K leapfrog steps on
    :math:`U = -\log p(x, z)`, each followed by a cooling :math:`\rho \leftarrow \alpha_k \rho`, give
    :math:`z_K` and the weight

    .. math:: \log w = \log p(x, z_K) + \log N(\rho_K; 0, I) - \log q_0(z_0) - \log N(\rho_0; 0, T_0)
              - \tfrac{d}{2} \log T_0,

    whose mean is p(x).  Constrained sites move in the unconstrained space of their support::

        svi = SVI(model, HVAE(model, encoder, num_steps=5), Adam({"lr": 1e-3}), Trace_ELBO())

    A step that diverges (`irg_kernels.inference.hamiltonian.MAX_ENERGY_CHANGE`) is rejected and its momentum flipped,
    for one datum alone where data are independent; the weights stay exact.  `diagnostics` says how many steps do.

    A latent that the model masks out needs no mask in the base: its prior is counted for it, and E[w] stays p(x).

    A global posterior that is near to a Gaussian is learned better from `step_size=0.6`; if training diverges, lower
    `max_step_size`.

    As with Pyro's autoguides, some parameters come with the first call: `setup(*args)` makes them before
    `load_state_dict`.

    Source: Caterini, Doucet, Sejdinovic, Hamiltonian Variational Auto-Encoder, 2018, algorithm 1.

    :param model: the model, a callable of the arguments that the guide is called with.
    :param guide: the base: any guide with reparameterized sites for the model's latents.
    :param num_steps: K >= 0 leapfrog steps, K + 1 gradients of the model; 0 is the base guide itself.
    :param transition: "leapfrog", the paper's steps, to which all settings below up to `initial_temperature` belong; or
        "refreshed": turns and kicks in the base's own coordinates with new momenta in between, every point of the path
        weighed (`irg_kernels.inference.refreshed`), which begins as the importance-weighted bound of K + 1 draws for
        each datum.  Where only a part of the terms is scaled up by subsampling the last point alone is weighed.  Or
        "coupled": the same, with small networks beside that scale and shift each step's momentum and position
        (`irg_kernels.inference.coupled`).
    :param step_size: where the learned step sizes start, in units of the base's standard deviation in
        unconstrained space, where a site's distribution tells (1 elsewhere).
    :param max_step_size: their upper bound.
    :param step_size_shape: "dim" for one per dimension of a site, "step" for one per step and dimension, "scalar".
    :param tempering: "none"; "fixed", the paper's schedule, quadratic in the root of the temperature, T0 learned;
        "quadratic", the same in the temperature itself (the paper's code); "free", all alphas learned; or a function
        from K to K cooling factors in (0, 1], held fixed.
    :param initial_temperature: T0 of "fixed" and "quadratic" to begin with, above 1.
    :param coefficients: not with "leapfrog", a function of the model's arguments, such as a network of the encoder's
        features, that returns for latents of the base (site -> (strengths, angles)) what is added to the strengths and
        angles of their steps: arrays that broadcast to (plates, num_steps, event), for each datum its own.  It must not
        draw.  Its parameters learn if it is a module itself, or by `pyro.param` and `pyro.module`.
    :param prefix: begins the names of the guide's own sites.
    :raises TypeError: for a model or guide that cannot be called, a class in place of an instance, or the two swapped.
    :raises ValueError: for settings out of bounds; when called, for latents that the base misses, adds, or draws
        without reparameterization, or masks where the model does not, for latents that the model masks though other
        terms depend on them, for discrete latents, and for a model without latents.
    :raises NotImplementedError: when called under `JitTrace_ELBO`.
    """

    def __init__(
        self,
        model: Callable,
        guide: Callable,
        *,
        num_steps: int,
        transition: str = "leapfrog",
        step_size: float = 0.1,
        max_step_size: float = 1.0,
        step_size_shape: str = "step",
        tempering: Any = "none",
        initial_temperature: float = 2.0,
        coefficients: Callable | None = None,
        prefix: str = "hvae",
    ) -> None:
        settings.check_hvae(num_steps, step_size, max_step_size, step_size_shape, tempering, initial_temperature)
        guide_messages.check_hamiltonian(model, guide, (AutoGuide, HVAE))
        given = {
            "step_size": step_size != 0.1,
            "max_step_size": max_step_size != 1.0,
            "step_size_shape": step_size_shape != "step",
            "tempering": tempering != "none",
            "initial_temperature": initial_temperature != 2.0,
        }
        refreshed.check_settings(transition, given, coefficients)
        super().__init__(prefix)
        self.transition = transition
        self.coefficients: Any = coefficients  # a module of its own, if it is one
        self._model = (model,)  # in a tuple: the model's parameters are its own, not the guide's
        self.base = guide
        self.num_steps, self.initial_step_size, self.max_step_size = num_steps, step_size, max_step_size
        self.step_size_shape, self.tempering, self.prefix = step_size_shape, tempering, prefix
        self._observed: frozenset[str] = frozenset()
        self._last: tuple[tuple, dict] | None = None
        self._begun = False
        self._watched: list[Potential] | None = None  # for `diagnostics`
        self._autoguides: tuple[tuple[AutoGuide, Any], ...] = ()
        self.path: dict[str, Any] = {}
        """of the last call, what `diagnostics` reads: the steps' energy errors, final momenta and others"""
        self.step_sizes = PyroModule()
        self.steps = PyroModule()
        if num_steps and transition != "leapfrog":
            self.shares: Any = torch.nn.Parameter(torch.zeros(num_steps + 1))
        self._set_up_tempering(initial_temperature)

    @property
    def model(self) -> Callable:
        return self._model[0]

    def __getstate__(self) -> dict[str, Any]:
        # Pyro's autoguides drop their model and their master when copied or pickled, on the live object too; it is not
        # their turn yet, so that what they lose can be kept here, for both objects' next call.
        modules = self.base.modules() if isinstance(self.base, torch.nn.Module) else ()
        if not self._autoguides:
            self._autoguides = tuple((part, part._model) for part in modules if isinstance(part, AutoGuide))
        for parameter in self.parameters():  # Pyro's store hangs a weak reference on it, at each look
            parameter.__dict__.pop("unconstrained", None)
        return {**self.__dict__, "_last": None}  # the data stay here

    def _restore_autoguides(self) -> None:
        for part, model in self._autoguides:
            part._model = model
        for part, _ in self._autoguides:
            if part.master is None:
                part.__setstate__({})  # its parts get their master again
        self._autoguides = ()

    def _set_up_tempering(self, temperature: float) -> None:
        if self.num_steps and self.tempering in ("fixed", "quadratic"):
            root = torch.tensor(math.sqrt(temperature))
            self.root_temperature = PyroParam(root, constraint=constraints.greater_than(1.0))
        elif self.num_steps and self.tempering == "free":
            start = torch.full((self.num_steps,), hamiltonian.initial_cooling(self.num_steps))
            self.cooling_factors: Any = PyroParam(start, constraint=constraints.unit_interval)

    def cooling(self) -> tuple[Any, ...]:
        """alpha_1..alpha_K, the present cooling factors."""
        if self.tempering == "none" or not self.num_steps:
            return (1.0,) * self.num_steps
        if self.tempering == "free":
            return self._own(self, "cooling_factors", (self.num_steps,)).unbind()
        if self.tempering == "fixed":
            return hamiltonian.fixed_tempering(xp, self.root_temperature, self.num_steps)
        if self.tempering == "quadratic":
            return hamiltonian.quadratic_tempering(xp, self.root_temperature, self.num_steps)
        return settings.check_cooling(tuple(float(a) for a in self.tempering(self.num_steps)), self.num_steps)

    def step_size(self, site: str, position: Tensor | None = None, event_dim: int = 0) -> Tensor:
        """The step sizes of a site: of shape (), of its unconstrained event's shape, or with a leading axis of K.

        :raises ValueError: before the guide's first call.
        """
        name = site.replace(".", "__")  # a dot would be a submodule's
        if position is None:
            if name not in self.step_sizes._pyro_params:
                raise ValueError(f"HVAE: no step size yet for {site!r}; call the guide once")
            return getattr(self.step_sizes, name)
        event_shape = position.shape[position.dim() - event_dim :]
        shape = {"scalar": (), "dim": event_shape, "step": (self.num_steps, *event_shape)}[self.step_size_shape]
        if name not in self.step_sizes._pyro_params:
            start = position.new_full(shape, self.initial_step_size)
            setattr(self.step_sizes, name, PyroParam(start, constraints.interval(0.0, self.max_step_size)))
        return self._own(self.step_sizes, name, shape)

    def _own(self, module: Any, name: str, shape: tuple[int, ...]) -> Tensor:
        """A parameter, which Pyro's store gives of another guide where that has left one of the same name."""
        found = getattr(module, name)
        if found.shape != shape:
            raise ValueError(guide_messages.of_other_steps("HVAE", name, tuple(shape), tuple(found.shape)))
        return found

    def setup(self, *args: Any, **kwargs: Any) -> Any:
        """Makes the parameters, for the model's arguments, without a trace in the random state: then `load_state_dict`.

        :returns: the guide.
        """
        state = torch.get_rng_state()
        with torch.no_grad(), block(), buffers_kept(self.model):
            self(*args, **kwargs)
        torch.set_rng_state(state)
        return self

    def refreshed_params(self, part: str, u: Tensor, event_dim: int) -> tuple[Tensor, Tensor, Tensor]:
        """Strengths, angles and kept shares of the steps of a part of the coordinates, with a leading axis of K."""
        names = [f"{part}{what}".replace(".", "__") for what in ("strength", "angle", "persistence")]
        event_shape = u.shape[u.dim() - event_dim :]
        if not hasattr(self.steps, names[0]):
            start = u.new_zeros((self.num_steps, *event_shape))
            setattr(self.steps, names[0], torch.nn.Parameter(start))
            setattr(self.steps, names[1], torch.nn.Parameter(torch.full_like(start, refreshed.ANGLE)))
            shares = PyroParam(u.new_zeros((self.num_steps - 1, *event_shape)), constraints.interval(-1.0, 1.0))
            setattr(self.steps, names[2], shares)
        counts = self.num_steps, self.num_steps, self.num_steps - 1
        strength, angle, share = (
            self._own(self.steps, name, (count, *event_shape)) for name, count in zip(names, counts, strict=True)
        )
        return strength, angle, torch.cat([torch.zeros_like(strength[:1]), share])

    def coupled_params(self, part: str, u: Tensor, event_dim: int) -> dict[str, Tensor]:
        """Of the networks of a part of the coordinates, with a leading axis of K."""
        size, found = math.prod(u.shape[u.dim() - event_dim :]), dict[str, Tensor]()
        for what, shape in coupled.shapes(size).items():
            name = f"{part}{what}".replace(".", "__")
            if not hasattr(self.steps, name):
                start = coupled.initial_deviation(what, size) * torch.randn(
                    (self.num_steps, *shape), dtype=u.dtype, device=u.device
                )
                setattr(self.steps, name, torch.nn.Parameter(start))
            found[what] = self._own(self.steps, name, (self.num_steps, *shape))
        return found

    def refreshed_diagnostics(self) -> dict[str, Any]:
        """Of the last call, for `diagnostics`."""
        learned = dict(self.steps.named_parameters())
        found: dict[str, Any] = {}
        for what, key in (("strength", "strengths"), ("angle", "angles"), ("persistence", "persistences")):
            names = [name.removesuffix("_unconstrained") for name in learned]
            names = [name for name in names if name.endswith(what)]
            found[key] = {n.removesuffix(what).rstrip("_"): getattr(self.steps, n).detach() for n in names}
        moment = torch.stack([r.square().mean() for r in self.path["momenta"]]).mean()
        rejected, lost = self.path["rejected"], float(self.path["energy_errors"].sum())
        return (
            found
            | {
                "shares": self.shares.detach().softmax(-1),
                "posterior_shares": self.path["posterior_shares"],
                "energy_errors": self.path["energy_errors"],
                "momentum_second_moment": float(moment),
                "rejected": rejected,
                "why": guide_messages.reasons_of_path(rejected, float(self.path["posterior_shares"][-1]), lost),
            }
            | {key: self.path[key] for key in ("log_jacobians",) if key in self.path}
        )

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        self._restore_autoguides()
        if not self._begun:
            guide_messages.warn_of_hidden(type(self).__name__, hidden_latents(self.model, args, kwargs))
            self._begun = True
        self._last = tree.tree_map(lambda x: x.detach() if isinstance(x, Tensor) else x, (args, kwargs))
        if self.num_steps == 0 and not self._masks_latents(args, kwargs):
            return self.base(*args, **kwargs)
        if torch._C._get_tracing_state() is not None:
            raise NotImplementedError(
                "HVAE: JitTrace_ELBO cannot record the gradient inside a guide; use Trace_ELBO instead"
            )
        with BaseSites(self.prefix) as base:
            self.base(*args, **kwargs)
        distributions = base_distributions(base, lambda: self.base(*args, **kwargs))
        place = functools.partial(location_and_scale, self.base, distributions)
        potential = Potential(self.model, args, kwargs, base, self._observed, place)
        again = self.transition != "leapfrog" and self.num_steps > 0
        z, gradient = ((), ()) if again else potential.start()
        if again:
            potential.begin()
        self._observed |= potential.last.observed
        for message in potential.last.new_subsamples.values():
            _resend(message)
        if again:
            return Refreshed(self, base, potential).run()
        return _Flow(self, base, potential, z, gradient).run()

    def _masks_latents(self, args: tuple, kwargs: dict) -> bool:
        """Whether the model masks latents out; their priors are then put back, as with steps."""
        state = torch.get_rng_state()
        with block():
            with BaseSites(None) as base:
                self.base(*args, **kwargs)
            values = {name: site.value for name, site in base.latents.items()}
            masks = {name: site.mask for name, site in base.latents.items()}
            with Unmasked("HVAE", values, masks, base.subsamples) as model:
                self.model(*args, **kwargs)
        torch.set_rng_state(state)
        return bool(model.lifted)


class _Flow:
    """One call of the guide: momenta, leapfrog steps, and the sites that say where they led."""

    def __init__(
        self,
        guide: HVAE,
        base: BaseSites,
        potential: Potential,
        z: tuple[Tensor, ...],
        gradient: tuple[Tensor, ...],
    ) -> None:
        self.guide, self.base, self.potential = guide, base, potential
        self.z, self.gradient = z, gradient
        self.names = list(potential.values)
        self.log_dets = [potential.last.log_dets[name] for name in self.names]
        self.event_dims = [position.dim() - det.dim() for position, det in zip(z, self.log_dets, strict=True)]
        self.eps = self.step_sizes()
        self.limit = hamiltonian.MAX_ENERGY_CHANGE * potential.size()

    def step_sizes(self) -> list[tuple[Tensor, ...]]:
        """For each step, each site's; in units of the base's scale in unconstrained space, where it is known."""
        sizes: list[list[Tensor]] = []
        if not self.guide.num_steps:
            return []
        for name, position, event_dim in zip(self.names, self.z, self.event_dims, strict=True):
            size = self.guide.step_size(name, position, event_dim)
            _, unit = self.potential.places[name]
            if self.guide.step_size_shape == "step":
                sizes.append([s * unit for s in size.unbind()])
            else:
                sizes.append([size * unit] * self.guide.num_steps)
        return list(zip(*sizes, strict=True))

    def run(self) -> dict[str, Tensor]:
        cooling = self.guide.cooling()
        log_cooling = torch.stack([torch.ones(()), *map(torch.as_tensor, cooling)]).log().sum()
        rho = self.momenta((-log_cooling).exp())
        errors, rejected = [], []
        for eps, alpha in zip(self.eps, cooling, strict=True):
            rho, error, out = self.step(eps, rho)
            errors.append(error)
            rejected.append(out)
            if self.guide.tempering != "none":
                rho = tuple(alpha * r for r in rho)
        if self.guide._watched is not None:
            self.guide._watched.append(self.potential)
        self.guide.path = {
            "sites": self.names,
            "energy_errors": torch.stack(errors) if errors else torch.zeros(0),
            "momenta": [r.detach() for r in rho],
            "rejected": sum(rejected) / max(len(rejected), 1),
        }
        return {name: self.emit(i, name, rho[i], log_cooling) for i, name in enumerate(self.names)}

    def momenta(self, deviation: Tensor) -> tuple[Tensor, ...]:
        rho = []
        for name, position, event_dim in zip(self.names, self.z, self.event_dims, strict=True):
            distribution = dist.Normal(
                torch.zeros_like(position), deviation.to(position), validate_args=False
            ).to_event(event_dim)
            with Inside(self.base.sites[name]):
                site = f"{self.guide.prefix}_momentum_{name}"
                rho.append(pyro.sample(site, distribution, infer={"is_auxiliary": True}))
        return tuple(rho)

    def step(self, eps: tuple[Tensor, ...], rho: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], Tensor, float]:
        """One leapfrog step; a system that diverges stays where it is, and its momentum is flipped.

        The step followed by turning is its own inverse, and so is staying, if the test is the same from either end:
        the energy's change is, but for its sign.  Turning once more, the map remains one-to-one and its Jacobian 1,
        whatever the limit.  Without turning, two starts could end in one point, and E[w] would not be p(x).
        """
        before = self.energy(rho)
        z, moved, gradient = hamiltonian.leapfrog(self.z, rho, self.gradient, eps, self.potential.gradient)
        change = self.energy(moved) - before
        good = change.abs() <= self.limit
        out = 0.0
        if not good.all():  # NaN is not good
            # Again, with steps of 0 where it was bad: no NaN is left in the graph.
            masks = [self.spread(good, i) for i in range(len(self.names))]
            eps = tuple(torch.where(mask, e, 0.0) for mask, e in zip(masks, eps, strict=True))
            held = tuple(torch.where(mask, g, 0.0) for mask, g in zip(masks, self.gradient, strict=True))
            z, moved, gradient = hamiltonian.leapfrog(self.z, rho, held, eps, self.potential.gradient)
            moved = tuple(torch.where(mask, r, -r) for mask, r in zip(masks, moved, strict=True))
            change, out = torch.where(good, change, 0.0), float((~good).float().mean())
        self.z, self.gradient = z, gradient
        return moved, change.sum(), out

    def energy(self, rho: tuple[Tensor, ...]) -> Tensor:
        """U + |rho|^2/2 of each system at the present position, each site's momenta in the site's own scale."""
        total = self.potential.energy
        for r, event_dim, scale in zip(rho, self.event_dims, self.potential.scales, strict=True):
            square = r.detach().square()
            square = square.sum(tuple(range(-event_dim, 0))) if event_dim else square
            total = total + sum_to(0.5 * scale * square, self.potential.dims)
        return total

    def spread(self, good: Tensor, i: int) -> Tensor:
        """A flag of each system, for each number of the i-th site."""
        batch_dim = self.z[i].dim() - self.event_dims[i]
        good = good.reshape(good.shape[good.dim() - batch_dim :] if good.dim() > batch_dim else good.shape)
        return good[(...,) + (None,) * self.event_dims[i]].expand(self.z[i].shape)

    def emit(self, i: int, name: str, rho: Tensor, log_cooling: Any) -> Tensor:
        """The model's latent, and the flow's term in the guide's density as a factor of its own.

        A factor, since `TraceMeanField_ELBO` drops the `log_density` of a Delta.
        """
        last, event_dim = self.potential.last, self.event_dims[i]
        size = math.prod(rho.shape[rho.dim() - event_dim :])
        square = rho.square().sum(tuple(range(-event_dim, 0))) if event_dim else rho.square()
        # -log N(rho_K; 0, I) - log|J|, and the change of the constraints' Jacobian
        term = 0.5 * square + size * (_HALF_LOG_2PI - log_cooling) + (self.log_dets[i] - last.log_dets[name])
        fn, lifted = last.fns[name], last.lifted.get(name)
        if lifted:
            term = term - lifted.taken()
        with Inside(self.base.sites[name]):
            pyro.factor(f"{self.guide.prefix}_flow_{name}", term, has_rsample=True)
            with mask_like(lifted):
                return pyro.sample(name, dist.Delta(finite_slopes(last.drawn[name]), event_dim=fn.event_dim))


def _resend(message: Any) -> None:
    """A plate of the model alone subsampled inside the potential: the same indices must reach the model outside."""
    apply_stack(
        {
            **message,
            "cond_indep_stack": (),
            "scale": 1.0,
            "mask": None,
            "infer": {},
            "done": True,
            "stop": False,
            "continuation": None,
        }
    )
