"""Gamma, LogGamma, InverseGamma and Chi2 with implicit gradients."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpyro.distributions as host
from jax import Array, lax
from jax.scipy.special import digamma, gammaln, polygamma
from numpyro.distributions import constraints
from numpyro.distributions.util import promote_shapes, validate_sample

from irg_kernels.families import gamma

from ..attach import attach, call, evaluate
from ..registry import implicit_twin_of
from ..samplers import standard_gamma
from .base import UnivariateMixin, exponential, outside, parameters

__all__ = ["Chi2", "Gamma", "InverseGamma", "LogGamma"]


def _draw(key: Array, concentration: Array, rate: Array) -> tuple[Array, Array]:
    """(z, log x), x = z / rate, z ~ Gamma(concentration, 1): log x with, and z without derivatives."""
    z, log_z = standard_gamma(key, concentration)
    return z, attach((gamma.dlogz_da,), log_z, concentration) - jnp.log(rate)


def _precise(x: Array, log_x: Array, z: Array) -> Array:
    """x without derivatives, from its logarithm where x, or the z that it was formed from, has left its range."""
    x, log_x = lax.stop_gradient((x, log_x))
    return jnp.where(outside(z) | outside(x), jnp.exp(log_x), x)


def _quantile(q: Array, rest: Array, concentration: Array, rate: Array) -> Array:
    """x with P(X <= x) = q = 1 - rest, held in the range of its dtype as a draw is."""
    log_z = call(gamma.LOG_QUANTILE, q, rest, concentration)
    z = evaluate(gamma.refine_quantile, *lax.stop_gradient((log_z, q, rest, concentration)))
    log_x = log_z - jnp.log(rate)
    return exponential(log_x, _precise(z / rate, log_x, z))


def _inverse_quantile(q: Array, rest: Array, concentration: Array, rate: Array) -> Array:
    log_z = call(gamma.LOG_QUANTILE, rest, q, concentration)
    z = evaluate(gamma.refine_quantile, *lax.stop_gradient((log_z, rest, q, concentration)))
    log_x = jnp.log(rate) - log_z
    return exponential(log_x, _precise(rate / z, log_x, z))


def _log_quantile(q: Array, rest: Array, concentration: Array, rate: Array) -> Array:
    return call(gamma.LOG_QUANTILE, q, rest, concentration) - jnp.log(rate)


@implicit_twin_of(host.Gamma)
class Gamma(UnivariateMixin, host.Gamma):
    r"""Gamma law with density :math:`b^a x^{a-1} e^{-bx} / \Gamma(a)`, reparameterized in both parameters.

    The gradient is implicit (Figurnov, Mohamed, Mnih 2018, eq. 5), exact to about 1e-13 (float64) or 1e-6 (float32).  A
    draw that would underflow is held at the least normal number, with the relative derivative of the true draw, so that
    gradients of expectations of :math:`\log x` are right at any concentration.

    :param concentration: shape :math:`a > 0`; broadcast with `rate`.
    :param rate: inverse scale :math:`b > 0`.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.

    >>> import jax
    >>> jax.grad(lambda a: jnp.log(Gamma(a, 1.0).sample(jax.random.key(0), (1000,))).mean())(0.01).shape
    ()
    """

    def __init__(self, concentration, rate=1.0, *, validate_args=None):
        concentration, rate = parameters("Gamma", concentration=concentration, rate=rate)
        super().__init__(concentration, rate, validate_args=validate_args)

    def sample(self, key, sample_shape=()):
        concentration, rate = self._extended(key, sample_shape, self.concentration, self.rate)
        z, log_x = _draw(key, concentration, rate)
        return exponential(log_x, _precise(z / rate, log_x, z))

    def _law(self, value):
        return gamma.LAW, self._at(value, 0.0, math.inf, "value"), self.concentration, self.rate

    def icdf(self, q):
        return self._quantile(_quantile, q, 0.0, math.inf, self.concentration, self.rate)

    def entropy(self):
        return self._closed_form(gamma.entropy, self.concentration, self.rate)


@implicit_twin_of(host.Chi2)
class Chi2(UnivariateMixin, host.Chi2):
    r"""Chi-squared law, Gamma(df / 2, 1 / 2), reparameterized in `df`.

    :param df: degrees of freedom, positive.
    :raises ValueError: for parameters outside their constraint or not finite.
    """

    def __init__(self, df, *, validate_args=None):
        (df,) = parameters("Chi2", df=df)
        super().__init__(df, validate_args=validate_args)
        self.rate = jnp.asarray(0.5, df.dtype)  # the host leaves a number of the default type

    sample = Gamma.sample
    _law, icdf, entropy = Gamma._law, Gamma.icdf, Gamma.entropy


class LogGamma(UnivariateMixin, host.Distribution):
    r"""The law of :math:`\log z`, z ~ Gamma(a, b), with density :math:`b^a e^{ax - b e^x} / \Gamma(a)` for real x.

    Tiny concentrations never underflow here: at a = 0.001 most draws of z are below 1e-300.

    :param concentration: shape :math:`a > 0`; broadcast with `rate`.
    :param rate: inverse scale :math:`b > 0` of z, so that the law is shifted by :math:`-\log b`.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.
    """

    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.real
    reparametrized_params = ["concentration", "rate"]

    def __init__(self, concentration, rate=1.0, *, validate_args=None):
        concentration, rate = parameters("LogGamma", concentration=concentration, rate=rate)
        batch_shape = jnp.broadcast_shapes(concentration.shape, rate.shape)
        self.concentration, self.rate = promote_shapes(concentration, rate)
        super().__init__(batch_shape=batch_shape, validate_args=validate_args)

    def sample(self, key, sample_shape=()):
        return _draw(key, *self._extended(key, sample_shape, self.concentration, self.rate))[1]

    @validate_sample
    def log_prob(self, value):
        shifted = value + jnp.log(self.rate)
        return self.concentration * shifted - jnp.exp(shifted) - gammaln(self.concentration)

    @property
    def mean(self):
        return digamma(self.concentration) - jnp.log(self.rate)

    @property
    def variance(self):
        return jnp.broadcast_to(polygamma(1, self.concentration), self.batch_shape)

    def _law(self, value):
        return gamma.LOG_LAW, self._at(value, -math.inf, math.inf, "value"), self.concentration, self.rate

    def icdf(self, q):
        return self._quantile(_log_quantile, q, -math.inf, math.inf, self.concentration, self.rate)

    def entropy(self):
        return self._closed_form(gamma.entropy_of_log, self.concentration, self.rate)


@implicit_twin_of(host.InverseGamma)
class InverseGamma(UnivariateMixin, host.InverseGamma):
    r"""The law of 1 / z, z ~ Gamma(a, b), with density :math:`b^a x^{-a-1} e^{-b/x} / \Gamma(a)`.

    :param concentration: shape :math:`a > 0`; broadcast with `rate`.
    :param rate: :math:`b > 0`, the scale of x.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.
    """

    def __init__(self, concentration, rate=1.0, *, validate_args=None):
        concentration, rate = parameters("InverseGamma", concentration=concentration, rate=rate)
        super().__init__(concentration, rate, validate_args=validate_args)

    def sample(self, key, sample_shape=()):
        concentration, rate = self._extended(key, sample_shape, self.concentration, self.rate)
        z, log_x = _draw(key, concentration, rate)
        return exponential(-log_x, _precise(rate / z, -log_x, z))

    @validate_sample
    def log_prob(self, value, intermediates=None):
        a, log_ratio = self.concentration, jnp.log(self.rate) - jnp.log(value)
        # b / x by its logarithm: the host's y**2 overflows
        return a * log_ratio - jnp.log(value) - jnp.exp(log_ratio) - gammaln(a)

    def sample_with_intermediates(self, key, sample_shape=()):
        return self.sample(key, sample_shape), []

    def _law(self, value):
        return gamma.INVERSE_LAW, self._at(value, 0.0, math.inf, "value"), self.concentration, self.rate

    def icdf(self, q):
        return self._quantile(_inverse_quantile, q, 0.0, math.inf, self.concentration, self.rate)

    def entropy(self):
        return self._closed_form(gamma.entropy_of_inverse, self.concentration, self.rate)

    @property
    def mean(self):
        return self._beyond(1.0, lambda a: self.rate / (a - 1.0))

    @property
    def variance(self):
        return self._beyond(2.0, lambda a: self.rate**2 / ((a - 1.0) ** 2 * (a - 2.0)))

    def _beyond(self, order, moment):
        """A moment that is infinite for concentrations up to `order`; never a NaN in its derivative."""
        finite = self.concentration > order
        return jnp.where(finite, moment(jnp.where(finite, self.concentration, order + 1.0)), math.inf)
