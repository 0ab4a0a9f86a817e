"""`ConditionalChain`: a distribution of vectors as a chain of univariate conditional distributions, reparameterized
jointly."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpyro.distributions as host
from jax import Array
from numpyro.distributions import constraints

from irg_kernels.adapter import messages

from .base import check_key, uniforms
from .from_uniform import from_uniform
from .implicit_density import Implicit

__all__ = ["ConditionalChain", "Rosenblatt"]


class ConditionalChain(host.Distribution):
    r"""Distribution of :math:`x = (x_1, \dots, x_D)`, each :math:`x_i` given those before it univariate.

    A draw moves so that all :math:`F_i(x_i | x_1, \dots, x_{i-1})` keep their values (Rosenblatt 1952; Figurnov et al.
    2018, eq. 3).  Each conditional distribution is built from coordinates that move already, so that autodiff solves
    the triangular system by substitution.

    :param conditionals: D entries; the i-th a function of i - 1 arrays, the earlier coordinates, and of `params`,
        which gives a univariate distribution of elementwise parameters.
    :param params: arrays passed to every function, by name.
    :raises ValueError: for conditional distributions that `Implicit` refuses.

    >>> from numpyro.distributions import Gamma, Normal
    >>> distribution = ConditionalChain([lambda a: Gamma(a, 1.0), lambda x, a: Normal(x, a)], a=2.0)
    >>> distribution.sample(jax.random.key(0), (5,)).shape
    (5, 2)
    """

    arg_constraints: dict = {}
    pytree_data_fields = ("params",)
    pytree_aux_fields = ("conditionals", "_support", "reparametrized_params")

    def __init__(self, conditionals: Any, *, validate_args: bool | None = None, **params: Any) -> None:
        if not isinstance(conditionals, list | tuple) or not all(map(callable, conditionals)):
            raise TypeError(
                f"ConditionalChain: conditionals must be a list of functions, got {messages.shown(conditionals)}"
            )
        self.conditionals, self.params = tuple(conditionals), params
        self.reparametrized_params = list(params)
        x: list[Array] = []  # a look at the shapes and the supports, at some value inside
        shape, supports = (), []
        for conditional in self.conditionals:
            distribution = conditional(*x, **params)
            Implicit(distribution, validate_args=False)
            supports.append(distribution.support)
            shape = jnp.broadcast_shapes(shape, distribution.batch_shape)
            x.append(host.transforms.biject_to(distribution.support)(jnp.zeros(distribution.batch_shape)))
        same = all(s == supports[0] for s in supports)
        self._support = constraints.independent(supports[0], 1) if same else None
        super().__init__(shape, (len(supports),), validate_args=validate_args)

    @constraints.dependent_property(is_discrete=False, event_dim=1)
    def support(self) -> Any:
        if self._support is None:
            raise NotImplementedError(
                "ConditionalChain: NumPyro has no constraint for coordinates of different supports"
            )
        return self._support

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        check_key(self, key)
        shape = tuple(sample_shape) + self.batch_shape
        x: list[Array] = []
        for conditional, k in zip(self.conditionals, jax.random.split(key, len(self.conditionals)), strict=True):
            distribution: Any = conditional(*x, **self.params).expand(shape)
            x.append(Implicit(distribution, validate_args=False).sample(k))
        return jnp.stack(x, -1)

    rsample = sample

    def from_uniform(self, u: Any) -> Array:
        """The draw that u makes, coordinate by coordinate; see the function `from_uniform`."""
        return self._from_uniform(uniforms(self, u))

    def _from_uniform(self, u: Array) -> Array:
        x: list[Array] = []
        for i, conditional in enumerate(self.conditionals):
            x.append(from_uniform(conditional(*x, **self.params), u[..., i]))
        return jnp.stack(x, -1)

    def at_fixed_quantile(self, x: Array) -> Array:
        """x, unchanged in value, that moves with the parameters so as to keep its Rosenblatt transform."""
        moving: list[Array] = []
        for i, conditional in enumerate(self.conditionals):
            distribution: Any = conditional(*moving, **self.params).expand(x.shape[:-1])
            moving.append(Implicit(distribution, validate_args=False).at_fixed_quantile(x[..., i]))
        return jnp.stack(moving, -1)

    def log_prob(self, value: Array) -> Array:
        x = [value[..., i] for i in range(len(self.conditionals))]
        return sum(f(*x[:i], **self.params).log_prob(x[i]) for i, f in enumerate(self.conditionals))


Rosenblatt = ConditionalChain
"""The former name of `ConditionalChain`."""
