"""The ELBO by randomised quasi-Monte Carlo."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyro.distributions as dist
import torch
from pyro.infer import Trace_ELBO
from pyro.poutine.messenger import Messenger
from pyro.poutine.subsample_messenger import _Subsample
from torch import Tensor
from torch.quasirandom import SobolEngine

from irg_kernels.adapter.settings import check_count

from ..distributions.from_uniform import from_uniform
from ..distributions.host_families import tensors, unwrapped
from .hvae import HVAE


class QMC_ELBO(Trace_ELBO):
    r"""The ELBO whose particles are points of a scrambled Sobol' sequence, one for all draws of the guide::

        svi = SVI(model, guide, optim, QMC_ELBO(num_particles=64))

    Each draw is :math:`F^{-1}(u; \phi)` (see `from_uniform`), so that the bound is the mean over the points u of a
    smooth function; scrambled anew at every step they are uniform, and value and gradient unbiased.  For a guide of few
    dimensions the variance of the gradient falls as :math:`n^{-3}` or so in the number n of points, not as
    :math:`1/n` (Owen 1997; Buchholz, Wenzel, Mandt 2018, "Quasi-Monte Carlo variational inference").

    Every reparameterized site takes as many columns of the sequence as one particle has numbers of it, those of a plate
    included; beyond 21,201 columns, and at sites that are not reparameterized, numbers are independent.  The minibatch
    of a plate is drawn as ever, one for all particles.

    :param num_particles: n, at least 2; best a power of 2.
    :param options: as in `pyro.infer.ELBO`; particles are always side by side.
    :raises ValueError: for fewer particles than 2, and for a Hamiltonian guide, which draws momenta of its own.
    :raises NotImplementedError: for a site of the guide that `from_uniform` does not take.
    """

    def __init__(self, num_particles: int = 64, **options: Any) -> None:
        check_count("QMC_ELBO", "num_particles", num_particles, 2)
        if not options.setdefault("vectorize_particles", True):
            raise ValueError("QMC_ELBO: particles are made side by side; leave vectorize_particles out")
        super().__init__(num_particles=num_particles, **options)
        self._dimension = 0

    def _get_trace(self, model: Any, guide: Any, args: tuple, kwargs: dict) -> Any:
        for _ in range(3):  # the columns are known when the guide has run
            quasi = _Quasi(_points(self.num_particles, self._dimension), -self.max_plate_nesting)
            traces = super()._get_trace(model, quasi(guide), args, kwargs)
            if quasi.taken == self._dimension:
                break
            self._dimension = quasi.taken
        return traces

    def _get_traces(self, model: Callable, guide: Callable, args: tuple, kwargs: dict) -> Any:
        if isinstance(guide, HVAE) and guide.num_steps:
            raise ValueError("QMC_ELBO: a Hamiltonian guide draws momenta of its own; write Trace_ELBO")
        return super()._get_traces(model, guide, args, kwargs)


def _points(count: int, dimension: int) -> Tensor:
    """Scrambled, inside (0, 1), in float64; their seed is torch's."""
    dimension = min(dimension, SobolEngine.MAXDIM)
    if not dimension:
        return torch.zeros(count, 0, dtype=torch.float64)
    seed = int(torch.randint(2**31 - 1, ()))
    return SobolEngine(dimension, scramble=True, seed=seed).draw(count, dtype=torch.float64)


class _Quasi(Messenger):
    """Takes draws from columns of points, and, where these are used up, from independent numbers.

    :param dim: the particles' batch axis, negative.
    """

    def __init__(self, points: Tensor, dim: int) -> None:
        super().__init__()
        self.points, self.dim, self.taken = points, dim, 0

    def __enter__(self) -> Any:
        self.taken = 0
        return super().__enter__()

    def _pyro_sample(self, msg: Any) -> None:
        fn = msg["fn"]
        if msg["is_observed"] or msg["done"] or isinstance(fn, _Subsample) or not fn.has_rsample:
            return
        if isinstance(unwrapped(fn), dist.Delta):
            return
        shape = list(fn.shape())
        count = shape.pop(len(fn.batch_shape) + self.dim)
        first = self.taken
        self.taken += torch.Size(shape).numel()
        columns = self.points[:, first : self.taken]
        missing = self.taken - first - columns.shape[1]
        if missing:
            columns = torch.cat([columns, torch.rand(count, missing, dtype=columns.dtype)], -1)
        u = columns.reshape(count, *shape).movedim(0, len(fn.batch_shape) + self.dim)
        msg["value"], msg["done"] = from_uniform(fn, _like(fn, u)), True


def _like(fn: Any, u: Tensor) -> Tensor:
    """In the dtype of the distribution's parameters, at the middle of a cell, so that none is 0 or 1."""
    like = next(iter(tensors(fn)), torch.zeros(()))
    cells = 2.0 ** (23 if like.dtype != torch.float64 else 30)
    return ((u * cells).floor().clamp(max=cells - 1.0) + 0.5).div(cells).to(like)
