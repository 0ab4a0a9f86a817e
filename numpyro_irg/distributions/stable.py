"""Stable, which NumPyro has not, reparameterized in every parameter through stability 1."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpyro.distributions as host
from jax import Array, random
from numpyro.distributions import constraints
from numpyro.distributions.util import validate_sample
from numpyro.util import not_jax_tracer

from irg_kernels.adapter.messages import check_stable
from irg_kernels.families import stable as kernel

from .base import ImplicitMixin, closed_form, parameters


class Stable(ImplicitMixin, host.Distribution):
    r"""Levy's :math:`\alpha`-stable distribution, with Pyro's arguments, in Nolan's smooth coordinates S0.

    Its characteristic function is :math:`\exp(i \mu t - |\sigma t|^\alpha (1 + i \beta\, \mathrm{sign}(t)
    \tan\frac{\pi \alpha}{2} (|\sigma t|^{1 - \alpha} - 1)))`.  A draw is a smooth function of its parameters and two
    random numbers, and `log_prob` an integral of one dimension.  A draw that would overflow is held at the end of the
    range, with the relative derivative of the true draw.  Next to stability 2 the gradient in it has a large variance,
    and at 2 itself, where heavy tails begin, an infinite one: it is returned as infinite or NaN.

    :param stability: :math:`\alpha` in (0, 2]; broadcast with the others.
    :param skew: :math:`\beta` in [-1, 1].
    :param scale: :math:`\sigma > 0`.
    :param loc: :math:`\mu`.
    :param coords: "S0", or "S" for SciPy's, which break off at stability 1 (where they are S0).
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.

    Sources: Chambers, Mallows and Stuck 1976; Nolan 1997.
    """

    arg_constraints = {
        "stability": constraints.interval(0.0, 2.0),
        "skew": constraints.interval(-1.0, 1.0),
        "scale": constraints.positive,
        "loc": constraints.real,
    }
    reparametrized_params = ["stability", "skew", "scale", "loc"]
    support = constraints.real
    pytree_aux_fields = ("coords",)

    def __init__(
        self,
        stability: Any,
        skew: Any,
        scale: Any = 1.0,
        loc: Any = 0.0,
        coords: str = "S0",
        *,
        validate_args: bool | None = None,
    ) -> None:
        check_stable(coords)
        found = parameters("Stable", stability=stability, skew=skew, scale=scale, loc=loc)
        self.stability, self.skew, self.scale, self.loc = found
        self.coords = coords
        shape = jnp.broadcast_shapes(*(p.shape for p in found))
        super().__init__(batch_shape=shape, validate_args=validate_args)

    def validate_args(self, strict: bool = True) -> None:
        super().validate_args(strict)
        with jax.ensure_compile_time_eval():
            least = jnp.min(self.stability, initial=2.0)
            if not_jax_tracer(least) and least == 0.0:
                raise ValueError("Stable: stability must lie in (0, 2], but is 0")

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        alpha, beta, scale, loc = self._extended(key, sample_shape, self.stability, self.skew, self.scale, self.loc)
        uniform_key, exponential_key = random.split(key)
        limits = jnp.finfo(alpha.dtype)
        u = jnp.clip(
            random.uniform(uniform_key, alpha.shape, alpha.dtype),
            0.25 * float(limits.eps),
            1.0 - 0.5 * float(limits.eps),
        )
        w = random.exponential(exponential_key, alpha.shape, alpha.dtype)
        draw = kernel.draw if self.coords == "S0" else kernel.draw_of_s
        return loc + scale * closed_form(draw, u, w, alpha, beta, scale)

    @validate_sample
    def log_prob(self, value: Any, intermediates: Any = None) -> Array:
        """log p(value), to rounding but in float32 at stability next to 1, with derivatives."""
        x = (value - self.loc) / self.scale
        log_density = kernel.log_density if self.coords == "S0" else kernel.log_density_of_s
        return closed_form(log_density, x, self.stability, self.skew) - jnp.log(self.scale)

    @property
    def mean(self) -> Array:
        """NaN where there is none."""
        loc, alpha = jnp.broadcast_to(self.loc, self.batch_shape), jnp.broadcast_to(self.stability, self.batch_shape)
        has_mean = alpha > 1.0
        if self.coords == "S0":
            loc = loc - self.scale * self.skew * jnp.tan(0.5 * jnp.pi * jnp.where(has_mean, alpha, 2.0))
        return jnp.where(has_mean, loc, jnp.nan)

    @property
    def variance(self) -> Array:
        return jnp.where(self.stability < 2.0, jnp.inf, 2.0 * self.scale**2 + 0.0 * (self.loc + self.skew))
