"""Draws of vectors and matrices in float64: where they move, and how that changes, as one parameter does.

Pyro's derivatives of both orders, and NumPyro's in float32, are held to expectations in `shared/`, with the sampler.
Here the path alone is compiled.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random
from mpmath import mp

import numpyro_irg.distributions as dist
from tests.multivariate import assert_unbiased

N = 2000
MU = np.array([0.6, 0.8, 0.0])
TRIL = np.array([[0.8, 0.0], [0.5, 1.2]])


def log_det(x):
    return 2.0 * jnp.log(jnp.diagonal(x, axis1=-2, axis2=-1)).sum(-1)


def trigammas(degrees):
    return mp.fsum(mp.psi(1, mp.mpf(df) / 2) / 2 for df in degrees)


def fisher(kappa):
    """The derivative of E[mu x] in three dimensions, coth(kappa) - 1 / kappa."""
    return 1 / mp.mpf(kappa) ** 2 - mp.csch(kappa) ** 2


# name -> (parameter -> distribution, the parameter, function of a draw, the exact derivative of its expectation)
ROWS = {
    "MultivariateStudentT": (
        lambda df: dist.MultivariateStudentT(df, jnp.zeros(2), jnp.asarray(TRIL), validate_args=False),
        1.5,
        lambda x: jnp.log(jnp.abs(x[..., 1])),
        mp.mpf(0.5) / 1.5 - mp.psi(1, 0.75) / 4,
    ),
    "VonMisesFisher": (
        lambda kappa: dist.VonMisesFisher(jnp.asarray(MU), kappa, validate_args=False),
        2.5,
        lambda x: x @ MU,
        fisher(2.5),
    ),
    "PowerSpherical": (
        lambda kappa: dist.PowerSpherical(jnp.asarray(MU), kappa, validate_args=False),
        2.5,
        lambda x: x @ MU,
        mp.mpf(2) / mp.mpf(4.5) ** 2,
    ),
    "LKJCholesky": (
        lambda eta: dist.LKJCholesky(3, eta, validate_args=False),
        0.7,
        log_det,
        mp.psi(1, 1.2) - mp.psi(1, 1.7) + mp.psi(1, 0.7) - mp.psi(1, 1.7),
    ),
    "WishartCholesky": (
        lambda df: dist.WishartCholesky(df, scale_tril=jnp.asarray(TRIL), validate_args=False),
        2.5,
        log_det,
        trigammas((2.5, 1.5)),
    ),
    "InverseWishartCholesky": (
        lambda df: dist.InverseWishartCholesky(df, scale_tril=jnp.asarray(TRIL), validate_args=False),
        2.5,
        log_det,
        -trigammas((2.5, 1.5)),
    ),
    "SineSkewed": (
        lambda skewness: dist.SineSkewed(
            dist.VonMises(jnp.zeros(1), 2.0).to_event(1), jnp.stack([skewness], -1), validate_args=False
        ),
        0.5,
        lambda x: jnp.sin(x[..., 0]),
        mp.besseli(1, 2) / mp.besseli(0, 2) / 2,
    ),
    "RelaxedOneHotCategorical": (
        lambda temperature: dist.RelaxedOneHotCategorical(temperature, logits=jnp.array([0.5, -1.0])),
        0.7,
        lambda x: jnp.log(x[..., 0]) - jnp.log(x[..., 1]),
        -mp.mpf(1.5) / mp.mpf(0.7) ** 2,
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_path(name):
    """The velocity by an expectation, the acceleration by the velocities a little before and after on the path."""
    make, at, function, exact = ROWS[name]
    with jax.enable_x64(True):

        @jax.jit
        def path(t, x):
            def velocity(t):
                return jax.jvp(lambda t: make(t).at_fixed_quantile(x), (t,), (jnp.ones_like(t),))[1]

            return jax.jvp(velocity, (t,), (jnp.ones_like(t),))

        t = jnp.full(N, at)
        x = jax.jit(lambda key: make(at).sample(key, (N,)))(random.key(3))
        assert x.dtype == jnp.float64
        v, a = path(t, x)
        slope = jax.jvp(function, (x,), (v,))[1]
        h = 1e-4 * at
        found = [path(t + s * h, x + s * h * v + 0.5 * h * h * a)[0] for s in (1.0, -1.0)]
    x, v, a, slope, after, before = map(np.asarray, (x, v, a, slope, *found))
    assert_unbiased(slope, float(exact), 1e-8, name)
    # the differences' own error is of the third derivative, and rounding over h
    size = np.abs(a) + np.abs(v) / at + np.abs(x) / at**2
    assert (np.abs((after - before) / (2.0 * h) - a) <= 3e-6 * size).all()
    assert np.abs(a).max() > 1e-3
