"""Gamma, LogGamma, InverseGamma and Chi2 with implicit gradients."""

from __future__ import annotations

import math

import pyro.distributions as host
import torch
from pyro.distributions import constraints
from pyro.distributions.torch_distribution import TorchDistribution
from torch import Tensor

from irg_kernels.families import gamma

from ..attach import attach, call, evaluate, in_transform
from ..registry import implicit_twin_of
from ..samplers import draw, standard_gamma
from .base import UnivariateMixin, all_inside, closed_form, exponential, in_range, outside, parameters

__all__ = ["Chi2", "Gamma", "InverseGamma", "LogGamma"]


def _draw(concentration: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
    """(z, log x), x = z / rate, z ~ Gamma(concentration, 1): log x with, and z without derivatives."""
    z, log_z = draw(standard_gamma, concentration)
    return z, attach((gamma.dlogz_da,), log_z, concentration) - rate.log()


def _precise(x: Tensor, log_x: Tensor, z: Tensor) -> Tensor:
    """x without history, from its logarithm where x, or the z that it was formed from, has left its dtype's range."""
    return torch.where(outside(z) | outside(x), log_x.detach().exp(), x.detach())


def _quantile(q: Tensor, rest: Tensor, concentration: Tensor, rate: Tensor) -> Tensor:
    """x with P(X <= x) = q = 1 - rest, held in the range of its dtype as a draw is."""
    log_z = call(gamma.LOG_QUANTILE, q, rest, concentration)
    with torch.no_grad():
        z = evaluate(gamma.refine_quantile, *(t.detach() for t in (log_z, q, rest, concentration)))
    log_x = log_z - rate.log()
    return exponential(log_x, _precise(z / rate, log_x, z))


def _inverse_quantile(q: Tensor, rest: Tensor, concentration: Tensor, rate: Tensor) -> Tensor:
    log_z = call(gamma.LOG_QUANTILE, rest, q, concentration)
    with torch.no_grad():
        z = evaluate(gamma.refine_quantile, *(t.detach() for t in (log_z, rest, q, concentration)))
    log_x = rate.log() - log_z
    return exponential(log_x, _precise(rate / z, log_x, z))


def _log_quantile(q: Tensor, rest: Tensor, concentration: Tensor, rate: Tensor) -> Tensor:
    return call(gamma.LOG_QUANTILE, q, rest, concentration) - rate.log()


@implicit_twin_of(host.Gamma)
class Gamma(UnivariateMixin, host.Gamma):
    r"""Gamma law with density :math:`b^a x^{a-1} e^{-bx} / \Gamma(a)`, reparameterized in both parameters.

    The gradient is implicit (Figurnov, Mohamed, Mnih 2018, eq. 5), exact to about 1e-13 (float64) or 1e-6 (float32).  A
    draw that would underflow is held at the least normal number, with the relative derivative of the true draw, so that
    gradients of expectations of :math:`\log x` are right at any concentration.

    :param concentration: shape :math:`a > 0`; number or tensor, broadcast with `rate`.
    :param rate: inverse scale :math:`b > 0`.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.

    >>> a = torch.tensor(0.01, requires_grad=True)
    >>> x = Gamma(a, 1.0).rsample((1000,))
    >>> x.log().mean().backward()
    """

    def __init__(self, concentration, rate, validate_args=None):
        concentration, rate = parameters("Gamma", concentration=concentration, rate=rate)
        super().__init__(concentration, rate, validate_args=validate_args)
        self._refuse_infinite()

    def rsample(self, sample_shape=torch.Size()):
        concentration, rate = self._extended(sample_shape, self.concentration, self.rate)
        z, log_z = draw(standard_gamma, concentration)
        x = (z / rate).detach()
        if not in_transform() and all_inside(x) and all_inside(z):  # the usual case
            return attach((gamma.dx_da, gamma.dx_drate), x, concentration, rate)
        x = _precise(x, log_z - rate.log(), z)
        held = (outside(x) | outside(z)).to(x.dtype)
        partials = (gamma.dx_da_clamped, gamma.dx_drate, None, None)
        return attach(partials, in_range(x), concentration, rate, log_z, held)

    def _law(self, value):
        return gamma.LAW, self._at(value, 0.0, math.inf, "value"), self.concentration, self.rate

    def icdf(self, value):
        return self._quantile(_quantile, value, 0.0, math.inf, self.concentration, self.rate)

    def entropy(self):
        return closed_form(gamma.entropy, self.concentration, self.rate)


@implicit_twin_of(host.Chi2)
class Chi2(UnivariateMixin, host.Chi2):
    r"""Chi-squared law, Gamma(df / 2, 1 / 2), reparameterized in `df`.

    :param df: degrees of freedom, positive.
    :raises ValueError: for parameters outside their constraint or not finite.
    """

    def __init__(self, df, validate_args=None):
        super().__init__(*parameters("Chi2", df=df), validate_args=validate_args)
        self._refuse_infinite()

    rsample = Gamma.rsample
    _law, icdf, entropy = Gamma._law, Gamma.icdf, Gamma.entropy


class LogGamma(UnivariateMixin, TorchDistribution):
    r"""The law of :math:`\log z`, z ~ Gamma(a, b), with density :math:`b^a e^{ax - b e^x} / \Gamma(a)` for real x.

    Tiny concentrations never underflow here: at a = 0.001 most draws of z are below 1e-300.

    :param concentration: shape :math:`a > 0`; number or tensor, broadcast with `rate`.
    :param rate: inverse scale :math:`b > 0` of z, so that the law is shifted by :math:`-\log b`.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.
    """

    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.real
    has_rsample = True

    def __init__(self, concentration, rate=1.0, validate_args=None):
        self.concentration, self.rate = parameters("LogGamma", concentration=concentration, rate=rate)
        super().__init__(self.concentration.shape, validate_args=validate_args)
        self._refuse_infinite()

    def expand(self, batch_shape, _instance=None):
        new = self._get_checked_instance(LogGamma, _instance or type(self).__new__(type(self)))
        new.concentration = self.concentration.expand(batch_shape)
        new.rate = self.rate.expand(batch_shape)
        TorchDistribution.__init__(new, torch.Size(batch_shape), validate_args=False)
        new._validate_args = self._validate_args
        return new

    def rsample(self, sample_shape=torch.Size()):
        return _draw(*self._extended(sample_shape, self.concentration, self.rate))[1]

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        shifted = value + self.rate.log()
        return self.concentration * shifted - shifted.exp() - self.concentration.lgamma()

    @property
    def mean(self):
        return self.concentration.digamma() - self.rate.log()

    @property
    def variance(self):
        return torch.polygamma(1, self.concentration)

    def _law(self, value):
        return gamma.LOG_LAW, self._at(value, -math.inf, math.inf, "value"), self.concentration, self.rate

    def icdf(self, value):
        return self._quantile(_log_quantile, value, -math.inf, math.inf, self.concentration, self.rate)

    def entropy(self):
        return closed_form(gamma.entropy_of_log, self.concentration, self.rate)


@implicit_twin_of(host.InverseGamma)
class InverseGamma(UnivariateMixin, host.InverseGamma):
    r"""The law of 1 / z, z ~ Gamma(a, b), with density :math:`b^a x^{-a-1} e^{-b/x} / \Gamma(a)`.

    :param concentration: shape :math:`a > 0`; number or tensor, broadcast with `rate`.
    :param rate: :math:`b > 0`, the scale of x.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.
    """

    def __init__(self, concentration, rate, validate_args=None):
        concentration, rate = parameters("InverseGamma", concentration=concentration, rate=rate)
        super().__init__(concentration, rate, validate_args=validate_args)
        self._refuse_infinite()

    def rsample(self, sample_shape=torch.Size()):
        concentration, rate = self._extended(sample_shape, self.concentration, self.rate)
        z, log_x = _draw(concentration, rate)
        return exponential(-log_x, _precise(rate / z, -log_x, z))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        a, log_ratio = self.concentration, self.rate.log() - value.log()
        # b / x by its logarithm: the host's y**2 overflows
        return a * log_ratio - value.log() - log_ratio.exp() - a.lgamma()

    def _law(self, value):
        return gamma.INVERSE_LAW, self._at(value, 0.0, math.inf, "value"), self.concentration, self.rate

    def icdf(self, value):
        return self._quantile(_inverse_quantile, value, 0.0, math.inf, self.concentration, self.rate)

    def entropy(self):
        return closed_form(gamma.entropy_of_inverse, self.concentration, self.rate)

    @property
    def mean(self):
        return self._beyond(1.0, lambda a: self.rate / (a - 1.0))

    @property
    def variance(self):
        return self._beyond(2.0, lambda a: self.rate**2 / ((a - 1.0) ** 2 * (a - 2.0)))

    def _beyond(self, order, moment):
        """A moment that is infinite for concentrations up to `order`; never a NaN in its derivative."""
        finite = self.concentration > order
        return torch.where(finite, moment(torch.where(finite, self.concentration, order + 1.0)), math.inf)
