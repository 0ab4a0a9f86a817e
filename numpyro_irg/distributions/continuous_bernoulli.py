"""ContinuousBernoulli with derivatives that are right through probs = 1/2."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, random
from numpyro.util import not_jax_tracer

from irg_kernels.families import continuous_bernoulli as kernel

from ..attach import NATIVE, attach
from .base import Univariate, parameters


class ContinuousBernoulli(Univariate):
    r"""Distribution on [0, 1] of density proportional to :math:`p^x (1-p)^{1-x}`, smooth in p, also at 1/2.

    Every method is in the logit, accurate at any of its values.

    :param probs: p in [0, 1], not the mean.  A p of 0 or 1 is taken as the number next to it.
    :param logits: :math:`\log p - \log(1-p)`, in place of `probs`.
    :raises ValueError: for both or none of `probs` and `logits`, or one outside its constraint or not finite.

    Source: Loaiza-Ganem and Cunningham 2019.

    >>> round(float(jax.grad(lambda p: ContinuousBernoulli(p).mean)(0.5)), 4)
    0.3333
    """

    family = kernel.FAMILY

    def __init__(self, probs: Any = None, logits: Any = None, *, validate_args: bool | None = None) -> None:
        if (probs is None) == (logits is None):
            raise ValueError("ContinuousBernoulli: either probs or logits must be given, but not both")
        if logits is None:
            (probs,) = parameters("ContinuousBernoulli", probs=probs)
            logits = self._logits_of(probs, validate_args)
        self._begin(validate_args, logits=logits)

    @classmethod
    def _logits_of(cls, probs: Array, validate_args: bool | None) -> Array:
        if cls._validate_args if validate_args is None else validate_args:
            with jax.ensure_compile_time_eval():
                inside = (probs >= 0.0) & (probs <= 1.0)
                if not_jax_tracer(inside) and not inside.all():
                    raise ValueError(f"ContinuousBernoulli: probs must lie in [0, 1], but found:\n{probs}")
        limits = jnp.finfo(probs.dtype)
        inside = jnp.clip(probs, float(limits.tiny), 1.0 - 0.5 * float(limits.eps))
        return jnp.log(inside) - jnp.log1p(-inside)

    @property
    def probs(self) -> Array:
        return jax.nn.sigmoid(self.logits)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        (logits,) = self._extended(key, sample_shape, self.logits)
        u = random.uniform(key, logits.shape, logits.dtype)
        x = jax.lax.stop_gradient(kernel.quantile(NATIVE, u, logits))
        return attach((kernel.dx_deta,), x, logits)
