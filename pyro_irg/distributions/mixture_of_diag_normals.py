"""MixtureOfDiagNormals, its twin of shared covariance and GaussianScaleMixture, with gradients right in the logits."""

from __future__ import annotations

from typing import Any

import pyro.distributions as host
import torch
from pyro.distributions import constraints
from pyro.distributions.torch_distribution import TorchDistribution
from torch import Tensor

from irg_kernels.adapter import messages
from irg_kernels.families import normal

from ..attach import NATIVE, attach_jointly
from ..registry import implicit_twin_of
from ..samplers import draw
from . import conditionals
from .base import ImplicitMixin, uniforms
from .normal_mixture import pull, push

__all__ = ["GaussianScaleMixture", "MixtureOfDiagNormals", "MixtureOfDiagNormalsSharedCovariance"]


class _DiagNormals(ImplicitMixin):
    """What the three share; `_scales` is of the shape of `_locs`, (..., K, D)."""

    _axes: dict[str, int]  # parameter -> axes of its event
    host_fault: str | None = "whose gradient in component_logits is biased"

    def _begin(self, validate_args: bool | None, **given: Any) -> None:
        name = type(self).__name__
        for parameter, value in given.items():
            if not isinstance(value, Tensor):
                raise ValueError(f"{name}: {parameter} must be a torch.Tensor, got {type(value).__name__}")
        batch, events = messages.diag_normals(name, {p: tuple(v.shape) for p, v in given.items()}, self._axes)
        batch_shape = torch.Size(batch)
        for parameter, value in given.items():
            setattr(self, parameter, value.expand(batch_shape + events[parameter]))
        self._finish(batch_shape, validate_args)
        self._refuse_infinite()

    def _finish(self, batch_shape, validate_args):
        self.dim = self.coord_scale.shape[-1]
        self.batch_mode = len(batch_shape) > 0
        TorchDistribution.__init__(self, batch_shape, torch.Size((self.dim,)), validate_args=validate_args)
        self.categorical = torch.distributions.Categorical(logits=self.component_logits, validate_args=False)
        self.probs = self.categorical.probs

    @classmethod
    def from_host(cls, fn: Any) -> Any:
        return cls(*(getattr(fn, name) for name in cls._axes), validate_args=fn._validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = _instance or type(self).__new__(type(self))
        batch_shape = torch.Size(batch_shape)
        for name, axes in self._axes.items():
            value = getattr(self, name)
            setattr(new, name, value.expand(batch_shape + value.shape[value.dim() - axes :]))
        new._finish(batch_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        x = draw(_standard, *self._params(torch.Size(sample_shape) + self.batch_shape))
        return self.at_fixed_quantile(x)

    def at_fixed_quantile(self, x: Tensor) -> Tensor:
        """x, unchanged in value, that moves so as to keep its Rosenblatt transform."""
        return attach_jointly(push, pull, x, self._locs, self._scales, self.component_logits)

    def from_uniform(self, u: Any) -> Tensor:
        """The draw that u makes, coordinate by coordinate; see the function `from_uniform`."""
        return self._from_uniform(uniforms(self, u))

    def _from_uniform(self, u: Tensor) -> Tensor:
        component = host.Independent(host.Normal(self._locs, self._scales, validate_args=False), 1)
        return conditionals.from_uniform(self.component_logits.log_softmax(-1), component, u)

    def _params(self, batch: torch.Size) -> list[Tensor]:
        given = (self._locs, self._scales, self.component_logits)
        return [p.expand(batch + p.shape[len(self.batch_shape) :]) for p in given]

    def log_prob(self, value: Any) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        locs, scales = self._locs, self._scales
        log_f = (normal.log_density(NATIVE, (value[..., None, :] - locs) / scales) - scales.log()).sum(-1)
        return (self.component_logits.log_softmax(-1) + log_f).logsumexp(-1)

    @property
    def mean(self) -> Tensor:
        return (self.probs[..., None] * self._locs).sum(-2)

    @property
    def variance(self) -> Tensor:
        second = (self._scales**2 + (self._locs - self.mean[..., None, :]) ** 2) * self.probs[..., None]
        return second.sum(-2)


class _Located(_DiagNormals):
    """With means, and standard deviations of each component or of all."""

    def __init__(self, locs: Any, coord_scale: Any, component_logits: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, locs=locs, coord_scale=coord_scale, component_logits=component_logits)

    @property
    def _locs(self):
        return self.locs

    @property
    def _scales(self):
        shared = self._axes["coord_scale"] == 1
        return self.coord_scale[..., None, :].expand_as(self.locs) if shared else self.coord_scale


@implicit_twin_of(host.MixtureOfDiagNormals)
class MixtureOfDiagNormals(_Located, host.MixtureOfDiagNormals):
    r"""Mixture of K normal distributions with diagonal covariance, reparameterized in all parameters; D = 1 is allowed.

    Density :math:`\sum_k w_k \prod_i N(x_i; \mu_{ki}, \sigma_{ki}^2)`.

    The gradient keeps the distribution function of each coordinate given those before it (Figurnov, Mohamed, Mnih 2018,
    eq. 3, after Graves 2016); the host's is biased in the logits.  One of several paths to the same expectation, it
    depends on the order of the coordinates.

    :param locs: :math:`\mu`, means, of shape (..., K, D).
    :param coord_scale: :math:`\sigma`, standard deviations, of shape (..., K, D), positive.
    :param component_logits: :math:`\log w` up to a common constant, of shape (..., K).
    :raises ValueError: for parameters outside their constraint, not finite, or of other shapes.
    """

    _axes = {"locs": 2, "coord_scale": 2, "component_logits": 1}


@implicit_twin_of(host.MixtureOfDiagNormalsSharedCovariance)
class MixtureOfDiagNormalsSharedCovariance(_Located, host.MixtureOfDiagNormalsSharedCovariance):
    r"""Mixture of K normal distributions with one diagonal covariance, reparameterized in all parameters; D = 1 is
    allowed.

    The gradient is that of `MixtureOfDiagNormals`.

    :param locs: means, of shape (..., K, D).
    :param coord_scale: standard deviations, of shape (..., D), positive.
    :param component_logits: :math:`\log w` up to a common constant, of shape (..., K).
    :raises ValueError: for parameters outside their constraint, not finite, or of other shapes.
    """

    _axes = {"locs": 2, "coord_scale": 1, "component_logits": 1}


@implicit_twin_of(host.GaussianScaleMixture)
class GaussianScaleMixture(_DiagNormals, host.GaussianScaleMixture):
    r"""Mixture of K normal distributions about 0, of covariances
    :math:`\mathrm{diag}(\tau_k \sigma_i)^2`, reparameterized in all parameters, batches of them too; D = 1 is allowed.

    The gradient is that of `MixtureOfDiagNormals`.

    :param coord_scale: :math:`\sigma`, of shape (..., D), positive.
    :param component_logits: :math:`\log w` up to a common constant, of shape (..., K).
    :param component_scale: :math:`\tau`, of shape (..., K), positive.
    :raises ValueError: for parameters outside their constraint, not finite, or of other shapes.
    """

    host_fault = None  # it is right, of one batch
    _axes = {"coord_scale": 1, "component_logits": 1, "component_scale": 1}
    support = constraints.real_vector

    def __init__(
        self, coord_scale: Any, component_logits: Any, component_scale: Any, validate_args: bool | None = None
    ) -> None:
        self._begin(
            validate_args, coord_scale=coord_scale, component_logits=component_logits, component_scale=component_scale
        )

    @property
    def _locs(self):
        return torch.zeros_like(self._scales)

    @property
    def _scales(self):
        return self.component_scale[..., None] * self.coord_scale[..., None, :]


def _standard(locs, scales, logits):
    """A draw of the mixture: the component that wins a race of exponentials, and its normal."""
    race = torch.empty_like(logits).exponential_().log() - logits
    winner = race.argmin(-1)[..., None, None].expand(*locs.shape[:-2], 1, locs.shape[-1])
    loc, scale = locs.gather(-2, winner).squeeze(-2), scales.gather(-2, winner).squeeze(-2)
    return loc + scale * torch.randn_like(loc)
