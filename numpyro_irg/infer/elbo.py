"""Bounds whose gradient goes through the draws alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jax import Array, lax
from jax.scipy.special import logsumexp
from numpyro.distributions.util import scale_and_mask
from numpyro.handlers import replay, seed, substitute, trace
from numpyro.infer.elbo import ELBO

from irg_kernels.adapter import guide_messages
from irg_kernels.adapter.messages import described
from irg_kernels.adapter.settings import check_count

from .hvae import HVAE
from .masks import unwrapped


class PathGradientELBO(ELBO):
    r"""The ELBO, or the importance-weighted bound, with path gradients::

        svi = SVI(model, guide, optim, PathGradientELBO(num_particles=16))

    The part of the gradient of :math:`\log q(z; \phi)` that is left at a fixed z has mean 0 and is left out ("sticking
    the landing", Roeder, Wu, Duvenaud 2017): the noise vanishes where the guide is the posterior.  With several
    importance draws of normalised weights :math:`\tilde w_k` it is :math:`\sum_k \tilde w_k^2 \, \partial_z \log w_k \,
    \partial_\phi z_k`, doubly reparameterized (Tucker, Lawson, Gu, Maddison 2019).  The model's parameters have the
    bound's own gradient.  Values are those of `Trace_ELBO`, or of `RenyiELBO` at alpha = 0 without its plates: one
    weight for each draw of all latents.

    For any guide all of whose draws are reparameterized; it and the model run twice for each draw.

    :param num_particles: bounds to be averaged.
    :param num_importance: draws in each bound.
    :raises ValueError: for counts below 1, for a draw that is not reparameterized, and for a Hamiltonian guide, of
        whose bound the density of the draws is only a part.
    """

    def __init__(self, num_particles: int = 1, num_importance: int = 1, vectorize_particles: Any = True) -> None:
        check_count("PathGradientELBO", "num_particles", num_particles)
        check_count("PathGradientELBO", "num_importance", num_importance)
        super().__init__(num_particles, vectorize_particles)
        self.num_importance = num_importance

    def loss(
        self, rng_key: Array, param_map: dict[str, Array], model: Callable, guide: Callable, *args: Any, **kwargs: Any
    ) -> Array:
        """Minus the bound; its gradient is the path's."""
        if isinstance(guide, HVAE) and guide.num_steps:
            raise ValueError(guide_messages.PATHS_OF_HVAE)

        def one(key):
            return _surrogates(model, guide, args, kwargs, param_map, key)

        keys = jax.random.split(rng_key, self.num_particles * self.num_importance)
        weights, paths, models = (
            x.reshape(self.num_particles, self.num_importance) for x in self.vectorize_particles_fn(one, keys)
        )
        total = lax.stop_gradient(logsumexp(weights, axis=1, keepdims=True))
        shares = lax.stop_gradient(jnp.exp(weights - total))
        # of value 0
        slope = jnp.sum(shares**2 * paths + shares * models, axis=1)
        bound = total[:, 0] - math.log(self.num_importance) + slope - lax.stop_gradient(slope)
        return -jnp.mean(bound)

    def loss_with_mutable_state(self, rng_key: Array, param_map: dict[str, Array], *args: Any, **kwargs: Any) -> Any:
        return {"loss": self.loss(rng_key, param_map, *args, **kwargs), "mutable_state": None}


def _surrogates(
    model: Callable, guide: Callable, args: tuple, kwargs: dict, params: dict[str, Any], key: Array
) -> tuple[Array, Array, Array]:
    """log w; a term with the path's gradient alone; and log p at a fixed z, with the gradient of its parameters."""
    for_model, for_guide = jax.random.split(key)

    def densities(values):
        with substitute(data=params), substitute(data=values):
            drawn = trace(seed(guide, for_guide)).get_trace(*args, **kwargs)
            if values:  # what was drawn is fixed, and all that follows from it
                for site in drawn.values():
                    if site["type"] == "sample":
                        site["value"] = lax.stop_gradient(site["value"])
            joint = trace(replay(seed(model, for_model), drawn)).get_trace(*args, **kwargs)
        return drawn, _log_density(joint), _log_density(drawn)

    drawn, log_p, log_q = densities({})
    fixed = {}
    for name, site in drawn.items():
        if site["type"] != "sample" or site["is_observed"] or isinstance(unwrapped(site["fn"]), dist.Delta):
            continue
        if not site["fn"].has_rsample:
            raise ValueError(guide_messages.no_path_gradient(name, described(site["fn"]), "numpyro_irg"))
        fixed[name] = lax.stop_gradient(site["value"])
    _, log_p_fixed, log_q_fixed = densities(fixed)
    return log_p - log_q, (log_p - log_p_fixed) - (log_q - log_q_fixed), log_p_fixed


def _log_density(sites: Any) -> Array:
    total = jnp.zeros(())
    for site in sites.values():
        if site["type"] == "sample":
            inner = (site["intermediates"],) if site["intermediates"] else ()
            total = total + jnp.sum(scale_and_mask(site["fn"].log_prob(site["value"], *inner), site["scale"]))
    return total
