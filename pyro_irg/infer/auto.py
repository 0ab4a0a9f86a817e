"""The Hamiltonian guide for a model without a guide."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import torch
from pyro.infer.autoguide import AutoGuide
from pyro.poutine import block
from torch import Tensor

from irg_kernels.adapter import guide_messages

from .draws import weighted_draws
from .evaluation import batches, plate_nesting
from .hvae import HVAE
from .sites import side_by_side
from .transport import AutoTransport


class AutoHVAE(HVAE):
    """`HVAE` over an automatic base guide, with the methods of Pyro's autoguides::

        guide = AutoHVAE(model)

    Its own base carries N(0, I) to the posterior by autoregressive layers and a full-rank affine map that begins where
    a search of the density ends (`AutoTransport`; beyond 100 latent numbers diagonal plus low rank, without a search),
    for global latents; it warns of several modes, of which it takes in one.  The paper's guide is `base=AutoNormal,
    transition="leapfrog"`.

    :param model: the model.
    :param num_steps: as in `HVAE`, with all its other settings as keywords.
    :param transition: as in `HVAE`.
    :param base: a class of `pyro.infer.autoguide`, or any function that makes a guide of a model.
    :param prefix: begins the names of the guide's own sites and parameters.
    :param init_loc_fn: where the base starts (`pyro.infer.autoguide.initialization`); by default as `base` does.
    :param create_plates: a function of the model's arguments that returns its plates, for subsampling.
    :param base_options: further keyword arguments of `base`, such as `init_scale`.
    :raises TypeError: for a model that cannot be called, a `base` that is an instance, or an argument that neither it
        nor the steps take.
    :raises ValueError: as `HVAE`.
    """

    @guide_messages.in_own_name
    def __init__(
        self,
        model: Callable,
        *,
        num_steps: int = 10,
        transition: str = "refreshed",
        base: Callable = AutoTransport,
        prefix: str = "auto",
        init_loc_fn: Callable | None = None,
        create_plates: Callable | None = None,
        base_options: dict[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        given = {"init_loc_fn": init_loc_fn, "create_plates": create_plates}
        options = {name: value for name, value in given.items() if value is not None} | (base_options or {})
        allowed = inspect.signature(HVAE).parameters.keys() - {"model", "guide", "num_steps", "prefix"}
        guide_messages.check_program("AutoHVAE", "model", model)
        guide_messages.check_auto_base(base, options, settings, allowed, (AutoGuide, HVAE))
        super().__init__(
            model, base(model, **options), num_steps=num_steps, transition=transition, prefix=prefix, **settings
        )

    forward = guide_messages.in_own_name(HVAE.forward)
    step_size = guide_messages.in_own_name(HVAE.step_size)

    def call(self, *args: Any, **kwargs: Any) -> tuple[Tensor, ...]:
        """One draw as a tuple of values, in the order of the sites' names."""
        return tuple(value for _, value in sorted(self(*args, **kwargs).items()))

    @torch.no_grad()
    def sample_posterior(
        self, *args: Any, num_samples: int = 1, num_importance: int = 1, batch_size: int = 1, **kwargs: Any
    ) -> dict[str, Tensor]:
        """Draws of the model's latents, with a leading axis of `num_samples`.

        :param args: the model's arguments, which the steps need; by default those of the last call.
        :param num_importance: each draw is one of so many, taken in proportion to their weights (`weighted_draws`).
        :param batch_size: how many draws run side by side under one plate; 1 for a model that is not vectorizable.
        :raises TypeError: without arguments that the model needs, before the guide's first call.
        :raises ValueError: for counts below 1.
        """
        sizes = batches("AutoHVAE.sample_posterior", num_samples, batch_size)
        args, kwargs = guide_messages.arguments("AutoHVAE.sample_posterior", self.model, args, kwargs, self._last)
        draws: list[dict[str, Tensor]] = []
        if num_importance != 1:
            counts = {"num_samples": num_samples, "num_importance": num_importance, "batch_size": batch_size}
            with block():
                names, found = self(*args, **kwargs), weighted_draws(self.model, self, *args, **counts, **kwargs)
            return {name: found.latents[name] for name in names}
        with block():
            if batch_size == 1:
                draws = [{name: value[None] for name, value in self(*args, **kwargs).items()} for _ in sizes]
            else:
                shapes = {name: value.shape for name, value in self(*args, **kwargs).items()}
                nesting = plate_nesting(self.model, self, args, kwargs)
                for size in sizes:
                    found = side_by_side(self, size, nesting)(*args, **kwargs)
                    draws.append({name: value.reshape(size, *shapes[name]) for name, value in found.items()})
        return {name: torch.cat([draw[name] for draw in draws]) for name in draws[0]}

    def quantiles(
        self, quantiles: Sequence[float], *args: Any, num_samples: int = 1000, batch_size: int = 1, **kwargs: Any
    ) -> dict[str, Tensor]:
        """Marginal quantiles of each latent, from `num_samples` draws; a leading axis over `quantiles`.

        :param args: the model's arguments, by default those of the last call; `batch_size` as in `sample_posterior`,
            and so is `num_importance` among the keywords.
        """
        draws = self.sample_posterior(*args, num_samples=num_samples, batch_size=batch_size, **kwargs)
        levels = torch.as_tensor(quantiles)
        return {name: torch.quantile(draw, levels.to(draw), dim=0) for name, draw in draws.items()}

    def median(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """Marginal medians of each latent, from draws; arguments as in `quantiles`."""
        return {name: value[0] for name, value in self.quantiles([0.5], *args, **kwargs).items()}

    def get_posterior(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Not available: the density of a refined draw is an integral over the momenta.

        :raises NotImplementedError: always.
        """
        raise NotImplementedError(
            "AutoHVAE has no posterior in closed form; draw from it with sample_posterior(*args, num_samples=...), and "
            "weigh the draws with pyro_irg.infer.log_weights"
        )
