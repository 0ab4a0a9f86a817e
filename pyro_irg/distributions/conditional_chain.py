"""`ConditionalChain`: a distribution of vectors as a chain of univariate conditional distributions, reparameterized
jointly."""

from __future__ import annotations

import copy
from typing import Any

import torch
from pyro.distributions import constraints
from pyro.distributions.torch_distribution import TorchDistribution
from torch import Tensor

from irg_kernels.adapter import messages

from .base import ImplicitMixin, uniforms
from .from_uniform import from_uniform
from .implicit_density import Implicit

__all__ = ["ConditionalChain", "Rosenblatt"]


class ConditionalChain(ImplicitMixin, TorchDistribution):
    r"""Distribution of :math:`x = (x_1, \dots, x_D)`, each :math:`x_i` given those before it univariate.

    A draw moves so that all :math:`F_i(x_i | x_1, \dots, x_{i-1})` keep their values (Rosenblatt 1952; Figurnov et al.
    2018, eq. 3).  Each conditional distribution is built from coordinates that move already, so that autodiff solves
    the triangular system by substitution.

    :param conditionals: D entries; the i-th a function of i - 1 tensors, the earlier coordinates, and of `params`,
        which gives a univariate distribution of elementwise parameters; a distribution itself where it depends on
        nothing.
    :param params: passed to every function, by name.
    :raises ValueError: for conditional distributions that `Implicit` refuses.

    >>> from pyro.distributions import Gamma, Normal
    >>> distribution = ConditionalChain([lambda a: Gamma(a, 1.0), lambda x, a: Normal(x, a)], a=torch.tensor(2.0))
    >>> distribution.rsample((5,)).shape
    torch.Size([5, 2])
    """

    arg_constraints: dict = {}
    has_rsample = True

    def __init__(self, conditionals: Any, *, validate_args: bool | None = None, **params: Any) -> None:
        if not isinstance(conditionals, list | tuple) or not all(map(callable, conditionals)):
            raise TypeError(
                f"ConditionalChain: conditionals must be a list of functions, got {messages.shown(conditionals)}"
            )
        self.conditionals, self.params = tuple(conditionals), params
        with torch.no_grad():  # a look at the shapes and the supports, at some value inside
            x: list[Tensor] = []
            shape, supports = torch.Size(), []
            for _ in self.conditionals:
                distribution = self._given(x)
                Implicit(distribution, validate_args=False)
                supports.append(distribution.support)
                shape = torch.broadcast_shapes(shape, distribution.batch_shape)
                inside = torch.distributions.transform_to(distribution.support)
                x.append(inside(torch.zeros(distribution.batch_shape)))
        self._supports = supports
        super().__init__(shape, torch.Size((len(supports),)), validate_args=validate_args)

    def _given(self, x: list[Tensor]) -> Any:
        conditional = self.conditionals[len(x)]
        return (
            conditional if isinstance(conditional, torch.distributions.Distribution) else conditional(*x, **self.params)
        )

    @constraints.dependent_property(is_discrete=False, event_dim=1)
    def support(self) -> Any:
        if all(type(s) is type(self._supports[0]) and s.__dict__ == self._supports[0].__dict__ for s in self._supports):
            return constraints.independent(self._supports[0], 1)
        return constraints.independent(constraints.stack(self._supports, -1), 1)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = copy.copy(self)
        TorchDistribution.__init__(new, torch.Size(batch_shape), self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        shape = torch.Size(sample_shape) + self.batch_shape
        x: list[Tensor] = []
        for _ in self.conditionals:
            x.append(Implicit(self._given(x).expand(shape), validate_args=False).rsample())
        return torch.stack(x, -1)

    def from_uniform(self, u: Any) -> Tensor:
        """The draw that u makes, coordinate by coordinate; see the function `from_uniform`."""
        return self._from_uniform(uniforms(self, u))

    def _from_uniform(self, u: Tensor) -> Tensor:
        x: list[Tensor] = []
        for q in u.unbind(-1):
            x.append(from_uniform(self._given(x), q))
        return torch.stack(x, -1)

    def at_fixed_quantile(self, x: Tensor) -> Tensor:
        """x, unchanged in value, that moves with the parameters so as to keep its Rosenblatt transform."""
        moving: list[Tensor] = []
        for coordinate in x.unbind(-1):
            moving.append(
                Implicit(self._given(moving).expand(coordinate.shape), validate_args=False).at_fixed_quantile(
                    coordinate
                )
            )
        return torch.stack(moving, -1)

    def log_prob(self, value: Any) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        x = list(value.unbind(-1))
        terms = [self._given(x[:i]).log_prob(x[i]) for i in range(len(x))]
        return torch.stack(torch.broadcast_tensors(*terms)).sum(0)


Rosenblatt = ConditionalChain
"""The former name of `ConditionalChain`."""
