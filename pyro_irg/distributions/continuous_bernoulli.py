"""ContinuousBernoulli with derivatives that are right through probs = 1/2."""

from __future__ import annotations

from typing import Any

import pyro.distributions as host
import torch
from torch import Tensor
from torch.distributions.utils import lazy_property

from irg_kernels.families import continuous_bernoulli as kernel

from ..attach import NATIVE, attach
from ..registry import implicit_twin_of
from ..samplers import draw
from .base import UnivariateMixin, parameters


@implicit_twin_of(host.ContinuousBernoulli)
class ContinuousBernoulli(UnivariateMixin, host.ContinuousBernoulli):
    r"""Distribution on [0, 1] of density proportional to :math:`p^x (1-p)^{1-x}`, smooth in p, also at 1/2.

    The host interpolates between `lims`, where its draws then have no gradient at all; every method here is in the
    logit, accurate at any of its values.

    :param probs: p in [0, 1], not the mean; number or tensor.  A p of 0 or 1 is taken as the number next to it.
    :param logits: :math:`\log p - \log(1-p)`, in place of `probs`.
    :param lims: without effect; the host's argument.
    :raises ValueError: for both or none of `probs` and `logits`, or one outside its constraint or not finite.

    Source: Loaiza-Ganem and Cunningham 2019.

    >>> p = torch.tensor(0.5, requires_grad=True)
    >>> torch.autograd.grad(ContinuousBernoulli(p).mean, p)[0]
    tensor(0.3333)
    """

    family = kernel.FAMILY
    host_fault = "whose gradient in probs is zero near probs = 1/2"

    def __init__(
        self, probs: Any = None, logits: Any = None, lims: Any = (0.499, 0.501), validate_args: bool | None = None
    ) -> None:
        if (probs is None) == (logits is None):
            raise ValueError("ContinuousBernoulli: either probs or logits must be given, but not both")
        if logits is not None:
            (logits,) = parameters("ContinuousBernoulli", logits=logits)
            super().__init__(logits=logits, lims=lims, validate_args=validate_args)
        else:
            (probs,) = parameters("ContinuousBernoulli", probs=probs)
            super().__init__(probs=probs, lims=lims, validate_args=validate_args)
            if self._validate_args and not torch._is_all_true(self.arg_constraints["probs"].check(probs)):
                raise ValueError(f"ContinuousBernoulli: probs must lie in [0, 1], but found:\n{probs}")
            # not from the host's probs, which it clamps at eps
            limits = torch.finfo(probs.dtype)
            inside = probs.clamp(limits.tiny, 1.0 - 0.5 * limits.eps)
            self.logits = inside.log() - torch.log1p(-inside)
        if self._validate_args and not torch._is_all_true(self.logits.isfinite()):
            raise ValueError(f"ContinuousBernoulli: logits must be finite, but found:\n{self.logits}")

    @classmethod
    def from_host(cls, fn: Any) -> Any:
        name = "probs" if fn._param is fn.__dict__.get("probs") else "logits"
        return cls(**{name: fn._param}, lims=fn._lims, validate_args=fn._validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        by_probs = self._param is self.__dict__.get("probs")
        new = super().expand(batch_shape, _instance)
        new._param = new.probs if by_probs else new.logits
        return new

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        (logits,) = self._extended(sample_shape, self.logits)
        x = draw(_standard, logits)
        return attach((kernel.dx_deta,), x, logits)

    @lazy_property
    def probs(self) -> Any:
        # as the host's, clamped at eps: its divergences take a logarithm of 1 - probs
        limits = torch.finfo(self.logits.dtype)
        return torch.sigmoid(self.logits).clamp(limits.eps, 1.0 - limits.eps)

    def _cont_bern_log_norm(self):
        # for the host's divergences, which add log(1 - probs)
        return -kernel.log_normalizer(NATIVE, self.logits) - torch.log1p(-self.probs)

    def _log_normalizer(self, x):
        return kernel.log_normalizer(NATIVE, x)


def _standard(logits):
    return kernel.quantile(NATIVE, torch.rand_like(logits), logits)
