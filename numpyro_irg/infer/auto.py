"""The Hamiltonian guide for a model without a guide."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from numpyro.handlers import block, seed, substitute
from numpyro.infer.autoguide import AutoNormal

from .hvae import HVAE

__all__ = ["AutoHVAE"]


class AutoHVAE(HVAE):
    """`HVAE` over an automatic base guide, with the methods of NumPyro's autoguides.

        guide = AutoHVAE(model, num_steps=10, tempering="free")

    :param model: the model.
    :param num_steps: as in `HVAE`, with all its other settings as keywords.
    :param base: a class of `numpyro.infer.autoguide`; its arguments, such as `init_loc_fn`, `init_scale` and
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

    def sample_posterior(
        self, rng_key: Array, params: dict[str, Any], *args: Any, sample_shape: tuple[int, ...] = (), **kwargs: Any
    ) -> dict[str, Array]:
        """Draws of the model's latents, with leading axes `sample_shape`; for the model's arguments."""

        def one(key):
            with block(), seed(rng_seed=key), substitute(data=params):
                return self(*args, **kwargs)

        if not sample_shape:
            return one(rng_key)
        draws = lax.map(one, jax.random.split(rng_key, math.prod(sample_shape)))
        return {name: x.reshape(sample_shape + x.shape[1:]) for name, x in draws.items()}

    def quantiles(
        self,
        params: dict[str, Any],
        quantiles: Sequence[float],
        *args: Any,
        rng_key: Array | None = None,
        num_samples: int = 1000,
        **kwargs: Any,
    ) -> dict[str, Array]:
        """Marginal quantiles of each latent from draws; a leading axis over `quantiles`.

        :param args: the model's arguments, which the steps need.
        :param rng_key: of the draws; by default always the same.
        """
        key = jax.random.key(0) if rng_key is None else rng_key
        draws = self.sample_posterior(key, params, *args, sample_shape=(num_samples,), **kwargs)
        return {name: jnp.quantile(draw, jnp.asarray(quantiles), axis=0) for name, draw in draws.items()}

    def median(
        self,
        params: dict[str, Any],
        *args: Any,
        rng_key: Array | None = None,
        num_samples: int = 1000,
        **kwargs: Any,
    ) -> dict[str, Array]:
        """Marginal medians of each latent from draws; arguments as in `quantiles`."""
        found = self.quantiles(params, [0.5], *args, rng_key=rng_key, num_samples=num_samples, **kwargs)
        return {name: values[0] for name, values in found.items()}
