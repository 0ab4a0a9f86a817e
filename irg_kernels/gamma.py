"""Gamma(a, 1): the derivative of log z in the concentration a at fixed quantile.

    symbol   meaning
    a, z     concentration; the draw
    tau      integration variable, t = z exp(tau): negative on the lower tail, positive on the upper one
    c        psi(b) - log z, the zero of the score
    h        exp(tau) - 1 - tau

From the tail integral (Figurnov, Mohamed, Mnih 2018, eq. 4-6; see `quadrature`), upper tail, b = a:

    d log z/da = int_0^inf (tau - c) exp(-E(tau)) dtau,    E(tau) = (z - b) tau + z h(tau).

The lower tail has a plateau of length 1/a when a is small.  One integration by parts raises a to b = a + 1 and takes
the plateau out in closed form:

    d log z/da = (c + z int_0^{-inf} (tau - c) exp(-E(tau)) dtau) / a,

whose integrand falls at least as exp(tau): no series for small z, and z = 0 (an underflow) is as good as any.
"""

from __future__ import annotations

from .elementary import digamma_minus_log, exp_remainder
from .namespace import Array, Namespace
from .quadrature import depth, tail_of_line


def dz_da(xp: Namespace, z: Array, a: Array) -> Array:
    """dz / da for z ~ Gamma(a, 1) at fixed quantile, z >= 0."""
    return z * _dlogz_da(xp, z, xp.log(xp.maximum(z, float(xp.finfo(z).tiny))), a)


def dx_da(xp: Namespace, x: Array, a: Array, rate: Array) -> Array:
    """dx / da for x = z / rate, z ~ Gamma(a, 1), where neither x nor z leaves the range of its dtype."""
    z = x * rate
    return x * _dlogz_da(xp, z, xp.log(z), a)


def dx_da_held(xp: Namespace, x: Array, a: Array, rate: Array, log_z: Array, held: Array) -> Array:
    """The same where some do: `held` is 1 where log z must be taken from `log_z`, a constant, and 0 elsewhere."""
    is_held = held > 0.5
    z = xp.where(is_held, xp.exp(log_z), x * rate)
    return x * _dlogz_da(xp, z, xp.where(is_held, log_z, xp.log(xp.where(is_held, 1.0, z))), a)


def dx_drate(xp: Namespace, x: Array, a: Array, rate: Array, *constants: Array) -> Array:
    """dx / drate for x = z / rate."""
    return -x / rate


def dlogz_da(xp: Namespace, log_z: Array, a: Array) -> Array:
    """d log z / da for z ~ Gamma(a, 1) at fixed quantile; exp(log_z) may underflow."""
    return _dlogz_da(xp, xp.exp(log_z), log_z, a)


def _dlogz_da(xp: Namespace, z: Array, log_z: Array, a: Array) -> Array:
    # exp(psi(a + 1)) > a + 0.4 > exp(psi(a)), so the score keeps its sign on the chosen tail; between 0.4 and 0.5 the
    # upper one needs fewer nodes
    lower = xp.indicator(z < a + 0.4, like=z)
    b = a + lower
    excess = z - b
    c = _score_zero(xp, z, log_z, b, excess)

    def weight(tau: Array) -> Array:
        if xp.spare_precision:
            return xp.exp(xp.addcmul(xp.addcmul(z, b, tau), z, xp.exp(tau), -1.0))
        return xp.exp(-excess * tau - z * exp_remainder(xp, tau))

    # nodes: worst error over a in 1e-6..1e6 and quantiles 1e-12..1 - 1e-12 is 1e-6 with 10 and 1e-14 with 28
    tail = tail_of_line(xp, weight, _cut(xp, z, b, excess), c, single=10, double=28)
    return xp.blend(tail, xp.addcmul(c, z, tail) / a, lower)


def _score_zero(xp: Namespace, z: Array, log_z: Array, b: Array, excess: Array) -> Array:
    """psi(b) - log z, which is small beside either term when b is large."""
    if xp.spare_precision:
        return xp.digamma(b) - log_z
    near = z > 0.5 * b
    log_ratio = xp.where(near, -xp.log1p(xp.where(near, excess / b, 0.0)), xp.log(b) - log_z)
    return digamma_minus_log(xp, b) + log_ratio


def _cut(xp: Namespace, z: Array, b: Array, excess: Array) -> Array:
    """A tau near the root of E(tau) = excess tau + z h(tau) = depth.

    The quadratic model, h = tau**2 / 2, has the root y; with h's next term it becomes y / (1 + y / 6), and 7 in place
    of 6 is right within a few per cent wherever y is large.  On the lower tail the root is never beyond
    -(z + depth) / b.
    """
    z, b, excess = xp.stop_gradient(z), xp.stop_gradient(b), xp.stop_gradient(excess)
    fall = depth(xp, z)
    root = xp.sqrt(xp.addcmul(2.0 * fall * z, excess, excess))
    tau = (2.0 * fall) / (excess + xp.copysign(root, excess))
    tau = tau / xp.maximum(1.0 + tau * (1.0 / 7.0), 0.1)
    return xp.maximum(tau, (z + fall) / -b)
