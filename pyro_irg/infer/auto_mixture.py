"""A mixture of Gaussians as an automatic guide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import pyro
import torch
from pyro.distributions import Delta, constraints
from pyro.distributions.util import sum_rightmost
from pyro.infer.autoguide import AutoContinuous, init_to_median
from pyro.nn import PyroParam
from pyro.poutine.runtime import am_i_wrapped
from torch import Tensor, nn
from torch.distributions import biject_to

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
    :param init_loc_fn: as in Pyro's autoguides.
    :param init_scale: standard deviation of each component to begin with.
    :param init_spread: standard deviation of the components' locations to begin with.
    :raises ValueError: for settings out of bounds.
    """

    logits: Any
    locs: Any
    scales: Any
    scale_trils: Any

    def __init__(
        self,
        model: Callable,
        num_components: int,
        *,
        init_loc_fn: Callable = init_to_median,
        init_scale: float = 1.0,
        init_spread: float = 2.0,
    ) -> None:
        if not isinstance(num_components, int) or isinstance(num_components, bool) or num_components < 1:
            raise ValueError(f"AutoMixture: num_components must be an integer >= 1, got {num_components!r}")
        for name, value in (("init_scale", init_scale), ("init_spread", init_spread)):
            if not 0.0 < value < float("inf"):
                raise ValueError(f"AutoMixture: {name} must be positive and finite, got {value!r}")
        self.num_components, self.init_scale, self.init_spread = num_components, init_scale, init_spread
        super().__init__(model, init_loc_fn=init_loc_fn)

    def _setup_prototype(self, *args: Any, **kwargs: Any) -> None:
        super()._setup_prototype(*args, **kwargs)
        start = self._init_loc()
        count, size = self.num_components, self.latent_dim
        spread = self.init_spread * torch.randn(count, size, dtype=start.dtype, device=start.device)
        self.logits = nn.Parameter(start.new_zeros(count))
        self.locs = nn.Parameter(start + (spread if count > 1 else 0.0 * spread))
        self.scales = PyroParam(start.new_full((count, size), self.init_scale), constraints.softplus_positive)
        identity = torch.eye(size, dtype=start.dtype, device=start.device)
        self.scale_trils = PyroParam(identity.repeat(count, 1, 1), constraints.unit_lower_cholesky)

    def get_posterior(self, *args: Any, **kwargs: Any) -> MixtureSameFamily:
        """The mixture, over all latents in unconstrained space."""
        components = MultivariateNormal(self.locs, scale_tril=self.scales[..., None] * self.scale_trils)
        return MixtureSameFamily(Categorical(logits=self.logits), components)

    def forward(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        if self.prototype_trace is None:
            self._setup_prototype(*args, **kwargs)
        latent = self.sample_latent(*args, **kwargs)
        plates = self._create_plates(*args, **kwargs)
        found = {}
        for site, unconstrained in self._unpack_latent(latent):
            name, event_dim, transform = site["name"], site["fn"].event_dim, biject_to(site["fn"].support)
            value = transform(unconstrained)
            log_det = transform.log_abs_det_jacobian(unconstrained, value)
            log_det = sum_rightmost(log_det, log_det.dim() - value.dim() + event_dim)
            with ExitStack() as stack:
                for frame in self._cond_indep_stacks[name]:
                    stack.enter_context(plates[frame.name])
                # A factor, since `TraceMeanField_ELBO` drops the `log_density` of a Delta.
                if am_i_wrapped():
                    pyro.factor(f"_{self._pyro_name}_jacobian_{name}", -log_det, has_rsample=True)
                found[name] = pyro.sample(name, Delta(value, event_dim=event_dim))
        return found

    @torch.no_grad()
    def quantiles(
        self, quantiles: Sequence[float], *args: Any, num_samples: int = 1000, **kwargs: Any
    ) -> dict[str, Tensor]:
        """Marginal quantiles of each latent from draws; a leading axis over `quantiles`."""
        draws = self.get_posterior(*args, **kwargs).sample((num_samples,))
        levels = torch.as_tensor(quantiles, dtype=draws.dtype, device=draws.device)
        found = torch.quantile(draws, levels, dim=0)  # the transforms of supports keep the order
        rows = [{site["name"]: _constrained(site, value) for site, value in self._unpack_latent(row)} for row in found]
        return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}

    def median(self, *args: Any, num_samples: int = 1000, **kwargs: Any) -> dict[str, Tensor]:
        """Marginal medians of each latent from draws."""
        return {k: v[0] for k, v in self.quantiles([0.5], *args, num_samples=num_samples, **kwargs).items()}


def _constrained(site: Any, value: Tensor) -> Tensor:
    return biject_to(site["fn"].support)(value)
