"""Twins of what only NumPyro has."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as host

import numpyro_irg.distributions as dist
from numpyro_irg import implicit_twin, registered

KEY = jax.random.key(0)


def test_twins_pass_through_transformations():
    """A twin in its wrappers is a pytree still: out of jit, vmap and scan."""

    @jax.jit
    @jax.vmap
    def made(concentration):
        return implicit_twin(host.Gamma(concentration, 1.0).expand((3,)).to_event(1))

    fn = made(jnp.array([1.0, 2.0]))
    assert type(fn.base_dist.base_dist) is dist.Gamma

    def step(key, _):
        key, now = jax.random.split(key)
        return key, implicit_twin(host.VonMises(jnp.full(2, 0.5), 2.0).mask(True)).sample(now)

    assert jax.lax.scan(step, KEY, length=3)[1].shape == (3, 2)
    with registered():
        assert type(jax.tree.map(lambda x: x, host.Gamma(2.0, 1.0))) is dist.Gamma


def test_parts_of_a_general_mixture_are_exchanged():
    parts = [host.Gamma(2.0, 0.5), host.LogNormal(0.0, 1.0), host.InverseGamma(2.0, 0.5)]
    fn = host.MixtureGeneral(host.Categorical(logits=jnp.zeros(3)), parts)
    twin = implicit_twin(fn)
    kinds = [type(part) for part in twin.component_distributions]
    assert type(twin) is dist.MixtureGeneral and kinds == [dist.Gamma, host.LogNormal, dist.InverseGamma]
    assert twin.has_rsample and jax.eval_shape(lambda: twin.sample(KEY, (2,))).shape == (2,)
    np.testing.assert_allclose(twin.log_prob(0.75), fn.log_prob(0.75), rtol=2e-5)
    assert fn.batch_shape == twin.batch_shape and implicit_twin(twin) is None
