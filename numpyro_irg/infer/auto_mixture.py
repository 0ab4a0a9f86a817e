"""A mixture of Gaussians as an automatic guide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpyro
from jax import Array
from numpyro.distributions import constraints
from numpyro.infer.autoguide import AutoContinuous
from numpyro.infer.initialization import init_to_uniform

from ..distributions import Categorical, MixtureSameFamily, MultivariateNormal

__all__ = ["AutoMixture"]


class AutoMixture(AutoContinuous):
    """Autoguide whose law over all latents, in unconstrained space, is a mixture of Gaussians of full covariance.

        guide = AutoMixture(model, num_components=4)

    It is reparameterized in the weights too, so that every ELBO trains it with few particles.  The components begin
    around the point of `init_loc_fn`, `init_spread` apart, to find modes of their own; components may
    share one, so take more of them than there are modes, and compare the bound over a few seeds.

    :param model: a model whose latents are continuous and global.
    :param num_components: K, at least 1.
    :param prefix: of the names of the guide's sites and parameters.
    :param init_loc_fn: as in NumPyro's autoguides.
    :param init_scale: standard deviation of each component to begin with.
    :param init_spread: standard deviation of the components' locations to begin with.
    :raises ValueError: for settings out of bounds.
    """

    def __init__(
        self,
        model: Callable,
        num_components: int,
        *,
        prefix: str = "auto",
        init_loc_fn: Callable = init_to_uniform,
        init_scale: float = 1.0,
        init_spread: float = 2.0,
    ) -> None:
        if not isinstance(num_components, int) or isinstance(num_components, bool) or num_components < 1:
            raise ValueError(f"AutoMixture: num_components must be an integer >= 1, got {num_components!r}")
        for name, value in (("init_scale", init_scale), ("init_spread", init_spread)):
            if not 0.0 < value < float("inf"):
                raise ValueError(f"AutoMixture: {name} must be positive and finite, got {value!r}")
        self.num_components, self.init_scale, self.init_spread = num_components, init_scale, init_spread
        super().__init__(model, prefix=prefix, init_loc_fn=init_loc_fn)

    def _setup_prototype(self, *args: Any, **kwargs: Any) -> None:
        super()._setup_prototype(*args, **kwargs)
        key = numpyro.prng_key()
        shape = (self.num_components, self.latent_dim)
        spread = self.init_spread * jax.random.normal(key, shape, self._init_latent.dtype)
        self._init_locs_of_components = self._init_latent + (spread if self.num_components > 1 else 0.0 * spread)

    def _get_posterior(self) -> MixtureSameFamily:
        count, size = self.num_components, self.latent_dim
        dtype = self._init_latent.dtype
        logits = numpyro.param(f"{self.prefix}_logits", jnp.zeros(count, dtype))
        locs = numpyro.param(f"{self.prefix}_locs", self._init_locs_of_components)
        scale_trils = numpyro.param(
            f"{self.prefix}_scale_trils",
            jnp.broadcast_to(self.init_scale * jnp.eye(size, dtype=dtype), (count, size, size)),
            constraint=constraints.scaled_unit_lower_cholesky,
        )
        return MixtureSameFamily(Categorical(logits=logits), MultivariateNormal(locs, scale_tril=scale_trils))

    def get_posterior(self, params: dict[str, Any]) -> MixtureSameFamily:
        """The mixture, over all latents in unconstrained space."""
        return numpyro.handlers.substitute(self._get_posterior, params)()

    def sample_posterior(
        self, rng_key: Array, params: dict[str, Any], *args: Any, sample_shape: tuple[int, ...] = (), **kwargs: Any
    ) -> dict[str, Array]:
        """Draws of the model's latents, with leading axes `sample_shape`."""
        return self._unpack_and_constrain(self.get_posterior(params).sample(rng_key, sample_shape), params)

    def quantiles(
        self,
        params: dict[str, Any],
        quantiles: Sequence[float],
        *,
        rng_key: Array | None = None,
        num_samples: int = 1000,
    ) -> dict[str, Array]:
        """Marginal quantiles of each latent from draws; a leading axis over `quantiles`."""
        key = jax.random.key(0) if rng_key is None else rng_key
        draws = self.get_posterior(params).sample(key, (num_samples,))
        # the transforms of supports keep the order
        return self._unpack_and_constrain(jnp.quantile(draws, jnp.asarray(quantiles), axis=0), params)

    def median(
        self, params: dict[str, Any], *, rng_key: Array | None = None, num_samples: int = 1000
    ) -> dict[str, Array]:
        """Marginal medians of each latent from draws."""
        found = self.quantiles(params, [0.5], rng_key=rng_key, num_samples=num_samples)
        return {name: values[0] for name, values in found.items()}
