"""Truncated distributions of NumPyro: the host's faults, twins, pytrees, keys."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as host
import pytest

import numpyro_irg.distributions as dist
from numpyro_irg import implicit, registered
from numpyro_irg.registry import implicit_twin

KEY = jax.random.key(0)


def test_the_hosts_faults():
    """Float32 past 13 sigma: draws outside the support with the gradient 1; from 38 sigma nothing finite."""

    def slope(cls):
        def mean(loc):
            x = cls(loc, 1.0, low=13.0, high=14.0).sample(KEY, (200,))
            return x.mean(), x

        return jax.jit(jax.grad(mean, has_aux=True))(0.0)

    theirs, x = slope(host.TruncatedNormal)
    assert (x < 13.0).any() and theirs > 0.9
    ours, x = slope(dist.TruncatedNormal)
    assert (x >= 13.0).all() and (x <= 14.0).all()
    np.testing.assert_allclose(ours, 0.0057, rtol=0.2)  # its standard error is 7 %
    assert not np.isfinite(host.TruncatedNormal(0.0, 1.0, low=38.0).sample(KEY, (200,))).all()


def test_twins():
    for fn in (host.TruncatedNormal(0.5, 1.0, low=0.0), host.TruncatedCauchy(0.0, 1.0, high=0.0)):
        twin = implicit_twin(fn)
        assert isinstance(twin, dist.Truncated) and isinstance(twin, type(fn)) and implicit_twin(twin) is None
        x = jnp.array([-0.5, 0.5])
        inside = fn.support(x)
        np.testing.assert_allclose(twin.log_prob(x[inside]), fn.log_prob(x[inside]), rtol=2e-6)
    with registered():
        assert host.LeftTruncatedDistribution is dist.LeftTruncatedDistribution

    def guide():
        return numpyro.sample("x", host.TruncatedNormal(0.0, 1.0, low=13.0, high=14.0))

    with numpyro.handlers.seed(rng_seed=0), numpyro.handlers.trace() as trace:
        implicit(guide)()
    assert isinstance(trace["x"]["fn"], dist.TwoSidedTruncatedDistribution) and trace["x"]["value"] >= 13.0


def test_pytrees():
    q, ones = dist.Truncated(dist.Normal(jnp.zeros(3), 1.0).to_event(1), jnp.zeros((2, 1))), jnp.ones((2, 3))
    for again in (jax.tree.map(lambda v: v, q), jax.jit(lambda q: q)(q)):
        np.testing.assert_allclose(again.log_prob(ones), q.log_prob(ones))
    left = dist.LeftTruncatedDistribution(dist.Normal(0.0, 1.0), 1.0)
    assert jax.tree.map(lambda v: v, left).log_prob(2.0) == left.log_prob(2.0)


def test_without_a_key():
    with pytest.raises(ValueError, match=r"Truncated.sample: key must be a JAX random key"):
        dist.Truncated(dist.Normal(), 0.0).sample(0)
