"""The Hamiltonian guide for a model without a guide."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import jax
import jax.numpy as jnp
from jax import Array, lax
from numpyro.handlers import block, seed
from numpyro.infer.autoguide import AutoGuide

from irg_kernels.adapter import guide_messages

from .draws import weighted_draws
from .hvae import HVAE
from .reruns import Given
from .transport import AutoTransport


class AutoHVAE(HVAE):
    """`HVAE` over an automatic base guide, with the methods of NumPyro's autoguides::

        guide = AutoHVAE(model)

    Its own base carries N(0, I) to the posterior by autoregressive layers and a full-rank affine map that begins where
    a search of the density ends (`AutoTransport`; beyond 100 latent numbers diagonal plus low rank, without a search),
    for global latents; it warns of several modes, of which it takes in one.  The paper's guide is `base=AutoNormal,
    transition="leapfrog"`.

    Where an autoguide's summaries are of its parameters alone, these look at the model's arguments too.

    :param model: the model.
    :param num_steps: as in `HVAE`, with all its other settings as keywords.
    :param transition: as in `HVAE`.
    :param base: a class of `numpyro.infer.autoguide`, or a function that makes a guide of a model.
    :param prefix: begins the names of all sites and parameters, the base's too.
    :param init_loc_fn: of the base.
    :param create_plates: of the base.
    :param base_options: further keyword arguments of the base, such as `init_scale`.
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
        named = {"init_loc_fn": init_loc_fn, "create_plates": create_plates}
        options = {name: value for name, value in named.items() if value is not None} | (base_options or {})
        if prefix != "auto" or (callable(base) and _takes(base, "prefix")):
            options.setdefault("prefix", prefix)
        allowed = inspect.signature(HVAE).parameters.keys() - {"model", "guide", "num_steps", "prefix"}
        guide_messages.check_program("AutoHVAE", "model", model)
        guide_messages.check_auto_base(base, options, settings, allowed, (AutoGuide, HVAE))
        super().__init__(
            model, base(model, **options), num_steps=num_steps, transition=transition, prefix=prefix, **settings
        )

    __call__ = guide_messages.in_own_name(HVAE.__call__)
    refine = guide_messages.in_own_name(HVAE.refine)
    step_size = guide_messages.in_own_name(HVAE.step_size)

    def sample_posterior(
        self,
        rng_key: Array,
        params: dict[str, Any],
        *args: Any,
        sample_shape: tuple[int, ...] = (),
        num_importance: int = 1,
        **kwargs: Any,
    ) -> dict[str, Array]:
        """Draws of the model's latents, with leading axes `sample_shape`.

        :param args: the model's arguments, by default those of the last call outside `jit`, as `SVI.init` is.
        :param num_importance: each draw is one of so many, taken in proportion to their weights (`weighted_draws`).
        :raises TypeError: for parameters that are no dictionary, and without arguments that the model needs.
        :raises ValueError: for a parameter that `params` does not have.
        """
        guide_messages.check_params("AutoHVAE.sample_posterior", params)
        args, kwargs = guide_messages.arguments("AutoHVAE.sample_posterior", self.model, args, kwargs, self._last)
        if getattr(self.base, "prototype_trace", self) is None:  # what is first seen inside `map` is known there alone
            self.setup(*args, **kwargs)

        def one(key):
            with block(), seed(rng_seed=key), Given("AutoHVAE.sample_posterior", params):
                return self(*args, **kwargs)

        if num_importance != 1:
            names, count = jax.eval_shape(one, rng_key), math.prod(sample_shape)
            settings = {"num_samples": count, "num_importance": num_importance}
            found = weighted_draws(self.model, self, params, rng_key, *args, **settings, **kwargs).latents
            return {name: found[name].reshape(sample_shape + found[name].shape[1:]) for name in names}
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

        :param args: the model's arguments, by default those of the last call outside `jit`, as `SVI.init` is; among
            the keywords `num_importance` is for `sample_posterior`.
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

    def get_posterior(self, params: dict[str, Any]) -> NoReturn:
        """Not available: the density of a refined draw is an integral over the momenta.

        :raises NotImplementedError: always.
        """
        raise NotImplementedError(
            "AutoHVAE: the posterior has no density in closed form; draw from it with sample_posterior, weight draws "
            "with numpyro_irg.infer.log_weights, or take the base's alone with guide.base.get_posterior(params)"
        )


def _takes(function: Callable, name: str) -> bool:
    parameters = inspect.signature(function).parameters
    return name in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())
