"""`ImplicitDensity` under JAX: what can raise nothing, keys, and distributions that cross jit and vmap."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as host
import pytest
from numpyro.distributions import constraints

import numpyro_irg.distributions as dist

KEY = jax.random.key(0)


def test_faults_are_nan_where_nothing_can_be_raised():
    def draw(scale):
        d = dist.ImplicitDensity(lambda x, scale: 0.0 * x * scale, constraints.real, scale=scale)
        return d.sample(KEY), d.log_prob(1.0)

    assert np.isnan(jax.jit(draw)(1.0)).all()


def test_without_a_key():
    with pytest.raises(ValueError, match="key must be a JAX random key"):
        dist.ImplicitDensity(lambda x: -0.5 * x * x, constraints.real, validate_args=False).sample(None)


def test_across_jit_and_vmap():
    def log_density(x, a):
        return -a * x

    def make(a):
        return dist.ImplicitDensity(log_density, constraints.positive, a=a, validate_args=False)

    assert jax.jit(lambda d: d.expand((3, 2)).sample(KEY, (4,)))(make(jnp.ones((3, 1)))).shape == (4, 3, 2)
    assert jax.vmap(lambda d: d.sample(KEY))(jax.vmap(make)(jnp.array([1.0, 2.0]))).shape == (2,)
    assert jax.jit(lambda d: d.sample(KEY, (3,)))(dist.Implicit(host.Gamma(0.5, 1.0))).shape == (3,)
