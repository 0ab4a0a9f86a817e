"""Standard draws without derivatives; `attach` hangs those on.

Rejection runs on the whole batch in one `while_loop`, not element by element as in `jax.random.gamma`.  Each is under
`jit`, or a draw outside of a user's own would compile its loop anew.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax, random

from .layout import flat


def reject(key: Array, propose: Callable, valid: Array, dtype: Any) -> Array:
    """Elementwise rejection: `propose(key) -> (value, accepted)`, until every valid element is accepted; else NaN."""

    def pending(state):
        return ~jnp.all(state[2])

    def step(state):
        key, value, done = state
        key, subkey = random.split(key)
        proposal, accepted = propose(subkey)
        return key, jnp.where(done, value, proposal), done | accepted

    # nowhere, but under `jax.shard_map` it varies from device to device as key and parameters do, which a loop asks for
    nowhere = valid & (random.key_data(key).ravel()[0] < 0)
    start = jnp.where(nowhere, 0.0, jnp.nan).astype(dtype)
    return lax.while_loop(pending, step, (key, start, ~valid | nowhere))[1]


def _sampler(sample: Callable) -> Callable:
    """Under `jit`, of parameters of one shape, as if they had one axis."""

    @jax.jit
    @wraps(sample)
    def run(key, *params):
        return flat(partial(sample, key), *params)

    return run


@_sampler
def standard_gamma(key: Array, concentration: Array) -> tuple[Array, Array]:
    """(z, log z), z ~ Gamma(concentration, 1), by Marsaglia & Tsang 2000; z may underflow to 0, log z does not.

    NaN where there is no such distribution.
    Below a = 1, z = g u**(1/a) with g ~ Gamma(a + 1).  v = (1 + w)**3 is carried as w, whose small values keep their
    digits at large concentrations.
    """
    a = lax.stop_gradient(concentration)
    boosted = (a < 1.0).astype(a.dtype)
    d = a + (boosted - 1.0 / 3.0)
    c = 1.0 / jnp.sqrt(9.0 * d)
    key, boost_key = random.split(key)

    def propose(key):
        normal_key, exponential_key = random.split(key)
        x = random.normal(normal_key, a.shape, a.dtype)
        w = c * x
        inside = w > -1.0
        log1p_w = jnp.log1p(jnp.where(inside, w, 0.0))
        excess = w * (3.0 + w * (3.0 + w))  # v - 1
        accepted = -random.exponential(exponential_key, a.shape, a.dtype) < 0.5 * x * x + d * (3.0 * log1p_w - excess)
        return w, inside & accepted

    w = reject(key, propose, (a > 0.0) & (a < jnp.inf), a.dtype)
    boost = -boosted * random.exponential(boost_key, a.shape, a.dtype) / a
    v = (1.0 + w) * (1.0 + w) * (1.0 + w)
    return d * v * jnp.exp(boost), jnp.log(d) + 3.0 * jnp.log1p(w) + boost


@_sampler
def standard_beta_logit(key: Array, concentration1: Array, concentration0: Array) -> Array:
    """logit z, z ~ Beta(concentration1, concentration0), as a difference of two log-Gammas."""
    log_z = standard_gamma(key, jnp.stack([concentration1, concentration0]))[1]
    return log_z[0] - log_z[1]


@_sampler
def standard_student_t(key: Array, df: Array) -> tuple[Array, Array]:
    """(sign of t, log|t|), t ~ StudentT(df): a normal over the root of chi2(df) / df."""
    normal_key, gamma_key = random.split(key)
    df = lax.stop_gradient(df)
    normal = random.normal(normal_key, df.shape, df.dtype)
    log_chi2 = standard_gamma(gamma_key, 0.5 * df)[1] + math.log(2.0)
    tiny = float(jnp.finfo(df.dtype).tiny)
    return jnp.sign(normal), jnp.log(jnp.maximum(jnp.abs(normal), tiny)) + 0.5 * (jnp.log(df) - log_chi2)


@_sampler
def standard_von_mises(key: Array, concentration: Array) -> Array:
    """z ~ VonMises(0, concentration) in [-pi, pi], by Best & Fisher 1979, arranged so that no kappa cancels.

    With X = 1 + 1 / (sqrt(1 + 4 kappa**2) + 2 kappa) their r is 1 + X / (2 kappa); the wrapped Cauchy proposal is
    tan(z/2) = sqrt(X / (X + 4 kappa)) tan(pi u / 2), u in (-1, 1), and their c is X/2 + 2 kappa sin(z/2)**2.
    """
    kappa = lax.stop_gradient(concentration)
    x = 1.0 + 1.0 / (jnp.hypot(jnp.ones_like(kappa), 2.0 * kappa) + 2.0 * kappa)
    width = jnp.sqrt(x / (x + 4.0 * kappa))

    def propose(key):
        angle_key, exponential_key = random.split(key)
        u = random.uniform(angle_key, kappa.shape, kappa.dtype, -1.0, 1.0)
        sine, cosine = width * _sine(u), _sine(1.0 - jnp.abs(u))
        square = sine * sine
        c = 0.5 * x + 2.0 * kappa * (square / (square + cosine * cosine))
        accepted = -random.exponential(exponential_key, kappa.shape, kappa.dtype) <= jnp.log(c) + (1.0 - c)
        return sine / cosine, accepted

    tangent = reject(key, propose, (kappa >= 0.0) & (kappa < jnp.inf), kappa.dtype)
    return 2.0 * jnp.arctan(tangent)


def _sine(u: Array) -> Array:
    """sin(pi u / 2), |u| <= 1, by its series, to 6e-12: a tenth of XLA's time."""
    total = jnp.zeros_like(u)
    for k in range(15, 0, -2):
        total = total * u * u + (-1.0) ** (k // 2) * (0.5 * math.pi) ** k / math.factorial(k)
    return u * total
