"""MixtureOfDiagNormals and its twin of shared covariance, with pathwise gradients that are right in the logits."""

from __future__ import annotations

import math
from typing import Any

import pyro.distributions as host
import torch
from pyro.distributions.torch_distribution import TorchDistribution
from torch import Tensor

from ..attach import attach_jointly
from ..registry import implicit_twin_of
from ..samplers import draw
from . import conditionals
from .base import ImplicitMixin, uniforms
from .normal_mixture import pull, push

__all__ = ["MixtureOfDiagNormals", "MixtureOfDiagNormalsSharedCovariance"]


class _DiagNormals(ImplicitMixin):
    """What the two share; `_scales` is of the shape of `locs`."""

    _scale_axes: int  # of coord_scale's event
    host_fault = "whose gradient in component_logits is biased"

    def __init__(self, locs: Any, coord_scale: Any, component_logits: Any, validate_args: bool | None = None) -> None:
        name = type(self).__name__
        given = {"locs": locs, "coord_scale": coord_scale, "component_logits": component_logits}
        for parameter, value in given.items():
            if not isinstance(value, Tensor):
                raise ValueError(f"{name}: {parameter} must be a torch.Tensor, got {type(value).__name__}")
        axes = {"locs": 2, "coord_scale": self._scale_axes, "component_logits": 1}
        shapes = f"{name}: " + ", ".join(f"{p} of shape {tuple(v.shape)}" for p, v in given.items())
        events = {p: tuple(v.shape[v.dim() - axes[p] :]) for p, v in given.items()}
        if any(value.dim() < axes[p] for p, value in given.items()) or not (
            events["coord_scale"] == events["locs"][-self._scale_axes :]
            and events["component_logits"] == events["locs"][:1]
        ):
            expected = "(..., K, D)" if self._scale_axes == 2 else "(..., D)"
            raise ValueError(f"{shapes}; expected (..., K, D), {expected} and (..., K)")
        try:
            batch_shape = torch.broadcast_shapes(*(v.shape[: v.dim() - axes[p]] for p, v in given.items()))
        except RuntimeError as error:
            raise ValueError(f"{shapes}: their batch axes do not broadcast") from error
        for parameter, value in given.items():
            setattr(self, parameter, value.expand(batch_shape + events[parameter]))
        self._finish(batch_shape, validate_args)
        self._refuse_infinite()

    def _finish(self, batch_shape, validate_args):
        self.dim = self.locs.shape[-1]
        self.batch_mode = len(batch_shape) > 0
        TorchDistribution.__init__(self, batch_shape, torch.Size((self.dim,)), validate_args=validate_args)
        self.categorical = torch.distributions.Categorical(logits=self.component_logits, validate_args=False)
        self.probs = self.categorical.probs

    @classmethod
    def from_host(cls, fn: Any) -> Any:
        return cls(fn.locs, fn.coord_scale, fn.component_logits, validate_args=fn._validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = _instance or type(self).__new__(type(self))
        batch_shape = torch.Size(batch_shape)
        new.locs = self.locs.expand(batch_shape + self.locs.shape[-2:])
        new.coord_scale = self.coord_scale.expand(batch_shape + self.coord_scale.shape[-self._scale_axes :])
        new.component_logits = self.component_logits.expand(batch_shape + self.component_logits.shape[-1:])
        new._finish(batch_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @property
    def _scales(self):
        return self.coord_scale if self._scale_axes == 2 else self.coord_scale[..., None, :].expand_as(self.locs)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        x = draw(_standard, *self._params(torch.Size(sample_shape) + self.batch_shape))
        return self.at_fixed_quantile(x)

    def at_fixed_quantile(self, x: Tensor) -> Tensor:
        """x, unchanged in value, that moves so as to keep its Rosenblatt transform."""
        return attach_jointly(push, pull, x, self.locs, self._scales, self.component_logits)

    def from_uniform(self, u: Any) -> Tensor:
        """The draw that u makes, coordinate by coordinate; see the function `from_uniform`."""
        return self._from_uniform(uniforms(self, u))

    def _from_uniform(self, u: Tensor) -> Tensor:
        component = host.Independent(host.Normal(self.locs, self._scales, validate_args=False), 1)
        return conditionals.from_uniform(self.component_logits.log_softmax(-1), component, u)

    def _params(self, batch: torch.Size) -> list[Tensor]:
        given = (self.locs, self._scales, self.component_logits)
        return [p.expand(batch + p.shape[len(self.batch_shape) :]) for p in given]

    def log_prob(self, value: Any) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        log_f = _log_normal(value[..., None, :], self.locs, self._scales).sum(-1)
        return (self.component_logits.log_softmax(-1) + log_f).logsumexp(-1)

    @property
    def mean(self) -> Tensor:
        return (self.probs[..., None] * self.locs).sum(-2)

    @property
    def variance(self) -> Tensor:
        second = (self._scales**2 + (self.locs - self.mean[..., None, :]) ** 2) * self.probs[..., None]
        return second.sum(-2)


@implicit_twin_of(host.MixtureOfDiagNormals)
class MixtureOfDiagNormals(_DiagNormals, host.MixtureOfDiagNormals):
    r"""Mixture of K normal distributions with diagonal covariance, reparameterized in all parameters; D = 1 is allowed.

    The gradient keeps the distribution function of each coordinate given those before it (Figurnov, Mohamed, Mnih 2018,
    eq. 3, after Graves 2016); the host's is biased in the logits.  One of several paths to the same expectation, it
    depends on the order of the coordinates.

    :param locs: means, of shape (..., K, D).
    :param coord_scale: standard deviations, of shape (..., K, D), positive.
    :param component_logits: logarithms of the weights, of shape (..., K), perhaps without their normalisation.
    :raises ValueError: for parameters outside their constraint, not finite, or of other shapes.
    """

    _scale_axes = 2


@implicit_twin_of(host.MixtureOfDiagNormalsSharedCovariance)
class MixtureOfDiagNormalsSharedCovariance(_DiagNormals, host.MixtureOfDiagNormalsSharedCovariance):
    r"""Mixture of K normal distributions with one diagonal covariance, reparameterized in all parameters; D = 1 is
    allowed.

    The gradient is that of `MixtureOfDiagNormals`.

    :param locs: means, of shape (..., K, D).
    :param coord_scale: standard deviations, of shape (..., D), positive.
    :param component_logits: logarithms of the weights, of shape (..., K), perhaps without their normalisation.
    :raises ValueError: for parameters outside their constraint, not finite, or of other shapes.
    """

    _scale_axes = 1


def _log_normal(x, locs, scales):
    return -0.5 * ((x - locs) / scales) ** 2 - scales.log() - 0.5 * math.log(2.0 * math.pi)


def _standard(locs, scales, logits):
    """A draw of the mixture: the component that wins a race of exponentials, and its normal."""
    race = torch.empty_like(logits).exponential_().log() - logits
    winner = race.argmin(-1)[..., None, None].expand(*locs.shape[:-2], 1, locs.shape[-1])
    loc, scale = locs.gather(-2, winner).squeeze(-2), scales.gather(-2, winner).squeeze(-2)
    return loc + scale * torch.randn_like(loc)
