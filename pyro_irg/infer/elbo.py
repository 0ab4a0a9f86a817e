"""Bounds whose gradient goes through the draws alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pyro
import torch
from pyro.infer import ELBO
from pyro.infer.util import is_validation_enabled, torch_item
from pyro.poutine import replay, trace
from pyro.poutine.subsample_messenger import _Subsample
from pyro.poutine.util import prune_subsample_sites
from pyro.util import check_model_guide_match
from torch import Tensor

from irg_kernels.adapter import guide_messages
from irg_kernels.adapter.messages import described
from irg_kernels.adapter.settings import check_count

from .evaluation import log_density, plate_nesting
from .hvae import HVAE
from .sites import side_by_side


class PathGradientELBO(ELBO):
    r"""The ELBO, or the importance-weighted bound, with path gradients::

        svi = SVI(model, guide, optim, PathGradientELBO(num_particles=16, vectorize_particles=True))

    The part of the gradient of :math:`\log q(z; \phi)` that is left at a fixed z has mean 0 and is left out ("sticking
    the landing", Roeder, Wu, Duvenaud 2017): the noise vanishes where the guide is the posterior.  With several
    importance draws of normalised weights :math:`\tilde w_k` it is :math:`\sum_k \tilde w_k^2 \, \partial_z \log w_k \,
    \partial_\phi z_k`, doubly reparameterized (Tucker, Lawson, Gu, Maddison 2019).  The model's parameters have the
    bound's own gradient.  Values are those of `Trace_ELBO`, or of `RenyiELBO` at alpha = 0: one weight for each draw of
    all latents.

    For any guide all of whose draws are reparameterized; it and the model run twice for each draw.

    :param num_particles: bounds to be averaged.
    :param num_importance: draws in each bound.
    :param options: as in `pyro.infer.ELBO`; with `vectorize_particles` all draws are made side by side.
    :raises ValueError: for counts below 1, for a draw that is not reparameterized, and for a Hamiltonian guide, of
        whose bound the density of the draws is only a part.
    """

    def __init__(self, num_particles: int = 1, num_importance: int = 1, **options: Any) -> None:
        check_count("PathGradientELBO", "num_particles", num_particles)
        check_count("PathGradientELBO", "num_importance", num_importance)
        super().__init__(num_particles, **options)
        self.num_importance = num_importance

    def _get_trace(self, model: Callable, guide: Callable, args: tuple, kwargs: dict) -> tuple[Any, Any]:
        drawn = trace(guide).get_trace(*args, **kwargs)
        joint = trace(replay(model, trace=drawn)).get_trace(*args, **kwargs)
        if is_validation_enabled():
            check_model_guide_match(joint, drawn)
        return joint, drawn

    def differentiable_loss(self, model: Callable, guide: Callable, *args: Any, **kwargs: Any) -> Tensor:
        """Minus the bound; its gradient is the path's."""
        if isinstance(guide, HVAE) and guide.num_steps:
            raise ValueError(guide_messages.PATHS_OF_HVAE)
        count, dim = self.num_particles * self.num_importance, None
        if self.vectorize_particles and count > 1:
            nesting = self.max_plate_nesting
            if not math.isfinite(nesting):
                nesting = plate_nesting(model, guide, args, kwargs)
            model, guide, dim = side_by_side(model, count, nesting), side_by_side(guide, count, nesting), -1 - nesting
        runs = [self._surrogates(model, guide, args, kwargs, dim) for _ in range(1 if dim is not None else count)]
        shape = self.num_particles, self.num_importance
        weights, paths, models = (torch.stack(terms).reshape(shape) for terms in zip(*runs, strict=True))
        total = weights.detach().logsumexp(1, keepdim=True)
        shares = (weights.detach() - total).exp()
        # of value 0
        slope = (shares.square() * paths + shares * models).sum(1)
        bound = total[:, 0] - math.log(self.num_importance) + slope - slope.detach()
        return -bound.mean()

    def _surrogates(
        self, model: Callable, guide: Callable, args: tuple, kwargs: dict, dim: int | None
    ) -> tuple[Tensor, ...]:
        """log w; a term with the path's gradient alone; and log p at a fixed z, with its parameters' gradient."""
        joint, drawn = self._get_trace(model, guide, args, kwargs)
        nodes: dict[str, Any] = prune_subsample_sites(drawn).nodes
        for name, site in nodes.items():
            if site["type"] == "sample" and not site["is_observed"] and not site["fn"].has_rsample:
                raise ValueError(guide_messages.no_path_gradient(name, described(site["fn"]), "pyro_irg"))
        again = trace(replay(guide, trace=_fixed(drawn))).get_trace(*args, **kwargs)
        joint_again = trace(replay(model, trace=_fixed(joint))).get_trace(*args, **kwargs)
        log_p, log_q, log_p_fixed, log_q_fixed = (log_density(t, None, dim) for t in (joint, drawn, joint_again, again))
        return log_p - log_q, (log_p - log_p_fixed) - (log_q - log_q_fixed), log_p_fixed

    @torch.no_grad()
    def loss(self, model: Callable, guide: Callable, *args: Any, **kwargs: Any) -> float:
        return torch_item(self.differentiable_loss(model, guide, *args, **kwargs))

    def loss_and_grads(self, model: Callable, guide: Callable, *args: Any, **kwargs: Any) -> float:
        loss = self.differentiable_loss(model, guide, *args, **kwargs)
        if loss.requires_grad:
            loss.backward()
        return torch_item(loss)


def _fixed(sites: pyro.poutine.Trace) -> pyro.poutine.Trace:
    """A copy of a trace whose draws have no derivatives."""
    found = sites.copy()
    for name, site in sites.nodes.items():
        if site["type"] == "sample" and not isinstance(site["fn"], _Subsample):
            value: Any = site["value"]
            found.nodes[name] = {**site, "value": value.detach()}
    return found
