"""The base of `AutoHVAE`: a standard normal point carried to the posterior by a learned map."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import Array, lax
from numpyro.distributions import constraints
from numpyro.distributions.transforms import Transform
from numpyro.infer.initialization import init_to_uniform

from irg_kernels.inference import transport

from ..attach import NATIVE
from .auto_mixture import AutoMixture
from .reruns import Given


class _Carried(Transform):
    """u -> z of `irg_kernels.inference.transport`; its inverse takes d evaluations and is not there."""

    domain = codomain = constraints.real_vector
    sign = 1

    def __init__(self, to: transport.Transport) -> None:
        self.to = to

    def __call__(self, x: Array) -> Array:
        return transport.carried(NATIVE, x, self.to)[0]

    def call_with_intermediates(self, x: Array) -> tuple[Array, Array]:
        return transport.carried(NATIVE, x, self.to)

    def log_abs_det_jacobian(self, x: Array, y: Array, intermediates: Any = None) -> Array:
        return transport.carried(NATIVE, x, self.to)[1] if intermediates is None else intermediates

    def _inverse(self, y: Array) -> Array:
        raise NotImplementedError(
            "AutoTransport: the density is known at the guide's own draws only; draw by sample_with_intermediates, and "
            "pass the intermediates to log_prob"
        )

    def tree_flatten(self) -> Any:
        return (self.to,), (("to",), {})


class AutoTransport(AutoMixture):
    """Autoguide that carries N(0, I) by two autoregressive layers and a full-rank affine map to the posterior.

    The affine map begins where `AutoMixture`'s search of one component ends.  Beyond 100 latent numbers
    (`irg_kernels.inference.transport.MOST_DENSE`) it is diagonal plus low rank, without a search and without layers.

    :param model: a model whose latents are continuous and global.
    :param num_starts: as in `AutoMixture`, and so are `prefix`, `init_loc_fn` and `init_spread`.
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
        prefix: str = "auto",
        init_loc_fn: Callable = init_to_uniform,
        init_scale: float | None = None,
        init_spread: float = 2.0,
    ) -> None:
        self._deviation = 0.1 if init_scale is None else init_scale
        scale = 1.0 if init_scale is None else init_scale
        options: dict[str, Any] = {
            "num_starts": num_starts,
            "prefix": prefix,
            "init_loc_fn": init_loc_fn,
            "init_spread": init_spread,
        }
        super().__init__(model, 1, init_scale=scale, **options)

    def _check_masks(self, args: tuple, kwargs: dict) -> None:
        self._masked = []  # HVAE's concern

    def _find_start(self, args: tuple, kwargs: dict) -> None:
        size, like = self.latent_dim, self._init_latent
        key = numpyro.prng_key()
        if self.num_starts and size <= transport.MOST_DENSE:
            super()._find_start(args, kwargs)
            _, origins, units = self._start
            self._start = origins[0], units[0]
        elif size <= transport.MOST_DENSE:
            self._start = like, self._deviation * jnp.eye(size, dtype=like.dtype)
        else:
            self._start = like, jnp.full_like(like, self._deviation)
        self._params = {}
        for name, shape in transport.shapes(size).items():
            key, sub = jax.random.split(key)
            self._params[name] = transport.initial_deviation(name, size) * jax.random.normal(sub, shape, like.dtype)

    def transport(self) -> transport.Transport:
        """The map at the present parameters."""
        origin, unit = (
            lax.stop_gradient(numpyro.param(f"{self.prefix}_{name}", value))
            for name, value in zip(("origin", "unit"), self._start, strict=True)
        )
        params = {name: numpyro.param(f"{self.prefix}_{name}", value) for name, value in self._params.items()}
        return transport.transport(origin, unit, params)

    def _get_posterior(self) -> dist.TransformedDistribution:
        base = dist.Normal(jnp.zeros_like(self._init_latent), 1.0).to_event(1)
        return dist.TransformedDistribution(base, _Carried(self.transport()))

    def get_posterior(self, params: dict[str, Any]) -> dist.TransformedDistribution:
        """The distribution of all latents in unconstrained space; its density is known at its own draws only."""
        with Given("AutoTransport.get_posterior", params):
            return self._get_posterior()
