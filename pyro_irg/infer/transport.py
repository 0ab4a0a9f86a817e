"""The base of `AutoHVAE`: a standard normal point carried to the posterior by a learned map."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyro.distributions as dist
import torch
from pyro.distributions import constraints
from pyro.distributions.torch_transform import TransformModule
from pyro.infer.autoguide import init_to_median
from pyro.nn import PyroParam
from torch import Tensor

from irg_kernels.inference import transport

from ..attach import NATIVE
from .auto_mixture import AutoMixture


class _Carried(TransformModule):
    """u -> z of `irg_kernels.inference.transport`; the inverse is known at its own draws only."""

    domain = codomain = constraints.real_vector
    bijective = True
    sign = 1

    def __init__(self, to: transport.Transport) -> None:
        super().__init__(cache_size=1)
        self._map = to

    def _call(self, x: Tensor) -> Tensor:
        z, self._log_det = transport.carried(NATIVE, x, self._map)
        return z

    def _inverse(self, y: Tensor) -> Tensor:
        cached: Any = self._cached_x_y
        x, own = cached
        if own is not None and own.shape == y.shape and torch.equal(own, y):
            return x  # of its own draw, which `Predictive` detaches
        raise NotImplementedError(
            "AutoTransport: the density is known at the guide's own draws only; pass the value that was drawn last"
        )

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        cached: Any = self._cached_x_y[0]
        if x is cached:
            return self._log_det
        return transport.carried(NATIVE, x, self._map)[1]


class AutoTransport(AutoMixture):
    """Autoguide that carries N(0, I) by two autoregressive layers and a full-rank affine map to the posterior.

    The affine map begins where `AutoMixture`'s search of one component ends.  Beyond 100 latent numbers
    (`irg_kernels.inference.transport.MOST_DENSE`) it is diagonal plus low rank, without a search and without layers.

    :param model: a model whose latents are continuous and global.
    :param num_starts: as in `AutoMixture`, and so are `init_loc_fn` and `init_spread`.
    :param init_scale: as there; the standard deviation of each latent number to begin with where there is no search,
        .1 if it is not given.
    """

    _shrinks = False  # the best approximation weighs its draws best, and there is one alone
    _where = "AutoHVAE"

    def __init__(
        self,
        model: Callable,
        *,
        num_starts: int = 16,
        init_loc_fn: Callable = init_to_median,
        init_scale: float | None = None,
        init_spread: float = 2.0,
    ) -> None:
        self._deviation = 0.1 if init_scale is None else init_scale
        scale = 1.0 if init_scale is None else init_scale
        options: dict[str, Any] = {"num_starts": num_starts, "init_loc_fn": init_loc_fn, "init_spread": init_spread}
        super().__init__(model, 1, init_scale=scale, **options)

    def _looked_for_masks(self, latent: Tensor, args: tuple, kwargs: dict) -> bool:
        super()._looked_for_masks(latent, args, kwargs)  # which sees the plates too
        return False  # HVAE's concern

    def _set_up(self, like: Tensor, args: tuple, kwargs: dict) -> None:
        size = self.latent_dim
        if self.num_starts and size <= transport.MOST_DENSE:
            _, origins, units = self._found_start(like, args, kwargs)
            origin, unit = origins[0], units[0]
        else:
            origin, unit = like, torch.full_like(like, self._deviation)
            unit = unit.diag() if size <= transport.MOST_DENSE else unit
        # PyroParams, as in `AutoMixture`; where the map begins is used detached, so that no optimizer moves it
        self.origin, self.unit = PyroParam(origin.clone()), PyroParam(unit.clone())
        self._names = list(transport.shapes(size))
        for name, shape in transport.shapes(size).items():
            deviation = transport.initial_deviation(name, size)
            value = deviation * torch.randn(shape, dtype=like.dtype, device=like.device)
            setattr(self, name, PyroParam(value))

    def transport(self) -> transport.Transport:
        """The map at the present parameters."""
        params = {name: getattr(self, name) for name in self._names}
        origin, unit = (getattr(self, name).detach() for name in ("origin", "unit"))
        return transport.transport(origin, unit, params)

    def get_posterior(self, *args: Any, **kwargs: Any) -> Any:
        """The distribution of all latents in unconstrained space; its density is known at its own draws only."""
        origin: Any = self.origin
        like = origin.detach()
        self._check_size(like)
        base = dist.Normal(torch.zeros_like(like), torch.ones_like(like)).to_event(1)
        return dist.TransformedDistribution(base, [_Carried(self.transport())])
