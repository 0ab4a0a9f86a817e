"""The Hamiltonian guide for a model without a guide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from pyro.infer.autoguide import AutoNormal
from pyro.poutine import block
from torch import Tensor

from .hvae import HVAE

__all__ = ["AutoHVAE"]


class AutoHVAE(HVAE):
    """`HVAE` over an automatic base guide, with the methods of Pyro's autoguides.

        guide = AutoHVAE(model, num_steps=10, tempering="free")

    :param model: the model.
    :param num_steps: as in `HVAE`, with all its other settings as keywords.
    :param base: a class of `pyro.infer.autoguide`; its arguments, such as `init_loc_fn`, `init_scale` and
        `create_plates`, go into `base_options`.
    :param base_options: keyword arguments of `base`.
    """

    def __init__(
        self,
        model: Callable,
        *,
        num_steps: int,
        base: Callable = AutoNormal,
        base_options: dict[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(model, base(model, **(base_options or {})), num_steps=num_steps, **settings)

    @torch.no_grad()
    def sample_posterior(self, *args: Any, num_samples: int = 1, **kwargs: Any) -> dict[str, Tensor]:
        """Draws of the model's latents, with a leading axis of `num_samples`."""
        with block():
            draws = [self(*args, **kwargs) for _ in range(num_samples)]
        return {name: torch.stack([draw[name] for draw in draws]) for name in draws[0]}

    def quantiles(
        self, quantiles: Sequence[float], *args: Any, num_samples: int = 1000, **kwargs: Any
    ) -> dict[str, Tensor]:
        """Marginal quantiles of each latent from draws; a leading axis over `quantiles`."""
        levels = torch.as_tensor(quantiles)
        draws = self.sample_posterior(*args, num_samples=num_samples, **kwargs)
        return {name: torch.quantile(draw, levels.to(draw.dtype), dim=0) for name, draw in draws.items()}

    def median(self, *args: Any, num_samples: int = 1000, **kwargs: Any) -> dict[str, Tensor]:
        """Marginal medians of each latent from draws."""
        return {k: v[0] for k, v in self.quantiles([0.5], *args, num_samples=num_samples, **kwargs).items()}
